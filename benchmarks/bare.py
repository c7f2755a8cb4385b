"""The peer of ``overhead``: one script that does the same learning with nothing around it.

One process reads the raw files with the project's own function, splits them by date, and fits the same candidates
with the same seeds and settings by scikit-learn and PyTorch, on one thread. It measures each model on validation and
test rows, and saves its weights. There are no checks, records, digests, intervals, pictures, ONNX or release.

Usage: ``OMP_NUM_THREADS=1 python -m benchmarks.bare RAW_FOLDER OUTPUT_FOLDER``, in the root of a checkout.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import skops.io
import torch
import yaml
from safetensors.torch import save_file
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from project.dataset import SCHEMA, load
from project.models import MLP

_SKLEARN = {"logistic": LogisticRegression, "boosting": HistGradientBoostingClassifier}


def main(raw: Path, folder: Path) -> None:
    """Fit, measure and save all candidates with all seeds."""
    torch.set_num_threads(1)
    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    parts = _split(pa.concat_tables(load(raw)).to_pandas(), config["data"]["split"])
    targets = {part: frame[SCHEMA.target].to_numpy() for part, frame in parts.items()}
    for candidate, chosen in config["candidates"].items():
        for seed in config["seeds"]:
            fold = _preprocessing(chosen.get("strings", "one_hot"))
            fold.fit(parts["train"])
            inputs = {part: fold.transform(frame).astype("float32") for part, frame in parts.items()}
            model = _fit(candidate, chosen, seed, inputs, targets)
            for part in ("validation", "test"):
                print(candidate, seed, part, *_measure(targets[part], _predict(model, inputs[part])))
            skops.io.dump(fold, folder / f"{candidate}-{seed}-preprocessing.skops")
            _save(model, folder / f"{candidate}-{seed}")


def _split(frame: pd.DataFrame, split: dict[str, str]) -> dict[str, pd.DataFrame]:
    frame = frame[frame[SCHEMA.target].notna()].sort_values([SCHEMA.time, SCHEMA.id])
    frame = frame.assign(
        **{name: frame[name].astype("float32") for name in SCHEMA.numbers},
        **{name: frame[name].astype(object).where(frame[name].notna(), "") for name in SCHEMA.strings},
        **{SCHEMA.target: frame[SCHEMA.target].astype("int8")},
    )
    validation, test, end = (pd.Timestamp(split[key], tz=split["timezone"]) for key in ("validation", "test", "end"))
    time = frame[SCHEMA.time]
    return {
        "train": frame[time < validation],
        "validation": frame[(time >= validation) & (time < test)],
        "test": frame[(time >= test) & (time < end)],
    }


def _preprocessing(strings: str) -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder: Any = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    if strings == "ordinal":
        positions = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
        encoder = Pipeline([("positions", positions)])
    branches = [("numbers", numbers, SCHEMA.numbers), ("strings", encoder, SCHEMA.strings)]
    return ColumnTransformer(branches, sparse_threshold=0)


def _fit(candidate: str, chosen: dict[str, Any], seed: int, inputs: dict[str, Any], targets: dict[str, Any]) -> Any:
    if candidate in _SKLEARN:
        model = _SKLEARN[candidate](random_state=seed, **chosen["params"])
        early_stopping = {"X_val": inputs["validation"], "y_val": targets["validation"]}
        return model.fit(inputs["train"], targets["train"], **(early_stopping if candidate == "boosting" else {}))
    torch.manual_seed(seed)
    network = MLP(inputs["train"].shape[1], **chosen["params"])
    optimiser = torch.optim.AdamW(network.parameters(), lr=chosen["fit"]["lr"], weight_decay=0.0, fused=True)
    rows, wanted = torch.from_numpy(inputs["train"]), torch.from_numpy(targets["train"].astype("float32"))
    loss = torch.nn.BCEWithLogitsLoss()
    for _ in range(chosen["fit"]["epochs"]):
        network.train()
        for batch in torch.split(torch.randperm(len(rows)), chosen["fit"]["batch_size"]):
            optimiser.zero_grad()
            loss(network(rows[batch]).squeeze(1), wanted[batch]).backward()
            optimiser.step()
        _predict(network, inputs["validation"])
    return network


def _predict(model: Any, rows: Any) -> Any:
    if isinstance(model, torch.nn.Module):
        model.eval()
        with torch.no_grad():
            return torch.sigmoid(model(torch.from_numpy(rows)).squeeze(1)).numpy().astype("float64")
    return model.predict_proba(rows)[:, 1]


def _measure(target: Any, probability: Any) -> list[float]:
    ranked = [measure(target, probability) for measure in (roc_auc_score, average_precision_score)]
    distances = [measure(target, probability) for measure in (log_loss, brier_score_loss)]
    decision = probability >= 0.5
    decided = [measure(target, decision) for measure in (accuracy_score, f1_score)]
    rates = [measure(target, decision, zero_division=0) for measure in (precision_score, recall_score)]
    return [round(float(value), 4) for value in (*ranked, *distances, *decided, *rates)]


def _save(model: Any, path: Path) -> None:
    if isinstance(model, torch.nn.Module):
        save_file(model.state_dict(), path.with_suffix(".safetensors"))
    else:
        skops.io.dump(model, path.with_suffix(".skops"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
