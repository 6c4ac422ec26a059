"""Every network of the zoo as TFLite: what torch computes, one delegate, no transposition, at any batch."""

import pytest

from edgebench import models
from edgebench.models.build import build

# Small enough for a test; the kernels, strides and paddings stay the published ones.
POINTS = {
    "lenet5": {},
    "alexnet": {"width": 0.25},
    "alexnet_owt": {"width": 0.25, "resolution": 128},
    "vgg": {"width": 0.125, "resolution": 64},
    "resnet": {"resolution": 64},
    "plain": {"resolution": 64},
    "resnet20": {},
    "resnet56": {},
    "plain20": {},
    "plain56": {},
    "efficientnet": {"width": 0.5, "resolution": 64},
    "mobilenetv4": {"width": 0.5, "resolution": 64},
}
LARGE = {"resnet101", "resnet152", *(f"efficientnet_b{phi}" for phi in range(2, 8)), "efficientnet_lite3"}
LARGE |= {"mobilenetv4_conv_large", "efficientnetv2_s", *(f"efficientnetv2_b{phi}" for phi in range(1, 4))}
NAMES = [name for name in models.names() if name not in LARGE]


def point(name: str) -> dict[str, float]:
    """The scaling of a name, or of the longest family prefix that has one."""
    stem = max((stem for stem in POINTS if name.startswith(stem)), key=len, default="")
    return POINTS.get(stem, {"resolution": 96})


@pytest.mark.parametrize("name", NAMES)
def test_network(run, name):
    spec = models.resolve(name, **point(name))
    found = run(build(spec), spec.input_shape)
    assert found.error < 1e-5
    assert found.one_delegate
    assert ("TRANSPOSE" in found.operators) == (spec.family == "shufflenetv2")  # its shuffles are transpositions


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnet_b0", "alexnet"])
def test_half_precision(run, name):
    spec = models.resolve(name, **point(name))
    found = run(build(spec), spec.input_shape, "fp16")
    assert found.error < 2e-2
    assert found.one_delegate


def test_odd_resolution_needs_no_explicit_padding(run):
    """At odd sizes torch's stride-2 padding is TFLite's SAME."""
    spec = models.resolve("mobilenetv1", resolution=97)
    assert "PAD" not in run(build(spec), spec.input_shape).operators
