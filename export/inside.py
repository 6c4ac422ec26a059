"""Compares what flows inside a file with what flows inside torch, for networks whose outputs cannot tell.

An untrained MobileNetV2 answers every image alike to one part in ten million: its outputs say nothing of the file. The
tensors inside do, each against its own range. They are matched by value, without names: a format orders axes its own
way and fuses operators, so a tensor is right when torch computes one with as many elements and the same moments, for
each of two inputs. What lies before a tensor that is right is right too, as far as these inputs show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Precision

if TYPE_CHECKING:
    from torch import nn

Moments = npt.NDArray[np.float64]
Inside = Callable[[Array], Iterable[tuple[str, Array]]]  # an input -> (name, values) of each tensor, in order

# The share of its range by which a moment may differ from torch's: rounding that has piled up, not another operator.
TOLERANCE: Final[dict[Precision, float]] = {"fp32": 1e-4, "fp16": 2e-2}
CHANGES: Final = 1e-3  # share of its range by which a tensor must differ between the inputs to say anything
# A fused or folded operator leaves a few tensors that torch does not have; a wrong one leaves all that come behind it.
FOLDED: Final = 8


@dataclass(frozen=True)
class Witness:
    """What the tensors inside say: how many agree with torch's, of how many that depend on the input.

    `untold` are those behind the last that agrees, in order: torch computes nothing like them.
    """

    agreeing: int
    telling: int
    untold: tuple[str, ...]

    def __str__(self) -> str:
        found = f"{self.agreeing} of {self.telling} tensors inside the file that depend on it agree with torch's"
        if not self.untold:
            return found
        return f"{found}; nothing in torch compares with those after them: {', '.join(self.untold)}"


def look(inside: Inside, module: nn.Module, inputs: list[Array], precision: Precision) -> Witness:
    """Compares the tensors of `inside` with those that `module` computes in its own type, on two inputs (1, C, H, W).

    Raises ExportError, naming the first operator that is wrong, where the tensors stop to agree before the end.
    """
    first, second = inputs[0], inputs[-1]
    torch_side = _by_size(zip(_computed(module, first), _computed(module, second), strict=True))
    agrees: list[tuple[str, bool]] = []
    for (name, size, one), (_, _, other) in zip(_of(inside(first)), _of(inside(second)), strict=True):
        pair = np.stack([one, other])
        if _tells(pair):
            agrees.append((name, _known(pair, torch_side.get(size), TOLERANCE[precision])))
    last = max((at for at, (_, agreed) in enumerate(agrees) if agreed), default=-1)
    untold = tuple(name for name, _ in agrees[last + 1 :])
    if len(untold) > FOLDED:
        raise ExportError(
            f"the written file differs from torch inside: '{untold[0]}' is the first of {len(untold)} tensors that "
            f"torch does not compute, after {last + 1} that are right"
        )
    return Witness(sum(agreed for _, agreed in agrees), len(agrees), untold)


def moments(values: npt.NDArray[Any]) -> Moments:
    """Least, greatest, mean, mean size, and the roots of the second and third moments: they know no order of axes."""
    x = values.astype(np.float64).reshape(-1)
    mean = x.mean()
    apart = x - mean
    square = apart * apart
    roots = np.sqrt(square.mean()), np.cbrt((square * apart).mean())
    return np.array([x.min(), x.max(), mean, np.abs(x).mean(), *roots])


def _of(tensors: Iterable[tuple[str, Array]]) -> list[tuple[str, int, Moments]]:
    """All at once: one engine runs both inputs, and its tensors may not outlive a run."""
    return [
        (name, values.size, moments(values))
        for name, values in tensors
        if values.size > 1 and np.issubdtype(values.dtype, np.floating)
    ]


def _computed(module: nn.Module, x: Array) -> list[tuple[int, Moments]]:
    """The number of elements and the moments of every tensor that torch computes for `x`."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[tuple[int, Moments]] = []

    class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for value in () if func.is_view else result if isinstance(result, tuple | list) else (result,):
                if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel() > 1:
                    found.append((value.numel(), moments(value.detach().numpy())))
            return result

    dtype = next((weight.dtype for weight in module.parameters()), torch.float32)
    with torch.no_grad(), Recording():  # type: ignore[no-untyped-call]
        module(torch.from_numpy(x).to(dtype))
    return found


def _by_size(pairs: Iterable[tuple[tuple[int, Moments], tuple[int, Moments]]]) -> dict[int, npt.NDArray[np.float64]]:
    """By number of elements: the moments on both inputs, (tensor, input, moment)."""
    found: defaultdict[int, list[Moments]] = defaultdict(list)
    for (size, one), (_, other) in pairs:
        found[size].append(np.stack([one, other]))
    return {size: np.stack(each) for size, each in found.items()}


def _range(pair: Moments) -> float:
    return float(pair[:, 1].max() - pair[:, 0].min())


def _tells(pair: Moments) -> bool:
    return bool(np.isfinite(pair).all()) and float(np.ptp(pair, axis=0).max()) > CHANGES * _range(pair)


def _known(pair: Moments, candidates: npt.NDArray[np.float64] | None, tolerance: float) -> bool:
    if candidates is None:
        return False
    worst = np.abs(candidates - pair).max(axis=(1, 2))
    return bool(np.nanmin(worst) <= tolerance * _range(pair))
