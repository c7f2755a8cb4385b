"""After a change, exactly the jobs that it concerns run again: no more, and above all no fewer."""

import itertools
import shutil
from collections.abc import Callable

import pytest
from small_project import Project

pytestmark = pytest.mark.slow

CANDIDATES = ("boosting", "logistic", "network")
ENGINE = "weighbridge"
RELEASE = {"release"}
DRAW = {"draw", *RELEASE}
JUDGE = {"judge", *DRAW}
WEIGH = {"weigh", *JUDGE}
PACKAGE = {"package", *WEIGH}


def runs(*stages: str, of: tuple[str, ...] = CANDIDATES, seeds: tuple[int, ...] = (0, 1)) -> set[str]:
    """Return the jobs of *stages*, one a candidate and seed."""
    return {f"{stage} {candidate} {seed}" for stage, candidate, seed in itertools.product(stages, of, seeds)}


EVALUATE = runs("evaluate") | PACKAGE
TRAIN = runs("train") | EVALUATE
PREPROCESS = {"preprocess", *TRAIN}
FETCH = {"fetch", *PREPROCESS}
NOTHING: set[str] = set()


def only(*candidates: str) -> set[str]:
    """Return the jobs that run where the training of these candidates alone changes."""
    return runs("train", "evaluate", of=candidates) | PACKAGE


Change = Callable[[Project], object]
CONFIG, GATES = "config/config.yaml", "config/gates.yaml"

SEARCH = 'search: {logistic: {method: "grid", params: {C: [0.5, 2.0]}}}\n'
POINTS = ("logistic-bb0cd7", "logistic-1a5586")
NOTIFY = """
import requests  # what a rules file imports, all rules see


rule notify:
    \"\"\"Tell what was measured.\"\"\"
    input:
        paths.METRICS,
    output:
        "results/notified.yaml",
    log:
        "logs/notify.log",
    conda:
        "../../environment.yml"
    shell:
        "cp {input:q} {output:q} 2> {log:q}"
"""


def edit(path: str, old: str, new: str) -> Change:
    return lambda project: project.edit(path, old, new)


def comment(path: str) -> Change:
    return lambda project: project.append(path, "\n# Said in passing.\n")


def text(path: str) -> Change:
    return lambda project: project.append(path, "\nSaid in passing.\n")


def swap(path: str, one: str, other: str) -> Change:
    """Exchange two pieces of text, each of which is there once."""

    def change(project: Project) -> None:
        found = project.read(path)
        assert found.count(one) == found.count(other) == 1
        parts = [part.replace(other, one) for part in found.split(one)]
        (project.root / path).write_text(other.join(parts))

    return change


def add_cases(project: Project) -> None:
    project.edit(GATES, "max_negative_flips: 0.2", 'cases: "config/cases.csv"')
    (project.root / "config/cases.csv").write_text("warmth,age,weight,store,spoiled\n3,3,0,yard,1\n")


def another_task(project: Project) -> None:
    """Say that it is of several classes, which metrics and gates have to agree with."""
    project.edit(CONFIG, '  licence: "CC0-1.0"', '  licence: "CC0-1.0"\n  task: "multiclass"')
    for path in (CONFIG, GATES):
        (project.root / path).write_text(project.read(path).replace('"roc_auc"', '"f1_macro"'))


def add_rule(project: Project) -> None:
    (project.root / "project/rules").mkdir()
    (project.root / "project/rules/notify.smk").write_text(NOTIFY)
    project.append(CONFIG, 'custom_rules: ["project/rules/notify.smk"]\n')


def touch_all(project: Project) -> None:
    for name in project.git("ls-files").splitlines():
        (project.root / name).touch()


def touch_raw(project: Project) -> None:
    for path in (project.root / "data/raw").iterdir():
        path.touch()


def branch_and_back(project: Project) -> None:
    project.git("switch", "--quiet", "--create", "other")
    touch = (
        "project/models.py",
        "weighbridge/training/models.py",
        "weighbridge/evidence/metrics/binary.py",
        CONFIG,
        GATES,
    )
    for path in touch:
        project.append(path, "\n# Another branch.\n")
    project.commit("Comment")
    project.git("switch", "--quiet", "main")


def edit_and_undo(project: Project) -> None:
    before = project.read(CONFIG)
    project.edit(CONFIG, "C: 1.0", "C: 2.0")
    assert project.planned()
    (project.root / CONFIG).write_text(before)


def reorder_keys(project: Project) -> None:
    swap(CONFIG, "C: 1.0", "max_iter: 200")(project)
    swap(CONFIG, '  source: "Random numbers"', '  licence: "CC0-1.0"')(project)


def another_row(project: Project) -> None:
    raw = project.root / "data/raw/batches.csv"
    raw.write_text(raw.read_text().replace("cellar", "attic", 1))


