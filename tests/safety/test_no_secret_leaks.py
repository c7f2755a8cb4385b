"""A secret of the environment turns up in no file of a run: not in a record, a log, a commit, nor in .snakemake."""

import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import SECRET, Project

pytestmark = pytest.mark.slow

FIRST = "small@v1.0.0"


def holding(root: Path, secret: str, left_out: tuple[str, ...] = ()) -> list[str]:
    """Return the files below *root* that hold *secret*, packed objects of Git's included."""
    wanted = [secret.encode(), urllib.parse.quote(secret, safe="").encode()]
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    named = ((path.relative_to(root).as_posix(), path.read_bytes()) for path in files)
    found = [name for name, content in named if any(one in content for one in wanted)]
    return [*(name for name in found if name not in left_out), *in_git(root, secret)]


def in_git(root: Path, secret: str) -> Iterator[str]:
    text = Project(root).sh("bash", "-c", "git cat-file --batch --batch-all-objects | strings -n 6")
    yield from ["an object of Git's"] if secret in text else []


def test_a_whole_run_writes_it_nowhere(done: Project) -> None:
    assert done.env()["DEPLOY_TOKEN"] == SECRET, "every job could have read it"
    assert done.tags() == [FIRST]
    assert (done.root / ".snakemake").is_dir()
    assert holding(done.root, SECRET) == []


LEAKING = """

_good = load


def load(folder):
    import os
    import sys

    token = os.environ["DEPLOY_TOKEN"]
    print("logging in with", token)
    print(f"GET https://me:{token}@example.org/rows", file=sys.stderr, flush=True)
    raise RuntimeError(f"https://me:{token}@example.org/rows?token={token} refused")
"""


def test_a_projects_own_code_may_print_it_and_fail_with_it(fresh: Project) -> None:
    fresh.append("project/dataset.py", LEAKING)
    done = fresh.attempt("snakemake", "--cores", "2", "preprocess")
    assert done.code != 0
    log = fresh.log("preprocess")
    assert "logging in with ***" in log
    assert "RuntimeError: https://***@example.org/rows?token=*** refused" in log
    assert SECRET not in done.text
    assert holding(fresh.root, SECRET) == []
    records = [path.read_text() for path in (fresh.root / "runs").rglob("*.json")]
    assert any("RuntimeError" in record and "***" in record for record in records)


@pytest.mark.parametrize("place", ["source", "params", "push"])
def test_configuration_that_carries_it_stops_before_any_job(place: str, fresh: Project) -> None:
    if place == "source":
        fresh.edit("config/config.yaml", 'source: "Random numbers"', f'source: "https://example.org/?x={SECRET}"')
    elif place == "params":
        fresh.edit("config/config.yaml", "C: 1.0", f'C: 1.0, note: "{SECRET}"')
    else:
        fresh.append("config/config.yaml", f'release: {{push: "https://me:{SECRET}@example.org/x.git"}}\n')
    done = fresh.attempt("snakemake", "--cores", "1")
    assert done.code != 0
    assert "looks like a secret" in done.text
    assert SECRET not in done.text
    assert not (fresh.root / "results/settings").exists()
    assert holding(fresh.root, SECRET, ("config/config.yaml",)) == []


@pytest.mark.parametrize("option", [f"note={SECRET}", "api_key=hunter2hunter2"])
def test_a_secret_on_the_command_line_is_refused_before_snakemake_logs_it(option: str, fresh: Project) -> None:
    secret = option.partition("=")[2]
    done = fresh.attempt("snakemake", "--cores", "1", "--config", option)
    assert done.code != 0
    assert "looks like a secret" in done.text
    assert secret not in done.text
    assert holding(fresh.root, secret) == []


def test_an_address_with_a_password_is_released_without_it(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.git("remote", "add", "origin", f"https://grace:{SECRET[5:]}@example.org/small.git")
    done = finished.stage("release")
    assert done.code == 0, done.text
    assert finished.tags() == [FIRST]
    assert "https://example.org/small.git" in finished.git("show", f"{FIRST}:models/small.yaml")
    assert holding(finished.root, SECRET[5:], (".git/config",)) == []


def test_what_git_knows_goes_no_further(finished: Project) -> None:
    """A branch's name and the subjects of commits stand in the manifest."""
    finished.git("tag", "--delete", FIRST)
    finished.git("switch", "--quiet", "--create", "log-in-with-ghp_" + "a1B2c3" * 6)
    done = finished.stage("release")
    assert done.code == 1
    assert "in: code.branch. Nothing was tagged" in done.text
    assert "ghp_" not in done.text
    assert finished.tags() == []
