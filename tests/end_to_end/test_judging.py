"""What can't be judged is no verdict: exit code 2, no traceback, and what to do. Own metrics go all the way."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import small_project
from small_project import Project

from weighbridge import documents, paths
from weighbridge.data import tables
from weighbridge.digest import sha256_file
from weighbridge.manifest import Manifest
from weighbridge.verification.steps import PROVED, UNPROVED, Step
from weighbridge.views import verify

pytestmark = pytest.mark.slow

PREDICTIONS = paths.PREDICTIONS.as_posix()


def gate(old: str, new: str) -> Callable[[Project], None]:
    """Return a change of ``gates.yaml``."""
    return lambda project: project.edit("config/gates.yaml", old, new)


def rewrite(change: Callable[[pd.DataFrame], pd.DataFrame], *, recorded: bool = True) -> Callable[[Project], None]:
    """Return a change of the predictions, with or without its digest in the record."""

    def apply(project: Project) -> None:
        path = project.root / PREDICTIONS
        before = sha256_file(path)
        tables.write_parquet(change(tables.read_parquet(path)), path)
        if recorded:
            project.edit(paths.WEIGHING.as_posix(), before, sha256_file(path))

    return apply


def with_nan(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(probability=frame["probability"].where(frame.index != 3))


CASES: dict[str, tuple[Callable[[Project], None], str]] = {
    "unknown slice column": (gate('columns: ["store"]', 'columns: ["stores"]'), "did you mean 'store'?"),
    "unknown column to group by": (
        gate("    margin: 0.02\n  stores", '    margin: 0.02\n    group_by: "dya"\n  stores'),
        "did you mean 'day'?",
    ),
    "a slice that doesn't exist": (
        gate("min_rows: 100", 'min_rows: 100\n    must_pass: [{store: "celar"}]'),
        "did you mean 'cellar'?",
    ),
    "an unknown metric": (gate('metric: "roc_auc"\n    min', 'metric: "roc_aux"\n    min'), "did you mean 'roc_auc'?"),
    "an unknown kind": (gate('kind: "golden"', 'kind: "olden"'), "did you mean 'golden'?"),
    "an unknown key": (gate("max_negative_flips", "max_flips"), "max_flips"),
    "a margin that is no number": (gate("margin: 0.02\n  stores", "margin: .nan\n  stores"), "margin"),
    "edited predictions": (
        rewrite(lambda f: f.assign(probability=0.5), recorded=False),
        f"{PREDICTIONS}: found sha256",
    ),
    "a row without prediction": (rewrite(lambda f: f.iloc[1:]), "1 test rows have no prediction"),
    "an id twice": (rewrite(lambda f: pd.concat([f, f.iloc[:1]])), "1 ids stand twice in the predictions"),
    "an unknown id": (rewrite(lambda f: f.assign(id=["new", *f["id"][1:]])), "1 predictions have no test row"),
    "another outcome": (rewrite(lambda f: f.assign(target=1 - f["target"])), "outcomes differ"),
    "not a number": (rewrite(with_nan), "finite"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_with_what_to_do(case: str, finished: Project) -> None:
    change, named = CASES[case]
    change(finished)
    before = finished.read("results/verdict.yaml")
    try:
        found = finished.stage("judge")
        code, text = found.code, found.text
    except Exception as problem:  # noqa: BLE001 - settings are read in this process before the stage is called
        code, text = getattr(problem, "exit_code", 1), str(problem)
    assert code == 2, text
    assert "Traceback" not in text
    assert named in text
    assert finished.read("results/verdict.yaml") == before


@pytest.fixture(scope="module")
def own(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, judged and chosen by a metric of its own. Not to be changed."""
    project = small_project.copy(made, tmp_path_factory.mktemp("own"))
    (project.root / "project/metrics.py").write_text(
        "import numpy as np\n\n\n"
        "def profit(outcomes, decisions, sample_weight=None):\n"
        "    gain = np.where(decisions == 1, np.where(outcomes == 1, 1.0, -0.5), 0.0)\n"
        "    return float(np.average(gain, weights=sample_weight))\n"
    )
    project.edit(
        "config/config.yaml",
        'metrics:\n  names: ["roc_auc", "accuracy", "log_loss"]\n',
        'select: {metric: "profit"}\nmetrics:\n  names: ["roc_auc", "accuracy", "log_loss", "profit", "mcc"]\n  own:\n'
        '    profit: {function: "project.metrics:profit", sees: "decisions"}\n'
        '    mcc: {function: "sklearn.metrics:matthews_corrcoef", sees: "decisions"}\n',
    )
    gate("gates:\n", 'gates:\n  pays: {kind: "absolute", metric: "profit", min: 0.1}\n')(project)
    project.git("add", "project")
    project.commit("Count what it brings in")
    project.snakemake()
    return project


def test_an_own_metric_chooses_and_is_judged_with_an_interval(own: Project, tmp_path: Path) -> None:
    text = own.git("show", "small@v1.0.0:models/small.yaml")
    (tmp_path / "manifest.yaml").write_text(text)
    seen = documents.read_record(tmp_path / "manifest.yaml", Manifest)
    assert seen.performance.primary == "profit"
    measured = seen.performance.test.metrics["profit"]
    assert measured.low < measured.value < measured.high
    pays = next(result for result in seen.gates.results if result.name == "pays")
    assert pays.verdict == "pass"
    assert pays.bound is not None
    assert measured.low < pays.bound < measured.value


def test_an_own_metric_is_no_code_that_verification_runs(own: Project) -> None:
    *steps, _ = verify.run(own.root, "v1.0.0", None, None)
    found = {step.name: (step.verdict, step.said) for step in steps if isinstance(step, Step)}
    code = "the project's own code, which isn't run here"
    assert found["metrics"] == (UNPROVED, f"mcc, profit: {code}; all others as on record")
    assert found["gates"] == (UNPROVED, f"the metrics mcc, profit are {code}")
    assert found["record"] == (
        UNPROVED, "all else agrees; slices and the comparison hold metrics of the project's own code"
    )  # fmt: skip
    assert {found[name][0] for name in ("model", "version", "approvals", "card")} == {PROVED}


def test_a_change_of_its_code_measures_again_and_trains_nothing(own: Project, tmp_path: Path) -> None:
    project = small_project.copy(own, tmp_path)
    project.append("project/metrics.py", "\n# Said in passing.\n")
    stages = {job.split()[0] for job in project.planned()}
    assert stages == {"evaluate", "package", "weigh", "judge", "draw", "release"}
