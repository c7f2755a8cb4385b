"""The bundle as it ships: predictions of ``model.onnx``, and what serving it costs.

No schema, no training code, no pipeline: the graph itself names its inputs and their types. That is why an old
release still runs beside a new one, years later.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

import weighbridge
from weighbridge.data import columns
from weighbridge.errors import DataError, ModelError
from weighbridge.evidence import feeding, probe, ratios
from weighbridge.evidence.metrics import Floats
from weighbridge.manifest import Interval, Serving

BATCH = 8192
SAMPLE_ROWS = 5000
_FLOATS = "tensor(float)"
_STRINGS = "tensor(string)"
_PROBE_SECONDS = 600
_TABLE = 2  # dimensions


def predict(onnx: Path, rows: feeding.Rows, *, batch: int = BATCH) -> Floats:
    """Return what the graph predicts of each row, as float64.

    Of two classes it is the probability of class 1, [n]; of several that of each, [n, k]; of a regression the number,
    [n]. Columns are taken by the names of the graph's inputs, others are ignored; missing numbers are fed as NaN,
    missing text as "", arrays in their shape. The graph runs on one thread, *batch* rows at a time.

    Raises:
        DataError: where *rows* lack inputs, a number column holds text, arrays have another shape, or there are none.
        ModelError: where the file isn't a model with outputs ``label`` and ``probability``, or ``prediction``, or
            fails to run.
    """
    session = _session(onnx)
    found = [
        _prediction(onnx, session, _feed(session, part.iloc[start : start + batch]))
        for part in feeding.parts(rows)
        for start in range(0, len(part), batch)
    ]
    if not found:
        raise DataError("found no rows to predict; expected at least one")
    return np.concatenate(found)


def inputs(onnx: Path) -> list[str]:
    """Return the names of the graph's inputs.

    Raises:
        ModelError: as :func:`predict`.
    """
    return [node.name for node in _session(onnx).get_inputs()]


def measure(onnx: Path, sample: feeding.Rows) -> Serving:
    """Return what serving costs, measured on the rows of *sample* in a fresh process with only numpy and onnxruntime.

    At most :data:`SAMPLE_ROWS` rows are used, evenly spread. Latency is of one row a call, conversion of inputs
    not included; load time is that of opening the model; memory is the peak of the whole process in MiB.

    Raises:
        DataError: as :func:`predict`.
        ModelError: where the process fails, or takes more than ten minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = _sample(onnx, sample, Path(folder) / "sample.npz")
        return msgspec.json.decode(_probed(onnx, str(onnx.resolve()), str(path)), type=Serving)


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Two models' costs, and the ratios of their times: new over old."""

    new: Serving
    old: Serving
    ratios: dict[str, Interval]


class _Times(msgspec.Struct, frozen=True):
    """Milliseconds, as the probe says them: for the new and the old model a list of rounds."""

    batch_rows: int
    latency: tuple[list[list[float]], list[list[float]]]
    batch: tuple[list[list[float]], list[list[float]]]
    load: tuple[list[list[float]], list[list[float]]]


