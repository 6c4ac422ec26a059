"""A device file that a board fills in by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.machines import profiles
from edgebench.machines.profiles import Reach
from edgebench.run import boards
from edgebench.run.boards import add, profile

if TYPE_CHECKING:
    from edgebench.places.board.shell import Link

FEATURES = "fp asimd evtstrm crc32 cpuid"
CACHES = {0: ("1", "Data", "32K"), 1: ("1", "Instruction", "48K"), 2: ("2", "Unified", "1024K")}


def board(parts: list[str], clocks: list[int], features: str = FEATURES) -> dict[str, str]:
    """The files of a board with these cores: CPU part and highest clock in kHz of each."""
    entries = [
        f"processor\t: {number}\nFeatures\t: {features}\nCPU part\t: {part}" for number, part in enumerate(parts)
    ]
    cpu = "sys/devices/system/cpu/cpu"
    files = {f"{cpu}{number}/cpufreq/cpuinfo_max_freq": str(clock) for number, clock in enumerate(clocks)}
    for number in range(len(parts)):
        for index, values in CACHES.items():
            for name, value in zip(("level", "type", "size"), values, strict=True):
                files[f"{cpu}{number}/cache/index{index}/{name}"] = value
    return {
        "machine": "aarch64",
        "proc/cpuinfo": "\n\n".join(entries) + "\n\nHardware\t: BCM2835\nModel\t: Raspberry Pi 4 Model B",
        "proc/meminfo": "MemTotal:        3884320 kB\nMemFree: 1 kB",
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4",
        "proc/device-tree/compatible": "raspberrypi,4-model-b\nbrcm,bcm2711",
        **files,
    }


def test_a_pi_is_known_by_its_files() -> None:
    found = profile("mypi", board(["0xd08"] * 4, [1_800_000] * 4), Reach(via="ssh", address="pi@x"), "there")
    assert (found.title, found.cpu.soc, found.cpu.core) == ("Raspberry Pi 4 Model B Rev 1.4", "BCM2711", "Cortex-A72")
    assert (found.cpu.cores, found.cpu.clock_hz, found.cpu.isa) == (4, 1.8e9, "armv8-a")
    assert found.cpu.caches == profiles.Caches(l1d_bytes=32 * 1024, l2_bytes=1024 * 1024)
    assert found.memory_bytes == 3884320 * 1024


def test_of_two_kinds_of_cores_the_big_ones_count() -> None:
    files = board(["0xd03"] * 4 + ["0xd0b"] * 2, [1_400_000] * 4 + [2_200_000] * 2, f"{FEATURES} asimdhp asimddp")
    cpu = profile("big", files, Reach(via="ssh"), "there").cpu
    assert (cpu.core, cpu.cores, cpu.clock_hz, cpu.isa) == ("Cortex-A76", 2, 2.2e9, "armv8.2-a+fp16+dotprod")


def test_a_board_that_tells_nothing_is_refused() -> None:
    with pytest.raises(DeviceError, match="the device of 'dark' does not list its cores"):
        profile("dark", {"machine": "aarch64"}, Reach(via="ssh"), "there")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current and a configuration folder of the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_an_added_device_is_found_by_its_name(shell_link: Link, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards.reach, "link", lambda way: shell_link)
    path, profile = add("mypi", Reach(via="ssh", address="pi@x:2222", python="/opt/py 3/bin/python"))
    assert path == folders / "config" / "edgebench" / "devices" / "mypi.toml"
    assert "mypi" in profiles.names()
    found = profiles.load("mypi")
    assert found == profile
    assert found.cpu.cores >= 1
    assert found.reach == Reach(via="ssh", address="pi@x:2222", python="/opt/py 3/bin/python")
    assert {source.field for source in found.sources} >= {"cpu.core", "memory"}
    with pytest.raises(UsageError, match="is there already: write over it with `force`"):
        add("mypi", Reach(via="ssh", address="pi@y"))
    add("mypi", Reach(via="ssh", address="pi@y"), force=True)
    assert profiles.load("mypi").reach == Reach(via="ssh", address="pi@y")


def test_the_nearest_folder_goes_first(shell_link: Link, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards.reach, "link", lambda way: shell_link)
    shipped = profiles.load("rpi4")
    add("rpi4", Reach(via="ssh", address="pi@configured"))
    assert profiles.load("rpi4").reach == Reach(via="ssh", address="pi@configured")
    add("rpi4", Reach(via="ssh", address="pi@here"), here=True)
    assert profiles.load("rpi4").reach == Reach(via="ssh", address="pi@here")
    assert profiles.names().count("rpi4") == 1
    (folders / "here" / "devices" / "rpi4.toml").unlink()
    (folders / "config" / "edgebench" / "devices" / "rpi4.toml").unlink()
    assert profiles.load("rpi4") == shipped


@pytest.mark.parametrize("name", ["", "host", "My Pi", "../x", "-x", "a.toml"])
def test_what_cannot_name_a_device_is_refused(name: str, folders: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a device: use small letters"):
        add(name, Reach(via="ssh", address="pi@x"))


@pytest.mark.parametrize(("via", "connect", "sentence"), [
    (None, None, "an address is missing: add `connect='pi@host'`, or `via='adb'`"),
    ("emulator", "pi@x", "unknown way to a new device 'emulator'"),
])  # fmt: skip
def test_a_new_device_needs_a_way(via: str | None, connect: str | None, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        boards.way(via, connect, None)


def test_a_title_with_anything_in_it_is_written_as_toml() -> None:
    files = board(["0xd08"], [1_000_000]) | {"proc/device-tree/model": "A \"board\" \\ [x]\x07 = 'é'"}
    found = profile("odd", files, Reach(via="adb"), "there")
    assert profiles.parse(boards.show(found), "odd", "odd.toml").title == "A \"board\" \\ [x] = 'é'"


def test_a_wrong_key_in_reach_is_told_with_the_right_ones(folders: Path) -> None:
    (folders / "here" / "devices").mkdir()
    text = 'name = "b"\ntitle = "B"\n[cpu]\nsoc = "x"\ncore = "y"\ncores = 1\nisa = "z"\n[reach]\nadress = "pi@x"\n'
    (folders / "here" / "devices" / "b.toml").write_text(text)
    with pytest.raises(
        UsageError, match=r"devices/b.toml: unknown key 'adress' in \[reach\]; known: via, address, python"
    ):
        profiles.load("b")
