"""Seconds and peak memory of conversion, for each format, in fresh processes; run by hand on a quiet machine.

    python tests/benchmarks/export_conversion.py [NETWORK...] [--repeats N] [--converter litert-torch]

`convert` is the exporter alone, from the built network to the file; `export` adds running the file and comparing it
with torch. The first includes capturing the graph. Peak memory is VmHWM of /proc/self/status after either.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

FORMATS = ("tflite", "onnx", "coreml", "torch")
NETWORKS = ("mobilenetv2", "efficientnet_b0")


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(_export(*arguments.networks, arguments.converter)))
        return
    print(f"{'network':<18}{'format':<8}{'import torch':>13}{'convert':>10}{'peak':>11}{'export':>10}{'peak':>11}")
    formats = FORMATS if arguments.converter == "default" else FORMATS[:1]
    for network in arguments.networks:
        for form in formats:
            runs = [_measure(network, form, arguments.converter) for _ in range(arguments.repeats)]
            middle = {name: median(run[name] for run in runs) for name in runs[0]}
            print(_row(network, form, middle), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--converter", default="default")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _row(network: str, form: str, middle: dict[str, float]) -> str:
    convert = f"{middle['convert_s']:>8.2f} s{_mib(middle['convert_peak'])}"
    export = f"{middle['export_s']:>8.2f} s{_mib(middle['export_peak'])}"
    return f"{network:<18}{form:<8}{middle['import_s']:>11.2f} s{convert}{export}"


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:>7.0f} MiB"


def _measure(network: str, form: str, converter: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", network, form, "--converter", converter]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(finished.stdout)
    return measured


def _export(network: str, form: str, converter: str) -> dict[str, float]:
    """Runs in a process of its own, which does nothing else."""
    start = time.perf_counter()
    import torch  # noqa: F401

    imported = time.perf_counter()
    from edgebench import models
    from edgebench.formats.describe import describe
    from edgebench.formats.format import form as entry
    from edgebench.formats.network import Network
    from edgebench.ground.process import collection_paused
    from edgebench.ground.records import ExportSpec
    from edgebench.models.build import build

    spec, export = models.resolve(network), ExportSpec(format=form, converter=converter)
    built = Network(spec, build(spec), preprocessing=models.preprocessing(spec))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"net{entry(form).suffix}"
        begun = time.perf_counter()
        with collection_paused():
            conversion = entry(form).load("write")(built, export, file)
        converted, convert_peak = time.perf_counter(), _peak_bytes()
        describe(built, export, file, conversion)
        ended = time.perf_counter()
    return {
        "import_s": imported - start,
        "convert_s": converted - begun,
        "convert_peak": convert_peak,
        "export_s": ended - begun,
        "export_peak": _peak_bytes(),
    }


def _peak_bytes() -> int:
    """VmHWM; ru_maxrss would be the parent's where that is larger."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
