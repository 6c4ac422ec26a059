"""torchvision's layouts: generated files give what references say that are written from torchvision's names.

That our keys and shapes are torchvision's at full size is asserted in test_build.py; here the networks are narrow.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec
from edgebench.models import layouts
from edgebench.models.build import build, skeleton
from edgebench.models.layouts.library import TORCHVISION
from edgebench.models.layouts.reference import obtain

State = dict[str, Tensor]
Generated = Callable[[dict[str, list[int]]], State]

EFFICIENTNET_STRIDES = (1, 2, 2, 2, 1, 2, 1)
MOBILENET_STRIDES = {2: 2, 4: 2, 7: 2, 14: 2}  # blocks of mobilenet_v2 whose depthwise convolution has a stride
INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


class Layers:
    """Convolutions and norms by their keys."""

    def __init__(self, state: State, eps: float) -> None:
        self.state = {key: value.double() for key, value in state.items()}
        self.eps = eps

    def conv(self, x: Tensor, key: str, stride: int = 1, padding: int | None = None) -> Tensor:
        weight, bias = self.state[f"{key}.weight"], self.state.get(f"{key}.bias")
        pad = weight.shape[-1] // 2 if padding is None else padding
        return functional.conv2d(x, weight, bias, stride, pad, groups=x.shape[1] // weight.shape[1])

    def norm(self, x: Tensor, key: str) -> Tensor:
        scale, shift, mean, variance = (
            self.state[f"{key}.{leaf}"][:, None, None] for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + self.eps).sqrt() * scale + shift

    def dense(self, x: Tensor, key: str) -> Tensor:
        return functional.linear(x, self.state[f"{key}.weight"], self.state[f"{key}.bias"])

    def below(self, prefix: str) -> list[int]:
        """The numbers that follow a prefix, in order."""
        return sorted({int(key[len(prefix) :].split(".")[0]) for key in self.state if key.startswith(prefix)})


def alexnet(net: Layers, x: Tensor) -> Tensor:
    for number, stride, padding, pooled in ((0, 4, 2, 1), (3, 1, 2, 1), (6, 1, 1, 0), (8, 1, 1, 0), (10, 1, 1, 1)):
        x = net.conv(x, f"features.{number}", stride, padding).relu()
        x = functional.max_pool2d(x, 3, 2) if pooled else x
    x = functional.adaptive_avg_pool2d(x, 6).flatten(1)
    return net.dense(net.dense(net.dense(x, "classifier.1").relu(), "classifier.4").relu(), "classifier.6")


def vgg(net: Layers, x: Tensor) -> Tensor:
    numbers = [n for n in net.below("features.") if net.state[f"features.{n}.weight"].dim() == 4]
    step = 3 if "features.1.weight" in net.state else 2
    for number in numbers:
        x = net.conv(x, f"features.{number}")
        x = (net.norm(x, f"features.{number + 1}") if step == 3 else x).relu()
        if number + step not in numbers:  # what stands between two convolutions is a pooling
            x = functional.max_pool2d(x, 2, 2)
    x = functional.adaptive_avg_pool2d(x, 7).flatten(1)
    return net.dense(net.dense(net.dense(x, "classifier.0").relu(), "classifier.3").relu(), "classifier.6")


def resnet(net: Layers, x: Tensor) -> Tensor:
    x = functional.max_pool2d(net.norm(net.conv(x, "conv1", 2), "bn1").relu(), 3, 2, 1)
    for stage in range(1, 5):
        for number in net.below(f"layer{stage}."):
            block, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            last = 3 if f"{block}.conv3.weight" in net.state else 2
            y = x
            for index in range(1, last + 1):
                step = stride if index == last - 1 else 1  # bottlenecks have it in the 3x3, basic blocks in the first
                y = net.norm(net.conv(y, f"{block}.conv{index}", step), f"{block}.bn{index}")
                y = y if index == last else y.relu()
            if f"{block}.downsample.0.weight" in net.state:
                x = net.norm(net.conv(x, f"{block}.downsample.0", stride), f"{block}.downsample.1")
            x = (x + y).relu()
    return net.dense(x.mean((2, 3)), "fc")


def googlenet(net: Layers, x: Tensor) -> Tensor:
    def unit(x: Tensor, key: str, stride: int = 1) -> Tensor:
        return net.norm(net.conv(x, f"{key}.conv", stride), f"{key}.bn").relu()

    x = functional.max_pool2d(unit(x, "conv1", 2), 3, 2, ceil_mode=True)
    x = functional.max_pool2d(unit(unit(x, "conv2"), "conv3"), 3, 2, ceil_mode=True)
    for name in INCEPTIONS:
        block = f"inception{name}"
        pooled = functional.max_pool2d(x, 3, 1, 1)
        parts = [unit(x, f"{block}.branch1")]
        parts += [unit(unit(x, f"{block}.branch{n}.0"), f"{block}.branch{n}.1") for n in (2, 3)]
        x = torch.cat([*parts, unit(pooled, f"{block}.branch4.1")], 1)
        if name in ("3b", "4e"):
            x = functional.max_pool2d(x, 3 if name == "3b" else 2, 2, ceil_mode=True)
    return net.dense(x.mean((2, 3)), "fc")


def mobilenet(net: Layers, x: Tensor) -> Tensor:
    def act(x: Tensor, key: str, stride: int = 1) -> Tensor:
        return functional.relu6(net.norm(net.conv(x, f"{key}.0", stride), f"{key}.1"))

    numbers = net.below("features.")
    x = act(x, "features.0", 2)
    for number in numbers[1:-1]:
        block, stride = f"features.{number}.conv", MOBILENET_STRIDES.get(number, 1)
        y, last = x, 1 if f"{block}.3.weight" not in net.state else 2
        for index in range(last):
            y = act(y, f"{block}.{index}", stride if index == last - 1 else 1)
        y = net.norm(net.conv(y, f"{block}.{last}"), f"{block}.{last + 1}")
        x = x + y if x.shape == y.shape else y
    x = act(x, f"features.{numbers[-1]}")
    return net.dense(x.mean((2, 3)), "classifier.1")


def efficientnet(net: Layers, x: Tensor) -> Tensor:
    def act(x: Tensor, key: str, stride: int = 1) -> Tensor:
        return functional.silu(net.norm(net.conv(x, f"{key}.0", stride), f"{key}.1"))

    x = act(x, "features.0", 2)
    for stage, strided in enumerate(EFFICIENTNET_STRIDES, 1):
        for number in net.below(f"features.{stage}."):
            block = f"features.{stage}.{number}.block"
            last, y = len(net.below(f"{block}.")) - 1, x
            y = act(y, f"{block}.0") if last == 3 else y
            y = act(y, f"{block}.{last - 2}", strided if number == 0 else 1)
            gate = functional.silu(net.conv(y.mean((2, 3), keepdim=True), f"{block}.{last - 1}.fc1"))
            y = y * net.conv(gate, f"{block}.{last - 1}.fc2").sigmoid()
            y = net.norm(net.conv(y, f"{block}.{last}.0"), f"{block}.{last}.1")
            x = x + y if x.shape == y.shape else y
    return net.dense(act(x, "features.8").mean((2, 3)), "classifier.1")


REFERENCES = {
    "alexnet": alexnet,
    "vgg": vgg,
    "resnet": resnet,
    "googlenet": googlenet,
    "mobilenetv2": mobilenet,
    "efficientnet": efficientnet,
}


RECORDED = json.loads((Path(__file__).parents[2] / "golden" / "weights_layout" / "outputs.json").read_text())
REFERRED = [name for name in TORCHVISION if models.resolve(name).family in REFERENCES]


def test_every_other_network_has_recorded_outputs() -> None:
    recorded = {each["model"] for each in RECORDED.values() if each["library"] == "torchvision"}
    assert recorded == set(TORCHVISION) - set(REFERRED)


def _spec(name: str) -> ModelSpec:
    kin = models.resolve(name).family
    # Adaptive pooling of a small map would repeat pixels, which ours does not.
    pixels = 224 if kin in ("alexnet", "vgg") else 64
    return models.resolve(name, width=0.125 if kin == "vgg" else 0.25, resolution=pixels, classes=20)


def _shapes(spec: ModelSpec) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in skeleton(spec).state_dict().items()}


def _path(state: State, folder: Path) -> Path:
    torch.save(state, folder / "weights.pth")
    path = obtain(f"torchvision:{folder / 'weights.pth'}", tell=lambda _: None)
    assert path is not None
    return path


@torch.no_grad()
@pytest.mark.parametrize("name", REFERRED)
def test_outputs_are_those_of_the_layout(name: str, generated: Generated, tmp_path: Path) -> None:
    spec = _spec(name)
    state = generated(_shapes(spec))
    network = build(spec, weights=_path(state, tmp_path)).double()
    images = torch.randn(spec.input_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    eps = 1e-3 if name in ("googlenet", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7") else 1e-5
    wanted = REFERENCES[spec.family](Layers(state, eps), images)
    assert float((network(images) - wanted).norm() / wanted.norm()) < 1e-9


@torch.no_grad()
def test_our_images_are_what_googlenets_transform_input_makes_of_theirs() -> None:
    spec = models.resolve("googlenet")
    ours, image = layouts.preprocessing(spec, None), torch.rand(3, 4, 4, dtype=torch.float64)
    assert ours is not None
    mean, std = (
        torch.tensor(v, dtype=torch.float64)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    transformed = (image - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5
    prepared = (image - torch.tensor(ours.mean)[:, None, None]) / torch.tensor(ours.std)[:, None, None]
    assert torch.allclose(prepared, transformed)


def test_a_network_that_torchvision_lacks_is_refused_by_name(generated: Generated, tmp_path: Path) -> None:
    spec = models.resolve("resnet20", width=0.5)
    with pytest.raises(UsageError, match=r"no torchvision layout of resnet20; there is one of alexnet_owt"):
        build(spec, weights=_path(generated(_shapes(spec)), tmp_path))
