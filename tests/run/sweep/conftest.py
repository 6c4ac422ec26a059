"""Cells that only pretend, so that killing and resuming is tested in seconds."""

from collections.abc import Callable

import pytest

from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.run.mode import Mode
from edgebench.run.sweep import SweepCell


@pytest.fixture
def pretend() -> Callable[..., list[SweepCell]]:
    """Makes `number` different cells that take `seconds` each; `dies` names those whose process kills itself."""

    def make(number: int, seconds: float = 0.0, dies: tuple[int, ...] = (), device: str = "rpi4") -> list[SweepCell]:
        return [
            SweepCell(
                model=ModelSpec(
                    name="pretended",
                    family="user",
                    resolution=32 + index,
                    options={"seconds": seconds} | ({"dies": True} if index in dies else {}),
                ),
                export=ExportSpec(),
                device=device,
                mode=Mode.PRETEND,
            )
            for index in range(number)
        ]

    return make
