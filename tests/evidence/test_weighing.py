from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from small_graph import EFFECTS, save

from weighbridge import documents, settings
from weighbridge.data.schema import Column, Schema
from weighbridge.errors import DataError, ModelError, SettingsError
from weighbridge.evidence import catalogue, graph, measuring, metrics, weighing
from weighbridge.evidence.weighing import Baseline
from weighbridge.manifest import Interval, Weighing

WANTED = settings.Metrics(names=catalogue.USUAL["binary"], resamples=200, slices=("c",), slice_min_rows=100)
COLUMNS = {"x": Column(type="number", known=1), "c": Column(type="string", known=1)}
SCHEMA = Schema(id="key", time="hour", group="day", target="late", labels=("no", "yes"), features=COLUMNS)
SHA = {"content_sha256": "a" * 64, "test_sha256": "b" * 64}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "model.onnx")


@pytest.fixture
def held_out() -> pd.DataFrame:
    random = np.random.default_rng(0)
    n = 1200
    x, c = random.normal(size=n), random.choice(["A", "B", "", "R"], n, p=[0.45, 0.45, 0.05, 0.05])
    effect = np.array([EFFECTS.get(value, 0.0) for value in c])
    late = random.random(n) < 1 / (1 + np.exp(-x - effect))
    hour = pd.date_range("2013-06-01", periods=n, freq="h")
    return pd.DataFrame(
        {"key": [f"r{i}" for i in range(n)], "hour": hour, "day": hour.strftime("%F"), "x": x, "c": c, "late": late}
    ).astype({"late": "int8"})


def weigh(onnx: Path, test: pd.DataFrame, schema: Schema = SCHEMA, **others: Any) -> tuple[Weighing, pd.DataFrame]:
    return weighing.weigh(onnx=onnx, test=test, schema=schema, **{"metrics": WANTED, **SHA, **others})


def test_metrics_are_those_of_the_onnx_file_s_own_predictions(model: Path, held_out: pd.DataFrame) -> None:
    record, predictions = weigh(model, held_out)
    text = held_out[["c"]].to_numpy(dtype=object)
    feed = {"x": held_out[["x"]].to_numpy(dtype=np.float32), "c": text}
    p = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(["probability"], feed)[0]
    assert (predictions["probability"] == p.astype(np.float64)).all()
    expected = metrics.compute(WANTED.names, held_out["late"], p, 0.5)
    assert {name: found.value for name, found in record.metrics.items()} == pytest.approx(expected)
    assert all(found.low < found.value < found.high for found in record.metrics.values())


def test_the_record_says_what_was_measured_and_how(model: Path, held_out: pd.DataFrame) -> None:
    record, _ = weigh(model, held_out)
    assert (record.rows, record.groups, record.group_by) == (1200, 50, "day")
    assert (record.resamples, record.confidence, record.threshold, record.task) == (200, 0.95, 0.5, "binary")
    assert (record.content_sha256, record.test_sha256) == ("a" * 64, "b" * 64)
    assert record.comparison is None
    assert record.calibration is not None
    assert 0 < record.calibration.expected_calibration_error < 0.1
    assert documents.typed(documents.parse(documents.dump(record), "w"), Weighing) == record


def test_what_is_measured_is_the_same_twice_but_for_the_clock(model: Path, held_out: pd.DataFrame) -> None:
    (first, first_rows), (second, second_rows) = (
        weigh(model, held_out, baseline=Baseline("m@v1.0.0", model)) for _ in "ab"
    )
    pd.testing.assert_frame_equal(first_rows, second_rows)
    assert first.metrics == second.metrics
    assert first.slices == second.slices
    assert first.comparison is not None
    assert second.comparison is not None
    assert first.comparison.metrics == second.comparison.metrics


def test_the_last_release_is_compared_on_the_same_rows(tmp_path: Path, model: Path, held_out: pd.DataFrame) -> None:
    old = save(tmp_path / "old.onnx", weight=-0.5)
    record, predictions = weigh(model, held_out, baseline=Baseline("m@v1.0.0", old))
    comparison = record.comparison
    assert comparison is not None
    assert comparison.comparable
    assert (comparison.release, comparison.reason) == ("m@v1.0.0", "")
    assert comparison.metrics["roc_auc"].difference.low > 0
    assert comparison.metrics["log_loss"].difference.high < 0
    assert comparison.serving is not None
    changed = (predictions["probability"] >= 0.5) != (predictions["baseline"] >= 0.5)
    assert comparison.changed_decisions == pytest.approx(changed.mean())
    value = record.metrics["roc_auc"].value
    assert comparison.metrics["roc_auc"].difference.value == pytest.approx(
        value - comparison.metrics["roc_auc"].baseline
    )


