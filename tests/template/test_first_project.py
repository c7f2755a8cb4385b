"""The page of the first project, typed as it stands: each command runs, each file is as the page says."""

import re
import shlex
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from small_project import REPOSITORY, Project

PAGE = REPOSITORY / "docs" / "first-project.md"
_BLOCK = re.compile(r"(?:^`(?P<path>[\w./]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWER = re.compile(r"^\[\d/\d\] .*\): (.+)$", re.MULTILINE)
_DIGITS = re.compile(r"\b[0-9a-f]{12}\b|\d[\d.,]*")


class Block(NamedTuple):
    """A fenced block: what it is, its text, and the file that it is to be saved as, if any."""

    kind: str
    text: str
    path: str | None


def blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield Block(found["kind"], found["text"], found["path"])


def script(address: Path) -> str:
    """Return what a reader types, as one script that stops at the first failure."""
    answers = "".join(f"{answer}\\n" for answer in _ANSWER.findall(PAGE.read_text(encoding="utf-8")))
    lines = ["set -euo pipefail"]
    for block in blocks():
        if block.path:
            lines += [f"cat > {shlex.quote(block.path)} <<'END OF FILE'", block.text.rstrip("\n"), "END OF FILE"]
        if block.kind != "console":
            continue
        for line in block.text.splitlines():
            assert line.startswith("$ "), f"{line!r} is no command; what is seen belongs into a text block"
            command = line.removeprefix("$ ")
            lines.append(f"echo {shlex.quote(line)}")
            typed = command.replace("ADDRESS", shlex.quote(str(address)))
            lines.append(f"printf {shlex.quote(answers)} | {typed}" if command.startswith("cookiecutter") else typed)
    return "\n".join(lines) + "\n"


def python_with_packages(folder: Path) -> Path:
    """Return a Python whose new environments see what is installed here, so that installing finds all of it there."""
    path = folder / "python3"
    here = sysconfig.get_path("purelib")
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, subprocess, sys\n"
        f"done = subprocess.run([{sys.executable!r}, *sys.argv[1:]])\n"
        "if sys.argv[1:3] == ['-m', 'venv']:\n"
        "    (site,) = pathlib.Path(sys.argv[-1]).glob('lib/python*/site-packages')\n"
        f"    (site / 'here.pth').write_text({here!r})\n"
        "sys.exit(done.returncode)\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.slow(seconds=110)
def test_the_first_project_is_made_as_its_page_says(template: Project, tmp_path: Path) -> None:
    reader = Project(tmp_path / "desk")
    reader.root.mkdir()
    python = python_with_packages(tmp_path)
    done = reader.attempt("bash", "-c", script(template.root), env={"PYTHON": str(python)})
    assert done.code == 0, done.text
    made = Project(reader.root / "returns")
    assert "Traceback" not in done.text
    assert made.tags()[0] == "returns@v1.0.0"
    assert len(made.tags()) == 2
    assert (reader.root / "returns-1.0.0" / "model.onnx").is_file()

    # What the page shows, but for its numbers, was seen.
    seen = {_DIGITS.sub("#", line).strip() for line in done.text.splitlines()}
    shown = [line for block in blocks() if block.kind == "text" for line in block.text.splitlines()]
    lines = [line for line in shown if line.strip() not in {"", "…"} and not _ANSWER.match(line)]
    assert [line for line in lines if _DIGITS.sub("#", line).strip() not in seen] == []
