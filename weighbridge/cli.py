"""The command ``weighbridge``: what people ask, and the stages as the workflow's rules call them.

Nothing heavy is imported here: each command imports what it needs.
"""

import functools
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from weighbridge import __version__, machine, running
from weighbridge.errors import WeighbridgeError

F = TypeVar("F", bound=Callable[..., Any])
_OBJECTS_TO_COLLECT = 100_000
_FORMATS = ("text", "yaml", "json", "proto")


class _Commands(click.Group):
    """Commands in the order of this file; an error of ours becomes its message and exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WeighbridgeError as error:
            click.echo(f"weighbridge {ctx.invoked_subcommand}: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # The reader (head, less) has seen enough.
            sys.stderr.close()
            ctx.exit(0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="weighbridge")
def main() -> None:
    """Train, weigh and release models; everything in Git and DVC.

    \b
    snakemake --cores all            the whole pipeline, from raw data to a tagged release
    weighbridge check                what is wrong here, and how to mend it
    weighbridge version              the next version, and why
    weighbridge approve              give a person's word for what needs one
    weighbridge log                  releases and runs
    weighbridge show latest          all that is known of a release
    weighbridge diff v1.0.0 v1.1.0   what changed between two
    weighbridge reproduce v1.0.0     make it again elsewhere, and compare each file
    """


def _root() -> Path:
    """Return the project's root: the nearest folder above that holds the configuration."""
    from weighbridge.errors import SettingsError
    from weighbridge.paths import CONFIG

    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
            return folder
    raise SettingsError(f"no {CONFIG} in {here} or above; run this inside a project")


def _settings(root: Path) -> Any:
    from weighbridge import plan

    return plan.load(root)


@main.command()
def check() -> None:
    """Say what is wrong with settings, Git, DVC and the environment, and how to mend it.

    \b
    Example:
        weighbridge check
    """
    from weighbridge.views import check as view

    root = _root()
    text, code = view.check(root, lambda: _settings(root))
    click.echo(text)
    sys.exit(code)


