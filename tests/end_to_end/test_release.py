"""From raw data to a tag, with the real Git, DVC, GTO and Snakemake; then everyone's tools read what was released."""

import json
from pathlib import Path

import pytest
import small_project
import yaml
from small_project import Project

from weighbridge import manifest
from weighbridge.digest import folder_entries, sha256_bytes, sha256_folder
from weighbridge.documents import parse, typed
from weighbridge.errors import RecordError

pytestmark = pytest.mark.slow

FIRST, SECOND = "small@v1.0.0", "small@v1.1.0"


def released(project: Project, tag: str) -> manifest.Manifest:
    """Return the manifest that a tag's commit holds."""
    text = project.sh("git", "show", f"{tag}:models/small.yaml")
    return typed(parse(text, tag, RecordError), manifest.Manifest, RecordError)


@pytest.fixture(scope="module")
def twice(done: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The project after a second release, and what was printed while the change wasn't committed yet."""
    project = small_project.copy(done, tmp_path_factory.mktemp("twice"))
    project.edit("config/config.yaml", "C: 1.0", "C: 0.01")
    refusal = project.refused()
    assert project.tags() == [FIRST]
    project.commit("Regularise more")
    assert project.planned() == {"release"}, "committing must not retrain"
    project.snakemake()
    return project, refusal


class TestFirstRelease:
    def test_stands_beside_the_branch_and_leaves_it_alone(self, done: Project, made: Project) -> None:
        head = done.git("rev-parse", "HEAD")
        assert done.tags() == [FIRST]
        assert head == made.git("rev-parse", "HEAD")
        assert done.git("rev-parse", f"{FIRST}^{{commit}}^") == head
        assert done.git("cat-file", "-t", FIRST) == "tag"
        assert done.git("diff", "HEAD") == ""
        assert done.git("diff", "--cached") == ""

    def test_holds_everything_of_the_branch_and_more(self, done: Project) -> None:
        changes = done.git("diff", "--name-status", "HEAD", FIRST).splitlines()
        assert {line[0] for line in changes} == {"A"}
        added = {line[2:] for line in changes if not line[2:].startswith(("models/plots/", "runs/"))}
        kinds = ("dvc", "yaml", "md", "verdict.json", "provenance.json", "cdx.json")
        own = {f"models/small.{kind}" for kind in kinds} | {"models/metrics.yaml"}
        assert added == own | {"data/processed.dvc", "models/predictions.parquet.dvc"}

    def test_has_a_complete_manifest_whose_digest_the_tag_names(self, done: Project) -> None:
        text = done.sh("git", "show", f"{FIRST}:models/small.yaml")
        assert f"manifest-sha256: {sha256_bytes(text.encode())}" in done.git("cat-file", "tag", FIRST)
        assert manifest.missing_fields(released(done, FIRST)) == ()

    def test_names_the_files_that_ship(self, done: Project) -> None:
        entries = folder_entries(done.root / "models/small")
        artifacts = released(done, FIRST).artifacts
        assert {file.path: file.sha256 for file in artifacts.files} == {entry.path: entry.sha256 for entry in entries}
        assert artifacts.content_sha256 == sha256_folder(entries)

    def test_names_commit_data_and_environment(self, done: Project) -> None:
        seen = released(done, FIRST)
        assert seen.code.commit == done.git("rev-parse", "HEAD")
        assert seen.code.dirty_files == ()
        assert [entry.path for entry in seen.data.raw.files] == ["batches.csv"]
        assert seen.data.raw.dvc in done.read("data/raw.dvc")
        assert {"scikit-learn", "torch", "onnxruntime"} <= {each.name for each in seen.environment.distributions}
        assert seen.lineage.bump == "first"

    def test_needed_no_network(self, done: Project) -> None:
        if not small_project.without_network():
            pytest.skip("this system lets no one take the network away")
        assert done.tags() == [FIRST]

    def test_is_the_end_of_it(self, done: Project) -> None:
        assert done.planned() == set()


class TestOthersTools:
    """What is released is plain Git, DVC and GTO."""

    def test_gto_lists_it(self, done: Project) -> None:
        assert "v1.0.0" in done.sh("gto", "show")
        assert FIRST in done.sh("gto", "history", "small")

    def test_dvc_gets_it(self, done: Project, tmp_path: Path) -> None:
        done.sh("dvc", "get", ".", "models/small", "--rev", FIRST, "--out", str(tmp_path / "small"))
        assert folder_entries(tmp_path / "small") == folder_entries(done.root / "models/small")

    def test_dvc_gets_it_by_its_version(self, done: Project, tmp_path: Path) -> None:
        done.sh("dvc", "artifacts", "get", ".", "small", "--rev", "v1.0.0", "--out", str(tmp_path / "small"))
        assert folder_entries(tmp_path / "small") == folder_entries(done.root / "models/small")

    def test_dvc_draws_it(self, finished: Project) -> None:
        finished.sh("dvc", "plots", "show")
        page = finished.read("dvc_plots/index.html")
        assert "ROC curve" in page
        assert "Learning curves" in page

    def test_dvc_compares_two(self, twice: tuple[Project, str]) -> None:
        project, _ = twice
        metrics = json.loads(project.sh("dvc", "metrics", "diff", "--json", FIRST, SECOND))
        assert metrics["models/metrics.yaml"]["roc_auc"]["diff"] != 0
        params = json.loads(project.sh("dvc", "params", "diff", "--json", FIRST, SECOND))
        assert params["config/config.yaml"] == {
            "candidates.logistic.params.C": {"old": 1.0, "new": 0.01, "diff": -0.99}
        }


class TestShow:
    @pytest.mark.parametrize("ref", ["latest", "v1.0.0", "1.0.0", FIRST])
    def test_finds_a_release_by_each_of_its_names(self, ref: str, done: Project) -> None:
        assert (
            yaml.safe_load(done.sh("weighbridge", "show", ref, "--format", "yaml"))["model_info"]["version"] == "1.0.0"
        )

    def test_finds_a_release_by_its_commit(self, done: Project) -> None:
        commit = done.git("rev-parse", f"{FIRST}^{{commit}}")
        assert "small-v1.0.0" in done.sh("weighbridge", "show", commit, "--format", "json")

    def test_finds_a_run_by_its_id(self, done: Project) -> None:
        run = released(done, FIRST).model_info.run
        assert run.startswith("logistic-")
        assert "LogisticRegression" in done.sh("weighbridge", "show", run)

    def test_speaks_the_same_in_each_format(self, done: Project, tmp_path: Path) -> None:
        from weighbridge import formats

        plain = json.loads(done.sh("weighbridge", "show", "latest", "--format", "json"))
        assert yaml.safe_load(done.sh("weighbridge", "show", "latest", "--format", "yaml")) == plain
        message = tmp_path / "small.pb"
        done.sh("weighbridge", "show", "latest", "--format", "proto", "--output", str(message))
        assert formats.from_proto(message.read_bytes()) == released(done, FIRST)

    def test_names_the_nearest_where_there_is_no_such_release(self, done: Project) -> None:
        found = done.attempt("weighbridge", "show", "v9.0.0")
        assert found.code != 0
        assert "v9.0.0" in found.text
        assert "Traceback" not in found.text


class TestSecondRelease:
    def test_is_refused_while_the_change_is_not_committed(self, twice: tuple[Project, str]) -> None:
        _, refusal = twice
        assert "config/config.yaml" in refusal
        assert "ommit" in refusal

    def test_is_weighed_beside_the_first(self, twice: tuple[Project, str]) -> None:
        project, _ = twice
        assert project.tags() == [FIRST, SECOND]
        seen = released(project, SECOND)
        comparison = seen.performance.test.comparison
        assert comparison is not None
        assert comparison.comparable
        assert comparison.release == FIRST
        assert comparison.metrics["roc_auc"].baseline == released(project, FIRST).model_info.performance["roc_auc"]
        assert {gate.name: gate.verdict for gate in seen.gates.results}["not_worse"] == "pass"

    def test_says_why_it_is_the_next_version(self, twice: tuple[Project, str]) -> None:
        project, _ = twice
        lineage = released(project, SECOND).lineage
        assert lineage.previous == FIRST
        assert lineage.bump == "minor"
        assert any("C" in reason for reason in lineage.reasons)
        assert any("Regularise more" in change for change in lineage.code_changes)

    def test_log_and_diff_tell_of_both(self, twice: tuple[Project, str]) -> None:
        project, _ = twice
        log = project.sh("weighbridge", "log")
        assert log.index("1.1.0") < log.index("1.0.0")
        assert "C" in project.sh("weighbridge", "diff", "v1.0.0", "v1.1.0")

    def test_puts_the_refusal_on_record(self, twice: tuple[Project, str]) -> None:
        project, _ = twice
        records = [json.loads(path.read_text()) for path in (project.root / "runs").rglob("*.json")]
        statuses = [record["status"] for record in records if record["kind"] == "release"]
        assert sorted(statuses) == ["accepted", "accepted", "rejected"]
        assert f"ledger-count: {len(records)}" in project.git("cat-file", "tag", SECOND)


class TestSameContent:
    def test_is_not_released_twice(self, finished: Project) -> None:
        finished.snakemake("--forcerun", "package")
        assert finished.tags() == [FIRST]
        assert "released already" in finished.log("release")
        assert finished.planned() == set()

    def test_is_not_released_twice_when_a_gate_changes(self, finished: Project) -> None:
        finished.edit("config/gates.yaml", "min: 0.6", "min: 0.61")
        finished.commit("Ask for more")
        text = finished.snakemake()
        assert finished.tags() == [FIRST]
        assert "released already" in finished.log("release")
        assert FIRST in text
        for stage in ("judge", "draw", "release"):
            assert f"{stage}" in text
        assert "Train" not in text


class TestPush:
    @pytest.fixture
    def pushed(self, finished: Project) -> Project:
        """The project, its release pushed to a bare repository and its data to a folder."""
        finished.sh("git", "init", "--quiet", "--bare", "../origin.git")
        finished.git("remote", "add", "origin", str(finished.root.parent / "origin.git"))
        finished.append("config/config.yaml", 'release: {push: "origin"}\n')
        finished.commit("Push releases")
        finished.snakemake()
        return finished

    def test_brings_all_to_a_clone(self, pushed: Project) -> None:
        clone = Project(pushed.root.parent / "clone")
        pushed.sh("git", "clone", "--quiet", "--branch", FIRST, "../origin.git", str(clone.root))
        clone.sh("dvc", "pull", "--quiet")
        for folder in ("models/small", "data/raw", "data/processed"):
            assert folder_entries(clone.root / folder) == folder_entries(pushed.root / folder)
        assert "1.0.0" in clone.sh("weighbridge", "show", "latest")

    def test_pushes_the_tag_and_no_branch(self, pushed: Project) -> None:
        refs = pushed.git("ls-remote", "origin").splitlines()
        assert [line.split("\t")[1] for line in refs] == [f"refs/tags/{FIRST}", f"refs/tags/{FIRST}^{{}}"]


class TestAdvanceBranch:
    def test_takes_the_release_onto_the_branch(self, finished: Project) -> None:
        finished.git("tag", "--delete", FIRST)
        finished.append("config/config.yaml", "release: {advance_branch: true}\n")
        before = finished.commit("Keep releases on the branch")
        finished.snakemake()
        assert finished.git("rev-parse", "HEAD") == finished.git("rev-parse", f"{FIRST}^{{commit}}")
        assert finished.git("rev-parse", "HEAD^") == before
        assert finished.git("branch", "--show-current") == "main"
        assert finished.git("status", "--porcelain") == ""
        assert finished.planned() == set()
