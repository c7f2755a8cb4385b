"""draw: pictures for people, and the tables behind them for DVC."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.evidence import curves, pictures
from weighbridge.tasks import DrawTask


def run(root: Path, task: DrawTask) -> None:
    """Write ``models/plots/*.csv`` and ``results/figures/*.png``."""
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    weighing = documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    verdict = documents.read_record(root / paths.VERDICT, manifest.Verdict)
    predictions = tables.read_parquet(root / paths.PREDICTIONS)
    runs = {
        f"{name} seed {score.seed}": root / paths.run(name, score.seed) / "curve.csv"
        for name, candidate in packaged.candidates.items()
        for score in candidate.seeds
    }
    curves.write_all(
        root / paths.PLOTS,
        predictions=predictions,
        packaged=packaged,
        weighing=weighing,
        learning_curves=runs,
        threshold=task.threshold,
    )
    pictures.draw_all(
        root / paths.FIGURES, plots=root / paths.PLOTS, packaged=packaged, weighing=weighing, verdict=verdict
    )
