"""Golden samples: repeated where nothing is installed but onnxruntime; damaged ones are refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_graph import save

from weighbridge.errors import ModelError, RecordError, SetupError
from weighbridge.evidence import golden, serving

INPUTS: dict[str, Any] = {"x": [0.5, None, -2.0], "c": ["A", "", "Z"]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "model.onnx")


def write(folder: Path, inputs: dict[str, Any] | None = None, outputs: Any = None) -> Path:
    path = folder / "golden.json"
    shown = INPUTS if inputs is None else inputs
    path.write_text(json.dumps({"inputs": shown, "outputs": outputs or {"probability": [0.8, 0.6, 0.1]}}))
    return path


def test_the_stored_outputs_are_repeated_without_anything_else_installed(model: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.5, np.nan, -2.0], "c": ["A", "", "Z"]})
    outputs = [float(value) for value in serving.predict(model, frame)]
    found = golden.repeat(model, write(tmp_path, outputs={"probability": outputs}))
    assert (found.samples, found.largest_difference) == (3, 0.0)
    assert {"numpy", "onnxruntime", "protobuf"} <= set(found.packages)
    assert not {"pandas", "scikit-learn", "torch", "weighbridge", "onnx"} & set(found.packages)


def test_another_model_s_outputs_differ(model: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.5, np.nan, -2.0], "c": ["A", "", "Z"]})
    outputs = [float(value) + step for value, step in zip(serving.predict(model, frame), (0, 0.25, -0.1), strict=True)]
    found = golden.repeat(model, write(tmp_path, outputs={"probability": outputs}))
    assert found.largest_difference == pytest.approx(0.25)


def test_the_bare_process_finds_only_what_was_linked(tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    names = ["pandas", "sklearn", "torch", "weighbridge", "onnx", "msgspec", "scipy", "site", "numpy", "onnxruntime"]
    script.write_text(
        "import importlib.util as u, sys\n"
        f"print(*[name for name in {names} if u.find_spec(name) and name != 'site'])\n"
        "assert 'site' not in sys.modules\n"
        "import numpy, onnxruntime\n"
        "print(numpy.__file__.startswith(sys.path[-1]), len([p for p in sys.path if 'site-packages' in p]))\n"
    )
    folder = tmp_path / "packages"
    folder.mkdir()
    golden.link(golden.closure(golden.NEEDED), folder)
    done = golden.run_bare(folder, str(script))
    assert done.stdout.split("\n")[:2] == ["numpy onnxruntime", "True 0"], done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not golden samples"),
        ("\xff", "not golden samples"),
        ('{"inputs": {"x": [NaN]}, "outputs": {"probability": [1]}}', "not golden samples"),
        ('{"inputs": {"x": [1]}}', "missing required field `outputs`"),
        (
            '{"inputs": {"x": [1, 2]}, "outputs": {"probability": [1]}}',
            r"'probability' 1, 'x' 2; expected .* one length",
        ),
        ('{"inputs": {}, "outputs": {}}', "found rows: nothing"),
        ('{"inputs": {"x": []}, "outputs": {"probability": []}}', "found no samples"),
        ('{"inputs": {"x": [1]}, "outputs": {"probability": ["a"]}}', "not golden samples"),
    ],
)
def test_damaged_samples_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(RecordError, match=rf"golden\.json: .*{says}"):
        golden.read(path)


def test_absent_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"golden\.json: no such file; .* --forcerun package"):
        golden.read(tmp_path / "golden.json")


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ({"x": [1.0]}, {"probability": [0.5]}, r"found inputs \['x'\], expected the model's \['c', 'x'\]"),
        ({"x": [1.0], "c": [2.0]}, {"probability": [0.5]}, "input 'c': found 2.0, expected text"),
        ({"x": ["a"], "c": ["b"]}, {"probability": [0.5]}, "input 'x': found 'a', expected numbers"),
        ({"x": [1.0], "c": ["b"]}, {"chance": [0.5]}, r"the model has no \['chance'\]"),
        ({"x": [1.0], "c": ["b"]}, {"probability": [[0.5]]}, r"output 'probability': found shape \(1, 1\)"),
    ],
)
def test_samples_of_another_model_are_refused(
    model: Path, tmp_path: Path, inputs: Any, outputs: Any, says: str
) -> None:
    with pytest.raises(RecordError, match=says):
        golden.repeat(model, write(tmp_path, inputs, outputs))


def test_a_model_that_does_not_run_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"can't be run with nothing but .*onnxruntime.* installed"):
        golden.repeat(tmp_path / "model.onnx", write(tmp_path))


def test_a_model_whose_outputs_are_not_finite_is_refused(tmp_path: Path) -> None:
    onnx = save(tmp_path / "model.onnx", weight=float("nan"))
    with pytest.raises(ModelError, match="'probability' is NaN or infinite"):
        golden.repeat(onnx, write(tmp_path))


def test_a_model_that_does_not_answer_in_time_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "_SECONDS", 0.01)
    with pytest.raises(ModelError, match=r"no answer within 0\.01 s"):
        golden.repeat(model, write(tmp_path))


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(SetupError, match="no-such-package isn't installed; install it"):
        golden.closure("no-such-package")


def test_extras_are_no_requirements() -> None:
    assert "sympy" not in golden.closure("onnxruntime")
