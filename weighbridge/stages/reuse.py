"""The stage ``train`` as it is called: a run that is on record is brought back; else it is trained, and kept.

Apart from the training itself, so that a change here trains nothing anew. What is needed to know whether a run is on
record is light: neither torch nor scikit-learn is imported for a run that is restored.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, heads, manifest, paths
from weighbridge.digest import folder_entries
from weighbridge.errors import DataError, RecordError, WeighbridgeError
from weighbridge.registry import adoption, attempts, ledger, records, runs
from weighbridge.stages import train
from weighbridge.tasks import TrainTask
from weighbridge.training.checkpoints import Checkpoints

_RECORD = "run.yaml"


def run(  # noqa: PLR0913 - what a run is made of
    root: Path, candidate: str, seed: int, task: TrainTask, code: str, *, known: frozenset[str] | None = None
) -> manifest.RunRecord:
    """Restore the run, or train it; its files appear whole, ``run.yaml`` last, and the ledger knows of it before.

    Args:
        root: the project's root.
        candidate: the candidate's name.
        seed: the run's seed.
        task: what the stage is told.
        code: digest of the source files.
        known: digests of the records that were there when this process began to wait for another one that did the same;
            what is on record since then is restored even where ``reuse`` is false.

    Raises:
        WeighbridgeError: as :func:`weighbridge.stages.train.run`; a run that can't be restored is no error.
    """
    given = train.inputs(root, seed, task, code)
    identity = train.run_id(candidate, given)
    print(f"run {identity}", flush=True)
    folder = root / paths.run(candidate, seed)
    checkpoints = Checkpoints(root / paths.CHECKPOINTS / identity, progress=_say)
    about = {"kind": records.RUN, "run": identity, "candidate": candidate, "seed": seed}
    with _draft(folder) as draft:
        damaged = False
        if task.reuse or known is not None:
            old = None if task.reuse else known
            record, damaged = _restored(root, identity, given, draft / "restored", old)
            if record:
                _put_on_record(root, about | {"status": records.RESTORED, "from": record.training.restored_from})
                _place(root, draft / "restored", folder, record)
                checkpoints.clear()
                return record
        made = draft / "trained"
        made.mkdir()
        with _noting_progress(checkpoints):
            record = train.run(
                root, candidate, seed, task, code=code, identity=identity, checkpoints=checkpoints, into=made
            )
        if train.inputs(root, seed, task, code) != given:
            raise DataError(
                "the rows or the environment were changed while this run was trained, so it is of neither; run "
                "snakemake again"
            )
        address, files = _keep(root, made)
        result = {"inputs": given, "parameters": record.parameters, "dvc": address, "files": files}
        cost = {"host": record.training.host, "wall_seconds": record.training.wall_seconds}
        if record.training.cluster_job:
            cost["cluster_job"] = record.training.cluster_job
        _put_on_record(root, about | {"status": records.TRAINED} | result | cost)
        _place(root, made, folder, record)
        checkpoints.clear()
        if damaged and address:
            _mend_remote(root, address)
    return record


@contextlib.contextmanager
def _draft(beside: Path) -> Iterator[Path]:
    """Give a new folder in *beside*, made where it is absent, to write into and rename from; it goes afterwards."""
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=paths.TEMPORARY, dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _noting_progress(checkpoints: Checkpoints) -> Iterator[None]:
    """Let who is stopped within tell whether the next start comes further."""
    before = checkpoints.names()
    try:
        yield
    except attempts.Cancelled as stop:
        stop.saved = bool(checkpoints.names() - before)
        raise


def _say(text: str) -> None:
    print(text, flush=True)


def _restored(
    root: Path, identity: str, given: dict[str, Any], folder: Path, old: frozenset[str] | None
) -> tuple[manifest.RunRecord | None, bool]:
    """Bring the run's files into *folder*; return its record, if it could be, and whether damage was met.

    What releases of others have on record is taken in where this clone's own ledger doesn't know the run; not where
    *old* names records, which don't count.
    """
    found = runs.find(root, identity, given)
    if old is not None:
        found = tuple(kept for kept in found if kept.record not in old)
    elif not found and adoption.attempt(root, _say):
        found = runs.find(root, identity, given)
    damaged = False
    for kept in found:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            runs.bring(root, kept, folder)
            record = _checked(folder / _RECORD, identity, kept)
        except (WeighbridgeError, OSError) as problem:
            damaged = damaged or isinstance(problem, DataError)
            _say(f"on record as {kept.name}, but can't be restored: {problem}")
            continue
        _say(f"run {identity} restored, not trained: from the record {kept.name} of {kept.origin}")
        return record, damaged
    if found:
        _say("so it is trained anew")
    return None, damaged


def _checked(path: Path, identity: str, kept: runs.Kept) -> manifest.RunRecord:
    """Return the run's own record, which now says where it is from."""
    record = documents.read_record(path, manifest.RunRecord)
    own = {file.path: file for file in kept.files if file.path != _RECORD}
    if record.run != identity or {file.path: file for file in record.files} != own:
        raise RecordError(f"its {_RECORD} is of the run {record.run}, or of other files; refused")
    training = msgspec.structs.replace(record.training, restored_from=kept.record)
    record = msgspec.structs.replace(record, training=training)
    documents.write_record(path, record)
    return record


def _place(root: Path, made: Path, folder: Path, record: manifest.RunRecord) -> None:
    """Move the run's files into place; without ``run.yaml`` they count for nothing, so it goes first and comes last.

    Where locks don't work, another snakemake's job may have been faster, with other settings: its run stays.
    """
    if heads.is_superseded(root) and (folder / _RECORD).is_file():
        _say("on record, and not put in place: the snakemake that has started here since has its own run there")
        return
    (folder / _RECORD).unlink(missing_ok=True)
    for entry in record.files:
        (made / entry.path).replace(folder / entry.path)
    (made / _RECORD).replace(folder / _RECORD)


def _keep(root: Path, made: Path) -> tuple[str, Any]:
    """Put the run into DVC's cache; where that fails the training still stands, and can't be restored later."""
    try:
        return runs.keep(root, made)
    except (WeighbridgeError, OSError) as problem:
        _say(f"the run isn't kept, and would be trained again: {problem}")
        return "", folder_entries(made)


def _put_on_record(root: Path, entry: dict[str, Any]) -> None:
    """Put the run on record; where that fails, its files still stand."""
    try:
        ledger.append(root, entry | {"when": documents.utc_now()})
    except (WeighbridgeError, OSError) as problem:
        _say(f"the run could not be put on record: {problem}")


def _mend_remote(root: Path, address: str) -> None:
    """Replace what the remote has damaged by what was just trained: the same bits have the same name."""
    try:
        mended = runs.mend_remote(root, address)
    except (WeighbridgeError, OSError) as problem:
        _say(f"the remote's damaged objects can't be replaced: {problem}")
    else:
        _say(f"replaced on the remote: {len(mended)} damaged objects")
