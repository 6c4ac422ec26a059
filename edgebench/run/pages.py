"""A file in a web page on this machine: device `browser`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from msgspec.structs import replace

from edgebench.formats.web import web_engines
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import Tell
from edgebench.ground.records import Artifact, Measurement, Scenario
from edgebench.measure import measure
from edgebench.places.agreement import agreement
from edgebench.places.browser.target import BrowserTarget
from edgebench.places.target import Target
from edgebench.run import classifiers
from edgebench.runtimes import runtime_of

_COMPARED: Final = 2  # inputs, as on emulated devices


def target() -> BrowserTarget:
    """Where pages run files. Raises UsageError where Chromium is not installed."""
    return BrowserTarget({runtime_of(name): engine for name, engine in web_engines().items()})


def check(formats: Iterable[str], threads: int) -> None:
    """Raises UsageError for formats that no page runs, and for more than one thread."""
    known = web_engines()
    for name in formats:
        if name not in known:
            raise UsageError(f"a page runs {' or '.join(known)}, not {name}: ask for one of these")
    if threads != 1:
        raise UsageError(f"a page runs on one thread, and `threads` is {threads}: leave it out")


def measure_in_page(artifact: Artifact, runtime: str, scenario: Scenario, page: Target, tell: Tell) -> Measurement:
    """Measures one file; its parity is that of the page's outputs against this machine's, by agreement.GATES.

    Raises DeviceError where the page cannot run it, and UsageError where its engine cannot be had.
    """
    tell("comparing outputs")
    shape = (_COMPARED, *artifact.model.input_shape[1:])
    x = np.random.default_rng(scenario.seed).standard_normal(shape, np.float32)
    local = classifiers.of_file(artifact, 1)
    here = np.concatenate([local.run(each[None]) for each in x])
    there = classifiers.of_target(artifact, page, "in a page", _COMPARED).run(x)
    parity = agreement(there, here, artifact.export.precision, f"{runtime} in Chromium, against this machine", runtime)
    found = measure(artifact, runtime, scenario, device="browser", on_progress=tell, target=page, memory=False)
    if parity.passed:
        return replace(found, parity=parity)
    differ = f"outputs differ from this machine's beyond the gate: {parity.gate}"
    return replace(found, parity=parity, status="failed", error=differ)
