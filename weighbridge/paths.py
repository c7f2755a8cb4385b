"""Where everything lies, relative to the project's root; used by the rules and by the stages alike."""

from pathlib import Path

# Begins the names of what is being written, beside its place; nobody else's do, for a kill's leftovers are removed.
TEMPORARY = ".weighbridge-tmp-"

CONFIG = Path("config/config.yaml")
GATES = Path("config/gates.yaml")
LOCK = Path("requirements.lock")

RAW = Path("data/raw")
RAW_POINTER = Path("data/raw.dvc")
RAW_RECORD = Path("results/raw.yaml")
ADDRESSES = Path("results/.addresses.json")
IMPORTS = Path("results/.imports.json")

# DVC names the folders it tracks in these, so that Git leaves them alone.
IGNORED = (Path("data/.gitignore"), Path("models/.gitignore"))

PROCESSED = Path("data/processed")
PROCESSED_POINTER = Path("data/processed.dvc")
SPLITS = ("train", "validation", "test")
PROFILE = PROCESSED / "profile.yaml"
DATASET_PAGE = Path("results/dataset.md")
LOADED = Path("results/.loaded.json")  # columns that were loaded last; where it isn't there, any will do

RUNS = Path("results/runs")
CHAMPION = Path("results/champion.yaml")
PACKAGE = Path("results/package.yaml")
BASELINE = Path("results/baseline")
BASELINE_ROWS = BASELINE / "rows"

WEIGHING = Path("results/weighing/weighing.yaml")
PREDICTIONS = Path("models/predictions.parquet")
PREDICTIONS_POINTER = Path("models/predictions.parquet.dvc")
METRICS = Path("models/metrics.yaml")
VERDICT = Path("results/verdict.yaml")
VERDICT_PAGE = Path("results/verdict.md")
STATEMENT = Path("results/verdict.intoto.json")
APPROVALS = Path("approvals")
FIGURES = Path("results/figures")
PLOTS = Path("models/plots")
SEARCH_TABLE = Path("results/search.csv")
SEARCH_PAGE = Path("results/search.md")
SEARCH_PICTURE = FIGURES / "search.png"
SEARCH = (SEARCH_TABLE, SEARCH_PAGE, SEARCH_PICTURE)
PLOTS_RECORD = Path("results/plots.yaml")
RELEASE = Path("results/release.yaml")
RELEASE_LOG = Path("logs/release.log")
SUMMARY = Path("results/summary.txt")
LEDGER = Path("runs")
LEDGER_INDEX = Path("results/.ledger.msgpack")  # may be deleted: made anew from the records
LEDGER_SEEN = Path("results/.ledger.seen")  # a second book of what was written here
RUNNING = Path("results/.running")  # held by the snakemake that runs here
RUNNING_BESIDE = Path(".snakemake/weighbridge.running")  # held as well: results/ may be removed meanwhile
HEAD = Path(".snakemake/weighbridge.head")  # the name of the snakemake that leads here, or did last
STAGE_LOCKS = Path("results/.locks")  # one file for each stage, held while it runs
ATTEMPTS = Path("results/attempts")  # one file for each stage that is running
LOST = Path("results/lost")  # damaged records whose loss is on record
CHECKPOINTS = Path("results/checkpoints")
ADOPTED = Path("results/.adopted.json")  # tags whose records are in the ledger; may be deleted
SIGNERS = Path("config/signers")  # who may release, who may approve

_FIGURES = {
    "binary": (
        "candidates", "learning_curves", "roc", "precision_recall", "calibration", "confusion", "slices", "gates",
    ),
    "multiclass": ("candidates", "learning_curves", "roc", "calibration", "confusion", "slices", "gates"),
    "regression": ("candidates", "learning_curves", "predicted_actual", "residuals", "slices", "gates"),
}  # fmt: skip
# Pictures that mean something else where there are more than two classes.
_OF_CLASSES = ("roc", "calibration", "confusion")
# Tables that are half of a picture; and a picture that is drawn from the verdict alone.
_TABLES_BESIDE = {"regression": ("residuals_by_prediction",)}
_NO_TABLE = ("gates",)

