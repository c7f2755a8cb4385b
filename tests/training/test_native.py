import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
from sample_rows import BOOSTING, LOGISTIC, NETWORK, SCHEMA, rows, silent, unusual
from sklearn.tree import DecisionTreeClassifier

from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_bytes
from weighbridge.errors import ModelError
from weighbridge.settings import Candidate, Fit
from weighbridge.training import fitting, native
from weighbridge.training.fitted import Fitted

CANDIDATES = {
    "logistic": LOGISTIC,
    "boosting": BOOSTING,
    "network": NETWORK,
    "two logits": Candidate(model="fitting_models:TwoLogits", fit=Fit(epochs=1)),
    "tied": Candidate(model="fitting_models:Tied", fit=Fit(epochs=1)),
    "own": Candidate(model="fitting_models:Own"),
    "pipeline": Candidate(model="fitting_models:pipeline"),
    "forest": Candidate(model="sklearn.ensemble:RandomForestClassifier", params={"n_estimators": 5}),
    "extra": Candidate(model="sklearn.ensemble:ExtraTreesClassifier", params={"n_estimators": 5}),
    "gradient": Candidate(model="sklearn.ensemble:GradientBoostingClassifier", params={"n_estimators": 5}),
    "adaboost": Candidate(model="sklearn.ensemble:AdaBoostClassifier", params={"n_estimators": 5}),
    "naive": Candidate(model="sklearn.naive_bayes:GaussianNB"),
    "neighbours": Candidate(model="sklearn.neighbors:KNeighborsClassifier", strings="ordinal"),
    "perceptron": Candidate(model="sklearn.neural_network:MLPClassifier", params={"max_iter": 5}),
    "sgd": Candidate(model="sklearn.linear_model:SGDClassifier", params={"loss": "log_loss"}),
    "calibrated": Candidate(model="fitting_models:calibrated"),
    "stacking": Candidate(model="fitting_models:stacking"),
    "search": Candidate(model="fitting_models:search"),
}


def fit(candidate: Candidate) -> Fitted:
    return fitting.fit(candidate, SCHEMA, rows(500), rows(200, 1), seed=0, threads=1, progress=silent)


def load(folder: Path, candidate: Candidate, schema: Schema = SCHEMA) -> Fitted:
    return native.load(folder, candidate, schema, seed=0, threads=1)


@pytest.mark.parametrize("candidate", CANDIDATES.values(), ids=CANDIDATES)
def test_what_is_loaded_predicts_the_same_bits_and_is_saved_as_the_same_bytes(
    candidate: Candidate, tmp_path: Path
) -> None:
    fitted = fit(candidate)
    native.save(fitted, tmp_path / "first")
    loaded = load(tmp_path / "first", candidate)
    native.save(fit(candidate), tmp_path / "second")
    assert loaded.predictions(unusual()).tobytes() == fitted.predictions(unusual()).tobytes()
    assert (loaded.kind, loaded.parameter_count, loaded.framework) == (
        fitted.kind, fitted.parameter_count, fitted.framework,
    )  # fmt: skip
    files = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}
    assert set(files) == {"preprocessing.skops", "model.skops" if fitted.kind == "sklearn" else "model.safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boosting", "forest", "network"])
def test_two_processes_save_and_export_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Other hash seeds, other memory, other working directories."""
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), str(here.parent.parent)])
        subprocess.run(
            [sys.executable, "-m", "save_and_export", name, seed],
            cwd=folder, check=True, env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        )  # fmt: skip
        found.append({file.name: sha256_bytes(file.read_bytes()) for file in folder.iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_skops_file_has_no_time_and_no_ids() -> None:
    content = native.to_skops(fit(LOGISTIC).model)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[:3] == ["schema.json", "000001.npy", "000002.npy"]


def test_padding_of_a_trees_nodes_is_cleared() -> None:
    """It holds whatever the memory held, which would differ between processes and might give data away."""
    tree = DecisionTreeClassifier(max_depth=3).fit(np.arange(40.0).reshape(-1, 2), np.arange(20) % 3 == 0)
    with zipfile.ZipFile(io.BytesIO(native.to_skops(tree))) as archive:
        arrays = [np.load(io.BytesIO(archive.read(name))) for name in archive.namelist() if name.endswith(".npy")]
    (nodes,) = (array for array in arrays if array.dtype.names)
    assert nodes.dtype.itemsize == 64
    assert not nodes.view("u1").reshape(len(nodes), 64)[:, 57:].any()
    assert nodes["threshold"].tolist() == tree.tree_.threshold.tolist()


def test_safetensors_have_one_metadata_key(tmp_path: Path) -> None:
    native.save(fit(NETWORK), tmp_path)
    with safetensors.safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"weighbridge": '{"class":"project.models:MLP"}'}


def test_a_type_off_the_list_is_refused_unless_the_configuration_names_it(tmp_path: Path) -> None:
    native.save(fit(CANDIDATES["own"]), tmp_path)
    with pytest.raises(ModelError, match=r"holds fitting_models\.Own, which is not on the list of trusted types"):
        load(tmp_path, LOGISTIC)


def test_a_forged_boosted_tree_is_refused(tmp_path: Path) -> None:
    fitted = fit(BOOSTING)
    native.save(fitted, tmp_path)
    fitted.model._predictors[0][0].nodes["feature_idx"] = 1000
    (tmp_path / native.ESTIMATOR).write_bytes(native.to_skops(fitted.model))
    with pytest.raises(ModelError, match="nodes point outside of it"):
        load(tmp_path, BOOSTING)


@pytest.mark.parametrize(
    ("candidate", "name"),
    [(LOGISTIC, "model.skops"), (LOGISTIC, "preprocessing.skops"), (NETWORK, "model.safetensors")],
)
def test_missing_and_damaged_files_are_told_apart(candidate: Candidate, name: str, tmp_path: Path) -> None:
    native.save(fit(candidate), tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=rf"{name}: no.* train the candidate again"):
        load(tmp_path, candidate)
    path.unlink()
    with pytest.raises(ModelError, match=f"{name}: no such file"):
        load(tmp_path, candidate)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    native.save(fit(NETWORK), tmp_path)
    other = Candidate(model=NETWORK.model, params={"hidden": [9]})
    with pytest.raises(ModelError, match=r"no weights for 'project\.models:MLP'.*size mismatch"):
        load(tmp_path, other)


def test_a_changed_schema_is_refused(tmp_path: Path) -> None:
    native.save(fit(LOGISTIC), tmp_path)
    features = SCHEMA.features | {"rain": Column(type="number", known=1)}
    schema = Schema(id="id", time="time", target="late", labels=("a", "b"), features=features)
    with pytest.raises(ModelError, match=r"its columns differ from the schema's \(rain\); train again"):
        load(tmp_path, LOGISTIC, schema)


def test_a_model_with_code_in_it_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    candidate = Candidate(model="fitting_models:with_lambda")
    with pytest.raises(ModelError, match=r"holds fitting_models\.<lambda>, which is not on the list"):
        native.save(fit(candidate), tmp_path)


def test_the_import_of_skops_leaves_torch_alone() -> None:
    """A candidate of scikit-learn would else pay seconds for it."""
    code = (
        "import sys; from weighbridge.training import native; native.to_skops(1); import skops.io; "
        "assert not {'torch', 'onnx', 'skl2onnx', 'onnxruntime'} & set(sys.modules); "
        "assert 'sklearn.externals.array_api_compat.torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
