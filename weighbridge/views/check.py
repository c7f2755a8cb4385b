"""check: what is wrong here, and how to mend it. Every look is taken, whatever the others find."""

import configparser
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from weighbridge import documents, dvc_file, paths, secrets_guard
from weighbridge.errors import SetupError, WeighbridgeError
from weighbridge.registry import content, dvc_settings, git, ledger, model_keys, signers, signing
from weighbridge.root import lock
from weighbridge.settings import Config, Settings
from weighbridge.views import check_cluster, check_template, reference
from weighbridge.views import setup as setup_view
from weighbridge.views.columns import aligned
from weighbridge.views.finding import MOST_SHOWN, Finding, listed

_OLDEST, _TOO_NEW = (3, 11), (3, 14)
_GIB = 2**30
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)(\s*;.*)?")


def check(root: Path, settings_loader: Callable[[], Settings]) -> tuple[str, int]:
    """Look at settings, Git, DVC, data and the environment.

    Args:
        root: the project's root.
        settings_loader: loads and checks both files of ``config/``.

    Returns:
        The findings as text, and the exit code: 1 where one of them is a problem.
    """
    found = findings(root, settings_loader)
    rows = [(finding.level, finding.topic, line) for finding in found for line in _lines(finding)]
    count = {level: sum(finding.level == level for finding in found) for level in ("problem", "warning")}
    total = f"problems: {count['problem']}, warnings: {count['warning']}" if any(count.values()) else "All is well."
    return "\n".join([*aligned(_without_repetition(rows)), "", total]), 1 if count["problem"] else 0


def _lines(finding: Finding) -> list[str]:
    return [*finding.found.splitlines(), *(f"→ {line}" for line in finding.mend.splitlines())]


def _without_repetition(rows: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Leave level and topic out where the row above has them, but for each finding's first row."""
    last = ("", "")
    for level, topic, line in rows:
        yield (level, topic, line) if (level, topic) != last else ("", "", line)
        last = (level, topic)


def findings(root: Path, settings_loader: Callable[[], Settings]) -> tuple[Finding, ...]:
    """Return what each look found, in a fixed order."""
    name: list[str] = []
    config: list[Config] = []
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("settings", lambda: _settings(root, settings_loader, name, config)),
        ("python", _python),
        ("packages", lambda: _packages(lock(root))),
        ("git", lambda: _git(root)),
        ("git identity", lambda: _identity(root)),
        ("signing", lambda: _signing(root, name)),
        ("conflicts", lambda: _conflicts(root)),
        ("conflicts", lambda: check_template.rejected(root)),
        ("template", lambda: check_template.template(root)),
        ("engine", lambda: check_template.engine(root)),
        ("environment", lambda: check_template.moved(root)),
        ("uncommitted", lambda: _uncommitted(root, name)),
        ("dvc", lambda: _dvc(root)),
        ("dvc.yaml", lambda: _dvc_yaml(root, name, config)),
        ("data", lambda: _data(root)),
        ("ledger", lambda: _ledger(root)),
        ("disk", lambda: _disk(root)),
        ("cluster", lambda: check_cluster.cluster(root)),
    ]
    return tuple(finding for topic, look in looks for finding in _taken(topic, look))


