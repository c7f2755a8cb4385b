"""The model card: what a release is, what it is for, how well it does and where it comes from, for people.

It opens with the front matter that model hubs read; every word of others is escaped, so that none can break out.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weighbridge import documents
from weighbridge.evidence import snippet
from weighbridge.evidence.gate_tables import gate_section
from weighbridge.evidence.markdown import clause, code, fenced, inline, paragraphs, table
from weighbridge.evidence.readme import bundle_readme, interface_tables
from weighbridge.evidence.summary import summary
from weighbridge.evidence.wording import cluster_job, number, percent, signed, span, unknown
from weighbridge.manifest import Comparison, DataSection, Manifest, Noise, TrainingCost, Weighing

__all__ = ["bundle_readme", "card", "front_matter", "summary"]

# The licences that model hubs know by their SPDX name in lower case.
_HUB_LICENCES = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
    "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "eupl-1.2", "unlicense", "isc", "odbl", "bsl-1.0",
}  # fmt: skip
_HUB_METRICS = {
    "brier_score_loss": "brier_score",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "r2": "r_squared",
    "f1_macro": "f1",
}
_MOST_LABELS, _MOST_CLASSES = 20, 20


def card(manifest: Manifest, sample: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Return the model card as Markdown with front matter.

    Args:
        manifest: the release's manifest; every table of the card is made from it.
        sample: input values by column for the snippet, as in ``golden.json``; only the first row is shown.
    """
    blocks = [
        f"---\n{documents.dump(front_matter(manifest))}---",
        f"# {inline(manifest.model_info.name)} {inline(manifest.model_info.version)}",
        paragraphs(manifest.card.description),
        *_purpose(manifest),
        *_use(manifest, sample),
        *interface_tables(manifest.interface),
        *_data(manifest),
        *_training(manifest),
        *_performance(manifest),
        *gate_section(manifest.gates),
        *_lineage(manifest),
        *_hardware(manifest),
        *_reproduction(manifest),
        *_contact(manifest),
    ]
    return "\n\n".join(blocks) + "\n"


def front_matter(manifest: Manifest) -> dict[str, Any]:
    """Return what model hubs read at the top of a card.

    Source: https://huggingface.co/docs/hub/model-cards-metadata (fields), and the ``model-index`` specification there.
    """
    info, kind = manifest.model_info, _hub_task(manifest.performance.test)
    task = {"type": kind, "name": info.task}
    arrays = any(column.shape for column in manifest.interface.inputs)
    data = {
        "type": re.sub(r"[^A-Za-z0-9_.-]+", "-", manifest.data.source).strip("-.")[:96] or "data",
        "name": manifest.data.source,
        "split": "test",
        "revision": manifest.data.raw.sha256,
    }
    metrics = [
        {"type": _HUB_METRICS.get(name, name), "name": name, "value": interval.value, "verified": False}
        for name, interval in manifest.performance.test.metrics.items()
    ]
    return {
        **_licence(manifest.card.licence),
        "library_name": "onnx",
        "pipeline_tag": kind,
        "tags": ["onnx", *([] if arrays else ["tabular"]), "weighbridge", info.framework.name],
        "metrics": [metric["type"] for metric in metrics],
        "model-index": [{"name": info.name, "results": [{"task": task, "dataset": data, "metrics": metrics}]}],
    }


def _hub_task(weighed: Weighing) -> str:
    return "tabular-regression" if weighed.task == "regression" else "tabular-classification"


def _licence(name: str) -> dict[str, str]:
    known = re.sub(r"-(only|or-later)\Z", "", name.strip().lower())
    return {"license": known} if known in _HUB_LICENCES else {"license": "other", "license_name": name}


def _purpose(manifest: Manifest) -> Iterator[str]:
    words = manifest.card
    for title, text in (
        ("Intended use", words.intended_use),
        ("Business requirements", words.business_requirements),
        ("Limitations", words.limitations),
    ):
        yield f"## {title}"
        yield paragraphs(text)


def _use(manifest: Manifest, sample: Mapping[str, Sequence[Any]] | None) -> Iterator[str]:
    info = manifest.model_info
    repository = " ".join(manifest.code.repository.split()) or "."
    tag = f"{info.name}@v{info.version}"
    folder = f"models/{info.name}"
    first = {name: list(values[:1]) for name, values in (sample or {}).items()}
    get = ["dvc", "get", repository, folder, "--rev", tag, "--out", folder]
    yield "## How to use it"
    yield "Get the files (DVC and Git are all it takes):"
    yield fenced("sh", shlex.join(get))
    yield "Then, with `onnxruntime` and `numpy` alone:"
    yield fenced("python", snippet.python(manifest.interface, f"{folder}/model.onnx", first))


