"""The stages as commands, as the workflow's rules call them.

Nothing heavy is imported here: each command imports what it needs.
"""

import contextlib
import functools
import gc
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from weighbridge import machine, running
from weighbridge.errors import RecordError, WeighbridgeError
from weighbridge.root import find_root

F = TypeVar("F", bound=Callable[..., Any])
_OBJECTS_TO_COLLECT = 100_000
COMMANDS: list[click.Command] = []
"""All stages, in the order of the pipeline."""


def _stage(function: F) -> F:
    """Make a stage of *function*: takes ``--settings``; every failure is on record before it is reported."""

    @click.command(name=function.__name__)
    @click.option(
        "--settings", type=click.File(encoding="utf-8"), help="JSON with what the stage may see; the rule passes it."
    )
    @functools.wraps(function)
    def command(settings: IO[str] | None, **options: Any) -> None:
        from weighbridge import secrets_guard

        secrets_guard.guard_output()  # what a stage prints is a log that stays
        # The libraries that a stage imports make millions of objects to stay: looking for garbage among them
        # takes a tenth of the time of their import.
        gc.set_threshold(_OBJECTS_TO_COLLECT)
        from weighbridge import requeueing
        from weighbridge.registry import attempts

        folder, stage = find_root(), function.__name__
        candidate, seed = options.get("candidate"), options.get("seed")
        of = [str(part) for part in (stage, candidate, seed) if part is not None]
        try:
            with (
                attempts.recorded(folder, stage, candidate, seed),
                requeueing.heeded(),
                running.alone(folder, "-".join(of)) as turn,
            ):
                if turn.wanted:
                    with contextlib.suppress(OSError, RecordError):
                        attempts.close_dead(folder, job=(stage, candidate, seed))
                    click.get_current_context().obj = turn
                    function(folder, settings.read() if settings else "{}", **options)
        except attempts.Cancelled as stop:
            click.echo(f"weighbridge {stage}: {attempts.in_words(stop)}", err=True)
            raise
        except MemoryError:
            raise WeighbridgeError("out of memory; give the job more, or make the data or the model smaller") from None
        except OSError as error:
            raise WeighbridgeError(in_words(error)) from None

    COMMANDS.append(command)
    return command  # type: ignore[return-value] # click's command stands in for the function


def in_words(error: OSError) -> str:
    """Return what the system complains of, and where."""
    import errno

    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'the disk'}: no space left; free some and run snakemake again, nothing is lost"
    return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")


def _record_evidence(root: Path, path: Path) -> None:
    """Put the digest of what a stage wrote on record, and the cluster's job that it did so in: the release compares."""
    from weighbridge import cluster
    from weighbridge.digest import sha256_file
    from weighbridge.registry.ledger import EVIDENCE

    written = {"file": path.as_posix(), "sha256": sha256_file(root / path)}
    job = cluster.job_id()
    if job:
        written["cluster_job"] = job
    _record(root, {"kind": EVIDENCE, "status": "written"} | written)


def _record(root: Path, entry: dict[str, Any]) -> None:
    """Put an attempt on record; where that fails, what it did and what it says still stand."""
    from weighbridge.documents import utc_now
    from weighbridge.registry import ledger

    try:
        ledger.append(root, entry | {"when": utc_now()})
    except (OSError, WeighbridgeError) as problem:
        click.echo(f"weighbridge: the attempt could not be put on record: {problem}", err=True)