def another_raw_file(project: Project) -> None:
    (project.root / "data/raw/notes.txt").write_text("A second file.\n")


CASES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda _: None, NOTHING),
    # What a gate asks is nothing that a model knows of.
    "a gate's limit": (edit(GATES, "min: 0.6", "min: 0.61"), JUDGE),
    "critical cases named": (add_cases, WEIGH),
    "a gate removed": (edit(GATES, '  complete:\n    kind: "complete"\n', ""), JUDGE),
    "a comment in gates.yaml": (comment(GATES), NOTHING),
    # Configuration: who sees a value runs again.
    "a hyperparameter": (edit(CONFIG, "C: 1.0", "C: 0.5"), only("logistic")),
    "a new hyperparameter": (edit(CONFIG, "hidden: [4]", "hidden: [4], dropout: 0.1"), only("network")),
    "two values swapped": (
        edit(CONFIG, "max_iter: 10, min_samples_leaf: 20", "max_iter: 20, min_samples_leaf: 10"),
        only("boosting"),
    ),
    "a training setting": (edit(CONFIG, "epochs: 2", "epochs: 3"), only("network")),
    "how text becomes numbers": (edit(CONFIG, '    strings: "ordinal"\n', ""), only("boosting")),
    "a default written out": (edit(CONFIG, "epochs: 2", "epochs: 2, lr: 0.001"), NOTHING),
    "keys in another order": (reorder_keys, NOTHING),
    "a seed added": (edit(CONFIG, "[0, 1]", "[0, 1, 2]"), runs("train", "evaluate", seeds=(2,)) | PACKAGE),
    "a seed removed": (edit(CONFIG, "[0, 1]", "[0]"), PACKAGE),
    "a candidate added": (
        edit(CONFIG, "candidates:\n", 'candidates:\n  forest: {model: "sklearn.ensemble:RandomForestClassifier"}\n'),
        only("forest"),
    ),
    "a candidate renamed": (edit(CONFIG, "  logistic:", "  linear:"), only("linear")),
    "a candidate searched": (edit(CONFIG, "seeds:", SEARCH + "seeds:"), only(*POINTS) | {"search"}),
    "memory": (edit(CONFIG, "seeds:", "memory_mb: 5000\nseeds:"), TRAIN),
    "the task": (another_task, PREPROCESS),
    "a rule of one's own": (add_rule, NOTHING),
    "threads": (edit(CONFIG, "seeds:", "threads: 2\nseeds:"), TRAIN),
    "a metric": (edit(CONFIG, '"log_loss"', '"brier_score_loss"'), EVALUATE),
    "the primary metric": (edit(CONFIG, "metrics:\n", 'select: {metric: "accuracy"}\nmetrics:\n'), PACKAGE),
    "the slices": (edit(CONFIG, '["store"]', "[]"), WEIGH),
    "the split": (edit(CONFIG, "2024-02-15", "2024-02-16"), PREPROCESS),
    "the description": (edit(CONFIG, "that a batch is", "that a batch has"), RELEASE),
    "the intended use": (edit(CONFIG, "Sorting of", "Selling of"), JUDGE),
    "where to push": (lambda project: project.append(CONFIG, 'release: {push: "origin"}\n'), RELEASE),
    "a comment in config.yaml": (comment(CONFIG), NOTHING),
    # Code: who runs it runs again.
    "the project's networks": (comment("project/models.py"), only("network")),
    "the project's dataset": (comment("project/dataset.py"), FETCH),
    "the engine's training": (comment("weighbridge/training/torch_fit.py"), TRAIN),
    "the engine's export": (comment("weighbridge/training/export.py"), PACKAGE),
    "the engine's metrics": (comment("weighbridge/evidence/metrics/binary.py"), EVALUATE),
    "the engine's gates": (comment("weighbridge/evidence/gates/slices.py"), JUDGE),
    "the engine's pictures": (comment("weighbridge/evidence/pictures.py"), DRAW),
    "the engine's card": (comment("weighbridge/evidence/card.py"), RELEASE),
    "the engine's settings": (comment("weighbridge/settings.py"), NOTHING),
    "the engine's commands": (comment("weighbridge/cli.py"), NOTHING),
    "the engine's views": (comment("weighbridge/views/log.py"), NOTHING),
    "the lock": (comment("requirements.lock"), TRAIN),
    # Documents and times are nothing to a model.
    "the readme": (text("README.md"), NOTHING),
    "a document": (text("docs/dependencies.md"), NOTHING),
    "a caption": (text("workflow/report/roc.rst"), NOTHING),
    "all files touched": (touch_all, NOTHING),
    "a branch and back": (branch_and_back, NOTHING),
    "an edit undone": (edit_and_undo, NOTHING),
    # Raw data counts by content, not by time.
    "a raw row": (another_row, FETCH),
    "another raw file": (another_raw_file, FETCH),
    "raw files touched": (touch_raw, NOTHING),
}


