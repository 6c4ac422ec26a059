"""Estimates: plausible, with an interval, honest about what they do not know, and light."""

import subprocess
import sys

import msgspec
import pytest

from edgebench.estimate.estimator import estimate, missing
from edgebench.estimate.validation import table
from edgebench.graph.operators import Conv, Dense, Graph, Input
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec
from edgebench.machines import profiles
from edgebench.machines.profiles import DeviceProfile
from edgebench.models import FOCUS, resolve
from edgebench.models.sketch import sketch

TFLITE = ExportSpec()


def _estimate(name: str, device: DeviceProfile, **given: object) -> Estimate:
    spec = resolve(name)
    return estimate(sketch(spec), device, spec=spec, **({"export": TFLITE} | given))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FOCUS)
def test_the_focus_set_has_an_estimate_on_rpi4(name: str, rpi4: DeviceProfile) -> None:
    found = _estimate(name, rpi4)
    assert found.latency_s is not None and found.latency_s.confidence == 0.9
    assert 0.03 < found.latency_s.low < found.latency_s.value < found.latency_s.high < 0.4
    assert found.runtime == "litert" and found.provenance == "estimated"
    assert found.peak_memory_bytes is not None and found.size_bytes is not None
    assert found.macs is not None and found.peak_memory_bytes > found.size_bytes
    assert "published latencies" in found.calibrated_on


def test_an_estimate_is_near_the_published_figure_of_mobilenet(rpi4: DeviceProfile) -> None:
    """76 to 77 ms for MobileNetV1 with 4 threads at 1.5 GHz (google/XNNPACK README.md, ARM64 build)."""
    slower = msgspec.structs.replace(rpi4, cpu=msgspec.structs.replace(rpi4.cpu, clock_hz=1.5e9))
    found = _estimate("mobilenetv1", slower, threads=4)
    assert found.latency_s is not None
    assert found.latency_s.value == pytest.approx(76.5e-3, rel=0.15)  # of 2022; most rows are of newer versions


def test_half_precision_weights_run_as_fp32_in_a_file_of_half_the_size(rpi4: DeviceProfile) -> None:
    full, half = _estimate("mobilenetv2", rpi4), _estimate("mobilenetv2", rpi4, export=ExportSpec(precision="fp16"))
    assert full.latency_s == half.latency_s
    assert half.size_bytes is not None and full.size_bytes is not None
    assert half.size_bytes / full.size_bytes == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("device", "form"), [("rpi5", "onnx"), ("rpi5", "ncnn"), ("visionfive2", "onnx")])
def test_where_nothing_near_is_known_there_is_no_number_but_advice(device: str, form: str) -> None:
    found = _estimate("mobilenetv1", profiles.load(device), export=ExportSpec(format=form))  # type: ignore[arg-type]
    assert found.latency_s is None and found.calibrated_on == ""
    (warning,) = found.warnings
    assert f"nothing near is known of {found.runtime} fp32 on {device}" in warning
    assert f"edgebench device calibrate {device} --fmt {form}" in warning and "--networks 1" in warning
    assert found.peak_memory_bytes is not None


def test_a_network_beyond_the_fitted_range_says_so_and_gets_a_wider_interval(rpi4: DeviceProfile) -> None:
    inside, outside = _estimate("mobilenetv2", rpi4), _estimate("lenet5", rpi4)
    assert any("MACs" in warning for warning in outside.warnings)
    assert not any("MACs" in warning for warning in inside.warnings)
    assert inside.latency_s is not None and outside.latency_s is not None
    assert outside.latency_s.high / outside.latency_s.value > 1.5 * inside.latency_s.high / inside.latency_s.value


def test_a_network_that_was_published_has_the_narrower_interval(rpi4: DeviceProfile) -> None:
    known, new = (_estimate(name, rpi4, export=ExportSpec(format="ncnn")) for name in ("mobilenetv1", "mobilenetv2"))
    assert known.latency_s is not None and new.latency_s is not None
    assert known.latency_s.high / known.latency_s.value < new.latency_s.high / new.latency_s.value
    assert known.latency_s.low < 0.137 < known.latency_s.high  # Tencent/ncnn benchmark/README.md


def test_rows_at_another_clock_are_named(rpi4: DeviceProfile) -> None:
    assert any("1.5 GHz" in warning for warning in _estimate("mobilenetv1", rpi4).warnings)


