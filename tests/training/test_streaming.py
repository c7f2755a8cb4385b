"""Rows that are streamed: each seen once, the same bits each time, and nothing that needs them all at once."""

import itertools
import signal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet
from sample_rows import LOGISTIC, NETWORK, SCHEMA, rows
from test_run_identity import DATA, TASK, part

from weighbridge import documents, paths
from weighbridge.data import tables
from weighbridge.data.schema import Schema
from weighbridge.digest import sha256_file
from weighbridge.errors import ModelError
from weighbridge.manifest import DataSection
from weighbridge.settings import Candidate, Fit
from weighbridge.stages import train
from weighbridge.training import native, objective, prepare, streaming, torch_fit
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.torch_stream import Stream

SGD = Candidate(model="sklearn.linear_model:SGDClassifier", params={"loss": "log_loss"})


def written(root: Path, folds: int = 0) -> DataSection:
    """Write 300 and 60 rows in row groups of 25."""
    splits = {}
    for name, count in (("train", 300), ("validation", 60)):
        frame = rows(count, seed=count)
        if folds and name == "train":
            frame["fold"] = (1 + np.arange(count) % (folds - 1)).astype("int8")
        path = root / paths.split(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(tables.to_arrow(frame), path, row_group_size=25)
        splits[name] = msgspec.structs.replace(part(count), sha256=sha256_file(path))
    return msgspec.structs.replace(DATA, target=SCHEMA.target, splits=splits, folds=folds)


def stream(root: Path, schema: Schema = SCHEMA) -> tuple[Stream, pd.DataFrame]:
    learned, _ = streaming.of_run(root, written(root), seed=0)
    transformer = streaming.preprocessing(NETWORK, schema, learned)
    source = Stream(streaming._Part(learned, transformer, schema), objective.of(schema), (0.0, 1.0))
    return source, pd.DataFrame(prepare.transform(transformer, rows(300, seed=300)))


def seen(batches: Any) -> Any:
    return np.concatenate([batch.inputs.numpy() for batch in batches])


def test_preprocessing_is_fitted_as_on_the_whole_table(tmp_path: Path) -> None:
    learned, _ = streaming.of_run(tmp_path, written(tmp_path), seed=0)
    for strings in ("one_hot", "ordinal"):
        candidate = msgspec.structs.replace(NETWORK, strings=strings)
        whole = prepare.preprocessing(SCHEMA, candidate.strings)
        expected = prepare.fit_transform(whole, rows(300, seed=300))
        found = prepare.transform(streaming.preprocessing(candidate, SCHEMA, learned), rows(300, seed=300))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_each_epoch_has_every_row_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    source, table = stream(tmp_path)
    order = torch.Generator().manual_seed(3)
    first, second = (seen(source.shuffled(order, 64)) for _ in range(2))
    assert not np.array_equal(first, second)
    for found in (first, second):
        assert sorted(map(tuple, found)) == sorted(map(tuple, table.to_numpy()))
    assert [len(batch.targets) for batch in source.shuffled(order, 64)] == [64, 64, 64, 64, 44]


def test_the_order_hangs_on_the_seed_alone_and_not_on_how_far_batches_were_taken(tmp_path: Path) -> None:
    source, _ = stream(tmp_path)
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    whole = seen(source.shuffled(one, 32))
    assert np.array_equal(seen(itertools.islice(source.shuffled(other, 32), 4, None)), whole[4 * 32 :])
    next(source.shuffled(one, 32))
    list(source.shuffled(other, 32))
    assert torch.equal(one.get_state(), other.get_state())


def test_in_turn_rows_come_as_in_the_table(tmp_path: Path) -> None:
    source, table = stream(tmp_path)
    assert np.array_equal(seen(source.in_turn(64)), table.to_numpy())


@pytest.mark.parametrize(("seed", "fold"), [(0, 0), (1, 1), (5, 2)])
def test_a_fold_is_learned_from_or_validated_on(tmp_path: Path, seed: int, fold: int) -> None:
    data = written(tmp_path, folds=3)
    streamed = streaming.of_run(tmp_path, data, seed)
    whole = tables.read_training(tmp_path, data, ["id"], seed)
    assert seed % 3 == fold
    assert [groups.column("id").tolist() for groups in streamed] == [part["id"].tolist() for part in whole]


def trained(root: Path, candidate: Candidate, memory_mb: int, name: str = "run") -> Any:
    documents.write_record(root / paths.PROFILE, written(root))
    (root / paths.LOCK).write_text("")
    task = msgspec.structs.replace(TASK, candidate=candidate, data_schema="sample_rows:SCHEMA", memory_mb=memory_mb)
    folder = root / name
    folder.mkdir()
    checkpoints = Checkpoints(root / f"{name}-checkpoints", progress=print)
    train.run(root, "c", 1, task, code="a" * 64, identity="c-1", checkpoints=checkpoints, into=folder)
    return native.load(folder, candidate, SCHEMA, seed=1, threads=1)


@pytest.mark.parametrize("candidate", [NETWORK, SGD], ids=["network", "estimator"])
def test_a_run_whose_rows_need_more_memory_than_there_is_streams_them_to_the_same_bits(
    tmp_path: Path, candidate: Candidate, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (trained(tmp_path, candidate, 0, name) for name in ("one", "two"))
    assert "on 300 rows of 36 columns, streamed, seed 1" in capsys.readouterr().out
    frame = rows(60, seed=60)
    assert np.array_equal(first.predictions(frame), second.predictions(frame))
    assert np.corrcoef(first.predictions(frame), trained(tmp_path, LOGISTIC, 4000).predictions(frame))[0, 1] > 0.5


@pytest.mark.parametrize("after", [2, 5, 7, 10, 13])
def test_an_interrupted_training_goes_on_within_the_stream(tmp_path: Path, after: int) -> None:
    """At every place: within a piece of the stream, at its end, at the end of an epoch."""
    source, table = stream(tmp_path)
    settings = Fit(epochs=3, batch_size=64, patience=3)

    def fitted(stop: int = 0, checkpoints: Checkpoints | None = None) -> bytes:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(table.shape[1], 4), torch.nn.Dropout(0.3), torch.nn.Linear(4, 1))
        batches = itertools.count(1)

        def interrupt(*_: object) -> None:
            if network.training and next(batches) == stop:
                signal.raise_signal(signal.SIGINT)

        network.register_forward_hook(interrupt)
        torch_fit.fit(network, source, source, settings, seed=1, threads=1, progress=print, checkpoints=checkpoints)
        return b"".join(value.numpy().tobytes() for value in network.state_dict().values())

    expected = fitted()
    with pytest.raises(KeyboardInterrupt):
        fitted(after, Checkpoints(tmp_path / "checkpoints", progress=print))
    checkpoints = Checkpoints(tmp_path / "checkpoints", progress=print)
    assert fitted(0, checkpoints) == expected
    assert str(checkpoints.resumed_from).startswith(f"step {after},")


def test_an_estimator_that_needs_all_rows_is_refused_with_the_memory_it_needs(tmp_path: Path) -> None:
    says = "LogisticRegression needs all rows in memory at once, at least 1 MiB, more than memory_mb: raise memory_mb"
    with pytest.raises(ModelError, match=says):
        trained(tmp_path, LOGISTIC, 0)
