"""An engine that only pretends."""

from __future__ import annotations

from edgebench.runtimes import Runtime

RUNTIME = Runtime(name="fake", engine="edgebench.runtimes.fake.engine", pretends=True)
