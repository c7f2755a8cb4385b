"""Names of releases: ``flights@v1.2.0``, as a pair of inverse functions."""

import dataclasses
import functools
import re
from typing import Self

from weighbridge.errors import RecordError

NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"({NUMBER})\.({NUMBER})\.({NUMBER})")
_TAG = re.compile(rf"({NAME})@v({NUMBER}\.{NUMBER}\.{NUMBER})")
_LARGEST = 999_999_999


@functools.total_ordering
@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """A semantic version without pre-release or build parts; ordered by number."""

    major: int
    minor: int
    patch: int

    def __post_init__(self) -> None:
        if not all(0 <= number <= _LARGEST for number in self._key):
            raise RecordError(f"version {self}: expected three whole numbers from 0 to {_LARGEST}")

    @property
    def _key(self) -> tuple[int, int, int]:
        return (self.major, self.minor, self.patch)

    def __lt__(self, other: "Version") -> bool:
        return self._key < other._key

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the version that *text* writes; the inverse of ``str``.

        Raises:
            RecordError: where it isn't of the form ``1.2.0``.
        """
        match = _VERSION.fullmatch(text)
        if not match:
            raise RecordError(f"{text!r} is no version; expected MAJOR.MINOR.PATCH, such as 1.2.0")
        return cls(*map(int, match.groups()))


@dataclasses.dataclass(frozen=True, slots=True)
class Tag:
    """The name of one release of one model."""

    name: str
    version: Version

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise RecordError(f"{self.name!r} is no model name; expected {NAME}")

    def __str__(self) -> str:
        return f"{self.name}@v{self.version}"

    @property
    def ref(self) -> str:
        """The full name of the Git reference."""
        return f"refs/tags/{self}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the tag that *text* writes; the inverse of ``str``.

        Raises:
            RecordError: where it isn't of the form ``flights@v1.2.0``.
        """
        match = _TAG.fullmatch(text)
        if not match:
            raise RecordError(f"{text!r} is no release; expected NAME@vMAJOR.MINOR.PATCH, such as flights@v1.2.0")
        return cls(match[1], Version.parse(match[2]))
