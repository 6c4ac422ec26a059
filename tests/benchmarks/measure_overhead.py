"""What the harness adds to a latency: its median against a bare loop around the engine itself.

    python tests/benchmarks/measure_overhead.py MODEL.tflite MODEL.onnx [--rounds 5] [--seconds 2]

Each round measures the file twice, one after the other: by `edgebench.measure` and by a loop of five lines in one
process that knows nothing of edgebench. Prints the medians of both and their ratio, from the same run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Scenario
from edgebench.measure import measure
from edgebench.runtimes import runtime_of

LITERT = """
import numpy as np
from ai_edge_litert.interpreter import Interpreter
engine = Interpreter(model_path=path, num_threads=1)
engine.allocate_tensors()
image, logits = engine.get_input_details()[0], engine.get_output_details()[0]["index"]
x = np.random.default_rng(0).standard_normal(image["shape"]).astype(np.float32)
def run():
    engine.set_tensor(image["index"], x)
    engine.invoke()
    return engine.get_tensor(logits)
"""

ONNXRUNTIME = """
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
engine = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
image = engine.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in image.shape]
x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
def run():
    return engine.run(None, {image.name: x})
"""

LOOP = """
import statistics, time
for _ in range(20):
    run()
times, end = [], time.perf_counter() + seconds
while time.perf_counter() < end:
    before = time.perf_counter_ns()
    run()
    times.append(time.perf_counter_ns() - before)
print(statistics.median(times) / 1e9)
"""


def main() -> None:
    """Parses the command line and prints a line per file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    print("file                              harness      bare loop    ratio")
    for file in options.files:
        rounds = [(harness(file, options.seconds), bare(file, options.seconds)) for _ in range(options.rounds)]
        ours, theirs = (median(values) for values in zip(*rounds, strict=True))
        print(f"{file.name:30} {ours * 1e3:9.4f} ms {theirs * 1e3:11.4f} ms {ours / theirs:8.4f}")


def harness(file: Path, seconds: float) -> float:
    """Median latency by edgebench, in one process."""
    spec = ExportSpec(format="onnx" if file.suffix == ".onnx" else "tflite")
    artifact = Artifact(
        model=ModelSpec(name=file.stem, family="file"),
        export=spec,
        path=str(file),
        sha256="",
        size_bytes=file.stat().st_size,
        inputs=(),
        outputs=(),
    )
    scenario = Scenario(processes=1, min_runs=30, min_s=seconds, max_s=60)
    found = measure(artifact, runtime_of(spec.format), scenario)
    if found.error:
        sys.exit(found.error)
    return median(found.latency_s[0])


def bare(file: Path, seconds: float) -> float:
    """Median latency of the engine alone, in a loop."""
    engine = ONNXRUNTIME if file.suffix == ".onnx" else LITERT
    script = f"path, seconds = {str(file)!r}, {seconds}\n{engine}{LOOP}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
