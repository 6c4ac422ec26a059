"""The engines that run a file, a folder each: its entry (`RUNTIME`), the engine, and the engine's operator profiler.

`engine.py` has `load(path, threads=1, batch=1)` -> session, `session.run(x)`. It uses the standard library, numpy and
the engine only, on Python 3.9 or newer, so that it can be copied to a device and loaded there by its path, beside the
worker. `session.run_all(x)` returns every output; `run` of a `lazy` session computes the first alone. Where the kernels
of some processors compute something else than the file says, `load_exact` is a `load` that is slower and has none of
that.

`operators.py` has `profile(path, make_input, threads, runs)` -> OperatorProfile, by the engine's own profiler.

Whatever else must be known of a runtime is in its entry; ground/registry.py has one line for each.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from edgebench.ground.errors import DeviceError, UsageError, unknown
from edgebench.ground.records import Precision
from edgebench.ground.registry import RUNTIMES, load_reference

if TYPE_CHECKING:
    import numpy as np

    from edgebench.ground.records import OperatorProfile

WARM_UP_RUNS: Final = 10  # before operators are timed
# How a program begins that imports what entries' `probe` names and tells what it `found` in JSON: what engines print as
# they are imported goes to standard error.
PROBING: Final = """
import json, os, sys
from importlib import import_module
from importlib.metadata import version
told, found = os.fdopen(os.dup(1), "w"), {}
os.dup2(2, 1)
"""

Gate = tuple[str, float, str]  # the error that is limited, its limit, and both in words


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A runtime's entry: all that others must know of it. Making one imports nothing.

    `package` is the name that its engine is imported by, `extra` the extra of edgebench that installs it, and `starts`
    the module whose import shows that it works, the package unless told. Emulated devices and boards without a Python
    get `wheel`, less the files that match `unneeded`; without one they cannot run it. `system` is the only one that
    runs it, as platform.system() says it, and `elsewhere` the sentence for others.
    """

    name: str
    engine: str
    formats: tuple[str, ...] = ()
    operators: str = ""
    package: str = ""
    extra: str | None = None
    starts: str = ""
    wheel: str = ""
    unneeded: tuple[str, ...] = ()
    system: str = ""
    elsewhere: str = ""
    pretends: bool = False  # it runs any file, and the time is what it says
    delegates: bool = False  # it hands operators to some, and tells how many
    noise: tuple[str, ...] = ()  # lines that it writes by itself when it loads a file
    agreement: Mapping[Precision, Gate] = field(default_factory=dict)  # with other processors, where that is worse
    unpacks_half: Callable[[str], bool] = lambda isa: False  # whether it computes fp16 files in fp32, by cpu.isa
    kernels: tuple[str, ...] = ()  # those that not every runtime has, by estimate.work's kinds; silu: as one
    counted: bool = False  # data/counts.csv has the instructions that it takes for published networks
    threads_apart: bool = False  # several threads are calibrated apart from one
    libraries: tuple[str, ...] = ()  # whose versions matter too, beside the engine's own
    units: tuple[str, ...] = ()  # processors beside the CPU that it computes on, by a profile's [[processors]]

    @property
    def distribution(self) -> str:
        """The engine's name in package registries."""
        return self.package.replace("_", "-")

    @property
    def probe(self) -> str:
        """What to import to see that it starts, and whose version to tell: module=package."""
        return f"{self.starts or self.package}={self.distribution}"

    @property
    def engine_file(self) -> Path:
        """The engine's module as a file, found without importing it."""
        spec = find_spec(self.engine)
        if spec is None or spec.origin is None:
            raise DeviceError(f"the module of runtime {self.name} is not installed as a file")
        return Path(spec.origin)

    @property
    def clock(self) -> str:
        """Which clock times it, as a worker's job says it."""
        return "engine" if self.pretends else "monotonic"

    def install_hint(self, package: str) -> str:
        """The command that installs what it lacks."""
        return f"pip install 'edgebench[{self.extra}]'" if self.extra else f"pip install {package}"

    def runs(self, form: str) -> bool:
        """Whether it runs files of a format."""
        return self.pretends or form in self.formats

    def load(self, path: str, threads: int = 1, batch: int = 1, *, exact: bool = False) -> Session:
        """Loads a file in this process; `exact` is for checks: it computes what the file says, at any speed.

        Raises MissingPackage without the engine, and the engine's own errors.
        """
        load = self._reference(f"{self.engine}:load")
        if exact:
            load = getattr(sys.modules[self.engine], "load_exact", load)
        session: Session = load(path, threads, batch)
        return session

    def profile(self, path: str, make_input: MakeInput, threads: int, runs: int) -> OperatorProfile:
        """The times of a file's operators over `runs` inferences, by the engine's own profiler, where it has one."""
        found: OperatorProfile = self._reference(self.operators)(path, make_input, threads, runs)
        return found

    def _reference(self, reference: str) -> Any:
        return load_reference(reference, f"runtime {self.name}", self.extra)


