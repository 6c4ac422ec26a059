"""The frontier against its definition, on small random sets with many equal values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebench.choose.selection import frontier

triples = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=40)


@given(triples)
def test_frontier_is_what_no_other_point_equals_or_beats(points: list[tuple[int, int, int]]) -> None:
    accuracy, latency, memory = np.array(points, dtype=float).T
    kept = frontier(accuracy, latency, memory)
    for index in range(len(points)):
        as_good = (accuracy >= accuracy[index]) & (latency <= latency[index]) & (memory <= memory[index])
        same = (accuracy == accuracy[index]) & (latency == latency[index]) & (memory == memory[index])
        beaten = (as_good & ~same).any() or np.flatnonzero(same)[0] != index
        assert (index in kept) != beaten
    assert (np.diff(latency[kept]) >= 0).all()
