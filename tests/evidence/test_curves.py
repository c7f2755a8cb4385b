import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from classes_sample import SPECIES, class_scores, number_scores, scene
from flights_sample import make_candidates, make_learning_curves, make_packaged, make_scores, make_slices, make_weighing
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import documents, dvc_file, paths, plan
from weighbridge.errors import DataError
from weighbridge.evidence import curves, plot_tables
from weighbridge.evidence.predictions import Predicted
from weighbridge.settings import Task

ROOT = Path(__file__).parents[2]
SCORES = make_scores()
HOSTILE = "a: b\" # c\n- *x &y !!python {{ %} \N{SNOWMAN} '$(id)`"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(folder: Path, *, old: bool = True) -> tuple[Path, ...]:
    return plot_tables.write_all(
        folder,
        predicted=Predicted(SCORES.target, SCORES.probability, SCORES.baseline if old else None),
        packaged=make_packaged(),
        weighing=make_weighing(),
        learning_curves=make_learning_curves(),
    )


def test_the_thinned_roc_curve_keeps_the_area() -> None:
    from sklearn.metrics import roc_auc_score

    x, y = curves.thin(*curves.roc(SCORES.target, SCORES.probability))
    assert len(x) <= curves.POINTS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(SCORES.target, SCORES.probability), abs=5e-4)


def test_the_precision_recall_curve_is_that_of_scikit_learn_but_for_its_noisy_start() -> None:
    from sklearn.metrics import precision_recall_curve

    recall, precision = curves.precision_recall(SCORES.target, SCORES.probability)
    theirs_precision, theirs_recall, _ = precision_recall_curve(SCORES.target, SCORES.probability)
    theirs = set(zip(theirs_recall.round(9).tolist(), theirs_precision.round(9).tolist(), strict=True))
    assert set(zip(recall.round(9).tolist(), precision.round(9).tolist(), strict=True)) <= theirs
    assert len(recall) >= len(theirs_recall) - curves.FEWEST_CALLED - 1


def test_ties_are_taken_together() -> None:
    x, y = curves.roc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5, 0.9]))
    assert (x.tolist(), y.tolist()) == ([0.0, 0.0, 1.0], [0.0, 0.5, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000), st.integers(2, 300))
def test_thinning_keeps_the_ends_and_never_exceeds_the_points(values: list[float], points: int) -> None:
    x = np.sort(np.array(values))
    thin_x, thin_y = curves.thin(x, x * x, points)
    assert len(thin_x) <= max(points, 1)
    assert (thin_x[0], thin_x[-1]) == (x[0], x[-1])
    assert set(thin_x.tolist()) <= set(x.tolist())
    assert np.allclose(thin_y, thin_x * thin_x)


@given(st.lists(st.integers(0, 100_000), min_size=4, max_size=4).filter(any))
def test_apportioned_rows_fill_the_seats_and_stay_within_one_of_their_quota(found: list[int]) -> None:
    counts = np.array(found).reshape(2, 2)
    seats = curves.apportion(counts)
    assert seats.sum() == min(curves.CONFUSION_ROWS, counts.sum())
    if counts.sum() > curves.CONFUSION_ROWS:
        assert (np.abs(seats - counts * curves.CONFUSION_ROWS / counts.sum()) < 1).all()


def test_wilson_gives_the_interval_of_the_textbook() -> None:
    assert curves.wilson(5, 10, 0.95) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert curves.wilson(0, 10, 0.95) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_calibration_bins_hold_all_rows_in_equal_parts() -> None:
    bins = curves.calibration(SCORES.target, SCORES.probability, 10, 0.95)
    rows = [row[4] for row in bins]
    assert rows == [2800] * 10
    assert all(low <= observed <= high for _, observed, low, high, *_ in bins)


def test_every_table_is_small_and_holds_numbers_only_where_it_says_so(tmp_path: Path) -> None:
    for path in write(tmp_path):
        rows = table(path)
        assert len(rows) <= (curves.CONFUSION_ROWS if path.stem == "confusion" else curves.POINTS), path.name
        assert "nan" not in path.read_text().lower()
        assert path.stat().st_size < 32_000
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in (
        "roc", "precision_recall", "calibration", "confusion", "confusion_counts", "slices", "learning_curves",
        "candidates",
    )}  # fmt: skip


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_without_a_last_release_its_column_is_empty(tmp_path: Path) -> None:
    write(tmp_path, old=False)
    assert {row["last_release"] for row in table(tmp_path / "roc.csv")} == {""}
    write(tmp_path, old=True)
    assert "" not in {row["last_release"] for row in table(tmp_path / "roc.csv")}


