"""``weighbridge version``: what the next version would be and why, before any release."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import manifest, paths
from weighbridge.errors import RecordError
from weighbridge.plan import Plan
from weighbridge.registry import git, releases
from weighbridge.settings import Settings
from weighbridge.tasks import JudgeTask, decode

_NEEDED = (paths.PACKAGE, paths.WEIGHING, paths.PREDICTIONS, paths.PROFILE)
_MAKE = "run 'snakemake --cores all'"


class NextVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a release would be called now, and what stands before it."""

    name: str
    """Name of the model."""
    previous: str | None
    """Tag of the last release; none before the first."""
    released: str | None
    """Tag of the release that holds this very content: then there is no next version."""
    version: str
    """The next version."""
    bump: str
    """Which part goes up: ``major``, ``minor`` or ``patch``; ``first`` for the first."""
    derived: str
    """The same by the evidence alone, before anyone asked for another."""
    reasons: tuple[str, ...]
    """Why, the deciding one first."""
    verdict: str
    """What the gates say, as far as they can be judged before the release."""
    standing: tuple[str, ...]
    """Gates that stand in the way, each with its verdict."""
    needs_approval: tuple[str, ...]
    """What a person has to approve."""
    approved: tuple[str, ...]
    """What of it is approved already."""
    problems: tuple[str, ...]
    """Approvals that don't count, and why."""
    test_decisions: int
    """How many bundles the test rows have decided on, this one included."""


def version(root: Path, settings: Settings, *, json: bool = False) -> str:
    """Return what the next version would be, judged anew from the results that lie there.

    Args:
        root: the project's root.
        settings: the configuration.
        json: one JSON document instead of words.

    Raises:
        RecordError: where results are missing, damaged, or of other data, code or settings than those in place; with
            what to run.
        SettingsError: where a commit's trailer asks for no known part of the version.
        SetupError: where Git can't be used.
    """
    git.require_repository(root)
    _require_results(root)
    found = _next(root, settings)
    if json:
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    return "\n".join(_lines(found))


def _require_results(root: Path) -> None:
    missing = [path.as_posix() for path in _NEEDED if not (root / path).is_file()]
    if missing:
        raise RecordError(
            f"there is nothing to derive a version from yet: {', '.join(missing)} missing; {_MAKE}, or "
            "'snakemake --cores all results/verdict.yaml' to stop before the release"
        )


def _next(root: Path, settings: Settings) -> NextVersion:
    from weighbridge.stages import agreement, finishing, judge  # here, for they bring in what judges: heavy

    plan = Plan(settings, root)
    verdict = judge.decide(root, decode(plan.settings_of("judge"), JudgeTask))
    seen = agreement.read(root, verdict)
    agreement.require_results(root, plan, seen)
    ahead = finishing.ahead(root, settings.gates, seen.packaged, verdict)
    checked = finishing.found_approvals(root, ahead)
    lacking = checked.lacking(ahead.needed)
    same = releases.with_content(root, settings.config.name, seen.packaged.artifacts.content_sha256)
    return NextVersion(
        name=settings.config.name,
        previous=seen.packaged.baseline,
        released=str(same.tag) if same else None,
        version=ahead.derived.version,
        bump=ahead.derived.bump,
        derived=verdict.lineage.bump,
        reasons=ahead.derived.reasons,
        verdict=finishing.outlook(ahead, checked),
        standing=tuple(_standing(verdict.gates)),
        needs_approval=ahead.needed,
        approved=tuple(words for words in ahead.needed if words not in lacking),
        problems=checked.problems,
        test_decisions=finishing.decided(root, seen.weighing.outcomes_sha256, ahead),
    )


def _standing(judged: manifest.Gates) -> Iterator[str]:
    for result in judged.results:
        if result.verdict not in {"pass", "not applicable", "at release"}:
            yield f"{result.name}: {result.verdict}" + (f", {result.reason}" if result.reason else "")


def _lines(found: NextVersion) -> Iterator[str]:
    if found.released:
        yield f"{found.name}: this very content is released already, as {found.released}; there is no next version."
        return
    after = f", after {found.previous}" if found.previous else ""
    yield f"{found.name} {found.version} ({found.bump}){after}"
    yield ""
    yield "Because:"
    yield from (f"  - {reason}" for reason in found.reasons)
    yield ""
    yield f"Verdict: {found.verdict}; the release itself looks at Git, approvals and the card as well."
    yield from (f"  - {words}" for words in found.standing)
    yield from _approvals(found)
    bundles = "bundle" if found.test_decisions == 1 else "bundles"
    yield f"Test rows: decided on {found.test_decisions} {bundles}, this one included."


def _approvals(found: NextVersion) -> Iterator[str]:
    if not found.needs_approval:
        return
    yield "Needs approval:"
    for words in found.needs_approval:
        yield f"  - {words}: {'approved' if words in found.approved else 'not approved yet'}"
    yield from (f"  ! {problem}" for problem in found.problems)
    if len(found.approved) < len(found.needs_approval):
        yield "  Let another person look, and run 'weighbridge approve'."
