"""What serving needs and nothing more: open ``model.onnx``, run it, measure it.

Run as ``python -m weighbridge.evidence.probe model.onnx sample.npz`` in a process of its own, so that memory and
time are those of a server with numpy and onnxruntime, not of the pipeline. Prints one line of JSON.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

OUTPUTS = ("label", "probability")
WARM_UP = 20
MOST_CALLS = 1000
MOST_SECONDS = 2.0
_STRINGS = "tensor(string)"


def open_session(model: Path) -> Any:
    """Return a session on one thread of the CPU, so that the same rows give the same bits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def takes_text(node: Any) -> bool:
    """Return whether a session's input is text; the others are float32."""
    return bool(node.type == _STRINGS)


def run(session: Any, feed: Mapping[str, Any]) -> Any:
    """Return the probability output for *feed*: by input name, arrays [n, 1]."""
    return session.run(OUTPUTS, feed)[1]


def peak_memory_mib() -> float:
    """Return the most memory this process has held, in MiB.

    Linux counts the parent's memory into a child's ``ru_maxrss`` when it is forked from it, so the process's own
    high-water mark is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    import resource

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _sample(path: Path, session: Any) -> dict[str, Any]:
    """Return the rows to feed: array ``c<i>`` of the file is the session's input i."""
    with np.load(path, allow_pickle=False) as arrays:
        return {
            node.name: arrays[f"c{i}"].astype(object if takes_text(node) else np.float32)
            for i, node in enumerate(session.get_inputs())
        }


def _latencies_ms(session: Any, sample: Mapping[str, Any], rows: int) -> list[float]:
    """Time calls of one row each, after a warm-up, for at most :data:`MOST_SECONDS`."""
    feeds = [{name: column[i : i + 1] for name, column in sample.items()} for i in range(min(rows, MOST_CALLS))]
    for i in range(WARM_UP):
        run(session, feeds[i % len(feeds)])
    taken: list[float] = []
    end = time.perf_counter() + MOST_SECONDS
    while len(taken) < MOST_CALLS and (not taken or time.perf_counter() < end):
        feed = feeds[len(taken) % len(feeds)]
        start = time.perf_counter_ns()
        run(session, feed)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


def _rows_per_second(session: Any, sample: Mapping[str, Any], rows: int) -> float:
    """Return the throughput on the whole sample as one batch: the best of up to five runs within the time."""
    best = 0.0
    end = time.perf_counter() + MOST_SECONDS
    for _ in range(5):
        start = time.perf_counter()
        run(session, sample)
        best = max(best, rows / (time.perf_counter() - start))
        if time.perf_counter() > end:
            break
    return best


def main(arguments: Sequence[str]) -> dict[str, float]:
    """Measure the model at *arguments*[0] on the sample at *arguments*[1]."""
    start = time.perf_counter()
    session = open_session(Path(arguments[0]))
    load_seconds = time.perf_counter() - start
    sample = _sample(Path(arguments[1]), session)
    rows = len(next(iter(sample.values())))
    latencies = np.percentile(_latencies_ms(session, sample, rows), [50, 95, 99])
    throughput = _rows_per_second(session, sample, rows)
    return {
        "latency_ms_p50": float(latencies[0]),
        "latency_ms_p95": float(latencies[1]),
        "latency_ms_p99": float(latencies[2]),
        "rows_per_second": throughput,
        "load_seconds": load_seconds,
        "peak_memory_mib": peak_memory_mib(),
        "size_mib": Path(arguments[0]).stat().st_size / 1024**2,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201 - the answer to the process that started this one
