"""The command: light to start, each failure a message and an exit code, each failed attempt on record."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from weighbridge import cli, errors, stage_commands
from weighbridge.registry import ledger
from weighbridge.root import find_root

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "sklearn", "pandas", "numpy", "onnx", "onnxruntime", "matplotlib", "dvc", "scipy", "pyarrow", "skops")
PEOPLE = ("check", "version", "approve", "log", "audit", "show", "diff", "sign")
STAGES = ("fetch", "preprocess", "train", "evaluate", "package", "search", "weigh", "judge", "draw", "release")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's configuration, in the current folder."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def imported(code: str, cwd: Path) -> list[str]:
    """Return which heavy packages a fresh interpreter has imported after *code*."""
    program = f"import sys\n{code}\nprint(*(n for n in {HEAVY!r} if n in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1].split() if done.stderr.strip() else []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["log"], ["check"], ["version"], ["approve"], ["show", "latest"], ["train", "--help"]]
)
def test_what_people_ask_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"from weighbridge.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    assert imported(code, ROOT) == []


def test_nothing_that_a_terminal_would_obey_is_printed(project: Path) -> None:
    (project / "config/config.yaml").write_text('name: "a\\e]0;pwned\\a"\n')
    done = CliRunner().invoke(cli.main, ["log"])
    assert done.exit_code == errors.SettingsError.exit_code
    assert "\x1b" not in done.output + done.stderr


@pytest.mark.parametrize(
    ("command", "kept"),
    [*((name, True) for name in (*PEOPLE, "restore", "reproduce", "history", "verify")), ("fetch", False)],
)
def test_git_fetches_nothing_while_people_look(command: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter of the test
    found = []
    monkeypatch.setattr(
        cli.main.commands[command], "invoke", lambda _: found.append(os.environ.get("GIT_ALLOW_PROTOCOL"))
    )
    monkeypatch.delenv("GIT_ALLOW_PROTOCOL", raising=False)
    CliRunner().invoke(
        cli.main,
        [
            command,
            *(["v1.0.0"] if command in {"restore", "reproduce", "show"} else []),
            *(["a", "b"] if command == "diff" else []),
        ],
    )
    assert found == (["none"] if kept else [None])
    assert "GIT_ALLOW_PROTOCOL" not in os.environ


def test_the_plan_of_the_workflow_imports_nothing_heavy() -> None:
    """Each start of Snakemake pays for this."""
    code = (
        "from pathlib import Path\nfrom weighbridge import plan\nroot = Path.cwd()\n"
        "project = plan.Plan(plan.load(root), root)\n"
        "for stage in ('fetch', 'preprocess', 'package', 'weigh', 'judge', 'release'):\n"
        "    project.settings_of(stage), project.code_of(stage)\n"
        "project.settings_of('train', 'network'), project.code_of('train', 'network')"
    )
    assert imported(code, ROOT) == []


def test_the_guard_against_heavy_imports_sees_one() -> None:
    assert "numpy" in imported("import numpy", ROOT)


def test_help_names_each_command_with_an_example() -> None:
    text = CliRunner().invoke(cli.main, ["--help"]).output
    for name in (*PEOPLE, *STAGES):
        assert name in text
    for name in PEOPLE:
        assert f"weighbridge {name}" in CliRunner().invoke(cli.main, [name, "--help"]).output


def test_outside_a_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, ["log"])
    assert done.exit_code == 2
    assert "no config/config.yaml" in done.output


def test_it_finds_the_root_from_a_folder_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "results" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_root() == project.resolve()


def test_a_failed_stage_is_a_message_an_exit_code_and_a_record(project: Path) -> None:
    done = CliRunner().invoke(cli.main, ["draw"])
    assert done.exit_code == 2
    assert done.output.startswith("weighbridge draw: ")
    assert "package.yaml: no such file" in done.output
    records = [entry.record for entry in ledger.read(project)]
    assert [(record["kind"], record["status"], record["stage"]) for record in records] == [
        ("attempt", "failed", "draw")
    ]
    assert "package.yaml" in records[0]["error"]


def test_what_the_projects_own_code_raises_is_told_by_its_line_and_on_record(project: Path) -> None:
    (project / "broken.py").write_text("def fetch(folder):\n    return {}['departure']\n")
    task = '{"fetch": "broken:fetch", "address": null}'
    done = CliRunner().invoke(cli.main, ["fetch", "--settings", "-"], input=task)
    said = "broken:fetch fails in broken.py, line 2: KeyError: 'departure'; mend it there"
    assert done.exit_code == 2
    assert done.output.endswith(f"weighbridge fetch: {said}\n")
    assert "Traceback" not in done.output
    assert [entry.record["error"] for entry in ledger.read(project)] == [said]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("settings", ["", "{", '{"gates": 1}'])
def test_settings_that_no_rule_wrote_are_refused(settings: str) -> None:
    done = CliRunner().invoke(cli.main, ["judge", "--settings", "-"], input=settings)
    assert done.exit_code == 2
    assert "--settings" in done.output


def test_a_candidate_can_not_lead_elsewhere(project: Path) -> None:
    for name in ("../x", "a b", "a;b", ""):
        done = CliRunner().invoke(cli.main, ["train", "--candidate", name, "--seed", "0"])
        assert done.exit_code == 2
        assert not (project / "results").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: no space left"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk: no space left"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "Permission denied: a/b"),
        (OSError("odd"), "odd"),
    ],
)
def test_the_systems_errors_are_told_in_words(error: OSError, words: str) -> None:
    assert words in stage_commands.in_words(error)


def test_errors_are_one_tree_with_two_exit_codes() -> None:
    kinds = (
        errors.SettingsError, errors.DataError, errors.ModelError, errors.SetupError, errors.RecordError,
        errors.ReleaseRefused,
    )  # fmt: skip
    assert {kind.exit_code for kind in kinds} == {1, 2}
    assert errors.ReleaseRefused.exit_code == 1
    for kind in kinds:
        assert issubclass(kind, errors.WeighbridgeError)
        assert kind.__name__ in (errors.__doc__ or ""), "the tree in the docstring is whole"
