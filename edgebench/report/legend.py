"""What the numbers under a profile table mean, one sentence a kind of number that the table has."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.ground.records import Estimate, Measurement, Result


def lines(results: Sequence[Result]) -> list[str]:
    """The sentences for these rows."""
    found = [*_emulated([result for result in results if result.provenance == "emulated"])]
    if any(isinstance(result, Measurement) and result.latency_s for result in results):
        found.append(
            "measured: p50 is the median over fresh processes with its 95% interval; it covers copying the input in, "
            "the inference, and reading the output. first: the first inference after load."
        )
    confidences = {
        result.latency_s.confidence for result in results if isinstance(result, Estimate) and result.latency_s
    }
    found += [
        f"estimated: from the network's graph; the interval should hold the device's median in {value:.0%} of cases."
        for value in sorted(confidences)
    ]
    if any(result.parity for result in results):
        found.append(
            "parity: largest error against PyTorch as a share of the output's range, with the file run on this machine."
        )
    judged = {result.accuracy.dataset: None for result in results if result.accuracy}
    found += [
        f"top-1: share of images of {dataset} whose class is the file's first, with Wilson's 95% interval; vs torch: "
        "points by which that differs from PyTorch's in fp32."
        for dataset in judged
    ]
    return found


def _emulated(results: Sequence[Result]) -> list[str]:
    """What was counted, and where a time comes from: never from the emulator's clock."""
    if not results:
        return []
    found = [
        "emulated: the device's own runtime under QEMU. instr (executed instructions of one inference) and peak mem are"
        " counted, not estimated; parity is against this machine."
    ]
    timed = {
        (result.calibrated_on, result.estimated_latency_s.confidence): None
        for result in results
        if isinstance(result, Measurement) and result.estimated_latency_s
    }
    found += [
        f"emulated p50 (time through a calibrated constant, not measured): from {rests_on}. The interval should hold "
        f"the device's median in {confidence:.0%} of cases."
        for rests_on, confidence in timed
    ]
    if not timed:
        found.append("An emulator's clock means nothing, and no constant is calibrated for this: no time is given.")
    return found
