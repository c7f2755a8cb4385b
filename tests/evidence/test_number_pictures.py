from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from classes_sample import number_scores, scene
from drawn import assert_all_drawn, assert_readable, said, table
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from weighbridge.errors import DataError
from weighbridge.evidence import forest_pictures, number_pictures, number_tables, page, pictures
from weighbridge.evidence.predictions import Predicted
from weighbridge.evidence.scene import Scene, Target

PAINTERS = [
    number_pictures.predicted_actual, number_pictures.residuals, forest_pictures.slices, pictures.candidates,
    pictures.learning_curves,
]  # fmt: skip


def usual(folder: Path) -> Scene:
    return scene(folder, "regression", number_scores(), target=Target("body_mass", "g"))


def few(folder: Path) -> Scene:
    return scene(folder, "regression", number_scores(60)._replace(old=None))


def large(folder: Path) -> Scene:
    return scene(folder, "regression", number_scores(scale=1e7), target=Target("$price\n" + "é" * 80, "U" * 40))


def constant(folder: Path) -> Scene:
    ones = np.ones(20)
    return scene(folder, "regression", Predicted(ones, ones, ones))


SCENES = {"usual": usual, "few": few, "large": large, "constant": constant}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in SCENES.items()}


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("paint", PAINTERS, ids=lambda painter: painter.__name__)
def test_no_word_of_numbers_leaves_the_page_and_none_covers_another(
    scenes: dict[str, Scene], kind: str, paint: Callable[[Scene], Figure]
) -> None:
    with page.style():
        assert_readable(paint(scenes[kind]))


def test_the_pictures_of_a_regression_are_drawn(scenes: dict[str, Scene], tmp_path: Path) -> None:
    assert_all_drawn(scenes["usual"], tmp_path, "regression")


def test_titles_and_axes_tell_target_and_unit(scenes: dict[str, Scene]) -> None:
    with page.style():
        agreement, errors = (said(paint(scenes["usual"])) for paint in PAINTERS[:2])
    assert "Predictions are off by 43.2 g on average; R² is 0.480" in agreement
    assert {"penguins", "penguins@v1.0.0", "actual body_mass (g)"} <= set(agreement.splitlines())
    assert "Half of the predictions are off by at most" in errors
    assert "with penguins@v1.0.0)" in errors
    assert "Mean error (bias): -1.300 (-1.365 to -1.235)" in errors
    assert {"error (g)", "median", "middle 80 %"} <= set(errors.splitlines())


def test_a_first_release_stands_alone(scenes: dict[str, Scene]) -> None:
    with page.style():
        figure = number_pictures.predicted_actual(scenes["few"])
        assert "@v" not in said(figure)
    assert len(figure.axes) == 1
    assert table(scenes["few"].plots / "predicted_actual_before.csv") == []
    assert {row["last_release"] for row in table(scenes["few"].plots / "residuals.csv")} == {""}


def test_the_middle_of_errors_is_exact(scenes: dict[str, Scene]) -> None:
    predicted = number_scores()
    rows = {row["share"]: row for row in table(scenes["usual"].plots / "residual_quantiles.csv")}
    error = predicted.new - predicted.target
    assert float(rows["0.5"]["error"]) == pytest.approx(np.median(error), rel=1e-4)
    assert float(rows["0.9"]["distance"]) == pytest.approx(np.quantile(np.abs(error), 0.9), rel=1e-4)


def test_bins_by_prediction_hold_all_rows(scenes: dict[str, Scene]) -> None:
    rows = table(scenes["usual"].plots / "residuals_by_prediction.csv")
    assert sum(int(row["rows"]) for row in rows) == 3000
    assert all(float(row["low"]) <= float(row["median"]) <= float(row["high"]) for row in rows)
    assert [float(row["predicted"]) for row in rows] == sorted(float(row["predicted"]) for row in rows)


NUMBER = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)


@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=60))
def test_every_row_inside_is_in_one_cell_and_near_its_middle(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    span = number_tables.shown(np.concatenate([x, y]))
    cells = number_tables.cells(x, y, span)
    inside = (x >= span[0]) & (x <= span[1]) & (y >= span[0]) & (y <= span[1])
    assert sum(int(str(count)) for _, _, count, _ in cells) == inside.sum()
    middles = np.array([[float(str(a)), float(str(b))] for a, b, *_ in cells])
    width = (span[1] - span[0]) / number_tables.CELLS
    for a, b in zip(x[inside], y[inside], strict=True):
        assert np.hypot(*(middles - [a, b]).T).min() <= width * 0.6


def test_what_lies_far_outside_is_left_out_and_counted(tmp_path: Path) -> None:
    predicted = number_scores()
    predicted.target[:3] = 1e9
    found = scene(tmp_path, "regression", predicted)
    with page.style():
        assert "rows far outside are not drawn" in said(number_pictures.predicted_actual(found))
        assert_readable(number_pictures.residuals(found))


def test_the_same_numbers_give_the_same_bytes(scenes: dict[str, Scene], tmp_path: Path) -> None:
    usual(tmp_path)
    for path in scenes["usual"].plots.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
        assert path.stat().st_size < 100_000
        assert "nan" not in path.read_text().lower()


@pytest.mark.parametrize("new", [[1.0], [1.0, float("inf")]], ids=["rows", "infinite"])
def test_predictions_that_are_not_of_these_rows_are_refused(new: list[float]) -> None:
    with pytest.raises(DataError, match="run the weigh stage again"):
        number_tables.tables(Predicted(np.array([1.0, 2.0]), np.array(new), None))
