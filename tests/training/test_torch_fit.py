import numpy as np
import pytest
import torch
from fitting_models import ThreeLogits, Tied, TwoLogits
from torch import nn

from weighbridge.errors import ModelError
from weighbridge.settings import Fit
from weighbridge.training import torch_fit
from weighbridge.training.objective import Objective

BINARY = Objective()


def data(count: int = 400, seed: int = 0) -> torch_fit.Rows:
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(count, 3)).astype("float32")
    return torch_fit.rows(inputs, (inputs[:, 0] > 0).astype("int8"))


def fit(network: nn.Module, settings: Fit, train: torch_fit.Rows | None = None) -> torch_fit.History:
    return torch_fit.fit(
        network, train or data(), data(200, 1), settings, seed=0, threads=1, progress=lambda _text: None
    )


def test_two_logits_become_their_difference() -> None:
    pair = torch.tensor([[0.5, 2.0], [1.0, -1.0]])
    assert torch.allclose(torch.sigmoid(BINARY.shaped(pair)), torch.softmax(pair, 1)[:, 1])


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_a_row_may_have_a_dimension_of_its_own(shape: tuple[int, ...]) -> None:
    assert BINARY.shaped(torch.zeros(shape)).shape == (4,)


@pytest.mark.parametrize("network", [TwoLogits, Tied])
def test_networks_of_other_shapes_learn(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    history = fit(network(3), Fit(epochs=8, batch_size=32, lr=0.02))
    assert history.best_loss < 0.4


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ModelError, match=r"returned shape \(32, 3\); expected one logit a row"):
        fit(ThreeLogits(3), Fit(batch_size=32))


def test_a_network_that_fails_on_its_rows_is_reported() -> None:
    with pytest.raises(ModelError, match="the network failed: RuntimeError: mat1 and mat2"):
        fit(nn.Linear(4, 1), Fit())


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="no parameters to learn"):
        fit(nn.Flatten(), Fit())


def test_it_stops_after_patience_and_keeps_the_best_weights() -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    history = fit(network, Fit(epochs=50, batch_size=16, lr=2.0, patience=2))
    assert len(history.curve) == history.best_epoch + 2 < 50
    assert torch_fit.loss(network, data(200, 1)) == history.best_loss
    assert history.best_loss == min(row["validation_loss"] for row in history.curve)
    assert not network.training


def test_a_last_batch_of_one_row_is_left_out() -> None:
    """Batch normalisation fails on a single row; 65 rows in batches of 64 have one."""
    history = fit(TwoLogits(3), Fit(epochs=1, batch_size=64), data(65))
    assert len(history.curve) == 1


def test_batches_of_one_row_are_learned_from() -> None:
    history = fit(nn.Linear(3, 1), Fit(epochs=2, batch_size=1), data(65))
    assert history.curve[1]["train_loss"] < history.curve[0]["train_loss"]


def test_the_order_of_rows_comes_from_the_seed_alone() -> None:
    losses = []
    for junk in (1, 2):
        torch.manual_seed(junk)
        network = nn.Linear(3, 1)
        with torch.no_grad():
            network.weight.zero_()
            network.bias.zero_()
        losses.append(fit(network, Fit(epochs=2, batch_size=32)).curve)
    assert losses[0] == losses[1]


def test_settings_of_the_process_are_restored() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fit(nn.Linear(3, 1), Fit(epochs=1))
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