def _name(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Refuse what is no name: it becomes a folder's."""
    import msgspec

    from weighbridge.settings import Name

    try:
        return str(msgspec.convert(value, Name))
    except msgspec.ValidationError as problem:
        raise click.BadParameter(f"found {value!r}: {problem}") from None


def _run_options(function: F) -> F:
    function = click.option("--candidate", required=True, callback=_name, help="Name of the candidate.")(function)
    return click.option("--seed", required=True, type=click.IntRange(min=0), help="Seed of the run.")(function)


def _code(root: Path, stage: str, path: str) -> str:
    from weighbridge import code

    module = path.partition(":")[0]
    return code.digest(root, code.closure(root, f"weighbridge.stages.{stage}", module))


@_stage
def fetch(root: Path, settings: str) -> None:
    """Stage: bring the raw files, and compare them with their pointer."""
    from weighbridge.registry import adoption
    from weighbridge.stages import fetch as stage
    from weighbridge.tasks import FetchTask, decode

    adoption.attempt(root, click.echo)
    stage.run(root, decode(settings, FetchTask))


@_stage
def preprocess(root: Path, settings: str) -> None:
    """Stage: check, split and profile the rows."""
    from weighbridge.stages import preprocess as stage
    from weighbridge.tasks import PreprocessTask, decode

    stage.run(root, decode(settings, PreprocessTask))


@_stage
@_run_options
def train(root: Path, settings: str, candidate: str, seed: int) -> None:
    """Stage: train one candidate with one seed, or restore that run where it is on record."""
    from weighbridge.tasks import TrainTask, decode

    task = decode(settings, TrainTask)
    machine.fix_threads(task.threads)
    from weighbridge.stages import reuse as stage

    turn: running.Turn = click.get_current_context().obj
    stage.run(root, candidate, seed, task, _code(root, "train", task.candidate.model), known=turn.known)


@_stage
@_run_options
def evaluate(root: Path, settings: str, candidate: str, seed: int) -> None:
    """Stage: measure one run on the validation rows."""
    from weighbridge.tasks import EvaluateTask, decode

    task = decode(settings, EvaluateTask)
    machine.fix_threads(task.threads)
    from weighbridge.stages import evaluate as stage

    done = stage.run(root, candidate, seed, task)
    made = {"candidate": candidate, "seed": seed, "metrics": done.metrics}
    _record(root, {"kind": "run", "status": "evaluated", "run": done.run} | made)


@_stage
def package(root: Path, settings: str) -> None:
    """Stage: choose the champion and make the bundle that ships."""
    from weighbridge.paths import PACKAGE
    from weighbridge.registry import adoption
    from weighbridge.tasks import PackageTask, decode

    task = decode(settings, PackageTask)
    adoption.attempt(root, click.echo)
    machine.fix_threads(task.threads)
    from weighbridge.stages import package as stage

    stage.run(root, task)
    _record_evidence(root, PACKAGE)


@_stage
def search(root: Path, settings: str) -> None:
    """Stage: compare the points of a search, beside the pipeline's way to a release."""
    from weighbridge.stages import search as stage
    from weighbridge.tasks import SearchTask, decode

    stage.run(root, decode(settings, SearchTask))


@_stage
def weigh(root: Path, settings: str) -> None:
    """Stage: measure the bundle on the test rows, beside the last release."""
    from weighbridge.paths import WEIGHING
    from weighbridge.tasks import WeighTask, decode

    task = decode(settings, WeighTask)
    machine.fix_threads(1)
    from weighbridge.stages import weigh as stage

    stage.run(root, task)
    _record_evidence(root, WEIGHING)


@_stage
def judge(root: Path, settings: str) -> None:
    """Stage: apply the gates and derive the version."""
    from weighbridge.stages import judge as stage
    from weighbridge.tasks import JudgeTask, decode

    stage.run(root, decode(settings, JudgeTask))


@_stage
def draw(root: Path, settings: str) -> None:
    """Stage: draw the pictures and write the tables behind them."""
    del settings  # the pictures show what is recorded
    from weighbridge.stages import draw as stage

    stage.run(root)


@_stage
def release(root: Path, settings: str) -> None:
    """Stage: tag the release, or say why not."""
    from weighbridge.stages import release as stage
    from weighbridge.tasks import ReleaseTask, decode

    stage.run(root, decode(settings, ReleaseTask))
