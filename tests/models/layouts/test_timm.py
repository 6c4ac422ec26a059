"""timm's layouts: generated files give what a reference says that is written from timm's own names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgebench import models
from edgebench.ground.records import ModelSpec
from edgebench.models import layouts
from edgebench.models.build import build
from edgebench.models.layouts.library import LIBRARIES
from edgebench.models.layouts.reference import obtain

LAYOUTS = Path(__file__).parents[2] / "golden" / "weights_layout"
SHAPES = {path.stem: json.loads(path.read_text()) for path in sorted((LAYOUTS / "timm").glob("*.json"))}
RECORDED = json.loads((LAYOUTS / "outputs.json").read_text())  # asserted in test_outputs.py
State = dict[str, Tensor]
Generated = Callable[[dict[str, list[int]]], State]

STRIDES = {"mobilenetv1": (1, 2, 2, 2, 2), "mobilenetv2": (1, 2, 2, 2, 1, 2, 1), "efficientnet": (1, 2, 2, 2, 1, 2, 1)}
SPECS = {
    "mobilenetv1_100": models.resolve("mobilenetv1", resolution=32),
    "mobilenetv2_100": models.resolve("mobilenetv2", resolution=32),
    "mobilenetv2_140": models.resolve("mobilenetv2", width=1.4, resolution=32),
    "efficientnet_b0": models.resolve("efficientnet_b0", resolution=32),
    "efficientnet_lite0": models.resolve("efficientnet_lite0", resolution=32),
    "tf_efficientnet_lite4": models.resolve("efficientnet_lite4", resolution=32),
}


class Reference:
    """timm's EfficientNet class and its relatives, from the keys alone: which layers a block has is in their names."""

    def __init__(self, state: State, name: str, eps: float, *, same: bool = False) -> None:
        self.state = {key: value.double() for key, value in state.items()}
        self.eps, self.same = eps, same
        self.act = functional.silu if name == "efficientnet_b0" else functional.relu6
        self.v1 = name == "mobilenetv1_100"
        self.strides = next((s for key, s in STRIDES.items() if name.startswith(key)), STRIDES["efficientnet"])

    def conv(self, x: Tensor, key: str, stride: int = 1) -> Tensor:
        weight, bias = self.state[f"{key}.weight"], self.state.get(f"{key}.bias")
        pad = weight.shape[-1] // 2
        if self.same and stride == 2:  # of even sizes: one row and column less at the start
            x, pad = functional.pad(x, (pad - 1, pad, pad - 1, pad) if x.shape[-1] % 2 == 0 else (pad,) * 4), 0
        return functional.conv2d(x, weight, bias, stride, pad, groups=x.shape[1] // weight.shape[1])

    def norm(self, x: Tensor, key: str) -> Tensor:
        scale, shift, mean, variance = (
            self.state[f"{key}.{leaf}"][:, None, None] for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + self.eps).sqrt() * scale + shift

    def squeeze(self, x: Tensor, block: str) -> Tensor:
        if f"{block}.se.conv_reduce.weight" not in self.state:
            return x
        gate = self.act(self.conv(x.mean((2, 3), keepdim=True), f"{block}.se.conv_reduce"))
        return x * self.conv(gate, f"{block}.se.conv_expand").sigmoid()

    def block(self, x: Tensor, block: str, stride: int) -> Tensor:
        inverted = f"{block}.conv_pwl.weight" in self.state
        y = self.act(self.norm(self.conv(x, f"{block}.conv_pw"), f"{block}.bn1")) if inverted else x
        y = self.act(self.norm(self.conv(y, f"{block}.conv_dw", stride), f"{block}.bn{1 + inverted}"))
        y = self.squeeze(y, block)
        last = f"{block}.conv_pw{'l' if inverted else ''}"
        y = self.norm(self.conv(y, last), f"{block}.bn{2 + inverted}")
        if self.v1:
            return self.act(y)
        return x + y if x.shape == y.shape else y

    def __call__(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x, "conv_stem", 2), "bn1"))
        blocks = sorted({tuple(map(int, key.split(".")[1:3])) for key in self.state if key.startswith("blocks.")})
        for stage, number in blocks:
            x = self.block(x, f"blocks.{stage}.{number}", self.strides[stage] if number == 0 else 1)
        if not self.v1:
            x = self.act(self.norm(self.conv(x, "conv_head"), "bn2"))
        return functional.linear(x.mean((2, 3)), self.state["classifier.weight"], self.state["classifier.bias"])


def _eps(name: str) -> float:
    return 1e-3 if name.startswith("tf_") else 1e-5


def _library(name: str) -> str:
    return "timm-tf" if name.startswith("tf_") else "timm"


def _path(state: State, library: str, folder: Path) -> Path:
    torch.save(state, folder / "weights.pth")
    path = obtain(f"{library}:{folder / 'weights.pth'}", tell=lambda _: None)
    assert path is not None
    return path


