"""Where the numbers were taken, and how: each machine once, each scenario once, each calibration once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from edgebench.ground.records import Estimate, Measurement, Result, Scenario

# What differs from run to run on one machine; the records have it.
CHANGING = ("after", "readings", "engine", "load_1m", "temperature_c", "frequency_hz", "commit", "threads", "throttled",
            "emulated_s", "counted")  # fmt: skip


class Settings:
    """Gathers machines and methods, result by result."""

    def __init__(self) -> None:
        self._machines: dict[bytes, tuple[dict[str, str], set[str], list[int]]] = {}
        self._methods: dict[str, None] = {}

    def add(self, result: Result) -> None:
        """Takes one result."""
        if isinstance(result, Measurement) and result.environment:
            facts = dict(_facts(result.environment))
            key = msgspec.json.encode(facts, order="sorted")
            _, devices, rows = self._machines.setdefault(key, (facts, set(), [0]))
            devices.add(result.device)
            rows[0] += 1
        if isinstance(result, Estimate):
            self._methods.setdefault(_estimated(result))
        elif result.estimated_latency_s:
            self._methods.setdefault(_emulated(result))
        elif result.latency_s:
            self._methods.setdefault(f"{result.provenance.capitalize()}: {scenario(result.scenario)}")

    @property
    def environments(self) -> list[dict[str, Any]]:
        """One entry a distinct machine and software: its facts as text, the devices, and how many rows it has."""
        return [
            {"facts": facts, "devices": sorted(devices), "rows": rows[0]}
            for facts, devices, rows in self._machines.values()
        ]

    @property
    def methods(self) -> list[str]:
        """One sentence a scenario or calibration that the rows rest on."""
        return list(self._methods)


def _facts(environment: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in environment.items():
        if name in CHANGING or value is None:
            continue
        if isinstance(value, Mapping):
            yield name, ", ".join(f"{key} {version}" for key, version in value.items())
        else:
            yield name.removesuffix("_bytes").replace("_", " "), _text(name, value)


def _text(name: str, value: object) -> str:
    if isinstance(value, int | float) and name.endswith("_bytes"):
        return f"{value / 2**30:.1f} GiB"
    if isinstance(value, int | float) and name.endswith("_hz"):
        return f"{value / 1e9:.2f} GHz"
    return str(value)


def scenario(of: Scenario) -> str:
    """A scenario in words."""
    return (
        f"{of.processes} fresh processes; warm-up of at least {of.warmup_runs} runs and {of.warmup_s:g} s, not stored;"
        f" then at least {of.min_runs} runs and {of.min_s:g} s, at most {of.max_s:g} s;"
        f" {of.threads} thread{'s' * (of.threads > 1)}, batch {of.batch}{', quick' * of.quick}."
    )


def _emulated(result: Measurement) -> str:
    share = f"{result.estimated_latency_s.confidence:.0%}" if result.estimated_latency_s else "a stated share"
    return (
        f"Emulated for {result.device} with {result.runtime} (the time is not measured): from"
        f" {result.calibrated_on}; the interval should hold the device's median in {share} of cases."
    )


def _estimated(result: Estimate) -> str:
    share = f"{result.latency_s.confidence:.0%}" if result.latency_s else "a stated share"
    on = result.calibrated_on or "a calibration that the record does not name"
    return (
        f"Estimated for {result.device} with {result.runtime}: from the network's graph, calibrated on {on};"
        f" the interval should hold the device's median in {share} of cases."
    )
