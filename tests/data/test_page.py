"""The page about the dataset: figures that are right, and tables that no value can break."""

import numpy as np
import pandas as pd
from made_rows import SCHEMA, parts, section, table

from weighbridge.data.bins import Bins
from weighbridge.data.page import markdown
from weighbridge.data.values import Summary, Values, examine


def page(frame: pd.DataFrame | None = None) -> str:
    found = parts(frame)
    return markdown(section(found), examine(found, SCHEMA))


def test_numbers_are_summed_up_by_their_range_and_mean() -> None:
    summary = examine(parts(table(x=[1.0, 3.0, np.nan, 3.0] * 3)), SCHEMA)["train"]["x"].summary
    assert summary == Summary(missing_share=0.25, distinct=2, low=1.0, mean=7 / 3, high=3.0)


def test_texts_are_summed_up_by_their_most_frequent_values() -> None:
    summary = examine(parts(table(s=["b", "a", "b", None] * 3)), SCHEMA)["train"]["s"].summary
    assert summary == Summary(missing_share=0.25, distinct=2, frequent=(("b", 0.5), ("a", 0.25)))


def test_ties_are_ranked_by_name() -> None:
    summary = examine(parts(table(s=list("dcba") * 3)), SCHEMA)["train"]["s"].summary
    assert [value for value, _ in summary.frequent] == ["a", "b", "c"]


def test_features_without_a_value_in_a_part_are_summed_up_as_missing() -> None:
    found = parts()
    empty = found["test"].assign(x=np.float32("nan"), s="")
    seen = examine({"test": empty}, SCHEMA)
    assert [values.summary for values in seen["test"].values()] == [Summary(missing_share=1.0, distinct=0)] * 2
    assert "| `x` | - | 0 | 100.0 % |" in markdown(section(found), seen)


def test_the_page_shows_parts_checks_and_features() -> None:
    text = page()
    assert "- Version: `" + "f" * 64 + "` (SHA-256; files: 1, 2.0 MB)" in text
    assert "- Rows: 12 in the parts; 3 of the table had no target and were left out" in text
    assert "| train | 4 | 2 | 2026-01-01 00:00 | 2026-01-02 12:00 | 50.0 % |" in text
    assert "| no group stands in two parts | yes | 0 of 6 groups ('day') in several parts |" in text
    assert "| `x` | A length | number | km | 2 h | 0 |" in text
    assert "| `x` | 0 | 0.375 | 0.75 | 4 | 0 |" in text
    assert "| `s` | a 50.0 %, b 25.0 % | 2 | 25.0 % |" in text


def test_a_check_that_did_not_hold_stands_out() -> None:
    assert "| no group stands in two parts | **no** | 1 of 1 groups" in page(table(day="d"))


def test_no_value_breaks_its_cell_or_becomes_markup() -> None:
    text = page(table(s=["a|b\nc<script>`"] * 12))
    assert "a\\|b c&lt;script>' 100.0 %" in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("| `s`")]
    assert [row.count("|") for row in rows] == [7, 5, 5, 5]


def test_a_long_value_is_cut() -> None:
    assert "a" * 40 + "… 100.0 %" in page(table(s=["a" * 1000] * 12))


def test_a_small_share_is_not_shown_as_none() -> None:
    seen = Values(Summary(missing_share=0.0001, distinct=0), 1, 0, Bins(), ())
    assert "| `x` | - | 0 | < 0.1 % |" in markdown(section(parts()), {"test": {"x": seen}})


def test_the_page_is_the_same_text_each_time() -> None:
    assert page() == page()
