"""No part of the rows pays for a better average."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from gate_evidence import RELEASE, SITES, judge, make_comparison, make_evidence, make_rows, replace
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import SettingsError
from weighbridge.evidence.gates import Evidence, cuts, gaps
from weighbridge.evidence.gates.measuring import Measured, Measuring
from weighbridge.evidence.rows import Rows
from weighbridge.manifest import GatePart, GateResult
from weighbridge.settings import Slices

BY_SITE = Slices(metric="accuracy", columns=("site",), min_rows=500, margin=0.02)


def broken(where: dict[str, str], rows: int = 6000, share: float = 1.0, seed: int = 1) -> Evidence:
    """Return evidence of a model that is turned round in a *share* of some rows, and better elsewhere."""
    made = make_rows(rows, noise=0.0, old_noise=0.6, seed=seed)
    member = made.member(where) & (np.random.default_rng(2).random(rows) < share)
    return make_evidence(dataclasses.replace(made, new=np.where(member, 1 - made.new, made.new)))


def parts(result: GateResult, verdict: str) -> list[str]:
    return [part.name for part in result.parts if part.verdict == verdict]


def named(result: GateResult, name: str) -> GatePart:
    return next(part for part in result.parts if part.name == name)


EQUAL = make_evidence(make_rows(6000))
FIRST = make_evidence(make_rows(6000, old_noise=None))


def test_equal_models_pass_and_every_slice_is_listed() -> None:
    found = judge(BY_SITE, EQUAL)
    assert found.verdict == "pass"
    assert sorted(parts(found, "pass")) == sorted(f"site={site}" for site in SITES)
    assert sum(part.rows or 0 for part in found.parts) == 6000
    assert all(part.low is not None and part.p is not None for part in found.parts)
    assert found.rule == (
        f"no slice by site is worse in accuracy than with {RELEASE} by more than 0.02 (Holm over the family, 95 % "
        "confidence)"
    )


def test_a_slice_that_got_worse_behind_a_better_average_fails() -> None:
    evidence = broken({"site": "west"}, share=0.2)
    found = judge(BY_SITE, evidence)
    assert (found.verdict, parts(found, "fail")) == ("fail", ["site=west"])
    assert found.reason.startswith("site=west: worse by more than 0.02 (p = ")
    assert (found.limit, found.bound, found.value) == (-0.02, found.low, named(found, "site=west").value)
    assert found.difference is not None
    assert found.short_by == pytest.approx(-found.difference - 0.02)


def test_a_metric_of_which_less_is_better_is_mirrored() -> None:
    gate = Slices(metric="log_loss", columns=("site",), min_rows=500, margin=0.05)
    assert judge(gate, EQUAL).verdict == "pass"
    found = judge(gate, broken({"site": "west"}, share=0.5))
    assert (found.verdict, parts(found, "fail"), found.limit, found.bound) == ("fail", ["site=west"], 0.05, found.high)


def test_the_margin_is_what_a_slice_may_lose() -> None:
    evidence = broken({"site": "west"}, share=0.2)
    assert judge(replace(BY_SITE, margin=0.5), evidence).verdict == "pass"


def test_what_is_too_small_is_listed_and_counted_and_never_dropped() -> None:
    found = judge(Slices(metric="accuracy", columns=("shop", "site"), min_rows=500, margin=0.02), EQUAL)
    small = [part for part in found.parts if part.verdict == "inconclusive"]
    rows = EQUAL.rows
    alone = int((rows.columns["shop"] != "main").sum())
    assert len(small) == 21
    assert small[-1].name == f"shop ({alone - 20} more)"
    assert sum(part.rows or 0 for part in small) == alone
    assert {part.reason for part in small[:-1]} == {"fewer than 500 rows"}
    assert (found.verdict, found.reason) == ("pass", f"{alone} slices are too small to be judged")


def test_where_every_slice_is_too_small_nothing_is_proven() -> None:
    found = judge(replace(BY_SITE, min_rows=5000), EQUAL)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("no slice can be judged: none has 5000 rows; lower min_rows")


def one_class(old_noise: float | None = 0.3) -> Rows:
    rows = make_rows(4000, old_noise=old_noise)
    return dataclasses.replace(rows, y=np.where(rows.columns["site"] == "east", 1, rows.y))


def test_a_large_slice_of_one_class_blocks_and_says_what_to_take() -> None:
    evidence = make_evidence(one_class())
    ranking = Slices(metric="roc_auc", columns=("site",), min_rows=500, margin=0.02)
    found = judge(ranking, evidence)
    assert (found.verdict, parts(found, "inconclusive")) == ("inconclusive", ["site=east"])
    rows = named(found, "site=east").rows
    assert found.reason == (
        f"site=east: roc_auc can't be measured here, all {rows} outcomes are 1; take accuracy, which needs no second "
        f"class, or list it only by a min_rows above {rows}"
    )
    assert judge(BY_SITE, evidence).verdict == "pass", "accuracy is known of one class as well"
    listed = judge(replace(ranking, min_rows=(rows or 0) + 1), evidence)
    assert named(listed, "site=east").reason.startswith("fewer than")
    must = judge(Slices(metric="roc_auc", must_pass=({"site": "east"},), min_rows=500, margin=0.5), evidence)
    assert (must.verdict, "take accuracy" in must.reason) == ("inconclusive", True)


def test_accuracy_on_a_slice_of_one_class_finds_harm() -> None:
    rows = one_class()
    east = rows.columns["site"] == "east"
    for group_by in (None, "day"):
        worse = dataclasses.replace(rows, new=np.where(east, 0.9 * rows.new, rows.new) * np.where(east, 0.5, 1.0))
        worse = dataclasses.replace(worse, group_by=group_by)
        found = judge(BY_SITE, make_evidence(worse))
        assert (found.verdict, parts(found, "fail")) == ("fail", ["site=east"])
        assert found.value == np.mean(worse.new[east] >= 0.5)


def test_a_large_slice_of_one_group_blocks() -> None:
    rows = make_rows(4000)
    days = np.where(rows.columns["site"] == "east", "day0", rows.columns["day"])
    grouped = dataclasses.replace(rows, columns={**rows.columns, "day": days}, group_by="day")
    found = judge(BY_SITE, make_evidence(grouped))
    assert (found.verdict, parts(found, "inconclusive")) == ("inconclusive", ["site=east"])
    assert "group by another column than day, or list it only by a min_rows above" in found.reason


def test_a_first_release_asks_nothing_of_slices_that_cannot_be_compared() -> None:
    small = judge(replace(BY_SITE, min_rows=5000), FIRST)
    assert (small.verdict, small.reason) == (
        "not applicable",
        "there is no earlier release; 4 slices are too small to be judged",
    )
    ranking = Slices(metric="roc_auc", columns=("site",), min_rows=500)
    untold = make_evidence(one_class(old_noise=None))
    assert judge(ranking, untold).verdict == "not applicable"
    gap = judge(replace(ranking, max_gap=0.5), untold)
    assert (gap.verdict, parts(gap, "inconclusive")) == ("inconclusive", ["gap over site"])
    assert "site=east: roc_auc can't be measured here" in gap.reason


def test_crossings_cut_by_several_columns_together() -> None:
    rows = make_rows(6000)
    half = np.where(np.arange(6000) % 2, "odd", "even")
    rows = dataclasses.replace(rows, columns={**rows.columns, "half": half})
    member = (half == "odd") & (rows.columns["site"] == "north")
    evidence = make_evidence(dataclasses.replace(rows, new=np.where(member, 1 - rows.new, rows.new)))
    gate = Slices(metric="accuracy", crossings=(("site", "half"),), min_rows=500, margin=0.02)
    found = judge(gate, evidence)
    assert parts(found, "fail") == ["site=north, half=odd"]
    assert len(found.parts) == 8


def test_must_pass_asks_for_the_proof() -> None:
    gate = Slices(metric="accuracy", must_pass=({"site": "west"},), min_rows=500, margin=0.05)
    passed = judge(gate, EQUAL)
    assert (passed.verdict, parts(passed, "pass")) == ("pass", ["site=west (must pass)"])
    narrow = judge(replace(gate, margin=0.005), EQUAL)
    assert narrow.verdict == "inconclusive"
    assert narrow.rows_needed is not None
    assert narrow.rows is not None
    assert narrow.rows_needed > narrow.rows
    assert "of its rows would settle it" in narrow.reason
    failed = judge(gate, broken({"site": "west"}, share=0.5))
    assert (failed.verdict, failed.reason) == ("fail", "site=west (must pass): worse by more than 0.05")


def test_a_slice_that_must_pass_and_is_too_small_blocks() -> None:
    gate = Slices(metric="accuracy", columns=("site",), must_pass=({"site": "west"},), min_rows=3000, margin=0.5)
    found = judge(gate, EQUAL)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("site=west (must pass): fewer than 3000 rows")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            {"site": "nort"},
            "gates.it: found slice site=nort, a value that no test row has: 'nort'; did you mean 'north'",
        ),
        ({"sight": "north"}, "gates.it: found slice column 'sight'; did you mean 'site'"),
    ],
)
def test_a_slice_that_does_not_exist_names_the_nearest(where: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        judge(replace(BY_SITE, must_pass=(where,)), EQUAL)


def test_values_that_no_row_has_together_are_refused() -> None:
    rows = make_rows(400)
    rows = dataclasses.replace(rows, columns={**rows.columns, "twin": rows.columns["site"]})
    gate = replace(BY_SITE, must_pass=({"site": "north", "twin": "south"},))
    with pytest.raises(SettingsError, match="site=north, twin=south: no test row has these values together"):
        judge(gate, make_evidence(rows))


def test_unknown_columns_name_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"gates\.it: found slice column 'sit'; did you mean 'site'"):
        judge(replace(BY_SITE, columns=("sit",)), EQUAL)


def test_without_an_earlier_release_harm_does_not_apply_and_the_gap_is_judged() -> None:
    harm = judge(replace(BY_SITE, must_pass=({"site": "west"},)), FIRST)
    assert (harm.verdict, harm.reason) == ("not applicable", "there is no earlier release")
    assert {part.verdict for part in harm.parts} == {"not applicable"}
    wide, narrow = (judge(replace(BY_SITE, max_gap=gap), FIRST) for gap in (0.2, 0.001))
    assert (wide.verdict, narrow.verdict) == ("pass", "inconclusive")
    assert wide.limit == 0.2
    assert named(wide, "gap over site").value == wide.value


def test_a_gap_that_is_proven_fails() -> None:
    evidence = dataclasses.replace(broken({"site": "west"}), weighing=FIRST.weighing)
    found = judge(replace(BY_SITE, max_gap=0.1), evidence)
    assert (found.verdict, parts(found, "fail")) == ("fail", ["gap over site"])
    assert "from site=west (" in found.reason
    assert found.short_by == pytest.approx((found.value or 0) - 0.1)


@pytest.mark.parametrize("evidence", [FIRST, EQUAL], ids=["first", "later"])
def test_a_gap_that_cannot_be_measured_is_no_pass(evidence: Evidence) -> None:
    gate = Slices(metric="accuracy", columns=("shop",), min_rows=500, max_gap=0.1)
    found = judge(gate, evidence)
    assert (found.verdict, named(found, "gap over shop").verdict) == ("inconclusive", "inconclusive")
    assert "gap over shop: 1 of its slices can be measured, two are needed; lower min_rows, now 500" in found.reason
    assert judge(replace(gate, min_rows=9000), evidence).verdict == "inconclusive"


def test_a_proven_gap_fails_beside_a_slice_that_cannot_be_measured() -> None:
    rows = one_class()
    west = rows.columns["site"] == "west"
    evidence = make_evidence(dataclasses.replace(rows, new=np.where(west, 1 - rows.new, rows.new), old=None))
    evidence = dataclasses.replace(evidence, weighing=FIRST.weighing)
    gate = Slices(metric="roc_auc", columns=("site",), min_rows=500, max_gap=0.1)
    assert judge(gate, evidence).verdict == "fail"


def test_a_release_that_cannot_be_compared_is_no_proof() -> None:
    broken_release = make_comparison(comparable=False, reason="inputs missing: wind")
    evidence = dataclasses.replace(FIRST, weighing=replace(FIRST.weighing, comparison=broken_release))
    found = judge(BY_SITE, evidence)
    assert (found.verdict, found.reason.startswith("site=")) == ("inconclusive", True)
    assert "inputs missing: wind" in found.reason


def test_holm_keeps_twenty_equal_slices_from_blocking() -> None:
    """Of equal models about one in twenty is blocked, whatever the number of slices; else two in three would be."""
    blocked = 0
    for seed in range(60):
        rows = make_rows(4000, seed=seed)
        many = np.char.add("s", (np.arange(4000) % 20).astype(str))
        evidence = make_evidence(dataclasses.replace(rows, columns={"many": many}), resamples=200)
        found = judge(Slices(metric="accuracy", columns=("many",), min_rows=100), evidence)
        blocked += found.verdict == "fail"
    assert blocked <= 8


def test_rows_of_a_group_are_resampled_together_in_every_slice() -> None:
    """Two slices of one content, each with all groups, vary alike: their difference doesn't vary at all."""
    rows = make_rows(3000)
    twice = {name: np.tile(values, 2) for name, values in rows.columns.items()}
    twin = np.repeat(["left", "right"], 3000)
    both = Rows(
        task="binary",
        y=np.tile(rows.y, 2),
        new=np.tile(rows.new, 2),
        old=None,
        thresholds=(0.5, 0.5),
        columns={**twice, "twin": twin},
        group_by="day",
    )
    measuring = Measuring(both, 300, ())
    left, right = (measuring.part("accuracy", "day", np.flatnonzero(twin == side)) for side in ("left", "right"))
    together = gaps.gap([left, right], 0.95, measuring.groups("day"))
    assert (together.value, together.low) == (0.0, 0.0)
    assert together.high == pytest.approx(0.0, abs=1e-7)
    assert gaps.gap([left, right], 0.95, 1000).high > 0.005, "in other groups they vary on their own"


