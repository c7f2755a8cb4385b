"""log: the releases, newest first, and the runs on record.

Releases come from one call of Git, which reads the tags' messages; no manifest is opened. Runs come from the ledger's
index; no record is read twice.
"""

import contextlib
import datetime as dt
import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import plan
from weighbridge.errors import RecordError, WeighbridgeError
from weighbridge.evidence import wording
from weighbridge.registry import git, ledger, records, releases
from weighbridge.registry.ledger_rows import Row
from weighbridge.views import log_compare, log_runs
from weighbridge.views.columns import aligned
from weighbridge.views.log_runs import Query, RunLine

EVERYTHING = Query()
_MESSAGE_WIDTH = 80


class ReleaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A release as the list shows it; what its tag doesn't say is ``None``."""

    tag: str
    commit: str
    date: str
    author: str
    bump: str | None = None
    champion: str | None = None
    primary: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str | None = None
    signed: bool = False


def log(  # noqa: PLR0913 - options of a command, all but root by name
    root: Path,
    name: str | None,
    *,
    limit: int = 20,
    runs: bool = True,
    query: Query = EVERYTHING,
    compare: bool = False,
    json: bool = False,
) -> str:
    """Return the list of releases and, with *runs*, of the runs on record.

    Args:
        root: the project's root.
        name: only releases of this model; of all models in the repository by default.
        limit: how many of each to list; 0 for all.
        runs: whether to list the runs.
        query: which to list, and in which order; a question that only runs can answer leaves the releases out.
        compare: show the listed runs side by side.
        json: one JSON document instead of columns.

    Raises:
        SettingsError: where *query* can't be understood.
        SetupError: outside of a repository.
    """
    git.require_repository(root)
    only_runs = compare or query.about_runs
    found = [] if only_runs else _releases(root, name, query)
    release_lines = [_release_line(release) for release in found[: limit or None]]
    rows = ledger.rows(root) if runs or only_runs else []
    run_lines = log_runs.lines(root, rows, query) if runs or only_runs else []
    shown = run_lines[: limit or None]
    side_by_side = log_compare.compare(root, shown) if compare else None
    if json:
        document: dict[str, Any] = {} if only_runs else {"releases": release_lines}
        document |= {"runs": shown} if runs or only_runs else {}
        document |= {"comparison": side_by_side} if side_by_side else {}
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    if side_by_side:
        return "\n".join(log_compare.in_columns(side_by_side))
    lines = (
        []
        if only_runs
        else _releases_in_columns(release_lines, len(found), chosen=bool(query.since or query.candidates))
    )
    if runs or only_runs:
        primary = query.sort if query.sort != "when" else _asked(query) or _primary(root, release_lines)
        lines += ["", *_runs_in_columns(shown, len(run_lines), primary)]
    return "\n".join([*lines, *_damage(rows)]).lstrip("\n")


def _releases(root: Path, name: str | None, query: Query) -> list[releases.Release]:
    """Return the releases, the newest first, that are as new as asked and of a champion that is asked for."""
    found = sorted(releases.releases(root, name), key=lambda one: (one.created, one.tag.version), reverse=True)
    if query.since:
        first = log_runs.since(query.since)
        found = [release for release in found if _moment(release) >= first]
    if query.candidates:
        found = [release for release in found if _release_line(release).champion in query.candidates]
    return found


def _asked(query: Query) -> str | None:
    """Return the metric that the first condition is about."""
    match = re.match(r"\s*([\w.-]+)", query.where[0]) if query.where else None
    return match[1] if match else None


def _moment(release: releases.Release) -> str:
    return dt.datetime.fromtimestamp(release.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _release_line(release: releases.Release) -> ReleaseLine:
    line = ReleaseLine(
        tag=str(release.tag), commit=release.commit, date=_moment(release), author=release.author, signed=release.signed
    )
    try:
        notes = release.notes
    except RecordError:
        return line
    interval = notes.metrics.get(notes.primary)
    return msgspec.structs.replace(
        line,
        bump=notes.bump,
        champion=notes.candidate,
        primary=notes.primary,
        value=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        verdict=notes.verdict,
    )


def _releases_in_columns(lines: list[ReleaseLine], total: int, *, chosen: bool) -> list[str]:
    if not lines and chosen:
        return ["No such release."]
    if not lines:
        return ["No release yet; make one with 'snakemake --cores all'."]
    rows = [("RELEASE", "DATE", "AUTHOR", "BUMP", "CHAMPION", "METRIC", "VALUE", "INTERVAL", "VERDICT")]
    for line in lines:
        measured = line.value is not None
        rows.append(
            (
                line.tag,
                line.date[:10],
                line.author,
                line.bump or "?",
                line.champion or "?",
                line.primary or "?",
                wording.number(line.value) if measured else "?",
                f"{wording.number(line.low)} to {wording.number(line.high)}" if measured else "?",
                line.verdict or "? (not made by Weighbridge)",
            )
        )
    return [*aligned(rows), *_older(len(lines), total)]


def _older(shown: int, total: int) -> list[str]:
    return [f"… and {total - shown} older; --limit 0 lists all"] if total > shown else []


def _primary(root: Path, lines: list[ReleaseLine]) -> str | None:
    """Return the metric that releases are chosen by: the newest one's, else what the settings say."""
    chosen = next((line.primary for line in lines if line.primary), None)
    if chosen is None:
        with contextlib.suppress(WeighbridgeError):
            chosen = plan.load(root).config.select.metric
    return chosen


def _runs_in_columns(lines: list[RunLine], total: int, primary: str | None) -> list[str]:
    if not lines:
        return ["No run on record."]
    rows = [("RUN", "CANDIDATE", "SEED", "STATUS", "VALIDATION", "WHEN", "NOTE")]
    for line in lines:
        metric = primary if primary in line.metrics else next(iter(line.metrics), None)
        note, *more = _note(line)
        rows.append(
            (
                line.run or "-",
                line.candidate or "-",
                "-" if line.seed is None else str(line.seed),
                line.status,
                f"{metric} {wording.number(line.metrics[metric])}" if metric else "-",
                line.when[:16].replace("T", " "),
                note,
            )
        )
        rows += [("", "", "", "", "", "", part) for part in more]
    return [*aligned(rows), *_older(len(lines), total)]


def _note(line: RunLine) -> list[str]:
    """Return the note in lines: all of it where it says how an attempt was ended, since it ends with the remedy."""
    whole = line.status in {records.KILLED, records.CANCELLED}
    return (textwrap.wrap(line.note, _MESSAGE_WIDTH) if whole else []) or [_one_line(line.note)]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_WIDTH else line[: _MESSAGE_WIDTH - 1] + "…"


def _damage(rows: list[Row]) -> list[str]:
    """Say so where a record was found damaged as it was read; that none is, only the audit proves."""
    damaged = sum(row.damaged for row in rows)
    return ["", f"The ledger is damaged in {damaged} places; see 'weighbridge audit'."] if damaged else []
