"""The stage: what lies in a project's folders becomes one record, whole and true to the files."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from flights_sample import make_manifest
from small_graph import EFFECTS, save

from weighbridge import documents, manifest, paths, settings
from weighbridge.data import tables
from weighbridge.data.profile import profile
from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError, RecordError
from weighbridge.evidence import serving
from weighbridge.stages import weigh
from weighbridge.tasks import WeighTask

COLUMNS = {"x": Column(type="number", known=1), "c": Column(type="string", known=1)}
SCHEMA = Schema(id="key", time="hour", group="day", target="late", labels=("no", "yes"), features=COLUMNS)
CASES = "config/cases.csv"
TASK = WeighTask(
    name="small",
    data_schema="test_weigh_stage:SCHEMA",
    metrics=settings.Metrics(names=("roc_auc", "log_loss"), resamples=200),
    cases=(CASES,),
)
SPLIT = settings.TimeSplit(validation="2026-01-02", test="2026-01-03", end="2026-01-04")
DATA = settings.Data(fetch="p:f", load="p:l", schema="p:s", split=SPLIT, source="s", licence="CC0-1.0")


def rows(seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    n = 600
    x, c = draw.normal(size=n).astype("float32"), draw.choice(["A", "B", ""], n)
    late = draw.random(n) < 1 / (1 + np.exp(-x - np.array([EFFECTS[value] for value in c])))
    hour = pd.date_range(f"2026-0{seed + 1}-01", periods=n, freq="h", tz="UTC")
    keys = [f"{seed}-{i}" for i in range(n)]
    frame = pd.DataFrame({"key": keys, "hour": hour, "day": hour.strftime("%F"), "x": x, "late": late.astype("int8")})
    return frame.assign(c=pd.Series(c, dtype="str"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    parts = {name: rows(seed) for seed, name in enumerate(paths.SPLITS)}
    for name, part in parts.items():
        tables.write_parquet(part, tmp_path / paths.split(name))
    digests = {name: sha256_file(tmp_path / paths.split(name)) for name in parts}
    section = profile(parts, SCHEMA, manifest.Raw(sha256="", dvc="", files=()), DATA, 0, digests)
    documents.write_record(tmp_path / paths.PROFILE, section)
    bundle = tmp_path / paths.bundle("small")
    bundle.mkdir(parents=True)
    model = save(bundle / "model.onnx")
    sample = parts["test"].head(5)
    outputs = [float(value) for value in serving.predict(model, sample)]
    inputs = {"x": sample["x"].tolist(), "c": sample["c"].tolist()}
    documents.write(bundle / "golden.json", json.dumps({"inputs": inputs, "outputs": {"probability": outputs}}))
    documents.write(tmp_path / CASES, "key,x,c,late\nsure,5,A,yes\n")
    return tmp_path


def packaged(root: Path, baseline: str | None = None) -> None:
    scores = manifest.CandidateScore(seeds=(), mean={}, deviation={})
    nothing: dict[str, Any] = {"files": (), "content_sha256": "", "dvc": "", "parameter_count": 0}
    record = manifest.Packaged(
        name="small",
        champion="a",
        seed=0,
        run="a-0",
        primary="roc_auc",
        candidates={"a": scores},
        interface=manifest.Interface(inputs=(), outputs=()),
        artifacts=manifest.Artifacts(**nothing, loaded_memory_mib=None),
        parity=manifest.Parity(rows=0, largest_difference=0.0, changed_decisions=0),
        baseline=baseline,
        same_as=None,
    )
    documents.write_record(root / paths.PACKAGE, record)


def test_all_that_gates_need_is_on_record_before_the_first_release(root: Path) -> None:
    packaged(root)
    found = weigh.run(root, TASK)
    assert found == documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    assert found.predictions_sha256 == sha256_file(root / paths.PREDICTIONS)
    assert found.golden is not None
    assert (found.golden.samples, found.golden.largest_difference) == (5, 0.0)
    assert [(case.id, case.expected, case.found) for case in found.cases] == [("sure", "yes", "yes")]
    assert found.cases_sha256 == {CASES: sha256_file(root / CASES)}
    assert found.graph is not None
    assert (found.comparison, found.drift) == (None, ())


def test_the_same_predictions_are_the_same_bytes(root: Path) -> None:
    packaged(root)
    assert weigh.run(root, TASK).predictions_sha256 == weigh.run(root, TASK).predictions_sha256


def test_damaged_golden_samples_stop_the_weighing(root: Path) -> None:
    packaged(root)
    documents.write(root / paths.bundle("small") / "golden.json", "{")
    with pytest.raises(RecordError, match=r"golden\.json: not golden samples"):
        weigh.run(root, TASK)


def test_a_last_release_without_its_manifest_stops_the_weighing(root: Path) -> None:
    packaged(root, baseline="small@v1.0.0")
    with pytest.raises(RecordError, match=r"results/baseline: no manifest of small@v1\.0\.0; run"):
        weigh.run(root, TASK)


def released(root: Path, data: manifest.DataSection | None = None) -> None:
    """Lay a last release beside the bundle: another model, that decides at 0.4 and records an older onnxruntime."""
    folder = root / paths.BASELINE
    folder.mkdir(parents=True)
    save(folder / "model.onnx", weight=0.5)
    whole = make_manifest()
    change = msgspec.structs.replace
    runtime = manifest.Distribution(name="onnxruntime", version="1.20.0", record_sha256="")
    record = change(
        whole,
        data=data or documents.read_record(root / paths.PROFILE, manifest.DataSection),
        environment=change(whole.environment, distributions=(runtime,)),
        performance=change(whole.performance, test=change(whole.performance.test, threshold=0.4)),
    )
    documents.write_record(folder / "manifest.yaml", record)


def test_the_last_release_is_weighed_beside_as_its_manifest_says(root: Path) -> None:
    packaged(root, baseline="small@v1.0.0")
    released(root)
    found = weigh.run(root, TASK)
    assert found.comparison is not None
    assert (found.comparison.release, found.comparison.comparable) == ("small@v1.0.0", True)
    assert found.comparison.threshold == 0.4
    assert found.comparison.runs_there is True
    assert "small@v1.0.0 records 1.20.0" in found.comparison.runs_there_because
    assert {one.feature: one.psi for one in found.drift} == pytest.approx({"x": 0, "c": 0}, abs=1e-12)
    assert documents.read_record(root / paths.WEIGHING, manifest.Weighing) == found


def test_drift_is_told_of_features_that_both_releases_have(root: Path) -> None:
    packaged(root, baseline="small@v1.0.0")
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    released(root, msgspec.structs.replace(data, features=data.features[:1]))
    assert [one.feature for one in weigh.run(root, TASK).drift] == ["x"]


def test_training_rows_that_were_edited_stop_the_weighing(root: Path) -> None:
    packaged(root, baseline="small@v1.0.0")
    released(root)
    tables.write_parquet(rows(5), root / paths.split("train"))
    with pytest.raises(DataError, match=r"train\.parquet: found sha256"):
        weigh.run(root, TASK)
