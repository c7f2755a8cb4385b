"""No work twice: what was trained once is restored, here and by colleagues; what is damaged is trained anew."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import small_project
from small_project import Project

from weighbridge import documents, plan
from weighbridge.digest import sha256_file
from weighbridge.manifest import RunRecord
from weighbridge.registry import cache, ledger, runs
from weighbridge.stages import release

pytestmark = pytest.mark.slow

NETWORK = ("--candidate", "network", "--seed", "0")


def train(project: Project, env: dict[str, str] | None = None) -> str:
    done = project.stage("train", *NETWORK, env=env)
    assert done.code == 0, done.text
    return done.text


def record(project: Project, place: str = "network/0") -> RunRecord:
    return documents.read_record(project.root / "results/runs" / place / "run.yaml", RunRecord)


def weights(project: Project, place: str = "network/0") -> dict[str, str]:
    folder = project.root / "results/runs" / place
    names = {"model.safetensors", "model.skops", "curve.csv", "preprocessing.skops"}
    return {path.name: sha256_file(path) for path in folder.iterdir() if path.name in names}


def statuses(project: Project) -> list[str]:
    return [entry.record["status"] for entry in ledger.read(project.root) if entry.record["kind"] == "run"]


def flip(path: Path) -> None:
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    path.chmod(0o444)


def test_a_run_on_record_is_restored_and_torch_is_not_imported(finished: Project) -> None:
    before, first = weights(finished), record(finished)
    shutil.rmtree(finished.root / "results/runs/network/0")
    text = train(finished, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert f"run {first.run} restored, not trained" in text
    assert not re.search(r"\| +(torch|sklearn|pandas|numpy|dvc\.repo)$", text, re.MULTILINE)
    assert weights(finished) == before
    again = record(finished)
    assert again.training.restored_from
    assert again.training.wall_seconds == first.training.wall_seconds
    entry = ledger.read(finished.root)[-1].record
    assert (entry["status"], entry["from"]) == ("restored", again.training.restored_from)


@pytest.fixture(scope="module")
def shared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose release was pushed: the tag to a bare repository, content and runs to DVC's remote."""
    project = small_project.copy(done, tmp_path_factory.mktemp("shared"))
    bare = project.root.parent / "origin.git"
    project.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    project.git("remote", "add", "origin", str(bare))
    project.git("push", "--quiet", "origin", "main")
    (project.root / "over.yaml").write_text('release: {push: "origin"}\n')
    project.snakemake("--configfile", "over.yaml")
    return project


def clone(shared: Project, folder: Path) -> Project:
    """Return a colleague's clone with a remote of its own, a copy, and with rows that are ready."""
    project = Project(folder / "project")
    shared.sh("git", "clone", "--quiet", str(shared.root.parent / "origin.git"), str(project.root))
    shutil.copytree(shared.root.parent / "storage", folder / "storage")
    return project


def test_a_colleague_restores_through_the_remote(shared: Project, tmp_path: Path) -> None:
    colleague = clone(shared, tmp_path)
    targets = [f"results/runs/{place}/run.yaml" for place in ("network/0", "logistic/1")]
    colleague.snakemake(*targets)
    for place in ("network/0", "logistic/1"):
        assert "restored, not trained" in colleague.log(f"train/{place.replace('/', '-')}")
        assert weights(colleague, place) == weights(shared, place)
    assert ledger.problems(colleague.root) == ()
    taken_in = {entry.digest for entry in ledger.read(colleague.root)}
    assert record(colleague).training.restored_from in taken_in
    assert ledger.heads(colleague.root) != ledger.heads(shared.root)
    assert len(ledger.heads(colleague.root)) <= 2  # two jobs at once may have seen the same heads

    # The remote's copy of the weights is damaged, and the cache is lost: trained anew, and mended.
    kept = runs.find(colleague.root, record(colleague).run)[0]
    object_of = cache.of(colleague.root).listing(kept.dvc)["model.safetensors"]
    shutil.rmtree(cache.of(colleague.root).folder)
    remote = tmp_path / "storage/files/md5" / object_of[:2] / object_of[2:]
    flip(remote)
    text = train(colleague)
    assert "can't be restored: the remote's object" in text
    assert "so it is trained anew" in text
    assert "replaced on the remote: 1 damaged object" in text
    assert weights(colleague) == weights(shared)
    assert sha256_file(remote) == weights(shared)["model.safetensors"]
    assert record(colleague).training.restored_from is None
    assert "restored, not trained" in train(colleague)


