"""edgebench: PyTorch CNNs as checked files for edge runtimes, measured or estimated on a device.

    module = edgebench.build("mobilenetv2", width=0.5)
    artifact = edgebench.export("mobilenetv2", format="tflite", precision="fp16")
    results = edgebench.profile("mobilenetv2", device="rpi4")
    outcome = edgebench.train("mobilenetv2", "photos", weights="mobilenet_v2.pth", freeze="all-but-head")
    [evaluation] = edgebench.evaluate("mobilenetv2", "photos", weights=outcome.weights)
    choice = edgebench.scale("rpi4", "mobilenetv2", max_latency="50ms")

The exporters' package, the top-level folder export/, is imported as edgebench.formats.
"""

from edgebench.api import build, evaluate, export, profile, scale, train
from edgebench.ground.version import __version__

__all__ = ["__version__", "build", "evaluate", "export", "profile", "scale", "train"]
