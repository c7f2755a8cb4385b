"""What is shown is what stands there, and nothing that a terminal would obey."""

import json

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.views import columns

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_no_letter_is_left_that_a_terminal_would_obey(text: str) -> None:
    shown = columns.printable(text)
    assert len(shown) == len(text)
    assert not any(
        (letter < " " and letter != "\n") or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff"
        for letter in shown
    )
    assert not set(shown) & set("\u200e\u200f\u202a\u202e\u2066\u2069\u2028\u2029")
    assert columns.printable(shown) == shown


def test_words_of_any_language_stay_as_they_are() -> None:
    for text in ("wétter ☂ 天気\nж", "", "plain"):
        assert columns.printable(text) == text


@given(st.text())
def test_a_json_document_says_the_same(text: str) -> None:
    shown = columns.printable_json(json.dumps({text: text}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {text: text}
    assert not any("\x7f" <= letter <= "\x9f" for letter in shown)
