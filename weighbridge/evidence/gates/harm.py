"""Parts of the rows, judged one by one: is a part proven to be harmed, or proven not to be?"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from weighbridge import settings
from weighbridge.errors import DataError
from weighbridge.evidence.gates import gaps
from weighbridge.evidence.gates.cuts import Cut
from weighbridge.evidence.gates.limits import NO_NUMBER, compare
from weighbridge.evidence.gates.measuring import ALWAYS_TOLD, Measured, Measuring, distance_from_best
from weighbridge.evidence.gates.results import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, part
from weighbridge.evidence.inference import Bounds, chance, holm, rows_needed
from weighbridge.manifest import GatePart

_TWO = 2
_WHYS = 2
_NOTHING = (INCONCLUSIVE, "there is nothing to compare with")
Measurable = tuple[Cut, Measured | str]
"""A part of the rows with what was measured on it, or why nothing could be."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """A judged part, and what the gate's own result takes from it where this part leads.

    Attributes:
        part: for the record.
        bound: the end of its interval that counts.
        limit: what that is held against.
        excess: by how much the value is worse than the limit.
        needed: rows that would settle it.
    """

    part: GatePart
    bound: float | None = None
    limit: float | None = None
    excess: float = 0.0
    needed: int | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """What all parts are judged by; *lacking* is the verdict and why where there is nothing to compare with."""

    gate: settings.Slices
    measuring: Measuring
    group_by: str | None
    lacking: tuple[str, str] | None
    upwards: bool

    def measure(self, cut: Cut) -> Measurable:
        """Return the part with its metric, or with why that can't be told."""
        if len(cut.place) < self.gate.min_rows:
            return cut, f"fewer than {self.gate.min_rows} rows"
        try:
            found = self.measuring.part(self.gate.metric, self.group_by, cut.place)
            found.value(self.gate.confidence)
            if self.lacking is None and found.old is not None:
                found.difference(self.gate.confidence)
        except DataError as problem:  # one class or one group: there is nothing to vary
            said = str(problem).partition(";")[0]
            return cut, f"{self.gate.metric} can't be measured here, {said}; {self._remedy(cut)}"
        return cut, distance_from_best(self.gate.metric, found)

    def _remedy(self, cut: Cut) -> str:
        groups = self.measuring.groups(self.group_by, cut.place)
        if groups is not None and groups < _TWO:
            return f"group by another column than {self.group_by}"
        decides = self.measuring.rows.task != "regression" and self.gate.metric != ALWAYS_TOLD
        return f"take {ALWAYS_TOLD}, which needs no second class" if decides else "take more test rows"

    def change(self, measured: Measured | str) -> Bounds | None:
        """Return the part's difference between its bounds; ``None`` where there is nothing to compare with."""
        if self.lacking is not None or isinstance(measured, str) or measured.old is None:
            return None
        return measured.difference(self.gate.confidence)

    def loss(self, difference: float) -> float:
        """Return by how much this model is worse."""
        return -difference if self.upwards else difference


def required(asked: Asked, cut: Cut) -> Judged:
    """Judge a part that must pass by non-inferiority; since all of them have to, none needs a correction."""
    cut = cut._replace(name=f"{cut.name} (must pass)")
    if asked.lacking is not None:
        return _untold(cut, *asked.lacking)
    cut, measured = asked.measure(cut)
    change = asked.change(measured)
    if change is None or isinstance(measured, str):
        return _untold(cut, INCONCLUSIVE, measured) if isinstance(measured, str) else _untold(cut, *_NOTHING)
    margin, confidence = asked.gate.margin, asked.gate.confidence
    found, _ = compare(change, floor=-margin if asked.upwards else None, ceiling=None if asked.upwards else margin)
    needed = rows_needed(len(cut.place), change.error, margin, confidence)
    enough = "" if needed is None else f"; about {needed} of its rows would settle it"
    reasons = {FAIL: f"worse by more than {margin:g}", INCONCLUSIVE: f"the margin lies within the interval{enough}"}
    return _told(asked, cut, found, measured, change, needed=needed, reason=reasons.get(found, ""))


