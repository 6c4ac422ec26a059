"""The ways to run a network that `scale` chooses from: formats, precisions, threads and a processor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from edgebench.choose.pool import Variant, known_costs
from edgebench.estimate import footprint
from edgebench.estimate.accelerated import known as processors
from edgebench.formats.format import form as entry
from edgebench.ground.errors import UsageError, warn
from edgebench.ground.options import listed
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import DeviceProfile
from edgebench.run import plan
from edgebench.runtimes import runtime_of


def ways(
    named: str | Sequence[str] | None,
    precisions: Sequence[str],
    threads: Sequence[int],
    processor: str | None,
    devices: Sequence[DeviceProfile],
    *,
    exported: bool,
    limited: bool,
    data: str | None = None,
) -> list[Variant]:
    """Every asked way to run a network; int8 files are calibrated on the data set where there is one.

    Of all formats those that can be had: what has an estimate on every device, of memory too where that is `limited`,
    and is installed where files are `exported`; a warning names the others. Raises UsageError for an unknown name, and
    for a limit of memory where that is not known.
    """
    formats = listed(named or _usual_format(devices, precisions, processor), "format", (*plan.FORMATS, "all"))
    every = "all" in formats
    forms = (plan.named_formats("all")[0] if exported else tuple(plan.FORMATS)) if every else formats
    if processor not in (None, "cpu") and len(threads) > 1:
        raise UsageError(f"`threads` are the CPU's, and `processor='{processor}'` has none: leave one of them out")
    if exported:
        int8 = plan.quantization(data) if data and "int8" in precisions else None
        exports = plan.export_specs(forms, precisions, quantization=int8, named=not every)
    else:
        able = {form: entry(form).able(precisions) if every else precisions for form in forms}
        exports = [ExportSpec(format=form, precision=each) for form in forms for each in able[form]]  # type: ignore[arg-type]
    found = [Variant(export, count, processor) for export in exports for count in threads]
    if every:
        found = _estimable(found, devices, limited=limited)
    if limited:
        _check_memory_known(found, devices)
    return found


def _usual_format(devices: Sequence[DeviceProfile], precisions: Sequence[str], processor: str | None) -> str:
    """The first of the devices' own formats that each of them has an estimate for, else the first one's own."""
    usual = [plan.default_formats(each, precisions, processor=processor)[0] for each in devices]
    able = [{runtime for runtime, _ in processors.files(each, processor)} for each in devices]
    return next((form for form in usual if all(runtime_of(form) in each for each in able)), usual[0])


def _estimable(variants: Sequence[Variant], devices: Sequence[DeviceProfile], *, limited: bool) -> list[Variant]:
    """Those with an estimate on every device, of memory too where that is `limited`; a warning names each other."""
    kept: list[Variant] = []
    lost: dict[tuple[str, str], list[str]] = {}
    for variant in variants:
        form, precision = variant.export.format, variant.export.precision
        lacking = [each.name for each in devices if known_costs(each, variant) is None]
        if lacking:
            why = f"no estimate of its latency on {', '.join(lacking)}"
        elif limited and not _memory_known(variant):
            why = "no estimate of its memory"
        else:
            kept.append(variant)
            continue
        lost.setdefault((form, why), []).append(f"{precision} (threads {variant.threads})")
    for (form, why), gone in lost.items():
        warn(f"left out: {form} in {', '.join(gone)}: {why}")
    if not kept:
        raise UsageError("`format='all'`: no format has an estimate here; name one to see what it needs")
    return kept


def _check_memory_known(variants: Sequence[Variant], devices: Sequence[DeviceProfile]) -> None:
    """Raises UsageError for a limit of memory where a runtime's or a processor's memory is not known."""
    for variant, device in product(variants, devices):
        runtime, precision = runtime_of(variant.export.format), variant.export.precision
        if (on := variant.on(device)) != "cpu":
            raise UsageError(
                f"`max_memory`: how much memory a network takes on the {on} of {device.name} is not known; leave the"
                " limit out"
            )
        if not _memory_known(variant):
            raise UsageError(
                f"`max_memory`: how much memory {runtime} takes in {precision} is not known; leave the limit out, "
                f"or {variant.export.format} in {precision}"
            )


def _memory_known(variant: Variant) -> bool:
    nothing, export = footprint.Held(0, 0, 0, 0, 0), variant.export
    return footprint.memory_size(nothing, runtime_of(export.format), export.precision) is not None
