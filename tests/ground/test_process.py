"""Settings of the process that last for a block."""

import gc

import pytest
import torch

from edgebench.ground.process import collection_paused, one_thread


@pytest.fixture(autouse=True)
def _restored():
    yield
    gc.enable()


def test_the_collector_rests_and_wakes_also_after_an_error():
    with pytest.raises(KeyError), collection_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    with collection_paused():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_one_thread_inside_and_as_before_outside_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError), one_thread():
        assert torch.get_num_threads() == 1
        raise ValueError
    assert torch.get_num_threads() == before
