"""Layouts: what reshapes keep in place, and how little is transposed in networks whose axes move."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.graph.batch import MixedBatch, batched_shapes
from edgebench.graph.layout import NHWC, plan, through
from edgebench.graph.operators import (
    Binary,
    Concat,
    Conv,
    Dense,
    Graph,
    Input,
    MatMul,
    Operator,
    Reduce,
    Reshape,
    Softmax,
    Transpose,
)


@st.composite
def reshapes(draw):
    """(source, layout, target): a shape, an order of its axes, and another shape with as many elements."""
    factors = draw(st.lists(st.sampled_from([1, 2, 2, 3]), min_size=2, max_size=6))

    def grouped() -> tuple[int, ...]:
        cuts = sorted(draw(st.sets(st.integers(1, len(factors) - 1))))
        return tuple(prod(factors[a:b]) for a, b in zip([0, *cuts], [*cuts, len(factors)], strict=True))

    source = grouped()
    return source, tuple(draw(st.permutations(range(len(source))))), grouped()


@given(reshapes())
def test_a_reshape_that_moves_nothing_leaves_the_bytes_as_they_are(case):
    source, layout, target = case
    found = through(source, layout, target)
    if found is not None:
        values = np.arange(prod(source)).reshape(source)
        before, after = values.transpose(layout), values.reshape(target).transpose(found)
        np.testing.assert_array_equal(before.ravel(), after.ravel())


@given(reshapes())
def test_torch_order_always_passes(case):
    source, _, target = case
    found = through(source, tuple(range(len(source))), target)
    assert found is not None and [axis for axis in found if target[axis] > 1] == sorted(
        axis for axis in found if target[axis] > 1
    )


def conv(name: str, source: str, channels: int) -> Conv:
    return Conv(
        name=name, inputs=(source,), shape=(1, channels, 8, 8), in_channels=channels, kernel=(3, 3),
        padding=(1, 1, 1, 1),
    )  # fmt: skip


def reshape(name: str, source: str, *shape: int) -> Reshape:
    return Reshape(name=name, inputs=(source,), shape=shape)


def transpose(name: str, source: Operator, *order: int) -> Transpose:
    shape = tuple(source.shape[axis] for axis in order)
    return Transpose(name=name, inputs=(source.name,), shape=shape, permutation=order)


IMAGE = Input(name="image", inputs=(), shape=(1, 16, 8, 8))


def graph(*operators: Operator, **constants: np.ndarray) -> Graph:
    return Graph((IMAGE, *operators), (operators[-1].name,), constants)


def shuffle() -> Graph:
    """Two groups of channels, dealt like cards between two convolutions."""
    split = reshape("split", "first", 1, 2, 8, 8, 8)
    dealt = transpose("dealt", split, 0, 2, 1, 3, 4)
    return graph(
        conv("first", "image", 16), split, dealt, reshape("joined", "dealt", 1, 16, 8, 8), conv("last", "joined", 16)
    )


def gate() -> Graph:
    """Means over rows and over columns, joined and parted again (coordinate attention)."""
    rows = Reduce(name="rows", inputs=("image",), shape=(1, 16, 8, 1), function="mean", axes=(3,))
    columns = Reduce(name="columns", inputs=("image",), shape=(1, 16, 1, 8), function="mean", axes=(2,))
    turned = transpose("turned", columns, 0, 1, 3, 2)
    joined = Concat(name="joined", inputs=("rows", "turned"), shape=(1, 16, 16, 1), axis=2)
    mean = Reduce(name="mean", inputs=("joined",), shape=(1, 16, 1, 1), function="mean", axes=(2,))
    scaled = Binary(name="scaled", inputs=("image", "mean"), shape=IMAGE.shape, function="mul")
    return graph(rows, columns, turned, joined, mean, scaled, conv("last", "scaled", 16))


def attention() -> Graph:
    """Two heads over 64 pixels as tokens, behind a convolution and before one."""
    tokens = reshape("tokens", "first", 1, 16, 64)
    rows = transpose("rows", tokens, 0, 2, 1)
    operators: list[Operator] = [conv("first", "image", 16), tokens, rows]
    for name in "qkv":
        layer = Dense(name=name, inputs=("rows",), shape=(1, 64, 16), in_features=16)
        split = reshape(f"{name}_split", name, 1, 64, 2, 8)
        operators += [layer, split, transpose(f"{name}_heads", split, 0, 2, 1, 3)]
    keys = transpose("keys", operators[8], 0, 1, 3, 2)
    operators += [
        keys,
        MatMul(name="scores", in_features=8, inputs=("q_heads", "keys"), shape=(1, 2, 64, 64)),
        Softmax(name="shares", inputs=("scores",), shape=(1, 2, 64, 64), axis=3),
        MatMul(name="mixed", in_features=64, inputs=("shares", "v_heads"), shape=(1, 2, 64, 8)),
    ]
    back = transpose("back", operators[-1], 0, 2, 1, 3)
    merged = reshape("merged", "back", 1, 64, 16)
    pixels = transpose("pixels", merged, 0, 2, 1)
    operators += [back, merged, pixels, reshape("image_again", "pixels", 1, 16, 8, 8), conv("last", "image_again", 16)]
    return graph(*operators)


def windows() -> Graph:
    """Windows of 4 x 4 pixels as rows of a dense layer, and back."""
    split = reshape("split", "image", 1, 16, 2, 4, 2, 4)
    parted = transpose("parted", split, 0, 2, 4, 3, 5, 1)
    rows = reshape("rows", "parted", 4, 16, 16)
    layer = Dense(name="layer", inputs=("rows",), shape=(4, 16, 16), in_features=16)
    inside = reshape("inside", "layer", 1, 2, 2, 4, 4, 16)
    return graph(split, parted, rows, layer, inside, reshape("whole", "inside", 1, 4, 256), conv_of_rows())


def conv_of_rows() -> Operator:
    return Dense(name="last", inputs=("whole",), shape=(1, 4, 5), in_features=256)


@pytest.mark.parametrize(
    ("network", "transposes"),
    [(shuffle(), 1), (gate(), 0), (attention(), 4), (windows(), 1)],
    ids=["shuffle", "gate", "attention", "windows"],
)
@pytest.mark.parametrize("batch", ["open", "one"])
def test_no_more_is_transposed_than_must_be(network, transposes, batch):
    shapes = batched_shapes(network) if batch == "open" else {one.name: one.shape for one in network.operators}
    layouts = plan(network, shapes)
    assert layouts.transposes == transposes
    sizes = [layouts.size(name) * len(layouts.copies(name)) for name in shapes]
    assert layouts.moved_bytes == 4 * sum(sizes)


def test_images_are_channels_last_where_convolutions_are():
    layouts = plan(shuffle(), batched_shapes(shuffle()))
    assert {layouts.chosen[name] for name in ("image", "first", "joined", "last")} == {NHWC}


def test_the_batch_goes_where_windows_go():
    shapes = batched_shapes(windows())
    assert shapes["rows"] == (-4, 16, 16)
    assert shapes["parted"] == (-1, 2, 2, 4, 4, 16)
    assert shapes["last"] == (-1, 4, 5)


@pytest.mark.parametrize(
    "operators",
    [
        [Softmax(name="end", inputs=("image",), shape=IMAGE.shape, axis=0)],
        [reshape("end", "image", 16, 64)],
        [Binary(name="end", inputs=("image", "c"), shape=(2, 16, 8, 8), function="add")],
    ],
    ids=["along the batch", "no batch at the end", "a constant along the batch"],
)
def test_what_mixes_images_says_so(operators):
    with pytest.raises(MixedBatch, match="end"):
        batched_shapes(graph(*operators, c=np.zeros((2, 1, 1, 1), np.float32)))
