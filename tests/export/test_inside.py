import numpy as np
import pytest
import torch
from torch import nn

from edgebench.formats.inside import look
from edgebench.ground.errors import ExportError


class Deaf(nn.Sequential):
    """Twelve convolutions, and a head that hears nothing of them."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(12)), nn.Flatten(), nn.Linear(192, 5))
        nn.init.zeros_(self[-1].weight)


MODULE = Deaf().double()
INPUTS = [np.random.default_rng(seed).standard_normal((1, 3, 8, 8), dtype=np.float32) for seed in range(3)]


def inside(wrong_from: int = 99, layout=lambda y: y, drop: int = 0):
    """What a file's operators compute: torch's own values, but for those from one operator on."""

    def run(x):
        y = torch.from_numpy(x).double()
        for number, layer in enumerate(MODULE):
            y = layer(y if number != wrong_from else y.flip(1) * 1.5)
            if len(MODULE) - 1 - number >= drop:
                yield f"layer{number}", layout(y.detach().numpy()).astype(np.float32)

    return run


@pytest.mark.parametrize("layout", [lambda y: y, lambda y: np.moveaxis(y, 1, -1)], ids=["NCHW", "NHWC"])
def test_tensors_that_agree_are_counted_in_any_order_of_axes(layout):
    witness = look(inside(layout=layout), MODULE, INPUTS, "fp32")
    assert (witness.agreeing, witness.telling, witness.untold) == (13, 13, ())
    assert "13 of 13 tensors inside the file" in str(witness)


def test_first_wrong_operator_is_named():
    with pytest.raises(ExportError, match=r"'layer2' is the first of 11 tensors .* after 2 that are right"):
        look(inside(wrong_from=2), MODULE, INPUTS, "fp32")


def test_few_without_a_counterpart_are_said_and_not_refused():
    witness = look(inside(wrong_from=10), MODULE, INPUTS, "fp32")
    assert witness.untold == ("layer10", "layer11", "layer12")
    assert "nothing in torch compares with those after them: layer10" in str(witness)
