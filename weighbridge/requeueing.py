"""What becomes of a stage that SIGTERM ends within a job of Slurm's.

Slurm sends it before the time limit (``--signal``), at the time limit, and when a job has to make way for another one
or is put back into the queue by hand. Where the stage has saved its work, and Slurm hasn't put the job back by itself,
it asks for that: the job waits for its turn again under the same id, and whoever waits for it goes on waiting. A start
that saved nothing isn't repeated, since the next one would come no further.
"""

import contextlib
import os
from collections.abc import Iterator

from weighbridge import cluster
from weighbridge.cluster import Phase, State
from weighbridge.registry.attempts import Cancelled

_AT_LIMIT_SECONDS = 150
"""Slurm looks at limits now and then: what ``--signal=TERM@60`` asks for comes up to a minute earlier."""


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Within, who is stopped by SIGTERM in a job of Slurm's is put back into the queue where that makes sense.

    :attr:`Cancelled.then` says what was done.
    """
    own = cluster.job_id() if "SLURM_JOB_ID" in os.environ else None
    if own is None:
        yield
        return
    before = cluster.state(own)
    try:
        yield
    except Cancelled as stop:
        if stop.signal == "SIGTERM":
            stop.then = _then(before, cluster.state(own), saved=stop.saved)
        raise


def _then(before: State, now: State, *, saved: bool) -> str:
    goes_on = "to go on from its last checkpoint" if saved else "to begin anew"
    if now.phase is Phase.WAITING or now.restarts > before.restarts:
        return f"Slurm has put job {now.job} back into its queue, {goes_on}"
    over = now.reason == "TimeLimit" or _is_near(now)
    if now.said != "RUNNING" and not over:
        return ""  # cancelled, by a person who wants no more of it, or nothing is known
    if not saved:
        return _too_short(now) if over else ""
    if cluster.requeue():
        return f"put job {now.job} back into Slurm's queue, {goes_on}"
    return f"Slurm doesn't put job {now.job} back into its queue; the next start goes on from the last checkpoint"


def _is_near(state: State) -> bool:
    if state.limit_seconds is None or state.ran_seconds is None or state.said != "RUNNING":
        return False
    return state.limit_seconds - state.ran_seconds <= _AT_LIMIT_SECONDS


def _too_short(state: State) -> str:
    limit = f" of {state.limit_seconds // 60} min" if state.limit_seconds else ""
    return f"the time limit{limit} is over before anything could be saved; raise runtime, in minutes: docs/cluster.md"