def tested(asked: Asked, family: Sequence[Measurable]) -> list[Judged]:
    """Test each part for a loss beyond the margin that is more than chance, with p-values adjusted over the family."""
    changes = [asked.change(measured) for _, measured in family]
    raw = [
        chance(asked.loss(change.value) - asked.gate.margin, change.error, measured.groups)
        for (_, measured), change in zip(family, changes, strict=True)
        if change is not None and not isinstance(measured, str)
    ]
    chances = iter(zip(raw, holm(raw), strict=True))
    found = []
    for (cut, measured), change in zip(family, changes, strict=True):
        if isinstance(measured, str):
            found.append(_unmeasured(asked, cut, measured))
        elif change is None:
            reason = asked.lacking or _NOTHING
            found.append(_told(asked, cut, reason[0], measured, None, reason=reason[1]))
        else:
            own, adjusted = next(chances)
            found.append(_harm(asked, cut, measured, change, own, float(adjusted)))
    return found


def _unmeasured(asked: Asked, cut: Cut, why: str) -> Judged:
    """Let a part that is large enough and can't be measured stand in the way, where there is anything to hold it to."""
    if asked.lacking is not None and asked.lacking[0] == NOT_APPLICABLE:
        return _untold(cut, *asked.lacking)
    return _untold(cut, INCONCLUSIVE, f"{why}, or list it only by a min_rows above {len(cut.place)}")


def _harm(  # noqa: PLR0913, PLR0917 - a part and its test
    asked: Asked, cut: Cut, measured: Measured, change: Bounds, own: float, adjusted: float
) -> Judged:
    if not own >= 0:  # NaN
        return _told(asked, cut, FAIL, measured, change, reason=NO_NUMBER)
    harmed = adjusted <= 1 - asked.gate.confidence
    words = f"worse by more than {asked.gate.margin:g} (p = {adjusted:.2g} over the family)" if harmed else ""
    return _told(asked, cut, FAIL if harmed else PASS, measured, change, p=adjusted, reason=words)


def gap(asked: Asked, limit: float, by: str, family: Sequence[Measurable]) -> Judged:
    """Judge the gap between the parts by one cut, of this model alone; one that can't be measured is no pass."""
    name = f"gap over {by}"
    known = [(cut, measured) for cut, measured in family if not isinstance(measured, str)]
    unknown = [(cut, measured) for cut, measured in family if isinstance(measured, str)]
    if len(known) < _TWO:
        reason = (
            f"{len(known)} of its slices can be measured, two are needed; lower min_rows, now {asked.gate.min_rows}, "
            "take more test rows, or cut by another column"
        )
        return Judged(part(name, INCONCLUSIVE, "; ".join([reason, *_whys(unknown)])))
    found = gaps.gap([measured for _, measured in known], asked.gate.confidence, asked.measuring.groups(asked.group_by))
    verdict, _ = compare(found, ceiling=limit)
    low, *_, high = sorted(known, key=lambda each: each[1].new[0])
    rows = sum(len(cut.place) for cut, _ in known)
    span = f"from {low[0].name} ({low[1].new[0]:.4g}) to {high[0].name} ({high[1].new[0]:.4g})"
    return Judged(
        part(
            name,
            INCONCLUSIVE if verdict == PASS and unknown else verdict,
            "; ".join([span, *_whys(unknown)]),
            rows=rows,
            value=found.value,
            low=found.low,
            high=found.high,
        ),
        bound=found.high,
        limit=limit,
        excess=found.value - limit,
        needed=None if unknown else rows_needed(rows, found.error, limit - found.value, asked.gate.confidence),
    )


def _whys(unknown: Sequence[tuple[Cut, str]]) -> list[str]:
    more = [f"and {len(unknown) - _WHYS} more"] if len(unknown) > _WHYS else []
    return [*(f"{cut.name}: {why}" for cut, why in unknown[:_WHYS]), *more]


def _untold(cut: Cut, found: str, reason: str) -> Judged:
    return Judged(part(cut.name, found, reason, rows=len(cut.place)))


def _told(  # noqa: PLR0913 - a part and its comparison
    asked: Asked,
    cut: Cut,
    found: str,
    measured: Measured,
    change: Bounds | None,
    *,
    needed: int | None = None,
    **more: Any,
) -> Judged:
    old = None if measured.old is None or change is None else measured.old[0]
    fields = {"rows": len(cut.place), "value": measured.new[0], "baseline": old, **more}
    if change is None:
        return Judged(part(cut.name, found, **fields))
    fields |= {"difference": change.value, "low": change.low, "high": change.high}
    margin = asked.gate.margin
    return Judged(
        part(cut.name, found, **fields),
        bound=change.low if asked.upwards else change.high,
        limit=-margin if asked.upwards else margin,
        excess=asked.loss(change.value) - margin,
        needed=needed,
    )
