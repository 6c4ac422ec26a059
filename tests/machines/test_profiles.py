"""Profiles: every shipped one reads, every mistake in one is told in a sentence."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench import api
from edgebench.ground.errors import UsageError
from edgebench.machines import profiles
from edgebench.run.capabilities import capabilities

GOOD = """
name = "board"
title = "A board"
memory = "1GiB"

[cpu]
soc = "S"
core = "Cortex-A53"
cores = 4
clock = "1.5GHz"
isa = "armv8-a"
bandwidth = "2.5GB/s"

[cpu.caches]
l2 = "512KiB"

[[sources]]
field = "memory"
source = "a data sheet"
"""

END = 'source = "a data sheet"'
CALIBRATION = """
[[calibrations]]
runtime = "litert"
precision = "fp32"
threads = 1
constants = {{ gemm = {} }}
spread = {}
macs = [1.0, 2.0]
rows = 1
networks = 1
seen = {{}}
error = {{ median = 0.1, p90 = 0.1, coverage = 1.0 }}
sources = ["a test"]
basis = "a test"
"""
MISTAKES = [
    ('title = "A board"', 'titel = "A board"', "unknown key 'titel'; known: name, title, cpu, processors, memory"),
    ('soc = "S"', 'sock = "S"', r"unknown key 'sock' in \[cpu\]; known: soc, core, cores, clock"),
    ('l2 = "512KiB"', 'l4 = "512KiB"', r"unknown key 'l4' in \[cpu.caches\]; known: l1d, l2, l3"),
    ('core = "Cortex-A53"', "", r"the key 'core' is missing in \[cpu\]"),
    ('clock = "1.5GHz"', 'clock = "1.5GB"', "cpu.clock: '1.5GB' is not a frequency: write a number and one of Hz"),
    ('clock = "1.5GHz"', "clock = 1500", r"cpu.clock = 1500 has no unit: write it in quotes with one"),
    ('clock = "1.5GHz"', "clock_hz = 1500", r"unknown key 'clock_hz' in \[cpu\]"),
    ('memory = "1GiB"', 'memory = "0GiB"', "not a size above zero"),
    ('clock = "1.5GHz"', 'clock = "1e20GHz"', r"expected `float` <= .* in \[cpu.clock\]"),
    ("cores = 4", "cores = inf", r"expected `int`, got `float` in \[cpu.cores\]"),
    (END, f"{END}{CALIBRATION.format('inf', 0.1)}", r"expected `float` <= .* in \[calibrations\[.*constants"),
    (END, f"{END}{CALIBRATION.format(1.0, 1e6)}", r"expected `float` <= 5.0 in \[calibrations\[.*spread"),
    (END, f"{END}{CALIBRATION.format(1.0, 'nan')}", r"expected `float` >= 0.0 in \[calibrations\[.*spread"),
    ("cores = 4", "cores = 0", r"expected `int` >= 1 in \[cpu.cores\]"),
    ("cores = 4", 'cores = "four"', r"expected `int`, got `str` in \[cpu.cores\]"),
    ('name = "board"', 'name = "other"', 'must be the file\'s own name, "board"'),
    ("[cpu]", "[cpu", "is not TOML"),
    ('source = "a data sheet"', "", r"the key 'source' is missing in \[sources"),
]


def test_a_calibration_that_makes_no_time_is_refused_before_a_record_is_written(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    for constant in (0.0, 1e15):
        file.write_text(GOOD + CALIBRATION.format(constant, 0.1))
        with pytest.raises(UsageError, match=r"the calibration of litert on board makes .* s of a network"):
            api.profile("lenet5", device=str(file), results=tmp_path / "results")
    assert not list((tmp_path / "results").rglob("*.jsonl"))


def test_a_profile_reads_into_base_units() -> None:
    profile = profiles.parse(GOOD, "board", "board.toml")
    assert profile.memory_bytes == 2**30
    assert (profile.cpu.clock_hz, profile.cpu.bandwidth_bytes_per_s) == (1.5e9, 2.5e9)
    assert profile.cpu.caches.last_level_bytes == 512 * 1024
    assert profile.sources[0].source == "a data sheet"


@pytest.mark.parametrize(("right", "wrong", "message"), MISTAKES)
def test_a_mistake_is_named_with_file_and_key(right: str, wrong: str, message: str) -> None:
    assert right in GOOD
    with pytest.raises(UsageError, match=message) as caught:
        profiles.parse(GOOD.replace(right, wrong, 1), "board", "board.toml")
    assert str(caught.value).startswith("board.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "9" * 10_000])
def test_toml_without_end_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not TOML"):
        profiles.parse(text, "board", "board.toml")


@given(st.text() | st.builds(lambda at, junk: GOOD[:at] + junk + GOOD[at:], st.integers(0, len(GOOD)), st.text()))
def test_any_text_is_a_profile_or_a_usage_error(text: str) -> None:
    try:
        profile = profiles.parse(text, "board", "board.toml")
    except UsageError:
        return
    assert profile.name == "board"


@pytest.mark.parametrize("name", profiles.names())
def test_every_shipped_profile_reads_and_states_its_sources(name: str) -> None:
    profile = profiles.load(name)
    stated = {source.field for source in profile.sources}
    assert name in profiles.HERE or {"cpu.core"} <= stated
    for source in profile.sources:
        value: object = profile
        for part in source.field.split("."):
            value = getattr(value, _FIELDS.get(part, part))
        assert value is not None, source.field


_FIELDS = {
    "memory": "memory_bytes",
    "clock": "clock_hz",
    "bandwidth": "bandwidth_bytes_per_s",
    "l1d": "l1d_bytes",
    "l2": "l2_bytes",
    "l3": "l3_bytes",
}


@pytest.mark.parametrize("name", [name for name in profiles.names() if name not in profiles.HERE])
def test_no_figure_of_a_shipped_profile_lacks_a_source(name: str) -> None:
    profile = profiles.load(name)
    stated = {source.field for source in profile.sources}
    figures = {
        "memory": profile.memory_bytes,
        "cpu.clock": profile.cpu.clock_hz,
        "cpu.bandwidth": profile.cpu.bandwidth_bytes_per_s,
        "cpu.caches.l1d": profile.cpu.caches.l1d_bytes,
        "cpu.caches.l2": profile.cpu.caches.l2_bytes,
        "cpu.caches.l3": profile.cpu.caches.l3_bytes,
    }
    assert [field for field, value in figures.items() if value is not None and field not in stated] == []


def test_the_host_describes_this_machine_and_comes_first() -> None:
    assert profiles.names()[0] == "host"
    host = profiles.load("host")
    assert host.cpu.cores >= 1
    assert host.reach == "local"


def test_an_unknown_device_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown device 'rpi-4'; did you mean rpi4"):
        profiles.load("rpi-4")


def test_a_path_loads_a_profile_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(GOOD)
    assert profiles.load(str(tmp_path / "board.toml")).title == "A board"
    with pytest.raises(UsageError, match="no device file"):
        profiles.load(str(tmp_path / "none.toml"))
    (tmp_path / "raw.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        profiles.load(str(tmp_path / "raw.toml"))


def test_what_nothing_near_is_known_of_is_neither_measured_nor_estimated() -> None:
    found = capabilities(profiles.parse(GOOD.replace("Cortex-A53", "6502"), "board", "board.toml"))
    assert {(c.runtime, c.precision) for c in found} >= {("litert", "fp32"), ("onnxruntime", "fp32")}
    assert not any(c.measured or c.estimated or c.error for c in found)


def test_listing_and_loading_import_nothing_heavy() -> None:
    code = (
        "import sys; from edgebench.machines import profiles; [profiles.load(n) for n in profiles.names()];"
        "print(sorted({'numpy', 'torch', 'scipy', 'rich', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.sub(r"\s", "", done.stdout) == "[]"


def test_devices_are_searched_by_their_core_and_their_npu() -> None:
    assert {each.name for each in profiles.search("X2", npu=True)} == {"qcs8450"}
    assert {"pixel4", "orangepi5"} <= {each.name for each in profiles.search("a76")}
    assert all(each.npu for each in profiles.search(npu=True))
    with pytest.raises(UsageError, match=r"no device has a core 'a99' and an NPU: there are Avalanche"):
        profiles.search("a99", npu=True)