@pytest.mark.parametrize("threads", [0, -1, 5])
def test_threads_beyond_the_cores_are_refused(rpi4: DeviceProfile, threads: int) -> None:
    with pytest.raises(UsageError, match="give 1 to 4"):
        _estimate("mobilenetv1", rpi4, threads=threads)


def test_more_threads_are_faster_and_a_wider_network_is_slower(rpi4: DeviceProfile) -> None:
    times = [_estimate("mobilenetv2", rpi4, threads=threads).latency_s for threads in (1, 2, 4)]
    assert times[0].value > times[1].value > times[2].value  # type: ignore[union-attr]
    widths = []
    for width in (0.5, 1.0, 1.4):
        spec = resolve("mobilenetv2", width=width)
        found = estimate(sketch(spec), rpi4, spec=spec, export=TFLITE).latency_s
        assert found is not None
        widths.append(found.value)
    assert widths == sorted(widths)


def test_int8_estimates_exist_and_are_faster_than_fp32(rpi4: DeviceProfile) -> None:
    full, quantised = (
        _estimate("mobilenetv1", rpi4),
        _estimate("mobilenetv1", rpi4, export=ExportSpec(precision="int8")),
    )
    assert quantised.latency_s is not None and full.latency_s is not None
    assert quantised.latency_s.value < full.latency_s.value


def test_any_small_graph_gets_a_finite_estimate(rpi4: DeviceProfile, small: Graph) -> None:
    found = estimate(small, rpi4, spec=resolve("lenet5"), export=TFLITE)
    assert found.latency_s is not None and 0 < found.latency_s.low < found.latency_s.high < 1


def test_a_graph_of_one_dense_layer_streams_its_weights(rpi4: DeviceProfile) -> None:
    graph = Graph(
        (
            Input(name="x", inputs=(), shape=(1, 4096)),
            Dense(name="y", inputs=("x",), shape=(1, 4096), in_features=4096),
        ),
        ("y",),
    )
    found = estimate(graph, rpi4, spec=resolve("lenet5"), export=TFLITE)
    assert found.latency_s is not None
    assert 4 * 4096**2 / 20e9 < found.latency_s.value < 4 * 4096**2 / 1e9
    assert any("large dense layers" in warning for warning in found.warnings)  # as no fitted network has them


def test_estimating_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from edgebench import models; from edgebench.machines import profiles;"
        "from edgebench.estimate.estimator import estimate;"
        "from edgebench.models.sketch import sketch; from edgebench.ground.records import ExportSpec;"
        "s = models.resolve('mobilenetv2'); estimate(sketch(s), profiles.load('rpi4'), spec=s, export=ExportSpec());"
        "print(sorted({'torch', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_validation_table_has_a_line_for_each_calibration(rpi4: DeviceProfile) -> None:
    lines = table(rpi4)
    assert {(line.runtime, line.precision) for line in lines} == {
        *(("litert", precision) for precision in ("fp32", "int8")),
        *(("ncnn", precision) for precision in ("fp32", "int8")),
        *((runtime, "fp32") for runtime in ("mnn", "onnxruntime", "openvino")),
    }
    best = next(line for line in lines if (line.runtime, line.precision, line.threads) == ("ncnn", "fp32", 1))
    assert best.median <= 0.10 and best.interval > 1 and best.rows >= 20


def test_grouped_and_odd_convolutions_are_counted(rpi4: DeviceProfile) -> None:
    graph = Graph(
        (
            Input(name="x", inputs=(), shape=(1, 8, 16, 16)),
            Conv(name="y", inputs=("x",), shape=(1, 8, 16, 16), in_channels=8, kernel=(1, 7), groups=2),
        ),
        ("y",),
    )
    assert estimate(graph, rpi4, spec=resolve("lenet5"), export=TFLITE).macs == 8 * 256 * 4 * 7


def test_what_no_board_here_runs_is_not_to_be_calibrated() -> None:
    sentence = missing(profiles.load("rpi4"), "coreml", ExportSpec(format="coreml"), 1)
    assert "on a Mac only" in sentence and "device calibrate" not in sentence


def test_an_estimate_says_which_one_measurement_would_narrow_it(rpi4: DeviceProfile) -> None:
    known = _estimate("mobilenetv1", rpi4).calibrated_on
    assert known.endswith("only measuring this network there would narrow the interval much")
    far = _estimate("mobilenetv4_conv_small", profiles.load("loongson_2k2000")).calibrated_on
    assert "one measurement there would narrow the interval from" in far
    assert far.endswith("edgebench device calibrate loongson_2k2000 --networks 1")
