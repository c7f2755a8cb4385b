"""``slices``: no part of the rows pays for a better average.

Each part that is large enough is tested for harm: is its loss beyond the margin more than chance, over the family of
all parts (Holm 1979)? Twenty equal parts would else block every second release of equal models. Parts that must pass
are asked for more, the proof that there is no such loss. What is too small is listed, and neither passes nor fails;
what is large enough and can't be measured is inconclusive.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates import cuts, harm
from weighbridge.evidence.gates.change import no_comparison, other
from weighbridge.evidence.gates.checks import problems_of
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.harm import Asked, Judged
from weighbridge.evidence.gates.measuring import Measuring
from weighbridge.evidence.gates.results import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, part, result, worst
from weighbridge.evidence.rows import Rows
from weighbridge.manifest import GatePart, GateResult

KIND = "slices"
LISTED_SMALL = 20
_SHOWN = 5


def judge(name: str, gate: settings.Slices, evidence: Evidence, measuring: Measuring) -> GateResult:
    """Return whether no part of the rows is proven to be harmed, and those that must pass are proven not to be.

    Raises:
        SettingsError: for an unknown metric or column, or a slice that must pass and doesn't exist.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    asked = Asked(
        gate=gate,
        measuring=measuring,
        group_by=measuring.group_by(gate),
        lacking=no_comparison(evidence),
        upwards=measuring.upwards(measuring.known(gate.metric)),
    )
    try:
        named = list(cuts.must_pass(measuring.rows, gate.must_pass))
        families = [cuts.cuts(measuring.rows, columns, gate.min_rows, LISTED_SMALL) for columns in _cutting(gate)]
    except SettingsError as problem:
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}") from None
    measured = [[asked.measure(cut) for cut in family.large] for family in families]
    judged = [harm.required(asked, cut) for cut in named]
    if gate.max_gap is not None:
        pairs = zip(families, measured, strict=True)
        judged += [harm.gap(asked, gate.max_gap, family.by, found) for family, found in pairs]
    judged += harm.tested(asked, [each for found in measured for each in found])
    small = [each for family in families for each in _small(family, gate.min_rows)]
    if not judged and asked.lacking is not None and asked.lacking[0] == NOT_APPLICABLE:
        judged = [Judged(part(f"by {_by(gate)}", *asked.lacking))]
    untold = sum(family.small_count for family in families)
    return _result(name, gate, other(evidence), judged, small, untold)


def broken(gate: settings.Slices, rows: Rows) -> Iterator[tuple[cuts.Cut, settings.Slices]]:
    """Yield, for the self-test, slices that are large enough, each with the gate narrowed to the rule that judges it.

    The largest come first, those of at most half of the rows before any larger, since what breaks nearly all rows is
    no broken slice; and those of the family before those that must pass.
    """
    families = [cuts.cuts(rows, columns, gate.min_rows, 0).large for columns in _cutting(gate)]
    for cut in sorted((cut for family in families for cut in family), key=_share_of(len(rows))):
        yield cut, msgspec.structs.replace(gate, must_pass=(), max_gap=None)
    named = zip(cuts.must_pass(rows, gate.must_pass), gate.must_pass, strict=True)
    large = [(cut, where) for cut, where in named if len(cut.place) >= gate.min_rows]
    for cut, where in sorted(large, key=lambda each: _share_of(len(rows))(each[0])):
        yield cut, msgspec.structs.replace(gate, columns=(), crossings=(), must_pass=(where,), max_gap=None)


def spread(gate: settings.Slices, rows: Rows) -> Iterator[tuple[cuts.Cut, settings.Slices]]:
    """Yield slices as :func:`broken` does, each with the gate narrowed to the gap over the columns that cut it."""
    for columns in _cutting(gate):
        one = len(columns) == 1
        narrowed = msgspec.structs.replace(
            gate, columns=columns if one else (), crossings=() if one else (columns,), must_pass=()
        )
        for cut in sorted(cuts.cuts(rows, columns, gate.min_rows, 0).large, key=_share_of(len(rows))):
            yield cut, narrowed