def test_a_damaged_cache_is_trained_anew_and_replaced(finished: Project) -> None:
    before, run = weights(finished), record(finished).run
    (kept,) = runs.find(finished.root, run)
    place = cache.of(finished.root)
    flip(place.path(place.listing(kept.dvc)["model.safetensors"]))
    text = train(finished)
    assert f"on record as {kept.name}, but can't be restored" in text
    assert "is damaged" in text
    assert "restored, not trained" not in text
    assert weights(finished) == before
    assert runs.at_hand(finished.root, kept)  # the same bits have the same name
    assert statuses(finished)[-1] == "trained"
    assert "restored, not trained" in train(finished)


def test_without_reuse_it_trains(finished: Project) -> None:
    before = weights(finished)
    finished.append("config/config.yaml", "reuse: false\n")
    text = train(finished)
    assert "restored" not in text
    assert "epoch 1/2" in text
    assert (weights(finished), record(finished).training.restored_from) == (before, None)
    assert len(runs.find(finished.root, record(finished).run)) == 2

    # Where it can't be kept it stands all the same.
    shutil.rmtree(finished.root / ".dvc/cache")
    (finished.root / ".dvc/cache").write_text("")
    assert "the run isn't kept, and would be trained again" in train(finished)
    assert statuses(finished)[-1] == "trained"


def test_an_overlay_of_reuse_runs_the_trainings_and_is_nothing_uncommitted(finished: Project) -> None:
    planned = finished.planned("--config", "reuse=false")
    assert "train network 0" in planned
    assert "preprocess" not in planned
    assert release.uncommitted(finished.root, plan.load(finished.root, {"reuse": False}), {}) == ()
    (found,) = release.uncommitted(finished.root, plan.load(finished.root, {"reuse": False, "threads": 2}), {})
    assert "an overlay says otherwise" in found


def test_weights_that_were_swapped_since_are_not_measured(finished: Project) -> None:
    folder = finished.root / "results/runs"
    shutil.copy(folder / "network/1/model.safetensors", folder / "network/0/model.safetensors")
    done = finished.stage("evaluate", *NETWORK)
    assert done.code == 2
    assert "expected" in done.text
    assert "model.safetensors" in done.text
    assert "Traceback" not in done.text


def test_a_cancelled_training_goes_on_where_it_was(finished: Project) -> None:
    longer = "fit: {epochs: 150, batch_size: 32, patience: 150}"
    finished.edit("config/config.yaml", "fit: {epochs: 2, batch_size: 256}", longer)
    told = plan.Plan(plan.load(finished.root), finished.root).settings_file("train", "network")
    command = ["weighbridge", "train", "--settings", told, *NETWORK]
    process = subprocess.Popen(
        command, cwd=finished.root, env=finished.env() | {"PYTHONPATH": "."}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    while not process.stdout.readline().startswith("epoch 30/"):
        assert process.poll() is None
    process.terminate()
    rest = process.communicate()[0]
    assert process.returncode == 128 + signal.SIGTERM
    assert "goes on from the last checkpoint" in rest
    assert ledger.read(finished.root)[-1].record["status"] == "cancelled"
    left = max((finished.root / "results/checkpoints").glob("*/*"))

    text = train(finished)
    assert "goes on from a checkpoint" in text
    assert "epoch 20/" not in text
    resumed = record(finished)
    assert resumed.training.resumed_from
    assert resumed.training.resumed_from.endswith(left.stem[13:])
    assert not (finished.root / "results/checkpoints").exists()
    found = weights(finished)
    finished.append("config/config.yaml", "reuse: false\n")
    train(finished)
    assert record(finished).run == resumed.run
    assert record(finished).training.resumed_from is None
    assert weights(finished) == found
