"""Raw data as people bring it: by `fetch`, or by `dvc add` of files in place; a CSV file, or folders of Parquet."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from small_project import Project

from weighbridge import paths
from weighbridge.digest import sha256_file

pytestmark = pytest.mark.slow

_PARTS = """

def load(folder):
    files = sorted(folder.glob("*/*.parquet"))
    return pd.concat([pd.read_parquet(path) for path in files])
"""
_PYARROW = """

def load(folder):
    import pyarrow.dataset as ds

    return ds.dataset(folder, format="parquet").to_table()
"""


def prepared(project: Project) -> dict[str, str]:
    """Run the first two stages, and return the digest of each part's rows."""
    for stage in ("fetch", "preprocess"):
        done = project.stage(stage)
        assert done.code == 0, done.text
    return {name: sha256_file(project.root / paths.split(name)) for name in paths.SPLITS}


def test_one_file_and_folders_of_files_give_the_same_rows(fresh: Project) -> None:
    """The project's `fetch` wrote one CSV file; the same rows lie in a folder a month, by `dvc add`."""
    from_csv = prepared(fresh)
    raw = fresh.root / "data/raw"
    rows = pd.read_csv(raw / "batches.csv", parse_dates=["time"], dtype={"store": "str"})
    rows["time"] = rows["time"].dt.tz_localize("UTC")
    shutil.rmtree(raw)
    for month, part in rows.groupby(rows["time"].dt.month):
        folder = raw / f"month-{month}"
        folder.mkdir(parents=True)
        part.to_parquet(folder / "batches.parquet", index=False)
    fresh.sh("dvc", "add", "--quiet", "data/raw")

    dataset = fresh.root / "project/dataset.py"
    text = dataset.read_text()
    for reader in (_PARTS, _PYARROW):
        dataset.write_text(text + reader)
        assert prepared(fresh) == from_csv
    assert not list(Path(raw).rglob("*.csv"))
