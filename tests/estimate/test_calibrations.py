"""What a device is estimated with: by what is known of it, down to nothing."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from edgebench.estimate import calibrations, hierarchy, known
from edgebench.estimate.calibrations import calibration, machine_of
from edgebench.estimate.errors import Name
from edgebench.estimate.hierarchy import KIND, LEVELS
from edgebench.estimate.published import published
from edgebench.ground.errors import UsageError
from edgebench.machines.profiles import HERE, Cpu, DeviceProfile, load, names
from edgebench.models import resolve
from edgebench.run.capabilities import capabilities

RPI4 = load("rpi4")
MINE = DeviceProfile(
    name="mine", title="Mine", cpu=Cpu(soc="Q", core="Cortex-A76", cores=4, clock_hz=2e9, isa="armv8.2-a+fp16+dotprod")
)


@pytest.mark.parametrize(
    ("device", "runtime", "precision", "case"),
    [
        (RPI4, "ncnn", "fp32", "measured"),
        (RPI4, "litert", "int8", "measured"),
        (load("pixel4"), "ncnn", "fp16", "threads"),  # the chip of another phone
        (MINE, "ncnn", "fp16", "core"),
        (MINE, "litert", "fp32", "core"),
        (load("sd810"), "litert", "fp32", "runtime"),
        (MINE, "ncnn", "fp32", None),  # it computes in half precision
        (load("visionfive2"), "ncnn", "int8", None),
        (RPI4, "onnxruntime", "int8", None),
        (load("rpi3b"), "litert", "int8", None),
        (replace(MINE, cpu=replace(MINE.cpu, core="Cortex-A77")), "ncnn", "fp16", None),
        (replace(MINE, cpu=replace(MINE.cpu, clock_hz=None)), "ncnn", "fp16", None),
    ],
)
def test_the_case_is_what_is_known(device: DeviceProfile, runtime: str, precision: str, case: Name | None) -> None:
    assert known.case_of(device, runtime, precision) == case
    found = calibration(device, runtime, precision, 1)  # type: ignore[arg-type]
    assert (found is None) == (case is None)


def test_less_known_is_a_wider_interval_and_more_threads_less_time() -> None:
    measured, by_core = calibration(RPI4, "ncnn", "fp32", 1), calibration(MINE, "ncnn", "fp16", 1)
    assert measured is not None and by_core is not None
    assert by_core.spread > measured.spread
    four = calibration(MINE, "ncnn", "fp16", 4)
    assert four is not None and four.constants["gemm"] < 0.5 * by_core.constants["gemm"]
    assert measured.rows == 23 and by_core.rows == 0 and not by_core.sources


def test_the_constants_are_the_sum_of_the_levels() -> None:
    at = hierarchy.place(RPI4, "ncnn", "fp32", 4, "rpi4 ncnn fp32 4")
    vectors = calibrations._vectors("constants.csv")
    whole = np.array(hierarchy.mean(at)) + vectors["common"]["all"]
    for name, level in LEVELS.items():
        whole = whole + vectors[name][level.key(at)] * (2 if level.slope else 1)
    found = calibration(RPI4, "ncnn", "fp32", 4)
    assert found is not None
    assert math.log(found.constants["gemm"]) == pytest.approx(whole[0], abs=1e-4)


def test_a_known_network_has_its_effect_at_its_own_scaling_point_only() -> None:
    own, other = resolve("mobilenetv1"), resolve("mobilenetv1", width=0.5)
    at, elsewhere = hierarchy.place(RPI4, "ncnn", "fp32", 1), hierarchy.place(RPI4, "litert", "fp32", 1)
    assert calibrations.is_known(own, at) and not calibrations.is_known(other, at)
    assert calibrations.is_known(resolve("alexnet"), at) and not calibrations.is_known(resolve("alexnet"), elsewhere)
    plain, known_one, scaled = (calibration(RPI4, "ncnn", "fp32", 1, spec) for spec in (None, own, other))
    assert plain is not None and known_one is not None and scaled is not None
    assert scaled.constants == plain.constants != known_one.constants
    assert known_one.spread < plain.spread


def test_at_least_eighty_devices_or_so_have_numbers_and_every_core_a_kind() -> None:
    devices = [load(name) for name in names() if name not in HERE]
    able = [device for device in devices if any(each.estimated for each in capabilities(device))]
    assert len(able) >= 70
    assert {"pixel1", "pixel2", "pixel3", "pixel3a", "pixel4"} <= {device.name for device in able}
    assert {hierarchy.core_of(load(row.device).cpu.core) for row in published()} <= set(KIND)


def test_a_core_of_no_kind_needs_facts() -> None:
    bare = DeviceProfile(name="bare", title="Bare", cpu=Cpu(soc="S", core="6502", cores=1, isa="mos"))
    with pytest.raises(UsageError, match=r"bare lacks cpu\.bandwidth or a cache"):
        machine_of(bare)