def measure_beside(new: Path, old: Path, sample: feeding.Rows) -> Beside:
    """Return what serving two models costs, on the same rows and side by side, so that a busy machine cancels out.

    Load time and memory are each model's own, in a process of its own; the other times are taken in one process, in
    turns. The ratios' intervals, of 90 %, are over rounds of these turns.

    Raises:
        DataError: as :func:`predict`.
        ModelError: as :func:`measure`.
    """
    models, sample = (new, old), feeding.spread(sample, SAMPLE_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        samples = [_sample(model, sample, Path(folder) / f"{i}.npz") for i, model in enumerate(models)]
        pairs = [(str(model.resolve()), str(path)) for model, path in zip(models, samples, strict=True)]
        bare = [
            msgspec.json.decode(_probed(model, *pair, probe.BRIEF), type=Serving)
            for model, pair in zip(models, pairs, strict=True)
        ]
        times = msgspec.json.decode(_probed(new, *pairs[0], *pairs[1]), type=_Times)
    found = [_timed(bare[i], times, i) for i in range(2)]
    return Beside(new=found[0], old=found[1], ratios=ratios.of_times(times.latency, times.batch, times.load))


def _timed(bare: Serving, times: _Times, side: int) -> Serving:
    """Return *bare* with the times that were taken in turns."""
    latencies = np.percentile(np.concatenate(times.latency[side]), [50, 95, 99])
    return msgspec.structs.replace(
        bare,
        latency_ms_p50=float(latencies[0]),
        latency_ms_p95=float(latencies[1]),
        latency_ms_p99=float(latencies[2]),
        rows_per_second=times.batch_rows / (float(np.concatenate(times.batch[side]).min()) / 1000),
    )


def _sample(onnx: Path, sample: feeding.Rows, path: Path) -> Path:
    """Write the model's inputs of some rows to *path*."""
    feed = _feed(_session(onnx), feeding.spread(sample, SAMPLE_ROWS))
    # Text as fixed-width unicode: arrays of objects would need pickle.
    arrays: dict[str, Any] = {f"c{i}": _storable(column) for i, column in enumerate(feed.values())}
    np.savez(path, **arrays)
    return path


def _probed(onnx: Path, *arguments: str) -> str:
    """Return what the probe says of *onnx*."""
    command = [sys.executable, "-m", probe.__name__, *arguments]
    root = Path(weighbridge.__file__).resolve().parent.parent  # where the module is found, installed or not
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by this interpreter
            command, cwd=root, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{onnx}: not measured within {_PROBE_SECONDS} s; expected a model that answers") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"{onnx}: measuring it failed with exit code {done.returncode}: {last}")
    return done.stdout


def _storable(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return column.astype(str) if column.dtype == object else column


def _session(onnx: Path) -> Any:
    if not onnx.is_file():
        raise ModelError(f"{onnx}: no such file; package the model first, or fetch it with dvc")
    try:
        session = probe.open_session(onnx)
    except Exception as problem:  # noqa: BLE001 - onnxruntime raises one class a status code, without a common base
        raise ModelError(f"{onnx}: onnxruntime can't load it: {_first_line(problem)}") from None
    if probe.outputs(session) is None:
        found = [node.name for node in session.get_outputs()]
        expected = " or ".join(str(list(names)) for names in probe.OUTPUTS)
        raise ModelError(f"{onnx}: found outputs {found}; expected {expected}. Export the model again")
    other = [f"{node.name} ({node.type})" for node in session.get_inputs() if node.type not in {_FLOATS, _STRINGS}]
    if other or not session.get_inputs():
        raise ModelError(f"{onnx}: found inputs {other}; expected float32 or string ones. Export the model again")
    return session


def _feed(session: Any, frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """Return the session's inputs by name, [n, 1] or of an array [n, *shape]."""
    nodes = session.get_inputs()
    missing = [node.name for node in nodes if node.name not in frame.columns]
    if missing:
        raise DataError(
            f"the rows lack {len(missing)} of the model's {len(nodes)} inputs: {', '.join(missing)}; "
            f"found {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise DataError("found no rows to predict; expected at least one")
    return {node.name: _column(node, frame[node.name]) for node in nodes}


def _column(node: Any, column: "pd.Series[Any]") -> npt.NDArray[Any]:
    if probe.takes_text(node):
        text = column.astype(object).where(column.notna(), "")
        return np.array([str(value) for value in text], dtype=object).reshape(-1, 1)
    shape = tuple(node.shape[1:])
    if columns.is_array(column) or shape not in {(), (1,)}:
        return _arrays(node.name, column, shape)
    try:
        numbers: npt.NDArray[np.float32] = column.to_numpy(dtype=np.float32, na_value=np.nan)
    except (TypeError, ValueError) as problem:
        raise DataError(f"column {node.name}: expected numbers, found {column.dtype}: {problem}") from None
    return numbers.reshape(-1, 1)


def _arrays(name: str, column: "pd.Series[Any]", shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return flat arrays in the shape that the graph takes."""
    try:
        found = np.stack([np.asarray(value, dtype=np.float32) for value in column])
        return found.reshape(len(column), *shape)
    except (TypeError, ValueError) as problem:
        raise DataError(f"column {name}: expected arrays of shape {shape}, found {column.dtype}: {problem}") from None


def _prediction(onnx: Path, session: Any, feed: Mapping[str, npt.NDArray[Any]]) -> Floats:
    names = probe.outputs(session)
    try:
        found: Floats = np.asarray(probe.run(session, names, feed), dtype=np.float64)
    except Exception as problem:  # noqa: BLE001 - as above
        raise ModelError(f"{onnx}: onnxruntime can't run it on these rows: {_first_line(problem)}") from None
    rows, name = len(next(iter(feed.values()))), names[-1] if names else ""
    each_class = found.ndim == _TABLE and found.shape[1] > 1 and name == "probability"
    if found.shape != (rows,) and not (each_class and len(found) == rows):
        raise ModelError(f"{onnx}: {name} has shape {found.shape} for {rows} rows; expected one number a row")
    return found


def _first_line(problem: Exception) -> str:
    lines: Sequence[str] = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
