"""What there is, networks and devices, as plain text or rows: printed in a moment, without Rich or numpy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Container, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from edgebench.ground.units import show_bytes, show_count, show_memory
from edgebench.report import output

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.models.summary import ModelSummary

_TITLED: Final = 140  # columns from which on devices are listed with their titles
NARROW: Final = 20  # columns that the last one has at least
NUMBERS: Final = ("parameters", "MACs", "input", "classes", "activations", "clock", "memory")


def models(found: Sequence[ModelSummary]) -> str:
    """One line a network."""
    rows = [
        (
            each.name,
            each.family,
            f"{each.parameters:,}",
            show_count(each.macs),
            f"{each.channels}x{each.resolution}x{each.resolution}",
            str(each.classes),
            show_bytes(each.activation_memory_bytes),
        )
        for each in found
    ]
    return aligned(("model", "family", "parameters", "MACs", "input", "classes", "activations"), rows, NUMBERS)


def devices(found: Sequence[DeviceProfile]) -> str:
    """One line a device, with its title where the line is long enough."""
    rows, columns = [], ["name", "device", "cores", "clock", "memory", "estimates for"]
    wide = _columns() > _TITLED
    for each in found:
        row = [
            each.name,
            each.title,
            f"{each.cpu.cores}x {each.cpu.core}",
            f"{each.cpu.clock_hz / 1e9:.2f} GHz" if each.cpu.clock_hz else "-",
            show_memory(each.memory_bytes),
            _estimated(each) or ("measured here" if isinstance(each.reach, str) else "nothing near is known"),
        ]
        rows.append(row)
    if not wide:
        for row in (columns, *rows):
            del row[1]
    return aligned(columns, rows, NUMBERS)


def _estimated(device: DeviceProfile) -> str:
    """What there are estimates for: runtimes with precisions and threads or processor: "litert+ncnn int8 x1-4"."""
    from edgebench.run.capabilities import capabilities

    threads: dict[tuple[str, str, str], list[int]] = {}
    for able in capabilities(device):
        if able.estimated:
            threads.setdefault((able.runtime, able.precision, able.processor), []).append(able.threads)
    precisions: dict[tuple[str, str], list[str]] = {}
    for (runtime, precision, processor), numbers in threads.items():
        where = f"x{_range(numbers)}" if processor == "cpu" else processor
        precisions.setdefault((runtime, where), []).append(precision)
    alike: dict[str, list[str]] = {}
    for (runtime, where), names in precisions.items():
        alike.setdefault(f"{'/'.join(names)} {where}", []).append(runtime)
    return ", ".join(f"{'+'.join(runtimes)} {what}" for what, runtimes in alike.items())


def _range(numbers: Sequence[int]) -> str:
    """ "1-4" for all from 1 to 4, else "1,4"."""
    whole = list(numbers) == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1
    return f"{numbers[0]}-{numbers[-1]}" if whole else ",".join(map(str, numbers))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Container[str] = ()) -> str:
    """Columns two spaces apart, `numbers` to the right; what is longer than the line goes on under the last column."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    width, lines = _columns(), []
    for row in table:
        cells = [
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        lines += wrap(
            "  ".join(cells),
            max(width, indent + NARROW),
            subsequent_indent=" " * indent,
            replace_whitespace=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _columns() -> int:
    return output.columns(shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
