"""Grid Engine and PBS, as far as a pipeline needs them: submit a job, say how it stands, cancel it.

Both are asked only which jobs they have, which every version can tell, without accounting. How it ended a job itself
writes down, on the file system that all nodes share. Values reach the scheduler as arguments, never through a shell.
"""

import argparse
import contextlib
import getpass
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

RECORDS = Path(".snakemake/cluster-generic")
PATIENCE_SECONDS = 60
"""How long a job may be neither in the queue nor done: what another node wrote takes its time to be seen here."""
_TIMEOUT_SECONDS = 60
_WITHHELD = ("PATH", "LD_LIBRARY_PATH")  # by Grid Engine's -V, which hands on all other variables
_PROPERTIES = "# properties = "


class Job(NamedTuple):
    """What Snakemake asks for: memory in MiB and time in minutes, for all of the job."""

    name: str
    log: Path
    threads: int
    memory_mib: int
    minutes: int
    gpus: int


class Scheduler(NamedTuple):
    """The commands of one scheduler; *ids* and *stuck* read what *listing* printed."""

    name: str
    submit: Callable[[Job, argparse.Namespace], list[str]]
    listing: list[str]
    ids: Callable[[str], set[str]]
    stuck: Callable[[str], set[str]]


class SchedulerError(Exception):
    """What went wrong, and what to do."""


def _grid_engine(job: Job, names: argparse.Namespace) -> list[str]:
    """Grid Engine counts memory by slot."""
    asked = [f"h_rt={job.minutes * 60}", f"{names.memory}={-(-job.memory_mib // job.threads)}M"]
    if job.gpus:
        asked.append(f"{names.gpu}={-(-job.gpus // job.threads)}")
    slots = ["-pe", names.slots, str(job.threads)] if job.threads > 1 else []
    return ["qsub", "-terse", "-V", "-S", "/bin/sh", "-j", "y", "-o", str(job.log), "-N", job.name,
            "-l", ",".join(asked), *slots]  # fmt: skip


def _pbs(job: Job, _: argparse.Namespace) -> list[str]:
    select = f"select=1:ncpus={job.threads}:mem={job.memory_mib}mb" + (f":ngpus={job.gpus}" if job.gpus else "")
    hours, minutes = divmod(job.minutes, 60)
    return ["qsub", "-V", "-S", "/bin/sh", "-j", "oe", "-o", str(job.log), "-N", job.name,
            "-l", select, "-l", f"walltime={hours:02}:{minutes:02}:00"]  # fmt: skip


def _table_ids(text: str) -> set[str]:
    return {words[0] for words in map(str.split, text.splitlines()) if words and words[0].isdigit()}


def _table_stuck(text: str) -> set[str]:
    """Return the jobs in an error state, which Grid Engine keeps for ever."""
    rows = [words for words in map(str.split, text.splitlines()) if words and words[0].isdigit()]
    return {words[0] for words in rows if len(words) > 4 and "E" in words[4]}  # noqa: PLR2004 - the column "state"


def scheduler() -> Scheduler:
    """Return the one whose commands are there.

    Raises:
        SchedulerError: where there is none.
    """
    if shutil.which("qconf"):
        listing = ["qstat", "-u", getpass.getuser()]
        return Scheduler("Grid Engine", _grid_engine, listing, _table_ids, _table_stuck)
    if shutil.which("qselect"):
        listing = ["qselect", "-u", getpass.getuser()]
        return Scheduler("PBS", _pbs, listing, lambda text: set(text.split()), lambda _: set())
    raise SchedulerError(
        "found neither Grid Engine (qconf) nor PBS (qselect) in PATH; log in where jobs are submitted, or see "
        "docs/cluster.md for other schedulers"
    )


def read_job(script: Path, log: Path) -> Job:
    """Return what the script of a job asks for.

    A training over several nodes has all of its processes on one here, which gives the same bits.

    Raises:
        SchedulerError: where the script says nothing of it.
    """
    lines = script.read_text(encoding="utf-8").splitlines()
    found = [line.removeprefix(_PROPERTIES) for line in lines if line.startswith(_PROPERTIES)]
    if not found:
        raise SchedulerError(f"{script}: no line '{_PROPERTIES}…'; expected a script that Snakemake wrote")
    told: dict[str, Any] = json.loads(found[0])
    resources = told["resources"]
    return Job(
        name=told.get("rule") or "group",
        log=log,
        threads=told["threads"],
        memory_mib=resources.get("mem_mb", 1000) * resources.get("nodes", 1),
        minutes=resources.get("runtime", 60),
        gpus=resources.get("gpu", 0),
    )