def test_each_side_decides_at_its_own_threshold(model: Path, held_out: pd.DataFrame) -> None:
    once, _ = weigh(model, held_out, metrics=msgspec.structs.replace(WANTED, threshold=0.6))
    now, _ = weigh(model, held_out, baseline=Baseline("m@v1.0.0", model, threshold=0.6))
    assert now.comparison is not None
    for name in ("accuracy", "recall", "roc_auc"):
        change = now.comparison.metrics[name]
        assert change.baseline == once.metrics[name].value
        assert change.difference.value == pytest.approx(now.metrics[name].value - once.metrics[name].value)
    assert now.comparison.metrics["recall"].difference.low > 0
    assert now.comparison.changed_decisions


def test_changed_decisions_and_broken_ones_are_shares_of_rows_with_their_intervals(
    tmp_path: Path, model: Path, held_out: pd.DataFrame
) -> None:
    old = Baseline("m@v1.0.0", save(tmp_path / "old.onnx", weight=0.5), threshold=0.6)
    record, predictions = weigh(model, held_out, baseline=old)
    comparison = record.comparison
    assert comparison is not None
    assert comparison.threshold == 0.6
    new, before = predictions["probability"] >= 0.5, predictions["baseline"] >= 0.6
    broken = (before == predictions["target"]) & (new != predictions["target"])
    for found, rows in ((comparison.changed, new != before), (comparison.negative_flips, broken)):
        assert found is not None
        assert found.value == pytest.approx(rows.mean())
        assert 0 < found.low < found.value < found.high < 1
    assert comparison.changed_decisions == pytest.approx((new != before).mean())


def test_a_model_beside_itself_changes_and_breaks_nothing(model: Path, held_out: pd.DataFrame) -> None:
    for schema in (SCHEMA, msgspec.structs.replace(SCHEMA, group=None)):
        record, _ = weigh(model, held_out, schema, baseline=Baseline("m@v1.0.0", model))
        assert record.comparison is not None
        for share in (record.comparison.changed, record.comparison.negative_flips):
            assert share == Interval(value=0.0, low=0.0, high=0.0)


def test_serving_is_compared_in_turns_and_graphs_by_what_they_are_made_of(
    tmp_path: Path, model: Path, held_out: pd.DataFrame
) -> None:
    old = save(tmp_path / "old.onnx", weight=2.0)
    record, _ = weigh(model, held_out, baseline=Baseline("m@v1.0.0", old, onnxruntime=onnxruntime.__version__))
    assert record.comparison is not None
    assert {"latency_ms_p95", "rows_per_second"} < set(record.comparison.ratios)
    assert record.comparison.serving is not None
    assert record.graph == record.comparison.graph == graph.describe(old)
    assert record.comparison.runs_there is True
    assert record.comparison.runs_there_because.startswith("it ran here, with onnxruntime")


def test_metrics_of_the_project_s_own_are_measured_too(model: Path, held_out: pd.DataFrame) -> None:
    own = {"balanced": settings.OwnMetric(function="sklearn.metrics:balanced_accuracy_score", sees="decisions")}
    wanted = msgspec.structs.replace(WANTED, names=("roc_auc", "balanced"), own=own, slices=())
    record, _ = weigh(model, held_out, metrics=wanted, baseline=Baseline("m@v1.0.0", model))
    assert record.metrics["balanced"].low < record.metrics["balanced"].value < record.metrics["balanced"].high
    assert record.comparison is not None
    assert record.comparison.metrics["balanced"].difference.value == 0


def test_predictions_are_by_row_with_id_group_and_target(model: Path, held_out: pd.DataFrame) -> None:
    _, predictions = weigh(model, held_out)
    assert list(predictions) == ["id", "group", "target", "probability", "baseline"]
    assert predictions["id"].tolist() == held_out["key"].tolist()
    assert predictions["group"].tolist() == held_out["day"].tolist()
    assert predictions["target"].tolist() == held_out["late"].tolist()
    assert predictions["baseline"].isna().all()