def _share_of(rows: int) -> Callable[[cuts.Cut], tuple[bool, int]]:
    return lambda cut: (2 * len(cut.place) > rows, -len(cut.place))


def can_tell(gate: settings.Slices, measuring: Measuring, cut: cuts.Cut) -> bool:
    """Return whether a slice can be broken and measured: it holds several classes, and several groups."""
    if measuring.one_class(cut.place):
        return False
    asked = Asked(gate=gate, measuring=measuring, group_by=measuring.group_by(gate), lacking=None, upwards=True)
    return not isinstance(asked.measure(cut)[1], str)


def _cutting(gate: settings.Slices) -> list[tuple[str, ...]]:
    return [*((column,) for column in gate.columns), *gate.crossings]


def _by(gate: settings.Slices) -> str:
    return ", ".join(" and ".join(columns) for columns in _cutting(gate))


def _small(family: cuts.Cuts, min_rows: int) -> list[GatePart]:
    """List the parts that are too small, so many by name and the rest as one."""
    found = [part(name, INCONCLUSIVE, f"fewer than {min_rows} rows", rows=rows) for name, rows in family.small]
    rest = family.small_count - len(family.small)
    if rest:
        rows = family.small_rows - sum(number for _, number in family.small)
        found.append(part(f"{family.by} ({rest} more)", INCONCLUSIVE, f"each fewer than {min_rows} rows", rows=rows))
    return found


def _result(  # noqa: PLR0913, PLR0917 - the parts by how they were judged
    name: str, gate: settings.Slices, release: str, judged: Sequence[Judged], small: list[GatePart], untold: int
) -> GateResult:
    overall = worst(each.part.verdict for each in judged) if judged else INCONCLUSIVE
    leading = max(
        (each for each in judged if each.part.verdict == overall),
        key=lambda each: (-1.0 if each.part.p is None else -each.part.p, each.excess),
        default=Judged(part("", overall)),
    )
    shown = leading.part
    return result(
        name,
        KIND,
        _rule(gate, release),
        overall,
        _reason(judged, overall, untold, gate),
        value=shown.value,
        baseline=shown.baseline,
        difference=shown.difference,
        low=shown.low,
        high=shown.high,
        rows=shown.rows,
        bound=leading.bound,
        limit=leading.limit,
        short_by=leading.excess if overall == FAIL else None,
        rows_needed=leading.needed if overall == INCONCLUSIVE else None,
        parts=(*(each.part for each in judged), *small),
    )


def _rule(gate: settings.Slices, release: str) -> str:
    by = _by(gate)
    confidence = f"{100 * gate.confidence:g} % confidence"
    found = []
    if by:
        found.append(
            f"no slice by {by} is worse in {gate.metric} than with {release} by more than {gate.margin:g} "
            f"(Holm over the family, {confidence})"
        )
    if gate.must_pass:
        slices = "; ".join(cuts.named(where) for where in gate.must_pass)
        found.append(f"{slices}: proven not to be worse by more than {gate.margin:g}")
    if gate.max_gap is not None:
        found.append(f"{gate.metric} differs between slices by at most {gate.max_gap:g} (upper bound, {confidence})")
    return "; ".join(found)


def _reason(judged: Sequence[Judged], overall: str, untold: int, gate: settings.Slices) -> str:
    told = [f"{each.part.name}: {each.part.reason}" for each in judged if each.part.verdict == overall]
    if overall == PASS:
        told = []
    elif overall == NOT_APPLICABLE:
        told = list(dict.fromkeys(each.part.reason for each in judged))
    elif not judged:
        told = [f"no slice can be judged: none has {gate.min_rows} rows; lower min_rows, or take more test rows"]
    more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    count = f"{untold} slices are" if untold > 1 else "1 slice is"
    small = [f"{count} too small to be judged"] if untold else []
    return "; ".join([*told[:_SHOWN], *more, *small])