def _taken(topic: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except WeighbridgeError as error:
        yield Finding("problem", topic, str(error))
    except Exception as error:  # noqa: BLE001 - whatever is broken here is the finding, and the other looks still help
        yield Finding("problem", topic, f"could not be checked: {type(error).__name__}: {error}")


def _settings(
    root: Path, settings_loader: Callable[[], Settings], name: list[str], known: list[Config]
) -> Iterator[Finding]:
    try:
        settings = settings_loader()
    except WeighbridgeError as error:
        mend = "mend the named key; docs/reference/configuration.md lists them all"
        yield Finding("problem", "settings", str(error), mend)
        name.append(reference.project_name(root))
        return
    config = settings.config
    name.append(config.name)
    known.append(config)
    counts = f"{len(config.candidates)} candidates, {len(config.seeds)} seeds, {len(settings.gates.gates)} gates"
    yield Finding("ok", "settings", f"model {config.name}: {counts}")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if _OLDEST <= sys.version_info[:2] < _TOO_NEW:
        yield Finding("ok", "python", version)
    else:
        yield Finding("problem", "python", f"{version}; expected 3.11 to 3.13", "make an environment with one of these")


def _packages(lock: Path) -> Iterator[Finding]:
    if not lock.is_file():
        mend = "write it with 'make lock', and commit it"
        yield Finding("problem", "packages", f"there is no {lock.name}; runs can't be made again without it", mend)
        return
    pinned = _pins(lock.read_text(encoding="utf-8"))
    installed = _installed()
    wrong = [
        f"{name}: {lock.name} says {version}, installed is {installed.get(name, 'nothing')}"
        for name, (version, conditional) in sorted(pinned.items())
        if installed.get(name, version if conditional else None) != version
    ]
    if wrong:
        yield Finding("problem", "packages", "\n".join(listed(wrong)), f"pip install -r {lock.name}")
    elif pinned:
        yield Finding("ok", "packages", f"{len(pinned)} installed as {lock.name} says")
    else:
        yield Finding(
            "problem", "packages", f"{lock.name} pins nothing; expected lines of 'name==version'", "make lock"
        )


def _pins(text: str) -> dict[str, tuple[str, bool]]:
    """Return each pinned distribution's public version, and whether a marker makes it conditional."""
    found = (_PINNED.match(line) for line in text.splitlines())
    return {_normal(pin[1]): (pin[2].partition("+")[0], bool(pin[3])) for pin in found if pin}


def _installed() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(_normal(name), distribution.version.partition("+")[0])
    return found


def _normal(name: str) -> str:
    """Return a distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _git(root: Path) -> Iterator[Finding]:
    try:
        commit = git.require_repository(root)
    except SetupError as error:
        yield Finding("problem", "git", str(error), "'weighbridge setup' makes what is missing, as 'make run' does")
        return
    if git.is_shallow(root):
        mend = "git fetch --unshallow --tags"
        yield Finding("problem", "git", "a shallow clone: earlier releases may be missing", mend)
    branch = git.branch(root)
    if branch is None:
        mend = "git switch BRANCH; a release works without, advance_branch does not"
        yield Finding("warning", "git", f"HEAD is detached at {commit[:12]}", mend)
    else:
        yield Finding("ok", "git", f"{branch} at {commit[:12]}")


def _identity(root: Path) -> Iterator[Finding]:
    try:
        owner = documents.read(root / paths.CONFIG).value["card"]["owner"]
    except (WeighbridgeError, KeyError, TypeError):
        owner = ""
    stand_in = git.identity(root, str(owner))
    if stand_in:
        mend = "git config user.name …; git config user.email …"
        yield Finding("warning", "git identity", f"Git has none; releases would be signed by card.owner, {owner}", mend)
    else:
        yield Finding("ok", "git identity", f"{git.setting(root, 'user.name') or 'from the environment'}")


def _signing(root: Path, name: list[str]) -> Iterator[Finding]:
    """Look at keys and lists of signers before a release asks for them, which may be hours later."""
    if not git.attempt(root, "rev-parse", "--verify", "--quiet", "HEAD").stdout:
        return
    signers.require_sound(root)
    if name and signers.for_next(root, name[0]) is not None:
        yield Finding("ok", "signing", f"tags with {signing.key_for_list(root)}, by {signers.path('release')}")
    key = model_keys.key_file(root)
    if key is not None:
        model_keys.load_key(key)
        yield Finding("ok", "signing", f"bundles with {key}")


def _conflicts(root: Path) -> Iterator[Finding]:
    done = git.attempt(root, "grep", "-I", "--name-only", "-E", "-e", "^(<<<<<<<|>>>>>>>) .")
    files = done.stdout.decode("utf-8", "replace").splitlines()
    if files:
        mend = "settle the conflict, then commit"
        yield Finding("problem", "conflicts", f"conflict markers in: {', '.join(files[:MOST_SHOWN])}", mend)


def _uncommitted(root: Path, name: list[str]) -> Iterator[Finding]:
    generated = paths.generated(name[0]) if name else ()
    files = git.dirty_files(root, paths.SOURCES, generated=generated)
    if files:
        found = "\n".join(listed(list(files)))
        yield Finding("warning", "uncommitted", found, "commit these; a release refuses them")
    else:
        yield Finding("ok", "uncommitted", "nothing that would stop a release")


def _dvc(root: Path) -> Iterator[Finding]:
    shared, local = root / ".dvc/config", root / ".dvc/config.local"
    if not shared.is_file():
        yield Finding(
            "problem", "dvc", "there is no .dvc/config", "weighbridge setup, for a remote in this folder; or dvc init"
        )
        return
    yield from _credentials(_sections(shared))
    sections = _sections(shared)
    for section, values in _sections(local).items():
        sections.setdefault(section, {}).update(values)
    remote = sections.get("core", {}).get("remote")
    if not remote:
        mend = "dvc remote add --default NAME URL; without one, data lives on this machine only"
        yield Finding("warning", "dvc", "no default remote", mend)
        return
    yield from _remote(root, remote, sections.get(f'remote "{remote}"', {}))


def _sections(path: Path) -> dict[str, dict[str, str]]:
    """Return the sections of one of DVC's own configuration files."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8") if path.is_file() else "")
    except configparser.Error:  # its message quotes the line, which may hold a secret
        raise SetupError(f".dvc/{path.name}: not as DVC writes it; mend it, or see 'dvc config --list'") from None
    return {section.strip("'"): dict(parser[section]) for section in parser.sections()}


def _credentials(sections: dict[str, dict[str, str]]) -> Iterator[Finding]:
    for section, values in sections.items():
        named = re.fullmatch(r'remote "(.*)"', section)
        remote = named[1] if named else section
        for key in sorted(filter(dvc_settings.is_refused, values)):
            mend = (
                f"dvc remote modify --unset {remote} {key}; dvc remote modify --local {remote} {key} …; "
                "then change the secret, for Git remembers it"
            )
            yield Finding("problem", "dvc", f".dvc/config holds {section}: {key}, and Git shares that file", mend)
        if secrets_guard.is_secret(values.get("url", "")):
            mend = "take them out; dvc remote modify --local NAME user/password keeps them on this machine"
            yield Finding("problem", "dvc", f".dvc/config: the address of {remote} holds credentials", mend)


def _remote(root: Path, name: str, values: dict[str, str]) -> Iterator[Finding]:
    url = values.get("url", "")
    if not url:
        yield Finding("problem", "dvc", f"the default remote {name!r} has no address", f"dvc remote add {name} URL")
        return
    path = _local_path(root, url)
    if path is not None and not path.exists() and path.parent == root:
        yield Finding("ok", "dvc", f"default remote {name!r} is {url}, which the first push makes")
    elif path is not None and not path.is_dir():
        mend = f"mount or make it, or name another: dvc remote modify {name} url URL (the first push makes it as well)"
        yield Finding("warning", "dvc", f"the default remote {name!r} is {url}, which isn't there", mend)
    elif path is not None and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "problem", "dvc", f"the default remote {name!r} is {url}, which you may not write", f"chmod u+rwx {url}"
        )
    else:
        yield Finding("ok", "dvc", f"default remote {name!r} is {git.without_credentials(url)}")
    if values.get("verify", "").lower() != "true":
        mend = f"dvc remote modify {name} verify true"
        yield Finding("warning", "dvc", f"what {name!r} delivers is taken without a look at its content", mend)