def wrapped(script: str, ended: Path) -> str:
    """Return the script, which then writes its exit code to *ended* too; one that is told to end may finish first."""
    path, part = shlex.quote(str(ended)), shlex.quote(f"{ended}.part")
    kept = "".join(f"export {name}={shlex.quote(os.environ[name])}\n" for name in _WITHHELD if name in os.environ)
    at_end = f"code=$?; echo $code > {part} && mv {part} {path}; exit $code"
    return f"#!/bin/sh\ntrap {shlex.quote(at_end)} EXIT\ntrap 'exit 143' TERM\n{kept}{script}"


def submit(arguments: Sequence[str]) -> str:
    """Submit the script that *arguments* end with; options that are not ours are the scheduler's. Return the job's id.

    Raises:
        SchedulerError: where the scheduler refuses it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)  # -h is the scheduler's
    parser.add_argument("--memory", default="h_vmem", help="Grid Engine's name for memory of a slot")
    parser.add_argument("--slots", default="smp", help="Grid Engine's environment for slots of one node")
    parser.add_argument("--gpu", default="gpu", help="Grid Engine's name for GPUs of a slot")
    names, own = parser.parse_known_args(arguments[:-1])
    script, token = Path(arguments[-1]), uuid.uuid4().hex
    records = RECORDS.absolute()
    (records / "logs").mkdir(parents=True, exist_ok=True)
    here = scheduler()
    job = read_job(script, records / "logs" / f"{token}.log")
    copy = records / f"{token}.sh"
    copy.write_text(wrapped(script.read_text(encoding="utf-8"), records / f"{token}.ended"), encoding="utf-8")
    try:
        printed = _run([*here.submit(job, names), *own, str(copy)])
    finally:
        copy.unlink()  # the scheduler has a copy of its own
    words = printed.split()
    if not words:
        raise SchedulerError(f"{here.name}: qsub named no job; expected its id")
    job_id = words[0].partition(".")[0] if here.name == "Grid Engine" else words[0]
    (records / f"{job_id}.gone").unlink(missing_ok=True)  # of a job that had this id before: ids come again
    (records / f"{job_id}.token").write_text(token, encoding="utf-8")
    return job_id


def status(job_id: str) -> str:
    """Return ``running``, ``success`` or ``failed``; where nothing can be told now, ``running``."""
    note = RECORDS / f"{job_id}.token"
    token = note.read_text(encoding="utf-8").strip() if note.is_file() else "unknown"
    ended, gone = RECORDS / f"{token}.ended", RECORDS / f"{job_id}.gone"
    if ended.is_file():
        return "success" if ended.read_text(encoding="utf-8").strip() == "0" else "failed"
    here = scheduler()
    try:
        printed = _run(here.listing)
    except SchedulerError as problem:
        _say(f"{problem}; asked again later")
        return "running"
    if job_id in here.stuck(printed):
        _say(f"job {job_id} is in an error state of {here.name}: 'qstat -j {job_id}' says why. It is cancelled")
        cancel([job_id])
        return "failed"
    if job_id in here.ids(printed):
        gone.unlink(missing_ok=True)
        return "running"
    if not gone.is_file():
        RECORDS.mkdir(parents=True, exist_ok=True)
        gone.write_text(str(time.time()), encoding="utf-8")
    if time.time() - float(gone.read_text(encoding="utf-8")) < PATIENCE_SECONDS:
        return "running"
    _say(
        f"job {job_id} is gone without a word: cancelled, or killed for memory or time. "
        f"What {here.name} printed is in {RECORDS / 'logs' / token}.log"
    )
    return "failed"


def cancel(job_ids: Sequence[str]) -> None:
    """Cancel jobs. Snakemake ends this command after two seconds; where the scheduler is slower, ``qdel`` goes on."""
    process = subprocess.Popen(["qdel", *job_ids], stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S607 - PATH's
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)


def _run(command: list[str]) -> str:
    """Run a command of the scheduler and return what it prints.

    Raises:
        SchedulerError: where it fails or doesn't end.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SchedulerError(f"{command[0]} did not answer in {_TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise SchedulerError(f"{command[0]} can't be run ({error.strerror}); log in where jobs are submitted") from None
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise SchedulerError(f"{shlex.join(command)}: exit code {done.returncode}: {said}")
    return done.stdout


def _say(text: str) -> None:
    sys.stderr.write(f"weighbridge: {text}\n")


def main(act: Callable[[Sequence[str]], str | None]) -> None:
    """Let a command of Snakemake's act on the command line's arguments."""
    try:
        answer = act(sys.argv[1:])
    except SchedulerError as problem:
        _say(str(problem))
        sys.exit(1)
    if answer:
        sys.stdout.write(f"{answer}\n")
