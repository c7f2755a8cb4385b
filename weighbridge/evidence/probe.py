"""What serving needs and nothing more: open ``model.onnx``, run it, measure it.

Run as ``python -m weighbridge.evidence.probe model.onnx sample.npz`` in a process of its own, so that memory and
time are those of a server with numpy and onnxruntime, not of the pipeline. With a second model and its sample, both
are measured side by side. Prints one line of JSON.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

OUTPUTS = (("label", "probability"), ("prediction",))
"""What a graph gives: of classes a decision and probabilities, of a regression a number."""
WARM_UP = 20
MOST_CALLS = 1000
MOST_SECONDS = 2.0
BRIEF = "--brief"
"""Measure load time and memory, and the rest in a hurry."""
_STRINGS = "tensor(string)"
_BLOCK = 5  # calls of one model before the other's turn
_FEWEST_ROUNDS = 5
_BATCH_SECONDS = 0.05


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


def outputs(session: Any) -> tuple[str, ...] | None:
    """Return the names of a session's outputs, the prediction last; ``None`` where it has others."""
    found = {node.name for node in session.get_outputs()}
    return next((names for names in OUTPUTS if set(names) <= found), None)


def run(session: Any, names: Sequence[str] | None, feed: Mapping[str, Any]) -> Any:
    """Return the last of the outputs *names* for *feed*: by input name, arrays [n, 1] or [n, *shape]."""
    return session.run(names, feed)[-1]


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


def _rows(sample: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the first *count* rows of *sample*, each as a feed of its own."""
    rows = len(next(iter(sample.values())))
    return [{name: column[i : i + 1] for name, column in sample.items()} for i in range(min(rows, count))]


def _latencies_ms(session: Any, sample: Mapping[str, Any], most: int) -> list[float]:
    """Time at most *most* calls of one row each, after a warm-up, for at most :data:`MOST_SECONDS`."""
    feeds, names = _rows(sample, most), outputs(session)
    for i in range(WARM_UP):
        run(session, names, feeds[i % len(feeds)])
    taken: list[float] = []
    end = time.perf_counter() + MOST_SECONDS
    while len(taken) < most and (not taken or time.perf_counter() < end):
        feed = feeds[len(taken) % len(feeds)]
        start = time.perf_counter_ns()
        run(session, names, feed)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


def _rows_per_second(session: Any, sample: Mapping[str, Any], runs: int) -> float:
    """Return the throughput on the whole sample as one batch: the best of up to *runs* runs within the time."""
    rows, names = len(next(iter(sample.values()))), outputs(session)
    best = 0.0
    end = time.perf_counter() + MOST_SECONDS
    for _ in range(runs):
        start = time.perf_counter()
        run(session, names, sample)
        best = max(best, rows / (time.perf_counter() - start))
        if time.perf_counter() > end:
            break
    return best


def alone(model: Path, sample_path: Path, *, brief: bool = False) -> dict[str, float]:
    """Return what serving *model* costs, by the names of the record."""
    start = time.perf_counter()
    session = open_session(model)
    load_seconds = time.perf_counter() - start
    sample = _sample(sample_path, session)
    latencies = np.percentile(_latencies_ms(session, sample, WARM_UP if brief else MOST_CALLS), [50, 95, 99])
    throughput = _rows_per_second(session, sample, 1 if brief else 5)
    return {
        "latency_ms_p50": float(latencies[0]),
        "latency_ms_p95": float(latencies[1]),
        "latency_ms_p99": float(latencies[2]),
        "rows_per_second": throughput,
        "load_seconds": load_seconds,
        "peak_memory_mib": peak_memory_mib(),
        "size_mib": model.stat().st_size / 1024**2,
    }


Rounds = list[list[float]]
"""Times in milliseconds by round."""


def alternate(sides: Sequence[Callable[[], Any]], rounds: int, block: int) -> list[Rounds]:
    """Return each of two sides' times, measured in turns: new, old, old, new, and the other way about next time.

    What makes the machine slow for a while, or ever slower, is then shared by both. A turn is *block* calls; there
    are at most *rounds* rounds within :data:`MOST_SECONDS`, and at least a few whatever the time.
    """
    times: list[Rounds] = [[], []]
    end = time.perf_counter() + MOST_SECONDS
    for number in range(rounds):
        if number >= min(_FEWEST_ROUNDS, rounds) and time.perf_counter() > end:
            break
        for side in times:
            side.append([])
        for turn in ((0, 1, 1, 0), (1, 0, 0, 1))[number % 2]:
            for _ in range(block):
                start = time.perf_counter_ns()
                sides[turn]()
                times[turn][-1].append((time.perf_counter_ns() - start) / 1e6)
    return times


def beside(models: Sequence[Path], samples: Sequence[Path]) -> dict[str, Any]:
    """Return the times in milliseconds of two models, measured in turns in this process.

    The result names ``latency`` (of one row), ``batch`` (of ``batch_rows`` rows) and ``load``, each a list of rounds
    for each model.
    """
    sessions = [open_session(model) for model in models]
    feeds = [_sample(path, session) for path, session in zip(samples, sessions, strict=True)]
    rows = _batch_rows(sessions, feeds)
    batches = [{name: column[:rows] for name, column in feed.items()} for feed in feeds]
    return {
        "batch_rows": rows,
        "latency": alternate([_one_row(*pair) for pair in zip(sessions, feeds, strict=True)], 300, _BLOCK),
        "batch": alternate([_whole(*pair) for pair in zip(sessions, batches, strict=True)], 20, 1),
        "load": alternate([_load(model) for model in models], 20, 1),
    }


def _one_row(session: Any, sample: Mapping[str, Any]) -> Callable[[], Any]:
    """Return a call that feeds the next row each time, warmed up."""
    feeds, names = itertools.cycle(_rows(sample, MOST_CALLS)), outputs(session)
    for _ in range(WARM_UP):
        run(session, names, next(feeds))
    return lambda: run(session, names, next(feeds))


def _whole(session: Any, sample: Mapping[str, Any]) -> Callable[[], Any]:
    names = outputs(session)
    return lambda: run(session, names, sample)


def _load(model: Path) -> Callable[[], Any]:
    return lambda: open_session(model)


def _batch_rows(sessions: Sequence[Any], feeds: Sequence[Mapping[str, Any]]) -> int:
    """Return how many rows make a batch: all, or fewer where the slower model would take long."""
    rows = len(next(iter(feeds[0].values())))
    few = min(rows, 200)
    slowest = 0.0
    for session, feed in zip(sessions, feeds, strict=True):
        part = {name: column[:few] for name, column in feed.items()}
        whole = _whole(session, part)
        whole()
        start = time.perf_counter()
        whole()
        slowest = max(slowest, time.perf_counter() - start)
    return max(few, min(rows, int(few * _BATCH_SECONDS / slowest)))


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """Measure the model at *arguments*[0] on the sample at *arguments*[1]; two such pairs side by side."""
    if len(arguments) == 4:  # noqa: PLR2004 - two pairs
        model, sample, other, its_sample = map(Path, arguments)
        return beside([model, other], [sample, its_sample])
    return alone(Path(arguments[0]), Path(arguments[1]), brief=BRIEF in arguments)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))  # noqa: T201 - the answer to the process that started this one
