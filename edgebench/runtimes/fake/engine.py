"""An engine that only pretends: a JSON file says how long it takes and how it fails, so that plan, compare, gate and
report are tested on any machine, in milliseconds.

Time is virtual: `clock_ns` moves only by what the file says, and the worker measures by it (its job says "clock":
"engine"). With "real": true the engine truly sleeps and the clock is the machine's. Everything is decided by the file,
its seed and the number of the process, so the same scenario gives the same samples.

Uses the standard library and numpy only, like every engine: this file is copied to devices.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERSION = "1"
_now_ns = 0
_real = False


@dataclass(frozen=True)
class Behaviour:
    """The fields of the JSON file; times in seconds.

    The i-th run takes latency_s[i % len] times exp(N(0, process_noise)) for the process, times exp(N(0, noise)) for
    the run, times (1 + growth * i); the first takes `first_s`. `fail` names a phase ("load", or the number of a run
    from 0) and how: "raise", "hang", "exit", or a signal such as "SIGSEGV". `chatter` is written to standard output
    on every run. `memory_bytes` by phase: "load" is kept, "first" and "second" live for one run each.
    """

    latency_s: list[float] = field(default_factory=lambda: [0.005])
    load_s: float = 0.05
    first_s: float = 0.02
    noise: float = 0.0
    process_noise: float = 0.0
    growth: float = 0.0
    seed: int = 0
    real: bool = False
    chatter: str = ""
    fail: dict[str, str] = field(default_factory=dict)
    memory_bytes: dict[str, int] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    )


def clock_ns() -> int:
    """The time that this engine has pretended to spend, or the machine's for a real one."""
    return time.perf_counter_ns() if _real else _now_ns


def load(path: str, threads: int = 1, batch: int = 1) -> FakeSession:
    """Reads the behaviour. Raises ValueError for a file that is not JSON, TypeError for a field that it has not."""
    global _real
    with open(path, encoding="utf-8") as file:
        behaviour = Behaviour(**json.load(file))
    _real = behaviour.real
    _pass(behaviour.load_s)
    _fail(behaviour.fail.get("load"))
    return FakeSession(behaviour, batch)


class FakeSession:
    """A behaviour, ready to be run."""

    version = VERSION
    delegates: int | None = None
    delegated_share: float | None = None

    def __init__(self, behaviour: Behaviour, batch: int) -> None:
        process = os.environ.get("EDGEBENCH_PROCESS", "0")
        self.inputs = [{**tensor, "shape": [batch, *tensor["shape"][1:]]} for tensor in behaviour.inputs]
        self.outputs: list[dict[str, Any]] = [{"name": "logits", "shape": [batch, 10], "dtype": "float32"}]
        self._behaviour = behaviour
        self._random = random.Random(f"{behaviour.seed}-{process}")
        self._factor = math.exp(self._random.gauss(0, behaviour.process_noise))
        self._kept = _occupy(behaviour.memory_bytes.get("load", 0))
        self._runs = 0

    def run(self, x: np.ndarray) -> np.ndarray:
        """Lets the time of one run pass, fails where the file says so, and returns zeros."""
        behaviour, number = self._behaviour, self._runs
        self._runs += 1
        held = _occupy(behaviour.memory_bytes.get({0: "first", 1: "second"}.get(number, ""), 0))
        if behaviour.chatter:
            sys.stdout.write(behaviour.chatter)
            os.write(1, behaviour.chatter.encode())
        _fail(behaviour.fail.get(str(number)))
        _pass(self._seconds(number))
        del held
        return np.zeros(self.outputs[0]["shape"], np.float32)

    def run_all(self, x: np.ndarray) -> list[np.ndarray]:
        """Its one output, as `run`."""
        return [self.run(x)]

    def _seconds(self, number: int) -> float:
        if number == 0:
            return self._behaviour.first_s
        samples = self._behaviour.latency_s
        factor = self._factor * math.exp(self._random.gauss(0, self._behaviour.noise))
        return samples[(number - 1) % len(samples)] * factor * (1 + self._behaviour.growth * number)


def _pass(seconds: float) -> None:
    global _now_ns
    if _real:
        time.sleep(seconds)
    _now_ns += round(seconds * 1e9)


def _fail(how: str | None) -> None:
    """Does what the file asks for. Raises RuntimeError for "raise", ValueError for a way it does not know."""
    if how is None:
        return
    if how == "raise":
        raise RuntimeError("the fake engine was told to raise")
    if how == "hang":
        time.sleep(3600)
    elif how == "exit":
        os._exit(3)
    elif how in signal.Signals.__members__:
        os.kill(os.getpid(), signal.Signals[how])
    else:
        raise ValueError(f"unknown way to fail: {how}")


def _occupy(size: int) -> bytearray:
    """Memory that is resident: a page that nobody has written to is not."""
    block = bytearray(size)
    block[::4096] = b"\x01" * len(range(0, size, 4096))
    return block
