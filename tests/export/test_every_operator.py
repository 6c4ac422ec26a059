"""Every operator of the Graph, over the shapes it may have, in every format that is written from the Graph.

The file is run by its runtime, at two batch sizes, and compared with the replay.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edgebench.formats.coreml import writer as coreml
from edgebench.formats.coreml.evaluate import Program
from edgebench.formats.onnx.operators import EMITTERS as ONNX
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quantize.replay import ARITHMETIC, COMPARISONS, FUNCTIONS, REDUCTIONS, SLOPED, Replay
from edgebench.formats.tflite.graph import read_graph
from edgebench.formats.tflite.writer import EMITTERS as TFLITE
from edgebench.formats.tflite.writer import write
from edgebench.graph.operators import (
    Activation,
    ArgMax,
    Binary,
    Cast,
    Compare,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    Input,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Pick,
    Pool,
    PReLU,
    Reduce,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Subsample,
    TopK,
    Transpose,
    TransposedConv,
    Where,
)
from edgebench.graph.rank import within_rank
from edgebench.runtimes.litert import engine as litert
from edgebench.runtimes.onnxruntime import engine as onnxruntime

Draw = Callable[[st.SearchStrategy[Any]], Any]
Run = Callable[[np.ndarray], np.ndarray]
Made = tuple[list[Operator], dict[str, np.ndarray]]  # behind the input; the last is the output
random = np.random.default_rng(0)

size, few, flag = st.integers(1, 9), st.integers(1, 3), st.booleans()
POSITIVE = ("log", "sqrt", "rsqrt", "pow")
UNDELEGATED = (ArgMax, Cast, Compare, Pick, TopK, Where)
UNDELEGATED_FUNCTIONS = ("pow", "sign", "logical_not")


def floats(*shape: int) -> np.ndarray:
    return random.standard_normal(shape, dtype=np.float32)


def any_shape(draw: Draw) -> tuple[int, ...]:
    return (1, *draw(st.lists(size, min_size=1, max_size=4)))


def axis_of(draw: Draw, shape: tuple[int, ...]) -> int:
    return draw(st.integers(1, len(shape) - 1))


def conv(draw: Draw, shape: tuple[int, ...]) -> Made:
    kernel, stride, dilation = (tuple(draw(few) for _ in range(2)) for _ in range(3))
    groups = draw(st.sampled_from([number for number in range(1, shape[1] + 1) if shape[1] % number == 0]))
    padding = tuple(draw(st.integers(0, 3)) for _ in range(4))
    wide = [(taps - 1) * apart + 1 for taps, apart in zip(kernel, dilation, strict=True)]
    padding = tuple(max(side, wide[number // 2]) if shape[2 + number // 2] < wide[number // 2] else side
                    for number, side in enumerate(padding))  # fmt: skip
    out = [(shape[2 + i] + padding[2 * i] + padding[2 * i + 1] - wide[i]) // stride[i] + 1 for i in range(2)]
    channels = groups * draw(few)
    weight = floats(channels, shape[1] // groups, *kernel)
    return [
        Conv(name="y", inputs=("image",), shape=(1, channels, *out), in_channels=shape[1], kernel=kernel,
             stride=stride, padding=padding, dilation=dilation, groups=groups, weight=weight,
             bias=draw(st.sampled_from([None, floats(channels)])), activation=draw(st.sampled_from([None, "relu6"])))
    ], {}  # fmt: skip


def transposed_conv(draw: Draw, shape: tuple[int, ...]) -> Made:
    kernel, stride = (tuple(draw(few) for _ in range(2)) for _ in range(2))
    groups = draw(st.sampled_from([number for number in range(1, shape[1] + 1) if shape[1] % number == 0]))
    padding = tuple(draw(st.integers(0, (taps - 1) // 2)) for taps in kernel)
    more = [draw(st.integers(0, step - 1)) for step in stride]
    out = [(shape[2 + i] - 1) * stride[i] - 2 * padding[i] + kernel[i] + more[i] for i in range(2)]
    channels = groups * draw(few)
    return [
        TransposedConv(name="y", inputs=("image",), shape=(1, channels, *out), in_channels=shape[1], kernel=kernel,
                       stride=stride, padding=padding, groups=groups, bias=floats(channels),
                       weight=floats(shape[1], channels // groups, *kernel),
                       activation=draw(st.sampled_from([None, "relu"])))
    ], {}  # fmt: skip


def dense(draw: Draw, shape: tuple[int, ...]) -> Made:
    features = draw(size)
    return [
        Dense(name="y", inputs=("image",), shape=(*shape[:-1], features), in_features=shape[-1],
              weight=floats(features, shape[-1]), bias=draw(st.sampled_from([None, floats(features)])))
    ], {}  # fmt: skip


def matmul(draw: Draw, shape: tuple[int, ...]) -> Made:
    """With itself transposed, or with a constant on either side."""
    shape = shape if len(shape) > 2 else (1, *shape)
    rank, rows, columns, other = len(shape), shape[-2], shape[-1], draw(size)
    operators: list[Operator] = [Reshape(name="x", inputs=("image",), shape=shape)]
    case = draw(st.sampled_from(["itself", "left", "right"]))
    if case == "itself":
        swap = (*range(rank - 2), rank - 1, rank - 2)
        operators.append(Transpose(name="c", inputs=("x",), shape=(*shape[:-2], columns, rows), permutation=swap))
    names, summed, out, constant = {
        "itself": (("x", "c"), columns, (rows, rows), ()),
        "left": (("c", "x"), rows, (other, columns), (other, rows)),
        "right": (("x", "c"), columns, (rows, other), (columns, other)),
    }[case]
    operators.append(MatMul(name="y", inputs=names, in_features=summed, shape=(*shape[:-2], *out)))
    return operators, {"c": floats(*[1] * (rank - 2), *constant)} if constant else {}


def pool(mode: str) -> Callable[[Draw, tuple[int, ...]], Made]:
    def make(draw: Draw, shape: tuple[int, ...]) -> Made:
        window = tuple(min(draw(few), length) for length in shape[2:])
        stride = tuple(draw(few) for _ in range(2))
        dilated = mode == "max" and draw(flag) and all(length > 4 for length in shape[2:])
        dilation = (2, 2) if dilated else (1, 1)
        sides: list[int] = []
        out = []
        for length, taps, step, apart in zip(shape[2:], window, stride, dilation, strict=True):
            before = draw(st.integers(0, taps // 2))
            reach = (taps - 1) * apart + 1
            count = (length + 2 * before - reach) // step + 1
            ceil = -(-(length + 2 * before - reach) // step) + 1
            if draw(flag) and not dilated and (ceil - 1) * step < length + before:
                count = ceil
            sides += [before, max(before, (count - 1) * step + reach - length - before)]
            out.append(count)
        extra = {"counts_padding": draw(flag), "divisor": draw(st.sampled_from([None, 5]))}
        return [
            Pool(name="y", inputs=("image",), shape=(*shape[:2], *out), mode=mode, window=window, stride=stride,
                 padding=tuple(sides), dilation=dilation, **(extra if mode == "average" else {}))
        ], {}  # fmt: skip

    return make


def binary(draw: Draw, shape: tuple[int, ...]) -> Made:
    function = draw(st.sampled_from(sorted(ARITHMETIC)))
    constant = np.abs(floats(1, *(length if draw(flag) else 1 for length in shape[1:]))) + 0.5
    names = ("x", "c") if draw(flag) else ("c", "x")
    activation = draw(st.sampled_from([None, "relu"]))
    positive = Activation(name="x", inputs=("image",), shape=shape, function="sigmoid")
    return [positive, Binary(name="y", inputs=names, shape=shape, function=function, activation=activation)], {
        "c": constant
    }


def compare(draw: Draw, shape: tuple[int, ...]) -> Made:
    """where(image ? constant, image, constant), as a float."""
    function = draw(st.sampled_from(sorted(name for name in COMPARISONS if not name.startswith("logical"))))
    both = draw(st.sampled_from(["logical_and", "logical_or"]))
    constant = floats(*[1] * len(shape))
    operators = [
        Compare(name="a", inputs=("image", "c"), shape=shape, function=function, dtype="bool"),
        Compare(name="b", inputs=("a", "m"), shape=shape, function=both, dtype="bool"),
        Activation(name="n", inputs=("b",), shape=shape, function="logical_not", dtype="bool"),
        Where(name="w", inputs=("n", "image", "c"), shape=shape),
        Cast(name="f", inputs=("b",), shape=shape),
        Binary(name="y", inputs=("w", "f"), shape=shape, function="add"),
    ]
    return operators, {"c": constant, "m": np.full([1] * len(shape), both == "logical_and")}


def activation(function: str) -> Callable[[Draw, tuple[int, ...]], Made]:
    def make(draw: Draw, shape: tuple[int, ...]) -> Made:
        if function == "logical_not":
            return compare(draw, shape)
        slope = draw(st.sampled_from([1.0, 0.3]))
        last = Activation(name="y", inputs=("x",), shape=shape, function=function, slope=slope)
        before = "sigmoid" if function in POSITIVE else "gelu"
        return [Activation(name="x", inputs=("image",), shape=shape, function=before), last], {}

    return make


def reduce(draw: Draw, shape: tuple[int, ...]) -> Made:
    """With its axes kept, or dropped by a reshape."""
    axes = tuple(sorted(draw(st.sets(st.integers(1, len(shape) - 1), min_size=1))))
    function = draw(st.sampled_from(sorted(REDUCTIONS)))
    kept = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    made: list[Operator] = [Reduce(name="y", inputs=("image",), shape=kept, function=function, axes=axes)]
    if draw(flag):
        left = tuple(length for axis, length in enumerate(shape) if axis not in axes)
        made.append(Reshape(name="z", inputs=("y",), shape=left))
    return made, {}


def concat(draw: Draw, shape: tuple[int, ...]) -> Made:
    axis, count = axis_of(draw, shape), draw(st.integers(2, 7))
    total = tuple(length * count if number == axis else length for number, length in enumerate(shape))
    names = ["image", *(draw(st.sampled_from(["image", "x", "c"])) for _ in range(count - 1))]
    doubled = Binary(name="x", inputs=("image", "image"), shape=shape, function="add")
    order = tuple(draw(st.permutations(names)))
    return [doubled, Concat(name="y", inputs=order, shape=total, axis=axis)], {"c": floats(*shape)}


def reshape(draw: Draw, shape: tuple[int, ...]) -> Made:
    """Flattened, split and permuted: what shuffles and windows are made of."""
    total, axis = prod(shape), axis_of(draw, shape)
    factor = draw(st.sampled_from([number for number in range(1, shape[axis] + 1) if shape[axis] % number == 0]))
    split = (*shape[:axis], factor, shape[axis] // factor, *shape[axis + 1 :])
    order = (0, *draw(st.permutations(range(1, len(split)))))
    permuted = tuple(split[number] for number in order)
    return [
        Reshape(name="a", inputs=("image",), shape=split),
        Transpose(name="b", inputs=("a",), shape=permuted, permutation=order),
        Reshape(name="y", inputs=("b",), shape=draw(st.sampled_from([(1, total), shape]))),
    ], {}


def slice_(draw: Draw, shape: tuple[int, ...]) -> Made:
    axis = axis_of(draw, shape)
    start, step = draw(st.integers(0, shape[axis] - 1)), draw(few)
    count = draw(st.integers(1, -(-(shape[axis] - start) // step)))
    out = tuple(count if number == axis else length for number, length in enumerate(shape))
    return [Slice(name="y", inputs=("image",), shape=out, axis=axis, start=start, step=step)], {}


def pad(draw: Draw, shape: tuple[int, ...]) -> Made:
    mode = draw(st.sampled_from(["constant", "reflect"]))
    limits = [min(3, length - 1) if mode == "reflect" else 3 for length in shape]
    amounts = tuple((0, 0) if number == 0 else (draw(st.integers(0, most)), draw(st.integers(0, most)))
                    for number, most in enumerate(limits))  # fmt: skip
    out = tuple(length + sum(both) for length, both in zip(shape, amounts, strict=True))
    value = draw(st.sampled_from([0.0, 2.5]))
    return [Pad(name="y", inputs=("image",), shape=out, amounts=amounts, value=value, mode=mode)], {}


def expand(draw: Draw, shape: tuple[int, ...]) -> Made:
    axes = tuple(sorted(draw(st.sets(st.integers(1, len(shape) - 1), min_size=1))))
    kept = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    out = tuple(draw(few) if axis in axes else length for axis, length in enumerate(shape))
    small = Reduce(name="x", inputs=("image",), shape=kept, function="max", axes=axes)
    return [small, Expand(name="y", inputs=("x",), shape=out)], {}


def gather(draw: Draw, shape: tuple[int, ...]) -> Made:
    axis = axis_of(draw, shape)
    indices = tuple(draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=14)))
    out = tuple(len(indices) if number == axis else length for number, length in enumerate(shape))
    return [Gather(name="y", inputs=("image",), shape=out, axis=axis, indices=indices)], {}


def argmax(draw: Draw, shape: tuple[int, ...]) -> Made:
    axis, keep = axis_of(draw, shape), draw(flag)
    out = tuple(1 if number == axis else length for number, length in enumerate(shape) if keep or number != axis)
    return [ArgMax(name="y", inputs=("image",), shape=out, axis=axis, keep=keep, dtype="int32")], {}


def topk(draw: Draw, shape: tuple[int, ...]) -> Made:
    """The largest, and where these are."""
    axis = axis_of(draw, shape)
    out = tuple(draw(st.integers(1, length)) if number == axis else length for number, length in enumerate(shape))
    return [
        TopK(name="v", inputs=("image",), shape=out, axis=axis),
        TopK(name="i", inputs=("image",), shape=out, axis=axis, indices=True, dtype="int32"),
        Cast(name="f", inputs=("i",), shape=out),
        Binary(name="y", inputs=("v", "f"), shape=out, function="add"),
    ], {}


def pick(draw: Draw, shape: tuple[int, ...]) -> Made:
    """Of an axis, at the place of the largest of it for each of the last axis; of a constant, too."""
    axis, last = axis_of(draw, shape), len(shape) - 1
    others = tuple(number for number in range(len(shape) - 1) if number != axis)
    ranked = tuple(1 if number in others else length for number, length in enumerate(shape))
    names = ("image", "i") if draw(flag) else ("c", "i")
    count = shape[axis] if axis == last else shape[last]
    out = tuple(count if number == axis else length for number, length in enumerate(shape))
    along = ArgMax(name="a", inputs=("m",), shape=ranked[:axis] + ranked[axis + 1 :], axis=axis, dtype="int32")
    if axis == last:
        along = TopK(name="a", inputs=("m",), shape=ranked, axis=axis, indices=True, dtype="int32")
    return [
        Reduce(name="m", inputs=("image",), shape=ranked, function="max", axes=others),
        along,
        Reshape(name="i", inputs=("a",), shape=(count,), dtype="int32"),
        Pick(name="y", inputs=names, shape=out, axis=axis),
    ], {"c": floats(*shape)}


def softmax(draw: Draw, shape: tuple[int, ...]) -> Made:
    return [Softmax(name="y", inputs=("image",), shape=shape, axis=axis_of(draw, shape))], {}


def prelu(draw: Draw, shape: tuple[int, ...]) -> Made:
    slopes = floats(1, shape[1], *[1] * (len(shape) - 2))
    return [PReLU(name="y", inputs=("image", "c"), shape=shape)], {"c": slopes}


def resize(draw: Draw, shape: tuple[int, ...]) -> Made:
    out = (*shape[:2], draw(size), draw(size))
    return [Resize(name="y", inputs=("image",), shape=out, align_corners=draw(flag))], {}


def blocks(draw: Draw, shape: tuple[int, ...]) -> Made:
    """Pixels into channels, and back."""
    block, (_, channels, height, width) = draw(st.integers(2, 3)), shape
    grown = (1, channels, height * block, width * block)
    repeated = Resize(name="a", inputs=("image",), shape=grown)
    deep = SpaceToDepth(name="b", inputs=("a",), shape=(1, channels * block**2, height, width), block=block)
    scaled = Binary(name="c", inputs=("b", "k"), shape=deep.shape, function="mul")
    return [repeated, deep, scaled, DepthToSpace(name="y", inputs=("c",), shape=grown, block=block)], {
        "k": floats(1, channels * block**2, 1, 1)
    }


def subsample(draw: Draw, shape: tuple[int, ...]) -> Made:
    stride = (draw(few), draw(few))
    out = (*shape[:2], *(-(-length // step) for length, step in zip(shape[2:], stride, strict=True)))
    return [Subsample(name="y", inputs=("image",), shape=out, stride=stride)], {}


def global_pool(draw: Draw, shape: tuple[int, ...]) -> Made:
    out = (*shape[:2], 1, 1) if draw(flag) else shape[:2]
    return [GlobalPool(name="y", inputs=("image",), shape=out)], {}


def response_norm(draw: Draw, shape: tuple[int, ...]) -> Made:
    beta = draw(st.sampled_from([0.25, 0.5, 0.6, 0.75, 1.0]))
    size = draw(st.integers(1, 5))
    return [LocalResponseNorm(name="y", inputs=("image",), shape=shape, size=size, alpha=0.3, beta=beta, k=1.5)], {}


def image_shape(draw: Draw) -> tuple[int, ...]:
    return (1, draw(size), draw(size), draw(size))


IMAGES = {
    Conv: conv,
    TransposedConv: transposed_conv,
    "max": pool("max"),
    "average": pool("average"),
    Resize: resize,
    SpaceToDepth: blocks,
    Subsample: subsample,
    GlobalPool: global_pool,
    LocalResponseNorm: response_norm,
}
ANY = {
    Dense: dense,
    MatMul: matmul,
    Binary: binary,
    Compare: compare,
    PReLU: prelu,
    Reduce: reduce,
    Softmax: softmax,
    ArgMax: argmax,
    Concat: concat,
    Transpose: reshape,
    Slice: slice_,
    Pad: pad,
    Expand: expand,
    Gather: gather,
    TopK: topk,
    Pick: pick,
    **{function: activation(function) for function in (*FUNCTIONS, *SLOPED)},
}
CASES = [(make, image_shape) for make in IMAGES.values()] + [(make, any_shape) for make in ANY.values()]
NAMES = [getattr(each, "__name__", each) for each in (*IMAGES, *ANY)]


def test_the_tables_have_every_operator_that_can_be_written():
    inside = {Cast, Where, Reshape, DepthToSpace, Activation, Pool}  # part of others' networks
    every = {each for each in (*IMAGES, *ANY) if isinstance(each, type)} | inside
    assert set(TFLITE) == set(ONNX) == set(coreml.EMITTERS) == every


def batches(graph: Graph) -> tuple[int, ...]:
    """What picks by what it computes mixes images."""
    return (1,) if any(isinstance(one, Pick) for one in graph.operators) else (1, 3)


def as_tflite(graph: Graph, folder: Path) -> None:
    path = folder / "one.tflite"
    written = write(graph, path)
    for batch in batches(graph):
        session = litert.load(str(path), batch=batch)
        compare_with_replay(graph, batch, lambda x, run=session.run: run(last(x)), last)
        if not any(map(stays_outside, graph.operators)):
            assert session.delegates <= 1
    assert bool(written.notes) == (batches(graph) == (1,))
    assert written.operators.get("TRANSPOSE", 0) <= written.transposes
    read = read_graph(path)
    assert prod(read.shape(read.output)) == prod(graph.shape(graph.output))


def as_onnx(graph: Graph, folder: Path) -> None:
    model, notes = translate(graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, folder / "one.onnx")
    for batch in batches(graph):
        session = onnxruntime.load(str(folder / "one.onnx"), batch=batch)
        compare_with_replay(graph, batch, session.run)
    assert bool(notes) == (batches(graph) == (1,))


def as_coreml(graph: Graph, folder: Path) -> None:
    """CoreML's programs are evaluated as they are built, which takes milliseconds."""
    whole, half = (
        Program(coreml.program(graph, ["image"], ["logits"], half=half).functions["main"]) for half in (False, True)
    )
    compare_with_replay(graph, 1, whole.run, typed=False)
    assert {variable.dtype.__name__ for variable in (*half.inputs, *half.outputs)} == {"fp32"}


