"""Where training computes, and in which numbers: half precision only where the hardware has it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from edgebench.ground.errors import UsageError, unknown

PLACES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Hardware:
    """A torch device, and the type to compute convolutions in; None is float32 throughout."""

    device: torch.device
    half: torch.dtype | None = None

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a forward pass runs."""
        return torch.autocast(self.device.type, self.half) if self.half else nullcontext()


def hardware(place: str, *, mixed_precision: bool = True) -> Hardware:
    """Returns where to compute; auto takes a GPU where torch has one.

    Mixed precision is bfloat16, which needs no scaling of the loss: on GPUs that compute in it, never on a CPU, where
    it was measured to be slower (280 against 650 images/s, MobileNetV2 0.35 at 64 pixels on an AMD EPYC with
    avx512_bf16). Raises UsageError for a place that is not here.
    """
    if place not in PLACES:
        raise unknown("place to train on", place, PLACES)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if place == "auto":
        place = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[place]:
        raise UsageError(f"torch finds no {place} on this machine: train on cpu, or leave it to auto")
    half = place == "cuda" and mixed_precision and torch.cuda.is_bf16_supported(including_emulation=False)
    return Hardware(torch.device(place), torch.bfloat16 if half else None)