@main.command()
@click.option("--limit", "-n", default=20, show_default=True, help="Newest releases and runs to list; 0 for all.")
@click.option("--runs/--no-runs", default=True, show_default=True, help="List the runs as well.")
@click.option("--status", "statuses", multiple=True, help="Only runs of this status, such as failed; repeatable.")
@click.option("--candidate", "candidates", multiple=True, help="Only this candidate; repeatable.")
@click.option("--since", default="", help="Only what is as new as a day, 2026-01-31, or a time ago: 12h, 7d, 2w.")
@click.option("--where", multiple=True, help="Only runs whose metric is so, such as 'roc_auc>0.7'; repeatable.")
@click.option("--sort", default="when", show_default=True, help="A metric, for the best first; 'when': newest first.")
@click.option("--compare", is_flag=True, help="Show the listed runs side by side: metrics, and what differs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of columns.")
def log(limit: int, runs: bool, compare: bool, as_json: bool, **asked: Any) -> None:
    """List releases, newest first, with metrics and verdicts; and the runs on record.

    \b
    Example:
        weighbridge log --limit 5 --no-runs
        weighbridge log --status failed --since 7d
        weighbridge log --where 'roc_auc>0.7' --sort log_loss --compare
    """
    from weighbridge.views import log as view
    from weighbridge.views.log_runs import Query

    gc.disable()  # of a list of records nothing is garbage before it is printed
    query = Query(**asked)
    click.echo(view.log(_root(), None, limit=limit, runs=runs, query=query, compare=compare, json=as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def audit(as_json: bool) -> None:
    """Prove the ledger: name each record that was edited, removed, reordered or forged; exit code 1 where one was.

    \b
    Example:
        weighbridge audit
    """
    from weighbridge.views import audit as view

    gc.disable()  # as for a list: all that is read is kept
    text, code = view.audit(_root(), json=as_json)
    click.echo(text)
    sys.exit(code)


@main.command()
@click.argument("ref", default="latest")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True, help="How to print.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead.")
def show(ref: str, form: Any, output: Path | None) -> None:
    """Show the manifest of REF: a version, a tag, a Git ref, a run id, or 'latest'.

    \b
    Example:
        weighbridge show v1.0.0
        weighbridge show flights@v1.0.0 --format json
    """
    from weighbridge.views import show as view

    view.show(_root(), ref, form, output)


@main.command()
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def diff(old: str, new: str, as_json: bool) -> None:
    """Say what changed from OLD to NEW: data, code, parameters, environment, metrics.

    \b
    Example:
        weighbridge diff v1.0.0 v1.1.0
    """
    from weighbridge.views import diff as view

    click.echo(view.diff(_root(), old, new, json=as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def version(as_json: bool) -> None:
    """Say what the next version would be and why, and what stands before it; nothing is released.

    \b
    Example:
        weighbridge version
    """
    from weighbridge.views import version as view

    root = _root()
    click.echo(view.version(root, _settings(root), json=as_json))


@main.command()
@click.option("--reason", default="", help="Why, in your words; it stands in the file.")
def approve(reason: str) -> None:
    """Approve, in your name, what the bundle that waits needs an approval for; you commit the file it writes.

    \b
    Example:
        weighbridge approve --reason "Agreed with the users of the old output"
    """
    from weighbridge.views import approve as view

    root = _root()
    click.echo(view.approve(root, _settings(root), reason))


@main.command()
@click.argument("ref", default="latest")
@click.option("--cores", type=click.IntRange(min=0), default=0, show_default=True, help="Cores to use; 0 for all.")
@click.option("--rebuild-environment", "rebuild", is_flag=True, help="Install what the release's lock pins anew.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Empty folder to work in, which stays afterwards."
)
@click.option(
    "--at-least",
    type=click.Choice(("recorded", "tolerance", "digits", "bit")),
    default="bit",
    show_default=True,
    help="How far it must get: exit code 1 where it doesn't.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def reproduce(ref: str, at_least: str, as_json: bool, **options: Any) -> None:
    """Make the bundle of the release REF again, from its commit, data and lock alone, and compare it.

    Nothing of this folder is touched. The release's own code runs.

    \b
    Example:
        weighbridge reproduce v1.0.0
        weighbridge reproduce latest --rebuild-environment --at-least digits
    """
    from weighbridge.evidence.reproduction import LEVELS
    from weighbridge.views import reproduce as view

    outcome = view.reproduce(_root(), ref, view.Options(**options), lambda line: click.echo(line, err=True))
    click.echo(view.json(outcome) if as_json else view.text(outcome))
    wanted = dict(zip(("recorded", "tolerance", "digits", "bit"), LEVELS, strict=True))[at_least]
    sys.exit(0 if outcome.reaches(wanted) else 1)


@main.command()
@click.argument("ref")
@click.option(
    "--to", type=click.Path(path_type=Path), help="New or empty folder to restore into; the working tree by default."
)
def restore(ref: str, to: Path | None) -> None:
    """Bring back bundle, data and settings of the release REF, each file checked; what would be lost stops it.

    \b
    Example:
        weighbridge restore v1.0.0 --to ../flights-1.0.0
    """
    from weighbridge.views import restore as view

    click.echo(view.restore(_root(), ref, to))


@main.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(("markdown", "html", "csv")),
    default="markdown",
    show_default=True,
    help="How to write it.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write instead.")
def history(form: Any, output: Path | None) -> None:
    """Write the audit trail: who released what, when and why, on which evidence, approved by whom.

    \b
    Example:
        weighbridge history --format html --output history.html
    """
    from weighbridge.views import history as view

    click.echo(view.history(_root(), form, output), nl=False)


@main.command()
@click.argument("ref", default="latest")
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    help="Who may release: allowed signers in OpenSSH's format, or a folder with 'release' and 'approve'.",
)
@click.option("--model-key", type=click.Path(path_type=Path), help="Public key (PEM) of the model's signature.")
@click.option("--strict", is_flag=True, help="Exit with 1 as well where something isn't proved.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def verify(ref: str, signers: Path | None, model_key: Path | None, strict: bool, as_json: bool) -> None:
    """Prove, offline and in any clone, that REF is what it says; exit with 1 where something has failed.

    \b
    Example:
        weighbridge verify v1.0.0 --signers ~/trusted/signers
    """
    from weighbridge.registry.objects import NOTHING_FETCHED
    from weighbridge.views import verify as view

    os.environ.update(NOTHING_FETCHED)  # no command that a clone's configuration names is to bring anything
    for found in view.run(view.place(), ref, signers, model_key):
        if isinstance(found, view.Report):
            click.echo(view.json(found) if as_json else view.summary(found))
            sys.exit(found.exit_code(strict=strict))
        if not as_json:
            click.echo(view.line(found))


@main.command()
@click.argument("ref", default="latest")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Private key, EC P-256 in PEM.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
def sign(ref: str, key: Path | None, output: Path | None) -> None:
    """Sign the bundle of release REF as OpenSSF's model signing has it; 'model_signing verify key' checks it.

    Releases are signed as they are made, once Git knows the keys:

    \b
    The tag, with SSH:
        ssh-keygen -t ed25519 -f ~/.ssh/release-key
        git config gpg.format ssh
        git config user.signingKey ~/.ssh/release-key
        git config tag.gpgSign true
    Who may release, and who may approve, counts from the next release on:
        mkdir -p config/signers
        echo "name@example.org $(cut -d' ' -f1,2 ~/.ssh/release-key.pub)" >> config/signers/release
        git add config/signers
        git commit -m "Say who may release"
    The bundle's files:
        openssl ecparam -name prime256v1 -genkey -noout -out ~/model-key.pem
        git config weighbridge.modelKey ~/model-key.pem

    \b
    Example:
        weighbridge sign v1.0.0 --key ~/model-key.pem -o flights.sig.json
    """
    from weighbridge.views import sign as view

    click.echo(view.sign(_root(), ref, key, output))


def _stage(function: F) -> F:
    """Make a stage of *function*: takes ``--settings``; every failure is on record before it is reported."""

    @main.command(name=function.__name__)
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
        from weighbridge.registry import attempts

        root, stage = _root(), function.__name__
        candidate, seed = options.get("candidate"), options.get("seed")
        of = [str(part) for part in (stage, candidate, seed) if part is not None]
        try:
            with attempts.recorded(root, stage, candidate, seed), running.alone(root, "-".join(of)):
                function(root, settings.read() if settings else "{}", **options)
        except attempts.Cancelled as stop:
            click.echo(f"weighbridge {stage}: {attempts.in_words(stop)}", err=True)
            raise
        except MemoryError:
            raise WeighbridgeError("out of memory; give the job more, or make the data or the model smaller") from None
        except OSError as error:
            raise WeighbridgeError(_in_words(error)) from None

    return command  # type: ignore[return-value] # click's command stands in for the function


def _in_words(error: OSError) -> str:
    import errno

    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'the disk'}: no space left; free some and run snakemake again, nothing is lost"
    return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")


def _record_evidence(root: Path, path: Path) -> None:
    """Put the digest of what a stage wrote on record: the release compares."""
    from weighbridge.digest import sha256_file
    from weighbridge.registry.ledger import EVIDENCE

    written = {"file": path.as_posix(), "sha256": sha256_file(root / path)}
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

    stage.run(root, candidate, seed, task, _code(root, "train", task.candidate.model))


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
