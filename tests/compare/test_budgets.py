import math
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.compare.budgets import Band, load
from edgebench.ground.errors import UsageError

TODAY = date(2026, 11, 21)
WHOLE = """
[[budget]]
device = "rpi4"
model = "mobilenetv2"
format = "tflite"
threads = 4
latency = ["40ms", "60ms"]
memory = "30MB"
parity = 1e-4
instructions = 130_000_000

[[waiver]]
device = "rpi4"
model = "mobilenetv2"
metric = "memory"
until = 2026-11-21
reason = "the planner's fix is in review"
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "budgets.toml"
        path.write_text(text)
        return path

    return write


def test_bands_are_held_in_base_units(written: Callable[[str], Path]) -> None:
    (budget,), (waiver,) = load(written(WHOLE), TODAY)
    assert budget.bands == {
        "latency": Band(0.04, 0.06),
        "memory": Band(0, 30_000_000),
        "parity": Band(0, 1e-4),
        "instructions": Band(0, 130_000_000),
    }
    assert (budget.format, budget.precision, budget.threads) == ("tflite", None, 4)
    assert budget.label == "mobilenetv2 tflite on rpi4 with 4 threads"
    assert waiver.until == TODAY, "a waiver holds on its last day"


def test_an_open_band(written: Callable[[str], Path]) -> None:
    (budget,), _ = load(written('[[budget]]\ndevice = "a"\nmodel = "b"\nload = "1s"\n'), TODAY)
    assert budget.bands["load"] == Band(0.0, 1.0)
    assert math.isfinite(budget.bands["load"].high)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("latency = ", "latancy = ", "unknown key in .*budget 1: 'latancy'; did you mean latency?"),
        ("[[budget]]", "[[budgets]]", "unknown key in .*: 'budgets'; did you mean budget?"),
        ("reason = ", "why = ", "unknown key in .*waiver 1: 'why'"),
        ('"30MB"', "30000000", "memory = 30000000 lacks its unit: write for example '15MB'"),
        ('"30MB"', '"30ms"', "'30ms' is not a size"),
        ('["40ms", "60ms"]', '["60ms", "40ms"]', "the band of latency begins above its end"),
        ('["40ms", "60ms"]', '["40ms"]', "latency is a most, or a band of two values"),
        ("1e-4", "nan", "parity = nan is not a number above zero"),
        ("1e-4", '"1e-4"', "parity = '1e-4' is not a number above zero"),
        ("130_000_000", "true", "instructions = True is not a number above zero"),
        ("2026-11-21", "2026-11-20", "the waiver in .* for memory of mobilenetv2 on rpi4 expired on 2026-11-20"),
        ("2026-11-21", '"soon"', "`until` is a date such as"),
        ('metric = "memory"', 'metric = "size"', "belongs to no budget"),
        ('"the planner\'s fix is in review"', '" "', "has no reason"),
        ("threads = 4", 'threads = "4"', "budget 1: Expected `int"),
        ('model = "mobilenetv2"\nformat', "format", "missing required field `model`"),
        ("[[budget]]", "[[budget", "is not TOML"),
        ("[[budget]]", "[budget]", r"write \[\[budget\]\] with two brackets"),
        (WHOLE[WHOLE.index("latency") : WHOLE.index("[[waiver")], "", "budget 1 bounds nothing"),
        (WHOLE, "", "holds no budget"),
    ],
)
def test_mistakes_are_named(old: str, new: str, sentence: str, written: Callable[[str], Path]) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError, match=sentence):
        load(written(WHOLE.replace(old, new, 1)), TODAY)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the budgets file .*: no such file or directory"):
        load(tmp_path / "budgets.toml", TODAY)


@given(st.text(max_size=60), st.sampled_from(["latency = ", "model = ", "until = ", "[["]))
@settings(max_examples=80, deadline=None)
def test_whatever_is_written_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str, after: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "budgets.toml"
    path.write_text(WHOLE.replace(after, after + text, 1), "utf-8", errors="surrogatepass")
    try:
        load(path, TODAY)
    except UsageError as error:
        assert str(path) in str(error)