# What a release is made of: uncommitted changes here forbid a tag.
SOURCES = (
    "Snakefile", "workflow", "config", "project", "weighbridge", "dvc.yaml", "requirements.lock",
    "environment.yml", "pyproject.toml", "data", "models", ".dvc/config", ".dvcignore",
)  # fmt: skip


def settings(stage: str, candidate: str, sha256: str) -> Path:
    """Return the file with what a stage is told."""
    return Path("results/settings") / f"{'-'.join(filter(None, [stage, candidate]))}-{sha256[:16]}.json"


def figure_names(task: str) -> tuple[str, ...]:
    """Return the names of the pictures of a *task*; none of one that there isn't."""
    return _FIGURES.get(task, ())


def caption(figure: str, task: str) -> str:
    """Return the name of the report's words on a picture."""
    return f"{figure}_of_classes" if task == "multiclass" and figure in _OF_CLASSES else figure


def plot_names(task: str) -> tuple[str, ...]:
    """Return the names of the tables that a release holds and DVC draws."""
    drawn = (name for name in figure_names(task) if name not in _NO_TABLE)
    return (*drawn, *_TABLES_BESIDE.get(task, ()))


def log(stage: str, candidate: str = "", seed: int | str = "") -> Path:
    """Return the log of a job, relative to the project's root; those of runs are named by candidate and seed."""
    return Path("logs") / stage / f"{candidate}-{seed}.log" if candidate else Path("logs") / f"{stage}.log"


def split(name: str) -> Path:
    """Return the table of one split."""
    return PROCESSED / f"{name}.parquet"


def run(candidate: str, seed: int | str) -> Path:
    """Return the folder of one run."""
    return RUNS / candidate / str(seed)


def bundle(name: str) -> Path:
    """Return the bundle's folder."""
    return Path("models") / name


def bundle_files(name: str) -> list[Path]:
    """Return the files that every bundle has; native weights come under the name of their format.

    Rules name these and not the folder: in a folder that is an output, Snakemake leaves a file of its own.
    """
    return [bundle(name) / file for file in ("model.onnx", "bundle.yaml", "golden.json", "README.md")]


def pointer(name: str) -> Path:
    """Return the bundle's DVC pointer."""
    return Path("models") / f"{name}.dvc"


def manifest(name: str) -> Path:
    """Return the manifest, as a release commit holds it."""
    return Path("models") / f"{name}.yaml"


def card(name: str) -> Path:
    """Return the model card, as a release commit holds it."""
    return Path("models") / f"{name}.md"


def statement(name: str) -> Path:
    """Return the finished verdict as an in-toto statement, as a release commit holds it."""
    return Path("models") / f"{name}.verdict.json"


def provenance(name: str) -> Path:
    """Return how the bundle was made, as an in-toto statement (SLSA), as a release commit holds it."""
    return Path("models") / f"{name}.provenance.json"


def bill_of_materials(name: str) -> Path:
    """Return what the bundle is made of (CycloneDX), as a release commit holds it."""
    return Path("models") / f"{name}.cdx.json"


def signature(name: str) -> Path:
    """Return the signature over the bundle's files (OpenSSF model signing), as a release commit holds it."""
    return Path("models") / f"{name}.sig.json"


def generated(name: str) -> tuple[str, ...]:
    """Return what the pipeline itself writes into tracked folders; a release doesn't call these uncommitted."""
    own = (pointer(name), manifest(name), card(name), statement(name))
    proofs = (provenance(name), bill_of_materials(name), signature(name))
    made = (*own, *proofs, METRICS, PLOTS, PREDICTIONS_POINTER, PROCESSED_POINTER, *IGNORED)
    return tuple(path.as_posix() for path in made)
