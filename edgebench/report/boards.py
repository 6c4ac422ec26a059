"""What a connected board said, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edgebench.ground.units import show_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.run.check import Answer


def answer(found: Answer) -> list[RenderableType]:
    """The board, its runtimes, and what would disturb a measurement there now."""
    facts = Table("", "", box=None, pad_edge=False, show_header=False)
    heat = f"{found.temperature_c:.0f} °C" if found.temperature_c is not None else "not told"
    rows = {
        "reached": f"over {found.via}",
        "cpu": f"{found.cores}x {found.cpu or 'unknown'} ({found.machine})",
        "memory": f"{show_bytes(found.available_bytes)} of {show_bytes(found.memory_bytes)} available",
        "disk": f"{show_bytes(found.free_disk_bytes)} free",
        "python": found.python,
        "governor": found.governor or "not told",
        "temperature": heat,
        "throttled": "not told" if found.throttled is None else f"{found.throttled:#x}",
    }
    for name, value in rows.items():
        facts.add_row(name, Text(value))
    for engine in found.engines:
        facts.add_row(engine.runtime, Text(engine.version or f"does not start: {engine.reason}"))
    return [facts, *(Text(doubt) for doubt in found.doubts)]
