"""What people get wrong: refused before harm is done, by a message that says what was found and what to do."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import Done, Project

from weighbridge import paths

pytestmark = pytest.mark.slow

Change = Callable[[Project], object]
CONFIG, GATES, DATASET, MODELS = "config/config.yaml", "config/gates.yaml", "project/dataset.py", "project/models.py"


def edit(path: str, old: str, new: str) -> Change:
    return lambda project: project.edit(path, old, new)


def append(path: str, text: str) -> Change:
    return lambda project: project.append(path, text)


def load(line: str) -> Change:
    """Change what ``load`` returns: *line* works on ``rows``."""
    text = f"\n_good = load\n\n\ndef load(folder):\n    rows = _good(folder)\n    {line}\n    return rows\n"
    return append(DATASET, text)


def assert_refused(done: Done, words: tuple[str, ...]) -> None:
    assert done.code != 0, done.text
    assert "Traceback" not in done.text, done.text
    for word in words:
        assert word in done.text, f"{word!r} is missing in:\n{done.text}"


SETTINGS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a misspelt key": (edit(CONFIG, "seeds:", "seed:"), ("config/config.yaml:", "seed", "did you mean 'seeds'")),
    "a misspelt key deep down": (edit(CONFIG, "epochs: 2", "epoch: 2"), ("candidates.network.fit.epoch", "'epochs'")),
    "text for a number": (edit(CONFIG, "resamples: 200", 'resamples: "many"'), ("metrics.resamples", "'many'", "int")),
    "a number out of range": (edit(CONFIG, "resamples: 200", "resamples: 2"), ("metrics.resamples", "2", "200")),
    "a number that YAML takes for text": (edit(CONFIG, "C: 1.0", "C: 1e-3"), ("1e-3", "1.0e-3")),
    "a duplicate key": (append(CONFIG, "seeds: [5]\n"), ("duplicate key 'seeds'", "config/config.yaml:")),
    "an alias": (append(CONFIG, "threads: &one 1\n"), ("anchor 'one'", "write the value out")),
    "a tag": (edit(CONFIG, "C: 1.0", "C: !!python/name:os.system x"), ("tag", "without '!'")),
    "a template in YAML": (append(CONFIG, "__use_yte__: true\n"), ("__use_yte__", "unknown key")),
    "a name with a command": (edit(CONFIG, 'name: "small"', 'name: "small;touch X"'), ("name", "small;touch X")),
    "a name that leads elsewhere": (edit(CONFIG, 'name: "small"', 'name: "../small"'), ("name", "../small")),
    "a name with a space": (edit(CONFIG, "  logistic:", '  "log istic":'), ("log istic",)),
    "no section": (edit(CONFIG, "data:\n", "date:\n"), ("data", "missing", "did you mean 'data'")),
    "not YAML": (append(CONFIG, "  - : :\n]"), ("config/config.yaml:", "not YAML")),
    "an unknown metric": (edit(CONFIG, '"log_loss"', '"log_los"'), ("log_los", "'log_loss'")),
    "an unknown kind of gate": (
        edit(GATES, '"complete"', '"compleet"'),
        ("config/gates.yaml:", "compleet"),
    ),
    "a gate on what isn't measured": (edit(GATES, "min: 0.6", 'min: 0.6\n    unit: "x"'), ("gates.ranks.unit",)),
    "days out of order": (edit(CONFIG, "2024-02-15", "2024-03-15"), ("data.split", "later")),
    "a secret": (edit(CONFIG, "C: 1.0", 'C: 1.0, api_key: "abc"'), ("api_key", "secret", "environment")),
    "an owner without an address": (edit(CONFIG, " <ada@example.org>", ""), ("card.owner", "Ada Lovelace", "Name <")),
    "an unknown parameter": (edit(CONFIG, "C: 1.0", "D: 1.0"), ("candidates.logistic.params.D", "no parameter 'D'")),
    "no configuration": (lambda project: (project.root / GATES).unlink(), ("config/gates.yaml", "no such file")),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_are_refused_before_any_job(case: str, fresh: Project) -> None:
    change, words = SETTINGS[case]
    change(fresh)
    assert_refused(fresh.dry_run(), words)
    assert not (fresh.root / "X").exists()
    assert not (fresh.root / "results/settings").exists(), "no rule has been told anything"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seedz: [1]\n", ("seedz", "'seeds'")),
        ("seeds: [1]\nseeds: [2]\n", ("duplicate key 'seeds'",)),
        ("__use_yte__: true\n?print(open('X', 'w')):\n  threads: 1\n", ("__use_yte__",)),
    ],
)
def test_an_overlay_is_held_to_the_same_rules(text: str, words: tuple[str, ...], fresh: Project) -> None:
    (fresh.root / "over.yaml").write_text(text)
    assert_refused(fresh.dry_run("--configfile", "over.yaml"), words)


def empty_test(project: Project) -> None:
    """Move the test rows to where there are none."""
    project.edit(CONFIG, '    test: "2024-02-15"', '    test: "2024-05-15"')
    project.edit(CONFIG, '    end: "2024-03-01"', '    end: "2024-06-01"')


DATA: dict[str, tuple[Change, tuple[str, ...]]] = {
    "no target column": (load("rows = rows.drop(columns='spoiled')"), ("'spoiled' is gone, last time it was",)),
    "no feature column": (load("rows = rows.drop(columns='age')"), ("'age' is gone, last time it was",)),
    "a column of another type": (load("rows['warmth'] = 'warm'"), ("'warmth'", "last time it was")),
    "a single class": (load("rows['spoiled'] = 1.0"), ("spoiled", "1")),
    "an empty split": (empty_test, ("test", "rows")),
    "a feature without values": (load("rows['age'] = float('nan')"), ("age",)),
    "infinite values": (load("rows.loc[3, 'weight'] = float('inf')"), ("weight", "1")),
    "duplicate ids": (load("rows.loc[3, 'id'] = rows.loc[4, 'id']"), ("id",)),
    "no rows": (load("rows = rows.head(0)"), ("rows",)),
    "no table": (load("rows = [1]"), ("list",)),
    "a value from after the prediction": (edit(DATASET, "known=2.0", "known=-2.0"), ("warmth", "-2")),
    "no such function": (edit(CONFIG, "project.dataset:load", "project.dataset:lode"), ("lode",)),
    "no such module": (edit(CONFIG, "project.dataset:load", "project.datasets:load"), ("project.datasets",)),
    "no schema": (edit(CONFIG, "project.dataset:SCHEMA", "project.dataset:ROWS"), ("project.dataset:ROWS", "Schema")),
}


@pytest.mark.parametrize("case", DATA)
def test_rows_are_refused(case: str, finished: Project) -> None:
    change, words = DATA[case]
    shutil.rmtree(finished.root / "data/processed")
    change(finished)
    assert_refused(finished.stage("preprocess"), words)
    assert not (finished.root / "data/processed/profile.yaml").exists()
    assert leftovers(finished) == []


def leftovers(project: Project) -> list[str]:
    """Return files that a stage began and did not finish; caches and what others write there don't count."""
    lasting = (
        paths.ADDRESSES,
        paths.IMPORTS,
        paths.LEDGER_INDEX,
        paths.LEDGER_SEEN,
        paths.LOADED,
        paths.RUNNING,
        paths.STAGE_LOCKS,
        paths.ADOPTED,
        paths.LOADED,
    )
    known = {".gitignore", ".snakemake_timestamp", *(path.name for path in lasting)}
    folders = [project.root / name for name in ("data", "results", "models", "runs")]
    return [path.name for folder in folders for path in folder.rglob(".*") if path.name not in known]