def _data(manifest: Manifest) -> Iterator[str]:
    data = manifest.data
    yield "## Data"
    labels = "".join(f", {i} is {inline(label)}" for i, label in enumerate(data.labels[:_MOST_LABELS]))
    more = f" and so on, {len(data.labels)} classes" if len(data.labels) > _MOST_LABELS else ""
    unit = f" in {inline(data.target_unit)}" if data.target_unit else ""
    yield (
        f"{inline(data.source)} (licence: {inline(data.licence)}). {data.rows:,} rows; {data.dropped_rows:,} without "
        f"a target were left out. Target: {code(data.target)}{unit}{labels}{more}. Split: {clause(data.split_rule)}."
        + _folds_and_weight(data)
    )
    yield _splits(data)
    yield from _shares(data)
    yield table(
        ("feature", "type", "unit", "known before the prediction", "missing", "description"),
        [
            (code(feature.name), inline(feature.type), inline(feature.unit), f"{feature.known_hours_before:g} h",
             percent(feature.missing_share), inline(feature.description))
            for feature in data.features
        ],
        right=(3, 4),
    )  # fmt: skip


def _folds_and_weight(data: DataSection) -> str:
    folds = f" {data.folds} folds; the validation rows are those of the first." if data.folds else ""
    return folds + (f" In training a row counts as {code(data.weight)} says." if data.weight else "")


def _splits(data: DataSection) -> str:
    """Return a row for each part: its size, its times, and what its target is like."""
    heads: tuple[str, ...] = ()
    said: dict[str, tuple[str, ...]] = {}
    if data.task == "regression":
        unit = f" ({inline(data.target_unit)})" if data.target_unit else ""
        heads = (f"mean of the target{unit}", "standard deviation")
        said = {name: (number(part.target_mean), number(part.target_deviation)) for name, part in data.splits.items()}
    elif data.task != "multiclass":
        heads = (f"share of {inline(data.labels[-1] if data.labels else '1')}",)
        said = {name: (_share(part.target_rate),) for name, part in data.splits.items()}
    columns = {
        "split": [inline(name) for name in data.splits],
        "rows": [f"{part.rows:,}" for part in data.splits.values()],
        "groups": [f"{part.groups:,}" if part.groups else "" for part in data.splits.values()],
        "first": [inline(part.first or "") for part in data.splits.values()],
        "last": [inline(part.last or "") for part in data.splits.values()],
        **{head: [said[name][i] for name in data.splits] for i, head in enumerate(heads)},
    }
    kept = {head: cells for head, cells in columns.items() if any(cells)}
    right = [i for i, head in enumerate(kept) if head not in {"split", "first", "last"}]
    return table(tuple(kept), list(zip(*kept.values(), strict=True)), right=right)


def _share(share: float | None) -> str:
    return "" if share is None else percent(share)


def _shares(data: DataSection) -> Iterator[str]:
    """Yield the share of each class in each part; of many classes the most frequent."""
    if data.task != "multiclass":
        return
    train = data.splits["train"].target_shares if "train" in data.splits else {}
    order = sorted(data.labels, key=lambda label: -train.get(label, 0.0))
    shown = order if len(order) <= _MOST_CLASSES else order[: _MOST_CLASSES - 1]
    if len(shown) < len(order):
        yield f"Shares of the {len(shown)} most frequent of {len(order)} classes:"
    yield table(
        ("class", *map(inline, data.splits)),
        [(inline(label), *(_share(part.target_shares.get(label)) for part in data.splits.values())) for label in shown],
        right=range(1, len(data.splits) + 1),
    )


