"""Where training starts: initialisations, weights with another head or of another network, what is frozen."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.build import build
from edgebench.training.settings import Settings
from edgebench.training.start import advice, freeze, start, train_mode

SPEC = models.resolve("mobilenetv2", width=0.35, resolution=32, classes=4)


def test_without_a_scheme_it_is_the_network_that_build_gives() -> None:
    own, built = start(SPEC, Settings(seed=3), None).network.state_dict(), build(SPEC, seed=3).state_dict()
    assert all(torch.equal(own[key], built[key]) for key in built)


@pytest.mark.parametrize(("scheme", "gain"), [("he", 2.0), ("xavier", None)])
def test_a_scheme_has_its_variance(scheme: str, gain: float | None) -> None:
    network = start(
        models.resolve("vgg16_bn", width=0.25, resolution=32, classes=64), Settings(init=scheme), None
    ).network  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() > 10_000:
            fan_in, fan_out = module.weight[0].numel(), module.weight[:, 0].numel()
            expected = math.sqrt(gain / fan_in if gain else 2 / (fan_in + fan_out))
            assert module.weight.std().item() == pytest.approx(expected, rel=0.03)
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and not module.bias.any() and (module.running_var == 1).all()  # type: ignore[union-attr]


def test_depthwise_fans_are_those_of_a_group() -> None:
    network = start(SPEC, Settings(init="xavier"), None).network
    depthwise = network.get_parameter("features.14.conv.1.0.weight")
    assert depthwise.shape[1] == 1
    assert depthwise.abs().max().item() == pytest.approx(math.sqrt(6 / 18), rel=0.02)


def test_a_seed_decides() -> None:
    first, again, other = (start(SPEC, Settings(init="he", seed=seed), None).network for seed in (0, 0, 1))
    key = "features.0.0.weight"
    assert torch.equal(first.get_parameter(key), again.get_parameter(key))
    assert not torch.equal(first.get_parameter(key), other.get_parameter(key))


def _saved(path: Path, **point: int) -> dict[str, torch.Tensor]:
    state = build(models.resolve("mobilenetv2", width=0.35, resolution=32, **point), seed=7).state_dict()
    torch.save(state, path)
    return state


def test_a_head_for_other_classes_is_begun_anew(tmp_path: Path) -> None:
    state = _saved(tmp_path / "w.pth", classes=9)
    begun = start(SPEC, Settings(seed=1), tmp_path / "w.pth")
    own = begun.network.state_dict()
    assert begun.replaced == ("classifier.1",)
    assert own["classifier.1.weight"].shape == (4, 1280)
    assert all(torch.equal(own[key], state[key]) for key in state if not key.startswith("classifier"))


def test_a_head_that_fits_is_kept(tmp_path: Path) -> None:
    state = _saved(tmp_path / "w.pth", classes=4)
    begun = start(SPEC, Settings(), tmp_path / "w.pth")
    assert begun.replaced == ()
    assert torch.equal(begun.network.state_dict()["classifier.1.weight"], state["classifier.1.weight"])


def test_another_networks_weights_are_refused_in_one_short_sentence(tmp_path: Path) -> None:
    torch.save(build(models.resolve("resnet20")).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        UsageError, match=r"are not those of mobilenetv2-w0\.35-d1-r32-k4: \d+ of its \d+ tensors"
    ) as caught:
        start(SPEC, Settings(), tmp_path / "w.pth")
    assert len(str(caught.value)) < 400


def test_another_width_is_refused(tmp_path: Path) -> None:
    torch.save(
        build(models.resolve("mobilenetv2", width=0.5, resolution=32, classes=4)).state_dict(), tmp_path / "w.pth"
    )
    with pytest.raises(UsageError, match="are not those of"):
        start(SPEC, Settings(), tmp_path / "w.pth")


def test_side_branches_may_be_missing_or_too_many(tmp_path: Path) -> None:
    plain, sided = (
        models.resolve("googlenet", width=0.25, resolution=64, classes=4, options=options)
        for options in ({}, {"aux": True})
    )
    for given, wanted in ((plain, sided), (sided, plain)):
        torch.save(build(given, seed=5).state_dict(), tmp_path / "w.pth")
        begun = start(wanted, Settings(), tmp_path / "w.pth").network.state_dict()
        assert torch.equal(begun["conv1.conv.weight"], build(given, seed=5).state_dict()["conv1.conv.weight"])


def test_an_initialisation_is_that_of_a_new_head_or_refused(tmp_path: Path) -> None:
    _saved(tmp_path / "same.pth", classes=4)
    with pytest.raises(UsageError, match="`init='he'` does nothing with `weights`"):
        start(SPEC, Settings(init="he"), tmp_path / "same.pth")
    state = _saved(tmp_path / "other.pth", classes=9)
    begun = start(SPEC, Settings(init="he"), tmp_path / "other.pth")
    values = begun.network.state_dict()
    assert torch.equal(values["features.0.0.weight"], state["features.0.0.weight"])
    assert all(not values[f"{head}.bias"].any() for head in begun.replaced)


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
        (200, "", True, "freeze='all-but-head'` is safer"),
        (2000, "", True, "freezing the first half"),
        (20000, "features.14", True, "no `freeze`"),
        (20000, "", True, ""),
        (20000, "", False, ""),
        (2000, "features.14", True, ""),
        (200, "all-but-head", True, ""),
    ],
)
def test_advice_goes_by_images_a_class(images: int, freezing: str, from_weights: bool, said: str) -> None:
    found = advice(images, 10, freezing, from_weights=from_weights)
    assert said in found and bool(said) == bool(found)
