#!/usr/bin/env python3
"""Say how a job stands: running, success or failed."""

import scheduler

scheduler.main(lambda ids: scheduler.status(ids[0]))