def test_without_groups_rows_are_resampled(model: Path, held_out: pd.DataFrame) -> None:
    record, predictions = weigh(model, held_out, msgspec.structs.replace(SCHEMA, group=None))
    assert (record.groups, record.group_by) == (None, None)
    assert predictions["group"].isna().all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"numbers": "wind"}, "can't be run on these rows: the rows lack 1 of the model's 2 inputs: wind"),
        ({"output": "chance"}, "found outputs"),
        ({"weight": float("nan")}, "predictions are NaN or infinite"),
    ],
)
def test_a_last_release_that_cannot_be_run_is_said_to_be_incomparable(
    tmp_path: Path, model: Path, held_out: pd.DataFrame, changed: dict[str, Any], says: str
) -> None:
    old = save(tmp_path / "old.onnx", **changed)
    record, predictions = weigh(model, held_out, baseline=Baseline("m@v1.0.0", old))
    assert record.comparison is not None
    assert not record.comparison.comparable
    assert "m@v1.0.0" in record.comparison.reason
    assert says in record.comparison.reason
    assert record.comparison.metrics == {}
    assert record.comparison.changed_decisions is None
    assert record.comparison.serving is None
    assert predictions["baseline"].isna().all()


def test_a_last_release_whose_bundle_is_absent_is_said_to_be_incomparable(model: Path, held_out: pd.DataFrame) -> None:
    record, _ = weigh(model, held_out, baseline=Baseline("m@v1.0.0", None))
    assert record.comparison is not None
    assert not record.comparison.comparable
    assert "the bundle of m@v1.0.0 isn't at hand" in record.comparison.reason
    assert (record.comparison.graph, record.comparison.runs_there, record.comparison.changed) == (None, None, None)


def test_a_last_release_that_is_no_graph_has_no_parts_to_compare(
    tmp_path: Path, model: Path, held_out: pd.DataFrame
) -> None:
    (tmp_path / "old.onnx").write_bytes(b"damaged")
    record, _ = weigh(model, held_out, baseline=Baseline("m@v1.0.0", tmp_path / "old.onnx"))
    assert record.comparison is not None
    assert (record.comparison.comparable, record.comparison.graph) == (False, None)


def test_slices_are_measured_and_small_ones_listed_without_metrics(model: Path, held_out: pd.DataFrame) -> None:
    record, _ = weigh(model, held_out)
    found = {part.value: part for part in record.slices}
    assert set(found) == {"A", "B", "(missing)", "R"}
    assert sum(part.rows for part in record.slices) == 1200
    assert set(found["A"].metrics) == set(WANTED.names)
    assert found["(missing)"].metrics == found["R"].metrics == {}
    rows = held_out[held_out["c"] == "A"]
    _, predictions = weigh(model, rows)
    expected = metrics.compute(["roc_auc"], rows["late"], predictions["probability"], 0.5)["roc_auc"]
    assert found["A"].metrics["roc_auc"].value == pytest.approx(expected)


def test_of_many_small_slices_some_are_named_and_the_rest_counted(model: Path, held_out: pd.DataFrame) -> None:
    held_out["x"] = np.arange(len(held_out)) % 300
    wanted = msgspec.structs.replace(WANTED, slices=("x",))
    record, _ = weigh(model, held_out, metrics=wanted)
    assert len(record.slices) == measuring.LISTED_SMALL_SLICES + 1
    assert record.slices[-1].value == "(280 more values)"
    assert sum(part.rows for part in record.slices) == 1200


def test_a_slice_of_one_class_has_no_metrics(model: Path, held_out: pd.DataFrame) -> None:
    held_out.loc[held_out["c"] == "A", "late"] = 1
    record, _ = weigh(model, held_out)
    assert {part.value: bool(part.metrics) for part in record.slices}["A"] is False


def test_a_slice_by_an_unknown_column_names_the_nearest(model: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(SettingsError, match="slice column 'dya'; did you mean 'day'"):
        weigh(model, held_out, metrics=msgspec.structs.replace(WANTED, slices=("dya",)))


def test_a_bundle_that_predicts_nonsense_is_not_weighed(tmp_path: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="NaN or infinite"):
        weigh(save(tmp_path / "model.onnx", weight=float("nan")), held_out)


def test_a_bundle_that_is_absent_is_not_weighed(tmp_path: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="no such file"):
        weigh(tmp_path / "model.onnx", held_out)


def held_out_of_one_class_are_refused(model: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="all 1200 outcomes are 0"):
        weigh(model, held_out.assign(late=0))


def test_a_row_twice_is_refused(model: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="1 of 1201 test rows repeat an id of key"):
        weigh(model, pd.concat([held_out, held_out.iloc[:1]]))


def held_out_without_a_group_column_are_refused(model: Path, held_out: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the test rows lack day"):
        weigh(model, held_out.drop(columns="day"))
