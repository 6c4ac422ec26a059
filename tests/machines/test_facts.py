"""The host's facts, read from a made-up /proc and /sys."""

from pathlib import Path

from edgebench.machines import facts


def _machine(root: Path) -> Path:
    cache = root / "sys/devices/system/cpu/cpu0/cache"
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "32K"), ("1", "Instruction", "48K"), ("2", "Unified", "1M")]
    ):
        folder = cache / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text("processor : 0\nmodel name\t: Some CPU @ 2 GHz\ncpu MHz\t\t: 1999.5\n")
    return root


def test_caches_clock_and_model_come_from_proc_and_sys(tmp_path: Path) -> None:
    cpu = facts.facts(_machine(tmp_path))["cpu"]
    assert cpu["core"] == "Some CPU @ 2 GHz"
    assert cpu["clock"] == 1999.5e6
    assert cpu["caches"] == {"l1d": 32 * 1024, "l2": 2**20}


def test_the_kernel_s_highest_clock_wins_over_the_moment_s(tmp_path: Path) -> None:
    folder = _machine(tmp_path) / "sys/devices/system/cpu/cpu0/cpufreq"
    folder.mkdir()
    (folder / "cpuinfo_max_freq").write_text("2400000\n")
    assert facts.facts(tmp_path)["cpu"]["clock"] == 2.4e9


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    cpu = facts.facts(tmp_path)["cpu"]
    assert "clock" not in cpu
    assert cpu["caches"] == {}
    assert cpu["cores"] >= 1
