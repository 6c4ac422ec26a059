"""Tables of what can be emulated here, and of what a bundle answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edgebench.ground.units import show_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.places.emulator.readiness import Check, Readiness


def devices(found: Sequence[Readiness]) -> Table:
    """One row a device: the core, what emulates it, and whether it is set up."""
    table = Table("device", "core", "emulated as", "bundle", "note", box=None, pad_edge=False, header_style="bold")
    for each in found:
        state = "-" if each.qemu_cpu is None else "ready" if each.ready else "not set up"
        table.add_row(each.name, each.core, each.qemu_cpu or "-", state, Text(each.note or each.reason))
    return table


def device(found: Readiness) -> list[RenderableType]:
    """One device in full, and the command to go on with."""
    if found.qemu_cpu is None:
        return [Text(f"emulated: no. {found.reason}")]
    lines = [f"emulated as: {found.qemu_cpu}" + (f" ({found.note})" if found.note else "")]
    if found.ready:
        lines.append(f"bundle: {found.bundle}, {show_bytes(found.size_bytes)}, built in {found.setup_s:.0f} s")
    else:
        lines.append(f"bundle: not set up; make it with: edgebench device setup {found.name}")
    return [Text("\n".join(lines))]


def check(found: Check) -> list[RenderableType]:
    """What the guest said of itself."""
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, value in {"machine": found.machine, "python": found.python, **found.versions, "qemu": found.qemu}.items():
        table.add_row(name, value)
    counts = "yes" if found.counts else f"no: {found.reason}"
    closing = f"{found.name} works as {found.qemu_cpu}; instruction counts: {counts} ({found.seconds:.1f} s)"
    return [table, Text(closing)]
