"""Git, asked by its plumbing: argument lists, never a shell, and the same answer under anyone's configuration.

Paths are relative to the project's root, which may be a folder inside the repository.
"""

import functools
import os
import re
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from weighbridge.digest import sha256_bytes, sha256_file, sha256_json
from weighbridge.errors import SetupError

_FIXED = (
    "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "-c", "core.commitGraph=false", "--literal-pathspecs",
    "--no-replace-objects",
)  # fmt: skip
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
# A hook that runs us sets these for its own repository and index.
_LOCAL_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
_OWNER = re.compile(r"\s*([^<>\n]*[^<>\s])\s*<([^<>\s]+@[^<>\s]+)>\s*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)(.*)", re.DOTALL)
_HOST = re.compile(r"[^@:/\s]*(:\d*)?|\[[0-9A-Fa-f:.]*\](:\d*)?")


def run(
    root: Path,
    *arguments: str,
    input: bytes | None = None,  # noqa: A002 - named as in subprocess.run
    env: Mapping[str, str] | None = None,
    hooks: bool = False,
) -> bytes:
    """Run ``git`` with *arguments* in *root* and return what it prints.

    Args:
        root: the folder to run in.
        arguments: passed as they are; put ``--`` before paths.
        input: bytes for its standard input.
        env: variables to add to the environment.
        hooks: whether the user's hooks may run; only for a push.

    Raises:
        SetupError: with Git's own words, where it isn't installed or exits with an error.
    """
    done = attempt(root, *arguments, input=input, env=env, hooks=hooks)
    if done.returncode:
        raise SetupError(f"git {arguments[0]} failed in {root}: {last_words(done.stderr)}")
    return done.stdout


