"""draw: pictures for people, and the tables behind them for DVC."""

import csv
from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.digest import sha256_file
from weighbridge.errors import RecordError
from weighbridge.evidence import pictures, plot_tables, predictions
from weighbridge.evidence.scene import Target


def run(root: Path) -> None:
    """Write ``models/plots/*.csv`` and ``results/figures/*.png``."""
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    weighing = documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    verdict = documents.read_record(root / paths.VERDICT, manifest.Verdict)
    profile = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    predicted = predictions.arrays(tables.read_parquet(root / paths.PREDICTIONS), weighing.task)
    runs = {
        plot_tables.run_label(name, score.seed): _points(root / paths.run(name, score.seed) / "curve.csv")
        for name, candidate in packaged.candidates.items()
        for score in candidate.seeds
    }
    compared = weighing.comparison is not None and weighing.comparison.comparable
    plot_tables.write_all(
        root / paths.PLOTS,
        predicted=predicted if compared else predicted._replace(old=None),
        packaged=packaged,
        weighing=weighing,
        learning_curves=runs,
    )
    pictures.draw_all(
        root / paths.FIGURES,
        plots=root / paths.PLOTS,
        packaged=packaged,
        weighing=weighing,
        verdict=verdict,
        target=Target(profile.target, profile.target_unit),
    )
    drawn = {f"{name}.csv": sha256_file(root / paths.PLOTS / f"{name}.csv") for name in paths.plot_names(weighing.task)}
    documents.write_record(root / paths.PLOTS_RECORD, drawn)


def _points(curve: Path) -> list[dict[str, float | None]]:
    """Return the points of a learning curve, empty where the estimator has none.

    Raises:
        RecordError: where the file was damaged.
    """
    with curve.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, restkey="more"))
    try:
        return [{name: float(cell) if cell else None for name, cell in row.items()} for row in rows]
    except (TypeError, ValueError) as problem:
        raise RecordError(
            f"{curve}: no learning curve ({problem}); run 'snakemake --cores all --forcerun train'"
        ) from None
