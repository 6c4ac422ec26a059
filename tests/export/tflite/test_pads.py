"""Padding, over all that convolutions and pools can ask for: written, run by LiteRT, and compared with torch."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from edgebench.formats.tflite import pads
from edgebench.ground.errors import ExportError

sizes = st.tuples(st.integers(1, 13), st.integers(1, 13))
windows = st.tuples(st.integers(1, 5), st.integers(1, 5))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
sampled = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fits(network: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether torch itself accepts the parameters."""
    try:
        network(torch.zeros(shape))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (224, 3, 2, 1, pads.Pads(same=False, explicit=(1, 0, 1, 0))),  # torch never reads the last zeros
        (225, 3, 2, 1, pads.Pads(same=True)),
        (56, 3, 1, 1, pads.Pads(same=True)),
        (112, 5, 2, 2, pads.Pads(same=False, explicit=(2, 1, 2, 1))),
        (7, 1, 1, 0, pads.Pads(same=False)),
        (8, 1, 2, 0, pads.Pads(same=False)),
    ],
)
def test_which_padding_tflite_gets(size, kernel, stride, padding, expected):
    output = (size + 2 * padding - kernel) // stride + 1
    found = pads.plan((size,) * 2, (output,) * 2, (kernel,) * 2, (stride,) * 2, (1, 1), (padding,) * 4)
    assert found == expected


def test_real_part_of_windows():
    rows, columns = pads.real_part((4, 5), (3, 2), (3, 3), (2, 2), (1, 2, 0, 0))
    assert rows == [2, 3, 1]  # from -1, 1 and 3, three rows each, of which four exist
    assert columns == [3, 3]


@sampled
@given(
    size=sizes,
    kernel=windows,
    stride=strides,
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.sampled_from([1, 2, 4]),
    multiplier=st.integers(1, 2),
)
def test_convolutions(run, size, kernel, stride, padding, dilation, groups, multiplier):
    shape = (1, 4, *size)
    network = nn.Conv2d(4, 4 * multiplier, kernel, stride, padding, dilation, groups)
    assume(fits(network, shape))
    assert run(network, shape).error < 1e-5


@sampled
@given(
    size=sizes,
    window=windows,
    stride=strides,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    ceil=st.booleans(),
    counted=st.booleans(),
    mode=st.sampled_from(["max", "average", "max of positive"]),
)
def test_pools(run, size, window, stride, padding, ceil, counted, mode):
    shape = (1, 4, *size)
    network = nn.Sequential(nn.MaxPool2d(window, stride, padding, ceil_mode=ceil))
    if mode == "average":
        network = nn.Sequential(nn.AvgPool2d(window, stride, padding, ceil, counted))
    elif mode == "max of positive":
        network.insert(0, nn.ReLU())
    assume(fits(network, shape))
    try:
        found = run(network, shape)
    except ExportError as error:
        assert "counts its padding in ceil mode" in str(error)
        assert ceil and counted and any(padding) and mode == "average"
        return
    assert found.error < 1e-5
    # XNNPACK leaves windows with gaps between them to TFLite, and maxima that need padding below zero.
    gaps = any(step > width for step, width in zip(stride, window, strict=True))
    assert found.one_delegate or gaps or mode == "max"
