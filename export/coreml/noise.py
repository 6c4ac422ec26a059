"""What coremltools says of itself, and of what a system other than a Mac lacks."""

from __future__ import annotations

from edgebench.formats.quiet import Noise

NOISE = Noise(
    logs={
        "coremltools": (
            r"Failed to load _ML|Torch version .* has not been tested with coreml|\s*Input '.*' is of dtype bool|"
            r"\s*Trying to insert a cast op at the beginning"
        )
    },
    lines=(r"Running MIL \w+ pipeline",),
    warnings=(
        "Implicitly cleaning up <TemporaryDirectory",  # its converter leaves that to the garbage collector
        r"Function _TORCH_OPS_REGISTRY\.\w+ is deprecated",
    ),
)
