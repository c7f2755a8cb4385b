"""What REF means: a version, a tag, ``latest``, a Git ref, or a run."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError, SettingsError, SetupError
from weighbridge.manifest import Evaluation, Manifest, RunRecord
from weighbridge.registry import git, ledger, releases, tags

_SHORTEST_PREFIX = 4


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a REF names: its YAML document, and where that lies."""

    kind: Literal["release", "commit", "run", "ledger"]
    """``release`` and ``commit`` hold a manifest, ``run`` a run's record, ``ledger`` an entry of the ledger."""
    title: str
    """Tag, commit or run id."""
    source: str
    """Where the document lies, in words."""
    content: bytes
    """The document, as it lies there."""
    folder: Path | None = None
    """The run's folder."""

    def record(self) -> Manifest | RunRecord:
        """Return the document as a record.

        Raises:
            RecordError: where it is damaged, or the ledger's entry is all that is left of the run.
        """
        if self.kind == "ledger":
            raise RecordError(
                f"{self.title}: only its entry in the ledger is left; expected its folder in {paths.RUNS}"
            )
        document = documents.parse(self.content.decode("utf-8", "replace"), self.source, RecordError)
        if self.kind == "run":
            return documents.typed(document, RunRecord, RecordError)
        return documents.typed(document, Manifest, RecordError)


def project_name(root: Path) -> str:
    """Return the model's name from ``config/config.yaml``, whatever else is wrong there.

    Raises:
        SettingsError: where there is no such file or it names no model.
    """
    value = documents.read(root / paths.CONFIG).value
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not re.fullmatch(tags.NAME, name):
        raise SettingsError(f"{paths.CONFIG}: name: found {name!r}; expected the model's name, such as 'flights'")
    return name


def resolve(root: Path, ref: str, name: str | None = None) -> Found:
    """Return what *ref* names.

    Args:
        root: the project's root.
        ref: ``v1.2.0``, ``1.2.0``, ``flights@v1.2.0``, ``latest``, a Git ref or commit whose tree holds a manifest,
            or the id of a run or the beginning of one.
        name: the model, where *ref* doesn't say; the project's own by default.

    Raises:
        SettingsError: where nothing is named so, listing what is nearest.
    """
    name = name or project_name(root)
    found = _release(root, ref, name) or _run(root, ref, name) or _commit(root, ref, name)
    if found is None:
        raise SettingsError(_unknown(root, ref, name))
    return found


def release(root: Path, ref: str) -> releases.Release:
    """Return the release that *ref* names.

    Raises:
        SettingsError: where *ref* names nothing, or no release.
    """
    found = resolve(root, ref)
    if found.kind != "release":
        raise SettingsError(f"{ref}: is {found.title}, found in {found.source}; expected a release, such as v1.2.0")
    return releases.find(root, found.title)


def validation(run: RunRecord, folder: Path | None) -> dict[str, float]:
    """Return the run's validation metrics; none where what lies in *folder* is still that of an earlier run."""
    path = folder / "validation.yaml" if folder else None
    done = documents.read_record(path, Evaluation) if path and path.is_file() else None
    return done.metrics if done and done.run == run.run else {}


def _release(root: Path, ref: str, name: str) -> Found | None:
    if ref == "latest":
        known = releases.releases(root, name)
        if not known:
            raise SettingsError(f"latest: {name} has no release yet; make one with 'snakemake --cores all'")
        return _tagged(root, known[-1])
    try:
        tag = tags.Tag.parse(ref if "@" in ref else f"{name}@v{ref.removeprefix('v')}")
    except RecordError:
        return None
    found = [release for release in releases.releases(root, tag.name) if release.tag == tag]
    return _tagged(root, found[0]) if found else None


