"""Learning rates, groups of the optimiser, followed gradients and the average of weights."""

import pytest
import torch
from torch import nn

from edgebench.training import optimize
from edgebench.training.optimize import Average, averaged
from edgebench.training.settings import Settings


def test_the_rate_rises_then_falls_as_half_a_cosine() -> None:
    settings = Settings(epochs=11, warmup=1, lr=1.0)
    rates = [optimize.learning_rate(settings, step, 10) for step in range(110)]
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10] == 1.0 and rates[60] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True) and 0 < rates[-1] < 1e-3


def test_a_constant_rate_and_no_warmup() -> None:
    settings = Settings(epochs=3, warmup=0, lr=0.3, schedule="constant")
    assert {optimize.learning_rate(settings, step, 5) for step in range(15)} == {0.3}


def test_a_warmup_longer_than_the_run_never_divides_by_zero() -> None:
    settings = Settings(epochs=1, warmup=5, lr=1.0)
    assert optimize.learning_rate(settings, 3, 4) == pytest.approx(0.8)
    assert optimize.learning_rate(settings, 4, 4) == 1.0


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_only_weights_decay_and_frozen_ones_are_left_out(name: str, kind: type) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    network[0].requires_grad_(False)
    made = optimize.optimizer(network, Settings(optimizer=name, weight_decay=0.2))  # type: ignore[arg-type]
    assert isinstance(made, kind)
    decayed, plain = made.param_groups
    assert [tuple(value.shape) for value in decayed["params"]] == [(2, 4)] and decayed["weight_decay"] == 0.2
    assert [tuple(value.shape) for value in plain["params"]] == [(4,), (4,), (2,)] and plain["weight_decay"] == 0


def test_the_first_layers_and_the_last_are_followed() -> None:
    layers = [nn.Linear(2, 2) for _ in range(6)]
    assert list(optimize.followed(nn.Sequential(*layers))) == ["0", "1", "2", "5"]
    assert optimize.norm([torch.tensor([3.0]), None, torch.tensor([4.0])]) == 5.0


def test_an_average_follows_and_is_put_in_only_for_a_while() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.num_batches_tracked.fill_(9)
    average.update(network)  # at the first step the decay is min(0.5, 2 / 11)
    assert average.values["weight"].tolist() == pytest.approx([1 + 2 * 9 / 11] * 2)
    assert average.values["num_batches_tracked"] == 9
    with averaged(network, average):
        assert torch.equal(network.weight, average.values["weight"])
    assert network.weight.tolist() == [3.0, 3.0]


def test_an_average_goes_on_from_its_state() -> None:
    network, other = nn.Linear(2, 2), nn.Linear(2, 2)
    average = Average(network, 0.9)
    average.update(other)
    resumed = Average(other, 0.9)
    resumed.restore(average.state())
    for each in (average, resumed):
        each.update(other)
    assert all(torch.equal(average.values[name], resumed.values[name]) for name in average.values)
