"""What REF means."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_records import accepted, rejected

from weighbridge import documents
from weighbridge.errors import RecordError, SettingsError
from weighbridge.manifest import Manifest, RunRecord
from weighbridge.registry import ledger
from weighbridge.views import reference

Make = Callable[..., object]


@pytest.mark.parametrize("ref", ["v1.10.0", "1.10.0", "flights@v1.10.0", "latest"])
def test_a_release_goes_by_version_tag_and_latest(project: Path, release: Callable[..., Manifest], ref: str) -> None:
    made = [release(version) for version in ("1.2.0", "1.10.0")]
    found = reference.resolve(project, ref)
    assert (found.kind, found.title) == ("release", "flights@v1.10.0")
    assert found.record() == made[1]
    assert found.content == documents.dump(made[1]).encode()


def test_a_commit_goes_by_anything_git_knows(project: Path, release: Make) -> None:
    release("1.0.0")
    commit = subprocess.run(
        ["git", "rev-parse", "flights@v1.0.0^{commit}"], cwd=project, check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(["git", "branch", "kept", commit], cwd=project, check=True)
    for ref in (commit, commit[:10], "kept", "refs/tags/flights@v1.0.0"):
        assert reference.resolve(project, ref).content == reference.resolve(project, "latest").content


def test_a_commit_without_a_manifest_is_named_with_what_has_one(project: Path, release: Make) -> None:
    release("1.0.0")
    with pytest.raises(SettingsError, match=r"HEAD is the commit .* holds no models/flights.yaml.*flights@v1\.0\.0"):
        reference.resolve(project, "HEAD")


@pytest.mark.parametrize("ref", ["boosting-abcdef012345", "boosting-abc", "abcdef01", "abcd"])
def test_a_run_goes_by_its_id_and_by_the_beginning_of_it(project: Path, run: Make, ref: str) -> None:
    run("boosting-abcdef012345")
    found = reference.resolve(project, ref)
    assert found.title == "boosting-abcdef012345"
    assert isinstance(found.record(), RunRecord)


def test_a_beginning_of_two_runs_is_refused_with_both(project: Path, run: Make) -> None:
    run("boosting-abcdef012345", seed=0)
    run("boosting-abcdef999999", seed=1)
    with pytest.raises(SettingsError, match=r"beginning of 2 runs: boosting-abcdef012345, boosting-abcdef999999"):
        reference.resolve(project, "boosting-abcdef")


def test_a_run_that_became_a_release_leads_to_its_manifest(project: Path, release: Make) -> None:
    release("1.0.0")
    ledger.append(project, accepted("flights@v1.0.0", "boosting-0123456789ab"))
    assert reference.resolve(project, "boosting-0123456789ab").title == "flights@v1.0.0"


def test_of_a_run_long_gone_the_ledger_entry_is_left(project: Path) -> None:
    ledger.append(project, rejected("boosting-0123456789ab"))
    found = reference.resolve(project, "boosting-0123")
    assert b"rejected" in found.content
    with pytest.raises(RecordError, match="only its entry in the ledger is left"):
        found.record()


def test_an_unknown_ref_lists_the_nearest(project: Path, release: Make, run: Make) -> None:
    release("1.0.0")
    release("2.0.0")
    run("boosting-abcdef012345")
    with pytest.raises(SettingsError, match=r"v1\.0\.1: no release.*nearest: flights@v1\.0\.0"):
        reference.resolve(project, "v1.0.1")
    with pytest.raises(SettingsError, match=r"nearest: boosting-abcdef012345"):
        reference.resolve(project, "bosting-abcdef012345")


@pytest.mark.parametrize(
    "ref", ["", " ", "-h", "--upload-pack=x", "v1", "other@v1.0.0", "a..b", "é", "$(x)", "\udcff", "\0x"]
)
def test_whatever_else_is_refused_in_words(project: Path, ref: str) -> None:
    with pytest.raises(SettingsError, match="there is no release and no run yet"):
        reference.resolve(project, ref)


def test_latest_without_a_release_says_how_to_make_one(project: Path) -> None:
    with pytest.raises(SettingsError, match="snakemake --cores all"):
        reference.resolve(project, "latest")


def test_a_manifest_that_is_not_the_tags_is_not_shown(project: Path, release: Make) -> None:
    release("1.0.0")
    message = subprocess.run(
        ["git", "for-each-ref", "--format=%(contents)", "refs/tags"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (project / "models").mkdir()
    (project / "models/flights.yaml").write_text("schema: forged\n")
    subprocess.run(["git", "add", "models"], cwd=project, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "Forge"], cwd=project, check=True)
    forge = ["git", "tag", "--force", "--annotate", "--cleanup=verbatim", "-m", message, "flights@v1.0.0"]
    subprocess.run(forge, cwd=project, check=True, capture_output=True)
    with pytest.raises(RecordError, match="don't trust it"):
        reference.resolve(project, "v1.0.0")