def _local_path(root: Path, url: str) -> Path | None:
    """Return the folder of a remote that is a path; a relative one begins at ``.dvc/``."""
    if "://" in url and not url.startswith("file://"):
        return None
    return Path(os.path.normpath(root / ".dvc" / url.removeprefix("file://")))


def _dvc_yaml(root: Path, name: list[str], config: list[Config]) -> Iterator[Finding]:
    mend = "weighbridge setup; then commit dvc.yaml"
    if name and not (root / dvc_file.FILE).is_file():
        yield Finding("problem", "dvc.yaml", "there is no dvc.yaml; GTO and 'dvc artifacts get' need it", mend)
    elif config and setup_view.is_made(root, config[0]):
        wrong = dvc_file.stale(root, config[0])
        yield Finding("problem", "dvc.yaml", wrong, mend) if wrong else Finding("ok", "dvc.yaml", "as config/ asks")
    elif name:
        yield from _own_dvc_yaml(root / dvc_file.FILE, name[0])


def _own_dvc_yaml(path: Path, name: str) -> Iterator[Finding]:
    """Look at a ``dvc.yaml`` that somebody has written: it has to name the model."""
    value = documents.read(path).value
    artifacts = value.get("artifacts") if isinstance(value, dict) else None
    artifact = artifacts.get(name) if isinstance(artifacts, dict) else None
    found = artifact.get("path") if isinstance(artifact, dict) else None
    if found == paths.bundle(name).as_posix():
        yield Finding("ok", "dvc.yaml", f"names the artifact {name}")
    else:
        known = ", ".join(artifacts) if isinstance(artifacts, dict) else "none"
        what = f"path {found!r} for {name}" if found else f"no artifact {name} (found: {known})"
        wanted = f"artifacts: {{{name}: {{path: {paths.bundle(name)}, type: model}}}}"
        mend = f"write {wanted}, or remove the file for 'weighbridge setup' to make it"
        yield Finding("problem", "dvc.yaml", what, mend)


