"""CoreML, through coremltools."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(
    name="coreml",
    formats=("coreml",),
    engine="edgebench.runtimes.coreml.engine",
    package="coremltools",
    extra="coreml",
    system="Darwin",
    units=("ane",),
    elsewhere="CoreML runs files on a Mac only; elsewhere the saved package is evaluated and compared with torch",
)
