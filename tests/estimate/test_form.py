"""The form: units, monotonicity, and the roof that is the larger of two times."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.estimate.form import batch, features, kernel_s, latency_s, shares
from edgebench.estimate.terms import COMPUTE, OPERATOR, TERMS, Machine
from edgebench.estimate.work import Work

MACHINE = Machine(clock_hz=1e9, copy_bytes_per_s=1e9, cache_bytes=1e6)
CONSTANTS = dict.fromkeys(TERMS, 1.0)


def _seconds(work: Work, precision: str = "fp32", machine: Machine = MACHINE, **constants: float) -> float:
    return latency_s([work], precision, machine, constants)


def test_cycles_become_seconds_by_the_clock() -> None:
    assert _seconds(Work("gemm", 0, 0, macs=10**6), gemm=0.25) == pytest.approx(0.25e-3)
    assert _seconds(Work("gemm", 0, 0, macs=10**6), machine=dataclasses.replace(MACHINE, clock_hz=2e9), gemm=0.25) == (
        pytest.approx(0.125e-3)
    )


def test_dense_weights_stream_at_twice_the_copy_rate() -> None:
    assert _seconds(Work("dense", 1, 1, macs=10**6, weights=10**6), dense_traffic=1.0) == pytest.approx(4e6 / 2e9)
    assert _seconds(Work("dense", 1, 1, macs=10**6, weights=10**6), "int8", dense_traffic=1.0) == (
        pytest.approx(1e6 / 2e9)
    )


def test_only_activations_beyond_the_cache_are_traffic() -> None:
    assert _seconds(Work("elementwise", 100_000, 100_000), traffic=1.0) == 0
    assert _seconds(Work("elementwise", 200_000, 200_000), traffic=1.0) == pytest.approx((1.6e6 - 1e6) / 2e9)


def test_a_kernel_call_costs_its_cycles() -> None:
    assert _seconds(Work("elementwise", 1, 1), **{OPERATOR: 5000.0}) == pytest.approx(5e-6)


@given(st.lists(st.sampled_from(["gemm", "depthwise", "elementwise", "dense"]), min_size=1, max_size=5), st.data())
def test_more_of_anything_never_takes_less_time(kinds: list[str], data: st.DataObject) -> None:
    number = st.integers(0, 10**8)
    kernels = [Work(kind, *(data.draw(number) for _ in range(5))) for kind in kinds]  # type: ignore[arg-type]
    more = [*kernels[:-1], kernels[-1]._replace(weights=kernels[-1].weights + 10**6), kernels[0]]
    one, other = (latency_s(each, "fp32", MACHINE, CONSTANTS) for each in (kernels, more))
    assert 0 < one < other


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=5, max_size=5), min_size=1, max_size=9), st.randoms())
def test_a_network_takes_the_same_alone_in_a_batch_and_in_another_order(
    amounts: list[list[int]], random: random.Random
) -> None:
    kinds = ["gemm", "depthwise", "elementwise", "dense", "exponential"]
    networks = [[Work(kind, *row) for kind in kinds] for row in amounts]  # type: ignore[arg-type]
    together = kernel_s(batch(networks), "fp32", MACHINE, CONSTANTS).sum(axis=1).tolist()
    assert together == [latency_s(each, "fp32", MACHINE, CONSTANTS) for each in networks]
    mixed = [work for network in networks for work in network]
    once = latency_s(mixed, "fp32", MACHINE, CONSTANTS)
    random.shuffle(mixed)
    assert latency_s(mixed, "fp32", MACHINE, CONSTANTS) == once == sum(together)


def test_shares_add_up_to_one() -> None:
    kernels = [Work("gemm", 10, 10, 1000, 100, 50), Work("dense", 10, 10, 100, 100)]
    found = shares(features(kernels, "fp32", 1e6).seconds(MACHINE), MACHINE, CONSTANTS)
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == set(TERMS) and len(COMPUTE) < len(TERMS)