def measured(value: float, spread: float) -> Measured:
    samples = value + spread * np.random.default_rng(int(1e6 * value)).normal(size=500)
    return Measured(rows=100, groups=None, new=(value, samples), old=None)


def test_the_gap_is_bounded_by_its_widest_pair() -> None:
    found = gaps.gap([measured(0.5, 0.01), measured(0.7, 0.01), measured(0.6, 0.1)], 0.95, None)
    assert found.value == pytest.approx(0.2)
    assert found.high > 0.2 + 1.6 * 0.1 - 0.1
    assert 0 < found.low < 0.2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=60), st.integers(1, 9))
def test_cuts_divide_the_rows(pairs: list[tuple[str, str]], min_rows: int) -> None:
    """Every row is in exactly one part, and the parts are named by the values of their rows."""
    n = len(pairs)
    columns: dict[str, Any] = {name: np.array([pair[i] for pair in pairs]) for i, name in enumerate(("u", "v"))}
    rows = Rows(
        task="binary", y=np.zeros(n), new=np.zeros(n), old=None, thresholds=(0.5, 0.5), columns=columns, group_by=None
    )
    found = cuts.cuts(rows, ("u", "v"), min_rows, 3)
    held = [int(row) for cut in found.large for row in cut.place]
    assert len(held) == len(set(held)) == n - found.small_rows
    assert all(len(cut.place) >= min_rows for cut in found.large)
    assert sorted(found.large, key=lambda cut: -len(cut.place)) == list(found.large)
    for cut in found.large:
        assert {f"u={pairs[row][0]}, v={pairs[row][1]}" for row in cut.place} == {cut.name}
    assert len(found.large) + found.small_count == len(set(pairs))
    assert len(found.small) == min(3, found.small_count)
