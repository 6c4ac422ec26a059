"""Records such as edgebench stores, made by construction: what the report's tests and its benchmark read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from edgebench.ground import store
from edgebench.ground.records import (
    QUICK,
    Estimate,
    ExportSpec,
    Interval,
    Measurement,
    ModelSpec,
    OperatorProfile,
    OperatorTime,
    Parity,
    Result,
    Scenario,
    identity,
)

DAY = datetime(2026, 11, 1, 9, tzinfo=UTC)
FULL = Scenario()
NETWORKS = {  # name: family, MACs, parameters, seconds at 224
    "mobilenetv1": ("mobilenetv1", 568_740_352, 4_231_976, 0.0112),
    "mobilenetv2": ("mobilenetv2", 300_774_272, 3_504_872, 0.0071),
    "efficientnet_lite0": ("efficientnet", 385_827_392, 4_652_008, 0.0093),
    "efficientnet_b0": ("efficientnet", 385_814_416, 5_288_548, 0.0121),
}
ENVIRONMENT = {
    "machine": "1f2e3d4c",
    "cpu": "AMD EPYC",
    "memory_bytes": 25_276_514_304,
    "cores": 2,
    "affinity": 2,
    "threads": 1,
    "governor": None,
    "frequency_hz": 2.6e9,
    "frequency_max_hz": None,
    "temperature_c": None,
    "load_1m": 0.3,
    "throttled": None,
    "kernel": "Linux 6.1.0",
    "os": "Debian GNU/Linux 12 (bookworm)",
    "architecture": "x86_64",
    "python": "3.11.7",
    "versions": {"edgebench": "0.1.0", "ai-edge-litert": "2.3.0", "onnxruntime": "1.31.1", "numpy": "2.4.6"},
    "commit": "8e2f0c1d9b7a6f5e4d3c2b1a0f9e8d7c6b5a4938",
}
RUNTIMES = {"tflite": ("litert", "2.3.0"), "onnx": ("onnxruntime", "1.31.1"), "torch": ("torch", "2.13.0")}


def spec(name: str = "mobilenetv2", **changes: Any) -> ModelSpec:
    family = NETWORKS[name][0] if name in NETWORKS else "user"
    return ModelSpec(name=name, family=family, **changes)


def samples(middle_s: float, scenario: Scenario, seed: int, *, slow_from: float = 2.0) -> tuple[tuple[float, ...], ...]:
    """Log-normal samples with a process effect; from the share `slow_from` of the last process on, 25% slower."""
    chance = random.Random(seed)
    runs = max(scenario.min_runs, int(scenario.min_s / middle_s))
    return tuple(
        tuple(
            round(level * chance.lognormvariate(0.01, 0.02) * (1.25 if slow and run > slow_from * runs else 1), 9)
            for run in range(runs)
        )
        for process in range(scenario.processes)
        for level, slow in [(middle_s * chance.lognormvariate(0, 0.01), process == scenario.processes - 1)]
    )


def measurement(
    model: ModelSpec | None = None,
    form: str = "tflite",
    *,
    scenario: Scenario = QUICK,
    day: float = 0.0,
    factor: float = 1.0,
    seed: int = 0,
    slow_from: float = 2.0,
    **changes: Any,
) -> Measurement:
    model = model or spec()
    _, macs, parameters, seconds = NETWORKS.get(model.name, ("user", 10**8, 10**6, 0.005))
    middle = seconds * factor * (model.resolution / 224) ** 2 * {"tflite": 1.0, "onnx": 1.1, "torch": 2.3}[form]
    runtime, version = RUNTIMES[form]
    time = (DAY + timedelta(days=day)).isoformat(timespec="microseconds")
    reading = {"frequency_hz": 2.6e9, "temperature_c": 51.0}
    values: dict[str, Any] = {
        "id": identity(model, form, day, seed),
        "time": time,
        "model": model,
        "export": ExportSpec(format=form),
        "device": "host",
        "runtime": runtime,
        "runtime_version": version,
        "scenario": scenario,
        "latency_s": samples(middle, scenario, seed, slow_from=slow_from),
        "load_s": tuple(0.031 for _ in range(scenario.processes)),
        "first_s": tuple(round(3 * middle, 9) for _ in range(scenario.processes)),
        "memory_bytes": {"baseline": 31_000_000, "load": 52_000_000, "first": 61_000_000, "steady": 62_000_000},
        "artifact_sha256": "ab" * 32,
        "size_bytes": 4 * parameters,
        "parameters": parameters,
        "macs": round(macs * (model.resolution / 224) ** 2),
        "parity": parity(),
        "environment": ENVIRONMENT
        | {"engine": {"version": version}, "after": {}, "readings": [reading] * 2 * scenario.processes},
    }
    return Measurement(**values | changes)


def parity() -> Parity:
    return Parity(
        inputs=4,
        max_abs_error=2.4e-6,
        output_range=8.1,
        relative_l2_error=4.0e-7,
        gate="fp32: 1e-4 of the output's range",
        passed=True,
        evaluated_by="litert 2.3.0",
    )


def estimate(model: ModelSpec | None = None, *, day: float = 0.0, **changes: Any) -> Estimate:
    model = model or spec()
    _, macs, parameters, seconds = NETWORKS[model.name]
    middle = 9 * seconds * (model.resolution / 224) ** 2
    values: dict[str, Any] = {
        "id": identity(model, "estimate", day),
        "time": (DAY + timedelta(days=day)).isoformat(timespec="seconds"),
        "model": model,
        "export": ExportSpec(format="tflite"),
        "device": "rpi4",
        "runtime": "litert",
        "latency_s": Interval(value=middle, low=0.8 * middle, high=1.3 * middle, confidence=0.9),
        "peak_memory_bytes": 24_000_000,
        "size_bytes": 4 * parameters,
        "parameters": parameters,
        "macs": macs,
        "parity": parity(),
        "calibrated_on": "31 published rows for the Raspberry Pi 4",
    }
    return Estimate(**values | changes)


def operator_profile(count: int = 40, runs: int = 12, seed: int = 0) -> OperatorProfile:
    chance = random.Random(seed)
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
    operators = tuple(
        OperatorTime(
            name=f"features.{number}.conv",
            kind=kinds[number % 3],
            unit="XNNPACK Convolution (NHWC, F32) IGEMM",
            time_s=tuple(round(4e-4 * 0.93**number * chance.lognormvariate(0, 0.05), 9) for _ in range(runs)),
            macs=0 if number % 3 == 2 else int(2e7 * 0.93**number),
            traffic_bytes=int(2e6 * 0.95**number),
        )
        for number in range(count)
    )
    whole = tuple(sum(operator.time_s[run] for operator in operators) * 1.05 for run in range(runs))
    return OperatorProfile(
        method="LiteRT's profiler (XNNPACK's own operator times)",
        operators=operators,
        profiled_s=whole,
        plain_s=tuple(0.97 * seconds for seconds in whole),
        roof_flop_per_s=1.05e11,
        roof_bytes_per_s=6.4e10,
    )


def example(days: int = 14) -> Iterator[Result]:
    """Four networks in three formats measured once, a past with a slowdown, throttling, estimates, a failure."""
    for number, name in enumerate(NETWORKS):
        for form in RUNTIMES:
            yield measurement(spec(name), form, day=days, seed=number)
        for resolution in (128, 160, 192):
            yield measurement(spec(name, resolution=resolution), day=days, seed=number)
        yield estimate(spec(name), day=days)
    for day in range(days):
        yield measurement(day=day, factor=1.0 if day < 9 else 1.12, seed=day)
    yield measurement(
        day=days + 1, factor=1.12, scenario=FULL, seed=99, slow_from=0.5, operators=operator_profile(),
        warnings=("the load average was 1.6 on 2 cores: close other programs and measure again",),
    )  # fmt: skip
    yield measurement(
        spec("mobilenetv1"), "onnx", day=days + 1, latency_s=(), first_s=(), load_s=(), memory_bytes={},
        status="failed", error="onnxruntime raised Fail: the file is not there",
    )  # fmt: skip


def write(folder: Path, records: Sequence[Result] | Iterator[Result]) -> Path:
    """Stores records as `edgebench profile` does: one run a device and day."""
    for record in records:
        store.append(folder / record.device, record, run="run")
    return folder


def write_many(folder: Path, records: int, cells: int, a_file: int = 200) -> int:
    """Writes `records` quick measurements of `cells` cells, `a_file` of them a file, and returns the bytes written.

    Samples are those of a few templates, so that writing takes seconds and reading has all the work of real ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    templates = [measurement(spec("mobilenetv2"), seed=seed, factor=4.0) for seed in range(40)]
    written = 0
    for begin in range(0, records, a_file):
        lines = [_one(templates, number, cells, records) for number in range(begin, min(begin + a_file, records))]
        data = b"".join(lines)
        (folder / f"2026-{begin // a_file:06d}.jsonl").write_bytes(data)
        written += len(data)
    return written


def _one(templates: Sequence[Measurement], number: int, cells: int, records: int) -> bytes:
    from msgspec.structs import replace

    cell = number % cells
    age = timedelta(minutes=7 * (number - records))
    template = templates[(number * 7) % len(templates)]
    model = replace(template.model, resolution=32 + 8 * (cell % 40), width=round(0.25 + 0.05 * (cell // 40), 2))
    time = (DAY + age).isoformat(timespec="microseconds")
    return msgspec.json.encode(replace(template, id=f"{number:016x}", time=time, model=model)) + b"\n"
