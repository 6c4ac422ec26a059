"""A network that takes images as cameras and decoders give them: whole pixels from 0 to 255, normalised by itself."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from edgebench.formats.examples import Array, example_pixels
from edgebench.formats.network import Network
from edgebench.formats.outputs import on
from edgebench.formats.quantize.images import Calibration
from edgebench.formats.verify import difference, scale
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing
from edgebench.models.preparation import unprepared

LEVELS: Final = 255.0
ROUNDING: Final = 1e-4  # share of the output's range by which folding may change it
COLOURS: Final = (1, 3)


class Pixels(nn.Module):
    """RGB pixels (N, C, H, W) to what `network` gives for (pixel / 255 - mean) / std, in its own order of channels.

    Where one convolution alone reads the image, deviations and the order of channels are folded into its weights, and
    the means into its bias unless zeros are padded around the image, which stand for the means.
    """

    shift: Tensor
    factor: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, image: Tensor) -> None:
        super().__init__()
        mean, std = LEVELS * torch.tensor([preprocessing.mean, preprocessing.std]).reshape(2, 1, -1, 1, 1)
        self.swapped = preprocessing.channels == "bgr" and image.shape[1] > 1
        self.network = network
        self.register_buffer("shift", mean)
        self.register_buffer("factor", 1 / std)
        self.centred, self.scaled = True, True
        with torch.no_grad():
            self._fold(image)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, C, H, W) of pixels to the network's outputs."""
        x = pixels.flip(1) if self.swapped else pixels
        x = x - self.shift if self.centred else x
        return self.network(x * self.factor if self.scaled else x)  # type: ignore[no-any-return]

    def _fold(self, image: Tensor) -> None:
        """Folds into a copy, and keeps that where it computes the same."""
        before, plain = on(self, [image.numpy()]), self.network
        self.network = copy.deepcopy(plain)
        first = _first(self.network, image)
        if first is None:
            self.network = plain
            return
        swapped, shift = self.swapped, self.shift
        first.weight.mul_(self.factor)
        self.scaled = False
        if first.padding == (0, 0) or not shift.any():
            moved = (first.weight * shift).sum((1, 2, 3))
            first.bias = nn.Parameter((0 if first.bias is None else first.bias) - moved, requires_grad=False)
            self.centred = False
        if swapped:
            first.weight.copy_(first.weight.flip(1))
            self.swapped, self.shift = False, shift.flip(1)
        after = on(self, [image.numpy()])
        if difference(after, before, scale(before)).range_error > ROUNDING:
            self.network, self.shift, self.swapped, self.centred, self.scaled = plain, shift, swapped, True, True


def _first(network: nn.Module, image: Tensor) -> nn.Conv2d | None:
    """The convolution that reads the image, where it seems to be all that does."""
    readers: list[nn.Module] = []

    def note(module: nn.Module, given: tuple[object, ...]) -> None:
        if given and given[0] is image and not list(module.children()):
            readers.append(module)

    hooks = [module.register_forward_pre_hook(note) for module in network.modules()]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    only = readers[0] if len(readers) == 1 else None
    plain = isinstance(only, nn.Conv2d) and only.groups == 1 and only.padding_mode == "zeros"
    return only if plain else None  # type: ignore[return-value]  # a Conv2d then


@dataclass(frozen=True, eq=False)
class Baked(Network):
    """A network whose `module` takes pixels; `preprocessing` is what images go through, in it and before it."""

    @property
    def fed(self) -> Preprocessing | None:
        """What is left to do with an image before it is the file's input."""
        return unprepared(self.preprocessing) if self.preprocessing else None

    @cached_property
    def calibration(self) -> Calibration:
        """As Network's, in pixels."""
        found = super().calibration
        images = [self._pixels(image) for image in found.images]
        held_out = images if found.held_out is found.images else [self._pixels(image) for image in found.held_out]
        return replace(found, images=images, held_out=held_out)

    @cached_property
    def reference(self) -> tuple[list[Array], Array]:
        """As Network's, for pixels."""
        if self.quantization is not None and len(self.held_out_images) > 1:
            return self.held_out_images, self.compute(self.held_out_images)
        inputs = example_pixels(self.spec.input_shape)
        return inputs, self.compute(inputs)

    def _pixels(self, image: Array) -> Array:
        """The pixels that a normalised image was made of, or the nearest that exist."""
        if self.preprocessing is None:
            return image
        mean, std = np.asarray([self.preprocessing.mean, self.preprocessing.std], np.float32).reshape(2, 1, -1, 1, 1)
        pixels: Array = np.clip(np.rint((image * std + mean) * LEVELS), 0, LEVELS).astype(np.float32)
        return np.flip(pixels, 1).copy() if self.preprocessing.channels == "bgr" else pixels


def baked(network: Network) -> Baked:
    """The network with its images' normalisation as a part of it.

    Raises UsageError where that is not known, and for an input that is no image.
    """
    if network.preprocessing is None:
        raise UsageError(
            f"how {network.spec.title} has its images normalised is not known, so it cannot be baked in: say it, such"
            " as `preprocess='imagenet'`"
        )
    if network.spec.channels not in COLOURS:
        raise UsageError(f"an image has 1 or 3 channels, {network.spec.name} takes {network.spec.channels}")
    image = torch.from_numpy(example_pixels(network.spec.input_shape)[0])
    module = Pixels(network.flat, network.preprocessing, image).eval()
    made = Baked(network.spec, module, network.weights_sha256, network.preprocessing, network.names)
    vars(made).update(outputs=network.outputs, flat=module)
    return made
