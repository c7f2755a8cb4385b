"""What is read from Git is what its names stand for, whatever lies under them."""

import collections
import hashlib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import RecordError
from weighbridge.registry import git
from weighbridge.registry.objects import FILE, FOLDER, Entry, Objects, parse_headers, parse_tree

NAMES = st.from_regex(r"[^\0/\ud800-\udfff]{1,8}", fullmatch=True).filter(lambda name: name not in {".", ".."})
TREES = st.dictionaries(
    NAMES,
    st.builds(Entry, st.sampled_from([FILE, FOLDER, "120000"]), st.binary(min_size=20, max_size=20).map(bytes.hex)),
)


def as_bytes(tree: dict[str, Entry]) -> bytes:
    return b"".join(f"{entry.mode} {name}".encode() + b"\0" + bytes.fromhex(entry.id) for name, entry in tree.items())


@given(TREES)
def test_a_tree_is_read_as_it_is_written(tree: dict[str, Entry]) -> None:
    assert parse_tree(as_bytes(tree), 20) == tree


@given(TREES.filter(bool), st.integers(1, 19))
def test_a_tree_that_is_cut_is_refused(tree: dict[str, Entry], cut: int) -> None:
    with pytest.raises(RecordError, match="damaged or forged"):
        parse_tree(as_bytes(tree)[:-cut], 20)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b"])
def test_a_tree_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match="damaged or forged"):
        parse_tree(f"100644 {name}".encode() + b"\0" + bytes(20), 20)


def test_a_tree_with_a_name_twice_is_refused() -> None:
    with pytest.raises(RecordError, match="damaged or forged"):
        parse_tree(2 * (b"100644 a\0" + bytes(20)), 20)


def test_headers_are_read_with_the_lines_that_go_on() -> None:
    found = parse_headers(b"tree 1\nparent 2\nparent 3\ngpgsig -----\n more\n\nA message\n\nand more\n")
    assert found.one("tree") == "1"
    assert found.fields["parent"] == ("2", "3")
    assert found.one("gpgsig") == "-----\nmore"
    assert found.message == "A message\n\nand more\n"
    for name in ("parent", "author"):
        with pytest.raises(RecordError, match=f"headers '{name}'"):
            found.one(name)


@pytest.mark.parametrize("content", [b"", b"\xff", b"no-header\n\n", b" goes on\n\n"])
def test_what_has_no_headers_is_refused(content: bytes) -> None:
    with pytest.raises(RecordError):
        parse_headers(content)


def test_files_are_read_by_their_path(repository: Path) -> None:
    with Objects(repository) as objects:
        tree = objects.headers(git.head(repository), "commit").one("tree")
        assert objects.file(tree, "README.md") == b"A project.\n"
        assert objects.file(tree, "config/config.yaml") == b"name: flights\n"
        assert (
            objects.file(tree, "config/no") is objects.file(tree, "no/no") is objects.file(tree, "README.md/no") is None
        )
        with pytest.raises(RecordError, match="found mode 40000"):
            objects.file(tree, "config")
        assert [path for path, _ in objects.walk(tree)] == ["README.md", "config/config.yaml"]


def test_differences_are_those_that_git_finds(repository: Path) -> None:
    before = git.head(repository)
    (repository / "README.md").unlink()
    (repository / "README.md").mkdir()
    (repository / "README.md/inner").write_text("x")
    (repository / "config/config.yaml").write_text("name: other\n")
    (repository / "config/more").write_text("y")
    git.run(repository, "add", "--all")
    git.run(repository, "commit", "--quiet", "--message=Change")
    listed = git.run(repository, "diff-tree", "-r", "--no-renames", "--name-only", before, "HEAD").decode().split()
    with Objects(repository) as objects:
        trees = [objects.headers(commit, "commit").one("tree") for commit in (before, git.head(repository))]
        found = [path for path, _, _ in objects.differing(*trees)]
        assert sorted(found) == sorted(listed) == ["README.md", "README.md/inner", "config/config.yaml", "config/more"]
        assert list(objects.differing(trees[0], trees[0])) == []


def test_an_object_under_another_ones_name_is_refused(repository: Path) -> None:
    blob = git.run(repository, "rev-parse", "HEAD:README.md").decode().strip()
    file = repository / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob 11\0A prOject.\n"))
    with Objects(repository) as objects, pytest.raises(RecordError, match=r"damaged or forged|can't read"):
        objects.read(blob, "blob")


def test_replaced_objects_are_of_no_account(repository: Path) -> None:
    old = git.run(repository, "rev-parse", "HEAD:README.md").decode().strip()
    new = git.run(repository, "hash-object", "-w", "--stdin", input=b"Another\n").decode().strip()
    git.run(repository, "update-ref", f"refs/replace/{old}", new)
    with Objects(repository) as objects:
        assert objects.read(old, "blob") == b"A project.\n"


def test_what_is_missing_or_of_another_kind_is_refused(repository: Path) -> None:
    with Objects(repository) as objects:
        head = git.head(repository)
        assert objects.kind(head) == "commit"
        assert objects.kind("0" * 40) is None
        with pytest.raises(RecordError, match="lacks the blob 000000000000"):
            objects.read("0" * 40, "blob")
        with pytest.raises(RecordError, match="is a commit, expected a tag"):
            objects.read(head, "tag")
        with pytest.raises(RecordError, match="no name of a Git object"):
            objects.read("HEAD\n" + "0" * 40, "blob")
        assert objects.resolve("refs/tags/none") is None
        assert objects.resolve("HEAD") == head


def test_a_repository_with_longer_names_is_read_alike(tmp_path: Path) -> None:
    git.run(tmp_path, "init", "--quiet", "--object-format=sha256")
    blob = git.run(tmp_path, "hash-object", "-w", "--stdin", input=b"x").decode().strip()
    assert blob == hashlib.sha256(b"blob 1\0x").hexdigest()
    with Objects(tmp_path) as objects:
        assert objects.read(blob, "blob") == b"x"


def nested(root: Path, leaf: str, depth: int, width: int) -> str:
    """Return a tree of *width* equal ones, and so on *depth* times down to *leaf*."""
    for _ in range(depth):
        lines = "".join(f"040000 tree {leaf}\tfolder{i}\n" for i in range(width))
        leaf = git.run(root, "mktree", input=lines.encode()).decode().strip()
    return leaf


@pytest.mark.parametrize(("depth", "width"), [(12, 10), (200, 1)])
@pytest.mark.parametrize("lines", [b"", b"100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\tempty\n"])
def test_equal_trees_in_each_other_are_walked_to_a_ceiling(
    repository: Path, depth: int, width: int, lines: bytes
) -> None:
    git.run(repository, "hash-object", "-w", "--stdin")
    leaf, none = (git.run(repository, "mktree", input=each).decode().strip() for each in (lines, b""))
    bomb = nested(repository, leaf, depth, width)
    with Objects(repository) as objects:
        for walk in (objects.walk(bomb), objects.differing(none, bomb), objects.differing(bomb, none)):
            with pytest.raises(RecordError, match="don't trust it"):
                collections.deque(walk, maxlen=0)
