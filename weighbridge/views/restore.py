"""restore: a release's bundle, data and settings, back in the working tree or in a folder of their own."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge import documents, paths, running
from weighbridge.digest import sha256_bytes
from weighbridge.errors import DataError, RecordError, SettingsError
from weighbridge.manifest import DataSection, Manifest
from weighbridge.registry import addresses, checkouts, git, placing, releases
from weighbridge.registry.objects import Objects
from weighbridge.registry.placing import Folder, Prepared
from weighbridge.views import reference

_CONFIG = "config"
_SETTINGS = {paths.CONFIG.as_posix(): "config", paths.GATES.as_posix(): "gates"}
# Where a release goes to is no part of what it is: an overlay may say otherwise.
_NOT_BINDING = {("release",)}


class Wanted(NamedTuple):
    """What a release holds: folders under DVC, and files of its commit by their paths."""

    release: releases.Release
    manifest: Manifest
    folders: tuple[Folder, ...]
    files: dict[str, bytes]


def restore(root: Path, ref: str, to: Path | None) -> str:
    """Bring back what the release *ref* is made of, each file as its manifest says, and tell of it.

    Args:
        root: the project's root.
        ref: a release, as :mod:`weighbridge.views.reference` takes it.
        to: a folder that is new or empty; ``None`` for the working tree.

    Raises:
        SettingsError: where *ref* is no release, or *to* is in use.
        DataError: where something uncommitted would be lost, or content isn't what the manifest says; then nothing
            was changed.
        NowhereError: where content is neither in DVC's cache nor on its remote; then nothing was changed.
    """
    wanted = _wanted(root, reference.release(root, ref))
    return _to_tree(root, wanted) if to is None else _to_folder(root, wanted, to)


def _wanted(root: Path, release: releases.Release) -> Wanted:
    manifest = releases.manifest_of(root, release)
    name = release.name
    files, pointers = _held(root, release, manifest)
    _check_settings(release, manifest, files)
    missing = [f"{path}.dvc" for path, text in pointers.items() if text is None and path != paths.PREDICTIONS]
    if missing:
        raise RecordError(f"{release.tag}: its commit has no {', '.join(missing)}; expected DVC's pointers there")
    files |= {f"{path}.dvc": text for path, text in pointers.items() if text is not None}
    splits = {f"{part}.parquet": split.sha256 for part, split in manifest.data.splits.items()}
    folders: tuple[Folder, ...] = (
        Folder(paths.RAW, pointers[paths.RAW] or b"", checkouts.digests(manifest.data.raw.files)),
        Folder(paths.PROCESSED, pointers[paths.PROCESSED] or b"", splits, whole=False),
        Folder(
            paths.bundle(name),
            pointers[paths.bundle(name)] or b"",
            {file.path: file.sha256 for file in manifest.artifacts.files},
        ),
    )
    predictions = pointers[paths.PREDICTIONS]
    if predictions is not None:  # earlier versions kept none
        sha256 = {paths.PREDICTIONS.name: manifest.performance.test.predictions_sha256}
        folders = (*folders, Folder(paths.PREDICTIONS, predictions, sha256, single=True))
    return Wanted(release, manifest, folders, files)


def _held(
    root: Path, release: releases.Release, manifest: Manifest
) -> tuple[dict[str, bytes], dict[Path, bytes | None]]:
    """Return the files of ``config/`` and DVC's pointers in a release's commit, as Git stores them.

    Raises:
        RecordError: where the commit changes ``config/``, or a file there has the name of something else.
    """
    top = git.prefix(root)
    with Objects(root) as objects:
        found = objects.headers(release.commit, "commit")
        tree, parent = found.one("tree"), found.one("parent")
        config = objects.entry(tree, f"{top}{_CONFIG}")
        names = [path for path, _ in objects.walk(config.id, f"{_CONFIG}/")] if config else []
        unsafe = addresses.unsafe(names)
        if unsafe is not None:
            raise RecordError(f"{release.tag}: its commit has {unsafe!r}, which is no plain file; don't trust it")
        before = objects.headers(parent, "commit").one("tree")
        if parent != manifest.code.commit:
            raise RecordError(
                f"{release.tag}: its commit stands on {parent[:12]}, the manifest says it was made of "
                f"{manifest.code.commit[:12]}; don't trust it"
            )
        if config != objects.entry(before, f"{top}{_CONFIG}"):
            raise RecordError(
                f"{release.tag}: its commit changes {_CONFIG}/, which no release does; `git diff {parent[:12]} "
                f"{release.commit[:12]} -- {_CONFIG}` shows where; don't trust it"
            )
        files = {path: objects.file(tree, top + path) or b"" for path in names}
        folders = (paths.bundle(release.name), paths.RAW, paths.PROCESSED, paths.PREDICTIONS)
        return files, {path: objects.file(tree, f"{top}{path.as_posix()}.dvc") for path in folders}


def _check_settings(release: releases.Release, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Refuse settings that aren't those the manifest recorded."""
    wrong = []
    for path, section in _SETTINGS.items():
        if path not in files:
            raise RecordError(f"{release.tag}: its commit has no {path}; it isn't a release of this project's")
        document = documents.parse(files[path].decode("utf-8", "replace"), f"{release.tag}:{path}", RecordError)
        recorded = manifest.parameters.settings.get(section, {})
        wrong += [f"{path}: {problem}" for problem in _unlike(document.value, recorded, ())]
    cases = manifest.performance.test.cases_sha256
    wrong += [
        f"{path}: not the recorded file" for path, sha in cases.items() if sha256_bytes(files.get(path, b"")) != sha
    ]
    if wrong:
        listing = "\n".join(f"  {line}" for line in wrong)
        raise RecordError(f"{release.tag}: its settings aren't those of its manifest, don't trust it:\n{listing}")


