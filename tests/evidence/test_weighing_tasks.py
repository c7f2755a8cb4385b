"""Models of several classes and of numbers, weighed, judged and repeated as those of two classes are."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from gate_evidence import make_evidence
from small_graph import save, save_classes, save_number

from weighbridge import settings
from weighbridge.data import tables
from weighbridge.data.schema import Column, Schema
from weighbridge.errors import DataError, ModelError, RecordError, SettingsError
from weighbridge.evidence import catalogue, feeding, gates, golden, metrics, noise, predictions, serving, weighing
from weighbridge.evidence.rows import Rows
from weighbridge.evidence.weighing import Baseline
from weighbridge.manifest import Golden, Weighing
from weighbridge.settings import Absolute, CalibrationGate, Change, Churn, GateFile, Slices

LABELS = ("low", "middle", "high")
X = Column(type="number")
CLASSES = Schema(
    id="key",
    target="kind",
    labels=LABELS,
    features={"x": X, "image": Column(type="array", shape=(2, 3)), "site": Column(type="string")},
)
NUMBERS = Schema(id="key", target="amount", group="day", features={"x": X, "site": Column(type="string")})


def wanted(task: str, **others: Any) -> settings.Metrics:
    return settings.Metrics(names=catalogue.USUAL[task], resamples=200, **others)


def rows(task: str, n: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(3)
    x = random.normal(size=n).astype(np.float32)
    image = random.normal(size=(n, 6)).astype(np.float32)
    frame = pd.DataFrame({"key": [f"r{i:03d}" for i in range(n)], "x": x, "site": random.choice(["a", "b"], n)})
    if task == "regression":
        return frame.assign(amount=2 * x + random.normal(size=n), day=[f"d{i % 30}" for i in range(n)])
    score = image[:, :3] + x[:, np.newaxis] * np.arange(3)
    chances = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    kind = (random.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=2)
    return frame.assign(image=list(image), kind=kind.astype("int8"))


def weigh(onnx: Path, test: pd.DataFrame, schema: Schema, **others: Any) -> tuple[Weighing, pd.DataFrame]:
    given = {"metrics": wanted(schema.task), "content_sha256": "a" * 64, "test_sha256": "b" * 64, **others}
    return weighing.weigh(onnx=onnx, test=test, schema=schema, **given)


def test_several_classes_are_weighed_beside_the_last_release(tmp_path: Path) -> None:
    test = rows("multiclass")
    old = save_classes(tmp_path / "old.onnx", sharp=0.2)
    record, table = weigh(
        save_classes(tmp_path / "new.onnx"), test, CLASSES, baseline=Baseline("m@v1.0.0", old, labels=LABELS)
    )
    found = predictions.arrays(table, "multiclass")
    assert (record.task, record.calibration, found.new.shape) == ("multiclass", None, (900, 3))
    expected = metrics.compute(catalogue.USUAL["multiclass"], test["kind"], found.new, task="multiclass")
    assert {name: each.value for name, each in record.metrics.items()} == pytest.approx(expected)
    comparison = record.comparison
    assert comparison is not None
    assert comparison.comparable
    assert comparison.metrics["log_loss"].difference.high < 0
    assert comparison.changed_decisions == 0, "less sharp, and yet of the same mind"
    assert comparison.changed is not None
    assert comparison.serving is not None


def test_a_class_that_the_last_release_did_not_know_gets_nothing_of_it(tmp_path: Path) -> None:
    test = rows("multiclass")
    old = save_classes(tmp_path / "old.onnx", classes=3)
    before = ("low", "middle", "gone")
    record, table = weigh(old, test, CLASSES, baseline=Baseline("m@v1.0.0", old, labels=before))
    assert record.comparison is not None
    assert record.comparison.comparable
    assert record.comparison.unknown_labels == ("high",)
    found = predictions.arrays(table, "multiclass")
    assert found.old is not None
    assert (found.old[:, 2] == 0).all()
    np.testing.assert_allclose(found.old[:, 0], found.new[:, 0] / found.new[:, :2].sum(axis=1))


def test_a_last_release_of_another_task_is_not_compared(tmp_path: Path) -> None:
    number = save_number(tmp_path / "old.onnx")
    said = "it is a regression and this a multiclass task"
    record, table = weigh(
        save_classes(tmp_path / "new.onnx"),
        rows("multiclass"),
        CLASSES,
        baseline=Baseline("m@v1.0.0", number, labels=(), unlike=said),
    )
    assert record.comparison is not None
    assert not record.comparison.comparable
    assert record.comparison.reason == f"m@v1.0.0 can't be compared with: {said}"
    assert predictions.arrays(table, "multiclass").old is None


def test_numbers_are_weighed_without_decisions(tmp_path: Path) -> None:
    old = Baseline("m@v1.0.0", save_number(tmp_path / "old.onnx", weight=1.0), labels=())
    record, table = weigh(save_number(tmp_path / "new.onnx"), rows("regression"), NUMBERS, baseline=old)
    assert list(table) == ["id", "group", "target", "prediction", "baseline"]
    comparison = record.comparison
    assert comparison is not None
    assert comparison.metrics["root_mean_squared_error"].difference.high < 0
    assert (comparison.changed_decisions, comparison.changed, comparison.negative_flips) == (None, None, None)
    assert (record.calibration, record.groups) == (None, 30)


def test_slices_by_an_array_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="slice column 'image'"):
        weigh(
            save_classes(tmp_path / "m.onnx"),
            rows("multiclass"),
            CLASSES,
            metrics=wanted("multiclass", slices=("image",)),
        )


def test_probabilities_where_a_number_belongs_are_refused(tmp_path: Path) -> None:
    test = rows("multiclass").assign(amount=1.0, day="d")
    with pytest.raises(DataError, match="one number a row"):
        weigh(save_classes(tmp_path / "m.onnx"), test, NUMBERS)


def test_arrays_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    test = rows("multiclass").assign(image=[np.zeros(4, np.float32)] * 900)
    with pytest.raises(DataError, match=r"column image: expected arrays of shape \(2, 3\)"):
        serving.predict(save_classes(tmp_path / "m.onnx"), test)


def test_a_number_for_two_classes_in_a_table_of_one_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="one number a row"):
        serving.predict(save(tmp_path / "m.onnx", keep_width=True), rows("binary").assign(c="A"))


def test_rows_read_part_by_part_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "ROWS", 128)
    test = rows("multiclass")
    path = tmp_path / "test.parquet"
    tables.write_parquet(test.drop(columns="x"), path)
    onnx = save_classes(tmp_path / "m.onnx")
    parts = feeding.Parts(path, serving.inputs(onnx), "key", beside=test[["key", "x"]].set_index("key"))
    assert (len(parts), len(list(parts))) == (900, 8)
    np.testing.assert_array_equal(serving.predict(onnx, parts), serving.predict(onnx, test))
    assert feeding.spread(parts, 7)["key"].tolist() == feeding.spread(test, 7)["key"].tolist()
    assert feeding.spread(test, 7)["key"].iloc[[0, -1]].tolist() == ["r000", "r899"]
    assert serving.measure(onnx, parts).latency_ms_p50 > 0
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged"):
        list(parts)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_golden_samples_are_repeated_with_arrays_and_of_each_shape(task: str, tmp_path: Path) -> None:
    sample = rows(task).head(4)
    several = task == "multiclass"
    onnx = (save_classes if several else save_number)(tmp_path / "m.onnx")
    inputs: dict[str, Any] = {"x": sample["x"].tolist()}
    if several:
        inputs["image"] = [value.reshape(2, 3).tolist() for value in sample["image"]]
    output = predictions.column_of(task)
    stored = {"inputs": inputs, "outputs": {output: serving.predict(onnx, sample).tolist()}}
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(stored))
    assert golden.repeat(onnx, path) == Golden(
        samples=4, largest_difference=0.0, packages=golden.closure(golden.NEEDED)
    )
    if several:
        inputs["image"] = [value.tolist() for value in sample["image"]]
        path.write_text(json.dumps(stored))
        with pytest.raises(RecordError, match=r"input 'image': found arrays of shape \(6,\), expected \(2, 3\)"):
            golden.repeat(onnx, path)


def judged_rows(task: str, tmp_path: Path) -> Rows:
    test = rows(task)
    several = task == "multiclass"
    onnx = (save_classes if several else save_number)(tmp_path / "m.onnx")
    found = serving.predict(onnx, test)
    return Rows(
        task=task,
        y=test["kind" if several else "amount"].to_numpy(),
        new=found,
        old=found,
        thresholds=(0.5, 0.5),
        columns={"site": test["site"].to_numpy()},
    )


@pytest.mark.parametrize(
    ("task", "named"),
    [
        (
            "multiclass",
            {
                "absolute": Absolute(metric="accuracy", min=0.45),
                "log": Absolute(metric="log_loss", max=1.1),
                "change": Change(metric="roc_auc_ovr", margin=0.02),
                "slices": Slices(metric="f1_macro", columns=("site",), min_rows=100, margin=0.02, max_gap=0.3),
                "calibration": CalibrationGate(metric="log_loss", max=0.85),
                "churn": Churn(max_negative_flips=0.05),
            },
        ),
        (
            "regression",
            {
                "absolute": Absolute(metric="r2", min=0.5),
                "off": Absolute(metric="bias", max=0.3),
                "change": Change(metric="mean_absolute_error", margin=0.1),
                "biased": Change(metric="bias", margin=0.1),
                "slices": Slices(metric="mean_absolute_error", columns=("site",), min_rows=100, max_gap=0.5),
                "calibration": CalibrationGate(metric="bias", max=0.3),
            },
        ),
    ],
)
def test_gates_pass_an_equal_model_and_refuse_what_is_damaged(
    task: str, named: dict[str, settings.Gate], tmp_path: Path
) -> None:
    seen = make_evidence(judged_rows(task, tmp_path))
    file = GateFile(gates=named)
    results = gates.judge(file, seen)
    assert {one.name: one.verdict for one in results} == dict.fromkeys(named, "pass"), [one.reason for one in results]
    tests = gates.self_test(file, seen)
    assert {one.gate for one in tests} == set(named)
    assert all(one.caught for one in tests), tests


@pytest.mark.parametrize("by", [-1.0, 1.0])
def test_a_bias_in_either_direction_is_held_against_an_absolute_limit(by: float, tmp_path: Path) -> None:
    found = judged_rows("regression", tmp_path)
    off = dataclasses.replace(found, new=found.new + by)
    (result,) = gates.judge(GateFile(gates={"off": Absolute(metric="bias", max=0.5)}), make_evidence(off))
    assert (result.verdict, result.limit) == ("fail", 0.5 if by > 0 else -0.5)
    assert "in either direction (both bounds" in result.rule


def test_seeds_of_several_classes_differ_in_their_most_probable_one() -> None:
    chances = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    tables_of = {
        Path(str(seed)): pd.DataFrame({"id": ["a", "b"], "target": [0, 1], "probability": predictions.cells(each)})
        for seed, each in enumerate((chances, chances[:, [0, 2, 1]]))
    }
    found = noise.noise(tables_of, 0.5, "multiclass")
    assert found is not None
    assert (found.changed_decisions.value, found.negative_flips.high) == (0.5, 0.5)
    assert noise.noise({}, 0.5, "regression") is None


def test_a_fold_s_champion_is_its_lowest_seed() -> None:
    from weighbridge.manifest import CandidateScore, SeedScore
    from weighbridge.stages.package import choose

    seeds = tuple(SeedScore(seed=seed, run="", metrics={"accuracy": 0.5 + seed / 10}) for seed in (1, 2))
    scores = {"only": CandidateScore(seeds=seeds, mean={"accuracy": 0.65}, deviation={})}
    assert choose(scores, "accuracy") == ("only", 2)
    assert choose(scores, "accuracy", folds=5) == ("only", 1)


def test_times_are_asked_of_no_rows_without(tmp_path: Path) -> None:
    seen = make_evidence(judged_rows("multiclass", tmp_path))
    data = msgspec.structs.replace(seen.data, time="", checks=())
    gate = settings.DataGate(checks=("time_order",))
    for given, expected in ((data, "not applicable"), (msgspec.structs.replace(data, time="t"), "inconclusive")):
        (result,) = gates.judge(GateFile(gates={"it": gate}), dataclasses.replace(seen, data=given))
        assert result.verdict == expected
