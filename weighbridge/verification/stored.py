"""Data and bundles, by SHA-256, straight from where DVC keeps them.

DVC's MD5 says where an object lies and proves nothing; so no object is digested by it, and each is read once. What
the cache lacks is brought from the remote into a temporary folder: nothing is written to the cache.
"""

import contextlib
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.digest import sha256_file
from weighbridge.errors import RecordError, WeighbridgeError
from weighbridge.registry import cache, git, storage
from weighbridge.registry.addresses import parse_pointer, read_listing
from weighbridge.registry.cache import Cache
from weighbridge.verification.steps import UnprovedError

READERS = 2
_SHOWN = 5


class Expected(NamedTuple):
    """One file as the manifest has it; *bytes* is unknown where it says nothing of them."""

    sha256: str
    bytes: int | None = None


class Stored:
    """DVC's cache and remote, as the configuration in *root* names them; *folder* takes what is fetched.

    Where it is *offline*, the remote is never asked, nor is DVC opened.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        readers: ThreadPoolExecutor,
        on_the_way: contextlib.ExitStack,
        *,
        offline: bool = False,
    ) -> None:
        self._root = root
        self._folder = folder
        self._readers = readers
        self._stack = on_the_way
        self._offline = offline
        self._cache: Cache | None = None
        self._remote: Any = None
        self._asked = False
        self._digests: dict[Path, Future[str]] = {}

    def listed(self, pointer: bytes, name: str, expected_address: str | None) -> dict[str, Path]:
        """Return where each file lies that a DVC pointer names, by its path; not yet compared with anything.

        Args:
            pointer: the bytes of the ``.dvc`` file.
            name: what it has to point to.
            expected_address: DVC's address by the manifest; none where that says nothing of it.

        Raises:
            RecordError: where the pointer leads elsewhere.
            DataError: where what it names is no listing, or one of unsafe paths.
            UnprovedError: where the content can't be had.
        """
        address, path = parse_pointer(pointer, f"the pointer of {name}")
        if path != name or expected_address not in {None, address}:
            raise RecordError(f"the pointer of {name} leads to {path}, {address}; the manifest says {expected_address}")
        if not address.endswith(".dir"):
            return {"": self._places([address])[address]}
        entries = read_listing(self._places([address])[address].read_bytes(), f"the listing of {name}, {address},")
        places = self._places(sorted(set(entries.values())))
        return {path: places[md5] for path, md5 in entries.items()}

    def start(self, files: Iterable[Path]) -> None:
        """Begin to digest files, while other things are looked at."""
        for file in files:
            if file not in self._digests:
                self._digests[file] = self._readers.submit(sha256_file, file)

    def compare(self, what: str, found: Mapping[str, Path], expected: Mapping[str, Expected]) -> None:
        """Refuse files that aren't, all of them and no others, what the manifest says.

        Raises:
            RecordError: naming those that are missing, that nobody expects, and that differ.
        """
        self.start(found.values())
        problems = [f"{path or what} is missing" for path in sorted(set(expected) - set(found))]
        problems += [
            f"{path or what} is there and isn't in the manifest" for path in sorted(set(found) - set(expected))
        ]
        for path in sorted(set(found) & set(expected)):
            digest, size = self._digests[found[path]].result(), found[path].stat().st_size
            if digest != expected[path].sha256 or expected[path].bytes not in {None, size}:
                problems.append(
                    f"{path or what}: found sha256 {digest[:12]} ({size:,} bytes) in {found[path]}, "
                    f"expected {expected[path].sha256[:12]}"
                )
        if problems:
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise RecordError(f"{what}: {'; '.join(problems[:_SHOWN])}{more}")

    def _places(self, wanted: list[str]) -> dict[str, Path]:
        """Return where each object lies, by its address."""
        self._cache = self._cache or cache.of(self._root)
        found = {address: self._cache.path(address) for address in wanted}
        lacking = [address for address, path in found.items() if not path.is_file()]
        return found | (self._fetched(lacking) if lacking else {})

    def _fetched(self, wanted: list[str]) -> dict[str, Path]:
        """Bring objects from the default remote into the temporary folder, as they are."""
        if self._offline:
            which = f"{wanted[0]}{f' and {len(wanted) - 1} more' if len(wanted) > 1 else ''}"
            raise UnprovedError(f"{which}: not in DVC's cache; without --offline DVC's remote is asked")
        places = {address: self._folder / address for address in wanted}
        lacking = [address for address, path in places.items() if not path.is_file()]
        try:
            absent = self._bring({address: places[address] for address in lacking})
        except (UnprovedError, WeighbridgeError):
            raise
        except Exception as problem:  # noqa: BLE001 - each remote has a client library with errors of its own
            for address in lacking:
                places[address].unlink(missing_ok=True)
            said = git.last_words(str(problem).encode())
            raise UnprovedError(f"the remote can't be read ({type(problem).__name__}: {said}); try again") from None
        if absent:
            remote = self._remote
            which = f"{absent[0]}{f' and {len(absent) - 1} more' if len(absent) > 1 else ''}"
            nowhere = "not in DVC's cache" if remote is None else "neither in DVC's cache nor on its remote"
            mend = "there is no remote" if remote is None else "`dvc push` it where it was made"
            raise UnprovedError(f"{which}: {nowhere}; {mend}")
        return places

    def _bring(self, wanted: Mapping[str, Path]) -> list[str]:
        """Copy objects from the remote to their places, and return those that it lacks; then nothing is copied."""
        remote = self._opened_remote()
        absent = [address for address in wanted if remote is None or not storage.has(remote, address)]
        if wanted and not absent:
            remote.fs.get([remote.oid_to_path(one) for one in wanted], [str(place) for place in wanted.values()])
        return absent

    def _opened_remote(self) -> Any:
        if not self._asked:
            self._asked = True
            self._remote = self._stack.enter_context(storage.opened(self._root, self._folder)).remote()
        return self._remote
