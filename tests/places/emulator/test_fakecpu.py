"""The likeness of a CPU: what lscpu and /proc/cpuinfo print on the real boards."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.machines import environment, profiles
from edgebench.places.emulator import fakecpu

# MIDR_EL1 of real boards: Raspberry Pi 3B+ r0p4, Pi 4 r0p3, Pi 5 r4p1, Jetson Nano r1p1.
MIDR = {"rpi3bplus": 0x410FD034, "rpi4": 0x410FD083, "rpi5": 0x414FD0B1, "jetson_nano": 0x411FD071}
EMULATED = ("rpizero2w", "rpi3bplus", "rpi4", "rpi5", "jetson_nano", "jetson_orin_nano", "pixel4")


def files(name: str) -> dict[str, str]:
    device = profiles.load(name)
    return fakecpu.files(device, fakecpu.core_of(device))


@pytest.mark.parametrize("name", MIDR)
def test_the_identity_is_the_boards(name: str) -> None:
    found = files(name)["sys/devices/system/cpu/cpu0/regs/identification/midr_el1"]
    assert int(found, 16) == MIDR[name]


@pytest.mark.parametrize("name", EMULATED)
def test_a_reader_of_real_boards_reads_it(name: str, tmp_path: Path) -> None:
    device = profiles.load(name)
    fakecpu.write(tmp_path, files(name))
    assert environment.cpu_model((tmp_path / "proc/cpuinfo").read_text()) == device.cpu.core
    assert environment.memory_total((tmp_path / "proc/meminfo").read_text()) == device.memory_bytes
    assert len(list((tmp_path / "sys/devices/system/cpu").glob("cpu[0-9]*"))) == device.cpu.cores


def caches(name: str, cpu: int) -> dict[tuple[str, str], tuple[str, str]]:
    found = files(name)
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache"
    numbers = {match[1] for path in found if (match := re.match(rf"{folder}/(index\d)/level", path))}
    each = [
        {key: found[f"{folder}/{n}/{key}"] for key in ("level", "type", "size", "shared_cpu_list")} for n in numbers
    ]
    return {(c["level"], c["type"]): (c["size"], c["shared_cpu_list"]) for c in each}


def test_the_caches_are_the_profiles() -> None:
    assert caches("rpi4", 2) == {
        ("1", "Data"): ("32K", "2"),
        ("1", "Instruction"): ("48K", "2"),
        ("2", "Unified"): ("1024K", "0-3"),
    }
    assert caches("rpi5", 0) == {
        ("1", "Data"): ("64K", "0"),
        ("1", "Instruction"): ("64K", "0"),
        ("2", "Unified"): ("512K", "0"),
        ("3", "Unified"): ("2048K", "0-3"),
    }


def test_dot_products_are_announced_where_the_core_has_them() -> None:
    assert "asimddp" in files("rpi5")["proc/cpuinfo"]
    assert "asimddp" not in files("rpi4")["proc/cpuinfo"]


def test_one_core_is_no_range() -> None:
    device = profiles.load("rpi4")
    one = replace(device, cpu=replace(device.cpu, cores=1))
    assert fakecpu.files(one, fakecpu.core_of(one))["sys/devices/system/cpu/online"] == "0"


def test_another_core_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"n100 cannot be emulated: its core is Gracemont, and known are Cortex-A53"):
        fakecpu.core_of(profiles.load("n100"))


def test_every_core_has_its_own_identity() -> None:
    assert len({core.midr for core in fakecpu.CORES.values()}) == len(fakecpu.CORES)
