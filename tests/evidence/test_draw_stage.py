"""What the stage ``draw`` makes of the records, for each task: what the rules wait for, and nothing is missing."""

from pathlib import Path

import msgspec
import pytest
from classes_sample import SPECIES, class_scores, number_scores, scene
from flights_sample import make_manifest, make_packaged, make_scores, make_verdict, make_weighing
from test_pictures import chunks

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError
from weighbridge.evidence import predictions
from weighbridge.evidence.predictions import Predicted
from weighbridge.stages import draw

ROOT = Path(__file__).resolve().parents[2]


def lay_out(root: Path, task: str) -> None:
    """Write the records that the stage reads."""
    labels: tuple[str, ...] = () if task == "regression" else SPECIES
    predicted = number_scores(200) if task == "regression" else class_scores()
    if task == "binary":
        scores = make_scores(400)
        predicted = Predicted(scores.target, scores.probability, scores.baseline)
        packaged, weighing = make_packaged(), make_weighing()
    else:
        made = scene(root / "elsewhere", task, predicted, labels)
        packaged, weighing = made.packaged, made.weighing
    data = msgspec.structs.replace(make_manifest().data, task=task, target="mass", target_unit="g", labels=labels)
    for path, record in (
        (paths.PACKAGE, packaged), (paths.WEIGHING, weighing), (paths.VERDICT, make_verdict()), (paths.PROFILE, data)
    ):  # fmt: skip
        documents.write_record(root / path, record)
    (root / paths.PREDICTIONS).parent.mkdir(parents=True, exist_ok=True)
    table = predictions.table(range(len(predicted.target)), None, predicted.target, predicted.new, predicted.old, task)
    tables.write_parquet(table, root / paths.PREDICTIONS)
    for name, candidate in packaged.candidates.items():
        for score in candidate.seeds:
            rows = "epoch,train_loss,validation_loss\n1,0.9,0.95\n2,0.7,0.8\n"
            documents.write(root / paths.run(name, score.seed) / "curve.csv", rows)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_all_that_the_rules_wait_for_is_drawn(tmp_path: Path, task: str) -> None:
    lay_out(tmp_path, task)
    draw.run(tmp_path)
    for name in paths.figure_names(task):
        assert chunks((tmp_path / paths.FIGURES / f"{name}.png").read_bytes())[0] == b"IHDR"
    drawn = documents.read_record(tmp_path / paths.PLOTS_RECORD, dict[str, str])
    assert set(drawn) == {f"{name}.csv" for name in paths.plot_names(task)}
    assert all(sha256_file(tmp_path / paths.PLOTS / name) == digest for name, digest in drawn.items())


def test_predictions_of_another_task_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, "regression")
    weighing = documents.read_record(tmp_path / paths.WEIGHING, manifest.Weighing)
    documents.write_record(tmp_path / paths.WEIGHING, msgspec.structs.replace(weighing, task="multiclass"))
    with pytest.raises(DataError, match="the predictions lack probability"):
        draw.run(tmp_path)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_picture_has_its_words_in_the_report(task: str) -> None:
    for name in paths.figure_names(task):
        words = (ROOT / "workflow" / "report" / f"{paths.caption(name, task)}.rst").read_text(encoding="utf-8")
        assert len(words) > 100
