"""Settings of the process that last for a block."""

import gc
import subprocess
import sys

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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_process_whose_parent_has_gone_before_it_could_say_so_ends_at_once() -> None:
    orphan = (
        "import os, time; from edgebench.ground.process import end_with_parent; parent = os.getpid()\n"
        "if os.fork(): os._exit(0)\n"
        "while os.getppid() == parent: time.sleep(0.01)\n"
        "print('gone', flush=True); end_with_parent(parent); print('still here')"
    )
    done = subprocess.run([sys.executable, "-c", orphan], capture_output=True, text=True, timeout=60)
    assert done.stdout == "gone\n"
