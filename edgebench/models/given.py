"""What a user gives of networks besides their names and scaling points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.models.preparation import AS_KNOWN, Preparation, of_module

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Given:
    """`weights` is a file of values, which fits one network; `modules` are networks in hand, by their specs' keys.

    `preparation` is what was said of images, `labels` of the outputs' names.
    """

    weights: Path | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    preparation: Preparation = AS_KNOWN
    labels: tuple[str, ...] = ()

    def build(self, spec: ModelSpec, seed: int = 0) -> nn.Module:
        """The network in evaluation; see models.build. Raises UsageError for a module that is not in hand any more."""
        from edgebench.models.build import build

        if spec.digest and not self.has(spec):
            raise UsageError(f"{spec.title} was made of a module, which is not given here: give the module itself")
        return build(spec, weights=self.weights, seed=seed, module=self.modules.get(spec.key))

    def has(self, spec: ModelSpec) -> bool:
        """Whether a network's module is in hand."""
        return spec.key in self.modules

    def preprocessing(self, spec: ModelSpec, network: nn.Module | None = None) -> Preprocessing | None:
        """How images become a network's input, as was said, as the weights or the network itself say, or as published.

        None where that is not known. Raises UsageError as Preparation.over does.
        """
        from edgebench.models.layouts import preprocessing

        known = preprocessing(spec, self.weights) or of_module(network, spec)
        return self.preparation.over(known, spec, network)

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called, as was said or as the weights say; empty where neither does."""
        from edgebench.models import trained

        found = trained.read(self.weights) if self.weights else None
        return self.labels or (found.classes if found else ())


NOTHING: Final = Given()