def attempt(
    root: Path,
    *arguments: str,
    input: bytes | None = None,  # noqa: A002 - named as in subprocess.run
    env: Mapping[str, str] | None = None,
    hooks: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Like :func:`run`, for commands whose exit code is an answer: nothing is raised for it."""
    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command(*arguments, hooks=hooks),
            cwd=root,
            input=input or b"",
            env={**environment(), **(env or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        if not root.is_dir():
            raise SetupError(f"{root}: no such folder; give the project's root") from None
        raise SetupError("git isn't installed, or not on PATH; install Git 2.30 or later") from None


def command(*arguments: str, hooks: bool = False) -> list[str]:
    """Return the command that :func:`run` runs, for who speaks with the process itself."""
    return ["git", *_FIXED, *(() if hooks else _NO_HOOKS), *arguments]


def environment() -> dict[str, str]:
    """Return the variables that :func:`run` runs Git with: nothing of a hook that may run us, and words in English.

    Parents are those that commits name, whatever ``.git/info/grafts`` says.
    """
    kept = {key: value for key, value in os.environ.items() if key not in _LOCAL_VARIABLES}
    fixed = {"GIT_GRAFT_FILE": f"{os.devnull}/none", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    return {**kept, "LC_ALL": "C", **fixed}


def last_words(stderr: bytes, lines: int = 3) -> str:
    """Return what *stderr* complains of, on one line: its errors, else its last lines; without credentials."""
    text = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    said = [line for line in text if line and not line.startswith("hint:")]
    errors = [line for line in said if line.startswith(("fatal:", "error:", "remote:", "!"))]
    return re.sub(r"(://)[^/\s]*@", r"\1", "; ".join((errors or said)[-lines:])) or "it gave no reason"


def require_repository(root: Path) -> str:
    """Return the commit that HEAD names, once *root* is known to lie in a work tree that has one.

    Raises:
        SetupError: where Git isn't installed, *root* isn't in a work tree, or nothing was committed yet.
    """
    inside = attempt(root, "rev-parse", "--is-inside-work-tree")
    if inside.returncode and b"not a git repository" not in inside.stderr:
        raise SetupError(f"{root}: Git refuses to read it: {last_words(inside.stderr)}")
    if inside.stdout.strip() != b"true":
        raise SetupError(f"{root} isn't in a Git work tree; run `git init` there, then commit the project")
    return head(root)


def require_whole_history(root: Path) -> None:
    """Refuse a shallow clone, whose earlier releases may be missing.

    Raises:
        SetupError: naming the command that brings them.
    """
    if is_shallow(root):
        raise SetupError(
            f"{root} is a shallow clone: earlier releases may be missing, and a version could be given twice; "
            "run `git fetch --unshallow --tags`"
        )


def head(root: Path) -> str:
    """Return the commit that HEAD names.

    Raises:
        SetupError: where nothing was committed yet.
    """
    found = attempt(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if found.returncode:
        said = f" ({last_words(found.stderr)})" if found.stderr.strip() else ""
        raise SetupError(f"{root} has no commit yet{said}; commit the project with `git add` and `git commit`")
    return found.stdout.decode().strip()


def is_merged(root: Path, commit: str) -> bool:
    """Return whether HEAD has *commit* in its history."""
    return attempt(root, "merge-base", "--is-ancestor", commit, "HEAD").returncode == 0


def branch(root: Path) -> str | None:
    """Return the short name of the current branch; ``None`` where HEAD is detached."""
    found = attempt(root, "symbolic-ref", "--quiet", "HEAD")
    name = found.stdout.decode().strip()
    return name.removeprefix("refs/heads/") if found.returncode == 0 and name.startswith("refs/heads/") else None


def is_shallow(root: Path) -> bool:
    """Return whether the clone lacks part of its history."""
    return run(root, "rev-parse", "--is-shallow-repository").strip() == b"true"


def prefix(root: Path) -> str:
    """Return *root* relative to the top of its work tree: empty, or with a ``/`` at its end."""
    return run(root, "rev-parse", "--show-prefix").decode().removesuffix("\n")


def setting(root: Path, key: str, kind: str = "") -> str | None:
    """Return a value of Git's configuration, ``None`` where it isn't set; *kind* is ``bool`` or ``path``."""
    found = attempt(root, "config", *([f"--type={kind}"] if kind else []), "--get", key)
    return None if found.returncode else found.stdout.decode().removesuffix("\n")


def dirty_files(root: Path, paths: Sequence[str], generated: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the files that differ from HEAD: modified, staged, deleted, or untracked and not ignored.

    Args:
        root: the project's root.
        paths: files or folders to look at, relative to it.
        generated: files or folders to leave out.

    Returns:
        Paths relative to *root*, sorted.
    """
    if not paths:
        return ()
    options = ("--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=none")
    listing = run(root, "status", *options, "--", *paths).decode(errors="surrogateescape")
    top = prefix(root)
    found = {record[3:].removeprefix(top) for record in listing.split("\0") if record}
    return tuple(sorted(path for path in found if not any(_below(path, folder) for folder in generated)))


def unlike_head(root: Path, files: Sequence[str]) -> tuple[str, ...]:
    """Return those of *files* (paths relative to *root*) whose content HEAD doesn't hold.

    Contents are compared, after Git's own filters: ``git status`` says nothing of a file that is ignored, or marked
    with ``update-index --assume-unchanged``.
    """
    listing = run(root, "ls-tree", "-r", "-z", "HEAD").decode(errors="surrogateescape")
    entries = (line.partition("\t") for line in listing.split("\0") if line)
    held = {path: about.split(" ")[2] for about, _, path in entries}
    there = [name for name in files if (root / name).is_file()]
    objects = run(root, "hash-object", "--", *there).decode().split() if there else []
    found = dict(zip(there, objects, strict=True))
    return tuple(sorted({name for name in files if found.get(name) != held.get(name)}))


def _below(path: str, folder: str) -> bool:
    folder = folder.rstrip("/")
    return path == folder or path.startswith(f"{folder}/")


def dirty_sha256(root: Path, files: Sequence[str]) -> str | None:
    """Return one digest of the files' names, modes and contents as they lie there; ``None`` for no files."""
    if not files:
        return None
    return sha256_json([[os.fsencode(name).decode(errors="replace"), *_state(root / name)] for name in sorted(files)])


def _state(path: Path) -> tuple[str, str | None]:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent", None
    if stat.S_ISLNK(mode):
        return "link", sha256_bytes(os.fsencode(path.readlink()))
    if not stat.S_ISREG(mode):
        return "folder", None
    return ("executable" if mode & stat.S_IXUSR else "file"), sha256_file(path)


def remote_url(root: Path, remote: str | None = None) -> str:
    """Return where the repository lives, without credentials; empty where it has no remote.

    It is *remote*'s address as configured, else that of ``origin``, else of the first one by name.
    """
    listing = attempt(root, "config", "-z", "--get-regexp", r"^remote\..*\.url$").stdout.decode(errors="replace")
    urls: dict[str, str] = {}
    for record in filter(None, listing.split("\0")):
        key, _, url = record.partition("\n")
        urls.setdefault(key[len("remote.") : -len(".url")], url)
    chosen = remote or ("origin" if "origin" in urls else min(urls, default=""))
    return without_credentials(urls.get(chosen, ""))


def without_credentials(url: str) -> str:
    """Return *url* (also ``user@host:path``) without user, password, query and fragment.

    Where it isn't clear which ``@`` ends the credentials, all up to the last one goes.
    """
    split = _URL.fullmatch(url)
    if split:
        scheme, authority, rest = split.groups()
        host = authority.rpartition("@")[2]
        if not _HOST.fullmatch(host) and "@" in rest:
            host, rest = "", rest.rpartition("@")[2]
        return scheme + host + re.split("[?#]", rest, maxsplit=1)[0]
    if url.startswith(("/", ".", "~")) or ":" not in url:
        return url
    bare = re.split("[?#]", url, maxsplit=1)[0]
    user, at, rest = bare.rpartition("@")
    return rest if at and (":" in rest or "/" not in user) else bare


def identity(root: Path, owner: str) -> dict[str, str]:
    """Return variables that name author and committer; empty where Git knows who they are.

    Args:
        root: the project's root.
        owner: ``Name <name@example.org>``, who signs where Git has no ``user.name`` and ``user.email``.

    Raises:
        SetupError: where Git doesn't know and *owner* isn't of that form.
    """
    strict = functools.partial(attempt, root, "-c", "user.useConfigOnly=true", "var")
    if not any(strict(f"GIT_{role}_IDENT").returncode for role in ("AUTHOR", "COMMITTER")):
        return {}
    match = _OWNER.fullmatch(owner)
    if not match:
        raise SetupError(
            f"Git has no identity, and the owner {owner!r} is no 'Name <name@example.org>'; "
            "run `git config user.name …` and `git config user.email …`, or mend card.owner in config/config.yaml"
        )
    name, email = match.groups()
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", name), ("EMAIL", email))
    }
