from typing import Any

import numpy as np
import pytest
from sample_rows import BOOSTING, LOGISTIC, NETWORK, SCHEMA, rows, silent, unusual
from sklearn.metrics import roc_auc_score

from weighbridge.errors import ModelError
from weighbridge.settings import Candidate
from weighbridge.training import fitting
from weighbridge.training.fitted import Fitted


def fit(candidate: Candidate, *, seed: int = 0, progress: Any = silent) -> Fitted:
    return fitting.fit(candidate, SCHEMA, rows(1500), rows(500, 1), seed=seed, threads=1, progress=progress)


@pytest.mark.parametrize("candidate", [LOGISTIC, BOOSTING, NETWORK], ids=["logistic", "boosting", "network"])
def test_a_candidate_learns_and_the_same_seed_gives_the_same_bits(candidate: Candidate) -> None:
    first, again = fit(candidate), fit(candidate)
    held_out = rows(1000, 2)
    assert roc_auc_score(held_out["late"], first.predictions(held_out)) > 0.7
    odd = unusual()
    assert first.predictions(odd).tobytes() == again.predictions(odd).tobytes()
    assert first.curve == again.curve


def test_another_seed_gives_another_model() -> None:
    frame = rows(100, 3)
    assert not np.array_equal(fit(NETWORK).predictions(frame), fit(NETWORK, seed=1).predictions(frame))


def test_probabilities_are_those_of_the_positive_class() -> None:
    fitted = fit(LOGISTIC)
    found = fitted.predictions(rows(100, 3))
    assert found.dtype == np.float64
    assert found.shape == (100,)
    assert fitted.predictions(rows(2).assign(**{"Wind speed (kt)": [0.0, 30.0]})).argmax() == 1


def test_logistic_regression_has_a_number_a_column_and_the_intercept() -> None:
    fitted = fit(LOGISTIC)
    assert fitted.kind == "sklearn"
    assert fitted.parameter_count == 2 + 4 + 30 + 1
    assert fitted.framework.name == "scikit-learn"
    assert (fitted.epochs, fitted.best_epoch, fitted.curve) == (None, None, [])


def test_boosting_has_a_learning_curve_and_a_number_a_node() -> None:
    fitted = fit(BOOSTING)
    nodes = sum(len(tree.nodes) for (tree,) in fitted.model._predictors)
    assert fitted.parameter_count == nodes + 1  # and the baseline
    assert fitted.epochs == fitted.model.n_iter_
    assert set(fitted.curve[0]) == {"epoch", "train_loss", "validation_loss"}
    assert fitted.curve[-1]["train_loss"] < fitted.curve[0]["train_loss"]


def test_a_network_has_a_learning_curve_without_times() -> None:
    lines: list[str] = []
    fitted = fit(NETWORK, progress=lines.append)
    assert fitted.kind == "torch"
    assert fitted.epochs == 3 == len(fitted.curve)
    assert set(fitted.curve[0]) == {"epoch", "train_loss", "validation_loss"}
    assert fitted.parameter_count == (36 + 1) * 8 + 8 + 1
    assert [line for line in lines if line.startswith("epoch 3/3") and "rows/s" in line]


def test_parameters_of_a_pipeline_are_those_of_its_steps() -> None:
    candidate = Candidate(model="fitting_models:pipeline")
    assert fit(candidate).parameter_count > fit(LOGISTIC).parameter_count


def test_warnings_become_lines_of_progress() -> None:
    lines: list[str] = []
    fit(Candidate(model=LOGISTIC.model, params={"max_iter": 1}), progress=lines.append)
    assert any("warning of LogisticRegression: lbfgs failed to converge" in line for line in lines)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate(model=LOGISTIC.model, params={"C": -1.0}), "The 'C' parameter of LogisticRegression must be"),
        (
            Candidate(
                model="sklearn.ensemble:VotingClassifier",
                params={"estimators": []},
            ),
            "can't be fitted",
        ),
    ],
)
def test_parameters_that_fail_in_fit_are_reported(candidate: Candidate, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fit(candidate)


def test_a_loss_that_is_no_number_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"epoch 1: train loss is nan.*Lower fit\.lr"):
        fit(Candidate(model="fitting_models:Endless"))


def test_boosting_stops_early_on_the_validation_rows() -> None:
    """Left alone it would hold out random training rows, and its curve would be of these."""
    fitted, validation = fit(BOOSTING), rows(500, 1)
    probability, target = fitted.predictions(validation), validation[SCHEMA.target].to_numpy()
    loss = -np.where(target == 1, np.log(probability), np.log1p(-probability)).mean()
    assert fitted.curve[-1]["validation_loss"] == pytest.approx(loss, rel=1e-6)
