"""Save and load fitted models without pickle: skops for scikit-learn, safetensors for networks.

Both files are the same bits whenever the model is. A skops file names its members by object ids and dates them, so
it is rewritten in a canonical form; a safetensors file gets at most one metadata key, since several come in a
random order. Loading trusts a fixed list of types, and those of the model that the configuration names; never
what a file says of itself.
"""

import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from weighbridge import documents
from weighbridge.data.schema import Schema
from weighbridge.digest import FileEntry, canonical_json, sha256_file
from weighbridge.errors import ModelError, RecordError
from weighbridge.settings import Candidate
from weighbridge.training import models, prepare
from weighbridge.training.fitted import Fitted, describe

PREPROCESSING = "preprocessing.skops"
ESTIMATOR = "model.skops"
NETWORK = "model.safetensors"

TRUSTED = (
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.model_selection._split.TimeSeriesSplit",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "numpy.dtype",
    "weighbridge.training.arrays.Unrolled",
)
"""Types beyond skops' own (scikit-learn's public estimators, NumPy arrays, plain Python) that a file may hold."""

_TORCH_OF_SKLEARN = "sklearn.externals.array_api_compat.torch"
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def save(fitted: Fitted, folder: Path) -> None:
    """Write *fitted*'s preprocessing and model into *folder*.

    Raises:
        ModelError: where a part can't be saved, or would not be loaded again.
    """
    documents.write(folder / PREPROCESSING, to_skops(fitted.preprocessing))
    if fitted.kind == "sklearn":
        documents.write(folder / ESTIMATOR, to_skops(fitted.model))
        from_skops(folder / ESTIMATOR, like=fitted.model)  # a type that isn't trusted is told now, not when it's needed
    else:
        documents.write(folder / NETWORK, _to_safetensors(fitted.model))


def load(folder: Path, candidate: Candidate, schema: Schema, *, seed: int, threads: int) -> Fitted:
    """Return the model that :func:`save` wrote; without its curve, which isn't in these files.

    Raises:
        ModelError: where a file is missing, damaged, holds a type that isn't trusted, or is of another model
            or other columns than *candidate* and *schema* say.
    """
    preprocessing = from_skops(folder / PREPROCESSING)
    _check_columns(folder / PREPROCESSING, preprocessing, schema)
    inputs = prepare.width(preprocessing)
    model = models.build(candidate.model, candidate.params, schema, seed=seed, threads=threads, inputs=inputs)
    if not models.is_network(model):
        return describe(preprocessing, from_skops(folder / ESTIMATOR, like=model), schema)

    from weighbridge.training.objective import Standardised  # imports torch

    whole = Standardised(model) if schema.task == "regression" else model
    _load_weights(folder / NETWORK, whole, candidate.model)
    return describe(preprocessing, whole, schema)


def require_unchanged(folder: Path, files: Iterable[FileEntry]) -> None:
    """Refuse to go on where one of a run's *files* isn't what its record says.

    Raises:
        RecordError: naming the file, and both digests.
    """
    for entry in files:
        path = folder / entry.path
        found = sha256_file(path) if path.is_file() else "nothing"
        if found != entry.sha256:
            raise RecordError(
                f"{path}: found sha256 {found[:12]}, expected {entry.sha256[:12]} by run.yaml; delete the folder and "
                "run snakemake again"
            )


def _check_columns(path: Path, preprocessing: Any, schema: Schema) -> None:
    numbers, strings = prepare.columns(preprocessing)
    arrays = prepare.arrays(preprocessing)
    shapes = {name: schema.features[name].shape for name in schema.arrays}
    if (numbers, strings, list(arrays.items())) != (schema.numbers, schema.strings, list(shapes.items())):
        names = ", ".join(sorted({*numbers, *strings, *arrays} ^ set(schema.features))) or "their order, type or shape"
        raise ModelError(f"{path}: its columns differ from the schema's ({names}); train again")


def to_skops(value: Any) -> bytes:
    """Return *value* as a canonical skops file.

    Raises:
        ModelError: where skops can't hold a part of it.
    """
    with _strangers_hidden():
        import skops.io
    try:
        return canonical(skops.io.dumps(value))
    except Exception as problem:  # noqa: BLE001 - skops raises what the object's own state raises
        cause = f"{type(problem).__name__}: {problem}"
        raise ModelError(f"{type(value).__name__} can't be saved by skops ({cause}); choose another model") from None


