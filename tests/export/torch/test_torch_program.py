import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from edgebench.formats.torch.convert import convert
from edgebench.runtimes import runtime


def test_program_is_the_network_with_a_dynamic_batch(network, torch_program, tmp_path):
    conversion = convert(network, torch_program, tmp_path / "net.pt2")
    x = np.random.default_rng(0).standard_normal((3, 3, 32, 32), dtype=np.float32)
    session = runtime("torch").load(str(tmp_path / "net.pt2"), threads=torch.get_num_threads(), batch=3)
    with torch.inference_mode():
        assert np.array_equal(session.run(x), network.module(torch.from_numpy(x)).numpy())
    assert conversion.inputs[0].shape == (None, 3, 32, 32)
    assert conversion.outputs[0].shape == (None, 10)
    assert conversion.operators["aten.conv2d.default"] == 4


def test_file_holds_no_path_of_this_machine(network, torch_program, tmp_path):
    convert(network, torch_program, tmp_path / "net.pt2")
    assert b"site-packages" not in (tmp_path / "net.pt2").read_bytes()


def test_a_full_disk_is_an_error(network, torch_program, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        convert(network, torch_program, tmp_path / "net.pt2")
    assert list(tmp_path.iterdir()) == []
