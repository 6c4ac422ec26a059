"""The plan's arithmetic against torch's own layers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgebench.ground.errors import UsageError
from edgebench.models import plan

SIZES = st.integers(1, 60)


@given(size=SIZES, kernel=st.integers(1, 11), stride=st.integers(1, 4), padding=st.integers(0, 5))
def test_conv_shape_and_parameters_are_torchs(size: int, kernel: int, stride: int, padding: int) -> None:
    leaf = plan.Conv(6, kernel, stride, groups=2, bias=True, padding=padding)
    layer = nn.Conv2d(4, 6, kernel, stride, padding, groups=2, device="meta")
    if size + 2 * padding < kernel:
        with pytest.raises(UsageError, match="larger resolution"):
            leaf.output((4, size, size))
        return
    assert leaf.output((4, size, size + 3)) == layer(torch.empty(1, 4, size, size + 3, device="meta")).shape[1:]
    assert leaf.parameters((4, size, size)) == sum(p.numel() for p in layer.parameters())


@given(size=SIZES, window=st.integers(1, 5), stride=st.integers(1, 4), ceil=st.booleans(), data=st.data())
def test_pool_shape_is_torchs(size: int, window: int, stride: int, ceil: bool, data: st.DataObject) -> None:
    padding = data.draw(st.integers(0, window // 2))
    leaf = plan.Pool("max", window, stride, padding, ceil)
    try:
        expected = nn.MaxPool2d(window, stride, padding, ceil_mode=ceil)(torch.empty(1, 2, size, size, device="meta"))
    except RuntimeError:
        with pytest.raises(UsageError):
            leaf.output((2, size, size))
        return
    assert leaf.output((2, size, size)) == expected.shape[1:]


@given(height=SIZES, width=SIZES, grid=st.integers(1, 8))
def test_grid_pool_gives_the_grid_it_says(height: int, width: int, grid: int) -> None:
    leaf, shape = plan.GridPool(grid), (3, height, width)
    if not leaf.pools(shape):
        assert leaf.output(shape) == shape
        return
    pooled = nn.AvgPool2d(*leaf.windows(shape))(torch.empty(1, *shape, device="meta"))
    assert leaf.output(shape) == pooled.shape[1:]


@pytest.mark.parametrize("multiple", [1, 2, 3])
def test_grid_pool_is_adaptive_pooling_where_the_grid_divides(multiple: int) -> None:
    x = torch.randn(1, 2, 7 * multiple, 7 * multiple)
    leaf = plan.GridPool(7)
    ours = nn.AvgPool2d(*leaf.windows(tuple(x.shape[1:])))(x)
    torch.testing.assert_close(ours, nn.AdaptiveAvgPool2d(7)(x))


def test_grid_pool_is_googlenets_paper_pooling() -> None:
    """Szegedy et al., section 5: 5x5 windows with stride 3 make 4x4 of 14x14."""
    assert plan.GridPool(4).windows((512, 14, 14)) == ((5, 5), (3, 3))


def test_trace_visits_every_leaf_once_with_its_input_shape() -> None:
    network = plan.sequence(
        stem=plan.conv_norm(8, 3, 2, activation="relu"),
        block=plan.residual(plan.sequence(conv=plan.Conv(8, 3)), activation="relu"),
        mix=plan.Parallel((plan.Sequence(), plan.sequence(a=plan.Conv(4, 1))), "concat"),
        side=plan.SideBranch(plan.sequence(flat=plan.Flatten(), fc=plan.Dense(2))),
        pool=plan.GlobalPool(),
    )
    visited = [(type(leaf).__name__, shape) for leaf, shape in plan.trace(network, (3, 16, 16))]
    assert visited == [
        ("Conv", (3, 16, 16)),
        ("BatchNorm", (8, 8, 8)),
        ("Activation", (8, 8, 8)),
        ("Conv", (8, 8, 8)),
        ("Conv", (8, 8, 8)),
        ("Flatten", (12, 8, 8)),
        ("Dense", (768,)),
        ("GlobalPool", (12, 8, 8)),
    ]
    assert plan.parameters(network, (3, 16, 16)) == 8 * 27 + 16 + 8 * 72 + 4 * 8 + 2 * 769


def test_plans_are_values() -> None:
    assert plan.conv_norm(8, 3, activation="relu") == plan.conv_norm(8, 3, activation="relu")
    with pytest.raises(AttributeError):
        plan.Conv(8, 3).out = 4  # type: ignore[misc]
