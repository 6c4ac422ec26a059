import pytest
import torch

from edgebench.ground.threads import one_thread


def test_one_thread_inside_and_as_before_outside_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError), one_thread():
        assert torch.get_num_threads() == 1
        raise ValueError
    assert torch.get_num_threads() == before
