"""The lines of ``log`` about runs: from the ledger's index, each run once, chosen and sorted as asked."""

import datetime as dt
import difflib
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, paths, plan
from weighbridge.errors import RecordError, SettingsError, WeighbridgeError
from weighbridge.evidence import catalogue
from weighbridge.manifest import Evaluation
from weighbridge.registry import records
from weighbridge.registry.ledger_rows import Row

_RANK = {records.TRAINED: 0, records.RESTORED: 1, records.EVALUATED: 2}
_HIDDEN = {records.EVIDENCE}
_CONDITION = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(>=|<=|==|!=|=|>|<)\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*")
_AGO = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


class RunLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run, an attempt that came to nothing, or a decision on a run's bundle, as the list shows it.

    *record* is the digest of what the ledger has of it that says most; ``None`` for a run that only lies in
    ``results/``.
    """

    run: str | None
    candidate: str | None
    seed: int | None
    status: str
    metrics: dict[str, float]
    when: str
    note: str
    record: str | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines are asked for; empty fields ask for nothing.

    *where* are conditions such as ``roc_auc>0.7``, all of which must hold; *since* is a day or a time ago such as
    ``7d``; *sort* is ``when``, for the newest first, or a metric, for the best first.
    """

    statuses: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    since: str = ""
    sort: str = "when"

    @property
    def about_runs(self) -> bool:
        """Whether something is asked that only runs can answer."""
        return bool(self.statuses or self.where or self.sort != "when")


def lines(root: Path, rows: Iterable[Row], query: Query) -> list[RunLine]:
    """Return the lines that *query* asks for, in its order.

    Args:
        root: the project's root.
        rows: what the index remembers of the ledger's records.
        query: what is asked.

    Raises:
        SettingsError: for a condition, a time or a metric that can't be understood.
    """
    found = _all(root, rows)
    if query.statuses:
        _require_known(query.statuses)
        found = [line for line in found if line.status in query.statuses]
    if query.candidates:
        found = [line for line in found if line.candidate in query.candidates]
    if query.since:
        first = since(query.since)
        found = [line for line in found if line.when >= first]
    for text in query.where:
        found = _holding(found, text)
    # The ledger's own order settles what one second leaves open.
    found = sorted(found, key=lambda line: line.when)[::-1]
    return found if query.sort == "when" else _best_first(root, found, query.sort)


def _all(root: Path, rows: Iterable[Row]) -> list[RunLine]:
    """Return a line for each run, attempt and decision on record, and for runs that only lie in ``results/`` so far."""
    runs: dict[str, list[Row]] = {}
    others: list[Row] = []
    for row in rows:
        if row.kind == records.RUN:
            runs.setdefault(row.run, []).append(row)
        elif row.kind not in _HIDDEN and not row.damaged:
            others.append(row)
    found = [_run_line(told) for told in runs.values()]
    local = list(_in_results(root))
    measured = {line.run: line.metrics for line in (*local, *found)}
    decided = [_line(row, row.metrics or measured.get(row.run, {})) for row in others]
    known = runs.keys() | {row.run for row in others}
    return [*found, *decided, *(line for line in local if line.run not in known)]


def _run_line(rows: list[Row]) -> RunLine:
    """Return one line for all that is on record of a run: what it came to last, and whether it was restored."""
    last = origin = trained = rows[0]
    for row in rows[1:]:
        if _RANK.get(row.status, -1) >= _RANK.get(last.status, -1):
            last = row
        if row.status != records.EVALUATED:
            origin = row
        if row.status == records.TRAINED:
            trained = row
    return _line(last, last.metrics, origin.note, trained.digest)


def _line(row: Row, metrics: dict[str, float], note: str | None = None, record: str | None = None) -> RunLine:
    stage = f"{row.stage}: " if row.stage else ""
    return RunLine(
        run=row.run or None,
        candidate=row.candidate or None,
        seed=row.seed,
        status=row.status or "?",
        metrics=metrics,
        when=row.when,
        note=f"{stage}{row.note if note is None else note}",
        record=record or row.digest,
    )


def _in_results(root: Path) -> Iterator[RunLine]:
    for path in sorted((root / paths.RUNS).glob("*/*/validation.yaml")):
        try:
            done = documents.read_record(path, Evaluation)
        except RecordError:
            continue  # half of a run; `check` and the next start tell of it
        moment = dt.datetime.fromtimestamp(int(path.stat().st_mtime), dt.UTC)
        yield RunLine(
            run=done.run,
            candidate=done.candidate,
            seed=done.seed,
            status=records.EVALUATED,
            metrics=done.metrics,
            when=_text(moment),
            note="",
        )


def since(text: str) -> str:
    """Return the moment that *text* says, as records write it: a day, or a time ago such as ``12h``, ``7d``, ``2w``.

    Raises:
        SettingsError: where it says neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return _text(dt.datetime.now(dt.UTC) - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        return _text(dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC))
    except ValueError:
        raise SettingsError(f"--since: found {text!r}; expected a day such as 2026-01-31, or 12h, 7d, 2w") from None


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")  # strftime writes the year 999 so


def _holding(found: list[RunLine], text: str) -> list[RunLine]:
    """Return the lines for which the condition holds; a line without the metric is none of them."""
    match = _CONDITION.fullmatch(text)
    try:
        limit = float(match[3]) if match else None
    except ValueError:
        limit = None
    if match is None or limit is None:
        raise SettingsError(f"--where: found {text!r}; expected a metric, a sign and a number, such as 'roc_auc>0.7'")
    _require(found, match[1], "--where")
    compare = _COMPARE[match[2]]
    return [line for line in found if match[1] in line.metrics and compare(line.metrics[match[1]], limit)]


def _require_known(statuses: Iterable[str]) -> None:
    for status in statuses:
        if status not in records.STATUSES:
            near = difflib.get_close_matches(status, records.STATUSES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(records.STATUSES)}"
            raise SettingsError(f"--status: no record has the status {status!r}; {hint}")


def _require(found: Iterable[RunLine], metric: str, option: str) -> None:
    known = sorted({name for line in found for name in line.metrics})
    if known and metric not in known:
        near = difflib.get_close_matches(metric, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
        raise SettingsError(f"{option}: no run on record has the metric {metric!r}; {hint}")


def _best_first(root: Path, found: list[RunLine], metric: str) -> list[RunLine]:
    """Return the lines by a metric, the best first; those without it are left out."""
    _require(found, metric, "--sort")
    measured = [line for line in found if metric in line.metrics]
    return sorted(measured, key=lambda line: line.metrics[metric], reverse=_greater_is_better(root, metric))


def _greater_is_better(root: Path, metric: str) -> bool:
    try:
        return catalogue.greater_is_better(metric)
    except SettingsError:
        pass
    try:
        own: Any = plan.load(root).config.metrics.own
        return catalogue.greater_is_better(metric, own)
    except WeighbridgeError:  # a metric that the project had once
        return True
