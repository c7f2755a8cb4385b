"""Facts of the machine: what may change results, and nothing that is no one's business."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge import machine
from weighbridge.digest import sha256_file

ROOT = Path(__file__).parents[1]


def test_threads_are_fixed_for_each_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine._THREAD_VARIABLES:
        monkeypatch.setenv(name, "7")
    machine.fix_threads(2)
    assert {os.environ[name] for name in machine._THREAD_VARIABLES} == {"2"}


def test_the_environment_names_what_is_installed_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = machine.environment(ROOT / "requirements.lock")
    assert found.variables["OMP_NUM_THREADS"] == "3"
    assert "hush" not in repr(found)
    assert found.lock_sha256 == sha256_file(ROOT / "requirements.lock")
    names = [each.name.lower() for each in found.distributions]
    assert names == sorted(names)
    assert {"scikit-learn", "numpy"} <= set(names)
    assert "weighbridge" not in names, "the engine is recorded by commit and digest"
    assert all(len(each.record_sha256) == 64 for each in found.distributions)


def test_the_environments_digest_is_the_same_in_another_process() -> None:
    code = "from weighbridge import machine; print(machine.environment_digest())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == machine.environment_digest()


def test_the_environments_digest_sees_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine.environment_digest()
    (tmp_path / "new_thing-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert machine.environment_digest() != before


def test_the_hardware_is_plausible() -> None:
    found = machine.hardware()
    assert found.cpu
    assert found.cores == os.cpu_count()
    assert found.memory_mib > 100


def test_the_stopwatch_goes_forward() -> None:
    watch = machine.Stopwatch()
    sum(range(100_000))
    assert watch.wall_seconds() >= 0
    assert watch.cpu_seconds() >= 0
    assert watch.peak_memory_mib() > 5
    assert watch.started.endswith("Z")


@pytest.mark.parametrize(
    ("variables", "files", "told"),
    [
        ({}, {}, ""),
        ({"WEIGHBRIDGE_IMAGE": "flights:2"}, {}, "flights:2"),
        ({"APPTAINER_CONTAINER": "/images/flights.sif", "WEIGHBRIDGE_IMAGE": "x"}, {}, "apptainer flights.sif"),
        ({"SINGULARITY_CONTAINER": "/images/flights.sif"}, {}, "apptainer flights.sif"),
        ({"CH_RUNNING": "Weird Al Yankovic", "WEIGHBRIDGE_IMAGE": "flights"}, {}, "charliecloud flights"),
        ({"CH_RUNNING": "Weird Al Yankovic"}, {}, "charliecloud"),
        ({"WEIGHBRIDGE_IMAGE": "flights"}, {".dockerenv": ""}, "docker flights"),
        ({"WEIGHBRIDGE_IMAGE": "flights"}, {"run/.containerenv": ""}, "podman flights"),
        (
            {"WEIGHBRIDGE_IMAGE": "x"},
            {"run/.containerenv": 'engine="podman-4.3.1"\nname="a"\nimage="localhost/flights:2"\nimageid="78ba"\n'},
            "podman-4.3.1 localhost/flights:2 78ba",
        ),
    ],
)
def test_a_container_is_on_record_as_far_as_it_tells(
    variables: dict[str, str], files: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WEIGHBRIDGE_IMAGE", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "CH_RUNNING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.container(tmp_path) == told
