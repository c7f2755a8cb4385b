"""A tag's message says the same before and after."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import RecordError
from weighbridge.manifest import Interval
from weighbridge.registry.notes import Notes, message, parse_message
from weighbridge.registry.tags import NAME, Tag, Version

DIGESTS = st.from_regex("[0-9a-f]{64}", fullmatch=True)
NAMES = st.from_regex(NAME, fullmatch=True)
LINES = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8)
SENTENCES = st.lists(LINES, min_size=1, max_size=30).map(" ".join)
NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False)
    .map(lambda number: float(f"{number:.6g}"))
    .filter(lambda number: number not in {float("inf"), float("-inf")})
)
NOTES = st.builds(
    Notes,
    tag=st.builds(Tag, NAMES, st.builds(Version, *[st.integers(0, 999)] * 3)),
    bump=st.sampled_from(["first", "major", "minor", "patch"]),
    reasons=st.lists(SENTENCES, min_size=1, max_size=4).map(tuple),
    candidate=NAMES,
    primary=NAMES,
    metrics=st.dictionaries(NAMES, st.builds(Interval, value=NUMBERS, low=NUMBERS, high=NUMBERS), max_size=4),
    verdict=st.sampled_from(["pass", "fail"]),
    content_sha256=DIGESTS,
    manifest_sha256=DIGESTS,
    ledger_root=DIGESTS,
    ledger_count=st.integers(min_value=0),
)


@given(NOTES)
def test_notes_survive_the_message_signed_or_not(notes: Notes) -> None:
    signature = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
    text = message(notes)
    assert parse_message(text) == parse_message(text + signature) == notes


@given(st.text())
def test_any_text_is_notes_or_a_record_error(text: str) -> None:
    with pytest.raises(RecordError):
        parse_message(text)


def test_a_person_can_read_it(example: Notes) -> None:
    lines = message(example).splitlines()
    assert lines[0] == "flights v1.2.0: minor, retrained on new data"
    assert "- roc_auc rose by 0.012" in lines
    assert "metric: roc_auc 0.718123 0.7 0.73" in lines


def test_a_long_reason_shortens_the_title_only(example: Notes) -> None:
    notes = dataclasses.replace(example, reasons=("so " * 100 + "it is",))
    text = message(notes)
    assert len(text.splitlines()[0]) == 100
    assert parse_message(text).reasons == notes.reasons


def test_a_reason_of_several_lines_becomes_one(example: Notes) -> None:
    notes = parse_message(message(dataclasses.replace(example, reasons=("one\n\n\x1btrailer: x",))))
    assert notes.reasons == ("one trailer: x",)


@pytest.mark.parametrize(
    "change", [{"candidate": "a\nverdict: pass"}, {"verdict": ""}, {"reasons": ()}, {"reasons": (" ",)}]
)
def test_what_would_break_the_message_is_refused(example: Notes, change: dict[str, object]) -> None:
    with pytest.raises(RecordError, match=r"flights@v1\.2\.0"):
        message(dataclasses.replace(example, **change))  # type: ignore[arg-type] # one of several fields


@pytest.mark.parametrize(
    ("found", "instead", "complaint"),
    [
        ("verdict: pass\n", "", "no line 'verdict: …'"),
        ("ledger-count: 42", "ledger-count: many", "ledger-count"),
        ("b" * 64, "b" * 63, "manifest-sha256"),
        (" 0.7 0.73", " 0.7", "metric"),
        ("candidate: boosting", "boosting", "'key: value'"),
        ("v1.2.0:", "v1.2:", "no version"),
    ],
)
def test_damage_is_named(example: Notes, found: str, instead: str, complaint: str) -> None:
    text = message(example)
    assert found in text
    with pytest.raises(RecordError, match=complaint):
        parse_message(text.replace(found, instead))
