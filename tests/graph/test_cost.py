"""Counts of single operators against arithmetic done by hand."""

from dataclasses import replace

import numpy as np

from edgebench.graph.cost import count
from edgebench.graph.operators import Binary, Conv, Dense, GlobalPool, Graph, Input, Operator


def _chain(*operators: Operator) -> Graph:
    return Graph((Input(name="x", inputs=(), shape=(1, 3, 8, 8)), *operators), (operators[-1].name,))


def test_a_convolution_costs_its_filters_at_every_output_pixel() -> None:
    conv = Conv(name="c", inputs=("x",), shape=(1, 16, 4, 4), in_channels=3, kernel=(3, 3), stride=(2, 2))
    (cost,) = count(_chain(conv)).operators
    assert cost.macs == 16 * 4 * 4 * 3 * 9
    assert cost.weights == 16 * 3 * 9 + 16
    assert (cost.input_elements, cost.output_elements) == (3 * 64, 16 * 16)


def test_a_depthwise_convolution_says_so_and_costs_one_filter_a_channel() -> None:
    conv = Conv(name="d", inputs=("x",), shape=(1, 3, 8, 8), in_channels=3, kernel=(3, 3), groups=3)
    (cost,) = count(_chain(conv)).operators
    assert (cost.kind, cost.macs, cost.weights) == ("depthwise", 3 * 64 * 9, 3 * 9 + 3)


def test_grouped_convolutions_divide_by_their_groups() -> None:
    conv = Conv(name="g", inputs=("x",), shape=(1, 6, 8, 8), in_channels=4, kernel=(1, 1), groups=2)
    (cost,) = count(_chain(conv)).operators
    assert (cost.kind, cost.macs) == ("conv", 6 * 64 * 2)


def test_totals_are_sums_and_only_products_with_weights_are_macs() -> None:
    pool = GlobalPool(name="p", inputs=("x",), shape=(1, 3))
    dense = Dense(name="f", inputs=("p",), shape=(1, 10), in_features=3)
    shift = Binary(name="s", inputs=("f", "c"), shape=(1, 10), function="add")
    graph = replace(_chain(pool, dense, shift), constants={"c": np.ones((1, 10), np.float32)})
    cost = count(graph)
    assert cost.macs == 30
    assert cost.weight_count == 30 + 10 + 10
    assert [operator.kind for operator in cost.operators] == ["globalpool", "dense", "add"]


def test_bytes_follow_the_element_size() -> None:
    dense = Dense(name="f", inputs=("x",), shape=(1, 10), in_features=192)
    (cost,) = count(_chain(dense)).operators
    assert cost.traffic_bytes(1) == 192 + 1930 + 10


def test_an_operator_with_two_inputs_reads_both() -> None:
    graph = _chain(Binary(name="a", inputs=("x", "x"), shape=(1, 3, 8, 8), function="add"))
    assert count(graph).operators[0].input_elements == 2 * 192
