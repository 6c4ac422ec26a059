"""The choices on the way to an int8 file, with numbers in place of networks: a file holds what a format would do."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.formats import calibrated
from edgebench.graph.operators import Graph, Input
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Interval, LayerError, Quantization

IMAGES = [np.full((1, 1, 2, 2), value, np.float32) for value in (1, 2, 3, 4)]
EXPECTED = np.stack([image.reshape(1, -1)[:, :2] for image in IMAGES])
LAYERS = {"a": 0.01, "b": 0.2, "c": 0.05}  # by how much each raises the error
START = 0.02  # the error without any layer


class Pets:
    """What is to be known of a data set."""

    name = "pets"

    def __len__(self):
        return 7


def network(**asked):
    return SimpleNamespace(
        quantization=Quantization(**asked),
        reference=(IMAGES, EXPECTED),
        calibration_images=IMAGES,
        held_out_images=IMAGES,
        layer_images=IMAGES,
        graph=Graph((Input(name="x", inputs=(), shape=(1, 1, 2, 2)),), ("x",)),
        judge=SimpleNamespace(images=Pets(), drop=drop),
        outputs={"logits": (1, 2)},
        with_graph=lambda graph: network(**asked),
    )


def drop(run):
    """A point for each percent that the outputs are off, give or take one."""
    value = 100 * float(run(IMAGES[0]).max() / EXPECTED[0].max() - 1)
    return Interval(value=value, low=value - 1, high=value + 1)


def steps(factor: float = 1.0) -> calibrated.Steps:
    """Files whose outputs are off by START and what the int8 layers add, times `factor`, more for minmax's range."""

    def write(ranges, kept, path):
        error = START + sum(value for name, value in LAYERS.items() if name not in kept)
        path.write_text(json.dumps({"error": factor * error * ranges["x"][1], "kept": sorted(kept)}))

    def run(path):
        error = json.loads(path.read_text())["error"]
        return lambda image: image.reshape(1, -1)[:, :2] * np.float32(1 + error)

    def layers(path, images):
        kept, total, found = json.loads(path.read_text())["kept"], START, []
        for name, value in LAYERS.items():
            total += 0 if name in kept else value
            stored = "float" if name in kept else "int8"
            found.append(LayerError(name=name, kind="conv", relative_l2_error=total, stored=stored))
        return found

    values = np.append(np.linspace(0.0005, 0.5, 4000), 1).astype(np.float32)
    return calibrated.Steps(lambda images: [{"x": values}], write, run, layers)


def test_the_calibrator_with_the_least_error_is_written(tmp_path):
    path = tmp_path / "net"
    report, warnings = calibrated.make(network(), steps(), path)
    assert report.errors[report.calibrator] == min(report.errors.values())
    assert report.calibrator != "minmax"
    assert warnings == ()
    assert [each.name for each in report.layers] == ["a", "b", "c"]
    assert [each.name for each in tmp_path.iterdir()] == ["net"]


@pytest.mark.parametrize(
    ("factors", "equalized", "corrected"),
    [((0.5, 0.25), True, True), ((2.0, 0.5), False, True), ((0.5, 0.5), True, False)],
)
def test_adjustments_stay_where_they_lower_the_error(factors, equalized, corrected, tmp_path):
    first, second = factors

    def adjusted(factor: float, **more: object) -> calibrated.Steps:
        return replace(steps(factor), corrected=lambda: steps(second), **more)

    start = adjusted(1.0, equalized=lambda: adjusted(first))
    report, _ = calibrated.make(network(calibrator="minmax"), start, tmp_path / "net")
    assert (report.equalized, report.bias_corrected) == (equalized, corrected)
    assert json.loads((tmp_path / "net").read_text())["error"] == pytest.approx(min(report.errors.values()), abs=1e-6)


def test_adjustments_that_are_not_asked_for_are_not_tried(tmp_path):
    tried = replace(steps(), equalized=lambda: pytest.fail("tried"), corrected=lambda: pytest.fail("tried"))
    wanted = network(calibrator="minmax", equalize=False, correct_bias=False)
    report, _ = calibrated.make(wanted, tried, tmp_path / "net")
    assert list(report.errors) == ["minmax"]


def test_a_budget_keeps_the_worst_layers_float_and_as_few_as_will_do(tmp_path):
    wanted = network(calibrator="minmax", error_budget=0.05)  # with b and c float: 0.02 + 0.01
    report, warnings = calibrated.make(wanted, steps(), tmp_path / "net")
    assert {each.name: each.why for each in report.layers if each.stored == "float"} == {
        "b": calibrated.BUDGET,
        "c": calibrated.BUDGET,
    }
    assert report.errors["minmax, 2 layers float"] == pytest.approx(0.03, abs=1e-6)
    assert warnings == ()


def test_a_budget_that_cannot_be_met_is_told(tmp_path):
    wanted = network(calibrator="minmax", error_budget=0.001)
    _, warnings = calibrated.make(wanted, steps(), tmp_path / "net")
    assert warnings == ("the error budget 0.001 is not met: 0.02 with 3 layers kept float",)


def test_what_would_be_refused_keeps_the_worst_layers_float_and_names_them(tmp_path):
    report, (said,) = calibrated.make(network(calibrator="minmax"), steps(10), tmp_path / "net")  # 2.8, and 0.3 so
    assert [each.name for each in report.layers if each.why == calibrated.WRONG] == ["b", "c"]
    assert said == "in int8 throughout an image's outputs err by 2.8 of their size: 2 layers stay float (b, c)"
    assert json.loads((tmp_path / "net").read_text())["kept"] == ["b", "c"]


def test_a_drop_of_top_1_keeps_the_worst_layers_float(tmp_path):
    wanted = network(calibrator="minmax", max_drop=5.0, judged="pets")  # with b and c float: 0.02 + 0.01
    report, (said,) = calibrated.make(wanted, steps(), tmp_path / "net")
    assert [each.name for each in report.layers if each.why == calibrated.DROP] == ["b", "c"]
    assert (report.drop.value, report.drop_throughout, report.judged) == pytest.approx((3, 28, 7), abs=1e-3)
    assert said.startswith("top-1 on pets (7 images) is PyTorch's less 3.0 (2.0 to 4.0) points")
    assert "in int8 throughout 28.0 (27.0 to 29.0): 2 layers stay float (b, c)" in said


def test_a_network_that_overflows_is_refused(tmp_path):
    broken = calibrated.Steps(lambda images: [{"x": np.array([np.inf], np.float32)}], None, None, None)
    with pytest.raises(ExportError, match="not finite"):
        calibrated.make(network(), broken, tmp_path / "net")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_the_fewest_layers_are_found_in_few_steps(errors, budget):
    errors = sorted(errors, reverse=True)
    asked: set[int] = set()

    def error(count):
        asked.add(count)
        return errors[count - 1]

    found = calibrated.fewest(error, budget, len(errors))
    enough = [count for count, value in enumerate(errors, 1) if value <= budget]
    assert found == min(enough, default=len(errors))
    assert len(asked) <= 12
