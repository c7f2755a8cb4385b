"""Each example's rows and candidate, by the protocol of a published figure, come to that figure.

The loader, the schema, the engine's preprocessing and the candidate's settings are those of the example; how rows are
split and what is averaged is the source's, and scikit-learn does it here. What the whole pipeline comes to on the same
rows is tested beside this, in test_examples.py.
"""

from pathlib import Path
from typing import Any

import pytest
from example_projects import EXAMPLES, module

from weighbridge import plan
from weighbridge.training.prepare import preprocessing


def rows_of(example: str, folder: Path) -> tuple[Any, Any]:
    """Return an example's rows and its schema."""
    dataset = module(example, "dataset")
    dataset.fetch(folder)
    return dataset.load(folder), dataset.SCHEMA


def pipeline(example: str, schema: Any, candidate: str, model: Any) -> Any:
    """Return the engine's preprocessing and the *model* with the candidate's parameters, unfitted."""
    from sklearn.pipeline import make_pipeline

    found = plan.load(EXAMPLES / example).config.candidates[candidate]
    return make_pipeline(preprocessing(schema, found.strings), model(**found.params))


def test_breast_cancer_comes_to_the_published_auc_and_accuracy(tmp_path: Path) -> None:
    """AUC .9947 ± .0077 and accuracy .9778 ± .0169: mean and deviation over folds of a cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate

    rows, schema = rows_of("breast_cancer", tmp_path)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=5, random_state=0)
    scores = cross_validate(
        pipeline("breast_cancer", schema, "logistic", LogisticRegression),
        rows[list(schema.features)],
        rows["diagnosis"] == "malignant",
        cv=folds,
        scoring=("roc_auc", "accuracy"),
    )
    auc, accuracy = scores["test_roc_auc"], scores["test_accuracy"]
    assert auc.mean() == pytest.approx(0.9947, abs=0.0077)
    assert accuracy.mean() == pytest.approx(0.9778, abs=0.0169)
    # Not only within the published deviation, but as near as the choice of folds lets two people come.
    assert auc.mean() == pytest.approx(0.9947, abs=0.002)
    assert accuracy.mean() == pytest.approx(0.9778, abs=0.004)
    assert auc.std() == pytest.approx(0.0077, abs=0.003)
    assert accuracy.std() == pytest.approx(0.0169, abs=0.005)


def test_digits_come_to_the_published_accuracy(tmp_path: Path) -> None:
    """scikit-learn's example: learn from the first half, in order, test on the second: accuracy 0.97."""
    from sklearn.svm import SVC

    rows, schema = rows_of("digits", tmp_path)
    half = len(rows) // 2
    model = pipeline("digits", schema, "support_vectors", SVC)
    flat = rows.assign(image=[image.ravel() for image in rows["image"]])
    model.fit(flat[:half][["image"]], flat[:half]["digit"])
    accuracy = model.score(flat[half:][["image"]], flat[half:]["digit"])
    assert round(accuracy, 2) == 0.97
    assert set(rows[half:]["part"]) == {"test"}, "the example tests on the rows that the source does"
    assert "test" not in set(rows[:half]["part"])


@pytest.mark.slow
def test_the_flights_recipe_comes_to_the_published_auc(tmp_path: Path) -> None:
    """The tutorial of tidymodels: three quarters of the flights at random, logistic regression, AUC 0.764."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split

    rows, schema = rows_of("flights_recipe", tmp_path)
    assert len(rows) == 325_819, "as the tutorial counts them"
    assert rows["late"].sum() == 52_540
    train, test = train_test_split(rows, train_size=0.75, random_state=222)
    model = pipeline("flights_recipe", schema, "logistic", LogisticRegression).fit(train, train["late"])
    # Other quarters move it by .0015; holidays that the tutorial tells apart and this doesn't, by less.
    assert roc_auc_score(test["late"], model.predict_proba(test)[:, 1]) == pytest.approx(0.764, abs=0.003)
