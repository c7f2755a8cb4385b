"""dvc.yaml, made from the configuration: what GTO calls the model, and what DVC compares and draws."""

from pathlib import Path
from typing import Any

from weighbridge import documents, paths
from weighbridge.settings import Config

FILE = Path("dvc.yaml")

_HEAD = """\
# Made of config/config.yaml by `weighbridge setup`, which writes it anew: edit that file, not this one.
# What DVC and GTO read; the pipeline itself is Snakemake's. There are no stages here, on purpose.
# `dvc plots show` draws the plots; `dvc plots diff {name}@v1.0.0` lays a release beside the working tree.
"""
_LABELS = {
    "binary": "tabular-classification",
    "multiclass": "tabular-classification",
    "regression": "tabular-regression",
}
# Each plot by the name of its table: its title, x and y columns, template and what the axes are called. With several y
# columns the plot is called by its name, else by its file, as DVC asks.
_PLOTS: dict[str, dict[str, Any]] = {
    "roc": {
        "title": "ROC curve, test rows",
        "x": "false_positive_rate",
        "y": "true_positive_rate",
        "x_label": "false positive rate",
        "y_label": "true positive rate",
        "template": "simple",
    },
    "precision_recall": {
        "title": "Precision and recall, test rows",
        "x": "recall",
        "y": "precision",
        "template": "simple",
    },
    "calibration": {
        "title": "Calibration, test rows (ideal beside it)",
        "x": "predicted",
        "y": ["observed", "ideal"],
        "x_label": "predicted probability",
        "y_label": "observed share",
        "template": "simple",
    },
    "confusion": {
        "title": "Decisions, in the proportions of the test rows",
        "x": "actual",
        "y": "predicted",
        "template": "confusion",
    },
    "predicted_actual": {
        "title": "Predicted and actual, test rows in cells",
        "x": "actual",
        "y": "predicted",
        "template": "scatter",
    },
    "residuals": {
        "title": "Errors (prediction minus actual), test rows",
        "x": "error",
        "y": "rows",
        "template": "simple",
    },
    "residuals_by_prediction": {
        "title": "Errors by prediction, test rows: median and the middle 80 %",
        "x": "predicted",
        "y": ["low", "median", "high"],
        "y_label": "error",
        "template": "simple",
    },
    "slices": {
        "title": "Primary metric by slice, test rows",
        "x": "score",
        "y": "slice",
        "x_label": "primary metric",
        "template": "bar_horizontal",
    },
    "learning_curves": {
        "title": "Learning curves",
        "x": "epoch",
        "y": ["train_loss", "validation_loss"],
        "y_label": "loss",
        "template": "scatter",
    },
    "candidates": {
        "title": "Candidates, primary metric on validation rows",
        "x": "score",
        "y": "run",
        "x_label": "primary metric",
        "template": "bar_horizontal",
    },
}
_OF_CLASSES: dict[str, dict[str, Any]] = {
    "roc": {
        "title": "ROC curves, each class against the rest, test rows: their mean and the lowest",
        "x": "false_positive_rate",
        "y": ["mean", "lowest"],
        "x_label": "false positive rate",
        "y_label": "true positive rate",
        "template": "simple",
    },
    "calibration": {**_PLOTS["calibration"], "title": "Calibration of the called class, test rows (ideal beside it)"},
}


def text(config: Config) -> str:
    """Return the whole of ``dvc.yaml``; words of others are quoted."""
    task = config.data.task
    content = {
        "artifacts": {
            config.name: {
                "path": paths.bundle(config.name).as_posix(),
                "type": "model",
                # DVC would put a variable of its own in the place of ${…}, and read nothing where it has none.
                "desc": config.card.description.replace("${", "\\${"),
                "labels": [_LABELS[task], "onnx"],
            }
        },
        "metrics": [paths.METRICS.as_posix()],
        "params": [paths.CONFIG.as_posix(), paths.GATES.as_posix()],
        "plots": [_plot(name, task) for name in paths.plot_names(task)],
    }
    return _HEAD.format(name=config.name) + documents.dump(content)


def _plot(name: str, task: str) -> dict[str, Any]:
    said = _OF_CLASSES.get(name, _PLOTS[name]) if task == "multiclass" else _PLOTS[name]
    file = (paths.PLOTS / f"{name}.csv").as_posix()
    return {name: {**said, "y": {file: said["y"]}}} if isinstance(said["y"], list) else {file: said}


def stale(root: Path, config: Config) -> str | None:
    """Return what is wrong with the project's ``dvc.yaml``, in words; ``None`` where it is as the configuration asks.

    Args:
        root: the project's root.
        config: the configuration.
    """
    path = root / FILE
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return f"there is no {FILE}, without which GTO and 'dvc plots' know nothing of {config.name}"
    except (OSError, UnicodeDecodeError) as problem:
        return f"{FILE} can't be read ({problem})"
    if found == text(config):
        return None
    return f"{FILE} isn't what {paths.CONFIG} makes: its name, description or task was changed, or the file was edited"
