"""Freezing: which parameters, that batch norms stand still, and advice."""

import pytest
import torch

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.build import build
from edgebench.training.freeze import advice, freeze, train_mode

SPEC = models.resolve("mobilenetv2", width=0.35, resolution=32, classes=4)


def test_up_to_a_stage() -> None:
    network = build(SPEC)
    frozen = freeze(network, "features.14")
    free = {name for name, value in network.named_parameters() if value.requires_grad}
    assert {name.split(".")[1] for name in free if name.startswith("features")} == {"15", "16", "17", "18"}
    assert frozen.parameters == sum(value.numel() for value in network.parameters() if not value.requires_grad)


def test_a_name_is_not_a_beginning_of_another() -> None:
    network = build(SPEC)
    freeze(network, "features.1")
    assert not network.get_parameter("features.1.conv.0.0.weight").requires_grad
    assert network.get_parameter("features.10.conv.0.0.weight").requires_grad


def test_all_but_the_head() -> None:
    network = build(SPEC)
    freeze(network, "all-but-head")
    assert [name for name, value in network.named_parameters() if value.requires_grad] == [
        "classifier.1.weight",
        "classifier.1.bias",
    ]


def test_frozen_batch_norms_keep_their_statistics() -> None:
    network = build(SPEC)
    frozen = freeze(network, "features.14")
    before = {name: value.clone() for name, value in network.named_buffers() if name.endswith("running_mean")}
    train_mode(network, frozen)
    network(torch.randn(4, 3, 32, 32))
    moved = {
        name.split(".")[1]
        for name, value in network.named_buffers()
        if name in before and not torch.equal(value, before[name])
    }
    assert moved == {"15", "16", "17", "18"}


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("features.40", "unknown module to freeze up to 'features.40'; did you mean features.4"),
        ("classifier", "leaves nothing to train"),
        ("head", "all-but-head"),
    ],
)
def test_what_cannot_be_frozen(until: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        freeze(build(SPEC), until)


@pytest.mark.parametrize(
    ("images", "freezing", "from_weights", "said"),
    [
        (200, "", False, "few to train from scratch"),
        (200, "", True, "all-but-head is safer"),
        (2000, "", True, "freezing the first half"),
        (20000, "features.14", True, "no --freeze"),
        (20000, "", True, ""),
        (20000, "", False, ""),
        (2000, "features.14", True, ""),
        (200, "all-but-head", True, ""),
    ],
)
def test_advice_goes_by_images_a_class(images: int, freezing: str, from_weights: bool, said: str) -> None:
    found = advice(images, 10, freezing, from_weights=from_weights)
    assert said in found and bool(said) == bool(found)
