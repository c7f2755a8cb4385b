"""An analysis of its own: a folder without engine, run by an engine that lies elsewhere (``--directory``)."""

import shutil
from pathlib import Path

import pytest
import small_project
from small_project import Done, Project

from weighbridge import documents
from weighbridge.errors import SetupError
from weighbridge.manifest import Manifest
from weighbridge.views import reproduce

pytestmark = pytest.mark.slow
HELD = ("config", "project", "data", "models", "dvc.yaml", ".dvc", ".dvcignore", ".gitignore")
"""What an analysis holds; all else is the engine's."""


@pytest.fixture
def engine(made: Project, tmp_path: Path) -> Project:
    """The engine in a repository of its own, beside a project of another that nobody may take for ours."""
    found = small_project.copy(made, tmp_path / "engine")
    shutil.rmtree(found.root / "data/raw")
    for name in ("dataset.py", "models.py"):
        (found.root / "project" / name).write_text("raise RuntimeError('another project')\n")
    found.commit("Engine")
    found.git("remote", "add", "origin", "https://ada:secret@example.org/engine.git")
    return found


@pytest.fixture
def analysis(made: Project, tmp_path: Path) -> Project:
    """The small project without its engine, in a repository of its own."""
    root = tmp_path / "analyses" / "project"
    root.mkdir(parents=True)
    for name in HELD:
        source = made.root / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("tmp"))
        else:
            shutil.copy2(source, root / name)
    found = Project(root)
    found.git("init", "--quiet", "--initial-branch=main")
    found.git("config", "user.name", "Grace Hopper")
    found.git("config", "user.email", "grace@example.org")
    found.git("add", ".")
    found.git("commit", "--quiet", "--message=Begin")
    return found


def run(analysis: Project, engine: Project, *arguments: str) -> Done:
    """Run the engine's Snakefile on the analysis, from a third place."""
    elsewhere = ("--snakefile", str(engine.root / "Snakefile"), "--directory", str(analysis.root))
    return analysis.attempt("snakemake", *elsewhere, "--cores", "2", *arguments, cwd=analysis.root.parent)


def verified(analysis: Project, engine: Project) -> str:
    """Return what the engine proves of the release there, on one line."""
    done = analysis.attempt("weighbridge", "verify", "--offline", env={"PYTHONPATH": str(engine.root)})
    return " ".join(done.text.split())


def test_an_analysis_elsewhere_is_released_and_names_the_engine_that_made_it(
    analysis: Project, engine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one, since it costs a run of the whole pipeline."""
    done = run(analysis, engine)
    assert done.code == 0, done.text + analysis.logs()
    assert analysis.tags() == ["small@v1.0.0"]
    assert engine.tags() == []
    assert not any((engine.root / name).exists() for name in ("results", "logs", "runs")), "the engine's folder is used"
    with_engine = {"PYTHONPATH": str(engine.root)}
    assert "small@v1.0.0" in analysis.sh("weighbridge", "show", env=with_engine)
    assert "Nothing to be done" in run(analysis, engine, "--dry-run").text

    # The record: the engine's commit, and its files named below its folder, wherever that is.
    text = analysis.git("show", "small@v1.0.0:models/small.yaml")
    released = documents.typed(documents.parse(text, "models/small.yaml"), Manifest)
    assert released.code.commit == analysis.git("rev-parse", "HEAD")
    assert released.code.engine is not None
    assert released.code.engine.commit == engine.git("rev-parse", "HEAD")
    assert released.code.engine.repository == "https://example.org/engine.git"
    assert {"weighbridge/stages/train.py", "project/dataset.py"} < {one.path for one in released.code.sources}
    assert str(engine.root) not in text

    # Proved by the same engine, and not by another: it can't know.
    assert "those of the engine that runs here" in verified(analysis, engine)
    assert "nothing failed" in verified(analysis, engine)
    engine.append("weighbridge/settings.py", "# Others.\n")
    engine.append("weighbridge/stages/release.py", "# Others.\n")
    assert "1 of its files are others here: verify with its commit" in verified(analysis, engine)

    # An engine that isn't committed makes no release.
    refused = run(analysis, engine, "--forcerun", "release")
    assert refused.code != 0
    assert "weighbridge/settings.py (of the engine in project: commit it there)" in refused.text

    # Reproducing takes the engine's commit, not what lies there now; without that commit it says what to do.
    with pytest.raises(SetupError, match="Run reproduce with the engine of a clone that has this commit"):
        reproduce._engine(analysis.root, tmp_path / "no", analysis.root, released, lambda _: None)
    monkeypatch.setattr(reproduce, "engine", lambda _: engine.root)
    home = reproduce._engine(analysis.root, tmp_path / "again", analysis.root, released, lambda _: None)
    assert "# Others." not in (home / "weighbridge/settings.py").read_text()


def test_what_can_not_run_elsewhere_is_refused_in_words(analysis: Project, engine: Project) -> None:
    (analysis.root / "weighbridge").mkdir()
    done = run(analysis, engine, "--dry-run")
    assert done.code != 0
    assert "has an engine of its own" in done.text
    (analysis.root / "weighbridge").rmdir()
    shutil.move(analysis.root / "config", analysis.root.parent / "config-moved")
    done = run(analysis, engine, "--dry-run")
    assert f"no config/config.yaml in {analysis.root}" in done.text
    assert "Traceback" not in done.text
