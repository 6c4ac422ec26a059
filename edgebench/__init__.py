"""edgebench: PyTorch CNNs as checked files for edge runtimes, measured or estimated on a device.

    module = edgebench.build("mobilenetv2", width=0.5)
    artifact = edgebench.export("mobilenetv2", format="tflite", precision="fp16")
    artifact = edgebench.export(my_module, input=(3, 224, 224), preprocess="imagenet")
    results = edgebench.profile("mobilenetv2", device="rpi4")
    outcome = edgebench.train("mobilenetv2", "photos", weights="mobilenet_v2.pth", freeze="all-but-head")
    [evaluation] = edgebench.evaluate("mobilenetv2", "photos", weights=outcome.weights)
    choice = edgebench.scale("rpi4", "mobilenetv2", max_latency="50ms")

Every command has its function, with the same options: see edgebench.api. That of `edgebench runtimes` is
rank_runtimes here, for edgebench.runtimes is the engines' package. The exporters' package, the top-level folder
export/, is imported as edgebench.formats.
"""

from typing import TYPE_CHECKING

from edgebench.ground import errors as errors
from edgebench.ground.version import __version__

if TYPE_CHECKING:
    from edgebench.api import (
        ab,
        augment,
        build,
        deploy,
        device_add,
        device_calibrate,
        device_check,
        device_list,
        device_run,
        device_setup,
        devices,
        doctor,
        evaluate,
        export,
        gate,
        history,
        init,
        inspect,
        noise,
        plot,
        profile,
        query,
        rank_runtimes,
        scale,
        sweep,
        train,
    )  # fmt: skip

__all__ = [
    "__version__", "ab", "augment", "build", "deploy", "device_add", "device_calibrate", "device_check",
    "device_list", "device_run", "device_setup", "devices", "doctor", "evaluate", "export", "gate", "history",
    "init", "inspect", "noise", "plot", "profile", "query", "rank_runtimes", "scale", "sweep", "train",
]  # fmt: skip

if not TYPE_CHECKING:

    def __dir__() -> list[str]:
        """What there is, the functions of edgebench.api among it."""
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> object:
        """A function of edgebench.api, imported when it is asked for: what runs on a board needs none of them."""
        if name not in __all__:
            raise AttributeError(f"module 'edgebench' has no attribute '{name}'")
        from edgebench import api

        return getattr(api, name)
