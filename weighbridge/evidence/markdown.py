"""Markdown from words of others: what stands in a name or a description stays text.

Escaped are HTML, all marks of CommonMark and GitHub's tables, and what begins a line as a heading, a list or a rule.
"""

import html
import re
from collections.abc import Iterable, Sequence

# What moves the cursor, ends a line or turns the direction of reading: none of it shows.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_]))")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_LINE_START = re.compile(r"^([#+-]+(?=\s|$)|[=-]+\s*$)")


def inline(text: str) -> str:
    """Return *text* on one line, such that it shows as it is."""
    line = " ".join(CONTROL.sub(" ", text).split())
    escaped = _MARKS.sub(r"\\\1", html.escape(line, quote=False))
    return _LINE_START.sub(r"\\\1", _NUMBERED.sub(r"\1\\\2", escaped))


def clause(text: str) -> str:
    """Return *text* as :func:`inline` does, without the full stop that the sentence around it has."""
    return inline(text).rstrip(". ")


def paragraphs(text: str) -> str:
    """Return *text* with its paragraphs and its list of ``- `` lines kept, and nothing else of it taken as a mark."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        listed = len(lines) > 0 and all(line.startswith("- ") for line in lines)
        blocks.append("\n".join(f"- {inline(line[2:])}" if listed else inline(line) for line in lines))
    return "\n\n".join(blocks)


def code(text: str) -> str:
    """Return *text* as a code span on one line, in a fence longer than any that it holds; empty for no text."""
    line = " ".join(CONTROL.sub(" ", text).split()).replace("|", "\\|")
    if not line:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def fenced(language: str, text: str) -> str:
    """Return *text* as a code block, in a fence longer than any that it holds."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table of cells that are Markdown already; the columns at the positions *right* are set right."""
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in (head, rule, *rows))
