"""Settings that could never be judged, refused before any job runs. Light: the plan asks at each start of Snakemake."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args, get_type_hints

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence import catalogue
from weighbridge.evidence.catalogue import require

SELF_TEST = "self_test"
"""Name of the result that stands beside the gates' own."""

BEST_AT_ZERO = "bias"
"""The metric that is as bad below 0 as above."""
_OF_INTERVALS = "interval_coverage"
_NO_INTERVALS = (
    f"found {_OF_INTERVALS!r}, which needs predicted intervals, and model.onnx gives one number a row; expected "
    "another metric"
)
_SOURCE = "config/gates.yaml"
_COIN = 0.5
_KNOWN = tuple(dict.fromkeys(name for metrics in catalogue.METRICS.values() for name in metrics))


def check(  # noqa: PLR0913 - the settings that have to fit together
    gate_file: settings.GateFile,
    metrics: settings.Metrics,
    select: settings.Select,
    source: str = _SOURCE,
    *,
    cost: settings.Cost | None = None,
    task: str = "binary",
    folds: bool = False,
) -> None:
    """Refuse settings that could never be judged, before anything runs.

    Args:
        gate_file: the gates.
        metrics: what is measured.
        select: by what the champion is chosen.
        source: where the gates were read.
        cost: what machines cost; where given, a limit on a price without a price is refused.
        task: what is predicted; a metric of another task is refused, and gates on decisions of a regression.
        folds: whether rows are cross-validated; then seeds tell no noise floor.

    Raises:
        SettingsError: listing each unknown metric (with the nearest), a metric in a gate or in ``select`` that isn't
            measured, one that the task doesn't have, and each gate without a limit, or with limits that contradict
            each other.
    """
    problems = list(_metric_problems(metrics, select, task))
    for name, gate in gate_file.gates.items():
        where = f"{source}: gates.{name}"
        if name == SELF_TEST:
            problems.append(f"{where}: found the name of the self-test's own result; expected another name")
        metric = getattr(gate, "metric", None)
        if isinstance(gate, settings.CalibrationGate):
            problems += [f"{where}.metric: {problem}" for problem in _other_task(gate.metric, task)]
            if gate.metric == _OF_INTERVALS and task == "regression":
                problems.append(f"{where}.metric: {_NO_INTERVALS}")
        elif metric is not None:
            problems += _refusals(f"{where}.metric", [(metric, metrics.names)], "metric that isn't measured:")
        problems += [f"{where}: {problem}" for problem in problems_of(gate)]
        if isinstance(gate, settings.Churn):
            problems += [f"{where}: {problem}" for problem in _untold_churn(gate, task, folds=folds)]
        if cost is not None and isinstance(gate, settings.Budget) and gate.quantity == "training_price":
            problems += [f"{where}: {problem}" for problem in price_problems(cost)]
    if problems:
        raise SettingsError("\n".join(problems))


def columns(gate_file: settings.GateFile) -> dict[str, tuple[str, ...]]:
    """Return, by gate, the columns of the test rows that it cuts or groups by, each once."""
    found = {}
    for name, gate in gate_file.gates.items():
        named: list[str] = []
        if isinstance(gate, settings.Slices):
            named += gate.columns
            named += [column for crossing in gate.crossings for column in crossing]
            named += [column for part in gate.must_pass for column in part]
        group_by = getattr(gate, "group_by", None)
        named += [group_by] if group_by else []
        if named:
            found[name] = tuple(dict.fromkeys(named))
    return found


def problems_of(gate: settings.Gate) -> list[str]:
    """Return, in words, what of one gate contradicts itself or leaves nothing to judge."""
    confidence: float | None = getattr(gate, "confidence", None)
    found = list(_CHECKS.get(type(gate), _nothing)(gate))
    if confidence is not None and confidence <= _COIN:
        found.append(f"found confidence {confidence:g}, no more than a coin's; expected more than 0.5, such as 0.95")
    return found


def price_problems(cost: settings.Cost) -> Iterator[str]:
    """Yield what a price of the training lacks."""
    if cost.cpu_hour <= 0:
        yield "found a limit on training_price, but cost.cpu_hour is 0; expected the price of a core for an hour"


def _metric_problems(metrics: settings.Metrics, select: settings.Select, task: str) -> Iterator[str]:
    where = "config/config.yaml: metrics"
    for name in metrics.own:
        if name in _KNOWN:
            yield f"{where}.own: found {name!r}, the name of a metric that is there already; expected another name"
    yield from _refusals(f"{where}.names", ((name, (*catalogue.names(task), *metrics.own)) for name in metrics.names))
    yield from _refusals("config/config.yaml: select.metric", [(select.metric, metrics.names)])
    if _OF_INTERVALS in metrics.names:
        yield f"{where}.names: {_NO_INTERVALS}"
    if select.metric == BEST_AT_ZERO:
        yield "config/config.yaml: select.metric: found 'bias', best at 0 and not below; expected a metric of distance"
    if len(set(metrics.names)) != len(metrics.names) or not metrics.names:
        yield f"{where}.names: found {list(metrics.names)}; expected each once, at least one"


