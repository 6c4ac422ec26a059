from collections.abc import Callable

import pytest

from edgebench.compare.pairing import EXPLANATIONS, differences, explain
from edgebench.ground.records import Measurement, Scenario

Measured = Callable[..., Measurement]


def named(base: Measurement, new: Measurement) -> dict[str, str]:
    return {difference.name: str(difference) for difference in differences(base, new)}


def test_equal_results_do_not_differ(measured: Measured) -> None:
    assert differences(measured(), measured(seed=1)) == ()


def test_decisive_ones_come_first(measured: Measured) -> None:
    other = measured(runtime_version="9", environment={"machine": "1a2b3c4d", "cpu": "EPYC", "governor": "powersave"})
    found = differences(measured(), other)
    assert [difference.decisive for difference in found] == sorted((d.decisive for d in found), reverse=True)
    assert found[0].name == "runtime version"


@pytest.mark.parametrize(
    ("name", "near", "far"), [("load_1m", 0.5, 1.5), ("temperature_c", 44.0, 60.0), ("frequency_hz", 1.01e9, 0.8e9)]
)
def test_readings_that_never_repeat_differ_only_when_it_matters(
    name: str, near: float, far: float, measured: Measured
) -> None:
    start = {"load_1m": 0.2, "temperature_c": 42.0, "frequency_hz": 1e9}
    base = measured(environment=start)
    assert named(base, measured(environment={**start, name: near})) == {}
    assert list(named(base, measured(environment={**start, name: far}))) == [name]


def test_nested_versions_and_what_one_side_does_not_tell(measured: Measured) -> None:
    base = measured(environment={"versions": {"numpy": "2.4.6"}, "governor": None})
    new = measured(environment={"versions": {"numpy": "2.5.0", "onnx": "1.2"}, "governor": "powersave"})
    assert named(base, new) == {
        "versions numpy": "versions numpy: 2.4.6, now 2.5.0",
        "versions onnx": "versions onnx: not told, now 1.2",
        "governor": "governor: not told, now powersave",
    }


def test_what_changed_while_measuring_is_not_a_property_of_the_machine(measured: Measured) -> None:
    base = measured(environment={"after": {"load_1m": 1}, "readings": [1], "engine": {"version": "1", "delegates": 1}})
    new = measured(environment={"after": {"load_1m": 9}, "readings": [2], "engine": {"version": "2", "delegates": 2}})
    assert list(named(base, new)) == ["engine delegates"]


def test_another_way_of_measuring(measured: Measured) -> None:
    assert list(named(measured(), measured(scenario=Scenario(processes=10, min_s=1)))) == ["scenario min_s"]


def test_a_machine_that_is_told_on_one_side_only_differs(measured: Measured) -> None:
    found = differences(measured(), measured(environment={}))
    assert found[0].name == "machine" and found[0].decisive


def test_every_condition_is_explained(measured: Measured) -> None:
    found = differences(measured(), measured(runtime_version="9", artifact_sha256="b" * 64))
    assert {explain(difference) for difference in found} == {EXPLANATIONS["runtime version"], EXPLANATIONS["artifact"]}
