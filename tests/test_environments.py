"""The environment of a release is built anew from its lock, with its Python, or it is said what is lacking."""

import base64
import hashlib
import json
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from weighbridge import environments, machine
from weighbridge.errors import SetupError
from weighbridge.manifest import EnvironmentSection

REPOSITORY = Path(__file__).parents[1]


def recorded(python: str) -> EnvironmentSection:
    return EnvironmentSection(python=python, lock_sha256="", distributions=(), os="", libc="", variables={})


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, and a pip that looks nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    files = {
        "tiny.py": "WEIGHT = 1\n",
        "tiny-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.2\n",
        "tiny-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(text)}")
    files["tiny-1.2.dist-info/RECORD"] = "\n".join([*lines, "tiny-1.2.dist-info/RECORD,,", ""])
    with zipfile.ZipFile(folder / "tiny-1.2-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.mark.slow
def test_a_new_environment_has_what_the_lock_pins_and_runs_the_engine_of_the_checkout(
    offline: Path, tmp_path: Path
) -> None:
    lock = offline / "requirements.lock"
    lock.write_text("tiny==1.2\n")
    told: list[str] = []
    python = environments.build(recorded(f"CPython {platform.python_version()}"), lock, tmp_path / "venv", told.append)
    ask = "import json, sys, tiny, importlib.metadata as m; print(json.dumps([m.version('tiny'), sys.prefix]))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["1.2", str(tmp_path / "venv")]
    engine = tmp_path / "place/weighbridge"
    engine.mkdir(parents=True)
    (engine / "__init__.py").touch()
    (engine / "cli.py").write_text("def main():\n    print('the engine of the checkout')\n")
    command = subprocess.run(
        [python.parent / "weighbridge"],
        env={"PYTHONPATH": str(engine.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert command.stdout == "the engine of the checkout\n"
    assert "requirements.lock" in told[-1]
    lock.write_text("tiny==9.9\n")
    with pytest.raises(SetupError, match=r"(?s)lock pins.*tiny==9\.9.*try again"):
        environments.build(recorded(f"CPython {platform.python_version()}"), lock, tmp_path / "venv", told.append)


def test_the_recorded_python_is_taken_the_same_version_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environments.find_python(f"CPython {platform.python_version()}") == Path(sys.executable)
    other = tmp_path / "python3.12"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environments.find_python("CPython 3.12.1") == other


def test_a_python_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SetupError, match=r"no python3\.7 on PATH.*CPython 3\.7\.1"):
        environments.find_python("CPython 3.7.1")


def test_this_environment_is_as_it_records_itself() -> None:
    from weighbridge.evidence import reproduction

    one, other = (machine.environment(REPOSITORY / "requirements.lock") for _ in range(2))
    assert list(reproduction.environment(one, other)) == []
