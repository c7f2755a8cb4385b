"""The audit trail as one HTML file: nothing is loaded, nothing is run, and every word of others is escaped."""

import html as escaping
from collections.abc import Iterable, Iterator, Sequence

from weighbridge.evidence import wording
from weighbridge.evidence.markdown import CONTROL
from weighbridge.manifest import GateResult
from weighbridge.views.columns import short
from weighbridge.views.trail import REFUSED, RELEASED, UNREADABLE, Event, Trail, approved, facts, primary, title

_WIDTH, _HEIGHT, _MARGIN = 720, 150, 28
_STYLE = """
:root { --ink: #1d2733; --soft: #5c6b7a; --line: #d9dfe5; --paper: #fff; --ground: #f4f6f8; --accent: #1f5fa8;
  --good: #1a7f4b; --bad: #b3261e; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #9aa8b5; --line: #35404b; --paper: #1b2229;
  --ground: #12171c; --accent: #79b0ea; --good: #5cc78f; --bad: #f0857d; --warn: #e0b252; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 0; }
header p, .soft { color: var(--soft); margin: .2rem 0; }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.counts li { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; }
.counts b { font-size: 1.3rem; display: block; }
article, figure { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0;
  padding: 1rem 1.25rem; }
article { border-left: .3rem solid var(--accent); }
article.refused, article.unreadable { border-left-color: var(--bad); }
article.withdrawn { border-left-color: var(--warn); }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; }
.head time { margin-left: auto; color: var(--soft); }
.mark { border: 1px solid currentColor; border-radius: 1rem; font-size: .8rem; padding: 0 .6rem; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--accent); }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
svg .axis { stroke: var(--line); } svg .span { stroke: var(--accent); stroke-width: 2; opacity: .45; }
svg .path { fill: none; stroke: var(--accent); stroke-width: 1.5; } svg circle { fill: var(--accent); }
@media print { body { background: none; } article { break-inside: avoid; } }
"""


def html(found: Trail) -> str:
    """Return the trail as a whole page, the newest event first."""
    name = _text(found.name)
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: audit trail</title><style>{_STYLE}</style></head>"
    )
    body = [f"<header><h1>{name}: audit trail</h1><p>{_text(found.project)}</p></header>", _counts(found)]
    body += [_chart([event for event in found.events if event.kind == RELEASED])]
    body += [_article(event) for event in reversed(found.events)]
    if not found.events:
        body.append("<p>Nothing was released or refused yet.</p>")
    if found.problems:
        listed = "".join(f"<li>{_text(line)}</li>" for line in found.problems)
        body.append(f'<article class="unreadable"><h2>Records that could not be read</h2><ul>{listed}</ul></article>')
    return f"{head}\n<body><main>\n" + "\n".join(filter(None, body)) + "\n</main></body></html>\n"


def _text(text: str) -> str:
    return escaping.escape(" ".join(CONTROL.sub(" ", text).split()), quote=True)


def _counts(found: Trail) -> str:
    events = found.events
    counted = {
        "releases": sum(event.kind == RELEASED for event in events),
        "refused attempts": sum(event.kind == REFUSED for event in events),
        "approvals": sum(len(event.approvals) for event in events),
        "verified signatures": sum(
            event.signature is not None and event.signature.state == "verified" for event in events
        ),
    }
    items = "".join(f"<li><b>{number}</b>{words}</li>" for words, number in counted.items())
    return f'<ul class="counts">{items}</ul>'


