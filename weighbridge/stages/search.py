"""search: the points of a search side by side, as a table, a page and a picture."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.errors import RecordError
from weighbridge.evidence import search_page, search_pictures, search_table
from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.evidence.page import png, style
from weighbridge.evidence.search_table import Tried
from weighbridge.search import named, set_at
from weighbridge.tasks import SearchTask


def run(root: Path, task: SearchTask) -> None:
    """Write ``results/search.csv``, ``results/search.md`` and ``results/figures/search.png``.

    Raises:
        RecordError: where a record of the runs is missing or damaged.
    """
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    greater = greater_is_better(task.metric, task.own)
    points = search_table.ranked(_tried(root, task, packaged), greater=greater)
    searched = {}
    for base, search in task.search.items():
        own = [one for one in points if one.base == base]
        searched[base] = (own, search_table.parameters(search, own, greater=greater))
    documents.write(root / paths.SEARCH_TABLE, search_table.table(points, task.metric))
    page = search_page.page(searched, task.metric, packaged.champion, greater=greater)
    documents.write(root / paths.SEARCH_PAGE, page)
    with style():
        picture = png(search_pictures.draw(searched, task.metric, greater=greater))
    documents.write(root / paths.SEARCH_PICTURE, picture)


def _tried(root: Path, task: SearchTask, packaged: manifest.Packaged) -> list[Tried]:
    found = []
    for name, one in named(task.search).items():
        score = packaged.candidates.get(name)
        if score is None:
            raise RecordError(f"{paths.PACKAGE}: lacks {name}, a point of the search; run snakemake again")
        runs = [root / paths.run(name, seed.seed) / "run.yaml" for seed in score.seeds]
        seconds = sum(documents.read_record(run, manifest.RunRecord).training.wall_seconds for run in runs)
        found.append(
            Tried(
                name=name,
                base=one.base,
                values=set_at(one.point),
                mean=score.mean.get(task.metric),
                deviation=score.deviation.get(task.metric),
                seconds=round(seconds, 3),
                champion=name == packaged.champion,
            )
        )
    return found