def _training(manifest: Manifest) -> Iterator[str]:
    asked, went, primary = manifest.parameters, manifest.training, manifest.performance.primary
    framework, installed = manifest.model_info.framework, manifest.environment
    system = (
        f"Python {installed.python}, {installed.os}, {installed.libc}, {len(installed.distributions)} distributions"
    )
    time = f"{went.wall_seconds:.1f} s, {went.cpu_seconds:.1f} s of CPU, {went.peak_memory_mib:,.0f} MiB at most"
    rows = [
        ("candidate", code(asked.candidate)),
        ("model", code(asked.model)),
        *((inline(name), code(_plain(value))) for name, value in {**asked.hyperparameters, **asked.fit}.items()),
        ("seed, threads", f"{asked.seed}, {asked.threads}"),
        ("epochs run", f"{went.epochs}, best {went.best_epoch}" if went.epochs else ""),
        ("parameters", f"{manifest.artifacts.parameter_count:,}"),
        ("framework", inline(f"{framework.name} {framework.version}")),
        ("environment", inline(system)),
        ("time and memory", time),
        ("cluster", inline(cluster_job(went))),
        ("all trainings", _cost(manifest.performance.cost)),
    ]
    yield "## How it was trained"
    yield table(("what", "value"), [row for row in rows if row[1]])
    yield f"Chosen on the validation rows by the mean of {code(primary)} over the seeds:"
    yield table(
        ("candidate", "mean", "deviation", "seeds"),
        [
            (code(name), number(score.mean[primary]),
             number(score.deviation[primary]) if primary in score.deviation else "",
             ", ".join(number(seed.metrics[primary]) for seed in score.seeds if primary in seed.metrics))
            for name, score in manifest.performance.selected_from.items() if primary in score.mean
        ],
        right=(1, 2),
    )  # fmt: skip


def _cost(cost: TrainingCost | None) -> str:
    """Return what all trainings behind the release took; those of candidates that were not chosen included."""
    if cost is None:
        return ""
    cpu, wall = cost.cpu_seconds / 3600, cost.wall_seconds / 3600
    return f"{cost.runs:,} runs, {cpu:.3g} CPU hours, {wall:.3g} hours in sum"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _performance(manifest: Manifest) -> Iterator[str]:
    weighed, primary = manifest.performance.test, manifest.performance.primary
    serving, parity = weighed.serving, manifest.performance.parity
    yield "## Performance"
    yield f"`model.onnx`, as it ships, on {_rows(weighed)}; {_intervals(weighed)}."
    yield table(
        ("metric", "value", "interval"),
        [(code(name), number(found.value), span(found)) for name, found in weighed.metrics.items()],
        right=(1,),
    )
    decisions = "" if weighed.task == "regression" else f" and in {parity.changed_decisions} decisions"
    yield (
        f"{_decides(weighed)}`model.onnx` and the native model differ by at most {parity.largest_difference:.1e}"
        f"{decisions} over {parity.rows:,} rows."
    )
    yield from _noise(manifest.performance.noise)
    yield (
        f"One row takes {serving.latency_ms_p50:.3g} ms (99 % within {serving.latency_ms_p99:.3g} ms) on one thread, a "
        f"batch {serving.rows_per_second:,.0f} rows a second; it loads in {serving.load_seconds:.2g} s, needs "
        f"{serving.peak_memory_mib:,.0f} MiB of memory and {serving.size_mib:.2g} MiB on disk."
    )
    yield from _slices(weighed, primary)
    yield "### Against the last release"
    yield from _comparison(weighed.comparison, regression=weighed.task == "regression")


def _decides(weighed: Weighing) -> str:
    if weighed.task == "regression":
        return ""
    found = weighed.calibration
    said = (
        f"Probabilities are {100 * found.expected_calibration_error:.1f} percentage points off on average (expected "
        f"calibration error, {found.bins} bins). "
        if found
        else ""
    )
    if weighed.task == "multiclass":
        return f"{said}The class of the greatest probability is decided. "
    return f"{said}Decisions are made at {weighed.threshold:g}. "


def _noise(noise: Noise | None) -> Iterator[str]:
    if noise is None:
        return
    changed, flipped = noise.changed_decisions, noise.negative_flips
    yield (
        f"Noise floor: another seed alone changes {percent(changed.value)} of the decisions ({percent(changed.low)} "
        f"to {percent(changed.high)} over {noise.pairs:,} pairs of {noise.seeds} seeds, validation rows), and turns "
        f"{percent(flipped.value)} from right to wrong."
    )


def _rows(weighed: Weighing) -> str:
    by = f" by {inline(weighed.group_by)}" if weighed.group_by and weighed.group_by != "group" else ""
    grouped = f" in {weighed.groups:,} groups{by}" if weighed.groups else ""
    return f"{weighed.rows:,} test rows{grouped}"