def _data(root: Path) -> Iterator[Finding]:
    folder, pointer = root / paths.RAW, root / paths.RAW_POINTER
    expected = content.pointer_address(pointer)
    there = folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))
    if not there:
        mend = "'snakemake --cores all fetch' brings them; so does 'dvc pull'"
        yield Finding("warning", "data", f"{paths.RAW} holds no files", mend)
    elif expected is None:
        mend = f"dvc add {paths.RAW}, then commit {paths.RAW_POINTER}"
        yield Finding("problem", "data", f"there is no {paths.RAW_POINTER}: Git doesn't know which data this is", mend)
    elif (found := content.folder_address(folder)[0]) != expected:
        mend = f"dvc add {paths.RAW} where the new files are meant, else dvc checkout {paths.RAW_POINTER}"
        yield Finding("problem", "data", f"{paths.RAW} is {found}, {paths.RAW_POINTER} says {expected}", mend)
    else:
        yield Finding("ok", "data", f"{paths.RAW} is what {paths.RAW_POINTER} says")


def _ledger(root: Path) -> Iterator[Finding]:
    damage = ledger.problems(root)
    if damage:
        mend = f"bring these files back, from a backup or the last release: git show TAG:{paths.LEDGER}/…"
        yield Finding("problem", "ledger", "\n".join(listed(list(damage))), mend)
    else:
        yield Finding("ok", "ledger", f"records: {ledger.count(root)}, all whole")


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free / _GIB
    if free < 1:
        yield Finding("problem", "disk", f"{free:.1f} GiB free", "free some; 'dvc gc --workspace' drops unused data")
    elif free < 5:  # noqa: PLR2004 - GiB, of which a run with some networks needs about one
        yield Finding("warning", "disk", f"{free:.1f} GiB free", "free some before a long run")
    else:
        yield Finding("ok", "disk", f"{free:.0f} GiB free")
