"""Where the last release lists who may approve, an approval is signed by one of them; a wider list needs one itself."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import ssh_keys

from weighbridge import documents, manifest, paths, plan
from weighbridge.manifest import Verdict
from weighbridge.registry import approvals, git, signers
from weighbridge.stages import finishing
from weighbridge.views import approve as view

Waiting = Callable[..., Verdict]
GRACE, EVE = "grace@example.org", "eve@example.org"
FILE = "approvals/4a5e1e4baab89f3a-grace@example.org.yaml"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key for each of two."""
    folder = tmp_path_factory.mktemp("keys")
    return {email: ssh_keys.make(folder, email.partition("@")[0]) for email in (GRACE, EVE)}


def list_them(root: Path, role: signers.Role, *lines: str) -> None:
    """Commit a list of signers."""
    file = root / signers.path(role)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines))
    git.run(root, "add", signers.path(role))
    git.run(root, "commit", "--quiet", "--message=Say who may")


@pytest.fixture
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Grace type, who is none of the authors."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Grace Hopper")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", GRACE)


@pytest.fixture
def listed(project: Path, keys: dict[str, Path]) -> Path:
    """A project that lists Grace as who approves; asked for before ``waiting``, so that its release holds the list."""
    list_them(project, "approve", ssh_keys.listed(GRACE, keys[GRACE]))
    return project


def look_ahead(root: Path) -> finishing.Ahead:
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    verdict = documents.read_record(root / paths.VERDICT, manifest.Verdict)
    return finishing.ahead(root, plan.load(root).gates, packaged, verdict)


def found(root: Path) -> approvals.Verified:
    return finishing.found_approvals(root, look_ahead(root))


def approve(root: Path) -> str:
    return view.approve(root, plan.load(root), "Agreed")


def run_as_told(root: Path, text: str) -> None:
    """Run the Git commands that the view prints."""
    for command in (line.strip() for line in text.splitlines() if line.startswith("  git ")):
        subprocess.run(["bash", "-c", command], cwd=root, check=True, capture_output=True)


@pytest.mark.usefixtures("grace")
def test_an_approval_is_signed_as_the_command_says(listed: Path, waiting: Waiting, keys: dict[str, Path]) -> None:
    waiting()
    ssh_keys.sign_with(listed, keys[GRACE])
    text = approve(listed)
    assert "git commit --gpg-sign " in text
    run_as_told(listed, text)
    assert [each.approver for each in found(listed).approvals] == [f"Grace Hopper <{GRACE}>"]
    assert found(listed).problems == ()


@pytest.mark.usefixtures("grace")
def test_one_that_is_not_signed_does_not_count(listed: Path, waiting: Waiting) -> None:
    waiting()
    run_as_told(listed, approve(listed).replace("--gpg-sign ", ""))
    (problem,) = found(listed).problems
    assert found(listed).approvals == ()
    assert "isn't signed" in problem
    assert "config/signers/approve of the last release lists who may approve" in problem
    assert "git commit -S" in problem


@pytest.mark.usefixtures("grace")
def test_one_that_another_key_signed_does_not_count(listed: Path, waiting: Waiting, keys: dict[str, Path]) -> None:
    """Anyone can write Grace's name and address; not with her key."""
    waiting()
    ssh_keys.sign_with(listed, keys[EVE])
    run_as_told(listed, approve(listed))
    (problem,) = found(listed).problems
    assert found(listed).approvals == ()
    assert f"isn't listed for {GRACE}" in problem


@pytest.mark.usefixtures("grace")
def test_the_list_of_the_working_branch_does_not_count(listed: Path, waiting: Waiting, keys: dict[str, Path]) -> None:
    """Or whoever wants to approve would list themselves first."""
    waiting()
    ssh_keys.sign_with(listed, keys[EVE])
    run_as_told(listed, approve(listed))
    list_them(listed, "approve", ssh_keys.listed(GRACE, keys[EVE]))
    assert found(listed).approvals == ()


@pytest.mark.usefixtures("grace")
def test_without_a_list_an_approval_need_not_be_signed(project: Path, waiting: Waiting) -> None:
    waiting()
    text = approve(project)
    assert "--gpg-sign" not in text
    run_as_told(project, text)
    assert len(found(project).approvals) == 1


def test_whoever_is_let_in_waits_for_another_person(listed: Path, waiting: Waiting, keys: dict[str, Path]) -> None:
    waiting({"lineage.bump": "minor", "gates.verdict": "pass"})
    assert look_ahead(listed).needed == ()
    list_them(listed, "approve", ssh_keys.listed(GRACE, keys[GRACE]), ssh_keys.listed(EVE, keys[EVE]))
    ahead = look_ahead(listed)
    (words,) = ahead.needed
    assert words.startswith(f"loosened: config/signers/approve: added {EVE} (ssh-ed25519 SHA256:")
    assert ahead.judged.loosened == (words.removeprefix("loosened: "),)
    assert ahead.approval.by_another
    assert finishing.outlook(ahead, approvals.Verified((), ())) == "needs approval"


def test_whoever_is_shut_out_does_not(listed: Path, waiting: Waiting, keys: dict[str, Path]) -> None:
    waiting({"lineage.bump": "minor", "gates.verdict": "pass"})
    list_them(listed, "release", ssh_keys.listed(GRACE, keys[GRACE]))
    list_them(listed, "approve", ssh_keys.listed(GRACE, keys[GRACE], 'valid-before="20991231"'))
    assert look_ahead(listed).needed == ()
