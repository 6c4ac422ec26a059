"""Runs a written file, compares it with the network, and describes both as an Artifact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from edgebench.formats import cache, manifest
from edgebench.formats.format import form
from edgebench.formats.inside import look
from edgebench.formats.native import fed, runner, session
from edgebench.formats.network import Conversion, Network
from edgebench.formats.quantize.images import FEW
from edgebench.formats.verify import Run, verify, verify_batch
from edgebench.ground.errors import EdgebenchError, ExportError, Uncheckable, UsageError
from edgebench.ground.process import one_thread
from edgebench.ground.records import CLASSES, Artifact, ExportSpec, ModelSpec, Parity
from edgebench.runtimes import runtime_of


@dataclass(frozen=True)
class Engine:
    """What runs a written file: NCHW in, one output, NCHW where it is an image.

    `batched` takes two images, where the file's batch is dynamic.
    """

    run: Run
    name: str
    batched: Run | None = None
    delegates: int | None = None
    delegated_share: float | None = None


def describe(
    network: Network, export: ExportSpec, file: Path, conversion: Conversion, *, unchecked: bool = False
) -> Artifact:
    """Returns the Artifact of `file`. Raises ExportError when the file does not compute what the network computes.

    Where nothing on this machine can run it, that is Uncheckable; with `unchecked`, an Artifact without parity.
    """
    from edgebench.graph.cost import count

    calibrated = network.quantization is not None and network.quantization.scheme == "static"
    engine: Engine | None = None
    parity: Parity | None = None
    doubts: tuple[str, ...] = ()
    try:
        with one_thread():
            engine = _engine(export, file, conversion)
            parity = _parity(network, export, file, engine)
            doubts = (f"parity: {parity.doubt}",) if parity.doubt else ()
    except Uncheckable as error:
        if not unchecked:
            raise
        doubts = (f"UNCHECKED: {error}",)
    except ExportError as error:
        if not calibrated or network.calibration.given >= FEW:
            raise
        few = f"only {network.calibration.given} images were calibrated on: give {FEW} or more, better 64"
        raise ExportError(f"{error}; {few}") from error
    spec = _with_classes(network, conversion)
    macs: int | None = None
    warnings = network.calibration.warnings if calibrated else ()
    warnings += conversion.warnings + doubts
    try:
        macs = count(network.graph).macs
    except EdgebenchError as error:
        warnings += (f"MACs are not counted: {error}",)
    return Artifact(
        model=spec,
        export=export,
        path=str(file),
        sha256=manifest.content_sha256(file),
        size_bytes=manifest.size_bytes(file),
        inputs=conversion.inputs,
        outputs=conversion.outputs,
        preprocessing=network.preprocessing,
        labels=network.names,
        parity=parity,
        quantization=conversion.quantization,
        operators=conversion.operators,
        rewrites=conversion.rewrites,
        transposes=conversion.transposes,
        moved_bytes=conversion.moved_bytes,
        delegated_share=engine.delegated_share if engine else None,
        delegates=engine.delegates if engine else None,
        parameters=sum(weight.numel() for weight in network.module.parameters()),
        macs=macs,
        weights_sha256=network.weights_sha256,
        tool_versions=cache.tool_versions(export) | conversion.tool_versions,
        warnings=warnings,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _with_classes(network: Network, conversion: Conversion) -> ModelSpec:
    """The network's spec; of a user's own the number of classes is that of its outputs; UsageError for another."""
    output, spec = conversion.outputs[0], network.spec
    if spec.is_scaled or len(conversion.outputs) > 1 or output.values not in output.shape:  # not classes alone
        return spec
    if spec.classes not in (output.values, CLASSES):
        raise UsageError(f"`classes` is {spec.classes}, and {spec.title} has {output.values} outputs: leave it out")
    return replace(spec, classes=output.values)


def _engine(export: ExportSpec, file: Path, conversion: Conversion) -> Engine:
    entry = form(export.format)
    if entry.evaluate:
        program = entry.load("evaluate")(file)
        return Engine(program.run, program.name)
    name, ends = runtime_of(export.format), (conversion.inputs, conversion.outputs)
    names = [output.name for output in conversion.outputs]
    one = session(name, str(file), exact=True)
    dynamic = conversion.inputs[0].shape[0] is None
    return Engine(
        run=fed(runner(one, names), *ends),
        name=f"{name} {one.version}",
        batched=fed(runner(session(name, str(file), batch=2, exact=True), names), *ends) if dynamic else None,
        delegates=one.delegates,
        delegated_share=one.delegated_share,
    )


def _parity(network: Network, export: ExportSpec, file: Path, engine: Engine) -> Parity:
    """How the file compares with the network. Raises ExportError where it computes something else."""
    inputs, expected = network.reference
    shapes = network.outputs
    parity = verify(engine.run, inputs, expected, export.precision, engine.name, lambda: network.exact(inputs), shapes)
    if engine.batched:
        verify_batch(engine.batched, inputs, expected, export.precision, shapes)
    if not parity.doubt:
        return parity
    return replace(parity, doubt=_seen_inside(network, export, file, parity.doubt))


def _seen_inside(network: Network, export: ExportSpec, file: Path, doubt: str) -> str:
    """`doubt`, and what the tensors inside the file say instead. Raises ExportError where they are wrong."""
    entry = form(export.format)
    if not entry.tensors or export.precision == "int8" or export.image_input:
        return f"{doubt}; trained weights would tell more"
    witness = look(entry.load("tensors")(file), network.precise, network.reference[0], export.precision)
    return f"{doubt}; {witness}"
