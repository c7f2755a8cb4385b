"""Critical cases: decided by the bundle as it ships, and refused by line and column where they can't be."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_graph import save

from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_file
from weighbridge.errors import SettingsError
from weighbridge.evidence import cases

COLUMNS = {
    "x": Column(type="number", known=1, minimum=-100, maximum=100),
    "c": Column(type="string", known=1, values=("A", "B", "Z")),
}
SCHEMA = Schema(id="key", time="hour", target="late", labels=("on time", "late"), features=COLUMNS)
FILE = "config/cases.csv"
GOOD = "key,x,c,late\nstorm,3,A,late\ncalm,-2.5,B,0\nunknown,,,1\n"


def write(root: Path, text: str | bytes) -> str:
    (root / "config").mkdir(exist_ok=True)
    (root / FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    return FILE


def refused(text: str | bytes, schema: Schema = SCHEMA) -> str:
    with pytest.raises(SettingsError) as error:
        cases.read(text if isinstance(text, bytes) else text.encode(), FILE, schema)
    return str(error.value)


def test_each_case_is_decided_by_the_bundle_at_the_threshold(tmp_path: Path) -> None:
    model = save(tmp_path / "model.onnx")
    found, digests = cases.decide(tmp_path, [write(tmp_path, GOOD)], model, SCHEMA, 0.5)
    assert [(case.file, case.id, case.expected, case.found) for case in found] == [
        (FILE, "storm", "late", "late"),
        (FILE, "calm", "on time", "on time"),
        (FILE, "unknown", "late", "late"),
    ]
    assert digests == {FILE: sha256_file(tmp_path / FILE)}
    strict, _ = cases.decide(tmp_path, [FILE], model, SCHEMA, 0.7)
    assert [case.found for case in strict] == ["late", "on time", "on time"]


def test_a_case_without_a_name_is_called_by_its_line() -> None:
    rows = cases.read(b"late,x,c\r\n\r\n1,2,A\r\n0,1,Z\r\n", FILE, SCHEMA)
    assert rows["key"].tolist() == ["line 3", "line 4"]
    assert rows["late"].tolist() == [1, 0]


def test_an_empty_cell_is_a_missing_value() -> None:
    row = cases.read(GOOD.encode(), FILE, SCHEMA).iloc[2]
    assert (np.isnan(row["x"]), row["c"]) == (True, "")


def test_columns_may_be_in_any_order_and_carry_a_mark_of_the_spreadsheet() -> None:
    text = "\ufeffc,late,x\nA,1,2\n"
    assert cases.read(text.encode(), FILE, SCHEMA).loc[0, "x"] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", f"{FILE}:1: 3 columns are missing: x, c, late"),
        ("key,x,c,late\n", f"{FILE}: found no cases below the header"),
        ("x,c,lat\n1,A,1\n", f"{FILE}:1: found column 'lat'; did you mean 'late'?"),
        ("x,late\n1,1\n", f"{FILE}:1: 1 columns are missing: c; expected all features and the target, x, c, late"),
        ("x,x,c,late\n1,1,A,1\n", f"{FILE}:1: column 'x' stands there twice"),
        ("x,c,late\n1,A,1\n1,A\n", f"{FILE}:3: found 2 cells, expected 3"),
        ("x,c,late\nlots,A,1\n", f"{FILE}:2: x: found 'lots', expected a finite number"),
        ("x,c,late\nnan,A,1\n", f"{FILE}:2: x: found 'nan', expected a finite number"),
        ("x,c,late\n1e39,A,1\n", f"{FILE}:2: x: found '1e39', expected a finite number"),
        ("x,c,late\n101,A,1\n", f"{FILE}:2: x: found 101, expected -100 to 100 as the schema declares"),
        ("x,c,late\n1,b,1\n", f"{FILE}:2: c: found value 'b'; expected one of A, B, Z"),
        ("x,c,late\n1,A,2\n", f"{FILE}:2: late: found '2', expected 0 (on time) or 1 (late)"),
        ("x,c,late\n1,A,\n", f"{FILE}:2: late: found ''"),
        ("key,x,c,late\na,1,A,1\na,2,B,0\n", f"{FILE}: key 'a' stands there twice"),
        ('x,c,late\n1,"A,1\n', f"{FILE}:2: not CSV"),
        (b"x,c,late\n1,\xff,1\n", f"{FILE}: not UTF-8 text (byte 11)"),
    ],
)
def test_what_can_not_be_read_is_named_by_line_and_column(text: str | bytes, says: str) -> None:
    assert says in refused(text)


def test_every_wrong_cell_is_told_at_once_up_to_a_number() -> None:
    message = refused("x,c,late\n" + "lots,A,9\n" * 10)
    assert message.splitlines()[-1] == "and 10 more"
    assert len(message.splitlines()) == 11


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(
        SettingsError, match=r"config/case\.csv: no such file .*; found file 'case\.csv'; did you mean 'cases"
    ):
        cases.decide(tmp_path, ["config/case.csv"], tmp_path / "model.onnx", SCHEMA, 0.5)
    with pytest.raises(SettingsError, match=r"other/case\.csv: no such file"):
        cases.decide(tmp_path, ["other/case.csv"], tmp_path / "model.onnx", SCHEMA, 0.5)


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "_LARGEST", 10)
    with pytest.raises(SettingsError, match="larger than 10 bytes"):
        cases.decide(tmp_path, [write(tmp_path, GOOD)], tmp_path / "model.onnx", SCHEMA, 0.5)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(SettingsError):
        assert len(cases.read(content, FILE, SCHEMA))


def test_cases_of_several_classes_are_named_by_number_or_label() -> None:
    features = {"x": Column(type="number"), "c": Column(type="string")}
    schema = Schema(id="key", target="kind", labels=("low", "middle", "high"), features=features)
    found = cases.read(b"kind,x,c\nhigh,2,A\n1,1,B\n", FILE, schema)
    assert found["kind"].tolist() == [2, 1]
    assert "found 'higher', expected 0 (low), 1 (middle) or 2 (high)" in refused("kind,x,c\nhigher,2,A\n", schema)


def test_of_labels_that_are_numbers_no_cell_is_the_number_of_a_class() -> None:
    schema = Schema(id="key", target="kind", labels=("1", "2", "3"), features={"x": Column(type="number")})
    assert cases.read(b"kind,x\n1,0\n3,0\n", FILE, schema)["kind"].tolist() == [0, 2]
    for cell in ("2.0", "0"):
        assert f"found '{cell}', expected 1, 2 or 3" in refused(f"kind,x\n{cell},0\n", schema)


def test_booleans_and_times_are_read_as_models_see_them() -> None:
    features = {"wet": Column(type="boolean"), "due": Column(type="time")}
    schema = Schema(id="key", target="late", labels=("no", "yes"), features=features)
    found = cases.read(b"late,wet,due\n1,true,1970-01-02\n0,0,1970-01-01T12:00\n0,,\n", FILE, schema)
    np.testing.assert_array_equal(found[["wet", "due"]], [[1, 1], [0, 0.5], [np.nan, np.nan]])
    assert "due: found 'soon', expected a time such as" in refused("late,wet,due\n1,1,soon\n", schema)
    assert "wet: found 'perhaps'" in refused("late,wet,due\n1,perhaps,\n", schema)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (Schema(id="key", target="y", features={"x": Column(type="number")}), "a regression, which decides nothing"),
        (
            Schema(id="key", target="y", labels=("a", "b"), features={"x": Column(type="array", shape=(2,))}),
            r"rows with arrays \(x\), which a cell of a CSV file can't hold",
        ),
    ],
)
def test_rows_that_can_have_no_cases_are_refused_in_words(schema: Schema, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=says):
        cases.decide(tmp_path, [FILE], tmp_path / "model.onnx", schema, 0.5)