def test_counts_are_exact_and_the_rows_for_dvc_in_their_proportions(tmp_path: Path) -> None:
    write(tmp_path)
    decided = SCORES.probability >= 0.5
    counts = {(row["actual"], row["predicted"]): int(row["rows"]) for row in table(tmp_path / "confusion_counts.csv")}
    assert sum(counts.values()) == len(SCORES.target)
    assert counts["late", "late"] == int((decided & (SCORES.target == 1)).sum())
    rows = [(row["actual"], row["predicted"]) for row in table(tmp_path / "confusion.csv")]
    assert abs(rows.count(("late", "late")) - 1000 * counts["late", "late"] / len(SCORES.target)) < 1


def test_slices_of_one_class_are_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    measured = [part for part in make_slices() if part.metrics]
    assert [row["slice"] for row in table(tmp_path / "slices.csv")] == [f"carrier {part.value}" for part in measured]


def test_long_learning_curves_are_thinned_and_an_unmeasured_loss_stays_empty(tmp_path: Path) -> None:
    rounds = [{"epoch": i, "train_loss": 1 / i} for i in range(1, 1001)]
    plot_tables.write_all(
        tmp_path, predicted=Predicted(SCORES.target, SCORES.probability, None), packaged=make_packaged(),
        weighing=make_weighing(), learning_curves={"boosting seed 0": rounds, "logistic seed 0": []},
    )  # fmt: skip
    rows = table(tmp_path / "learning_curves.csv")
    assert len(rows) == curves.POINTS
    assert (rows[0]["epoch"], rows[-1]["epoch"]) == ("1", "1000")
    assert {row["validation_loss"] for row in rows} == {""}


def test_candidates_are_listed_with_each_seed(tmp_path: Path) -> None:
    write(tmp_path)
    rows = table(tmp_path / "candidates.csv")
    assert [row["run"] for row in rows] == [f"{name} seed {seed}" for name in make_candidates() for seed in (0, 1, 2)]


@pytest.mark.parametrize(
    ("target", "probability", "said"),
    [
        ([0, 1, 1], [0.1, 0.2], "expected one score a row"),
        ([], [], "expected one score a row"),
        ([0, 1], [0.1, float("nan")], "1 scores are no finite number"),
        ([1, 1], [0.1, 0.2], "all 2 rows are of class 1"),
    ],
)
def test_scores_that_make_no_curve_are_refused(target: list[int], probability: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        plot_tables.write_all(
            Path("never"),
            predicted=Predicted(np.array(target), np.array(probability), None),
            packaged=make_packaged(),
            weighing=make_weighing(),
        )
    assert not Path("never").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("task", "first_release"), [("binary", True), ("multiclass", False), ("regression", True)])
def test_dvc_draws_every_table(tmp_path: Path, task: Task, *, first_release: bool) -> None:
    """The real DVC reads ``dvc.yaml`` and finds each plot's columns, with and without learning curves."""

    def dvc(*words: str) -> str:
        return subprocess.run(["dvc", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    dvc("init", "-q")
    own = plan.load(ROOT).config
    config = msgspec.structs.replace(
        own,
        data=msgspec.structs.replace(own.data, task=task),
        card=msgspec.structs.replace(own.card, description=HOSTILE),
    )
    (tmp_path / "dvc.yaml").write_text(dvc_file.text(config), encoding="utf-8")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    if task == "binary":
        weighing = make_weighing(slices=(), comparison=None) if first_release else make_weighing()
        predicted = Predicted(SCORES.target, SCORES.probability, None if first_release else SCORES.baseline)
        plot_tables.write_all(
            tmp_path / "models" / "plots", predicted=predicted, packaged=make_packaged(), weighing=weighing,
            learning_curves=None if first_release else make_learning_curves(),
        )  # fmt: skip
    else:
        made = class_scores() if task == "multiclass" else number_scores()._replace(old=None)
        scene(tmp_path / "models" / "plots", task, made, SPECIES if task == "multiclass" else ())
    documents.write_record(tmp_path / "models" / "metrics.yaml", {"roc_auc": 0.7181, "latency_ms": 0.061})
    seen = json.loads(dvc("plots", "show", "--json"))
    assert not seen.get("errors")
    drawn = {name for name, plots in seen["data"].items() if plots}
    assert len(seen["data"]) == len(paths.plot_names(task))
    empty = {"models/plots/slices.csv", "learning_curves"} if first_release and task == "binary" else set()
    assert drawn == set(seen["data"]) - empty
    assert json.loads(dvc("metrics", "show", "--json"))[""]["data"]["models/metrics.yaml"]["data"]["roc_auc"] == 0.7181
    read = "from dvc.repo import Repo; print(Repo().artifacts.read()['dvc.yaml']['flights'].desc)"
    said = subprocess.run([sys.executable, "-c", read], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout == f"{HOSTILE}\n"
