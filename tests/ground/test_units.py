import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground import units
from edgebench.ground.errors import UsageError


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.seconds, "50ms", 0.05),
        (units.seconds, "1.5 s", 1.5),
        (units.size_bytes, "64MB", 64_000_000),
        (units.size_bytes, "1MiB", 1_048_576),
        (units.hertz, "1.8GHz", 1.8e9),
        (units.bytes_per_second, "2.5GB/s", 2.5e9),
    ],
)
def test_parse(parse, text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["50", "ms", "", "-5ms", "0ms", "5 parsecs", "1e999s", "nan s", "5MB"])
def test_what_is_no_duration_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(UsageError, match="duration"):
        units.seconds(text)


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        assert units.seconds(text) > 0
    except UsageError as error:
        assert "duration" in str(error)


@given(st.floats(min_value=1e-9, max_value=1e4))
def test_shown_seconds_read_back_to_three_digits(value: float) -> None:
    assert units.seconds(units.show_seconds(value)) == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0073, "7.30 ms"),
        (0.0000123, "12.3 us"),
        (2.5, "2.50 s"),
        (0.123456, "123 ms"),
        (9.996e-3, "10.0 ms"),
    ],
)
def test_show_seconds(value: float | None, shown: str) -> None:
    assert units.show_seconds(value) == shown


def test_show_bytes_and_counts() -> None:
    assert units.show_bytes(13_960_000) == "14.0 MB"
    assert units.show_bytes(512) == "512 B"
    assert units.show_count(3_504_872) == "3.50 M"
    assert units.show_count(None) == "-"
