#!/usr/bin/env python3
"""Submit the script of a job: its id is printed."""

import scheduler

scheduler.main(scheduler.submit)
