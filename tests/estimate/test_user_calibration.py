"""Constants from a user's own figures: that they are found, what they say of their error, and what they refuse."""

import math

import pytest
from msgspec.structs import replace

from edgebench import models
from edgebench.estimate import counts, user_calibration
from edgebench.estimate.calibrations import calibration, machine_of
from edgebench.estimate.estimator import estimate
from edgebench.estimate.form import features, latency_s, shares
from edgebench.estimate.grid import specs
from edgebench.estimate.user_calibration import Basis, Figure
from edgebench.estimate.work import works
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, Measurement, ModelSpec, Scenario
from edgebench.machines.profiles import Calibration, DeviceProfile, OwnCalibrations, calibrated, load
from edgebench.models.sketch import sketch

RPI4 = load("rpi4")
MACHINE = machine_of(RPI4)
TRUTH = {
    "gemm": 0.45,
    "gemm_io": 4.0,
    "columns": 4.0,
    "winograd": 0.5,
    "winograd_io": 6.0,
    "depthwise": 0.9,
    "depthwise_io": 0.4,
    "elementwise": 2.0,
    "exponential": 11.0,
    "normalize": 50.0,
    "dense_traffic": 0.8,
    "traffic": 0.3,
    "operator": 12_000.0,
}


def truth_s(spec: ModelSpec) -> float:
    return latency_s(works(sketch(spec), "ncnn"), "fp32", MACHINE, TRUTH)


FIGURES = [Figure(spec, truth_s(spec)) for spec in specs()]


def test_a_board_that_obeys_the_form_is_estimated_closely_on_networks_that_it_never_ran() -> None:
    found = user_calibration.calibrate(RPI4, "ncnn", "fp32", 1, FIGURES, Basis("a board"))
    device = calibrated(RPI4, OwnCalibrations(name="rpi4", calibrations=(found,)))
    for name in ("mobilenetv2", "efficientnet_b0", "resnet34", "googlenet"):
        spec = models.resolve(name)
        value = estimate(sketch(spec), device, spec=spec, export=ExportSpec(format="ncnn")).latency_s
        assert value is not None
        assert value.value == pytest.approx(truth_s(spec), rel=0.1)
        assert value.low <= truth_s(spec) <= value.high
    assert found.networks == len(FIGURES)
    assert found.sources == ("a board",)
    assert found.error.median < 0.06


def test_the_figures_own_error_widens_the_interval() -> None:
    exact = user_calibration.calibrate(RPI4, "ncnn", "fp32", 2, FIGURES, Basis("a clock"))
    vague = user_calibration.calibrate(RPI4, "ncnn", "fp32", 2, FIGURES, Basis("counts", "not measured", 0.3, 0.4))
    assert vague.constants == exact.constants
    assert vague.spread == pytest.approx(math.hypot(exact.spread, 0.4))
    assert vague.error.median == pytest.approx(math.hypot(exact.error.median, 0.3))
    assert vague.note == "not measured"


def test_one_figure_sets_the_scale_and_more_narrow_the_interval() -> None:
    slow = [Figure(each.model, 3 * each.latency_s) for each in FIGURES]
    spreads = []
    for count in (1, 3):
        made = user_calibration.calibrate(RPI4, "ncnn", "fp32", 1, slow[3 : 3 + count], Basis("a board"))
        spreads.append(made.spread)
        assert latency_s(works(sketch(slow[5].model), "ncnn"), "fp32", MACHINE, made.constants) == pytest.approx(
            slow[5].latency_s, rel=0.25
        )
    assert spreads[0] > spreads[1]


def test_a_figure_that_agrees_with_the_boards_own_table_leaves_the_interval_as_it_is() -> None:
    before, spec = calibration(RPI4, "litert", "fp32", 1), models.resolve("mobilenetv2", width=0.5)
    expected = latency_s(works(sketch(spec), "litert"), "fp32", MACHINE, before.constants)

    def one(ratio: float) -> Calibration:
        figure = Figure(spec, ratio * expected)
        return user_calibration.calibrate(RPI4, "litert", "fp32", 1, [figure], Basis("1 latency"))

    agreeing, other = one(1.1), one(2.0)
    assert (agreeing.spread, agreeing.note) == (before.spread, "")
    assert agreeing.constants == pytest.approx(before.constants)
    assert agreeing.basis.startswith("1 latency, in agreement")
    assert other.spread > before.spread and "2.00 times what was published of such a board" in other.note


