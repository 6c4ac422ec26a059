"""What a user gives of networks besides their names and scaling points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Given:
    """`weights` is a file of values, which fits one network; `modules` are networks in hand, by their specs' keys."""

    weights: Path | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)

    def build(self, spec: ModelSpec, seed: int = 0) -> nn.Module:
        """The network in evaluation; see models.build. Raises UsageError for a module that is not in hand any more."""
        from edgebench.models.build import build

        if spec.digest and not self.has(spec):
            raise UsageError(f"{spec.title} was made of a module, which is not given here: give the module itself")
        return build(spec, weights=self.weights, seed=seed, module=self.modules.get(spec.key))

    def has(self, spec: ModelSpec) -> bool:
        """Whether a network's module is in hand."""
        return spec.key in self.modules

    def preprocessing(self, spec: ModelSpec) -> Preprocessing | None:
        """How images become a network's input; None where that is not known."""
        from edgebench.models.layouts import preprocessing

        return preprocessing(spec, self.weights)


NOTHING: Final = Given()
