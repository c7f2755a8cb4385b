"""Patience with a Slurm that doesn't answer: the head waits, says so, and loses none of its jobs.

Snakemake's executor for Slurm asks ``squeue`` a few times and then forgets all jobs that it was asking about: the
head waits for ever, for nothing. And what it submits meanwhile counts as failed. Here the first are kept, the second
wait until Slurm answers.

The executor also takes a job that Slurm doesn't list for one that Slurm will list. One that ended while nobody asked,
longer ago than Slurm remembers, would be waited for in vain. So each minute those that the queue doesn't hold any more
are asked for one by one.
"""

import functools
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from weighbridge import cluster, running

_PAUSE_SECONDS = 5.0
_LOOK_SECONDS = 60.0
_TOLD = "_weighbridge_told"
_LOOK = "_weighbridge_look"


class _Silence:
    """Whether Slurm is silent just now; said once as it begins, and once as it ends."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._since: float | None = None

    def begins(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                self._say("Slurm doesn't answer; its jobs go on, and this snakemake waits: nothing is lost")

    def ends(self) -> None:
        with self._lock:
            if self._since is not None:
                seconds = time.monotonic() - self._since
                self._since = None
                self._say(f"Slurm answers again, after {seconds:.0f} s")


def install(executor: Any, say: Callable[[str], None] | None = None) -> None:
    """Let an executor be patient; a second time changes nothing.

    Args:
        executor: the class of Snakemake's executor for Slurm.
        say: told where Slurm falls silent and where it answers again; standard error by default.
    """
    say = say or running.say
    if not _is_known(executor):
        say(
            "snakemake-executor-plugin-slurm: another version than this pipeline knows; where Slurm falls silent, jobs "
            "may be waited for in vain"
        )
        return
    if hasattr(executor.check_active_jobs, _TOLD):
        return
    silence = _Silence(say)
    executor.check_active_jobs = _keeping(executor.check_active_jobs, silence)
    executor.run_job = _waiting(executor.run_job, silence)
    for name in ("report_job_success", "report_job_error"):
        setattr(executor, name, _noting(getattr(executor, name)))


def _is_known(executor: Any) -> bool:
    """Return whether an executor has the methods that are to be patient, and they take what is given to them."""
    takes: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "check_active_jobs": ((None, []), {}),
        "run_job": ((None, None), {}),
        "report_job_success": ((None, None), {}),
        "report_job_error": ((None, None), {"msg": ""}),
    }
    try:
        for name, (given, named) in takes.items():
            inspect.signature(getattr(executor, name)).bind(*given, **named)
    except (AttributeError, TypeError, ValueError):
        return False
    return inspect.isasyncgenfunction(inspect.unwrap(executor.check_active_jobs))


def _keeping(check: Any, silence: _Silence) -> Any:
    """Return *check* such that a job of which nothing was learned stays one of the active ones."""

    @functools.wraps(check)
    async def checked(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        told: set[int] = set()
        setattr(self, _TOLD, told)
        active = [job async for job in check(self, active_jobs)]
        told.update(map(id, active))
        unknown = [job for job in active_jobs if id(job) not in told]
        # As often as seconds-between-status-checks says: the executor's own pause grows to three minutes, in which a
        # job that has ended holds up all that depends on it.
        self.next_seconds_between_status_checks = None
        if unknown:
            silence.begins()
        elif active_jobs:
            silence.ends()
            look = getattr(self, _LOOK, None) or _Look()
            setattr(self, _LOOK, look)
            active = look.still_active(self, active)
        for job in (*active, *unknown):
            yield job

    setattr(checked, _TOLD, True)
    return checked


class _Look:
    """A look, each minute, for jobs that Slurm doesn't list any more."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._missed: frozenset[str] = frozenset()

    def still_active(self, executor: Any, active: list[Any]) -> list[Any]:
        """Return the jobs that may go on; report how the others came out."""
        if time.monotonic() < self._last + _LOOK_SECONDS:
            return active
        self._last = time.monotonic()
        listed = cluster.listed() if active else None
        if listed is None:
            return active
        questions = cluster.Questions()
        missed, still = set(), []
        for job in active:
            own = str(getattr(job, "external_jobid", ""))
            here = own not in listed and not cluster.is_elsewhere(getattr(getattr(job, "job", None), "resources", {}))
            state = questions.state(own) if here else None
            if state is None or state.phase is not cluster.Phase.ENDED:
                still.append(job)
            elif state.said == "COMPLETED":
                executor.report_job_success(job)
            elif state.said:
                executor.report_job_error(job, msg=f"Slurm's job {own} failed: {state.said}. ")
            elif own in self._missed:
                executor.report_job_error(job, msg=f"Slurm has forgotten job {own}, and how it ended. ")
            else:  # accounting may know it in a minute
                missed.add(own)
                still.append(job)
        self._missed = frozenset(missed)
        return still


def _noting(report: Any) -> Any:
    """Return *report* such that it is remembered of which jobs something was learned."""

    @functools.wraps(report)
    def noted(self: Any, job: Any, *args: Any, **options: Any) -> Any:
        told: set[int] = getattr(self, _TOLD, set())
        told.add(id(job))
        return report(self, job, *args, **options)

    return noted


def _waiting(run: Any, silence: _Silence) -> Any:
    """Return *run* such that nothing is submitted to a Slurm that doesn't answer."""

    @functools.wraps(run)
    def waited(self: Any, job: Any) -> Any:
        while not cluster.answers():
            silence.begins()
            if not self.wait:
                return None  # snakemake ends
            time.sleep(_PAUSE_SECONDS)
        silence.ends()
        return run(self, job)

    return waited
