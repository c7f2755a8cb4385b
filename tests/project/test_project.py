"""Is this project fit to run? Quick claims on the dataset, the models and the settings, whichever they are.

They say what a run would refuse, before it has trained for hours. Put tests of your own beside this file: what a column
must mean, what a model must not do.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from weighbridge import paths, plan
from weighbridge.data.batches import Batches
from weighbridge.data.canonical import canonical
from weighbridge.data.schema import Schema, resolve, schema_at
from weighbridge.training import fitting

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = plan.load(ROOT)
CONFIG = SETTINGS.config
LOOKED_AT = 100_000
LEARNED_FROM = 2_000
OF_EACH_CLASS = 20


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_at(CONFIG.data.schema)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files: those of the project or, where it has none yet, what ``fetch`` brings."""
    folder = ROOT / paths.RAW
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    folder = tmp_path_factory.mktemp("raw")
    resolve(CONFIG.data.fetch)(folder)
    return folder


@pytest.fixture(scope="module")
def rows(raw: Path, schema: Schema) -> pd.DataFrame:
    """Rows from the beginning, in the form that models see."""
    some: list[pd.DataFrame] = []
    for batch in Batches(resolve(CONFIG.data.load)(raw)):
        some.append(canonical(batch, schema)[0])
        if sum(map(len, some)) >= LOOKED_AT:
            break
    return pd.concat(some, ignore_index=True)


@pytest.fixture(scope="module")
def sample(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """A few rows by chance, with some of each class."""
    chosen = rows.sample(min(LEARNED_FROM, len(rows)), random_state=0).index
    if schema.task != "regression":
        chosen = chosen.union(rows.groupby(schema.target).head(OF_EACH_CLASS).index)
    return rows.loc[chosen].reset_index(drop=True)


def test_rows_are_as_the_schema_says(rows: pd.DataFrame, schema: Schema) -> None:
    assert len(rows), "load returned no row that has a target"
    assert {*schema.features} <= {*rows.columns}
    assert schema.task == CONFIG.data.task


def test_every_feature_says_what_it_means(schema: Schema) -> None:
    assert [name for name, column in schema.features.items() if not column.description] == []


def test_the_target_is_no_feature(schema: Schema) -> None:
    assert schema.target not in schema.features


@pytest.mark.parametrize("name", list(CONFIG.candidates))
def test_each_candidate_learns_from_a_few_rows_and_answers_for_each(
    name: str, sample: pd.DataFrame, schema: Schema
) -> None:
    known = CONFIG.candidates[name]
    candidate = msgspec.structs.replace(known, fit=msgspec.structs.replace(known.fit, epochs=1))
    seed, said = CONFIG.seeds[0], list[str]()
    fitted = fitting.fit(candidate, schema, sample, sample, seed=seed, threads=CONFIG.threads, progress=said.append)
    answers: Any = fitted.predictions(sample)
    assert len(answers) == len(sample)
    assert np.isfinite(answers).all()


def test_the_pipeline_has_a_plan() -> None:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
