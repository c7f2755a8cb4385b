"""Measured numbers as the card and the summary write them."""

from weighbridge.manifest import Interval


def number(value: float | None) -> str:
    """Return four figures, below one four decimals, so that metrics line up; nothing for ``None``."""
    if value is None:
        return ""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1 else f"{value:.4g}"  # noqa: PLR2004 - where decimals line up


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{value:+.4f}"


def span(found: Interval) -> str:
    """Return an interval's ends."""
    return f"{number(found.low)} to {number(found.high)}"


def percent(share: float) -> str:
    """Return a share as ``28 %``."""
    return f"{100 * share:.3g} %"
