"""The release under test, read from Git's objects alone: its tag, its commit, its manifest.

Each part is read once. Where one of them has failed, whatever rests on it is not proved, rather than failed again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.manifest import Manifest
from weighbridge.registry import git, releases, signing
from weighbridge.registry.notes import Notes, parse_message
from weighbridge.registry.objects import FOLDER, Objects
from weighbridge.registry.tags import Tag
from weighbridge.verification.steps import UnprovedError

T = TypeVar("T")


class Tagged(NamedTuple):
    """What the tag's object says."""

    id: str
    commit: str
    notes: Notes
    text: str
    """The message without the signature."""


class Commit(NamedTuple):
    """The release commit and the one it was made beside; *tree* and *parent_tree* are the project's own folder."""

    top: str
    parent: str
    parent_top: str
    tree: str
    parent_tree: str


class Subject:
    """The release that *tag* names in the repository around *root*."""

    def __init__(self, root: Path, tag: Tag, objects: Objects) -> None:
        self.root = root
        self.tag = tag
        self.objects = objects
        self.prefix = git.prefix(root)
        self._known: dict[str, Any] = {}
        self._broken: set[str] = set()

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Return what *make* makes, made once; where that has failed, whatever asks again isn't proved."""
        if what in self._broken:
            raise UnprovedError(f"it rests on the {what}, which isn't proved")
        if what not in self._known:
            try:
                self._known[what] = make()
            except BaseException:
                self._broken.add(what)
                raise
        found: T = self._known[what]
        return found

    @property
    def name(self) -> str:
        """The model's name."""
        return self.tag.name

    @property
    def tagged(self) -> Tagged:
        """The tag.

        Raises:
            RecordError: where it is no annotated tag of a commit whose own name is that of the reference, or its
                message isn't a release's.
        """
        return self.once("tag", self._read_tag)

    @property
    def commit(self) -> Commit:
        """The release commit.

        Raises:
            RecordError: where it hasn't exactly one parent.
        """
        return self.once("commit", self._read_commit)

    @property
    def manifest(self) -> Manifest:
        """The manifest.

        Raises:
            RecordError: where its bytes aren't those that the tag names, or it is none.
        """
        return self.once("manifest", self._read_manifest)

    @property
    def previous(self) -> Manifest | None:
        """The manifest of the release before it; ``None`` where it names none.

        Raises:
            RecordError: where it isn't the one that its tag names.
            UnprovedError: where this clone doesn't have it.
        """
        return self.once("release before", self._read_previous)

    def file(self, path: Path | str) -> bytes:
        """Return a file of the release commit; *path* is relative to the project's root.

        Raises:
            RecordError: where it isn't there.
        """
        found = self.objects.file(self.commit.tree, Path(path).as_posix())
        if found is None:
            raise RecordError(f"{path}: the release commit has no such file")
        return found

    def source(self, path: Path | str) -> bytes | None:
        """Return a file as the commit has it that the release was made of; ``None`` where it has none."""
        return self.objects.file(self.commit.parent_tree, Path(path).as_posix())

    def tree_of(self, tag: str) -> str:
        """Return the tree of the project's own folder in another release's commit.

        Raises:
            RecordError: where there is no such release.
        """
        commit = releases.find(self.root, tag).commit
        return self.own_tree(self.objects.headers(commit, "commit").one("tree"))

    def _read_tag(self) -> Tagged:
        identity = self.objects.resolve(self.tag.ref)
        if identity is None:
            raise RecordError(f"no tag {self.tag}; `git fetch --tags` brings those of the remote")
        kind = self.objects.kind(identity)
        if kind != "tag":
            raise RecordError(
                f"{self.tag} is a lightweight tag (of a {kind}), which says nothing; expected a release's"
            )
        found = self.objects.headers(identity, "tag")
        own = found.one("tag")
        if own != str(self.tag):
            raise RecordError(
                f"the tag {self.tag} holds the object of {own!r}: it was renamed or moved; don't trust it"
            )
        if found.one("type") != "commit":
            raise RecordError(f"{self.tag} is a tag of a {found.one('type')}, expected a commit")
        notes = parse_message(found.message)
        if notes.tag != self.tag:
            raise RecordError(f"the message of {self.tag} is that of {notes.tag}; don't trust it")
        return Tagged(identity, found.one("object"), notes, signing.unsigned(found.message))

    def _read_commit(self) -> Commit:
        found = self.objects.headers(self.tagged.commit, "commit")
        top, parent = found.one("tree"), found.one("parent")
        parent_top = self.objects.headers(parent, "commit").one("tree")
        return Commit(top, parent, parent_top, self.own_tree(top), self.own_tree(parent_top))

    def own_tree(self, tree: str) -> str:
        """Return the tree of the project's own folder below that of a whole commit.

        Raises:
            RecordError: where there is none.
        """
        for folder in filter(None, self.prefix.split("/")):
            inner = self.objects.tree(tree).get(folder)
            if inner is None or inner.mode != FOLDER:
                raise RecordError(
                    f"the release commit has no folder {self.prefix}; run this in the project that made it"
                )
            tree = inner.id
        return tree

    def _read_previous(self) -> Manifest | None:
        before = self.manifest.lineage.previous
        if before is None:
            return None
        tag = Tag.parse(before)
        if self.objects.resolve(tag.ref) is None:
            raise UnprovedError(f"this clone lacks {before}, the release before; `git fetch --tags` brings it")
        return Subject(self.root, tag, self.objects).manifest

    def _read_manifest(self) -> Manifest:
        path = paths.manifest(self.name)
        content, expected = self.file(path), self.tagged.notes.manifest_sha256
        if sha256_bytes(content) != expected:
            raise RecordError(f"{path}: found sha256 {sha256_bytes(content)}, the tag says {expected}; don't trust it")
        try:
            text = content.decode()
        except UnicodeDecodeError as problem:
            raise RecordError(f"{path}: not UTF-8 text (byte {problem.start})") from None
        return documents.typed(documents.parse(text, str(path), RecordError), Manifest, RecordError)
