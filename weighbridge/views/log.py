"""log: the releases, newest first, and the runs on record.

Releases come from one call of Git, which reads the tags' messages; no manifest is opened.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import RecordError
from weighbridge.manifest import Evaluation
from weighbridge.registry import git, ledger, releases
from weighbridge.views.columns import aligned

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


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or an attempt at one, as the list shows it."""

    run: str | None
    candidate: str | None
    seed: int | None
    status: str
    metrics: dict[str, float]
    when: str
    note: str


def log(root: Path, name: str | None, *, limit: int = 20, runs: bool = True, json: bool = False) -> str:
    """Return the list of releases and, with *runs*, of the runs on record.

    Args:
        root: the project's root.
        name: only releases of this model; of all models in the repository by default.
        limit: how many of each to list; 0 for all.
        runs: whether to list the runs.
        json: one JSON document instead of columns.
    """
    git.require_repository(root)
    found = sorted(releases.releases(root, name), key=lambda r: (r.created, r.tag.version), reverse=True)
    release_lines = [_release_line(release) for release in found[: limit or None]]
    run_lines = _run_lines(root) if runs else []
    if json:
        document = {"releases": release_lines, **({"runs": run_lines[: limit or None]} if runs else {})}
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    lines = _releases_in_columns(release_lines, len(found))
    if runs:
        lines += ["", *_runs_in_columns(run_lines[: limit or None], len(run_lines), _primary(release_lines))]
    return "\n".join([*lines, *_damage(root)])


def _release_line(release: releases.Release) -> ReleaseLine:
    created = dt.datetime.fromtimestamp(release.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = ReleaseLine(
        tag=str(release.tag), commit=release.commit, date=created, author=release.author, signed=release.signed
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


def _releases_in_columns(lines: list[ReleaseLine], total: int) -> list[str]:
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
                f"{line.value:.4f}" if measured else "?",
                f"{line.low:.4f} to {line.high:.4f}" if measured else "?",
                line.verdict or "? (not made by Weighbridge)",
            )
        )
    return [*aligned(rows), *_older(len(lines), total)]


def _older(shown: int, total: int) -> list[str]:
    return [f"… and {total - shown} older; --limit 0 lists all"] if total > shown else []


def _primary(lines: list[ReleaseLine]) -> str | None:
    return next((line.primary for line in lines if line.primary), None)


def _run_lines(root: Path) -> list[RunLine]:
    """Return the ledger's runs and those that only lie in ``results/`` so far, newest first."""
    entries = ledger.inspect(root)[0]
    recorded = [_from_ledger(one.record) for one in entries if one.record.get("kind") != ledger.EVIDENCE]
    known = {line.run for line in recorded}
    local = [line for line in _in_results(root) if line.run not in known]
    # The ledger's own order settles what one second leaves open.
    return sorted([*recorded, *local], key=lambda line: line.when)[::-1]


def _from_ledger(record: dict[str, Any]) -> RunLine:
    seed, metrics = record.get("seed"), record.get("metrics")
    gates = ", ".join(str(gate) for gate in record.get("gates") or ())
    note = record.get("tag") or (gates and f"fell short: {gates}") or record.get("error") or ""
    stage = f"{record['stage']}: " if record.get("stage") else ""
    return RunLine(
        run=_text(record.get("run")),
        candidate=_text(record.get("candidate")) or (_text(record.get("run")) or "").rpartition("-")[0] or None,
        seed=seed if isinstance(seed, int) else None,
        status=str(record.get("status", "?")),
        metrics={k: float(v) for k, v in metrics.items()} if isinstance(metrics, dict) else {},
        when=str(record.get("when", "")),
        note=f"{stage}{note}",
    )


def _text(value: object) -> str | None:
    return str(value) if value else None


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
            status="evaluated",
            metrics=done.metrics,
            when=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            note="",
        )


def _runs_in_columns(lines: list[RunLine], total: int, primary: str | None) -> list[str]:
    if not lines:
        return ["No run on record."]
    rows = [("RUN", "CANDIDATE", "SEED", "STATUS", "VALIDATION", "WHEN", "NOTE")]
    for line in lines:
        metric = primary if primary in line.metrics else next(iter(line.metrics), None)
        rows.append(
            (
                line.run or "-",
                line.candidate or "-",
                "-" if line.seed is None else str(line.seed),
                line.status,
                f"{metric} {line.metrics[metric]:.4f}" if metric else "-",
                line.when[:16].replace("T", " "),
                _one_line(line.note),
            )
        )
    return [*aligned(rows), *_older(len(lines), total)]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_WIDTH else line[: _MESSAGE_WIDTH - 1] + "…"


def _damage(root: Path) -> list[str]:
    damage = ledger.problems(root)
    return ["", f"The ledger is damaged in {len(damage)} places; see 'weighbridge check'."] if damage else []
