"""A person approves what waits for it, in their own name; where that isn't possible it says why, and writes nothing."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from weighbridge import cli, documents, paths, plan
from weighbridge.digest import sha256_json
from weighbridge.errors import RecordError, SetupError, WeighbridgeError
from weighbridge.manifest import Verdict
from weighbridge.registry import approvals
from weighbridge.tasks import plain
from weighbridge.views import approve as view

Waiting = Callable[..., Verdict]
NEXT = "4a5e1e4baab89f3a" + "1" * 48
FILE = Path("approvals/4a5e1e4baab89f3a-grace@example.org.yaml")
MAJOR = "major: input origin removed"
SMALLER = "loosened: ranks: min went from 0.7 to 0.6"


@pytest.fixture
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Grace type, who is none of the authors."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Grace Hopper")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "grace@example.org")


def approve(root: Path, reason: str = "") -> str:
    return view.approve(root, plan.load(root), reason)


def git(root: Path, *arguments: str, **env: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, env={**os.environ, **env}, check=True, capture_output=True)


def refused(root: Path, error: type[WeighbridgeError]) -> str:
    with pytest.raises(error) as caught:
        approve(root)
    assert not (root / "approvals").exists()
    return str(caught.value)


@pytest.mark.usefixtures("grace")
def test_it_shows_what_is_approved_writes_it_and_says_how_to_commit_it(project: Path, waiting: Waiting) -> None:
    waiting({"gates.loosened": ["ranks: min went from 0.7 to 0.6"]})
    text = approve(project, "Agreed with the users")
    written = approvals.read(project, FILE)
    assert written.approver == "Grace Hopper <grace@example.org>"
    assert written.approves == (MAJOR, SMALLER)
    assert (written.content_sha256, written.reason) == (NEXT, "Agreed with the users")
    for words in (MAJOR, SMALLER, "version 2.0.0", f"git add {FILE}", "git commit", "snakemake --cores all"):
        assert words in text
    commands = [line.strip() for line in text.splitlines() if line.startswith("  git ")]
    for command in commands:
        subprocess.run(["bash", "-c", command], cwd=project, check=True, capture_output=True)
    subject = approvals.Subject(NEXT, written.gates_sha256, written.test_sha256)
    assert written.gates_sha256 == sha256_json(plain(plan.load(project).gates))
    assert len(written.test_sha256) == 64
    found = approvals.verify(project, subject, approvals.not_by(project, "flights@v1.0.0"))
    assert found == ((written,), ())


@pytest.mark.usefixtures("grace")
def test_approving_twice_leaves_the_file_alone(project: Path, waiting: Waiting) -> None:
    waiting()
    approve(project)
    old = msgspec.structs.replace(approvals.read(project, FILE), when="2026-01-31T12:00:00Z")
    approvals.write(project, old)
    approve(project)
    assert approvals.read(project, FILE) == old
    waiting({"gates.loosened": ["ranks: min went from 0.7 to 0.6"]})
    approve(project)
    assert approvals.read(project, FILE).approves == (MAJOR, SMALLER)


@pytest.mark.usefixtures("grace")
@pytest.mark.parametrize("key", ["gates_sha256", "test_sha256"])
def test_an_approval_of_other_gates_or_rows_is_written_anew(project: Path, waiting: Waiting, key: str) -> None:
    waiting()
    approve(project)
    fresh = approvals.read(project, FILE)
    approvals.write(project, msgspec.structs.replace(fresh, **{key: ""}))
    approve(project)
    assert getattr(approvals.read(project, FILE), key) == getattr(fresh, key)


@pytest.mark.usefixtures("grace")
def test_another_address_of_an_author_is_refused(project: Path, waiting: Waiting) -> None:
    waiting()
    (project / ".mailmap").write_text("Grace <ada@example.org> <grace@example.org>\n")
    (project / "config" / "more.yaml").write_text("x")
    author = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=More", **author)
    assert "you are Grace Hopper <grace@example.org>, who is an author" in refused(project, SetupError)


@pytest.mark.usefixtures("grace")
def test_a_damaged_approval_is_written_anew(project: Path, waiting: Waiting) -> None:
    waiting()
    documents.write(project / FILE, "nonsense: [")
    approve(project)
    assert approvals.read(project, FILE).approves == (MAJOR,)


@pytest.mark.usefixtures("grace")
def test_where_gates_fail_besides_it_says_that_this_alone_releases_nothing(project: Path, waiting: Waiting) -> None:
    waiting({"gates.results.0.verdict": "fail"})
    assert "the verdict stays fail" in approve(project)


def test_an_author_is_refused(project: Path, waiting: Waiting) -> None:
    waiting()
    (project / "config" / "more.yaml").write_text("x")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=More")
    said = refused(project, SetupError)
    assert "you are Ada <ada@example.org>, who is an author of what is released" in said
    assert "expected another person" in said


def test_who_wrote_nothing_since_the_last_release_is_no_author_of_this_one(project: Path, waiting: Waiting) -> None:
    waiting()
    approve(project)
    assert (project / "approvals/4a5e1e4baab89f3a-ada@example.org.yaml").is_file()


def test_the_author_may_where_the_gates_say_so(project: Path, waiting: Waiting) -> None:
    gates = project / paths.GATES
    gates.write_text(gates.read_text().replace("by_another: true", "by_another: false"))
    git(project, "commit", "--quiet", "--all", "--message=Trust me")
    waiting()
    approve(project)


@pytest.mark.usefixtures("grace")
@pytest.mark.parametrize("missing", [paths.PACKAGE, paths.WEIGHING, paths.VERDICT])
def test_without_results_there_is_nothing_to_approve(project: Path, waiting: Waiting, missing: Path) -> None:
    waiting()
    (project / missing).unlink()
    said = refused(project, RecordError)
    assert f"{missing} missing" in said
    assert "run 'snakemake --cores all'" in said


@pytest.mark.usefixtures("grace")
@pytest.mark.parametrize("bump", ["minor", "patch"])
def test_where_nothing_needs_it_nothing_is_written(project: Path, waiting: Waiting, bump: str) -> None:
    waiting({"lineage.bump": bump, "gates.verdict": "fail"})
    assert "nothing needs an approval: the verdict is fail" in refused(project, RecordError)


@pytest.mark.usefixtures("grace")
def test_what_is_released_needs_no_approval(project: Path, waiting: Waiting) -> None:
    waiting()
    packaged = documents.read(project / paths.PACKAGE).value
    last = documents.parse(subprocess.run(
        ["git", "show", "flights@v1.0.0:models/flights.yaml"], cwd=project, check=True, capture_output=True, text=True
    ).stdout, "manifest").value  # fmt: skip
    packaged["artifacts"]["content_sha256"] = last["artifacts"]["content_sha256"]
    documents.write_record(project / paths.PACKAGE, packaged)
    assert "released already, as flights@v1.0.0" in refused(project, RecordError)


@pytest.mark.usefixtures("grace")
def test_a_verdict_by_other_gates_is_refused(project: Path, waiting: Waiting) -> None:
    waiting()
    gates = project / paths.GATES
    gates.write_text(gates.read_text().replace("max: 20.0", "max: 19.0"))
    assert "run 'snakemake --cores all', then approve" in refused(project, RecordError)


def test_someone_whom_git_does_not_know_is_refused(project: Path, waiting: Waiting) -> None:
    waiting()
    git(project, "config", "--unset", "user.email")
    assert "git config user.name" in refused(project, SetupError)


@pytest.mark.usefixtures("grace")
def test_the_command_exits_with_the_message(project: Path, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting()
    monkeypatch.chdir(project)
    done = CliRunner().invoke(cli.main, ["approve", "--reason", "Agreed"])
    assert (done.exit_code, FILE.as_posix() in done.output) == (0, True)
    assert approvals.read(project, FILE).reason == "Agreed"
    (project / paths.VERDICT).unlink()
    again: Any = CliRunner().invoke(cli.main, ["approve"])
    assert again.exit_code == 2
    assert again.output.startswith("weighbridge approve: there is nothing to approve yet")