def test_raw_files_that_differ_from_their_pointer_are_not_taken(fresh: Project) -> None:
    shutil.rmtree(fresh.root / "data/raw")
    shutil.rmtree(fresh.root / ".dvc/cache")
    fresh.edit(DATASET, "default_rng(7)", "default_rng(8)")
    assert_refused(fresh.stage("fetch"), ("data/raw.dvc", "found", "expected", "dvc add"))
    assert not (fresh.root / "data/raw").exists()
    assert leftovers(fresh) == []


MODEL: dict[str, tuple[Change, tuple[str, ...]]] = {
    "no such module": (edit(CONFIG, "sklearn.linear_model:Log", "sklearn.linear:Log"), ("sklearn.linear",)),
    "no such class": (edit(CONFIG, "LogisticRegression", "LogisticRegresion"), ("LogisticRegresion", "did you mean")),
    "no model": (edit(CONFIG, "sklearn.linear_model:LogisticRegression", "project.models:itertools"), ("itertools",)),
    "a wrong parameter": (edit(CONFIG, "C: 1.0", 'C: "much"'), ("much",)),
    "no probabilities": (
        edit(CONFIG, "sklearn.linear_model:LogisticRegression", "sklearn.linear_model:LinearRegression"),
        ("LinearRegression",),
    ),
}


