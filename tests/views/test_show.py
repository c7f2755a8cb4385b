"""show prints what a release holds, in every format without loss."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from strategies import SLOW_TO_SHRINK, manifests

from weighbridge import documents, formats
from weighbridge.errors import RecordError, SettingsError, SetupError
from weighbridge.manifest import ClusterJob, Manifest, RunRecord
from weighbridge.views import reference, show

Make = Callable[..., Any]


def test_yaml_is_the_manifest_to_the_byte(
    project: Path, release: Make, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    made = release("1.0.0")
    show.show(project, "latest", "yaml")
    assert capfdbinary.readouterr().out == documents.dump(made).encode()


def test_json_and_protobuf_read_back_to_the_same_yaml(project: Path, release: Make, tmp_path: Path) -> None:
    text = documents.dump(release("1.0.0"))
    show.show(project, "v1.0.0", "json", tmp_path / "m.json")
    show.show(project, "v1.0.0", "proto", tmp_path / "m.pb")
    assert documents.dump(msgspec.json.decode((tmp_path / "m.json").read_bytes(), type=Manifest)) == text
    assert documents.dump(formats.from_proto((tmp_path / "m.pb").read_bytes())) == text


def test_text_says_what_matters(project: Path, release: Make, capfd: pytest.CaptureFixture[str]) -> None:
    release("1.0.0")
    show.show(project, "latest")
    text = capfd.readouterr().out
    for words in (
        "flights@v1.0.0",
        "Gates: pass",
        "roc_auc (primary)  0.7100  0.6900 to 0.7300",
        "HistGradientBoostingClassifier",
        "max_iter: 200",
        "100 rows, 2013-01-01 to 2013-01-30, 24.0% late",
        "Storms",
    ):
        assert words in text


def test_text_names_who_is_author_and_team_once_and_a_file_in_the_singular(project: Path, release: Make) -> None:
    release("1.0.0")
    text = show.text(reference.resolve(project, "latest"))
    assert re.search(r"released +2026-01-31T12:00:00Z by Ada$", text, re.MULTILINE)
    assert re.search(r"raw +[0-9a-f]+, 1 file$", text, re.MULTILINE)


def test_text_of_a_run_has_its_validation_metrics(project: Path, run: Make) -> None:
    text = show.text(reference.resolve(project, run(auc=0.7123)))
    assert re.search(r"roc_auc +0\.7123", text)
    assert "model.skops" in text


def test_text_says_what_a_run_was_taken_over_from(project: Path, run: Make) -> None:
    identity = run()
    path = project / "results/runs/boosting/0/run.yaml"
    record = documents.read_record(path, RunRecord)
    origin = {"resumed_from": "step 12, SHA-256 ab", "restored_from": "5e4b" * 16}
    training = msgspec.structs.replace(record.training, **origin)
    documents.write_record(path, msgspec.structs.replace(record, training=training))
    shown = show.text(reference.resolve(project, identity))
    assert "went on from step 12, restored from the record 5e4b5e4b5e4b" in shown


def test_text_says_in_which_job_of_a_cluster_a_run_was_trained(project: Path, run: Make) -> None:
    identity = run()
    assert "cluster" not in show.text(reference.resolve(project, identity))
    path = project / "results/runs/boosting/0/run.yaml"
    record = documents.read_record(path, RunRecord)
    job = ClusterJob(
        scheduler="slurm", job="123", nodes=("n1",), partition="cpu", cpus=2, memory_mib=4000.0, gpus=0,
        limit_seconds=14400, restarts=0,
    )  # fmt: skip
    training = msgspec.structs.replace(record.training, cluster=job)
    documents.write_record(path, msgspec.structs.replace(record, training=training))
    shown = show.text(reference.resolve(project, identity))
    assert (
        "slurm job 123 on n1; partition cpu; asked for 4,000 MiB, itself used 300; asked for 240 min, took 0.1" in shown
    )


def test_metrics_of_an_earlier_run_in_the_same_place_are_not_shown(project: Path, run: Make) -> None:
    run("boosting-abcdef012345", auc=0.7123)
    old = (project / "results/runs/boosting/0/validation.yaml").read_text()
    run("boosting-999999999999")
    (project / "results/runs/boosting/0/validation.yaml").write_text(old)
    assert "0.7123" not in show.text(reference.resolve(project, "boosting-9999"))


@settings(SLOW_TO_SHRINK, max_examples=15)
@given(manifests())
def test_every_manifest_has_a_text(manifest: Manifest) -> None:
    content = documents.dump(manifest).encode()
    found = reference.Found(kind="release", title="flights@v1.0.0", source="test", content=content)
    assert show.text(found).startswith("flights@v1.0.0")


def test_protobuf_is_not_written_to_a_terminal(project: Path, release: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    release("1.0.0")
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(SettingsError, match="--output FILE"):
        show.show(project, "latest", "proto")


def test_protobuf_of_a_run_is_refused_with_what_works(project: Path, run: Make) -> None:
    with pytest.raises(SettingsError, match="--format yaml or json"):
        show.show(project, run(), "proto")


def test_an_output_that_can_not_be_written_is_refused(project: Path, release: Make) -> None:
    release("1.0.0")
    with pytest.raises(SetupError, match="give another --output"):
        show.show(project, "latest", "yaml", project / "config/config.yaml/below")


def test_a_damaged_record_is_refused_with_its_place(project: Path, run: Make) -> None:
    identity = run()
    path = project / "results/runs/boosting/0/run.yaml"
    path.write_text(path.read_text().replace("seed: 0", 'seed: "none"'))
    with pytest.raises(RecordError, match=r"results/runs/boosting/0/run.yaml:\d+: parameters.seed: found 'none'"):
        show.show(project, identity)
