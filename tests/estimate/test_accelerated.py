"""Estimates for processors that are no CPU: the form, its fit, and what a user is told."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as changed

from edgebench.estimate.accelerated import estimator, figures, fit, known
from edgebench.estimate.accelerated.errors import shipped
from edgebench.estimate.accelerated.form import FORMS, TERMS, quantities
from edgebench.estimate.estimator import estimate
from edgebench.graph.operators import Activation, Conv, Dense, GlobalPool, Graph, Input, Operator
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.models import resolve
from edgebench.models.sketch import sketch

S25 = load("galaxy_s25")


def tiny(*more: Operator) -> Graph:
    """A 3x3 and a depthwise convolution on 10x10 pixels, a pool, and a classifier."""
    image = Input(name="x", inputs=(), shape=(1, 3, 10, 10))
    first = Conv(name="a", inputs=("x",), shape=(1, 40, 10, 10), in_channels=3, kernel=(3, 3))
    second = Conv(name="b", inputs=("a",), shape=(1, 40, 10, 10), in_channels=40, kernel=(3, 3), groups=40)
    pool = GlobalPool(name="p", inputs=("b",), shape=(1, 40))
    head = Dense(name="d", inputs=("p",), shape=(1, 10), in_features=40)
    return Graph((image, first, second, pool, head, *more), ("d",))


def test_the_quantities_of_a_network_are_those_of_the_form() -> None:
    found = dict(zip(TERMS, quantities(tiny(), FORMS["hexagon", "fp16"]).tolist(), strict=True))
    padded = 64 / 40 * (16 * 12) / 100  # channels to 64; 10x10 pixels to tiles of 8x4
    first = max(27 * 4000 * padded / 1e9, 0.04 * 27 * 40 * 2 / 1e6, 0.02 * 2 * 4300 / 1e6)
    second = max(0.04 * 360 * 2 / 1e6, 0.02 * 2 * 8000 / 1e6)
    head = max(400 * 64 / 40 * 32 / 10 / 1e9, 0.04 * 410 * 2 / 1e6, 0.02 * 2 * 50 / 1e6)
    assert found["layers"] == pytest.approx(first + second + head)
    assert found["channelwise"] == pytest.approx(9 * 4000 * padded / 1e9)
    assert found["activations"] == pytest.approx(2 * (4300 + 8000 + 4040 + 50) / 1e6)
    assert (found["fixed"], found["operators"], found["slow"], found["weights"]) == (1, 4, 0, 0)


def test_an_activation_is_slow_where_the_processor_runs_it_apart() -> None:
    graph = tiny(Activation(name="s", inputs=("b",), shape=(1, 40, 10, 10), function="silu"))
    slow = TERMS.index("slow")
    assert quantities(graph, FORMS["hexagon", "fp16"])[slow] == pytest.approx(2 * 8000 / 1e6)
    assert quantities(graph, FORMS["hexagon", "int8"])[slow] == 0


@pytest.mark.parametrize("name", figures.ZOO)
def test_the_shipped_networks_are_what_the_graph_says(name: str) -> None:
    graph, met = sketch(resolve(name)), 0
    for key in figures.KEYS:
        for called in figures.ZOO[name]:
            if called in figures.networks(*key):
                met += 1
                shipped_as = figures.networks(*key)[called].quantities
                assert shipped_as == pytest.approx(quantities(graph, FORMS[key]), rel=1e-3)
    assert met


def test_the_shipped_constants_are_what_the_fit_makes_of_the_shipped_figures() -> None:
    lines = list(fit.constants())
    assert len(lines) == len(estimator._constants())
    effects = {(line["unit"], line["precision"], line["network"]): line["value"] for line in fit.effects()}
    assert estimator._effects() == pytest.approx(effects, abs=1e-3)
    for line in lines:
        found = [float(line[term] or 0) for term in TERMS]
        assert estimator._constants()[line["unit"], line["precision"], line["soc"]] == pytest.approx(found, rel=2e-3)


def test_the_fit_finds_constants_that_figures_were_made_with() -> None:
    of = figures.rows("hexagon", "fp16")
    chips = sorted(set(of.soc.tolist()))
    scale = np.array([chips.index(soc) for soc in of.soc.tolist()]) * 0.2
    made = replace(of, target=np.log(of.quantities @ np.exp(fit.PRIOR + 0.3)) + scale)
    found = fit.fitted(made, fit.SPREADS["hexagon", "fp16"], fit.PRIOR)
    assert np.abs(found.predict(made, sources=False) - made.target).max() < 0.02


def test_a_network_left_out_is_not_seen() -> None:
    key = ("ane", "fp16")
    of = figures.rows(*key)
    out = of.network == "resnet50"
    part = fit.fit(key, ~out)
    error = part.predict(of.where(out), sources=True) - of.target[out]
    line = fit.case(key, "network", np.where(out, 10.0, 0.01))
    assert np.abs(error).max() < 1
    assert line.coverage == pytest.approx(1 - out.mean())


def test_every_case_keeps_what_it_promises() -> None:
    for line in shipped().values():
        assert 0.85 <= line.coverage <= 0.97, line
        assert line.rows >= line.networks >= 12, line


def of(
    device: DeviceProfile,
    precision: str = "fp32",
    graph: Graph | None = None,
    form: str = "tflite",
    name: str = "resnet50",
):
    export = ExportSpec(format=form, precision=precision)  # type: ignore[arg-type]
    runtime = "litert" if form == "tflite" else "coreml"
    processor = known.processor(device, runtime, precision)
    spec = resolve(name)
    return estimate(graph or sketch(spec), device, spec=spec, export=export, processor=processor)


def test_a_phone_of_which_only_the_npu_is_known_is_estimated_there() -> None:
    found = of(S25)
    assert found.processor == "npu"
    assert found.latency is not None
    assert found.latency.low < 1.22e-3 < found.latency.high  # published: 1.22 ms
    assert "for the npu (Hexagon NPU), which computes in fp16" in found.warnings
    assert "37 networks" in found.calibrated_on or "38 networks" in found.calibrated_on
    assert found.peak_memory_bytes is None
    phone = of(load("iphone13"), form="coreml")
    assert (phone.processor, phone.latency is not None) == ("npu", True)


def test_a_network_that_tables_have_is_known_better_but_at_its_own_scaling_point_only() -> None:
    spec = resolve("resnet50")
    key = ("hexagon", "fp16")
    own = changed(spec, name="file.py:make", family="user")
    for asked, case in ((spec, "known"), (changed(spec, resolution=192), "new"), (own, "new")):
        found = estimator.interval(sketch(spec), S25, "npu", "litert", "fp32", asked)
        assert found is not None
        latency, _, rests_on = found
        assert latency.high / latency.value == pytest.approx(np.exp(shipped()[*key, case].spread))
        assert f"off by {shipped()[*key, case].median:.0%} (median)" in rests_on


def test_what_no_published_network_has_widens_the_interval() -> None:
    usual = of(S25, graph=tiny(), name="resnet34").latency
    strange = of(S25, graph=tiny(Activation(name="s", inputs=("d",), shape=(1, 10), function="mish")), name="resnet34")
    assert usual is not None
    assert strange.latency is not None
    assert strange.latency.high / strange.latency.value > usual.high / usual.value
    assert any("has mish: the interval is wider" in warning for warning in strange.warnings)


def test_a_chip_with_few_figures_is_refused_with_what_would_be_needed() -> None:
    cpu = changed(S25.cpu, soc="Apple A16 Bionic")
    phone = changed(load("iphone12"), cpu=cpu)
    assert known.processor(phone, "coreml", "fp16") == "cpu"
    sentence = known.missing(phone, "npu", "coreml", "fp16")
    assert "are published, and 12 would be needed. Chips with an estimate: Apple A14 Bionic, Apple A15" in sentence


@pytest.mark.parametrize(
    ("device", "wanted", "message"),
    [
        ("galaxy_s25", "tpu", "unknown processor 'tpu'"),
        ("pixel4", "npu", r"the profile of pixel4 has no npu: choose cpu, or add it"),
        ("galaxy_s25", "gpu", r"the profile of galaxy_s25 has no gpu: choose cpu or npu"),
    ],
)
def test_a_processor_that_is_not_there_is_refused(device: str, wanted: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        known.check(load(device), wanted)


def test_the_cpu_of_such_a_phone_says_what_is_known_of_it() -> None:
    spec = resolve("resnet50")
    found = estimate(sketch(spec), S25, spec=spec, export=ExportSpec(format="tflite", precision="fp32"))
    assert found.latency is None
    assert "has estimates for the npu with litert fp16, the npu with litert fp32, the npu with" in found.warnings[0]
