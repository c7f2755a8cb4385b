"""setup: Git and DVC where they are missing, and dvc.yaml as the configuration asks; nothing else is touched.

It asks nothing and says what it does, so that a project's first ``make run`` ends with a release; where all is there,
it does nothing. A repository that has a commit keeps history, index and branch as they are.
"""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

from weighbridge import documents, dvc_file, paths
from weighbridge.errors import SetupError
from weighbridge.registry import git
from weighbridge.settings import Config
from weighbridge.tasks import FetchTask

Tell = Callable[[str], None]
BRANCH = "main"
DVC_FILES = {
    ".dvc/config": """\
[core]
    analytics = false
    autostage = false
    remote = local
['remote "local"']
    url = ../.storage
    verify = true
""",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
}
"""What DVC needs to call the folder its own. The remote lies in the project: no other project's files get into it."""


def setup(root: Path, config: Config, tell: Tell) -> None:
    """Make what is missing in the project at *root*; *tell* is called with a line for each thing done.

    Raises:
        SetupError: where Git or a file stands in the way, or ``dvc.yaml`` was made anew and has to be committed.
    """
    done: list[str] = []

    def say(line: str) -> None:
        done.append(line)
        tell(line)

    _git(root, say)
    _dvc(root, say)
    renewed = _dvc_yaml(root, config, say)
    if not _has_commit(root):
        _first_commit(root, config, say)
    elif renewed:
        _require_committed(root, config)
    if not done:
        tell("Git, DVC and dvc.yaml are there; nothing to do.")


def _git(root: Path, say: Tell) -> None:
    """Make a repository, but where the project's files are in one already, be it that of a folder above."""
    top = _work_tree(root)
    if top == root or (top and _holds(root)):
        return
    git.run(root, "init", "--quiet", f"--initial-branch={BRANCH}")
    say(f"git: made a repository here, with the branch {BRANCH}")
    if top:
        say(f"     {top} has one as well, which doesn't hold this project's files. To have them there instead: remove")
        say("     .git in this folder, then 'git add' and 'git commit' it there")


def _work_tree(root: Path) -> Path | None:
    """Return the top of the work tree that *root* lies in; ``None`` where it lies in none.

    Raises:
        SetupError: where there is a repository that Git refuses to read.
    """
    found = git.attempt(root, "rev-parse", "--show-toplevel")
    if not found.returncode:
        return Path(found.stdout.decode(errors="surrogateescape").removesuffix("\n")).resolve()
    if b"not a git repository" not in found.stderr or (root / ".git").exists():
        raise SetupError(f"{root}: Git refuses to read it: {git.last_words(found.stderr)}; mend it, or remove .git")
    return None


def _holds(root: Path) -> bool:
    return git.attempt(root, "ls-files", "--error-unmatch", "--", paths.CONFIG.as_posix()).returncode == 0


def _dvc(root: Path, say: Tell) -> None:
    for name, content in DVC_FILES.items():
        if not (root / name).exists():
            documents.write(root / name, content)
            say(f"dvc: wrote {name}")


def _dvc_yaml(root: Path, config: Config, say: Tell) -> bool:
    """Write dvc.yaml anew where it isn't as the configuration asks; one that is somebody's own is left alone."""
    wrong = dvc_file.stale(root, config)
    if wrong is None:
        return False
    path = root / dvc_file.FILE
    if path.exists() and not is_made(root, config):
        say(f"dvc.yaml: left as it is, for it isn't made by 'weighbridge setup'; remove it to have it made ({wrong})")
        return False
    documents.write(path, dvc_file.text(config))
    say(f"dvc.yaml: made of {paths.CONFIG}")
    return True


def is_made(root: Path, config: Config) -> bool:
    """Return whether ``dvc.yaml`` is one that this command has written, be it that it is out of date."""
    path = root / dvc_file.FILE
    return path.is_file() and path.read_bytes().startswith(dvc_file.text(config).splitlines()[0].encode())


def _has_commit(root: Path) -> bool:
    return git.attempt(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode == 0


def _first_commit(root: Path, config: Config, say: Tell) -> None:
    if git.prefix(root):
        raise SetupError(f"{root} lies in a repository without a commit; make one there: git add, git commit")
    environments = [path.parent.name for path in root.glob("*/pyvenv.cfg")]
    listed = git.run(root, "ls-files", "--others", "--exclude-standard", "--directory", "-z").decode(errors="replace")
    astray = sorted({f"{name}/" for name in environments} & set(listed.split("\0")))
    if astray:
        raise SetupError(f"{astray[0]} is an environment that Git would take in; add a line /{astray[0]} to .gitignore")
    stand_in = git.identity(root, config.card.owner)
    _raw(root, config, say)
    git.run(root, "add", "--all", "--", ".")
    message = f"Begin {config.name}"
    git.run(root, "commit", "--quiet", "--no-gpg-sign", f"--message={message}", env=stand_in)
    author = git.run(root, "log", "-1", "--format=%an <%ae>").decode(errors="replace").strip()
    whose = f"{author}, who is card.owner, since Git knows no name" if stand_in else author
    say(f"git: first commit {git.head(root)[:12]}, by {whose}")


def _raw(root: Path, config: Config, say: Tell) -> None:
    """Bring the raw files and their pointer, so that the first commit holds it: a release is made of committed files.

    Where that fails, it is for the pipeline to say: it asks for the files again, and has a log for it.
    """
    if (root / paths.RAW_POINTER).is_file():
        return
    from weighbridge.stages import fetch

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            fetch.run(root, FetchTask(fetch=config.data.fetch, address=None))
    except Exception as error:  # noqa: BLE001 - fetch is the project's own function
        say(f"data: no raw files yet ({str(error).splitlines()[0] if str(error) else type(error).__name__})")
    else:
        say(f"data: wrote {paths.RAW_POINTER}, by which Git knows the files in {paths.RAW}")


def _require_committed(root: Path, config: Config) -> None:
    """Stop before hours of training, where this file alone would keep the release from being made."""
    changed = git.dirty_files(root, paths.SOURCES, generated=paths.generated(config.name))
    if changed == (dvc_file.FILE.as_posix(),):
        raise SetupError("dvc.yaml was made anew, and a release is made of what is committed; commit it, and run again")
