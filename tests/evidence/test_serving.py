import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from small_graph import save

from weighbridge.errors import DataError, ModelError
from weighbridge.evidence import probe, serving
from weighbridge.manifest import Serving


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "model.onnx")


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"extra": [1, 2, 3, 4], "x": [0.5, np.nan, -2.0, 3.0], "c": ["A", "B", None, "Z"]})


def sigmoid(score: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(score)))


def test_columns_are_fed_by_the_graph_s_own_names(model: Path, frame: pd.DataFrame) -> None:
    found = serving.predict(model, frame)
    assert found.dtype == np.float64
    assert found == pytest.approx(sigmoid([1.5, -1.0, -1.75, 3.0]), abs=1e-6)


def test_missing_text_is_the_empty_string_whatever_its_dtype(model: Path) -> None:
    expected = sigmoid([0.25, 0.25, 1.0])
    for dtype in ("str", "object", "category", "string"):
        column = pd.Series([None, "", "A"], dtype=dtype)
        assert serving.predict(model, pd.DataFrame({"x": [0.0] * 3, "c": column})) == pytest.approx(expected, abs=1e-6)


def test_numbers_may_be_whole_or_nullable(model: Path) -> None:
    for column in (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int16"), pd.Series([1, 2], dtype="float64")):
        found = serving.predict(model, pd.DataFrame({"x": column, "c": ["Z", "Z"]}))
        assert found == pytest.approx(sigmoid([1, 2]), abs=1e-6)
    nullable = pd.DataFrame({"x": pd.Series([1, None], dtype="Int16"), "c": ["Z", "Z"]})
    assert serving.predict(model, nullable) == pytest.approx(sigmoid([1, 0]), abs=1e-6)


def test_batches_change_nothing(model: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=1000), "c": random.choice(["A", "B"], 1000)})
    whole = serving.predict(model, frame)
    assert (serving.predict(model, frame, batch=7) == whole).all()
    assert (serving.predict(model, frame) == whole).all()


def test_inputs_that_the_rows_lack_are_all_named(model: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="lack 2 of the model's 2 inputs: x, c; found extra"):
        serving.predict(model, frame[["extra"]])


def test_a_number_column_of_text_is_refused(model: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="column x: expected numbers"):
        serving.predict(model, frame.assign(x=["a", "b", "c", "d"]))


