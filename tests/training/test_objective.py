"""What a network's output means, and how far off it is, by the task and by the weights of rows."""

import re

import numpy as np
import pytest
import torch
from fitting_models import Mixed
from torch import nn

from weighbridge.errors import ModelError
from weighbridge.settings import Fit
from weighbridge.training import objective, torch_fit
from weighbridge.training.objective import Objective, Standardised

OBJECTIVES = [Objective(), Objective(task="multiclass", classes=3), Objective(task="regression")]
IDS = ["binary", "multiclass", "regression"]


def sample(wanted: Objective, count: int, weights: list[float] | None = None) -> torch_fit.Rows:
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(count, 4)).astype("float32")
    targets = draw.normal(size=count) if wanted.task == "regression" else np.arange(count) % wanted.classes
    return torch_fit.rows(inputs, targets, None if weights is None else np.array(weights), wanted)


def network(wanted: Objective) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, wanted.classes if wanted.task == "multiclass" else 1)


@pytest.mark.parametrize(
    ("wanted", "shape", "message"),
    [
        (OBJECTIVES[0], (5, 3), "returned shape (5, 3); expected one logit a row, (rows, 1), or two, (rows, 2)"),
        (OBJECTIVES[1], (5, 4), "returned shape (5, 4); expected a logit for each of the 3 classes, (rows, 3)"),
        (OBJECTIVES[1], (5,), "returned shape (5,); expected a logit for each of the 3 classes, (rows, 3)"),
        (OBJECTIVES[1], (5, 3, 1), "returned shape (5, 3, 1); expected a logit for each of the 3 classes"),
        (OBJECTIVES[2], (5, 2), "returned shape (5, 2); expected one number a row, (rows, 1), since data.task is regr"),
    ],
    ids=["binary", "other classes", "one logit", "three dimensions", "regression"],
)
def test_an_output_of_another_shape_is_refused_in_the_words_of_the_task(
    wanted: Objective, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        wanted.shaped(torch.zeros(shape))


@pytest.mark.parametrize("wanted", OBJECTIVES, ids=IDS)
def test_a_network_that_gives_other_rows_than_it_got_is_refused(wanted: Objective) -> None:
    outputs = wanted.classes if wanted.task == "multiclass" else 1
    with pytest.raises(ModelError, match="returned 32 rows for 16; expected as many: keep the first dimension"):
        torch_fit.fit(
            Mixed(4, outputs), sample(wanted, 16), sample(wanted, 16), Fit(),
            objective=wanted, seed=0, threads=1, progress=lambda _text: None,
        )  # fmt: skip


@pytest.mark.parametrize("wanted", OBJECTIVES, ids=IDS)
def test_predictions_are_probabilities_or_numbers(wanted: Objective) -> None:
    model, rows = network(wanted), sample(wanted, 50)
    found = torch_fit.predictions(model, rows.inputs.numpy(), wanted)
    assert found.dtype == np.float64
    if wanted.task == "regression":
        assert found.tolist() == model(rows.inputs)[:, 0].tolist()
    elif wanted.task == "binary":
        assert found.shape == (50,)
        assert ((found > 0) & (found < 1)).all()
    else:
        assert found.shape == (50, 3)
        assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("wanted", OBJECTIVES, ids=IDS)
def test_a_row_of_weight_three_counts_as_three_rows(wanted: Objective) -> None:
    model, once = network(wanted), sample(wanted, 3)
    thrice = torch_fit.Rows(inputs=once.inputs[[0, 1, 1, 1, 2, 2]], targets=once.targets[[0, 1, 1, 1, 2, 2]])
    heavy = sample(wanted, 3, [1, 3, 2])
    assert torch_fit.loss(model, heavy, wanted) == pytest.approx(torch_fit.loss(model, thrice, wanted), rel=1e-6)
    assert torch_fit.loss(model, heavy, wanted) != pytest.approx(torch_fit.loss(model, once, wanted), rel=1e-3)


@pytest.mark.parametrize("wanted", OBJECTIVES, ids=IDS)
def test_equal_weights_change_nothing(wanted: Objective) -> None:
    curves = []
    for weights in (None, [5.0] * 40):
        rows = sample(wanted, 40, weights)
        history = torch_fit.fit(
            network(wanted), rows, rows, Fit(epochs=2, batch_size=7),
            objective=wanted, seed=0, threads=1, progress=lambda _text: None,
        )  # fmt: skip
        curves.append([loss for row in history.curve for loss in row.values()])
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


def test_a_batch_of_no_weight_does_no_harm() -> None:
    weights = [0.0] * 39 + [1.0]
    rows = sample(OBJECTIVES[1], 40, weights)
    history = torch_fit.fit(
        network(OBJECTIVES[1]), rows, rows, Fit(epochs=2, batch_size=4),
        objective=OBJECTIVES[1], seed=0, threads=1, progress=lambda _text: None,
    )  # fmt: skip
    assert len(history.curve) == 2


def test_all_rows_are_handed_out_once_and_in_one_order_a_seed() -> None:
    rows = sample(OBJECTIVES[2], 10, list(range(10)))
    orders = []
    for seed in (1, 1, 2):
        batches = list(rows.shuffled(torch.Generator().manual_seed(seed), 4))
        assert [len(batch.targets) for batch in batches] == [4, 4, 2]
        assert all(batch.weights is not None and len(batch.weights) == len(batch.targets) for batch in batches)
        orders.append([value for batch in batches for value in batch.targets.tolist()])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(rows.targets.tolist())
    assert [value for batch in rows.in_turn(3) for value in batch.targets.tolist()] == rows.targets.tolist()


def test_numbers_come_back_in_the_targets_unit() -> None:
    targets = np.array([2_000_000.0, 2_000_004.0, 2_000_002.0])
    standard = objective.standard(targets, None)
    scaled = objective.standardised(targets, standard)
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-9)
    back = Standardised(nn.Identity(), *standard)(torch.from_numpy(scaled.astype("float32")))
    assert back.tolist() == pytest.approx(targets.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("targets", "weights", "expected"),
    [([1.0, 3.0], None, (2, 1)), ([1.0, 3.0, 9.0], [1, 1, 0], (2, 1)), ([0.1, 0.1, 0.1], None, (0.1, 1))],
    ids=["plain", "weighted", "constant"],
)
def test_the_standard_is_the_mean_and_deviation_by_weight(
    targets: list[float], weights: list[float] | None, expected: tuple[float, float]
) -> None:
    assert objective.standard(np.array(targets), weights) == pytest.approx(expected)
