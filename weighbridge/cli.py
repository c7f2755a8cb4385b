"""The command ``weighbridge``: what people ask, and the stages.

Nothing heavy is imported here: each command imports what it needs.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any

import click

from weighbridge import __version__, stage_commands
from weighbridge.errors import WeighbridgeError
from weighbridge.root import find_root
from weighbridge.views.columns import printable, printable_json

_OBJECTS_TO_COLLECT = 100_000
_FORMATS = ("text", "yaml", "json", "proto")
_LIMIT = click.IntRange(min=0)


def _tell(text: str, *, json: bool = False, err: bool = False, nl: bool = True) -> None:
    """Print what a release, a record or a message says, without anything in it that a terminal would obey."""
    click.echo(printable_json(text) if json else printable(text), err=err, nl=nl)


class _Commands(click.Group):
    """Commands in the order of this file; an error of ours becomes its message and exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WeighbridgeError as error:
            _tell(f"weighbridge {ctx.invoked_subcommand}: {error}", err=True)
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
    weighbridge setup                Git, DVC and dvc.yaml for a new project
    weighbridge check                what is wrong here, and how to mend it
    weighbridge version              the next version, and why
    weighbridge approve              give a person's word for what needs one
    weighbridge log                  releases and runs
    weighbridge show latest          all that is known of a release
    weighbridge diff v1.0.0 v1.1.0   what changed between two
    weighbridge reproduce v1.0.0     make it again elsewhere, and compare each file
    """
    context = click.get_current_context()
    if context.invoked_subcommand not in {command.name for command in stage_commands.COMMANDS}:
        _stay_here(context)


def _stay_here(context: click.Context) -> None:
    """Let Git bring nothing while people look: in a partial clone, a configuration may name any command for it."""
    from weighbridge.registry.objects import NOTHING_FETCHED

    before = {name: os.environ.get(name) for name in NOTHING_FETCHED}

    def put_back() -> None:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    os.environ.update(NOTHING_FETCHED)
    context.call_on_close(put_back)


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

    root = find_root()
    text, code = view.check(root, lambda: _settings(root))
    _tell(text)
    sys.exit(code)


@main.command()
def setup() -> None:
    """Make a project ready to run: Git, DVC and dvc.yaml, where they are missing. `make run` begins with it.

    It asks nothing, and what is there stays as it is: a repository that has a commit is not committed to.

    \b
    Example:
        weighbridge setup
    """
    from weighbridge.views import setup as view

    root = find_root()
    view.setup(root, _settings(root).config, _tell)


@main.command()
@click.option("--limit", "-n", type=_LIMIT, default=20, show_default=True, help="Releases and runs to list; 0 for all.")
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
    text = view.log(find_root(), None, limit=limit, runs=runs, query=query, compare=compare, json=as_json)
    _tell(text, json=as_json)


@main.command()
@click.option("--accept-loss", default="", metavar="WHY", help="Put on record that what nobody has any more is lost.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def audit(accept_loss: str, as_json: bool) -> None:
    """Prove the ledger: name each record that was edited, removed, reordered or forged; exit code 1 where one was.

    \b
    Example:
        weighbridge audit
        weighbridge audit --accept-loss 'the disk failed on 31 January; there was no backup'
    """
    from weighbridge.views import audit as view

    gc.disable()  # as for a list: all that is read is kept
    text, code = view.audit(find_root(), json=as_json, accept_loss=accept_loss)
    _tell(text, json=as_json)
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

    view.show(find_root(), ref, form, output)


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

    _tell(view.diff(find_root(), old, new, json=as_json), json=as_json)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def version(as_json: bool) -> None:
    """Say what the next version would be and why, and what stands before it; nothing is released.

    \b
    Example:
        weighbridge version
    """
    from weighbridge.views import version as view

    root = find_root()
    _tell(view.version(root, _settings(root), json=as_json), json=as_json)


@main.command()
@click.option("--reason", default="", help="Why, in your words; it stands in the file.")
def approve(reason: str) -> None:
    """Approve, in your name, what the bundle that waits needs an approval for; you commit the file it writes.

    \b
    Example:
        weighbridge approve --reason "Agreed with the users of the old output"
    """
    from weighbridge.views import approve as view

    root = find_root()
    _tell(view.approve(root, _settings(root), reason))


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

    outcome = view.reproduce(find_root(), ref, view.Options(**options), lambda line: _tell(line, err=True))
    _tell(view.json(outcome) if as_json else view.text(outcome), json=as_json)
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

    _tell(view.restore(find_root(), ref, to))


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

    text = view.history(find_root(), form, output)
    if form == "csv" and output is None:
        click.echo(text, nl=False)  # with ends of lines as RFC 4180 has them; control characters are out already
    else:
        _tell(text, nl=False)


@main.command()
@click.argument("ref", default="latest")
@click.option(
    "--signers",
    type=click.Path(path_type=Path),
    help="Who may release: allowed signers in OpenSSH's format, or a folder with 'release' and 'approve'.",
)
@click.option("--model-key", type=click.Path(path_type=Path), help="Public key (PEM) of the model's signature.")
@click.option("--offline", is_flag=True, help="Never ask DVC's remote; what its cache lacks is not proved.")
@click.option("--strict", is_flag=True, help="Exit with 1 as well where something isn't proved.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of words.")
def verify(ref: str, *, offline: bool, strict: bool, as_json: bool, **outside: Path | None) -> None:
    """Prove, in any clone, that REF is what it says; exit with 1 where something has failed.

    That nothing failed is no proof of what could not be looked at: use --strict where something hangs on it.

    What DVC's cache lacks is brought from the remote that the clone's configuration names, with your credentials;
    with --offline nothing is.

    \b
    Example:
        weighbridge verify v1.0.0 --signers ~/trusted/signers
    """
    from weighbridge.views import verify as view

    for found in view.run(view.place(), ref, **outside, offline=offline):
        if isinstance(found, view.Report):
            _tell(view.json(found) if as_json else view.summary(found), json=as_json)
            sys.exit(found.exit_code(strict=strict))
        if not as_json:
            _tell(view.line(found))


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

    _tell(view.sign(find_root(), ref, key, output))


for _command in stage_commands.COMMANDS:
    main.add_command(_command)
