"""show: the manifest of a release, or the record of a run, as text, YAML, JSON or protobuf."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from weighbridge import documents, formats
from weighbridge.errors import RecordError, SettingsError, SetupError
from weighbridge.evidence import wording
from weighbridge.manifest import DataSection, Input, Manifest, Output, RunRecord, Split, Training
from weighbridge.views import reference
from weighbridge.views.columns import aligned, files, number, printable, short, thousands, words

Format = Literal["text", "yaml", "json", "proto"]
Rows = list[tuple[str, ...]]
_MOST_CLASSES, _MOST_SHARES = 10, 5


def show(root: Path, ref: str, format: Format = "text", output: Path | None = None) -> None:  # noqa: A002 - as the option
    """Print what *ref* names, or write it to *output*.

    ``yaml`` is the very bytes of the document; ``json`` and ``proto`` read back to the same document.

    Raises:
        SettingsError: where *ref* names nothing, or protobuf is asked for what has none, or on a terminal.
        RecordError: where the document is damaged.
        SetupError: where *output* can't be written.
    """
    found = reference.resolve(root, ref)
    if format == "text" and output is None and sys.stdout.isatty():
        _print(printable(text(found)))
        return
    content = _content(found, format)
    if output is None:
        if format == "proto" and sys.stdout.isatty():
            raise SettingsError("protobuf is binary; give --output FILE, or redirect")
        if sys.stdout.isatty():
            content = printable(content.decode("utf-8", "replace")).encode()
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        documents.write(output, content)
    except OSError as problem:
        raise SetupError(f"{output}: {problem.strerror}; give another --output") from None


def _content(found: reference.Found, format: Format) -> bytes:  # noqa: A002 - as the option
    if format == "yaml":
        return found.content
    if format == "text":
        return (printable(text(found)) + "\n").encode()
    if found.kind == "ledger" and format == "json":
        plain = documents.parse(found.content.decode(), found.source, RecordError).value
        return msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"
    record = found.record()
    if format == "json":
        return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    if not isinstance(record, Manifest):
        raise SettingsError(f"{found.title} is a run; protobuf is for releases. Use --format yaml or json")
    return formats.to_proto(record)


def text(found: reference.Found) -> str:
    """Return a summary for people; a heading stands at the start of a line, what belongs to it is indented."""
    if found.kind == "ledger":
        return f"{found.title}, from {found.source}\n\n{found.content.decode()}".rstrip()
    record = found.record()
    if isinstance(record, Manifest):
        head, sections = f"{found.title}  ({found.source})", _manifest(record)
    else:
        head, sections = f"run {found.title}  ({found.source})", _run(record, found.folder)
    lines = [head]
    for title, rows in sections:
        if rows:
            lines += ["", title, *aligned(rows, indent=2)]
    return "\n".join(lines)


def _print(summary: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in summary.splitlines():
        heading = line and not line.startswith(" ")
        styled = Text(line, style="bold" if heading else "")
        styled.highlight_words(["pass"], "green")
        styled.highlight_words(["fail", "inconclusive"], "red")
        console.print(styled, soft_wrap=True)


def _manifest(m: Manifest) -> Iterator[tuple[str, Rows]]:
    info = m.model_info
    yield (
        "Model",
        [
            ("what", info.description),
            ("project", info.project),
            ("released", f"{info.created} by {info.author}" + (f" ({info.team})" if info.team != info.author else "")),
            ("version", f"{info.version}: {m.lineage.bump}, {'; '.join(m.lineage.reasons)}"),
            ("before it", m.lineage.previous or "none: the first release"),
            ("run", info.run),
            (
                "model",
                f"{m.parameters.candidate}, {m.parameters.model} ({info.framework.name} {info.framework.version})",
            ),
            ("parameters", words(m.parameters.hyperparameters)),
        ],
    )
    yield "Test metrics", _metrics(m)
    yield (
        f"Gates: {m.gates.verdict}",
        [
            (gate.name, gate.verdict, gate.rule, "" if gate.value is None else number(gate.value), gate.reason)
            for gate in m.gates.results
        ],
    )
    yield "Serving", _serving(m)
    yield "Data", _data(m)
    yield (
        "Interface",
        [
            *(("input", field.name, _type(field), field.unit) for field in m.interface.inputs),
            *(("output", field.name, _type(field), ", ".join(field.labels)) for field in m.interface.outputs),
        ],
    )
    yield "Made by", _origin(m)
    yield (
        "Artifacts",
        [(file.path, file.role, f"{thousands(file.bytes)} bytes", short(file.sha256)) for file in m.artifacts.files],
    )
    card = m.card
    yield (
        "Card",
        [
            ("for", card.intended_use),
            ("needed", card.business_requirements),
            ("limits", card.limitations),
            ("owner", f"{card.owner}, {card.contact}"),
            ("licence", card.licence),
        ],
    )


def _type(field: Input | Output) -> str:
    return f"{field.type} ({', '.join(map(str, field.shape))})" if field.shape else field.type


def _metrics(m: Manifest) -> Rows:
    test = m.performance.test
    changes = test.comparison.metrics if test.comparison else {}
    rows: Rows = [("metric", "value", f"{test.confidence:.0%} interval", "against the last release")]
    for name, found in test.metrics.items():
        change = changes.get(name)
        against = (
            f"{wording.signed(change.difference.value)} ({wording.signed(change.difference.low)} to "
            f"{wording.signed(change.difference.high)})"
            if change
            else ""
        )
        mark = " (primary)" if name == m.performance.primary else ""
        rows.append((f"{name}{mark}", wording.number(found.value), wording.span(found), against))
    if test.comparison and not test.comparison.comparable:
        rows.append(("not compared", "", "", test.comparison.reason))
    return rows


def _serving(m: Manifest) -> Rows:
    serving, parity = m.performance.test.serving, m.performance.parity
    latency = (serving.latency_ms_p50, serving.latency_ms_p95, serving.latency_ms_p99)
    agreement = f"largest difference {parity.largest_difference:.2g} over {thousands(parity.rows)} rows"
    decided = "" if m.performance.test.task == "regression" else f", {parity.changed_decisions} decided otherwise"
    return [
        ("one row", " / ".join(f"{value:.3g}" for value in latency) + " ms (p50 / p95 / p99)"),
        ("in batches", f"{serving.rows_per_second:,.0f} rows a second"),
        ("to load", f"{serving.load_seconds:.3g} s, {serving.peak_memory_mib:.0f} MiB at the peak"),
        ("on disk", f"{serving.size_mib:.3g} MiB, {thousands(m.artifacts.parameter_count)} parameters"),
        ("against native", agreement + decided),
    ]


def _data(m: Manifest) -> Rows:
    data = m.data
    failed = [check.name for check in data.checks if not check.passed]
    return [
        ("source", f"{data.source} ({data.licence})"),
        ("raw", f"{short(data.raw.sha256)}, {files(len(data.raw.files))}"),
        ("rows", f"{thousands(data.rows)}; {thousands(data.dropped_rows)} dropped"),
        ("split", data.split_rule),
        ("target", _target(data)),
        *((name, _part(split, data)) for name, split in data.splits.items()),
        ("checks", f"{len(data.checks)} made, {words(failed)} failed"),
    ]


def _target(data: DataSection) -> str:
    labels = data.labels if len(data.labels) <= _MOST_CLASSES else (*data.labels[:_MOST_CLASSES], "…")
    said = {"regression": f"a number{f' in {data.target_unit}' * bool(data.target_unit)}"}.get(
        data.task, f"{len(data.labels)} classes: {', '.join(labels)}"
    )
    weight = f"; rows weighted by {data.weight}" if data.weight else ""
    return f"{data.target}, {said}{weight}"


def _part(split: Split, data: DataSection) -> str:
    parts = [
        f"{thousands(split.rows)} rows",
        f"{split.first} to {split.last}" if split.first else "",
        _shares(split, data),
    ]
    return ", ".join(filter(None, parts))


def _shares(split: Split, data: DataSection) -> str:
    """Return what the target of a part is like."""
    if split.target_rate is not None:
        return f"{split.target_rate:.1%} {words(data.labels[-1:])}"
    if split.target_mean is not None and split.target_deviation is not None:
        mean, deviation = wording.number(split.target_mean), wording.number(split.target_deviation)
        return f"mean {mean}, deviation {deviation} {data.target_unit}".rstrip()
    order = sorted(split.target_shares, key=lambda label: -split.target_shares[label])
    shown = [f"{split.target_shares[label]:.1%} {label}" for label in order[:_MOST_SHARES]]
    return ", ".join([*shown, *(["…"] if len(order) > _MOST_SHARES else [])])


def _origin(m: Manifest) -> Rows:
    code, environment, machine, training = m.code, m.environment, m.hardware, m.training
    accelerators = words([one.name for one in machine.accelerators])
    return [
        ("commit", f"{code.commit[:12]} on {code.branch or 'no branch'}, uncommitted: {words(code.dirty_files)}"),
        ("repository", words(code.repository)),
        ("environment", f"{environment.python}, {len(environment.distributions)} distributions, {environment.os}"),
        (
            "machine",
            f"{machine.cpu}, {machine.cores} cores, {machine.memory_mib:.0f} MiB, accelerators: {accelerators}",
        ),
        ("training", _training(training, m.parameters.seed)),
        *_cluster(training),
    ]


def _training(training: Training, seed: int) -> str:
    wall, cpu, memory = training.wall_seconds, training.cpu_seconds, training.peak_memory_mib
    resumed = f", went on from {training.resumed_from.partition(',')[0]}" if training.resumed_from else ""
    restored = f", restored from the record {training.restored_from[:12]}" if training.restored_from else ""
    return f"{wall:.1f} s, {cpu:.1f} s of processor, {memory:.0f} MiB at the peak, seed {seed}{resumed}{restored}"


def _cluster(training: Training) -> Rows:
    said = wording.cluster_job(training)
    return [("cluster", said)] if said else []


def _run(run: RunRecord, folder: Path | None) -> Iterator[tuple[str, Rows]]:
    training, asked = run.training, run.parameters
    yield (
        "Run",
        [
            ("candidate", f"{asked.candidate}, {asked.model} ({run.framework.name} {run.framework.version})"),
            ("parameters", words(asked.hyperparameters)),
            ("training", _training(training, asked.seed)),
            *_cluster(training),
            ("when", f"{training.started} to {training.ended} on {training.host}"),
            ("epochs", f"{words(training.epochs)}, best {words(training.best_epoch)}"),
            ("learned", f"{thousands(run.parameter_count)} parameters"),
            ("environment", f"{run.environment.python}, {len(run.environment.distributions)} distributions"),
        ],
    )
    measured = reference.validation(run, folder)
    yield "Validation metrics", [(name, wording.number(value)) for name, value in measured.items()]
    yield "Files", [(file.path, f"{thousands(file.bytes)} bytes", short(file.sha256)) for file in run.files]
