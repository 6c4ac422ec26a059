"""The training loop: where it computes, steps, epochs, evaluation, and the state that a checkpoint holds."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import torch
from torch import Tensor, nn

from edgebench.ground.errors import TrainingError, UsageError, unknown
from edgebench.ground.progress import Tell
from edgebench.training import optimize
from edgebench.training.fake_quantization import FakeQuantization
from edgebench.training.images import Batch, Images, Normalize
from edgebench.training.optimize import Average, averaged
from edgebench.training.records import Epoch
from edgebench.training.settings import Settings
from edgebench.training.start import Frozen, train_mode

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


HOLD_AFTER: Final = 2 / 3  # share of a quantization-aware run after which statistics and ranges stay as they are
EVALUATED: Final = 256  # images at a time
DIVERGED: Final = 1e3  # a validation loss so many times that of guessing, ln(classes), is no training any more

Sums = dict[str, float]


class Trainer:
    """One run: a network, its optimiser, and how far it is. Random numbers are torch's global ones, on the CPU.

    `epoch` counts the finished ones. Given the same state, images, settings and threads, the CPU computes the same
    bits.
    """

    def __init__(
        self, network: nn.Module, frozen: Frozen, settings: Settings, normalize: Normalize, hardware: Hardware
    ) -> None:
        self.settings = settings
        self.hardware = hardware
        self.epoch = self.step = 0
        self.frozen = frozen
        self.network = network.to(hardware.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalize = normalize.to(hardware.device)
        self.optimizer = optimize.optimizer(network, settings)
        self.average = Average(network, settings.ema) if settings.ema else None
        self.rounding = FakeQuantization(network).to(hardware.device) if settings.quantization_aware else None
        self._loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
        self._trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._followed = optimize.followed(network)

    def run_epoch(self, images: Images, validation: Images, augmentation: nn.Module, tell: Tell) -> Epoch:
        """Trains on every image once, in a new random order, and evaluates. Raises TrainingError where it diverged."""
        began = time.perf_counter()
        totals, trained_s = self._train(images, augmentation, tell)
        self.epoch += 1
        val_loss, val_accuracy = self.evaluate(validation)
        self._check_epoch(val_loss, len(validation.dataset.classes))
        return Epoch(
            epoch=self.epoch,
            step=self.step,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=totals["loss"] / totals["steps"],
            train_accuracy=totals["right"] / totals["images"],
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            gradient_norm=totals["gradient"] / totals["steps"],
            layer_gradients={name: totals[name] / totals["steps"] for name in self._followed},
            images_per_s=totals["images"] / trained_s,
            seconds=time.perf_counter() - began,
        )

    @torch.inference_mode()
    def evaluate(self, images: Images) -> tuple[float, float]:
        """Returns the mean loss, without smoothing, and the top-1 share of the averaged network."""
        self._mode(training=False)
        loss = right = seen = 0.0
        with averaged(self.network, self.average):
            for batch in images.batches(torch.arange(len(images)), EVALUATED):
                labels = batch.labels.to(self.hardware.device)
                with self.hardware.autocast():
                    x = self.normalize(batch.x.to(self.hardware.device).float() / 255)
                    outputs = self.network(x).float()
                loss += float(nn.functional.cross_entropy(outputs, labels, reduction="sum"))
                right += float((outputs.argmax(1) == labels).sum())
                seen += len(labels)
        return loss / seen, right / seen

    def values(self) -> Mapping[str, Tensor]:
        """The values that are evaluated and kept: the averaged ones, where there is an average."""
        return self.average.values if self.average else self.network.state_dict()

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs: tensors, numbers and text in dicts and lists."""
        return {
            "model": self.network.state_dict(),
            "average": self.average.state() if self.average else {},
            "rounding": self.rounding.state_dict() if self.rounding else {},
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to where `state` was taken, random numbers included."""
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.restore(state["average"])
        if self.rounding:
            self.rounding.load_state_dict(state["rounding"])
        self.epoch, self.step = state["epoch"], state["step"]
        torch.set_rng_state(state["random"])

    def _train(self, images: Images, augmentation: nn.Module, tell: Tell) -> tuple[Sums, float]:
        self._mode(training=True)
        totals: Sums = defaultdict(float)
        began = time.perf_counter()
        order = torch.randperm(len(images))
        whole = len(order) // self.settings.batch * self.settings.batch or len(order)  # batch norm needs full batches
        steps = -(-whole // self.settings.batch)
        for done, batch in enumerate(images.batches(order[:whole], self.settings.batch), 1):
            for group in self.optimizer.param_groups:
                group["lr"] = optimize.learning_rate(self.settings, self.step, steps)
            sums = self._step(batch, augmentation)
            for name, value in sums.items():
                totals[name] += value
            tell(f"step {done} of {steps}, loss {sums['loss']:.3f}")
        return totals, time.perf_counter() - began

    def _step(self, batch: Batch, augmentation: nn.Module) -> Sums:
        with torch.no_grad():
            x = self.normalize(augmentation(batch.x.float() / 255).to(self.hardware.device))
        labels = batch.labels.to(self.hardware.device)
        with self.hardware.autocast():
            outputs = self.network(x)
            main, *sides = outputs if isinstance(outputs, tuple) else (outputs,)
            loss = self._criterion(main, sides, labels)
        sums = {"loss": float(loss.detach()), "right": float((main.argmax(1) == labels).sum())}
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        sums |= {name: optimize.norm([weight.grad]) for name, weight in self._followed.items()}
        total = nn.utils.clip_grad_norm_(self._trained, self.settings.clip or math.inf)  # the norm before clipping
        sums["gradient"] = float(total)
        for what in ("loss", "gradient"):
            if not math.isfinite(sums[what]):
                self._stop(f"the {what} became {sums[what]} at step {self.step + 1}, in epoch {self.epoch + 1}")
        self.optimizer.step()
        self.step += 1
        if self.average:
            self.average.update(self.network)
        return sums | {"steps": 1, "images": len(labels)}

    def _criterion(self, main: Tensor, sides: list[Tensor], labels: Tensor) -> Tensor:
        loss: Tensor = self._loss(main, labels)
        for side in sides:
            loss = loss + self.settings.side_weight * self._loss(side, labels)
        return loss

    def _check_epoch(self, val_loss: float, classes: int) -> None:
        """Raises TrainingError for values that nobody should keep: the caller saves what this lets through."""
        if not val_loss <= DIVERGED * math.log(max(classes, 2)):
            self._stop(f"the validation loss became {val_loss:g} in epoch {self.epoch}")
        for name, value in (*self.network.state_dict().items(), *self.values().items()):
            if value.is_floating_point() and not bool(value.isfinite().all()):
                self._stop(f"the values of {name} became infinite or nan in epoch {self.epoch}")

    def _stop(self, what: str) -> NoReturn:
        clip = "a smaller `clip`" if self.settings.clip else "`clip=5`"
        raise TrainingError(
            f"{what}: training has stopped; try a lower `lr`, a longer `warmup` or {clip}, in another folder"
        )

    def _mode(self, *, training: bool) -> None:
        if not training:
            self.network.eval()
        else:
            train_mode(self.network, self.frozen)
        if not self.rounding:
            return
        self.rounding.train(training)
        # Late in a quantization-aware run batch norms compute as they will in the file, and ranges stand still.
        if self.epoch >= max(1, int(HOLD_AFTER * self.settings.epochs)):
            self.rounding.hold()
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


def check_output(network: nn.Module, shape: tuple[int, int, int, int], classes: int) -> None:
    """Raises UsageError unless the network gives one row of `classes` logits an image."""
    network.eval()
    with torch.inference_mode():
        output = network(torch.zeros(2, *shape[1:]))
    if not isinstance(output, Tensor) or tuple(output.shape) != (2, classes):
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(
            f"the network gives {found} for two images, and the data has {classes} classes: it must give (2, {classes})"
        )