def from_skops(path: Path, like: Any = None) -> Any:
    """Return the object in the skops file at *path*.

    Its types must be in :data:`TRUSTED`, or be that of *like*, a model built from the configuration, or of a part
    of it.

    Raises:
        ModelError: where the file is missing or damaged, or holds another type.
    """
    with _strangers_hidden():
        import skops.io
    try:
        content = path.read_bytes()
        trusted = {*TRUSTED, *_types_of(like)}
        other = sorted(set(skops.io.get_untrusted_types(data=content)) - trusted)
        found = None if other else skops.io.loads(content, trusted=sorted(trusted))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; train the candidate again") from None
    except Exception as problem:  # noqa: BLE001 - a damaged file may fail anywhere
        cause = f"{type(problem).__name__}: {problem}"
        raise ModelError(f"{path}: not a skops file of this version ({cause}); train the candidate again") from None
    if other:
        raise ModelError(
            f"{path}: holds {', '.join(other)}, which is not on the list of trusted types; choose a model without it, "
            "or name your own estimator class in the candidate's model; don't use the file if you didn't make it"
        )
    _check_nodes(path, found)
    return found


def _types_of(model: Any) -> set[str]:
    """Return the names of the types of an estimator and of the estimators nested in it."""
    if not hasattr(model, "get_params"):
        return set()
    parts = [model, *model.get_params(deep=True).values()]
    return {f"{type(part).__module__}.{type(part).__qualname__}" for part in parts if hasattr(part, "get_params")}


def _check_nodes(path: Path, loaded: Any) -> None:
    """Refuse a boosted tree whose nodes point outside of it: scikit-learn would read beyond the array."""
    for estimator in models.nested(loaded):
        for tree in (tree for stage in getattr(estimator, "_predictors", ()) for tree in stage):
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            limits = {"left": len(tree.nodes), "right": len(tree.nodes), "feature_idx": estimator.n_features_in_}
            if any(((inner[name] < 0) | (inner[name] >= limit)).any() for name, limit in limits.items()):
                raise ModelError(f"{path}: a tree's nodes point outside of it: damaged or forged; train again")


@contextlib.contextmanager
def _strangers_hidden() -> Iterator[None]:
    """Keep the first import of skops from importing torch and pytest.

    skops lists scikit-learn's estimators by importing each of its modules, one of which is a wrapper of torch:
    2.2 to 3.0 s of CPU, and 0.6 s with that wrapper hidden. scikit-learn's walk passes over modules that
    can't be imported, and does without pytest (0.2 s) where it isn't installed.
    """
    hidden = [name for name in ("pytest", _TORCH_OF_SKLEARN) if name not in sys.modules]
    if "torch" in sys.modules:
        hidden = [name for name in hidden if name != _TORCH_OF_SKLEARN]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python's sign for "can't be imported"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def canonical(content: bytes) -> bytes:
    """Return a skops file such that equal objects give equal bytes.

    Object ids and member names become numbers in the order of first use, sets are sorted, padding of arrays is
    cleared, and members are stored uncompressed under a fixed date.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    names: dict[str, str] = {}
    _renumber(schema, {}, names, set(members))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _store(archive, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
        for old, new in names.items():
            _store(archive, new, _without_padding(members[old]) if new.endswith(".npy") else members[old])
    return buffer.getvalue()


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str], members: set[str]) -> None:
    """Rewrite ids and member names below *node* in place. Keys keep their order: it is that of a dict's items."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names, members)
    if not isinstance(node, dict):
        return
    if node.get("__loader__") == "SetNode":
        node["content"].sort(key=lambda item: str(item.get("content")))
    for key, value in node.items():
        if key == "__id__":
            node[key] = ids.setdefault(value, len(ids) + 1)
        elif key == "file" and isinstance(value, str) and value in members:
            node[key] = names.setdefault(value, f"{len(names) + 1:06d}.{value.rsplit('.', 1)[-1]}")
        else:
            _renumber(value, ids, names, members)


def _without_padding(content: bytes) -> bytes:
    """Return an array's file with zeros between the fields of its records.

    scikit-learn's trees leave there whatever the memory held: other bytes in each process, of other data at worst.
    """
    import numpy as np

    array = np.load(io.BytesIO(content), allow_pickle=False)
    if not array.dtype.names:
        return content
    clean = np.zeros(array.shape, array.dtype)  # zeros_like would leave the padding as it is
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
    entry.create_system = 3  # Unix, on any system
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, compress_type=zipfile.ZIP_STORED)


def _to_safetensors(network: Any) -> bytes:
    import safetensors.torch

    from weighbridge.training.objective import Standardised

    own = network.network if isinstance(network, Standardised) else network
    # copies, since tied weights share memory, which safetensors refuses
    tensors = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
    metadata = {"weighbridge": canonical_json({"class": f"{type(own).__module__}:{type(own).__qualname__}"})}
    content: bytes = safetensors.torch.save(tensors, metadata)
    return content


def _load_weights(path: Path, network: Any, model: str) -> None:
    import safetensors.torch

    try:
        network.load_state_dict(safetensors.torch.load(path.read_bytes()))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; train the candidate again") from None
    except Exception as problem:  # noqa: BLE001 - a damaged file may fail anywhere
        lines = str(problem).strip().splitlines()
        raise ModelError(
            f"{path}: no weights for {model!r}: {' '.join(lines)[:300]}; train the candidate again"
        ) from None
    network.eval()
