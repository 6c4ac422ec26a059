from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.compare import thresholds
from edgebench.ground.errors import UsageError

NOISE = 'device = "host"\nthreshold = "4.5%"\nmachine = "1a2b3c4d"\nprocesses = 60\n'


def test_five_percent_unless_told() -> None:
    assert thresholds.parse(None).of("host") == 0.05
    assert thresholds.parse(" 2.5 % ").of("rpi4") == 0.025


@pytest.mark.parametrize("text", ["5", "0.05", "five%", "-5%", "0%", "nan%", "", "%", "1e9%", "5%%"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(UsageError, match="is not a percentage above zero: write for example 5%"):
        thresholds.parse(text)


@given(st.floats(0.001, 1000))
def test_percentages_survive_writing(share: float) -> None:
    assert thresholds.parse_percent(f"{share:.6f}%") == pytest.approx(share / 100, rel=1e-3)


def test_a_noise_file_holds_for_its_own_device_only(tmp_path: Path) -> None:
    path = tmp_path / "noise.toml"
    path.write_text(NOISE)
    assert thresholds.parse(str(path)).of("host") == 0.045
    with pytest.raises(UsageError, match="learned on host and says nothing of rpi4"):
        thresholds.parse(str(path)).of("rpi4")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (NOISE + "extra = 1\n", "unknown key in .*: 'extra'"),
        (NOISE.replace('"4.5%"', "4.5"), "is not a noise file: Expected `str`"),
        (NOISE.replace('"4.5%"', '"4.5"'), "'4.5' is not a percentage"),
        (NOISE.replace("device", "# device"), "missing required field `device`"),
        ("= 1", "is not TOML"),
    ],
)
def test_what_is_no_noise_file(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "noise.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        thresholds.parse(str(path))


def test_a_noise_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the noise file"):
        thresholds.parse(str(tmp_path / "noise.toml"))
