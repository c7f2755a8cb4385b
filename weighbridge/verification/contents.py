"""The bundle, the data and the predictions: every file of them, by its SHA-256 in the manifest."""

from pathlib import Path
from typing import NamedTuple

from weighbridge import documents, paths
from weighbridge.digest import FileEntry, sha256_folder
from weighbridge.errors import RecordError
from weighbridge.manifest import DataSection, Manifest
from weighbridge.registry import pickles
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.stored import Expected, Stored
from weighbridge.verification.subject import Subject

_MIB = 2**20
_MODEL = "model.onnx"


class Contents:
    """Where the files lie, once they were found: by name below the bundle, the raw and the processed data."""

    def __init__(self, subject: Subject, stored: Stored) -> None:
        self._subject = subject
        self._stored = stored
        self._proved: dict[str, dict[str, Path]] = {}

    def begin(self) -> None:
        """Begin to read the bundle, the most there is to read, while Git is asked."""
        self._stored.start(self._listed_bundle().values())

    def proved(self, what: str, path: str = "") -> Path:
        """Return where a file lies that was proved before.

        Raises:
            UnprovedError: where it wasn't.
        """
        if what not in self._proved:
            raise UnprovedError(f"it rests on the {what}, which isn't proved")
        return self._proved[what][path]

    def before(self) -> "Before":
        """Return the last release's model and test rows, each by its SHA-256 in that release's manifest.

        Raises:
            RecordError: where they are others.
            UnprovedError: where the model isn't at hand, or there is no release before.
        """
        tag, previous = self._subject.manifest.lineage.previous, self._subject.previous
        if tag is None or previous is None:
            raise UnprovedError("there is no release before it")
        tree, name = self._subject.tree_of(tag), self._subject.name
        pointer = self._subject.objects.file(tree, paths.pointer(name).as_posix()) or b""
        expected = {one.path: Expected(one.sha256, one.bytes) for one in previous.artifacts.files}
        found = self._stored.listed(pointer, name, previous.artifacts.dvc)
        self._stored.compare(f"the bundle of {tag}", found, expected)
        return Before(found[_MODEL], self._rows_before(tree, tag, previous))

    def _rows_before(self, tree: str, tag: str, previous: Manifest) -> Path | None:
        """Return the last release's test rows where it has inputs that were retired since, and they can be had."""
        kept = {each.name for each in self._subject.manifest.interface.inputs}
        if all(each.name in kept for each in previous.interface.inputs):
            return None
        pointer = self._subject.objects.file(tree, paths.PROCESSED_POINTER.as_posix()) or b""
        name = paths.split("test").name
        try:
            listed = self._stored.listed(pointer, paths.PROCESSED.name, None)
        except UnprovedError:
            return None
        found = {path: file for path, file in listed.items() if path == name}
        expected = {name: Expected(previous.data.splits["test"].sha256)}
        self._stored.compare(f"the processed data of {tag}", found, expected)
        return found[name]

    def prove(self, what: str, found: dict[str, Path]) -> None:
        """Remember what else was proved."""
        self._proved[what] = found

    def _listed_bundle(self) -> dict[str, Path]:
        name, artifacts = self._subject.name, self._subject.manifest.artifacts
        return self._stored.listed(self._subject.file(paths.pointer(name)), name, artifacts.dvc)

    def bundle(self) -> str:
        """Prove that the bundle is, file by file, the one of the manifest."""
        artifacts = self._subject.manifest.artifacts
        entries = tuple(FileEntry(path=one.path, bytes=one.bytes, sha256=one.sha256) for one in artifacts.files)
        content = self._subject.tagged.notes.content_sha256
        if not sha256_folder(entries) == artifacts.content_sha256 == content:
            raise RecordError(f"the manifest's files don't make up the bundle of sha256 {content[:12]}, by the tag")
        found = self._listed_bundle()
        self._stored.compare("the bundle", found, {one.path: Expected(one.sha256, one.bytes) for one in entries})
        self._proved["bundle"] = found
        size = sum(one.bytes for one in entries)
        return f"files: {len(entries)}, {size / _MIB:,.4g} MiB, of sha256 {content[:12]}"

    def no_pickle(self) -> str:
        """Prove that no file of the bundle is a pickle, or holds one."""
        names = [one.path for one in self._subject.manifest.artifacts.files]
        looked = {name: pickles.in_file(self.proved("bundle", name)) for name in names}
        wrong = [f"{name}: {what}" for name, what in looked.items() if what]
        if wrong:
            raise RecordError(f"{'; '.join(wrong)}; loading it may run any code, don't")
        return f"none of {len(names)} files is a pickle, or holds one"

    def raw(self) -> str:
        """Prove that the raw data is that of the manifest."""
        raw = self._subject.manifest.data.raw
        if sha256_folder(raw.files) != raw.sha256:
            raise RecordError(f"the manifest's raw files don't make up the sha256 {raw.sha256[:12]} that it says")
        found = self._stored.listed(self._subject.file(paths.RAW_POINTER), paths.RAW.name, raw.dvc)
        self._stored.compare("the raw data", found, {one.path: Expected(one.sha256, one.bytes) for one in raw.files})
        return f"files: {len(raw.files)}, of sha256 {raw.sha256[:12]}"

    def processed(self) -> str:
        """Prove that the splits, and the profile beside them, are those of the manifest."""
        data = self._subject.manifest.data
        found = self._stored.listed(self._subject.file(paths.PROCESSED_POINTER), paths.PROCESSED.name, None)
        profile = found.pop(paths.PROFILE.name, None)
        expected = {paths.split(name).name: Expected(part.sha256) for name, part in data.splits.items()}
        self._stored.compare("the processed data", found, expected)
        # Of the profile the manifest has no digest: it has all that it says.
        if profile is None or documents.read_record(profile, DataSection) != data:
            raise RecordError(f"{paths.PROFILE} isn't what the manifest says of the data")
        self._proved["processed data"] = found
        rows = ", ".join(f"{name} {part.rows:,}" for name, part in data.splits.items())
        return f"rows by part: {rows}; the profile is the manifest's"

    def predictions(self) -> str:
        """Prove that the predictions on record are those that were weighed."""
        digest = self._subject.manifest.performance.test.predictions_sha256
        pointer = self._subject.objects.file(self._subject.commit.tree, paths.PREDICTIONS_POINTER.as_posix())
        if pointer is None:
            raise UnprovedError("the release commit has no predictions; it was made by an earlier version")
        found = self._stored.listed(pointer, paths.PREDICTIONS.name, None)
        self._stored.compare("the predictions", found, {"": Expected(digest)})
        self._proved["predictions"] = found
        return f"of the test rows, sha256 {digest[:12]}"


class Before(NamedTuple):
    """The last release's ``model.onnx``, and its test rows where they are needed and at hand."""

    model: Path
    test: Path | None


class Rows(NamedTuple):
    """The files that gates are judged on."""

    test: Path
    predictions: Path


def rows(contents: Contents) -> Rows:
    """Return the files with the test rows and the predictions.

    Raises:
        UnprovedError: where they weren't proved.
    """
    test = contents.proved("processed data", paths.split("test").name)
    return Rows(test, contents.proved("predictions"))
