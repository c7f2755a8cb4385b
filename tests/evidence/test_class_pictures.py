from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from classes_sample import SPECIES, class_scores, scene
from drawn import assert_all_drawn, assert_readable, said, table
from flights_sample import make_weighing
from matplotlib.figure import Figure

from weighbridge import paths
from weighbridge.errors import DataError
from weighbridge.evidence import class_pictures, class_tables, page
from weighbridge.evidence.predictions import Predicted
from weighbridge.evidence.scene import Scene

HOSTILE = "$x^{<b>\n\t|late|\u202e " + "é" * 60
PAINTERS = [class_pictures.roc, class_pictures.confusion, class_pictures.calibration]


def usual(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores(), SPECIES)


def first_release(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores()._replace(old=None), SPECIES)


def ten(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores(10, 2000), tuple(map(str, range(10))))


def thirty(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores(30, 4000), tuple(f"species number {i}" for i in range(30)))


def fifty(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores(50, 4000), tuple(f"{i} {HOSTILE}" for i in range(50)))


def hostile(folder: Path) -> Scene:
    return scene(folder, "multiclass", class_scores(), (HOSTILE, HOSTILE[::-1], HOSTILE * 2))


SCENES = {"usual": usual, "first": first_release, "ten": ten, "thirty": thirty, "fifty": fifty, "hostile": hostile}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in SCENES.items()}


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("paint", PAINTERS, ids=lambda painter: painter.__name__)
def test_no_word_of_classes_leaves_the_page_and_none_covers_another(
    scenes: dict[str, Scene], kind: str, paint: Callable[[Scene], Figure]
) -> None:
    with page.style():
        assert_readable(paint(scenes[kind]))


def test_the_pictures_of_several_classes_are_drawn(scenes: dict[str, Scene], tmp_path: Path) -> None:
    assert_all_drawn(scenes["usual"], tmp_path, "multiclass")
    assert "precision_recall" not in paths.figure_names("multiclass")


def test_the_matrix_has_every_count_and_what_the_last_release_found(scenes: dict[str, Scene]) -> None:
    predicted = class_scores()
    with page.style():
        text = said(class_pictures.confusion(scenes["usual"])).splitlines()
    called = predicted.new.argmax(axis=1)
    for i in range(3):
        for j in range(3):
            assert str(int(((predicted.target == i) & (called == j)).sum())) in text
    assert sum(line.startswith("was ") for line in text) == 3
    assert any("of rows are decided rightly; most often" in line for line in text)


def test_of_very_many_classes_the_most_frequent_mistakes_are_listed(scenes: dict[str, Scene]) -> None:
    with page.style():
        text = said(class_pictures.confusion(scenes["fifty"]))
    assert "Of 50 classes, those most often called another" in text
    assert "rarer mistakes" in text
    assert sum(" of " in line and " rows, was " in line for line in text.splitlines()) == 25


def test_up_to_ten_classes_have_a_curve_each_and_more_the_lowest(scenes: dict[str, Scene]) -> None:
    with page.style():
        few, many = said(class_pictures.roc(scenes["ten"])), said(class_pictures.roc(scenes["thirty"]))
    assert sum(" (was " in line for line in few.splitlines()) == 10
    assert sum(" (was " in line for line in many.splitlines()) == 5
    assert "Of 30 classes the 5 lowest are drawn" in many
    assert "is the hardest to tell" in few


def test_no_two_curves_of_ten_look_the_same(scenes: dict[str, Scene]) -> None:
    with page.style():
        lines = class_pictures.roc(scenes["ten"]).axes[0].get_lines()
    looks = [(line.get_color(), line.get_linestyle(), line.get_linewidth()) for line in lines]
    assert len(set(looks)) == len(looks) == 13