def test_what_is_known_of_a_network_stays_known_on_a_calibrated_board() -> None:
    spec = models.resolve("mobilenetv1")
    made = user_calibration.calibrate(RPI4, "ncnn", "fp32", 2, FIGURES[:1], Basis("a board"))
    device = calibrated(RPI4, OwnCalibrations(name="rpi4", calibrations=(made,)))
    found = calibration(device, "ncnn", "fp32", 2, spec)
    assert found.spread == made.known.spread < made.spread == calibration(device, "ncnn", "fp32", 2).spread
    ratios = {found.constants[term] / made.constants[term] for term in made.constants}
    assert max(ratios) == pytest.approx(min(ratios)) != 1


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="0 networks ran, and a calibration needs 1"):
        user_calibration.calibrate(RPI4, "ncnn", "fp32", 1, [], Basis("a board"))
    strange = replace(RPI4, cpu=replace(RPI4.cpu, core="6502"))
    with pytest.raises(UsageError, match="7 networks ran, and a calibration needs 8 on 6502"):
        user_calibration.calibrate(strange, "ncnn", "fp32", 1, FIGURES[:7], Basis("a board"))


def test_a_figure_that_contradicts_the_profile_widens_the_interval_and_one_in_another_unit_is_refused() -> None:
    def one(factor: float, **basis: bool) -> Calibration:
        figure = Figure(FIGURES[3].model, factor * FIGURES[3].latency_s)
        return user_calibration.calibrate(RPI4, "ncnn", "fp32", 2, [figure], Basis("a board", **basis))

    plain, slow = one(1.0), one(8.0)
    assert plain.note == "" and "what its core and clock let expect: look at its governor" in slow.note
    assert slow.spread == pytest.approx(1.5 * plain.spread)
    assert one(1000.0).note, "a clock is believed"
    for factor, how in ((1000.0, "times what its core"), (1e-3, "th of what its core")):
        with pytest.raises(UsageError, match=f"{how} and clock let expect, and no board is so far off"):
            one(factor, typed=True)


def measurement(spec: ModelSpec, device: DeviceProfile, **fields: object) -> Measurement:
    values: dict[str, object] = {
        "id": "a",
        "time": "2026-11-21T00:00:00+00:00",
        "model": spec,
        "export": ExportSpec(format="ncnn"),
        "device": device.name,
        "runtime": "ncnn",
        "runtime_version": "1",
        "scenario": Scenario(),
        **fields,
    }
    return Measurement(**values)  # type: ignore[arg-type]


def test_measured_figures_are_medians_over_processes() -> None:
    [figure], basis = user_calibration.measured(
        [measurement(FIGURES[0].model, RPI4, latency_s=((1.0, 9.0, 2.0), (3.0, 3.0, 3.0), (4.0,)))]
    )
    assert figure.latency_s == 3.0
    assert basis.source == "1 latency measured on the device itself, 2026-11-21"
    assert (basis.median, basis.spread) == (0, 0)


def test_counted_figures_say_whose_constants_made_them_times() -> None:
    counted = counts.counted_networks("cortex-a72")["ncnn/mobilenet_v2"]
    results = [(FIGURES[0].model, counted)]
    [figure], basis = user_calibration.counted(RPI4, "ncnn", "fp32", results)
    assert figure.latency_s == pytest.approx(0.0935, rel=0.15)
    assert basis.note.startswith(
        "not measured: counted instructions, with ncnn fp32's constants of rpi4, which are off"
    )
    borrowed_figures, borrowed = user_calibration.counted(RPI4, "onnxruntime", "fp32", results)
    assert borrowed_figures == [figure]
    assert borrowed.spread == pytest.approx(counts.BORROWED * basis.spread)
    assert "is not known" in borrowed.note


def test_a_core_that_nothing_was_published_for_needs_a_board() -> None:
    with pytest.raises(UsageError, match="connect a board"):
        user_calibration.counted(load("jetson_nano"), "ncnn", "fp32", [])


def test_every_term_of_the_form_weighs_in_some_network_of_the_grid() -> None:
    names = {spec.name for spec in specs()}
    assert names >= {"mobilenetv1", "mobilenetv2", "efficientnet_b0", "resnet18", "vgg16", "alexnet", "googlenet"}
    assert len({spec.family for spec in specs()}) >= 9
    most = dict.fromkeys(TRUTH, 0.0)
    for spec in specs():
        units = features(works(sketch(spec), "ncnn"), "fp32", MACHINE).seconds(MACHINE)
        most |= {term: max(most[term], share) for term, share in shares(units, MACHINE, TRUTH).items() if term in most}
    assert all(share > 0.01 for share in most.values())


def test_an_estimate_says_what_figures_it_rests_on() -> None:
    spec = FIGURES[0].model
    source = "19 latencies measured on the device itself, 2026-11-21"
    made = user_calibration.calibrate(RPI4, "ncnn", "fp32", 1, FIGURES, Basis(source))
    device = calibrated(RPI4, OwnCalibrations(name="rpi4", calibrations=(made,)))
    found = estimate(sketch(spec), device, spec=spec, export=ExportSpec(format="ncnn"))
    assert found.calibrated_on.startswith(source)
    shipped = estimate(sketch(spec), RPI4, spec=spec, export=ExportSpec(format="ncnn"))
    assert shipped.calibrated_on.startswith("23 published latencies with ncnn fp32 on it, and all of other devices; ")
