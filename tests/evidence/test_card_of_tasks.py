"""What card, README and views tell of several classes, of numbers and of arrays."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flights_sample import SHA, interval, make_interface, make_manifest
from markdown_it import MarkdownIt
from small_graph import save_of_arrays

from weighbridge import documents, manifest
from weighbridge.evidence import snippet
from weighbridge.evidence.bill_of_materials import bill_of_materials
from weighbridge.evidence.card import card, front_matter
from weighbridge.evidence.readme import bundle_readme
from weighbridge.views import diff, reference, show

LABELS = ("north", "east | <b>", "south", "west")
READER = MarkdownIt("commonmark").enable("table")
GOLDEN: dict[str, Any] = {
    "inputs": {"x": [0.5, None], "image": [[[[1.0, 2.0], [5.0, 4.0]]], [[[0.0, 9.0], [1.0, 1.0]]]]},
    "outputs": {},
}


def interface(task: str) -> manifest.Interface:
    inputs = (
        manifest.Input(name="x", type="number", unit="", may_be_missing=True),
        manifest.Input(name="image", type="number", unit="", may_be_missing=False, shape=(1, 2, 2)),
    )
    outputs: tuple[manifest.Output, ...] = (
        manifest.Output(name="label", type="int64", labels=LABELS, meaning="the most probable"),
        manifest.Output(name="probability", type="float32", labels=LABELS, meaning="of each label", shape=(4,)),
    )
    if task == "regression":
        outputs = (manifest.Output(name="prediction", type="float32", labels=(), meaning="the price"),)
    return msgspec.structs.replace(make_interface(), inputs=inputs, outputs=outputs)


def split(task: str, rows: int) -> manifest.Split:
    base: dict[str, Any] = {
        "rows": rows,
        "groups": None,
        "first": None,
        "last": None,
        "target_rate": None,
        "sha256": SHA,
    }
    if task == "regression":
        return manifest.Split(**base, target_mean=123456.7, target_deviation=234.5)
    shares = dict(zip(LABELS, (0.1, 0.2, 0.3, 0.4), strict=True))
    return manifest.Split(**base, target_shares=shares)


def of_task(task: str) -> manifest.Manifest:
    whole = make_manifest()
    metrics = {"root_mean_squared_error": 54321.0, "bias": -3.0} if task == "regression" else {"accuracy": 0.9}
    weighed = msgspec.structs.replace(
        whole.performance.test, task=task, calibration=None, comparison=None, slices=(),
        metrics={name: interval(value, abs(value) / 100) for name, value in metrics.items()},
    )  # fmt: skip
    data = msgspec.structs.replace(
        whole.data, task=task, labels=() if task == "regression" else LABELS, time="", group="", weight="trust",
        target_unit="EUR" if task == "regression" else "", folds=5,
        splits={name: split(task, rows) for name, rows in (("train", 60), ("validation", 20), ("test", 20))},
    )  # fmt: skip
    return make_manifest(
        interface=interface(task),
        data=data,
        performance=msgspec.structs.replace(
            whole.performance, test=weighed, primary=next(iter(metrics)), noise=None, cost=None, selected_from={}
        ),
    )


def run(code: str, folder: Path) -> str:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout


def code_of(text: str) -> str:
    return next(token.content for token in READER.parse(text) if token.type == "fence" and token.info == "python")


def shown(record: manifest.Manifest) -> str:
    found = reference.Found(
        kind="release", title="flights@v1.1.0", source="here", content=documents.dump(record).encode(), folder=None
    )
    return show.text(found)


def test_a_card_of_classes_has_their_shares_and_how_they_are_decided() -> None:
    text = card(of_task("multiclass"))
    assert "| west | 40 % | 40 % | 40 % |" in text
    assert "| class | train | validation | test |" in text
    assert "The class of the greatest probability is decided." in text
    assert "Decisions are made at" not in text
    assert "5 folds" in text
    assert "as `trust` says" in text
    assert "<b>" not in READER.render(text)


def test_a_card_of_very_many_classes_names_the_most_frequent() -> None:
    many = tuple(f"class {i:03d}" for i in range(200))
    whole = of_task("multiclass")
    part = msgspec.structs.replace(
        split("multiclass", 200), target_shares={label: i / 19900 for i, label in enumerate(many)}
    )
    data = msgspec.structs.replace(whole.data, labels=many, splits={"train": part, "test": part})
    text = card(msgspec.structs.replace(whole, data=data))
    assert "Shares of the 19 most frequent of 200 classes:" in text
    assert "| class 199 | 1 % |" in text
    assert text.count("class 1") < 60


def test_a_card_of_numbers_has_mean_and_deviation_with_the_unit() -> None:
    text = card(of_task("regression"))
    assert "mean of the target (EUR)" in text
    assert "| train | 60 | 123,457 | 234.5 |" in text
    assert "Target: `late` in EUR." in text
    assert "decisions" not in text.split("## Performance")[1].split("### Against")[0]
    assert "| `root_mean_squared_error` | 54,321 | 53,778 to 54,864 |" in text
    assert front_matter(of_task("regression"))["metrics"][0] == "rmse"


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_inputs_that_are_arrays_have_their_shape_and_no_tabular_tag(task: str) -> None:
    text = card(of_task(task))
    assert "| `image` | number | (1, 2, 2) |" in text
    assert "tabular" not in front_matter(of_task(task))["tags"]
    assert "(rows, 4)" in text or task == "regression"


@pytest.mark.parametrize(
    ("task", "said"),
    [("multiclass", ["south", "east | <b>", "6.96"]), ("regression", ["12.5", "nan"])],
    ids=["classes", "numbers"],
)
def test_the_snippet_runs_with_arrays_and_names_the_class(tmp_path: Path, task: str, said: list[str]) -> None:
    save_of_arrays(tmp_path / "model.onnx", classes=4 * (task == "multiclass"))
    golden = GOLDEN if task == "regression" else {"inputs": {**GOLDEN["inputs"], "x": [0.5, 0.0]}}
    output = run(code_of(bundle_readme("flights", interface(task), golden)), tmp_path)
    assert all(words in output for words in said), output
    bare = run(snippet.python(interface(task), "model.onnx"), tmp_path)
    assert "[0.]" in bare or "0.25" in bare


def test_an_array_too_long_to_read_is_zeros() -> None:
    image = msgspec.structs.replace(interface("regression").inputs[1], shape=(28, 28))
    long = msgspec.structs.replace(interface("regression"), inputs=(image,))
    code = snippet.python(long, "model.onnx", {"image": [[[1.0] * 28] * 28]})
    assert '"image": [[0.0] * 784],' in code


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("multiclass", ["late, 4 classes: north", "40.0% west, 30.0% south", "number (1, 2, 2)"]),
        (
            "regression",
            ["late, a number in EUR; rows weighted by trust", "mean 123,457, deviation 234.5 EUR"],
        ),
    ],
    ids=["classes", "numbers"],
)
def test_show_tells_the_target_of_each_task(task: str, expected: list[str]) -> None:
    text = shown(of_task(task))
    for words in expected:
        assert words in text, words
    assert "None" not in text


def test_diff_tells_a_new_class_and_moved_shares() -> None:
    old = of_task("multiclass")
    part = msgspec.structs.replace(split("multiclass", 60), target_shares={"north": 0.5, "up": 0.5})
    new = msgspec.structs.replace(
        old, data=msgspec.structs.replace(old.data, labels=("north", "up"), splits={**old.data.splits, "train": part})
    )
    sides = (diff.Side(title=title, record=record, validation={}) for title, record in (("a", old), ("b", new)))
    found = [str(change) for change in diff.compare(*sides)["data"]]
    assert "train share of up: added, 0.5" in found
    assert "train share of north: 0.1 → 0.5" in found
    assert any(line.startswith("labels: ") for line in found)


@pytest.mark.parametrize(("task", "family"), [("multiclass", "classification"), ("regression", "regression")])
def test_the_bill_of_materials_names_the_task(task: str, family: str) -> None:
    assert f'"task": "{family}"' in bill_of_materials(of_task(task))
