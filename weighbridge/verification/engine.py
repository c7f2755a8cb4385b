"""Whether this engine is the one that made a release: only then does another outcome prove anything."""

from collections.abc import Sequence
from pathlib import Path

import weighbridge
from weighbridge.digest import sha256_file
from weighbridge.errors import RecordError
from weighbridge.manifest import Source
from weighbridge.registry.addresses import is_plain
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject

_HOME = Path(weighbridge.__file__).resolve().parents[1]
_OURS = "weighbridge/"


def differs(subject: Subject, stage: str) -> int:
    """Return how many source files of a stage's engine are others here than those that the manifest names."""
    sources = subject.manifest.code.sources
    own = [one for one in sources if stage in one.stages and one.path.startswith(_OURS)]
    if not own:
        return 1  # an earlier version, which names none
    return sum(not _is_here(one) for one in own)


def _is_here(source: Source) -> bool:
    file = _HOME / source.path
    return is_plain(source.path) and file.is_file() and sha256_file(file) == source.sha256


def require_here(subject: Subject, sources: Sequence[Source]) -> None:
    """Compare files of an engine that the release's commit doesn't hold with those of this one.

    Raises:
        UnprovedError: where they are others here; naming the commit that has them.
    """
    others = sum(not _is_here(one) for one in sources)
    made_by = subject.manifest.code.engine
    if others and made_by:
        raise UnprovedError(
            f"the engine lay outside of the project, and {others} of its files are others here: verify with its commit "
            f"{made_by.commit[:12]}{f' of {made_by.repository}' if made_by.repository else ''}, from a place you trust"
        )


def disagree(subject: Subject, stage: str, what: str) -> Exception:
    """Return what to raise where something came out otherwise than recorded: a failure, or no proof by other code."""
    others = differs(subject, stage)
    if others:
        return UnprovedError(
            f"{what}; {others} source files of {stage} are others here, so this proves nothing: verify with an engine "
            "of the release's version from a place that you trust, never with the code of the commit that is verified"
        )
    return RecordError(f"{what}, by the same code; don't trust it")