@pytest.mark.parametrize("case", CASES)
def test_after_a_change_exactly_these_jobs_run(case: str, finished: Project) -> None:
    change, expected = CASES[case]
    change(finished)
    assert finished.planned() == expected


def test_an_overlay_that_changes_nothing_runs_nothing(finished: Project) -> None:
    (finished.root / "over.yaml").write_text("threads: 1\ngates: {ranks: {min: 0.6}}\n")
    assert finished.planned("--configfile", "over.yaml") == NOTHING


def test_an_overlay_may_change_a_gate(finished: Project) -> None:
    (finished.root / "over.yaml").write_text("gates: {ranks: {min: 0.62}}\n")
    assert finished.planned("--configfile", "over.yaml") == JUDGE


def test_an_overlay_may_change_a_hyperparameter(finished: Project) -> None:
    (finished.root / "over.yaml").write_text("candidates: {network: {params: {hidden: [8]}}}\n")
    assert finished.planned("--configfile", "over.yaml") == only("network")


def test_an_overlay_may_take_a_candidate_out(finished: Project) -> None:
    (finished.root / "over.yaml").write_text("candidates: {network: null}\n")
    assert finished.planned("--configfile", "over.yaml") == PACKAGE


def test_a_search_is_compared_and_a_change_of_it_trains_new_points_only(finished: Project) -> None:
    finished.edit(CONFIG, "seeds:", SEARCH + "seeds:")
    finished.snakemake("search")
    table = finished.read("results/search.csv").splitlines()
    assert table[0] == "candidate,search,roc_auc_mean,roc_auc_deviation,seconds,champion,params.C"
    assert {line.split(",")[0] for line in table[1:]} == set(POINTS)
    assert "## logistic: 2 points" in finished.read("results/search.md")
    assert (finished.root / "results/figures/search.png").read_bytes().startswith(b"\x89PNG")
    assert finished.planned("search") == NOTHING
    finished.edit(CONFIG, "C: [0.5, 2.0]", "C: [9.0, 2.0]")
    planned = finished.planned("search")
    assert {job for job in planned if "logistic" in job} == runs("train", "evaluate", of=("logistic-6dc5e7",))
    assert planned - runs("train", "evaluate", of=("logistic-6dc5e7",)) == {"package", "search"}


def test_a_rule_of_ones_own_reads_what_the_pipeline_wrote(finished: Project) -> None:
    add_rule(finished)
    assert "notify" in finished.snakemake("notify")
    assert finished.read("results/notified.yaml") == finished.read("models/metrics.yaml")
    lint = finished.attempt("snakemake", "--lint")
    assert "Congratulations" in lint.text, lint.text
    assert finished.planned() == NOTHING
    finished.edit(CONFIG, "C: 1.0", "C: 2.0")
    assert finished.planned() == only("logistic"), "what the file imports is in no rule's way"


OWN_NAMES = """
root = "x"
project = 1
paths = started = attempts = pipeline = Pipeline = None


def fit_of():
    raise AssertionError


settings = code = memory = threads = nodes = node_memory = node_threads = gpus = runs = fit_of
"""


def test_a_file_of_rules_may_give_names_another_meaning(finished: Project) -> None:
    add_rule(finished)
    finished.append("project/rules/notify.smk", OWN_NAMES)
    before = finished.planned()
    assert before == NOTHING
    finished.edit(CONFIG, "C: 1.0", "C: 2.0")
    assert finished.planned() == only("logistic")
    told = finished.snakemake("evaluate", "notify")
    assert "can't be told" not in told
    assert finished.read("results/notified.yaml") == finished.read("models/metrics.yaml")


def test_a_file_of_rules_that_is_not_there_is_named(finished: Project) -> None:
    finished.append(CONFIG, 'custom_rules: ["project/rules/notify.smk"]\n')
    assert "custom_rules: found 'project/rules/notify.smk', and no such file" in finished.refused("--dry-run")


def test_results_from_elsewhere_can_be_called_current(finished: Project) -> None:
    """Snakemake's own memory stays behind when results are copied; ``--touch`` makes it anew."""
    shutil.rmtree(finished.root / ".snakemake")
    finished.snakemake("--touch")
    assert finished.planned() == NOTHING


def test_the_jobs_run_the_engine_of_their_own_checkout(finished: Project) -> None:
    """Whatever is installed: a release names the code that made it."""
    finished.append("weighbridge/stages/judge.py", '\nprint("as edited here")\n')
    finished.snakemake("results/verdict.yaml")
    assert "as edited here" in finished.log("judge")


def test_a_missing_release_record_is_made_again(finished: Project) -> None:
    (finished.root / "results/release.yaml").unlink()
    assert finished.planned() == RELEASE