def _images(spec: ModelSpec) -> Tensor:
    return torch.randn(spec.input_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_every_family_of_timm_has_a_reference() -> None:
    assert set(SPECS) == set(SHAPES)
    tables = {
        (library, name): found.rows for library in ("timm", "timm-tf") for name, found in LIBRARIES[library].items()
    }
    tested = [layouts.layout("timm", spec.name).rows for spec in SPECS.values()]
    tested += [tables[row["library"], row["model"]] for row in RECORDED.values() if row["library"] != "torchvision"]
    assert all(rows in tested for rows in tables.values() if rows)


@torch.no_grad()
@pytest.mark.parametrize("name", SPECS)
def test_outputs_are_those_of_the_layout(name: str, generated: Generated, tmp_path: Path) -> None:
    state, spec = generated(SHAPES[name]), SPECS[name]
    network, images = build(spec, weights=_path(state, _library(name), tmp_path)).double(), _images(spec)
    same = _library(name) == "timm-tf"
    assert _error(network(images), Reference(state, name, _eps(name), same=same)(images)) < 1e-9


@torch.no_grad()
@pytest.mark.parametrize("name", ["mobilenetv1_100", "mobilenetv2_100", "efficientnet_b0", "efficientnet_lite0"])
def test_the_reference_tells_any_two_keys_apart(name: str, generated: Generated) -> None:
    """Neighbours of one shape that change places change the outputs by far more than the tolerance above."""
    state, images = generated(SHAPES[name]), _images(SPECS[name])
    before = Reference(state, name, _eps(name))(images)
    last: dict[torch.Size, str] = {}
    pairs = []
    for key, value in state.items():
        if value.dim() and value.shape in last:
            pairs.append((last[value.shape], key))
        last[value.shape] = key
    for left, right in pairs[:: max(1, len(pairs) // 12)]:
        swapped = state | {left: state[right].abs() if left.endswith("var") else state[right], right: state[left]}
        swapped[right] = swapped[right].abs() if right.endswith("var") else swapped[right]
        assert _error(Reference(swapped, name, _eps(name))(images), before) > 1e-6, (left, right)


@torch.no_grad()
def test_epsilon_and_resnets_keys_are_theirs(generated: Generated, tmp_path: Path) -> None:
    """A batch norm with hardly any variance shows which epsilon is used."""
    state = generated(SHAPES["efficientnet_lite0"])
    state["bn1.running_var"] = torch.full_like(state["bn1.running_var"], 1e-4)
    spec = SPECS["efficientnet_lite0"]
    images = _images(spec)
    for library, eps in (("timm", 1e-5), ("timm-tf", 1e-3)):
        found = build(spec, weights=_path(state, library, tmp_path)).double()(images)
        reference = Reference(state, "efficientnet_lite0", eps, same=library == "timm-tf")
        assert _error(found, reference(images)) < 1e-9
    resnet = models.resolve("resnet18", width=0.25, resolution=32)
    ours = build(resnet, seed=3)
    same = build(resnet, weights=_path(ours.state_dict(), "timm", tmp_path))
    assert all(torch.equal(value, same.state_dict()[key]) for key, value in ours.state_dict().items())


def test_images_are_prepared_as_timm_does(generated: Generated, tmp_path: Path) -> None:
    spec = models.resolve("efficientnet_lite0")
    state = generated(SHAPES["efficientnet_lite0"])
    theirs = layouts.preprocessing(spec, _path(state, "timm", tmp_path))
    ours = layouts.preprocessing(spec, None)
    assert theirs is not None and ours is not None and ours == models.preprocessing(spec)
    assert (theirs.mean, theirs.interpolation, theirs.resize) == ((0.485, 0.456, 0.406), "bicubic", 256)
    assert ours.mean == (127 / 255,) * 3
    converted = layouts.preprocessing(spec, _path(state, "timm-tf", tmp_path))
    assert converted is not None and converted.std == (0.5,) * 3
    resnet = layouts.preprocessing(models.resolve("resnet50"), _path(state, "timm", tmp_path))
    assert resnet is not None and (resnet.resize, resnet.interpolation) == (236, "bicubic")
    grey = layouts.preprocessing(models.resolve("efficientnet_lite0", channels=1), _path(state, "timm", tmp_path))
    assert grey is not None and len(grey.mean) == 1


THROUGH = {  # of lukemelas, as they stand before and in a block, the names of timm's that mean the same
    "conv_stem": "_conv_stem",
    "bn1": "_bn0",
    "conv_head": "_conv_head",
    "bn2": "_bn1",
    "classifier": "_fc",
    "conv_dw": "_depthwise_conv",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
}


def _numbered_through(state: State) -> State:
    """The same values under lukemelas's names: blocks counted through, batch norms from the one that may be missing."""
    order = dict.fromkeys(tuple(name.split(".")[1:3]) for name in state if name.startswith("blocks."))
    numbers = {key: number for number, key in enumerate(order)}
    renamed = {}
    for name, value in state.items():
        path, _, leaf = name.rpartition(".")
        if not path.startswith("blocks."):
            renamed[f"{THROUGH[path]}.{leaf}"] = value
            continue
        _, stage, block, part = path.split(".", 3)
        inverted = f"blocks.{stage}.{block}.conv_pwl.weight" in state
        expand, project = ("_expand_conv", "_project_conv") if inverted else ("_project_conv", "")
        norms = {f"bn{number}": f"_bn{number - inverted}" for number in (1, 2, 3)}
        own = {**THROUGH, **norms, "conv_pw": expand, "conv_pwl": project}[part]
        renamed[f"_blocks.{numbers[stage, block]}.{own}.{leaf}"] = value
    return renamed


@torch.no_grad()
@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_lite0", "tf_efficientnet_lite4"])
def test_blocks_that_are_numbered_through(name: str, generated: Generated, tmp_path: Path) -> None:
    state, spec = generated(SHAPES[name]), SPECS[name]
    through = _numbered_through(state)
    assert {"_blocks.0._depthwise_conv.weight", "_blocks.1._expand_conv.weight", "_blocks.1._bn2.bias"} <= set(through)
    network = build(spec, weights=_path(through, "lukemelas", tmp_path)).double()
    assert _error(network(_images(spec)), Reference(state, name, 1e-3, same=True)(_images(spec))) < 1e-9
    assert layouts.hint(spec.name, through, network.state_dict()) == "lukemelas"