def _other_task(metric: str, task: str) -> Iterator[str]:
    """Yield where a metric of calibration is of another task, with those that fit."""
    known = catalogue.names(task)
    if metric not in known:
        fitting = [name for name in get_args(get_type_hints(settings.CalibrationGate)["metric"]) if name in known]
        yield f"found {metric!r}, which a {task} task doesn't have; expected one of {', '.join(fitting)}"


def _untold_churn(gate: settings.Churn, task: str, *, folds: bool) -> Iterator[str]:
    """Yield where a gate asks for decisions, or a noise floor, that there are not."""
    if task == "regression":
        yield "found kind 'churn', but a regression makes no decisions; expected kind 'change' or 'slices'"
    elif folds and gate.max_times_noise is not None:
        yield (
            "found max_times_noise, but in a cross-validation each seed has other rows, so that there is no noise "
            "floor; expected max_negative_flips"
        )


def _refusals(where: str, asked: Iterable[tuple[str, Sequence[str]]], what: str = "metric") -> list[str]:
    found = []
    for name, known in asked:
        try:
            require(name, known, what)
        except SettingsError as problem:
            found.append(f"{where}: {problem}")
    return found


def _nothing(_gate: Any) -> Iterator[str]:
    return iter(())


def _absolute(gate: settings.Absolute) -> Iterator[str]:
    if (gate.min is None) == (gate.max is None):
        found = "neither" if gate.min is None else "both"
        yield f"found {found} of min and max; expected exactly one of them"
    elif gate.metric == BEST_AT_ZERO and gate.max is None:
        yield "found bias with min, but it is best at 0; expected max, which holds in both directions"
    elif gate.metric == BEST_AT_ZERO and gate.max is not None and gate.max <= 0:
        yield f"found max {gate.max:g}; expected a number above 0"


def _change(gate: settings.Change) -> Iterator[str]:
    if gate.test == "equivalent" and gate.margin <= 0:
        yield "found test 'equivalent' with a margin of 0, which nothing could prove; expected a margin above 0"


def _slices(gate: settings.Slices) -> Iterator[str]:
    if not (gate.columns or gate.crossings or gate.must_pass):
        yield "found none of columns, crossings and must_pass; expected at least one"
    for crossing in gate.crossings:
        if len(set(crossing)) != len(crossing):
            yield f"found crossing {list(crossing)}; expected different columns"
    if len(set(gate.columns)) != len(gate.columns):
        yield f"found columns {list(gate.columns)}; expected each once"
    if any(not part for part in gate.must_pass):
        yield "found an empty slice in must_pass; expected columns with a value, such as {origin: JFK}"
    if gate.max_gap is not None and not (gate.columns or gate.crossings):
        yield "found max_gap without columns or crossings; expected something to cut by"


def _calibration(gate: settings.CalibrationGate) -> Iterator[str]:
    if gate.metric == "interval_coverage":
        if gate.min is None and gate.max is None:
            yield "found neither of min and max; expected at least one of them"
        elif gate.min is not None and gate.max is not None and gate.min >= gate.max:
            yield f"found min {gate.min:g} and max {gate.max:g}; expected min below max"
    elif gate.max is None or gate.min is not None:
        yield f"found {gate.metric} {'with min' if gate.min is not None else 'without max'}; expected max alone"
    elif gate.max <= 0:
        yield f"found max {gate.max:g}; expected a number above 0"


def _churn(gate: settings.Churn) -> Iterator[str]:
    if gate.max_negative_flips is None and gate.max_times_noise is None and not gate.cases:
        yield "found none of max_negative_flips, max_times_noise and cases; expected at least one"


def _budget(gate: settings.Budget) -> Iterator[str]:
    limits = {key: getattr(gate, key) for key in ("max", "min", "max_ratio", "min_ratio")}
    if all(limit is None for limit in limits.values()):
        yield "found none of max, min, max_ratio and min_ratio; expected at least one"
    more_is_better = gate.quantity == "rows_per_second"
    side = "more" if more_is_better else "less"
    turned = {"max": "min", "max_ratio": "min_ratio"}
    turned = turned if more_is_better else {right: wrong for wrong, right in turned.items()}
    for wrong, right in turned.items():
        if limits[wrong] is not None:
            yield f"found {wrong} for {gate.quantity}, of which {side} is better; expected {right}"


def _data(gate: settings.DataGate) -> Iterator[str]:
    if not gate.checks and gate.max_psi is None:
        yield "found neither checks nor max_psi; expected at least one"


def _documents(gate: settings.Documents) -> Iterator[str]:
    if not gate.sections and gate.max_age_days is None:
        yield "found neither sections nor max_age_days; expected at least one"


def _approval(gate: settings.ApprovalGate) -> Iterator[str]:
    if not gate.required_for:
        yield "found nothing in required_for; expected at least one of major, loosened, inconclusive, lowered"


_CHECKS: dict[type, Callable[[Any], Iterator[str]]] = {
    settings.Absolute: _absolute,
    settings.Change: _change,
    settings.Slices: _slices,
    settings.CalibrationGate: _calibration,
    settings.Churn: _churn,
    settings.Budget: _budget,
    settings.DataGate: _data,
    settings.Documents: _documents,
    settings.ApprovalGate: _approval,
}
