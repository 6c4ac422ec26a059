"""From a spec to a checked file: build, convert to a temporary name, run, compare with torch, describe, rename.

Nothing is at its final name before it has passed, and nothing stays behind when it has not.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import msgspec

from edgebench.formats import cache as made
from edgebench.formats import manifest
from edgebench.formats.format import check, every, form
from edgebench.formats.staging import check_replaceable, publish, staging
from edgebench.formats.strict import check_int8
from edgebench.ground.errors import EdgebenchError, ExportError, JobError
from edgebench.ground.process import collection_paused
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Quantization
from edgebench.models.given import NOTHING, Given

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgebench.formats.network import Exporter, Network

ENDED = "the network's own code called sys.exit: it must return its outputs"
LONGEST = 300  # characters of a converter's own message
FULL = (errno.ENOSPC, errno.EFBIG)
COREML_WRITER = "FileWriter"  # coremltools' own; it says no more than that it failed

Outcome = tuple[ExportSpec, Artifact | JobError]


class Terms(TypedDict, total=False):
    """On what terms files are made: each false where it is left out.

    `force` converts even what is there, `strict` refuses an int8 file that is not int8 throughout, `unchecked`
    publishes one that nothing here can run, and says so; a `readable` name is without the digest that tells networks of
    one title apart, unless another's file has that name already.
    """

    force: bool
    strict: bool
    unchecked: bool
    readable: bool


def export_model(
    spec: ModelSpec, export: ExportSpec, folder: Path, *, given: Given = NOTHING, seed: int = 0, **terms: Unpack[Terms]
) -> Artifact:
    """Writes one checked file and its manifest into `folder`, or finds them there.

    An export is reused (`cached` is then True, and torch is not imported) when the file on disk is unchanged and was
    made from the same specs, weights or seed, and tool versions; `force` converts in any case. Weights are initialised
    from `seed` where `given` has none. See Terms for the rest.

    Raises UsageError for a combination that does not exist, ExportError when the conversion fails or the written file
    does not compute what torch computes. Nothing is left behind then.
    """
    ((_, outcome),) = export_models(spec, [export], folder, given=given, seed=seed, **terms)
    if isinstance(outcome, JobError):
        raise outcome
    return outcome


def export_models(
    spec: ModelSpec,
    exports: Iterable[ExportSpec],
    folder: Path,
    *,
    given: Given = NOTHING,
    seed: int = 0,
    **terms: Unpack[Terms],
) -> Iterator[Outcome]:
    """Yields (export spec, Artifact or the error) for each export, as it ends; one that fails does not stop the others.

    The network is built once, when the first export needs it, and its graph captured once. Raises UsageError, before
    any work, for a combination that does not exist, and while building for weights that do not fit.
    """
    force, strict = terms.get("force", False), terms.get("strict", False)
    # How int8 is made is said where the spec leaves it open, so that both are one file.
    exports = [
        msgspec.structs.replace(export, quantization=Quantization())
        if export.precision == "int8" and export.quantization is None
        else export
        for export in exports
    ]
    for export in exports:
        check(export)
    weights_sha256 = manifest.content_sha256(given.weights) if given.weights else None
    said = (given.preprocessing(spec) if given.preparation else None, given.labels) if made.cacheable(spec) else ()
    network = cache(lambda: _build(spec, given, weights_sha256, seed))
    for export in exports:
        key = made.key(spec, export, weights_sha256, seed, *said) if made.cacheable(spec) else ""
        target = folder / file_name(spec.key, export, weights_sha256, seed)
        if terms.get("readable"):
            target = _readable(target, folder / file_name(spec.title, export, weights_sha256, seed), spec)
        found = made.find(target, key) if key and not force else None
        if found is None:
            check_replaceable(target, ours=force or manifest.is_ours(target))
            yield export, _attempt(network, export, target, key, terms)
            continue
        try:
            if strict:
                check_int8(found)
        except JobError as error:
            yield export, error
        else:
            yield export, found


def file_name(network: str, export: ExportSpec, weights_sha256: str | None = None, seed: int = 0) -> str:
    """Returns the name of a network's file, which tells what is in it: mobilenetv2-w1-d1-r224-fp32.onnx."""
    parts = [network, export.key.removeprefix(f"{export.format}-")]
    if weights_sha256:
        parts.append(weights_sha256[:8])
    elif seed:
        parts.append(f"seed{seed}")
    return "-".join(parts) + form(export.format).suffix


def _readable(exact: Path, short: Path, spec: ModelSpec) -> Path:
    """The short name, or the exact one where the short one is taken by a file of another network."""
    found = manifest.read(short)
    return exact if found is not None and found.model.key != spec.key else short


def _build(spec: ModelSpec, given: Given, weights_sha256: str | None, seed: int) -> Network:
    from edgebench.formats.network import Network

    module = given.build(spec, seed)
    return Network(spec, module, weights_sha256, given.preprocessing(spec, module), given.names)


def _attempt(
    network: Callable[[], Network], export: ExportSpec, target: Path, key: str, terms: Terms
) -> Artifact | JobError:
    """Exports, and turns whatever a converter or a runtime raises into one sentence."""
    try:
        return _export(network(), export, target, key, terms)
    except EdgebenchError as error:
        if is_full(error):
            return _failed(no_space(target), error)
        if isinstance(error, JobError):
            return error
        raise
    except SystemExit as error:
        return _failed(ENDED, error)
    except Exception as error:
        if is_full(error):
            return _failed(no_space(target), error)
        return _failed(f"{export.format} {export.precision} export failed: {one_sentence(error)}", error)


def _failed(sentence: str, error: BaseException) -> ExportError:
    failure = ExportError(sentence)
    failure.__cause__ = error
    return failure


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk or a limit on a file's size is behind an error, as itself or as what it came from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def no_space(target: Path) -> str:
    """Says of an export that it did not fit."""
    return f"cannot write {target}: the disk is full (or a file-size limit is met); make room and run it again"


def _export(network: Network, export: ExportSpec, target: Path, key: str, terms: Terms) -> Artifact:
    from edgebench.formats.describe import describe

    convert: Exporter = form(export.format).load("write")
    if network.spec.beside and not form(export.format).several:
        several = ", ".join(each.name for each in every() if each.several)
        raise ExportError(f"{export.format} files of several inputs are not written here: use {several}")
    if export.image_input:
        from edgebench.formats.pixels import baked

        network = baked(network)
    if export.quantization is not None:
        network = network.calibrated(export.quantization)
    with staging(target.parent) as folder:
        file = folder / target.name
        start = time.perf_counter()
        with collection_paused():
            conversion = convert(network, export, file)
        convert_s = time.perf_counter() - start
        if export.precision == "int8" and conversion.quantization is None:
            raise ExportError(f"{export.format} is not written in int8 yet")
        artifact = describe(network, export, file, conversion, unchecked=terms.get("unchecked", False))
        if terms.get("strict"):
            check_int8(artifact, file)
        artifact = msgspec.structs.replace(artifact, path=str(target), convert_s=convert_s, cache_key=key)
        manifest.write(artifact, manifest.manifest_path(file))
        # The manifest first: it says that the file is ours, whatever ends this between the two.
        publish(folder, target.parent, [manifest.manifest_path(file).name, file.name])
    return artifact


def one_sentence(error: BaseException) -> str:
    """Returns the first line of the innermost cause: converters wrap theirs in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    hint = " (is the disk full?)" if COREML_WRITER in lines[0] else ""
    return f"{type(error).__name__}: {lines[0][:LONGEST]}{hint}"