def _chart(events: Sequence[Event]) -> str:
    """Draw the primary metric of each release with its interval, as long as all have the same one."""
    primaries = {event.primary for event in events}
    found = [event.metrics.get(event.primary) for event in events]
    points = [interval for interval in found if interval is not None]
    if len(events) < 2 or len(primaries) != 1 or len(points) != len(events):  # noqa: PLR2004 - a line has two ends
        return ""
    low, high = min(point.low for point in points), max(point.high for point in points)
    scale = (_HEIGHT - 2 * _MARGIN) / ((high - low) or 1.0)
    step = (_WIDTH - 4 * _MARGIN) / (len(points) - 1)

    def y(value: float) -> str:
        return f"{_HEIGHT - _MARGIN - (value - low) * scale:.1f}"

    xs = [f"{3 * _MARGIN + i * step:.1f}" for i in range(len(points))]
    line = " ".join(f"{x},{y(point.value)}" for x, point in zip(xs, points, strict=True))
    marks = "".join(
        f'<line class="span" x1="{x}" x2="{x}" y1="{y(point.low)}" y2="{y(point.high)}"/>'
        f'<circle cx="{x}" cy="{y(point.value)}" r="3.5">'
        f"<title>{_text(event.tag)}: {_text(primary(event))}</title></circle>"
        for x, point, event in zip(xs, points, events, strict=True)
    )
    ends = "".join(f'<text x="4" y="{y(value)}">{wording.number(value)}</text>' for value in (low, high))
    names = "".join(
        f'<text x="{x}" y="{_HEIGHT - 8}" text-anchor="middle">{_text(event.tag.partition("@")[2])}</text>'
        for x, event in zip(xs, events, strict=True)
        if len(events) <= 12 or event in (events[0], events[-1])  # noqa: PLR2004 - as many as have room
    )
    words = f"{_text(events[0].primary)} on test rows, with intervals"
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{words}">'
        f'<polyline class="path" points="{line}"/>{marks}{ends}{names}</svg><p class="soft">{words}</p></figure>'
    )


def _article(event: Event) -> str:
    inner = "".join(_released(event) if event.kind == RELEASED else _other(event))
    head = f'<div class="head"><h2>{_text(title(event))}</h2>{_marks(event)}<time>{_text(event.when)}</time></div>'
    return f'<article class="{event.kind}">{head}{inner}</article>'


def _marks(event: Event) -> str:
    marks = []
    if event.verdict:
        marks.append((event.verdict, "good" if event.verdict == "pass" else "bad"))
    if event.signature:
        words = {"verified": ("signed", "good"), "unknown": ("signed, signer unknown", "warn"),
                 "refused": ("signature refused", "bad"), "none": ("not signed", "warn")}  # fmt: skip
        marks.append(words[event.signature.state])
    if event.approvals:
        marks.append(("approved", "good"))
    return "".join(f'<span class="mark {kind}">{_text(words)}</span>' for words, kind in marks)


def _other(event: Event) -> Iterator[str]:
    if event.kind == UNREADABLE:
        yield f"<p>{_text(event.problem)}</p>"
        return
    why = [*event.fell_short, *([event.problem] if event.problem else [])]
    yield f"<p>{_text(', '.join(why) or 'no reason on record')}</p>"
    yield f'<p class="soft">bundle <code>{_text(short(event.content_sha256))}</code></p>'


def _released(event: Event) -> Iterator[str]:
    yield f'<p class="soft">by {_text(event.by)}</p>'
    yield f"<ul>{''.join(f'<li>{_text(reason)}</li>' for reason in event.reasons)}</ul>"
    for approval in event.approvals:
        yield f'<p class="good">{_text(approved(approval))}</p>'
    for words in event.loosened:
        yield f'<p class="warn">Loosened since the release before: {_text(words)}</p>'
    head = ("gate", "verdict", "value", "limit", "interval", "why")
    yield f"<details open><summary>{len(event.gates)} gates</summary>{_table(head, map(_gate, event.gates))}</details>"
    rows = (
        f"<tr><th>{_text(name)}</th><td>{f'<code>{_text(value)}</code>' if exact else _text(value)}</td></tr>"
        for name, value, exact in facts(event)
    )
    yield f'<details><summary>Evidence</summary><div class="wide"><table>{"".join(rows)}</table></div></details>'


def _gate(gate: GateResult) -> str:
    colour = {"pass": "good", "fail": "bad", "not applicable": "soft"}.get(gate.verdict, "warn")
    numbers = (wording.number(gate.value), wording.number(gate.limit), wording.ends(gate))
    cells = "".join(f'<td class="number">{_text(text)}</td>' for text in numbers)
    return (
        f'<tr><td title="{_text(gate.rule)}">{_text(gate.name)}</td><td class="{colour}">{_text(gate.verdict)}</td>'
        f"{cells}<td>{_text(gate.reason)}</td></tr>"
    )


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="wide"><table><tr>{cells}</tr>{"".join(rows)}</table></div>'
