"""Splits without time: every row in one part, shares that hold in each class, and rows that stay where they are."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import OUT, assign, folds, needed, rule_in_words, split_problems
from weighbridge.errors import DataError, SettingsError
from weighbridge.settings import ColumnSplit, FoldSplit, GroupSplit, RandomSplit, Split, TimeSplit

X = {"x": Column(type="number", known=1.0)}
GROUPS = Schema(id="id", target="y", labels=("a", "b", "c"), group="g", features=X)
CLASSES = Schema(id="id", target="y", labels=("a", "b", "c"), features=X)
NUMBERS = Schema(id="id", target="y", features=X)

shares = st.floats(0.01, 0.49)
targets = st.lists(st.integers(0, 2), min_size=1, max_size=200)


def rows(target: list[int], start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"r{start + i}" for i in range(len(target))], "y": np.array(target, dtype="int8")})


def many(count: int = 1000) -> pd.DataFrame:
    return rows([i % 7 % 3 for i in range(count)])


@given(targets, shares, shares, st.integers(0, 2**70))
def test_each_class_has_the_shares_to_within_a_row(
    target: list[int], validation: float, test: float, seed: int
) -> None:
    codes = assign(rows(target), CLASSES, RandomSplit(validation=validation, test=test, seed=seed))
    assert set(codes) <= {0, 1, 2}
    for number in range(3):
        own = codes[np.array(target) == number]
        assert abs((own == 2).sum() - test * len(own)) <= 0.5 + 1e-9
        assert abs((own == 0).sum() - (1 - validation - test) * len(own)) <= 0.5 + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=50, max_size=300), st.integers(0, 5))
def test_parts_of_a_regression_are_alike_in_each_tenth(target: list[float], seed: int) -> None:
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(len(target))], "y": target})
    codes = assign(frame, NUMBERS, RandomSplit(seed=seed))
    ranked = np.sort(target)
    edges = [ranked[len(target) * tenth // 10] for tenth in range(1, 10)]
    for own in (codes[np.searchsorted(edges, target, side="right") == tenth] for tenth in range(10)):
        assert abs((own == 2).sum() - 0.2 * len(own)) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    "split", [RandomSplit(), RandomSplit(stratify=False), FoldSplit(), FoldSplit(stratify=False)], ids=str
)
def test_the_order_of_rows_is_irrelevant(split: Split) -> None:
    frame = many()
    shuffled = frame.sample(frac=1, random_state=1)
    again = pd.Series(assign(shuffled, CLASSES, split), index=shuffled.index).sort_index()
    assert assign(frame, CLASSES, split).tolist() == again.tolist()


@given(target=targets, added=st.lists(st.integers(0, 2), max_size=50), stratify=st.booleans(), seed=st.integers(0, 9))
def test_of_the_rows_that_were_there_at_most_as_many_change_sides_at_a_border_as_are_added(
    *, target: list[int], added: list[int], stratify: bool, seed: int
) -> None:
    split = RandomSplit(stratify=stratify, seed=seed)
    before = assign(rows(target), CLASSES, split)
    after = assign(pd.concat([rows(target), rows(added, start=1000)]), CLASSES, split)[: len(target)]
    borders = 2 * (3 if stratify else 1)
    assert (before != after).sum() <= 2 * len(added) + borders


def test_growth_by_a_tenth_leaves_nineteen_rows_of_twenty_in_their_part() -> None:
    before = assign(many(10_000), CLASSES, RandomSplit())
    after = assign(many(11_000), CLASSES, RandomSplit())[:10_000]
    assert (before != after).mean() < 0.05


def test_a_row_is_assigned_alike_on_every_machine_and_with_every_version() -> None:
    """The numbers were written down once: another digest would move rows between parts unseen."""
    frame = rows([0] * 12)
    assert assign(frame, CLASSES, RandomSplit()).tolist() == [2, 2, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0]
    assert assign(frame, CLASSES, RandomSplit(seed=1)).tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 2]


def test_another_seed_is_another_draw() -> None:
    assert (assign(many(), CLASSES, RandomSplit()) != assign(many(), CLASSES, RandomSplit(seed=1))).mean() > 0.3


def test_chance_favours_no_part() -> None:
    """Consecutive ids, as they mostly are, have digests that have nothing to do with each other."""
    codes = assign(many(30_000), CLASSES, RandomSplit(stratify=False))
    for places in (codes[::2], codes[: len(codes) // 2], codes[many(30_000)["y"] == 1]):
        assert abs((places == 2).mean() - 0.2) < 0.012


def test_without_strata_only_the_ids_are_needed_and_the_whole_has_the_shares() -> None:
    split = RandomSplit(stratify=False, validation=0.1, test=0.3)
    assert needed(CLASSES, split) == ["id"]
    assert np.bincount(assign(many()[["id"]], CLASSES, split)).tolist() == [600, 100, 300]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), shares, shares, st.integers(0, 9))
def test_groups_stay_whole_and_their_number_has_the_shares(
    groups: list[int], validation: float, test: float, seed: int
) -> None:
    frame = pd.DataFrame({"g": [f"g{group}" for group in groups]})
    codes = assign(frame, GROUPS, GroupSplit(validation=validation, test=test, seed=seed))
    parts = frame.assign(part=codes).drop_duplicates()
    assert parts["g"].is_unique
    assert abs((parts["part"] == 2).sum() - test * len(parts)) <= 0.5 + 1e-9
    assert abs((parts["part"] == 0).sum() - (1 - validation - test) * len(parts)) <= 0.5 + 1e-9


@given(
    count=st.integers(2, 12),
    target=st.lists(st.integers(0, 2), min_size=100, max_size=300),
    test=shares,
    stratify=st.booleans(),
)
def test_folds_are_of_one_size_in_each_class_and_have_no_test_row(
    *, count: int, target: list[int], test: float, stratify: bool
) -> None:
    split = FoldSplit(folds=count, test=test, stratify=stratify)
    try:
        found = folds(rows(target), CLASSES, split)
    except DataError:  # too few rows of a class, which other tests are about
        return
    codes = assign(rows(target), CLASSES, split)
    assert ((found == OUT) == (codes == 2)).all()
    assert ((found == 0) == (codes == 1)).all()
    for own in [found[np.array(target) == number] for number in range(3)] if stratify else [found]:
        sizes = np.bincount(own[own != OUT], minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1
        assert abs((own == OUT).sum() - test * len(own)) <= 0.5 + 1e-9


def test_folds_of_many_small_classes_are_still_of_about_one_size() -> None:
    schema = Schema(id="id", target="y", labels=tuple(map(str, range(40))), features=X)
    found = folds(rows([i % 40 for i in range(40 * 8)]), schema, FoldSplit(folds=5, test=0.25))
    sizes = np.bincount(found[found != OUT])
    assert sizes.max() - sizes.min() <= 4  # 40, were all rows that are left over in the same fold


def test_folds_keep_groups_whole_where_there_are_any() -> None:
    frame = many().assign(g=[f"g{i * 7919 % 61}" for i in range(1000)])
    found = frame.assign(fold=folds(frame, GROUPS, FoldSplit(folds=4, test=0.25)))
    groups = found[["g", "fold"]].drop_duplicates()
    assert groups["g"].is_unique
    assert groups["fold"].value_counts().to_dict() == {-1: 15, 0: 12, 1: 11, 2: 12, 3: 11}
    assert needed(GROUPS, FoldSplit()) == ["g", "y"]
    assert "folds of whole groups at random by a digest of 'g' (seed 0): seed s" in rule_in_words(FoldSplit(), GROUPS)


class TestByColumn:
    SPLIT = ColumnSplit(column="part", train=("1", "2"), validation=("3",), test=("4",))

    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, 3, 4, 9],
            ["1", "2", "3", "4", ""],
            [1.0, 2.0, 3.0, 4.0, np.nan],
            pd.Categorical(list("1234"), list("12345")),
        ],
        ids=["whole", "text", "numbers", "categories"],
    )
    def test_rows_go_where_the_column_says_and_others_nowhere(self, values: object) -> None:
        codes = assign(pd.DataFrame({"part": values}), CLASSES, self.SPLIT)
        assert codes.tolist() == [0, 0, 1, 2, -1][: len(codes)]

    def test_large_whole_numbers_beside_gaps_are_told_apart(self) -> None:
        split = ColumnSplit(column="day", train=("20260101",), validation=("20260102",), test=("20260103",))
        codes = assign(pd.DataFrame({"day": [20260103, 20260102, None, 20260101]}), CLASSES, split)
        assert codes.tolist() == [2, 1, -1, 0]

    def test_a_part_without_rows_is_refused_with_the_values_found(self) -> None:
        with pytest.raises(DataError) as refused:
            assign(pd.DataFrame({"part": ["train", "train", "valid", None]}), CLASSES, ColumnSplit(column="part"))
        assert str(refused.value) == (
            "data.split.validation: no row has 'validation'\n"
            "data.split.test: no row has 'test'\n"
            "the column 'part' holds 'train', 'valid'"
        )

    def test_a_missing_column_is_named(self) -> None:
        with pytest.raises(DataError, match="no column 'part'; the table has id, y"):
            assign(rows([0, 1]), CLASSES, self.SPLIT)


class TestRefused:
    @pytest.mark.parametrize(
        ("split", "says"),
        [
            (
                TimeSplit(validation="2026-01-01", test="2026-02-01", end="2026-03-01"),
                "by time, but the schema names no",
            ),
            (GroupSplit(), "by group, but the schema names no group"),
            (RandomSplit(validation=0.5, test=0.5), "found 0.5, and 0.5 for test, which leaves no rows to train on"),
            (GroupSplit(validation=0.9, test=0.5), "found 0.9, and 0.5 for test"),
            (
                ColumnSplit(column="c", validation=("a",), test=("b", "a")),
                "data.split.test: 'a' also stands for validation",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_a_split_that_no_rows_could_make_good(self, split: Split, says: str) -> None:
        with pytest.raises(SettingsError) as refused:
            needed(NUMBERS, split)
        assert says in str(refused.value)

    @pytest.mark.parametrize(
        ("target", "split", "says"),
        [
            ([0, 1, 0, 1], FoldSplit(), "4 rows beside those of test can't make 5 folds"),
            ([0, 1] * 4 + [2], FoldSplit(folds=2, test=0.01), "all rows of 'c' are in fold 0"),
            (
                [0] * 30 + [1] * 3,
                FoldSplit(folds=5, test=0.01),
                "the target 'y' 0 in all 6 rows; a run can't be validated",
            ),
        ],
        ids=["rows", "class", "fold"],
    )
    def test_too_few_rows_for_folds(self, target: list[int], split: FoldSplit, says: str) -> None:
        with pytest.raises(DataError) as refused:
            folds(rows(target), CLASSES, split)
        assert says in str(refused.value)
        assert "expected fewer folds" in str(refused.value)

    def test_a_column_of_the_name_that_folds_need(self) -> None:
        schema = Schema(id="fold", target="y", features=X)
        with pytest.raises(SettingsError, match="the schema has a column 'fold'"):
            needed(schema, FoldSplit())


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (RandomSplit(seed=3), ("digest of 'id' (seed 3)", "within each class of 'y'", "validation 0.2, test 0.2")),
        (RandomSplit(stratify=False), ("at random by a digest of 'id' (seed 0): validation",)),
        (GroupSplit(test=0.1), ("whole groups", "'g'", "test 0.1 of the groups")),
        (
            ColumnSplit(column="part", test=("t", "u")),
            ("column 'part'", "train where 'train'", "test where 't' or 'u'"),
        ),
        (FoldSplit(folds=7), ("7 folds", "seed s validates on fold s modulo 7", "test 0.2 of the rows, in no fold")),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
def test_the_rule_in_words_says_all_that_was_set(split: Split, words: tuple[str, ...]) -> None:
    said = rule_in_words(split, GROUPS if isinstance(split, GroupSplit) else CLASSES)
    assert all(word in said for word in words), said
    assert not list(split_problems(split))


def test_the_rule_of_a_regression_speaks_of_tenths() -> None:
    assert "within each tenth of 'y'" in rule_in_words(RandomSplit(), NUMBERS)


def test_parts_are_cut_from_one_end_so_that_validation_does_not_move_the_test_rows() -> None:
    frame = many()
    found = [assign(frame, CLASSES, RandomSplit(validation=share)) == 2 for share in (0.1, 0.2, 0.5)]
    assert all((one == other).all() for one, other in itertools.pairwise(found))
