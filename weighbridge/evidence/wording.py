"""Measured numbers as the card, the summary and the verdict's page write them."""

from weighbridge.manifest import Comparison, GatePart, GateResult, Interval, Training

UNLIKE = "can't be compared with"
"""Said of a last release that predicts something else, so that no rows would make the two comparable."""
_FEW = 10  # labels that are told
_SMALL, _LARGE, _HUGE = 10, 1e4, 1e12  # from where four decimals, four figures and all figures are too many


def number(value: float | None) -> str:
    """Return four figures, below one four decimals, so that metrics line up; nothing for ``None``."""
    if value is None:
        return ""
    value += 0.0  # no zero below zero
    if _LARGE <= abs(value) < _HUGE:
        return f"{value:,.0f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1 else f"{value:.4g}"  # noqa: PLR2004 - where decimals line up


def signed(value: float) -> str:
    """Return a difference with its sign."""
    sign = "-" if value < 0 else "+"
    return f"{value:+.4f}" if abs(value) < _SMALL else f"{sign}{number(abs(value))}"


def span(found: Interval) -> str:
    """Return an interval's ends."""
    return f"{number(found.low)} to {number(found.high)}"


def percent(share: float) -> str:
    """Return a share as ``28 %``."""
    return f"{100 * share:.3g} %"


def difference(result: GateResult | GatePart) -> str:
    """Return what was compared with the last release: a difference with its sign, of a budget a ratio."""
    if result.difference is None:
        return ""
    if isinstance(result, GateResult) and result.kind == "budget":
        return f"{result.difference:.3g} times"
    return signed(result.difference)


def ends(result: GateResult | GatePart) -> str:
    """Return the ends of the interval that a gate is judged by; empty where there is none."""
    if result.low is None or result.high is None:
        return ""
    return f"{number(result.low)} to {number(result.high)}"


def unknown(comparison: Comparison | None) -> str:
    """Return on which classes a comparison rests that the last release couldn't name; empty where on none."""
    if comparison is None or not comparison.unknown_labels:
        return ""
    labels = comparison.unknown_labels
    more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
    return (
        f"The comparison counts classes that {comparison.release} couldn't name, {', '.join(labels[:_FEW])}{more}: by "
        "it their probability is 0, so it calls their rows something else."
    )


def count(rows: int | None) -> str:
    """Return a number of rows; empty where there is none."""
    return "" if rows is None else f"{rows:,}"


def cluster_job(training: Training) -> str:
    """Return in which cluster's job it was trained, and what that asked for and used; empty outside of a cluster."""
    job = training.cluster
    if job is None:
        return ""
    nodes = f"{', '.join(job.nodes[:_FEW])}{f' and {len(job.nodes) - _FEW} more' if len(job.nodes) > _FEW else ''}"
    parts = [
        f"{job.scheduler} job {job.job}{f' on {nodes}' if nodes else ''}",
        f"partition {job.partition}" if job.partition else "",
        f"asked for {job.memory_mib:,.0f} MiB, itself used {training.peak_memory_mib:,.0f}" if job.memory_mib else "",
        f"asked for {job.limit_seconds / 60:.0f} min, took {training.wall_seconds / 60:.1f}"
        if job.limit_seconds
        else "",
        f"{job.cpus} CPU{'s' * (job.cpus > 1)}" if job.cpus else "",
        f"{job.gpus} GPU{'s' * (job.gpus > 1)}" if job.gpus else "",
        f"started {job.restarts + 1} times" if job.restarts else "",
    ]
    return "; ".join(filter(None, parts))
