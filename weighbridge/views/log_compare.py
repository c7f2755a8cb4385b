"""The runs of ``log`` side by side: all metrics, and of parameters, data, code and environment what differs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import RecordError
from weighbridge.manifest import RunRecord
from weighbridge.registry import ledger, ledger_rows
from weighbridge.views.columns import aligned, number, short, words
from weighbridge.views.log_runs import RunLine

_SHA256_LENGTH = 64
_OF_RUN = "parameters"
"""What a run hasn't of these differs from what another has; of the rest, a record may just not tell."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Runs beside each other; each row is what it is about and a value for each run, ``None`` where there is none."""

    runs: tuple[str, ...]
    metrics: dict[str, tuple[float | None, ...]]
    differing: dict[str, tuple[Any, ...]]


def compare(root: Path, lines: Sequence[RunLine]) -> Comparison:
    """Return the runs among *lines* side by side, each once."""
    runs = list(_once(lines).values())
    facts = [dict(_facts(root, line)) for line in runs]
    names = dict.fromkeys(name for line in runs for name in line.metrics)
    keys = dict.fromkeys(key for fact in facts for key in fact)
    return Comparison(
        runs=tuple(str(line.run) for line in runs),
        metrics={name: tuple(line.metrics.get(name) for line in runs) for name in names},
        differing={key: tuple(fact.get(key) for fact in facts) for key in sorted(keys) if _differs(key, facts)},
    )


def _once(lines: Sequence[RunLine]) -> dict[str, RunLine]:
    """Return a line for each run: what it came to rather than what was decided on its bundle, which tells less."""
    of_runs = {line.run: line for line in lines if line.run and line.seed is not None}
    return {line.run: of_runs.get(line.run, line) for line in lines if line.run}


def _differs(key: str, facts: Sequence[Mapping[str, Any]]) -> bool:
    told = [fact for fact in facts if key.startswith(_OF_RUN) or key in fact]
    return any(fact.get(key) != told[0].get(key) for fact in told)


def _facts(root: Path, line: RunLine) -> Iterator[tuple[str, Any]]:
    """Yield what is known of a run's inputs, by dotted names: from the ledger and from its folder in ``results/``."""
    record = _recorded(root, line)
    inputs = record.get("inputs") or {}
    for section in ("data", "code", "environment"):
        if section in inputs:
            yield from _flat(section, inputs[section])
    folder = _folder(root, line)
    parameters = msgspec.to_builtins(folder.parameters) if folder else record.get("parameters") or {}
    yield from _flat(_OF_RUN, {key: value for key, value in parameters.items() if key != "settings"})
    if folder:
        yield "code", folder.stage_code
        yield "environment.python", folder.environment.python
        yield from _flat("environment.variables", folder.environment.variables)
        yield from ((f"environment.{one.name}", one.version) for one in folder.environment.distributions)
        yield "hardware.cpu", folder.hardware.cpu
        yield "hardware.instruction_sets", list(folder.hardware.instruction_sets)
        yield "hardware.blas", list(folder.hardware.blas)


def _recorded(root: Path, line: RunLine) -> dict[str, Any]:
    path = root / ledger.path_of(line.record) if line.record else None
    if path is None:
        return {}
    try:
        entry = ledger.parse(ledger_rows.content(path), path.stem)
    except OSError:  # of a run that is on record elsewhere
        return {}
    return entry.record if isinstance(entry, ledger.Entry) else {}


def _folder(root: Path, line: RunLine) -> RunRecord | None:
    """Return the run's own record, where its folder in ``results/`` still is this run's."""
    if line.candidate is None or line.seed is None:
        return None
    try:
        record = documents.read_record(root / paths.run(line.candidate, line.seed) / "run.yaml", RunRecord)
    except RecordError:
        return None
    return record if record.run == line.run else None


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}", item)
    else:
        yield name, value


def in_columns(found: Comparison) -> list[str]:
    """Return the comparison as lines: a column a run, a row a metric or a difference."""
    if not found.runs:
        return ["No run to compare."]
    rows: list[Sequence[str]] = [("", *found.runs)]
    rows += [
        (name, *("-" if value is None else number(value) for value in values)) for name, values in found.metrics.items()
    ]
    rows += [
        (key, *("-" if value is None else _shown(value) for value in values)) for key, values in found.differing.items()
    ]
    same = [] if found.differing else ["Parameters, data, code and environment are the same."]
    return [*aligned(rows), *same]


def _shown(value: Any) -> str:
    return short(value) if isinstance(value, str) and len(value) == _SHA256_LENGTH else words(value)
