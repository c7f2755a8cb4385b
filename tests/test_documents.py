"""YAML is read strictly: each of its traps is refused with its line, and what is written is read back the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from strategies import NUMBERS, TEXTS

from weighbridge import documents, settings
from weighbridge.errors import RecordError, SettingsError

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: float
    names: tuple[str, ...] = ()


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inner: Inner
    many: dict[str, Inner] = {}
    count: int = 0


def value(text: str) -> Any:
    return documents.parse(text, "a.yaml").value


@given(PLAIN)
def test_what_is_written_is_read_back(plain: Any) -> None:
    assert value(documents.dump(plain)) == plain


@given(PLAIN)
def test_another_reader_reads_the_same(plain: Any) -> None:
    assert yaml.safe_load(documents.dump(plain)) == plain


@given(st.text(max_size=40))
def test_any_text_is_a_document_or_refused_in_words(text: str) -> None:
    said = "a.yaml"
    try:
        documents.parse(text, "a.yaml")
    except SettingsError as error:
        said = str(error)
    assert said.startswith("a.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: duplicate key 'a'"),
        ("a:\n  b: 1\n  b: 2\n", "a.yaml:3: duplicate key 'a.b'"),
        ("a: &x 1\nb: *x\n", "a.yaml:1: alias or anchor 'x'"),
        ("a: !!python/object:os.system {}\n", "tag"),
        ("a: !x 1\n", "tag '!x'"),
        ("a: 1e-3\n", "write 1.0e-3 for the number"),
        ("a: 1.5e3\n", "write 1.5e+3 for the number"),
        ("a: no\n", "reads no as a boolean"),
        ("a: 12:30:45\n", "12:30:45"),
        ("a: 0x1f\n", "0x1f would be read as another number"),
        ("a: 010\n", "010 would be read as another number"),
        ("a: 1_000.5\n", "1_000.5"),
        ("a: " + "9" * 5000, "a.yaml:1: a: a number of 5000 digits"),
        ("a: .inf\n", "no finite number"),
        ("a: .nan\n", "no finite number"),
        ("1: a\n", "the key '1' is no string"),
        ("no: a\n", "the key 'no' is no string"),
        ("? [a]\n: b\n", "is no string"),
        ("a: [1\n", "not YAML"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("\ta: 1\n", "not YAML"),
        ("[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("a: " + "x" * documents.SIZE_LIMIT, "larger than"),
    ],
)  # fmt: skip
def test_traps_are_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        documents.parse(text, "a.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1.0e-3", {"a": 0.001}),
        ("a: '1e-3'", {"a": "1e-3"}),
        ("a: 'no'", {"a": "no"}),
        ("a: 2013-05-01", {"a": "2013-05-01"}),
        ("a: -1", {"a": -1}),
        ("a: true", {"a": True}),
        ("a: ~", {"a": None}),
        ("", None),
        ("a: [1, b]", {"a": [1, "b"]}),
    ],
)
def test_plain_values_are_taken(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_a_billion_laughs_are_refused_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    with pytest.raises(SettingsError, match="alias or anchor"):
        value(bomb)


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    text = "inner:\n  rat: 1.0\nmany:\n  x: {rate: fast}\n  y: 3\ncount: 1.5\n"
    with pytest.raises(SettingsError) as caught:
        documents.typed(documents.parse(text, "a.yaml"), Outer)
    lines = str(caught.value).splitlines()
    assert lines == [
        "a.yaml:2: inner.rat: unknown key; did you mean 'rate'?",
        "a.yaml:1: inner.rate: missing; expected a number",
        "a.yaml:4: many.x.rate: found 'fast': expected 'float', got 'str'",
        "a.yaml:5: many.y: found 3: expected 'object', got 'int'",
        "a.yaml:6: count: found 1.5: expected 'int', got 'float'",
    ]


def test_a_good_document_becomes_the_record() -> None:
    found = documents.typed(documents.parse("inner: {rate: 1, names: [a]}\nmany: {x: {rate: 2.0}}", "a.yaml"), Outer)
    assert found == Outer(inner=Inner(rate=1.0, names=("a",)), many={"x": Inner(rate=2.0)})


def test_an_empty_file_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    with pytest.raises(RecordError, match=r"a\.yaml"):
        documents.read_record(tmp_path / "a.yaml", Outer)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"b\.yaml: no such file"):
        documents.read(tmp_path / "b.yaml")


def test_other_bytes_than_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        documents.read(tmp_path / "a.yaml")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_record_holds_no_nan(number: float) -> None:
    with pytest.raises(RecordError, match="may not hold"):
        documents.dump({"a": [number]})


def test_strings_are_quoted_and_keys_keep_their_order() -> None:
    assert documents.dump({"b": "no", "a": 1e-7}) == 'b: "no"\na: 1.0e-07\n'


def test_a_file_is_replaced_whole_and_nothing_is_left_over(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    documents.write(target, "one")
    documents.write(target, b"two")
    assert target.read_text() == "two"
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    documents.write(target, "one")
    with pytest.raises(UnicodeEncodeError):
        documents.write(target, "\ud800")
    assert target.read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ('{kind: "olden"}', "gates.a.kind: found 'olden'; did you mean 'golden'?"),
        ('{kind: "zzz"}', "gates.a.kind: found 'zzz'; expected one of absolute, approval"),
        ("{metric: roc_auc}", "gates.a.kind: missing; expected one of"),
        ("{kind: 3}", "gates.a.kind: found 3; expected one of"),
        ('{kind: "budget", quantity: "latency_p95"}', "did you mean 'latency_ms_p95'?"),
        ('{kind: "data", on_drift: "shout"}', "expected one of block, warn"),
    ],
)
def test_a_choice_is_told_with_the_nearest_or_with_all(gate: str, said: str) -> None:
    document = documents.parse(f"gates:\n  a: {gate}\n", "gates.yaml")
    with pytest.raises(SettingsError) as refused:
        documents.typed(document, settings.GateFile)
    assert said in str(refused.value)
