"""Which int8 is fast where: the signedness of ONNX's activations, by the processor that will run the file.

onnxruntime has its fastest int8 products for unsigned activations and signed weights (U8S8) on x86, and for signed
both (S8S8) on ARM. x86 without VNNI adds two products in 16 bits, which saturate: weights of 7 bits avoid that.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Activations = Literal["uint8", "int8"]

ARM = ("arm", "aarch64")
X86 = ("x86", "amd64", "i386", "i686")
VNNI = {"avx512_vnni", "avx_vnni"}  # as /proc/cpuinfo spells them


@dataclass(frozen=True)
class Variant:
    """How activations are stored, and whether weights keep to 7 bits."""

    activations: Activations
    reduced: bool = False

    @property
    def levels(self) -> int:
        """The largest whole number that a weight becomes."""
        return 64 if self.reduced else 127

    def __str__(self) -> str:
        """As a manifest holds it."""
        return f"{self.activations}, weights of 7 bits" if self.reduced else self.activations


def activations_for(isa: str) -> Activations:
    """The signedness that is fast on a processor, by its profile's `cpu.isa` or by `platform.machine()`."""
    return "int8" if isa.lower().startswith(ARM) else "uint8"


def variant(asked: str, isa: str | None = None, root: Path = Path("/")) -> Variant:
    """The variant for an instruction set, this machine's where none is given; `asked` overrides the signedness.

    Weights are reduced to 7 bits only where unsigned activations meet an x86 that says that it has no VNNI; `root` is
    where this machine's /proc lies.
    """
    isa = isa or platform.machine()
    activations: Activations = "int8" if asked == "int8" else "uint8" if asked == "uint8" else activations_for(isa)
    return Variant(activations, reduced=activations == "uint8" and isa.lower().startswith(X86) and _lacks_vnni(root))


def _lacks_vnni(root: Path) -> bool:
    try:
        text = (root / "proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    return flags is not None and not VNNI & set(flags[1].split())
