#!/usr/bin/env python3
"""Cancel jobs."""

import scheduler

scheduler.main(scheduler.cancel)