def _intervals(weighed: Weighing) -> str:
    what = "whole groups" if weighed.groups else "rows"
    return f"{percent(weighed.confidence)} intervals from {weighed.resamples:,} bootstrap resamples of {what}"


def _slices(weighed: Weighing, primary: str) -> Iterator[str]:
    if not weighed.slices:
        return
    rows = []
    for part in weighed.slices:
        found = part.metrics.get(primary)
        measured = (number(found.value), span(found)) if found else ("", "not measured")
        rows.append((code(part.column), code(part.value) or "(missing)", f"{part.rows:,}", *measured))
    yield "### Slices"
    lone = "" if weighed.task == "regression" else ", or of one class only"
    yield f"Not measured: slices of too few rows{lone}."
    yield table(("column", "value", "rows", code(primary), "interval"), rows, right=(2, 3))


def _comparison(comparison: Comparison | None, *, regression: bool) -> Iterator[str]:
    if comparison is None:
        yield "The first release: there is nothing to compare it with."
        return
    if not comparison.comparable:
        yield f"Not measured beside {code(comparison.release)}: {clause(comparison.reason)}."
        return
    changed = comparison.changed_decisions
    what = "numbers" if regression else "decisions"
    decisions = f" {percent(changed)} of the {what} differ." if changed is not None else ""
    yield f"On the same rows as {code(comparison.release)}, resampled together.{decisions}"
    if not_known := unknown(comparison):
        yield inline(not_known)
    yield table(
        ("metric", "last release", "difference", "interval"),
        [
            (code(name), number(change.baseline), signed(change.difference.value), span(change.difference))
            for name, change in comparison.metrics.items()
        ],
        right=(1, 2),
    )


def _lineage(manifest: Manifest) -> Iterator[str]:
    lineage = manifest.lineage
    yield "## Where this version comes from"
    after = f"after {code(lineage.previous)}" if lineage.previous else "the first release"
    yield f"{inline(manifest.model_info.version)}: {inline(lineage.bump)}, {after}."
    for title, lines in (
        ("Why", lineage.reasons), ("Data", lineage.data_changes), ("Code", lineage.code_changes)
    ):  # fmt: skip
        if lines:
            yield f"{title}:"
            yield "\n".join(f"- {inline(line)}" for line in lines)


def _hardware(manifest: Manifest) -> Iterator[str]:
    machine = manifest.hardware
    cards = ", ".join(inline(f"{card.name} ({card.memory_mib:,.0f} MiB)") for card in machine.accelerators) or "none"
    yield "## Hardware"
    yield (
        f"Trained on {inline(machine.cpu)}, {machine.cores} cores, {machine.memory_mib:,.0f} MiB of memory, "
        f"accelerators: {cards}. To serve it: {machine.required_memory_mib:,.0f} MiB of memory, accelerator: "
        f"{inline(machine.required_accelerator or 'none')}."
    )


def _reproduction(manifest: Manifest) -> Iterator[str]:
    source, artifacts = manifest.code, manifest.artifacts
    rows = [
        ("commit", code(source.commit)),
        ("repository", inline(source.repository)),
        ("uncommitted files", ", ".join(code(file) for file in source.dirty_files) or "none"),
        ("run", code(manifest.model_info.run)),
        ("raw data, SHA-256", code(manifest.data.raw.sha256)),
        ("test rows, SHA-256", code(manifest.performance.test.test_sha256)),
        ("lock file, SHA-256", code(manifest.environment.lock_sha256)),
        ("bundle, SHA-256", code(artifacts.content_sha256)),
        ("bundle, DVC address", code(artifacts.dvc)),
        *((f"{code(file.path)}, SHA-256", code(file.sha256)) for file in artifacts.files),
    ]
    yield "## To reproduce it"
    yield fenced("sh", f"git checkout {shlex.quote(source.commit)}\ndvc pull\nsnakemake --cores all package")
    yield table(("what", "value"), [row for row in rows if row[1]])


def _contact(manifest: Manifest) -> Iterator[str]:
    words, info = manifest.card, manifest.model_info
    yield "## Licence and contact"
    yield (
        f"Licence of the weights: {inline(words.licence)}. Owner: {inline(words.owner)}, team {inline(info.team)}, "
        f"for {inline(info.project)}. Contact: {clause(words.contact)}."
    )
    yield f"Made {inline(info.created)} by {inline(info.author)}."