@cache
def runtime(name: str) -> Runtime:
    """The entry of a runtime. Raises UsageError for an unknown one."""
    found: Runtime = RUNTIMES.load(name)
    return found


def unavailable(name: str) -> str | None:
    """Why a runtime cannot run files on this machine, in one sentence, or None when it can; nothing is imported."""
    found = runtime(name)
    if found.system not in ("", platform.system()):
        return found.elsewhere
    if not found.package or find_spec(found.package) is not None:
        return None
    return f"runtime {name} needs the package {found.package}: {found.install_hint(found.package)}"


def every() -> list[Runtime]:
    """All entries, in the registry's order."""
    return [runtime(name) for name in RUNTIMES]


def bundled() -> list[Runtime]:
    """The runtimes that emulated devices and boards get with the bundle."""
    return [each for each in every() if each.wheel]


def runtime_of(form: str) -> str:
    """The runtime that runs files of a format: the first of the registry that does. Raises UsageError for none."""
    for each in every():
        if form in each.formats:
            return each.name
    raise unknown("format", form, (known for each in every() for known in each.formats))


def checked(name: str, form: str) -> str:
    """A runtime's own spelling. Raises UsageError for an unknown one, and one that does not run files of the format."""
    found = runtime(name)
    if not found.runs(form):
        raise UsageError(f"runtime {found.name} does not run {form} files; {runtime_of(form)} does")
    return found.name


def computed_precision(name: str, precision: Precision, isa: str) -> Precision:
    """The precision in which a runtime computes a file on a processor with the instruction set `isa`."""
    return "fp32" if precision == "fp16" and runtime(name).unpacks_half(isa) else precision


def libraries() -> tuple[str, ...]:
    """The packages whose versions a record keeps."""
    own = (name for each in every() if each.package for name in (each.distribution, *each.libraries))
    return ("edgebench", *own, "numpy")


def timed(run: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each of `runs` calls, in time order."""
    found = []
    for _ in range(runs):
        before = time.perf_counter()
        run()
        found.append(round(time.perf_counter() - before, 9))
    return found


class Session(Protocol):
    """A loaded network, ready to run.

    `inputs` and `outputs` are lists of {"name": str, "shape": [int], "dtype": str}, with a dynamic batch resolved to
    the batch that the session was loaded with. `delegates` counts the delegates that took operators, and
    `delegated_share` is the share of operators they took; both are None where the engine has no delegates.
    """

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    version: str
    delegates: int | None
    delegated_share: float | None

    def run(self, x: Any) -> np.ndarray:
        """Runs the network on `x`, in the file's own layout and dtype, and returns its first output.

        A list holds every input, the image first; an array is the image, and other inputs are zeros.
        """

    def run_all(self, x: Any) -> list[np.ndarray]:
        """Runs the network on `x` and returns every output."""


MakeInput = Callable[[Session, int], "np.ndarray"]