def _unlike(said: Any, recorded: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield where a file says something else than what was recorded; what it leaves to defaults isn't compared."""
    if path in _NOT_BINDING:
        return
    if isinstance(said, dict) and isinstance(recorded, dict):
        for key, value in said.items():
            yield from _unlike(value, recorded.get(key), (*path, key))
    elif said != recorded:
        yield f"{documents.dotted(path)}: found {said!r}, the manifest says {recorded!r}"


def _prepare(prepared: Prepared, wanted: Wanted) -> None:
    for folder in wanted.folders:
        prepared.bring(folder, f"the manifest of {wanted.release.tag}")
    draft = prepared.draft(paths.PROCESSED)
    known = {paths.PROFILE.name, *(paths.split(part).name for part in wanted.manifest.data.splits)}
    other = {path.name for path in draft.iterdir()} - known
    if other or documents.read_record(draft / paths.PROFILE.name, DataSection) != wanted.manifest.data:
        raise DataError(
            f"{paths.PROFILE}: not what the manifest of {wanted.release.tag} says of the data; don't trust it"
        )


def _to_folder(root: Path, wanted: Wanted, to: Path) -> str:
    """Lay all of it out beside the folder, then let it appear at once."""
    if to.is_symlink() or (to.exists() and (not to.is_dir() or any(to.iterdir()))):
        raise SettingsError(f"--to {to}: found something there; expected a new or an empty folder")
    name = wanted.release.name
    text = releases.blob(root, wanted.release.commit, paths.manifest(name).as_posix())
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=to.parent, prefix=paths.TEMPORARY)
    except OSError as problem:
        raise SettingsError(f"--to {to}: {problem.strerror}; give a folder that can be made") from None
    with temporary as folder:
        place = Path(folder, "content")
        place.mkdir()
        with Prepared(root, place) as prepared:
            _prepare(prepared, wanted)
            prepared.put()
        placing.write_files(place, {**wanted.files, paths.manifest(name).as_posix(): text})
        place.replace(to)  # an empty folder gives way
    return _told(wanted, [f"{to}/{path}" for path in _all(wanted)])


def _to_tree(root: Path, wanted: Wanted) -> str:
    running.hold(root)
    pointers = {folder.path: folder.pointer for folder in wanted.folders}
    # Pointers follow their folders, but for that of the raw data, which people commit.
    mine = {path: text for path, text in wanted.files.items() if path not in _generated(wanted)}
    lost = placing.in_the_way(root, pointers, mine)
    if lost:
        listing = "\n".join(f"  {line}" for line in lost)
        raise DataError(
            f"restoring {wanted.release.tag} here would lose something, so nothing was changed:\n{listing}\n"
            "Do that, or restore into a folder of its own with --to FOLDER"
        )
    with Prepared(root, root) as prepared:
        _prepare(prepared, wanted)
        changed = [str(path) for path in prepared.put()]
    return _told(wanted, [*changed, *placing.write_files(root, wanted.files)])


def _generated(wanted: Wanted) -> set[str]:
    return set(paths.generated(wanted.release.name))


def _all(wanted: Wanted) -> list[str]:
    return [*(folder.path.as_posix() for folder in wanted.folders), *sorted(wanted.files)]


def _told(wanted: Wanted, changed: list[str]) -> str:
    count, code = sum(len(folder.sha256) for folder in wanted.folders), wanted.manifest.code.commit[:12]
    settings = sum(path.startswith(f"{_CONFIG}/") for path in wanted.files)
    checked = (
        f"{count} files of data and bundle, each with the SHA-256 of its manifest.\n"
        f"Its {_CONFIG}/, {settings} files, is that of commit {code}, by Git's own digest; settings and critical cases "
        "are those of the manifest."
    )
    if not changed:
        return f"{wanted.release.tag} is here already: {checked}"
    lines = [f"{wanted.release.tag} restored: {checked}", *sorted(changed)]
    return "\n".join(["\n  ".join(lines), f"Its code is commit {code}: 'git switch --detach {code}'."])
