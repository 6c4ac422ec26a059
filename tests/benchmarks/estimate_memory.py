"""Measured and estimated peak memory of zoo networks: python tests/benchmarks/estimate_memory.py

One fresh process a file, high-water mark of resident memory from after the engine's import to three inferences.
Linux only. The constants in edgebench/estimate/footprint.py come from this table.
"""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

NETWORKS = ("lenet5", "mobilenetv2", "mobilenetv1", "efficientnet_b0", "nin", "resnet18", "alexnet")
MORE = ("resnet50", "googlenet", "vgg16")  # for ncnn, which treats three kinds of weights apart
RUNTIMES = {
    "tflite": ("litert", "ai_edge_litert.interpreter", NETWORKS),
    "onnx": ("onnxruntime", "onnxruntime", NETWORKS),
    "ncnn": ("ncnn", "ncnn", NETWORKS + MORE),
}


def high_water_bytes() -> int:
    """The process's highest resident size since the mark was last cleared."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def run(path: str, runtime: str, package: str) -> None:
    """Loads and runs `path`, and prints the peak above what the imported engine takes."""
    import numpy as np

    importlib.import_module(package)
    engine = importlib.import_module(f"edgebench.runtimes.{runtime}")
    Path("/proc/self/clear_refs").write_text("5")
    idle = high_water_bytes()
    session = engine.load(path, threads=1)
    image = np.zeros([size or 1 for size in session.inputs[0]["shape"]], np.float32)
    for _ in range(3):
        session.run(image)
    print(high_water_bytes() - idle)


def main() -> None:
    """Prints measured and estimated peak for each network and format."""
    from edgebench import models
    from edgebench.estimate.footprint import peak_memory_bytes
    from edgebench.formats.pipeline import export_model
    from edgebench.ground.records import ExportSpec
    from edgebench.models.sketch import sketch

    with tempfile.TemporaryDirectory() as folder:
        for form, (runtime, package, networks) in RUNTIMES.items():
            for name in networks:
                spec = models.resolve(name)
                artifact = export_model(spec, ExportSpec(format=form), Path(folder))  # type: ignore[arg-type]
                command = [sys.executable, __file__, artifact.path, runtime, package]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                estimate = peak_memory_bytes(sketch(spec), runtime, "fp32") or 0
                measured = int(done.stdout.split()[-1])
                print(f"{name:16} {runtime:12} measured {measured / 1e6:7.1f} MB  estimated {estimate / 1e6:7.1f} MB")


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
