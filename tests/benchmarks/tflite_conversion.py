"""How long a TFLite conversion takes and how much memory it needs, against litert-torch where that is installed.

usage: python tests/benchmarks/tflite_conversion.py [MODEL ...]      default: mobilenetv2 efficientnet_b0

Each conversion runs in a fresh process that has imported torch and built the network. `first` is all that a user waits
for then, the modules that torch.export imports on its first use included, and `its cpu` the processor's part of it;
`again` is a second conversion in the same process. Each is the least of three processes. Memory is VmHWM after the
first conversion (Linux). `ratio` compares `first`.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = ["mobilenetv2", "efficientnet_b0"]
PROCESSES = 3
CONVERTERS = ["default", *(["litert-torch"] if importlib.util.find_spec("litert_torch") else [])]


def main() -> None:
    print(
        f"{'model':<18} {'converter':<13} {'first s':>8} {'its cpu s':>10} {'again s':>8} {'peak MiB':>9} {'ratio':>6}"
    )
    for model in sys.argv[1:] or MODELS:
        base = None
        for converter in CONVERTERS:
            runs = [in_fresh_process(model, converter) for _ in range(PROCESSES if converter == "default" else 1)]
            first, cpu, again = (min(run[key] for run in runs) for key in ("first_s", "cpu_s", "again_s"))
            peak = max(run["peak_mib"] for run in runs)
            base = base or first
            print(f"{model:<18} {converter:<13} {first:8.2f} {cpu:10.2f} {again:8.2f} {peak:9.0f} {first / base:6.1f}")


def in_fresh_process(model: str, converter: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", model, converter]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def child(model: str, converter: str) -> None:
    import torch  # noqa: F401  the clock starts after it

    from edgebench import models
    from edgebench.models.build import build

    spec = models.resolve(model)
    module = build(spec)
    cpu = time.process_time()
    found = {"first_s": convert(spec, module, converter), "cpu_s": time.process_time() - cpu}
    found["peak_mib"] = peak_bytes() / 2**20
    found["again_s"] = convert(spec, module, converter)
    print(json.dumps(found))


def convert(spec, module, converter: str) -> float:
    start = time.perf_counter()
    from edgebench.formats.network import Network
    from edgebench.formats.tflite import convert as tflite
    from edgebench.ground.records import ExportSpec

    with tempfile.TemporaryDirectory() as folder:
        tflite.convert(Network(spec, module), ExportSpec(converter=converter), Path(folder) / "network.tflite")
        return time.perf_counter() - start


def peak_bytes() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
