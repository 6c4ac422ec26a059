"""The capture of a machine: real excerpts of /proc and /sys, and whatever else may be in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.machines import environment
from edgebench.machines.environment import cpu_model, disturbances, machine_id, memory_total, os_name, parse_hex

# Excerpts as a Raspberry Pi 4 (Raspberry Pi OS, 64 bit) and an x86 server print them.
PI4 = (
    "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    "Revision\t: c03112\nSerial\t\t: 100000001\nModel\t\t: Raspberry Pi 4 Model B Rev 1.2\n"
)
SERVER = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9754\ncpu MHz\t\t: 2596.1\n"
PHONE = "CPU part\t: 0xd05\n\nCPU part\t: 0xd05\n\nCPU part\t: 0xd0d\n\nHardware\t: SM8250\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (PI4, "Raspberry Pi 4 Model B Rev 1.2 (Cortex-A72)"),
        (SERVER, "AMD EPYC 9754"),
        (PHONE, "SM8250 (Cortex-A55 + Arm part 0xd0d)"),
        ("CPU part\t: 0xd03\n", "Cortex-A53"),
        ("processor : 0\n", None),
        ("", None),
    ],
)
def test_the_cpu_is_named(cpuinfo: str, name: str | None) -> None:
    assert cpu_model(cpuinfo) == name


def test_small_parsers() -> None:
    assert memory_total("MemTotal:        3884328 kB\nMemFree: 1 kB\n") == 3884328 * 1024
    assert memory_total("MemTotal: lots\n") is None
    assert os_name('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n') == "Debian GNU/Linux 12 (bookworm)"
    assert os_name("NAME=x\n") is None
    assert (parse_hex("50005"), parse_hex("0x0"), parse_hex(""), parse_hex(None)) == (0x50005, 0, None, None)


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    for parse in (cpu_model, memory_total, os_name, parse_hex):
        assert parse(text) is None or isinstance(parse(text), str | int)


def board(root: Path, content: dict[str, str | bytes]) -> Path:
    for name, text in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@pytest.mark.skipif(environment.platform.system() == "Darwin", reason="reads /proc and /sys")
def test_a_whole_board_is_captured(tmp_path: Path) -> None:
    cpu, zone = "sys/devices/system/cpu", "sys/class/thermal/thermal_zone"
    files: dict[str, str | bytes] = {
        "proc/cpuinfo": PI4,
        "proc/meminfo": "MemTotal: 3884328 kB\n",
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.2\0",
        "etc/os-release": "PRETTY_NAME='Raspberry Pi OS'\n",
        f"{cpu}/cpu0/cpufreq/scaling_governor": "ondemand\n",
        f"{cpu}/cpu0/cpufreq/scaling_cur_freq": "600000\n",
        f"{cpu}/cpu1/cpufreq/scaling_governor": "ondemand\n",
        f"{cpu}/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
        f"{cpu}/cpu1/cpufreq/cpuinfo_max_freq": "1800000\n",
        f"{zone}0/temp": "48312\n",
        f"{zone}1/temp": "off\n",
        environment.THROTTLED: "50000\n",
    }
    state = environment.capture(4, root=board(tmp_path, files))
    told = {
        "cpu": "Raspberry Pi 4 Model B Rev 1.2 (Cortex-A72)",
        "memory_bytes": 3884328 * 1024,
        "governor": "ondemand",
        "frequency_hz": 1.5e9,
        "frequency_max_hz": 1.8e9,
        "temperature_c": pytest.approx(48.312),
        "throttled": 0x50000,
        "os": "Raspberry Pi OS",
        "threads": 4,
    }
    assert {name: state[name] for name in told} == told
    assert json.loads(json.dumps(state)) == state


def test_a_machine_that_tells_nothing_is_captured_too(tmp_path: Path) -> None:
    state = environment.capture(1, ["numpy", "a-package-that-is-not-there"], tmp_path)
    assert state["governor"] is None and state["temperature_c"] is None and state["frequency_hz"] is None
    assert list(state["versions"]) == ["numpy"] and state["python"]


@given(st.binary(max_size=200))
def test_no_file_breaks_the_capture(content: bytes) -> None:
    import tempfile

    names = ("proc/cpuinfo", "proc/meminfo", "etc/os-release", environment.THROTTLED)
    numbers = (f"{environment.CPU}/cpu0/cpufreq/scaling_cur_freq", f"{environment.THERMAL}/thermal_zone0/temp")
    with tempfile.TemporaryDirectory() as folder:
        root = board(Path(folder), dict.fromkeys((*names, *numbers), content))
        state = {**environment._linux(root), **environment._changing(root)}
    assert json.loads(json.dumps(state, allow_nan=False)) == state


def test_this_machine_is_named_alike_twice_and_keeps_its_secrets() -> None:
    one, other = environment.capture(), environment.capture()
    assert one["machine"] == other["machine"]
    assert environment.platform.node() not in json.dumps({**one, "commit": None, "cpu": None, "kernel": None})


def test_the_machine_id_follows_cpu_cores_and_memory_to_the_gibibyte() -> None:
    gibibyte = 2**30
    one = machine_id("A72", 4, 4 * gibibyte)
    assert one == machine_id("A72", 4, 4 * gibibyte - 200 * 2**20)
    assert (
        len({one, machine_id("A76", 4, 4 * gibibyte), machine_id("A72", 8, 4 * gibibyte), machine_id("A72", 4, 8)}) == 4
    )


def test_disturbances_say_what_to_do() -> None:
    assert disturbances(1, {"governor": "performance", "affinity": 4, "load_1m": 0.3}) == []
    assert disturbances(1, {}) == []
    governor, cores, load = disturbances(4, {"governor": "powersave", "affinity": 4, "load_1m": 3.0})
    assert "cpupower frequency-set -g performance" in governor
    assert "4 threads on 4 usable cores" in cores and "--threads 3" in cores
    assert "load average was 3.0 on 4 cores" in load
    assert "only usable core" in disturbances(1, {"cores": 1})[0]
    assert isinstance(disturbances(), list)


def test_the_commit_is_that_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment._commit() is None
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    (tmp_path / "file").write_text("1")
    for command in (("init", "-q"), ("add", "file"), ("commit", "-qm", "x")):
        environment._output(*git, *command)
    commit = environment._commit()
    assert commit is not None and len(commit) == 40
    (tmp_path / "file").write_text("2")
    assert environment._commit() == f"{commit}-dirty"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, 64),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}, 2),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "20000 100000"}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 64),
    ],
)
def test_usable_cores_are_those_of_the_mask_and_the_quota(
    files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert environment.usable_cores(tmp_path) == cores
