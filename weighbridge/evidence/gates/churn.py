"""``churn``: what was right and is wrong now, decisions that changed without need, and critical cases.

Reseeding the very same model changes some decisions: of changed decisions a gate asks how many times that noise floor
they are, as measured over the seeds of the champion.
"""

import math

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.change import no_comparison, other
from weighbridge.evidence.gates.checks import problems_of
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.limits import judged
from weighbridge.evidence.gates.measuring import Measuring
from weighbridge.evidence.gates.results import FAIL, INCONCLUSIVE, PASS, joined, part, result
from weighbridge.evidence.inference import Bounds, bounds, clopper_pearson, rows_needed
from weighbridge.evidence.rows import Mask
from weighbridge.manifest import GateResult, Interval, Noise

KIND = "churn"
LISTED_CASES = 50


def judge(name: str, gate: settings.Churn, evidence: Evidence, measuring: Measuring) -> GateResult:
    """Return what the gate's rules come to, each of them a part where there are several.

    Raises:
        DataError: where the rows are of one group only.
        SettingsError: for an unknown column, a regression, or a gate without any rule.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    measuring.group_by(gate)  # refuses an unknown column in a first release too, where nothing is compared
    found = {}
    if gate.max_negative_flips is not None:
        found["max_negative_flips"] = _negative_flips(name, gate, gate.max_negative_flips, evidence, measuring)
    if gate.max_times_noise is not None:
        found["max_times_noise"] = _times_noise(name, gate, gate.max_times_noise, evidence, measuring)
    if gate.cases:
        found["cases"] = _cases(name, gate.cases, evidence)
    return joined(found)


def _negative_flips(
    name: str, gate: settings.Churn, limit: float, evidence: Evidence, measuring: Measuring
) -> GateResult:
    rule = (
        f"at most {limit:g} of the rows that {other(evidence)} decided rightly are decided wrongly now "
        f"(share of all rows, upper bound, {100 * gate.confidence:g} % confidence)"
    )
    lacking = no_comparison(evidence)
    if lacking is not None:
        return result(name, KIND, rule, *lacking, limit=limit)
    rows = measuring.rows
    new, old = rows.decisions()
    flips = (old == rows.y) & (new != rows.y)
    found = _share("negative flips", flips, gate, measuring)
    needed = rows_needed(len(rows), found.error, limit - found.value, gate.confidence)
    if needed is not None:  # even of none at all, so many rows are needed to prove that there are few
        needed = max(needed, math.ceil(math.log(1 - gate.confidence) / math.log1p(-limit)))
    return judged(name, KIND, rule, found, ceiling=limit, rows=len(rows), needed=needed)


def _share(what: str, indicator: Mask, gate: settings.Churn, measuring: Measuring) -> Bounds:
    """Return a share of rows between its bounds: the bootstrap's, or the exact ones where these are wider.

    A bootstrap of a share that was never seen claims that there is none; the exact bounds don't.
    """
    group_by = measuring.group_by(gate)
    value, samples = measuring.share(what, indicator, group_by)
    found = bounds(value, samples, gate.confidence, measuring.groups(group_by))
    count, rows = int(indicator.sum()), len(indicator)
    low = clopper_pearson(count, rows, gate.confidence, upper=False)
    high = clopper_pearson(count, rows, gate.confidence, upper=True)
    return found._replace(low=min(found.low, low), high=max(found.high, high))


def _times_noise(name: str, gate: settings.Churn, limit: float, evidence: Evidence, measuring: Measuring) -> GateResult:
    rule = (
        f"decisions that changed since {other(evidence)} are at most {limit:g} times those that another seed changes "
        f"(upper bound, {100 * gate.confidence:g} % confidence)"
    )
    lacking = no_comparison(evidence)
    if lacking is not None:
        return result(name, KIND, rule, *lacking, limit=limit)
    noise = evidence.packaged.noise
    if noise is None:
        return result(name, KIND, rule, INCONCLUSIVE, _NO_FLOOR, limit=limit)
    rows = measuring.rows
    new, old = rows.decisions()
    changed = _share("changed decisions", new != old, gate, measuring)
    found = _ratio(changed, noise.changed_decisions)
    floor = noise.changed_decisions
    if floor.value <= 0:
        return _no_noise(name, rule, limit, changed, noise)
    if floor.low <= 0 and found.low <= limit:
        reason = "a pair of seeds decides every row alike, so that the noise floor may be 0; train more seeds"
        return result(name, KIND, rule, INCONCLUSIVE, reason, value=found.value, low=found.low, limit=limit)
    distance = limit * floor.low - changed.value
    needed = rows_needed(len(rows), changed.error, distance, gate.confidence)
    return judged(name, KIND, rule, found, ceiling=limit, rows=len(rows), needed=needed, baseline=floor.value)


_NO_FLOOR = (
    "there is no noise floor: it needs two seeds at least. Give several under seeds in config/config.yaml, such as "
    "[0, 1, 2]"
)


def _ratio(changed: Bounds, floor: Interval) -> Bounds:
    """Return *changed* over the noise floor, each bound over the end of the floor that makes it wider."""
    return Bounds(
        value=_over(changed.value, floor.value),
        low=_over(changed.low, floor.high),
        high=_over(changed.high, floor.low),
        error=_over(changed.error, floor.value),
    )


def _over(number: float, floor: float) -> float:
    return number / floor if floor > 0 else math.inf


def _no_noise(name: str, rule: str, limit: float, changed: Bounds, noise: Noise) -> GateResult:
    """Judge where no pair of seeds differs in any decision: whatever changed is more than noise."""
    seeds = f"the {noise.seeds} seeds decide every row alike"
    if changed.value > 0:
        reason = f"{seeds}, so that any change is more than noise; {changed.value:.3g} of the rows changed"
        return result(name, KIND, rule, FAIL, reason, limit=limit, baseline=0.0)
    return result(name, KIND, rule, PASS, f"{seeds}, and no decision changed", limit=limit, baseline=0.0)


def _cases(name: str, file: str, evidence: Evidence) -> GateResult:
    """Judge critical cases: every one of them counts, and a file without any is no proof."""
    rule = f"every case of {file} is decided as it says"
    cases = [case for case in evidence.weighing.cases if case.file == file]
    if not cases:
        reason = f"no case of {file} was decided; name some in it, and run 'snakemake --cores all --forcerun weigh'"
        return result(name, KIND, rule, FAIL, reason, limit=0.0)
    wrong = [case for case in cases if case.found != case.expected]
    parts = [part(f"case {case.id}", FAIL, f"decided {case.found}, expected {case.expected}") for case in wrong]
    if len(parts) > LISTED_CASES:
        rest = len(parts) - LISTED_CASES
        parts = [*parts[:LISTED_CASES], part(f"({rest} more cases)", FAIL, "decided wrongly", rows=rest)]
    reason = f"{len(wrong)} of {len(cases)} cases are decided wrongly" if wrong else ""
    count = float(len(wrong))
    return result(
        name, KIND, rule, FAIL if wrong else PASS, reason, value=count, limit=0.0, short_by=count or None,
        rows=len(cases), parts=tuple(parts),
    )  # fmt: skip
