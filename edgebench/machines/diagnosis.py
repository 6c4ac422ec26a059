"""What is installed, what each command can do here, and what disturbs timings (`edgebench doctor`)."""

from __future__ import annotations

from importlib import metadata

from edgebench.ground.records import Record

# package -> (extra that installs it, None for a dependency of edgebench itself; what it is for)
PACKAGES: dict[str, tuple[str | None, str]] = {
    "torch": (None, "building networks, capturing graphs, the reference of every parity check"),
    "onnx": ("onnx", "export to ONNX"),
    "onnxscript": ("onnx", "export to ONNX"),
    "onnxruntime": ("onnx", "running ONNX files"),
    "ai-edge-litert": ("tflite", "export to TFLite, running TFLite files"),
    "coremltools": ("coreml", "export to CoreML, evaluating packages"),
    "pnnx": ("ncnn", "export to ncnn"),
    "ncnn": ("ncnn", "checking and running ncnn files"),
    "litert-torch": ("oracle", "--converter litert-torch, the test oracle"),
}

# command -> packages it needs, beyond edgebench's own dependencies
COMMANDS: dict[str, tuple[str, ...]] = {
    "export --fmt tflite": ("ai-edge-litert",),
    "export --fmt tflite --converter litert-torch": ("ai-edge-litert", "litert-torch"),
    "export --fmt onnx": ("onnx", "onnxscript", "onnxruntime"),
    "export --fmt coreml": ("coremltools",),
    "export --fmt ncnn": ("pnnx", "ncnn"),
    "profile --device host (tflite)": ("ai-edge-litert",),
    "profile --device host (onnx)": ("onnxruntime",),
    "profile --device host (ncnn)": ("ncnn",),
    "profile --device rpi4": ("ai-edge-litert", "pnnx", "ncnn"),
}


class Package(Record, frozen=True, kw_only=True):
    """One package: `version` is None where it is not installed, and `install` is the command that installs it."""

    name: str
    version: str | None
    purpose: str
    install: str


class Ability(Record, frozen=True, kw_only=True):
    """What a command can do here: "yes", or what it needs."""

    command: str
    available: bool
    here: str


class Diagnosis(Record, frozen=True, kw_only=True):
    """All findings of the doctor."""

    packages: tuple[Package, ...]
    abilities: tuple[Ability, ...]
    environment: dict[str, object]
    disturbances: tuple[str, ...]


def examine() -> Diagnosis:
    """Looks at this machine; imports none of the packages it reports on."""
    from edgebench.machines import environment

    packages = tuple(_package(name) for name in PACKAGES)
    installed = {package.name for package in packages if package.version}
    return Diagnosis(
        packages=packages,
        abilities=tuple(_ability(command, needs, installed) for command, needs in COMMANDS.items()),
        environment=environment.capture(threads=1),
        disturbances=tuple(environment.disturbances(threads=1)),
    )


def _package(name: str) -> Package:
    extra, purpose = PACKAGES[name]
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = None
    install = f"pip install 'edgebench[{extra}]'" if extra else f"pip install {name}"
    return Package(name=name, version=version, purpose=purpose, install=install)


def _ability(command: str, needs: tuple[str, ...], installed: set[str]) -> Ability:
    missing = [_package(name) for name in needs if name not in installed]
    here = "yes" if not missing else "no: " + "; ".join(dict.fromkeys(package.install for package in missing))
    return Ability(command=command, available=not missing, here=here)