@pytest.mark.parametrize("case", MODEL)
def test_models_are_refused(case: str, finished: Project) -> None:
    change, words = MODEL[case]
    if case == "no probabilities":
        finished.edit(CONFIG, "{C: 1.0, max_iter: 200}", "{}")
    change(finished)
    before = finished.read("results/runs/logistic/0/run.yaml")
    done = finished.stage("train", "--candidate", "logistic", "--seed", "0")
    assert_refused(done, words)
    assert finished.read("results/runs/logistic/0/run.yaml") == before
    assert leftovers(finished) == []


def candidate(project: Project, model: str) -> None:
    """Put *model* in the place of all candidates."""
    config = project.read(CONFIG)
    start, end = config.index("candidates:"), config.index("seeds:")
    (project.root / CONFIG).write_text(f"{config[:start]}candidates: {{one: {{model: {model!r}}}}}\n{config[end:]}")


def test_a_model_that_can_not_be_exported_is_refused(finished: Project) -> None:
    candidate(finished, "sklearn.semi_supervised:LabelSpreading")
    run = ("--candidate", "one", "--seed", "0")
    finished.edit(CONFIG, "seeds: [0, 1]", "seeds: [0]")
    trained = finished.stage("train", *run)
    if trained.code == 0:
        assert finished.stage("evaluate", *run).code == 0
        trained = finished.stage("package")
    assert_refused(trained, ("LabelSpreading",))
    assert leftovers(finished) == []


NAN = """

class Silent(torch.nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layer(rows) * float("nan")
"""


def test_a_model_that_says_nan_is_refused(finished: Project) -> None:
    finished.append(MODELS, NAN)
    candidate(finished, "project.models:Silent")
    run = ("--candidate", "one", "--seed", "0")
    done = finished.stage("train", *run)
    if done.code == 0:
        done = finished.stage("evaluate", *run)
    assert_refused(done, ("finite",))
    assert not (finished.root / "results/runs/one/0/validation.yaml").exists()
    assert leftovers(finished) == []


def test_a_stage_without_its_input_says_which(finished: Project) -> None:
    (finished.root / "results/weighing/weighing.yaml").unlink()
    assert_refused(finished.stage("judge"), ("weighing.yaml", "no such file"))


def test_a_damaged_record_is_named(finished: Project) -> None:
    finished.edit("results/package.yaml", "primary:", "primery:")
    assert_refused(finished.stage("judge"), ("package.yaml:", "primery", "'primary'"))


def _small_disk_possible() -> bool:
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=16k", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _small_disk_possible(), reason="this system lets no one mount a small disk")
@pytest.mark.parametrize(
    ("stage", "folder"), [("preprocess", "data/processed"), ("package", "models"), ("weigh", "results/weighing")]
)
def test_a_full_disk_is_told_in_words(stage: str, folder: str, finished: Project) -> None:
    fill = f"head -c 4096 /dev/zero > {folder}/.full"
    script = f'mount -t tmpfs -o size=4k none {folder} && {fill} && exec "$@"'
    before = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    done = finished.stage(stage, before=before)
    assert_refused(done, ("no space left",))
    assert finished.tags() == ["small@v1.0.0"]


def test_a_file_that_grows_too_large_is_told_in_words(finished: Project) -> None:
    """Where no small disk can be mounted, a limit of the file size stands for it."""
    before = finished.read("data/processed/profile.yaml")
    done = finished.stage("preprocess", before=("bash", "-c", 'ulimit -f 8; exec "$@"', "bash"))
    assert_refused(done, ("too large",))
    assert finished.read("data/processed/profile.yaml") == before
    assert leftovers(finished) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told_in_words(finished: Project) -> None:
    folder = Path(finished.root / "data/processed")
    folder.chmod(0o500)
    try:
        assert_refused(finished.stage("preprocess"), ("ermission denied",))
    finally:
        folder.chmod(0o700)


def test_a_failed_job_shows_its_message_and_leaves_no_tag(fresh: Project) -> None:
    fresh.append(DATASET, "\n_good = load\n\n\ndef load(folder):\n    return _good(folder).drop(columns='spoiled')\n")
    text = fresh.refused()
    assert "spoiled" in text, "the message stands in what snakemake prints"
    assert fresh.tags() == []
    assert not (fresh.root / "data/processed/profile.yaml").exists()
