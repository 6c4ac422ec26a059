"""What a runtime has to do for a graph: one Work an operator, in the quantities that cost time.

A Work says nothing of a device. It differs between runtimes only where their kernels do: ncnn runs 3x3 convolutions
of stride 1 by Winograd's method, and edgebench's TFLite writer takes local response normalisation apart.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from typing import Final, Literal, NamedTuple

from edgebench.graph.cost import macs, weights
from edgebench.graph.operators import (
    Activation,
    Binary,
    Concat,
    Conv,
    Dense,
    GlobalPool,
    Graph,
    Input,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Pool,
    Reshape,
    Softmax,
    Subsample,
    TransposedConv,
    once,
)
from edgebench.runtimes import runtime as entry

Kind = Literal[
    "gemm", "winograd", "depthwise", "dense", "elementwise", "exponential", "normalize", "resize", "detection"
]
# The same on a processor that is no CPU: see accelerated/form.py.
Group = Literal["layer", "depthwise", "product", "copy", "function", "affine", "norm", "transpose", "layout"]

# Functions that need an exponential an element; the others are a few arithmetic instructions.
_EXPONENTIAL: Final = (
    "sigmoid", "silu", "tanh", "gelu", "gelu_tanh", "elu", "softplus", "mish", "exp", "log", "sin", "cos", "erf",
)  # fmt: skip
_CLAMPS: Final = (None, "relu", "relu6", "relu_n1_to_1")  # free inside the kernel before them

# What the networks that calibrations are fitted on consist of.
FITTED: Final = (
    Input, Conv, Dense, Pool, GlobalPool, Binary, Concat, Activation, LocalResponseNorm, Reshape, Pad, Softmax,
    Subsample,
)  # fmt: skip

# ncnn's convolution_arm.cpp takes Winograd's method from about this many channels on.
_WINOGRAD_CHANNELS: Final = 16


class Work(NamedTuple):
    """One kernel's work at batch 1, in multiply-accumulates and elements.

    `columns` is the size of the patch matrix that a convolution larger than 1x1 gathers, `reads` leaves weights out;
    a pool reads its whole window for every element it writes.
    """

    kind: Kind | Group
    reads: int
    writes: int
    macs: int = 0
    weights: int = 0
    columns: int = 0


@once
def works(graph: Graph, runtime: str) -> tuple[Work, ...]:
    """Returns the kernels that `runtime` runs for `graph`, in execution order."""
    return tuple(work for _, work in named_works(graph, runtime))


@once
def fitted_works(graph: Graph, runtime: str) -> tuple[Work, ...]:
    """Those of `works` whose kinds of operators the calibrations are fitted on."""
    return tuple(work for name, work in named_works(graph, runtime) if isinstance(graph[name], FITTED))


def named_works(graph: Graph, runtime: str, only: Container[str] | None = None) -> Iterator[tuple[str, Work]]:
    """Yields the kernels of `works`, each with the name of its operator; `only` those operators' if given."""
    for operator in graph.operators:
        if only is not None and operator.name not in only:
            continue
        reads = sum(producer.elements for producer in graph.producers(operator))
        for work in _operator(operator, reads, runtime):
            yield operator.name, work


def convolution(conv: Conv, reads: int, runtime: str) -> Work:
    """The work of one convolution that reads `reads` input elements."""
    fits = conv.kernel == (3, 3) and conv.stride == (1, 1) and conv.dilation == (1, 1) and conv.groups == 1
    wide = min(conv.in_channels, conv.shape[1]) >= _WINOGRAD_CHANNELS
    winograd = fits and wide and "winograd" in entry(runtime).kernels
    kind: Kind = "depthwise" if conv.depthwise else "winograd" if winograd else "gemm"
    columns = 0 if conv.kernel == (1, 1) else macs(conv, reads) // conv.shape[1]
    return Work(kind, reads, conv.elements, macs(conv, reads), weights(conv), columns if kind == "gemm" else 0)


def normalization(channels: int, pixels: int, runtime: str) -> list[Work]:
    """The work of a local response normalisation over `channels` x `pixels`."""
    elements = channels * pixels
    if "normalize" in entry(runtime).kernels:
        return [Work("normalize", elements, elements)]
    # Square, a 1x1 convolution with a band matrix, two roots or their like, a product.
    band = Work("gemm", elements, elements, macs=elements * channels, weights=channels**2)
    return [Work("elementwise", elements, elements), band, *[Work("elementwise", elements, elements)] * 3]


def _dense(dense: Dense, reads: int) -> Work:
    """A dense layer of one row reads its weights for that row alone; of many it is a 1x1 convolution."""
    kind: Kind = "dense" if dense.elements == dense.shape[-1] else "gemm"
    return Work(kind, reads, dense.elements, macs(dense, reads), weights(dense))


def _operator(operator: Operator, reads: int, runtime: str) -> Iterator[Work]:
    if isinstance(operator, Input | Reshape):
        return
    if isinstance(operator, Conv):
        yield convolution(operator, reads, runtime)
    elif isinstance(operator, Dense):
        yield _dense(operator, reads)
    elif isinstance(operator, TransposedConv | MatMul):
        yield Work("gemm", reads, operator.elements, macs(operator, reads), weights(operator))
    elif isinstance(operator, LocalResponseNorm):
        yield from normalization(operator.shape[1], math.prod(operator.shape[2:]), runtime)
    elif isinstance(operator, Activation):
        yield from _activation(operator.function, operator.elements, runtime)
    elif isinstance(operator, Pool):
        yield Work("elementwise", operator.elements * math.prod(operator.window), operator.elements)
    else:
        kind: Kind = "exponential" if isinstance(operator, Softmax) else "elementwise"
        yield Work(kind, reads, operator.elements)
    fused = None if isinstance(operator, Activation) else getattr(operator, "activation", None)
    if fused not in _CLAMPS:
        yield from _activation(fused, operator.elements, runtime)


def _activation(function: str, elements: int, runtime: str) -> Iterator[Work]:
    yield Work("exponential" if function in _EXPONENTIAL else "elementwise", elements, elements)
    if function == "silu" and "silu" not in entry(runtime).kernels:  # written as a sigmoid and a product
        yield Work("elementwise", 2 * elements, elements)
