"""history: the audit trail for a reviewer, as Markdown, one HTML file, or a table for a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from weighbridge import documents
from weighbridge.errors import SetupError
from weighbridge.evidence import wording
from weighbridge.evidence.markdown import CONTROL, code, inline, table
from weighbridge.manifest import GateResult
from weighbridge.views import history_page, reference
from weighbridge.views.columns import short
from weighbridge.views.trail import REFUSED, RELEASED, UNREADABLE, Event, Trail, approved, facts, primary, title, trail

Format = Literal["markdown", "html", "csv"]

# What a spreadsheet takes for a formula where it begins a cell; also in the wide forms of East Asian scripts.
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


def history(root: Path, form: Format, output: Path | None) -> str:
    """Return the trail of the project's model, or write it to *output* and say so.

    Raises:
        SettingsError: where the configuration names no model.
        SetupError: where Git can't be asked, or *output* can't be written.
    """
    found = trail(root, reference.project_name(root))
    text = {"markdown": markdown, "html": history_page.html, "csv": as_csv}[form](found)
    if output is None:
        return text
    try:
        documents.write(output, text)
    except OSError as problem:
        raise SetupError(f"{output}: {problem.strerror}; give another --output") from None
    made = sum(event.kind == RELEASED for event in found.events)
    return f"{output}: {made} releases, {sum(event.kind == REFUSED for event in found.events)} refused attempts\n"


def markdown(found: Trail) -> str:
    """Return the trail as Markdown, the oldest event first."""
    parts = [f"# {inline(found.name)}: audit trail", *([inline(found.project)] if found.project else [])]
    if not found.events:
        parts.append("Nothing was released or refused yet.")
    else:
        head = ("when (UTC)", "what", "by", "signed", "verdict", "primary metric", "approved by")
        parts.append(table(head, (_summary(event) for event in found.events)))
    for event in found.events:
        parts += list(_section(event))
    if found.problems:
        parts += ["## Records that could not be read", "\n".join(f"- {inline(line)}" for line in found.problems)]
    return "\n\n".join(parts) + "\n"


def _summary(event: Event) -> tuple[str, ...]:
    signed = event.signature.state if event.signature else ""
    people = ", ".join(dict.fromkeys(approval.approver for approval in event.approvals))
    found = (event.when, title(event), event.by, signed, event.verdict, primary(event), people)
    return tuple(map(inline, found))


def _section(event: Event) -> Iterator[str]:
    yield f"## {inline(f'{event.when[:10]} {title(event)}')}"
    if event.kind == UNREADABLE:
        yield inline(event.problem)
        return
    if event.kind != RELEASED:
        why = [*event.fell_short, *([event.problem] if event.problem else [])]
        yield f"Bundle {code(short(event.content_sha256))} was {event.kind}: {inline(', '.join(why) or 'no reason')}."
        return
    yield "\n".join(f"- {inline(reason)}" for reason in event.reasons)
    yield table(
        ("evidence", ""), [(name, code(value) if exact else inline(value)) for name, value, exact in facts(event)]
    )
    yield table(("gate", "verdict", "value", "limit", "interval", "why"), map(_gate, event.gates))
    for words in event.loosened:
        yield f"Loosened since the release before: {inline(words)}"
    for approval in event.approvals:
        yield inline(approved(approval))


def _gate(gate: GateResult) -> tuple[str, ...]:
    numbers = (wording.number(gate.value), wording.number(gate.limit), wording.ends(gate))
    return (inline(gate.name), inline(gate.verdict), *numbers, inline(gate.reason))


def as_csv(found: Trail) -> str:
    """Return one line an event, in the dialect of RFC 4180; no cell of it is a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    for number, event in enumerate(found.events):
        row = dict(_cells(event))
        if number == 0:
            writer.writerow(row)
        writer.writerow([safe(value) for value in row.values()])
    return stream.getvalue()


def safe(text: str) -> str:
    """Return *text* on one line, with an apostrophe before what a spreadsheet would run as a formula.

    Source: https://owasp.org/www-community/attacks/CSV_Injection.
    """
    line = " ".join(CONTROL.sub(" ", text).split())
    return f"'{line}" if _FORMULA.match(line) and not _NUMBER.fullmatch(line) else line


def _cells(event: Event) -> Iterator[tuple[str, str]]:
    metric = event.metrics.get(event.primary)
    numbers = (metric.value, metric.low, metric.high) if metric else ("", "", "")
    yield "when", event.when
    yield "event", event.kind
    yield "release", event.tag
    yield "bump", event.bump
    yield "reasons", "; ".join(event.reasons)
    yield "by", event.by
    yield "signature", event.signature.state if event.signature else ""
    yield "signer", event.signature.signer if event.signature else ""
    yield "verdict", event.verdict
    yield "gates", "; ".join(_gate_in_words(gate) for gate in event.gates) or "; ".join(event.fell_short)
    yield "approved by", "; ".join(approval.approver for approval in event.approvals)
    yield "approved", "; ".join(words for approval in event.approvals for words in approval.approves)
    yield "loosened", "; ".join(event.loosened)
    yield "candidate", event.candidate
    yield "run", event.run
    yield "primary metric", event.primary
    yield from zip(("value", "low", "high"), map(str, numbers), strict=True)
    yield "test rows", str(event.rows.get("test", ""))
    yield "weighed against", event.previous
    for name in ("data_sha256", "code_commit", "release_commit", "content_sha256", "manifest_sha256", "problem"):
        yield name.replace("_", " "), getattr(event, name)


def _gate_in_words(gate: GateResult) -> str:
    numbers = [f"{name} {wording.number(value)}" for name, value in (("value", gate.value), ("limit", gate.limit))
               if value is not None]  # fmt: skip
    return f"{gate.name}: {', '.join([gate.verdict, *numbers])}"
