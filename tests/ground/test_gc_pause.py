import gc

import pytest

from edgebench.ground.gc_pause import collection_paused


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
