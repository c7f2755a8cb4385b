"""What an audit of the ledger finds."""

from typing import Literal

import msgspec

Kind = Literal["edited", "forged", "foreign", "release", "removed", "reordered"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    *kind* is ``edited`` for content that isn't what its name says, ``forged`` for a record that no stage writes or
    whose release isn't there, ``foreign`` for a file that is no record, ``release`` for a tag and a commit that say
    different things, ``removed`` for a record that was here, and ``reordered`` for one whose time can't be.
    """

    kind: Kind
    path: str
    """The file, relative to the project's root; for what only a release has, ``TAG:PATH``."""
    said: str
    """What is wrong, found and expected."""
    mend: str = ""
    """What to do."""
    nowhere: bool = False
    """Whether a record is damaged or gone that no release, nor HEAD, holds."""
