import pytest
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.machines import profiles
from edgebench.machines.profiles import Reach
from edgebench.run import engine, mode

HOST, RPI4 = profiles.load("host"), profiles.load("rpi4")
ON_THE_DESK = replace(RPI4, reach=Reach(via="ssh", address="pi@raspberrypi.local"))


@pytest.mark.parametrize(
    ("device", "asked", "kind"),
    [
        (HOST, {}, "measure"),
        (HOST, {"via": "local"}, "measure"),
        (HOST, {"counts": True}, "count"),
        (RPI4, {}, "estimate"),
        (RPI4, {"via": "emulator"}, "emulate"),
        (RPI4, {"connect": "pi@board"}, "reach"),
        (RPI4, {"via": "adb"}, "reach"),
        (ON_THE_DESK, {}, "reach"),
        (ON_THE_DESK, {"via": "estimate"}, "estimate"),
        (ON_THE_DESK, {"via": "emulator"}, "emulate"),
    ],
)
def test_method(device: profiles.DeviceProfile, asked: dict[str, object], kind: str) -> None:
    assert mode.method(device, **asked).mode == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [
        (RPI4, {"via": "telnet"}, "emulator"),
        (RPI4, {"via": "local"}, "`device=.host.`"),
        (RPI4, {"counts": True}, "`via=.emulator.`"),
        (HOST, {"via": "emulator"}, "another `device`"),
        (HOST, {"connect": "pi@board"}, "another `device`"),
    ],
)
def test_a_method_that_does_not_fit_is_refused(
    device: profiles.DeviceProfile, asked: dict[str, object], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        mode.method(device, **asked)  # type: ignore[arg-type]


def test_scenario_keeps_the_methodology_unless_told() -> None:
    full, quick = engine.scenario(), engine.scenario(quick=True, threads=2, processes=10)
    assert (full.processes, full.min_runs, full.min_s, full.warmup_runs, full.warmup_s) == (5, 100, 10.0, 10, 0.5)
    assert (quick.processes, quick.threads, quick.quick) == (10, 2, True)
