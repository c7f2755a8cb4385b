"""Who did what since a release: trailers of commits, authors, and the last hand on a file.

What Git says of people is their own word; where that isn't enough, sign commits and let the server check them.
"""

from pathlib import Path
from typing import NamedTuple

from weighbridge.errors import SetupError
from weighbridge.registry import git

_SHORT = 10


class Person(NamedTuple):
    """Somebody as Git knows them; ``str`` writes ``Name <address>``."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def key(self) -> str:
        """The address as it is compared: people write it in upper case and lower case."""
        return same_address(self.email)


def same_address(email: str) -> str:
    """Return an e-mail address in the form in which two spellings of one are equal."""
    return email.strip().casefold()


class Change(NamedTuple):
    """The commit that last touched a file, and its author."""

    commit: str
    author: Person


def parse_person(text: str) -> Person | None:
    """Return the person that ``Name <address>`` writes, the inverse of ``str``; ``None`` where it is no such text."""
    name, opening, rest = text.strip().partition("<")
    email, closing, after = rest.partition(">")
    if not (opening and closing) or after.strip() or not name.strip() or not email.strip():
        return None
    return Person(name.strip(), email.strip())


def _since(root: Path, tag: str | None, until: str) -> list[str]:
    """Return Git's words for the commits since the release *tag*: those not below the commit it was made beside.

    The release commit isn't one of them either, where the branch was advanced to it.
    """
    git.require_whole_history(root)
    return [until] if tag is None else [until, "--not", f"{tag}^{{commit}}^", f"{tag}^{{commit}}"]


def _below(root: Path) -> list[str]:
    """Return what limits a log to a project in a folder of its own; at the top, commits without files count as well."""
    return ["--", "."] if git.prefix(root) else ["--"]


def trailers(root: Path, key: str, since: str | None, until: str = "HEAD") -> tuple[tuple[str, str], ...]:
    """Return commit and value of each trailer *key* in the commits since the release *since*, newest first.

    Args:
        root: the project's root.
        key: the trailer's name; upper and lower case are the same, as Git has it.
        since: tag of a release; all of the history where there was none.
        until: the newest commit that counts.

    Raises:
        SetupError: where the history isn't all there.
    """
    # With the key, so that a trailer without a value isn't taken for none.
    form = f"%H%x00%(trailers:key={key},unfold,separator=%x1f)%x00"
    cells = _log(root, form, *_since(root, since, until), *_below(root))
    found = zip(cells[::2], cells[1::2], strict=False)
    return tuple(
        (commit.strip()[:_SHORT], line.partition(":")[2].strip())
        for commit, text in found
        for line in text.split("\x1f")
        if line.strip()
    )


def _log(root: Path, form: str, *arguments: str) -> list[str]:
    """Return the cells that ``git log`` prints, whatever people have taught their Git."""
    fixed = ("-c", "trailer.separators=:", "log", "--no-show-signature", "--encoding=UTF-8", "--full-history")
    return git.run(root, *fixed, f"--format={form}", *arguments).decode("utf-8", "replace").split("\0")


def authors(root: Path, paths: tuple[str, ...], since: str | None, until: str = "HEAD") -> dict[str, str]:
    """Return the newest commit of each author, by address, who touched *paths* since *since* (a tag) up to *until*.

    Authors are those of the commits, and those that ``Co-authored-by`` names; who merged is one where the merge holds
    what none of the merged commits has, such as a conflict resolved by hand. Each is there by the address of the
    commit and by that which ``.mailmap`` gives instead, so that no entry there takes an author away. Committers
    aren't asked: who applies another's patch didn't write it.

    Raises:
        SetupError: where the history isn't all there.
    """
    form = "%H%x00%P%x00%ae%x00%aE%x00%(trailers:key=Co-authored-by,valueonly,unfold,separator=%x1f)%x00"
    cells = iter(_log(root, form, *_since(root, since, until), "--", *paths))
    found: dict[str, str] = {}
    # The last group is short: what follows the last commit is no commit.
    for commit, parents, email, mapped, others in zip(cells, cells, cells, cells, cells, strict=False):
        identity = commit.strip()
        if len(parents.split()) > 1 and not _merged_by_hand(root, identity, paths):
            continue
        people = [parse_person(other) for other in others.split("\x1f")]
        named = (address for person in people if person for address in addresses(root, person))
        for address in (same_address(email), same_address(mapped), *named):
            found.setdefault(address, identity[:_SHORT])
    return found


def _merged_by_hand(root: Path, commit: str, paths: tuple[str, ...]) -> bool:
    """Return whether a merge holds changes of its own in *paths*: lines that differ from each parent's."""
    fixed = ("--cc", "--no-commit-id", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
    return bool(git.run(root, "diff-tree", *fixed, commit, "--", *paths).strip())


def addresses(root: Path, person: Person) -> tuple[str, ...]:
    """Return the addresses that a person goes by, as they are compared: their own, and that of ``.mailmap``."""
    asked = git.attempt(root, "check-mailmap", str(person))
    mapped = None if asked.returncode else parse_person(asked.stdout.decode("utf-8", "replace"))
    return tuple(dict.fromkeys((person.key, *([mapped.key] if mapped else []))))


def last_change(root: Path, path: str, until: str = "HEAD") -> Change | None:
    """Return the commit that last touched the file at *path*, and its author; ``None`` where there is no such file.

    Raises:
        SetupError: where the history isn't all there.
    """
    git.require_whole_history(root)
    form = "--format=%H%x00%an%x00%ae"
    arguments = ("log", "-1", "--no-show-signature", "--encoding=UTF-8", form, until, "--", path)
    text = git.run(root, *arguments).decode("utf-8", "replace")
    if not text.strip():
        return None
    commit, name, email = text.strip("\n").split("\0")
    return Change(commit[:_SHORT], Person(name, email))


def typist(root: Path) -> Person:
    """Return who types, by Git's own settings.

    Raises:
        SetupError: where Git has no identity.
    """
    person = _own_identity(root)
    if person is None:
        raise SetupError(
            "Git doesn't know who you are; run `git config user.name …` and `git config user.email …`, then try again"
        )
    return person


def releaser(root: Path, owner: str) -> Person | None:
    """Return who releases: by Git's own settings, else the *owner*, as :func:`weighbridge.registry.git.identity`."""
    return _own_identity(root) or parse_person(owner)


def _own_identity(root: Path) -> Person | None:
    found = git.attempt(root, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
    if found.returncode:
        return None
    return parse_person(found.stdout.decode("utf-8", "replace").rpartition(">")[0] + ">")
