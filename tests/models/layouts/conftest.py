"""Generated weights: distinct values for every key, of a size that keeps activations alive through any depth."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor

Shapes = Mapping[str, Sequence[int]]


def _value(key: str, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    leaf = key.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return torch.tensor(1)
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return torch.empty(*shape).uniform_(0.5, 1.5, generator=generator)
    if leaf in ("bias", "running_mean"):
        return torch.empty(*shape).uniform_(-0.5, 0.5, generator=generator)
    fan_in = torch.Size(shape[1:]).numel()
    return torch.randn(*shape, generator=generator) * (2 / fan_in) ** 0.5


@pytest.fixture(scope="session")
def generated() -> Callable[[Shapes], dict[str, Tensor]]:
    """State dicts from keys and shapes."""

    def make(shapes: Shapes) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(5)
        return {key: _value(key, shape, generator) for key, shape in shapes.items()}

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks on a busy machine are faster with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
