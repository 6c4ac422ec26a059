"""What coremltools says of itself, and of what a system other than a Mac lacks."""

from __future__ import annotations

from edgebench.formats.quiet import Noise, hidden, quiet

NOISE = Noise(
    logs={
        "coremltools": (
            r"Failed to load _ML|Torch version .* has not been tested with coreml|scikit-learn version |"
            r"\s*Input '.*' is of dtype bool|\s*Trying to insert a cast op at the beginning"
        )
    },
    lines=(r"Running MIL \w+ pipeline",),
    warnings=(
        "Implicitly cleaning up <TemporaryDirectory",  # its converter leaves that to the garbage collector
        r"Function _TORCH_OPS_REGISTRY\.\w+ is deprecated",
    ),
)

# Its reader of torch's networks, which nothing here uses, would load both where they are there: seconds, and warnings.
with quiet(NOISE), hidden("executorch", "torchao"):
    import coremltools as coremltools
