"""What a search tells: the order of its points, which parameter mattered, and where to look further."""

import csv
import io
import math

import pytest

from weighbridge import search
from weighbridge.evidence import search_page, search_pictures, search_table
from weighbridge.evidence.page import png, style
from weighbridge.evidence.search_table import Tried
from weighbridge.settings import Grid, Random, Span

GRID = Grid(params={"C": (0.01, 0.1, 1.0, 10.0), "penalty": ("l1", "l2"), "warm": (True, False)})
DRAWN = Random(samples=24, params={"rate": Span(low=0.001, high=0.1, log=True), "leaves": Span(low=2, high=64)})


def tried(found: Grid | Random, base: str = "m", deviation: float | None = 0.001) -> list[Tried]:
    """Return points whose metric rises with the logarithm of the first parameter, and depends on nothing else."""
    points = []
    for name, one in search.named({base: found}).items():
        values = search.set_at(one.point)
        first = next(iter(values.values()))
        points.append(Tried(name, base, values, 0.7 + 0.01 * math.log10(first), deviation, 2.5, champion=False))
    best = search_table.ranked(points, greater=True)
    return [best[0]._replace(champion=True), *best[1:]]


@pytest.mark.parametrize(("found", "key"), [(GRID, "params.C"), (DRAWN, "params.rate")], ids=["grid", "random"])
def test_the_parameter_that_matters_comes_first(found: Grid | Random, key: str) -> None:
    first, *others = search_table.parameters(found, tried(found), greater=True)
    assert first.key == key
    assert first.explained is not None
    assert first.explained > 0.8
    assert all((other.explained or 0) < 0.3 for other in others)


def test_chance_explains_nothing() -> None:
    """Epsilon squared is adjusted for chance: without that, four groups of six would explain 13 % of noise."""
    points = [one._replace(mean=math.sin(99 * i) * 0.01) for i, one in enumerate(tried(DRAWN))]
    assert all((one.explained or 0) < 0.15 for one in search_table.parameters(DRAWN, points, greater=True))


def test_epsilon_squared_as_by_hand() -> None:
    """Two groups, 1 3 and 5 7: total variance 20/3, within 2, so 1 - 2 / (20/3) = 0.7."""
    found = Grid(params={"a": (1, 2), "b": (0, 1)})
    points = [one._replace(mean=mean) for one, mean in zip(by_name(found), (1.0, 3.0, 5.0, 7.0), strict=True)]
    told = {one.key: one.explained for one in search_table.parameters(found, points, greater=True)}
    assert told["params.a"] == pytest.approx(0.7)


def by_name(found: Grid | Random) -> list[Tried]:
    return [
        Tried(name, "m", search.set_at(one.point), 0.5, None, 1.0, champion=False)
        for name, one in search.named({"m": found}).items()
    ]


def test_too_few_points_tell_nothing() -> None:
    found = Grid(params={"a": (1, 2, 3)})
    points = by_name(found)
    parameters = search_table.parameters(found, points, greater=True)
    assert [one.explained for one in parameters] == [None]
    with style():
        figure = search_pictures.draw({"m": (points, parameters)}, "roc_auc", greater=True)
    assert any("Too few points to tell" in text.get_text() for text in figure.texts), "nor does the picture claim more"


def test_a_best_point_at_an_end_asks_to_look_further() -> None:
    points = tried(GRID)
    first = search_table.parameters(GRID, points, greater=True)[0]
    assert first.at_end
    assert "look further" in search_page.page({"m": (points, [first])}, "roc_auc", points[0].name, greater=True)
    inner = [one._replace(mean=-abs(math.log10(one.values["params.C"]))) for one in points]
    told = search_table.parameters(GRID, inner, greater=True)
    assert not any(one.at_end for one in told)


@pytest.mark.parametrize("greater", [True, False])
def test_the_best_comes_first_whichever_way_the_metric_runs(greater: bool) -> None:  # noqa: FBT001
    points = [one._replace(mean=mean) for one, mean in zip(by_name(GRID), [None, *range(15)], strict=True)]
    means = [one.mean for one in search_table.ranked(points, greater=greater)]
    assert means == [*(range(14, -1, -1) if greater else range(15)), None]


def test_the_table_holds_every_point_and_parameter() -> None:
    points = tried(GRID)
    rows = list(csv.DictReader(io.StringIO(search_table.table(points, "roc_auc"))))
    assert [row["candidate"] for row in rows] == [one.name for one in points]
    assert [float(row["roc_auc_mean"]) for row in rows] == [one.mean for one in points]
    assert rows[0]["champion"] == "true"
    assert {row["champion"] for row in rows[1:]} == {"false"}
    assert {row["params.penalty"] for row in rows} == {"l1", "l2"}
    assert {row["params.warm"] for row in rows} == {"true", "false"}


def test_the_page_says_where_points_differ_less_than_seeds() -> None:
    points = tried(GRID, deviation=0.5)
    assert "the order of the points may be chance" in page_of(points)
    assert "may be chance" not in page_of(tried(GRID))
    assert "nothing tells how much of that is noise" in page_of(tried(GRID, deviation=None))


def page_of(points: list[Tried]) -> str:
    parameters = search_table.parameters(GRID, points, greater=True)
    return search_page.page({"m": (points, parameters)}, "roc_auc", points[0].name, greater=True)


def test_the_page_marks_the_champion_and_sets_names_as_text() -> None:
    points = tried(Grid(params={"a|b": (1, 10)}))
    text = search_page.page({"m": (points, [])}, "roc_auc", points[0].name, greater=True)
    assert f"**`{points[0].name}`** (champion)" in text
    assert r"`params.a\|b`" in text


def test_points_without_the_metric_stop_nothing() -> None:
    points = [one._replace(mean=None) for one in by_name(GRID)]
    parameters = search_table.parameters(GRID, points, greater=True)
    assert "No point has the metric" in search_page.page({"m": (points, parameters)}, "roc_auc", "x", greater=True)
    with style():
        assert png(search_pictures.draw({"m": (points, parameters)}, "roc_auc", greater=True))


def test_the_picture_has_a_panel_for_each_parameter_and_a_log_axis_where_values_span_decades() -> None:
    searched = {
        base: (points, search_table.parameters(found, points, greater=True))
        for base, found in (("m", GRID), ("n", DRAWN))
        for points in [tried(found, base)]
    }
    with style():
        figure = search_pictures.draw(searched, "roc_auc", greater=True)
        again = search_pictures.draw(searched, "roc_auc", greater=True)
        assert png(figure) == png(again), "the same search, the same bytes"
    scales = {axes.get_xlabel().partition(" ")[0]: axes.get_xscale() for axes in figure.axes if axes.get_xlabel()}
    assert scales == {
        "params.C": "log", "params.penalty": "linear", "params.warm": "linear", "params.rate": "log",
        "params.leaves": "linear",
    }  # fmt: skip