@pytest.mark.parametrize("written", [as_tflite, as_onnx, as_coreml])
@pytest.mark.parametrize(("make", "shape_of"), CASES, ids=NAMES)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_operator_is_what_it_means(data, make, shape_of, written, tmp_path):
    shape = shape_of(data.draw)
    operators, constants = make(data.draw, shape)
    written(
        Graph((Input(name="image", inputs=(), shape=shape), *operators), (operators[-1].name,), constants), tmp_path
    )


@pytest.mark.parametrize("make", [each for each in ANY.values() if each not in map(ANY.get, (*FUNCTIONS, *SLOPED))])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_an_operator_of_many_axes_is_done_over_five(data, make):
    shape = (1, *data.draw(st.lists(few, min_size=5, max_size=6)))
    operators, constants = make(data.draw, shape)
    graph = Graph((Input(name="image", inputs=(), shape=shape), *operators), (operators[-1].name,), constants)
    lower = within_rank(graph, 5)
    assume(sum(map(any, getattr(operators[0], "amounts", ()))) <= 5)  # more padded axes stay apart
    assert max((len(one.shape) for one in lower.computed if not isinstance(one, Reshape)), default=0) <= 5
    compare_with_replay(graph, 1, lambda x: Replay(lower)(torch.from_numpy(x)).numpy())


def compare_with_replay(graph: Graph, batch: int, run: Run, turned: Run = np.asarray, *, typed: bool = True) -> None:
    x = np.random.default_rng(batch).standard_normal((batch, *graph.input.shape[1:]), dtype=np.float32)
    with torch.inference_mode():
        expected = turned(torch.cat([Replay(graph)(torch.from_numpy(each[None])) for each in x]).numpy())
    found = run(x)
    assert found.shape == expected.shape and (found.dtype == expected.dtype or not typed)
    np.testing.assert_allclose(found, expected, atol=3e-5 * max(1.0, float(np.abs(expected).max())))


def stays_outside(one: Operator) -> bool:
    """Whether XNNPACK has no kernel for an operator, or none for windows with gaps between them."""
    gaps = isinstance(one, Pool) and any(step > width for step, width in zip(one.stride, one.window, strict=True))
    return gaps or isinstance(one, UNDELEGATED) or getattr(one, "function", None) in UNDELEGATED_FUNCTIONS


def last(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if values.ndim == 4 else values
