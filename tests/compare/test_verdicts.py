import numpy as np
import pytest

from edgebench.compare.verdicts import classify, judge_exact, judge_gate, judge_processes, percent


def processes(ratio: float, noise: float, count: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return np.exp(chance.normal(0, noise, count)), ratio * np.exp(chance.normal(0, noise, count))


@pytest.mark.parametrize(
    ("ratio", "noise", "verdict"),
    [
        (1.0, 0.01, "same"),
        (1.03, 0.005, "same"),  # certainly slower, but by less than what counts
        (1.10, 0.01, "slower"),
        (1 / 1.10, 0.01, "faster"),
        (1.0, 0.15, "inconclusive"),
        (1.07, 0.15, "inconclusive"),
    ],
)
def test_verdict_at_five_percent(ratio: float, noise: float, verdict: str) -> None:
    assert judge_processes(*processes(ratio, noise), 0.05).verdict == verdict


def test_six_processes_are_inconclusive_however_slow_and_the_reason_says_how_many_it_takes() -> None:
    found = judge_processes(*processes(3.0, 0.001, count=6), 0.05)
    assert (found.verdict, found.needed) == ("inconclusive", 7)
    assert "measure 7 or more" in found.reason
    assert judge_processes(*processes(3.0, 0.001, count=7), 0.05).verdict == "slower"


def test_noise_is_inconclusive_with_a_number_of_processes_that_decides() -> None:
    found = judge_processes(*processes(1.0, 0.06), 0.05)
    assert found.verdict == "inconclusive"
    assert found.needed is not None and found.needed > 10
    verdicts = [judge_processes(*processes(1.0, 0.06, found.needed, seed), 0.05).verdict for seed in range(20)]
    assert verdicts.count("same") >= 17


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "same"), (1.3, "inconclusive"), (1 / 1.3, "inconclusive"), (2, "slower")]
)
def test_a_busy_machine_cannot_accuse_by_less_than_its_unrest(ratio: float, verdict: str) -> None:
    found = judge_processes(*processes(ratio, 0.01), 0.05, disturbance=0.5)
    assert found.verdict == verdict
    if verdict == "inconclusive":
        assert "the machine was too busy or unsteady: it may itself make 64.9%" in found.reason


def test_a_significant_change_within_the_spread_of_processes_may_be_the_weather() -> None:
    found = judge_processes(*processes(1.14, 0.12, count=40, seed=1), 0.05)
    assert found.p is not None and found.p < 0.002
    assert found.verdict == "inconclusive"
    assert "edgebench ab" in found.reason


@pytest.mark.parametrize(
    ("base", "new", "verdict"),
    [
        (100, 100, "same"),
        (100, 105, "same"),
        (100, 106, "slower"),
        (106, 100, "faster"),
        (105, 100, "same"),
        (0, 5, "slower"),
    ],
)
def test_exact_values(base: float, new: float, verdict: str) -> None:
    assert judge_exact(base, new, 0.05).verdict == verdict


def test_exact_values_within_the_floor_are_the_same() -> None:
    assert judge_exact(1000, 2000, 0.05, floor=1000).verdict == "same"
    assert judge_exact(1000, 2001, 0.05, floor=1000).verdict == "slower"


def test_a_gated_error_counts_only_when_it_crosses_its_gate() -> None:
    assert judge_gate(1e-6, 9e-6, True, True).verdict == "same"
    assert judge_gate(1e-6, 1e-1, True, False).verdict == "slower"
    assert judge_gate(1e-1, 1e-6, False, True).verdict == "faster"
    assert judge_gate(1e-1, 2e-1, False, False).verdict == "same"


def test_an_interval_that_reaches_past_the_threshold_excludes_nothing() -> None:
    assert classify(1.04, 1.01, 1.07, 0.05, significant=True) == "inconclusive"
    assert classify(1.04, 1.03, 1.045, 0.05, significant=True) == "same"


def test_percent() -> None:
    assert [percent(share) for share in (0.05, 0.001, 0.125)] == ["5%", "0.1%", "12.5%"]