def test_no_rows_are_refused(model: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no rows"):
        serving.predict(model, frame.iloc[:0])
    with pytest.raises(DataError, match="no rows"):
        serving.measure(model, frame.iloc[:0])


def test_a_file_that_is_absent_or_no_model_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: no such file; package the model"):
        serving.predict(tmp_path / "model.onnx", frame)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model\.onnx: onnxruntime can't load it"):
        serving.predict(tmp_path / "model.onnx", frame)


def test_a_model_without_the_outputs_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    other = save(tmp_path / "model.onnx", output="chance")
    with pytest.raises(ModelError, match=r"found outputs \['label', 'chance'\]; expected \['label', 'probability'\]"):
        serving.predict(other, frame)


def test_a_probability_of_another_shape_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    other = save(tmp_path / "model.onnx", keep_width=True)
    with pytest.raises(ModelError, match=r"shape \(4, 1\) for 4 rows; expected one number a row"):
        serving.predict(other, frame)


def test_an_input_of_another_type_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["label"]), helper.make_node("Identity", ["x"], ["probability"])]
    info = [helper.make_tensor_value_info(name, TensorProto.INT64, [None]) for name in ("x", "label", "probability")]
    graph = helper.make_graph(nodes, "whole", info[:1], info[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"found inputs \['x \(tensor\(int64\)\)'\]; expected float32 or string"):
        serving.predict(tmp_path / "m.onnx", frame)


def test_serving_is_measured(model: Path, frame: pd.DataFrame) -> None:
    found = serving.measure(model, frame)
    assert 0 < found.latency_ms_p50 <= found.latency_ms_p95 <= found.latency_ms_p99 < 1000
    assert found.rows_per_second > 0
    assert 0 < found.load_seconds < 60
    assert found.size_mib == model.stat().st_size / 1024**2
    assert 10 < found.peak_memory_mib < 500


def test_memory_is_that_of_serving_and_not_of_the_process_that_asks(model: Path, frame: pd.DataFrame) -> None:
    before = serving.measure(model, frame).peak_memory_mib
    burden = np.ones(400 * 1024**2 // 8)
    assert serving.measure(model, frame).peak_memory_mib == pytest.approx(before, abs=100)
    assert burden.all()


def test_the_fresh_process_imports_only_what_serving_needs() -> None:
    heavy = {"pandas", "sklearn", "torch", "scipy", "onnx", "matplotlib", "msgspec", "yaml"}
    code = f"import sys, {probe.__name__}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_any_column_name_can_be_measured(tmp_path: Path, frame: pd.DataFrame) -> None:
    model = save(tmp_path / "model.onnx", numbers="file", text="a/b c")
    assert serving.measure(model, frame.rename(columns={"x": "file", "c": "a/b c"})).rows_per_second > 0


def test_a_process_that_fails_is_reported_with_its_last_words(
    model: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "__name__", "weighbridge.evidence.absent")
    with pytest.raises(ModelError, match=r"measuring it failed with exit code 1: .*No module named"):
        serving.measure(model, frame)


def test_a_model_that_does_not_answer_in_time_is_refused(
    model: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PROBE_SECONDS", 0.01)
    with pytest.raises(ModelError, match=r"not measured within 0\.01 s"):
        serving.measure(model, frame)


def test_a_sample_with_pickled_objects_is_not_opened(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "sample.npz", c0=np.array([[1.0]]), c1=np.array([["A"]], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        probe.main([str(model), str(tmp_path / "sample.npz")])


def test_the_probe_measures_in_process_as_well(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "sample.npz", c0=np.array([[1.0]]), c1=np.array([["A"]]))
    found = probe.main([str(model), str(tmp_path / "sample.npz")])
    assert found.keys() == set(Serving.__struct_fields__)


def test_two_models_are_measured_side_by_side(model: Path, tmp_path: Path, frame: pd.DataFrame) -> None:
    other = save(tmp_path / "other.onnx", numbers="y", weight=2.0)
    found = serving.measure_beside(model, other, frame.assign(y=frame["x"]))
    for one, path in ((found.new, model), (found.old, other)):
        assert 0 < one.latency_ms_p50 <= one.latency_ms_p95 <= one.latency_ms_p99 < 1000
        assert one.rows_per_second > 0
        assert 0 < one.load_seconds < 60
        assert one.size_mib == path.stat().st_size / 1024**2
        assert 10 < one.peak_memory_mib < 500
    assert 0.5 < found.ratios["latency_ms_p50"].low <= found.ratios["latency_ms_p50"].high < 2  # they do the same
    assert all(0 < ratio.low <= ratio.value <= ratio.high for ratio in found.ratios.values())


def test_rows_that_one_of_the_models_can_not_take_are_refused(model: Path, tmp_path: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="lack 1 of the model's 2 inputs: wind"):
        serving.measure_beside(model, save(tmp_path / "other.onnx", numbers="wind"), frame)


def test_turns_alternate_so_that_neither_side_is_always_first() -> None:
    order: list[str] = []
    times = probe.alternate([lambda: order.append("n"), lambda: order.append("o")], 2, 2)
    assert "".join(order) == "nnoooonn" + "oonnnnoo"
    assert [[len(calls) for calls in side] for side in times] == [[4, 4], [4, 4]]


def test_slow_models_get_fewer_turns_but_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_SECONDS", 0.0)
    assert len(probe.alternate([list, list], 50, 1)[0]) == 5
    assert len(probe.alternate([list, list], 3, 1)[0]) == 3


def test_a_batch_is_smaller_where_a_model_is_slow(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = probe.open_session(model)
    feed = {"x": np.zeros((5000, 1), np.float32), "c": np.full((5000, 1), "A", dtype=object)}
    assert probe._batch_rows([session], [feed]) > 200
    monkeypatch.setattr(probe, "_BATCH_SECONDS", 1e-9)
    assert probe._batch_rows([session], [feed]) == 200


def test_the_probe_compares_in_process_as_well(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "sample.npz", c0=np.array([[1.0]]), c1=np.array([["A"]]))
    found = probe.main([str(model), str(tmp_path / "sample.npz")] * 2)
    assert found.keys() == {"batch_rows", "latency", "batch", "load"}
