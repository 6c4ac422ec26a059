"""Built networks: torchvision's layouts, determinism, and outputs that are alive."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.ground.records import ModelSpec
from edgebench.models.build import build, skeleton

LAYOUTS = Path(__file__).parents[1] / "golden" / "weights_layout"
DIGESTS = json.loads((LAYOUTS / "digests.json").read_text())
LISTED = sorted(path.stem for path in LAYOUTS.glob("*.json") if path.stem not in ("digests", "outputs"))


def _layout(name: str) -> dict[str, list[int]]:
    options = {"aux": True} if name == "googlenet" else {}
    state = skeleton(models.resolve(name, options=options)).state_dict()
    return {key: list(value.shape) for key, value in state.items()}


@pytest.mark.parametrize("name", LISTED)
def test_keys_and_shapes_are_torchvisions(name: str) -> None:
    assert _layout(name) == json.loads((LAYOUTS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", DIGESTS)
def test_layout_digest_is_torchvisions(name: str) -> None:
    lines = sorted(f"{key} {tuple(shape)}" for key, shape in _layout(name).items())
    assert len(lines) == DIGESTS[name]["keys"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == DIGESTS[name]["sha256"]


def test_batch_norm_epsilons_are_torchvisions() -> None:
    expected = {"efficientnet_b4": 1e-5, "efficientnet_b5": 1e-3, "googlenet": 1e-3, "resnet18": 1e-5}
    for name, eps in expected.items():
        norms = [m for m in skeleton(models.resolve(name)).modules() if isinstance(m, nn.BatchNorm2d)]
        assert {norm.eps for norm in norms} == {eps}


SMALL = [
    models.resolve("mobilenetv1", width=0.25, resolution=64),
    models.resolve("mobilenetv2", width=0.35, resolution=64),
    models.resolve("efficientnet_b0", resolution=64),
    models.resolve("efficientnet_lite0", resolution=64),
    models.resolve("resnet18", width=0.25, resolution=64),
    models.resolve("resnet50", width=0.25, resolution=64),
    models.resolve("resnet152", width=0.25, resolution=64),
    models.resolve("resnet56"),
    models.resolve("plain56"),
    models.resolve("plain34", width=0.25, resolution=64),
    models.resolve("mobilenetv3_small", resolution=64),
    models.resolve("mobilenetv3_large", width=0.5, resolution=64),
    models.resolve("mobilenetv4_conv_small", width=0.5, resolution=64),
    models.resolve("mobilenetv4_conv_medium", width=0.25, resolution=64),
    models.resolve("mnasnet_a1", width=0.5, resolution=64),
    models.resolve("shufflenetv2", width=0.5, resolution=64),
    models.resolve("squeezenet1_1", resolution=64),
    models.resolve("efficientnetv2_b0", width=0.5, resolution=64),
    models.resolve("googlenet", resolution=64),
    models.resolve("nin", width=0.5, resolution=96),
    models.resolve("alexnet", width=0.25, resolution=99),
    models.resolve("alexnet_owt", width=0.25),
    models.resolve("vgg16", width=0.125, resolution=64),
    models.resolve("vgg19_bn", width=0.125, resolution=64),
    models.resolve("lenet5"),
    models.resolve("lenet5", options={"modern": True}),
]


def _images(spec: ModelSpec, seed: int) -> torch.Tensor:
    """One noisy and one smooth image that the initialisation has not seen."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(spec.input_shape, generator=generator)
    coarse = torch.randn(1, spec.channels, 5, 5, generator=generator)
    return torch.cat([noise, nn.functional.interpolate(coarse, noise.shape[2:], mode="bicubic")])


@torch.no_grad()
@pytest.mark.parametrize("spec", SMALL, ids=lambda spec: spec.key)
def test_outputs_are_alive_and_do_not_magnify_noise(spec: ModelSpec) -> None:
    network = build(spec)
    assert not network.training
    images = _images(spec, seed=7)
    output = network(images)
    assert output.isfinite().all()
    assert 0.15 < output.square().mean().sqrt() < 6
    assert (output[0] - output[1]).std() > 0.02  # the image matters
    disturbed = network(images + 1e-3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(1)))
    assert (disturbed - output).norm() / output.norm() < 2e-2


@torch.no_grad()
@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnet_b0", "resnet18"])
def test_focus_outputs_spread_by_about_one(name: str) -> None:
    spec = models.resolve(name)
    output = build(spec)(_images(spec, seed=3))
    assert output.std().item() == pytest.approx(1.0, abs=0.4)


def _equal(first: nn.Module, second: nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.state_dict().items())


def test_a_seed_gives_one_network_whatever_the_threads() -> None:
    spec = models.resolve("mobilenetv2", width=0.35, resolution=96)
    threads = torch.get_num_threads()
    first = build(spec, seed=5)
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        second = build(spec, seed=5)
    finally:
        torch.set_num_threads(threads)
    assert _equal(first, second)
    assert not _equal(first, build(spec, seed=6))


def test_global_random_state_is_untouched() -> None:
    before = torch.random.get_rng_state()
    build(models.resolve("resnet20"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_batch_norms_are_not_trivial() -> None:
    norms = [m for m in build(models.resolve("resnet20")).modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.momentum == 0.1
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert values is not None and values.std() > 1e-3


def test_googlenets_side_branches_compute_in_training_only() -> None:
    network = build(models.resolve("googlenet", resolution=64, classes=7, options={"aux": True}))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert network(images).shape == (2, 7)
    outputs = network.train()(images)
    assert [output.shape for output in outputs] == [(2, 7)] * 3


@pytest.mark.parametrize("classes", [1, 2])
def test_few_classes_are_finite(classes: int) -> None:
    for name in ("lenet5", "nin", "resnet20"):
        spec = models.resolve(name, classes=classes)
        assert build(spec)(_images(spec, 0)).isfinite().all()