def _tagged(root: Path, release: releases.Release) -> Found:
    path = paths.manifest(release.name).as_posix()
    content = releases.blob(root, release.commit, path)
    expected, actual = release.notes.manifest_sha256, sha256_bytes(content)
    if actual != expected:
        raise RecordError(f"{release.tag}: {path} has the SHA-256 {actual}, the tag says {expected}; don't trust it")
    return Found(kind="release", title=str(release.tag), source=f"{release.tag}:{path}", content=content)


def _run(root: Path, ref: str, name: str) -> Found | None:
    folders = dict(_folders(root))
    entries = {run: entry for entry in _entries(root) if isinstance(run := entry.get("run"), str)}
    matching = sorted(run for run in {*folders, *entries} if run == ref or _begins(run, ref))
    if ref in matching:
        matching = [ref]
    if len(matching) > 1:
        raise SettingsError(f"{ref} is the beginning of {len(matching)} runs: {', '.join(matching)}; give more of it")
    if not matching:
        return None
    run = matching[0]
    if run in folders:
        path = folders[run] / "run.yaml"
        source = path.relative_to(root).as_posix()
        return Found(kind="run", title=run, source=source, content=path.read_bytes(), folder=folders[run])
    return _from_ledger(root, run, name)


def _begins(run: str, ref: str) -> bool:
    return len(ref) >= _SHORTEST_PREFIX and (run.startswith(ref) or run.rpartition("-")[2].startswith(ref))


def _from_ledger(root: Path, run: str, name: str) -> Found | None:
    """Return the release that a run became, else the newest entry that names the run."""
    entries = [entry for entry in _entries(root) if entry.get("run") == run]
    for entry in reversed(entries):
        if entry.get("status") == "accepted":
            released = _release(root, str(entry.get("tag")), name)
            if released:
                return released
    content = documents.dump(entries[-1]).encode()
    return Found(kind="ledger", title=run, source=f"the ledger in {paths.LEDGER}/", content=content)


def _folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the id and folder of each run in ``results/``, by the first line of its record alone."""
    for path in sorted((root / paths.RUNS).glob("*/*/run.yaml")):
        with path.open(encoding="utf-8", errors="replace") as stream:
            first = re.fullmatch(r'run: "?([a-z0-9_-]+)"?\s*', stream.readline())
        if first:
            yield first[1], path.parent


def _entries(root: Path) -> list[dict[str, object]]:
    return [entry.record for entry in ledger.inspect(root)[0]]


def _commit(root: Path, ref: str, name: str) -> Found | None:
    if ref.startswith("-") or not ref.strip() or not ref.isprintable():
        return None
    commit = git.attempt(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.decode().strip()
    if not commit:
        return None
    path = paths.manifest(name).as_posix()
    try:
        content = releases.blob(root, commit, path)
    except RecordError:
        raise SettingsError(
            f"{ref} is the commit {commit[:12]}, which holds no {path}; only release commits do. "
            f"Give one of: {', '.join(_known(root, name)[:5]) or 'none yet'}"
        ) from None
    return Found(kind="commit", title=commit[:12], source=f"{ref}:{path}", content=content)


def _known(root: Path, name: str) -> list[str]:
    """Return all names that :func:`resolve` takes, newest release first, then runs."""
    try:
        versions = [str(release.tag) for release in reversed(releases.releases(root, name))]
    except SetupError:
        versions = []
    runs = {run for run, _ in _folders(root)} | {str(entry["run"]) for entry in _entries(root) if "run" in entry}
    return [*versions, *sorted(runs)]


def _unknown(root: Path, ref: str, name: str) -> str:
    known = _known(root, name)
    if not known:
        return f"{ref}: there is no release and no run yet; make one with 'snakemake --cores all'"
    short = {tag.partition("@")[2]: tag for tag in known if "@" in tag}
    near = difflib.get_close_matches(ref, [*known, *short], n=5, cutoff=0.5)
    nearest = list(dict.fromkeys(short.get(one, one) for one in near)) or known[:5]
    return f"{ref}: no release, Git ref or run of that name; nearest: {', '.join(nearest)}. See 'weighbridge log'"
