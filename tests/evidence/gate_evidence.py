"""Evidence for gates: made rows with two models of known quality, and records of a bundle that is in order."""

import dataclasses
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from flights_sample import make_manifest, make_packaged, make_weighing

from weighbridge import documents, manifest, settings
from weighbridge.evidence import gates
from weighbridge.evidence.gates import Evidence
from weighbridge.evidence.rows import Rows
from weighbridge.settings import GateFile

replace = msgspec.structs.replace
RELEASE = "flights@v1.0.0"
SITES = ("north", "south", "east", "west")
SERVING = make_weighing().serving


def interval(value: float, low: float, high: float) -> manifest.Interval:
    return manifest.Interval(value=value, low=low, high=high)


def logistic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def make_rows(rows: int = 4000, *, noise: float = 0.3, old_noise: float | None = 0.3, seed: int = 1) -> Rows:
    """Return binary rows; a model with more *noise* is worse, and without *old_noise* there is no earlier release.

    Columns are ``day`` (40 groups of about equal size), ``site`` (four values), and ``shop`` (one row in a hundred is
    of a shop of its own).
    """
    random = np.random.default_rng(seed)
    truth = random.normal(-0.5, 1.5, rows)
    y = (random.random(rows) < logistic(truth)).astype(np.int64)
    new = logistic(truth + noise * random.normal(size=rows))
    old = logistic(truth + (old_noise or 0.0) * random.normal(size=rows))
    shops = np.where(random.random(rows) < 0.01, np.char.add("small", np.arange(rows).astype(str)), "main")
    return Rows(
        task="binary",
        y=y,
        new=new,
        old=None if old_noise is None else old,
        thresholds=(0.5, 0.5),
        columns={
            "day": np.char.add("day", random.integers(0, 40, rows).astype(str)),
            "site": np.array(SITES)[random.integers(0, 4, rows)],
            "shop": shops,
        },
    )


def make_comparison(**changes: Any) -> manifest.Comparison:
    values: dict[str, Any] = {
        "release": RELEASE,
        "comparable": True,
        "reason": "",
        "metrics": {},
        "changed_decisions": None,
        "serving": SERVING,
    }
    return manifest.Comparison(**values | changes)


def make_evidence(rows: Rows | None = None, resamples: int = 400, **weighing: Any) -> Evidence:
    """Return evidence of *rows*; there is a comparison where they have predictions of the last release."""
    rows = make_rows() if rows is None else rows
    compared = None if rows.old is None else make_comparison()
    return Evidence(
        rows=rows,
        weighing=replace(make_weighing(), **{"comparison": compared, **weighing}),
        packaged=make_packaged(),
        data=make_manifest().data,
        cost=settings.Cost(cpu_hour=0.1, currency="EUR"),
        resamples=resamples,
    )


def judge(gate: settings.Gate, evidence: Evidence | None = None) -> manifest.GateResult:
    """Judge one gate, and see that its result can be recorded."""
    (result,) = gates.judge(GateFile(gates={"it": gate}), make_evidence() if evidence is None else evidence)
    assert documents.typed(documents.parse(documents.dump(result), "r"), manifest.GateResult) == result
    return result


def with_rows(evidence: Evidence, **changes: Any) -> Evidence:
    return dataclasses.replace(evidence, rows=dataclasses.replace(evidence.rows, **changes))
