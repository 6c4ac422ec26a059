"""Where training starts: initialisations, weights with another head, weights of another network."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.build import build
from edgebench.training.settings import Settings
from edgebench.training.start import start

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