def test_areas_are_those_of_scikit_learn_and_the_mean_curve_has_their_mean(scenes: dict[str, Scene]) -> None:
    from sklearn.metrics import roc_auc_score

    predicted, folder = class_scores(), scenes["usual"].plots
    areas = {row["class"]: float(row["area"]) for row in table(folder / "roc_by_class.csv")}
    for number, name in enumerate(SPECIES):
        expected = roc_auc_score(predicted.target == number, predicted.new[:, number])
        assert areas[name] == pytest.approx(expected, abs=1e-5)
    rows = table(folder / "roc.csv")
    mean = np.trapezoid([float(row["mean"]) for row in rows], [float(row["false_positive_rate"]) for row in rows])
    assert mean == pytest.approx(np.mean(list(areas.values())), abs=3e-3)
    assert (rows[0]["mean"], rows[-1]["mean"]) == ("0", "1")


def test_the_called_class_is_right_as_often_as_the_table_says(scenes: dict[str, Scene]) -> None:
    predicted = class_scores()
    rows = table(scenes["usual"].plots / "calibration.csv")
    right = sum(float(row["observed"]) * int(row["rows"]) for row in rows)
    assert right == pytest.approx((predicted.new.argmax(axis=1) == predicted.target).sum(), rel=1e-4)


def test_without_a_last_release_its_columns_are_empty(scenes: dict[str, Scene]) -> None:
    for name in ("roc", "roc_by_class", "confusion_counts"):
        assert {row["last_release"] for row in table(scenes["first"].plots / f"{name}.csv")} == {""}
    with page.style():
        assert "was " not in said(class_pictures.confusion(scenes["first"]))


def test_of_a_class_that_the_last_release_could_not_name_nothing_is_told_of_it(tmp_path: Path) -> None:
    predicted = class_scores()
    old = np.array(predicted.old)
    old[:, 2] = 0
    found = scene(tmp_path, "multiclass", predicted._replace(old=old), SPECIES, unknown=("Gentoo",))
    areas = {row["class"]: row["last_release"] for row in table(tmp_path / "roc_by_class.csv")}
    assert {name for name, area in areas.items() if not area} == {"Gentoo"}
    rows = table(tmp_path / "roc.csv")
    mean = np.trapezoid(
        [float(row["last_release"]) for row in rows], [float(row["false_positive_rate"]) for row in rows]
    )
    assert mean == pytest.approx(np.mean([float(area) for area in areas.values() if area]), abs=3e-3)
    with page.style():
        confusion, roc = class_pictures.confusion(found), class_pictures.roc(found)
        assert_readable(confusion)
        assert_readable(roc)
    assert said(confusion).count("was ") == 2
    assert "not known" in said(confusion)
    assert f"penguins@v1.0.0, mean {mean:.3f}" in said(roc)
    assert "penguins@v1.0.0 doesn't know 1 of the classes. Its mean is that of the others." in said(roc)


def test_a_class_without_test_rows_has_no_curve_and_says_so(tmp_path: Path) -> None:
    predicted = class_scores(4)
    kept = predicted.target != 2
    fewer = Predicted(predicted.target[kept], predicted.new[kept], None)
    found = scene(tmp_path, "multiclass", fewer, ("a", "b", "c", "d"))
    assert {row["class"] for row in table(tmp_path / "roc_by_class.csv")} == {"a", "b", "d"}
    with page.style():
        assert "no rows" in said(class_pictures.confusion(found))
        assert_readable(class_pictures.confusion(found))


@pytest.mark.parametrize(
    ("target", "new", "message"),
    [
        ([0, 1, 2], np.full((3, 2), 0.5), "for 3 labels; expected one a label"),
        ([0, 1], np.full((3, 3), 0.3), "expected one score a row"),
        ([1, 1], np.full((2, 3), 0.3), "all 2 rows are of class Chinstrap"),
        ([0, 1], np.full((2, 3), np.nan), "no finite number"),
    ],
    ids=["labels", "rows", "one class", "nan"],
)
def test_probabilities_that_are_not_of_these_rows_are_refused(target: list[int], new: object, message: str) -> None:
    predicted = Predicted(np.array(target), np.asarray(new), None)
    with pytest.raises(DataError, match=message):
        class_tables.tables(predicted, SPECIES, make_weighing(task="multiclass", calibration=None))
