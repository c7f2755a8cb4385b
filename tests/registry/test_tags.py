"""Names of releases are a pair of inverse functions, and strict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import RecordError
from weighbridge.registry.tags import NAME, Tag, Version

NUMBERS = st.integers(min_value=0, max_value=999_999_999)
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS)
TAGS = st.builds(Tag, st.from_regex(NAME, fullmatch=True), VERSIONS)


@given(TAGS)
def test_a_tag_survives_writing_and_parsing(tag: Tag) -> None:
    assert Tag.parse(str(tag)) == tag


@given(st.text())
def test_what_parses_is_written_the_same(text: str) -> None:
    try:
        tag = Tag.parse(text)
    except RecordError:
        return
    assert str(tag) == text


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_by_number(one: Version, other: Version) -> None:
    numbers = [(version.major, version.minor, version.patch) for version in (one, other)]
    assert (one < other) == (numbers[0] < numbers[1])
    assert (one == other) == (numbers[0] == numbers[1])


def test_ten_is_newer_than_nine() -> None:
    assert Version.parse("0.10.0") > Version.parse("0.9.9")


@pytest.mark.parametrize(
    "text",
    [
        "flights@v1.2", "flights@1.2.0", "flights@v1.2.0\n", "flights@v01.2.0", "flights@v1.2.0-rc1",
        "flights@v1.2.0+x", "Flights@v1.2.0", "a/b@v1.2.0", "-f@v1.2.0", "@v1.2.0", "flights@v1.2.٣",
        "a" * 65 + "@v1.2.0",         "flights@v1.2.1234567890", "flights#prod", "",
    ],
)  # fmt: skip
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(RecordError, match="no release"):
        Tag.parse(text)


def test_a_name_with_a_slash_or_a_negative_number_makes_no_tag() -> None:
    with pytest.raises(RecordError, match="no model name"):
        Tag("a/b", Version(1, 0, 0))
    with pytest.raises(RecordError, match="three whole numbers"):
        Version(-1, 0, 0)
