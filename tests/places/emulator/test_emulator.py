"""Emulation end to end: outputs, counts and memory of real files, and what is said when something is missing."""

import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, ExportSpec, Measurement, ModelSpec, TensorSpec
from edgebench.machines import profiles
from edgebench.places import agreement
from edgebench.places.bundle.bundle import Bundle, same_addresses
from edgebench.places.emulator import counting, emulator
from edgebench.run.devices import emulate

Export = Callable[..., Artifact]
RPI4, RPI5 = profiles.load("rpi4"), profiles.load("rpi5")


def artifact(path: Path, **changes: object) -> Artifact:
    """A record for a file that edgebench did not write."""
    made = Artifact(
        model=ModelSpec(name="file", family="file"),
        export=ExportSpec(format="onnx"),
        path=str(path),
        sha256="0" * 64,
        size_bytes=1,
        inputs=(TensorSpec(name="x", shape=(None, 3, 8, 8), dtype="float32"),),
        outputs=(),
    )
    return replace(made, **changes)


# ---- the proof: MobileNetV2 on a Cortex-A72, in each runtime ----

# The largest difference from this machine's outputs, as a share of their range: float sums have another order there,
# and whole numbers have none. Worst seen: 5e-6 (recipes of three runtimes), and no difference at all.
FLOAT_ERROR, WHOLE_ERROR = 1e-5, 0.0


@pytest.mark.parametrize(
    ("form", "precision"), [("tflite", "int8"), ("tflite", "fp32"), ("onnx", "fp32"), ("ncnn", "fp32")]
)
def test_mobilenetv2_on_a_cortex_a72(form: str, precision: str, bundle: Bundle, exported: Export) -> None:
    """TFLite's float file is emulated in two processes; what one says has to be what the other says."""
    file = exported("mobilenetv2", form, precision, resolution=96)
    first = emulate(file, RPI4, runs=2)
    assert first.status == "ok", first.error
    outputs_agree(first)
    if (form, precision) == ("tflite", "fp32"):
        counts_repeat(first, emulate(file, RPI4, runs=2))
    if precision == "fp32":
        multiply_adds_are_the_networks(first)
    memory_is_the_guests_own(first, file)
    the_record_says_what_it_rests_on(first)


@pytest.mark.parametrize(
    ("form", "precision"), [("mnn", "int8"), pytest.param("openvino", "fp32", marks=pytest.mark.weekly)]
)
def test_what_has_no_counts_of_its_own_runs_there_too(
    form: str, precision: str, bundle: Bundle, exported: Export
) -> None:
    found = emulate(exported("lenet5", form, precision), RPI4)
    assert found.status == "ok", found.error
    assert found.parity is not None and found.parity.passed
    assert found.counts[counting.TOTAL] > 0


def outputs_agree(found: Measurement) -> None:
    assert found.parity is not None
    assert found.parity.passed
    worst = WHOLE_ERROR if found.export.precision == "int8" else FLOAT_ERROR
    assert found.parity.range_error <= worst
    assert found.parity.output_range > 0


def counts_repeat(first: Measurement, second: Measurement) -> None:
    """To a hundredth of a percent; where addresses can be kept from changing, to the instruction."""
    totals = [each.counts[counting.TOTAL] for each in (first, second)]
    assert abs(totals[0] / totals[1] - 1) < (1e-4 if same_addresses() else 1e-3)
    names = ("float_fma", "vector_multiply", "dot_product")
    assert [first.counts[name] for name in names] == [second.counts[name] for name in names]
    assert not [warning for warning in first.warnings if "differ" in warning]
    assert sum(first.counts[name] for name in counting.CLASSES) == totals[0]


def multiply_adds_are_the_networks(found: Measurement) -> None:
    """NEON does four multiply-accumulates in one instruction: their quarter is the least that float32 kernels need.

    Maps of 3x3 fill whole vectors badly, which costs onnxruntime 28% at this resolution, and 6% at 224; ncnn saves some
    by Winograd's method.
    """
    macs = found.macs
    assert macs is not None
    assert 0.9 * macs / 4 <= found.counts["float_fma"] <= 1.35 * macs / 4
    assert found.counts["dot_product"] == 0


def memory_is_the_guests_own(found: Measurement, file: Artifact) -> None:
    """Python, numpy and the runtime take 30 to 70 MB; weights and activations come on top, QEMU does not."""
    assert 25e6 < found.memory_bytes["baseline"] < 70e6
    peak = found.peak_memory_bytes
    assert peak is not None
    assert 0.9 * file.size_bytes < peak < 80e6


def the_record_says_what_it_rests_on(found: Measurement) -> None:
    assert (found.provenance, found.device, found.latency_s) == ("emulated", "rpi4", ())
    assert found.environment["qemu_cpu"] == "cortex-a72"
    assert found.environment["versions"]["onnxruntime"] == "1.31.1"
    assert len(found.environment["counted"]) == len(found.environment["emulated_s"]) == 2
    assert found.runtime_version
    assert found.estimated_latency_s is not None
    assert 0.001 < found.estimated_latency_s.low < found.estimated_latency_s.high < 0.1
    assert ("nothing is published for" in found.calibrated_on) == (found.runtime == "onnxruntime")


# ---- kernels follow the CPU ----


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """One quantised convolution, 32 to 32 channels, 3x3, in QDQ form."""
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.numpy_helper.from_array
    random = np.random.default_rng(0)
    weights = random.integers(-127, 128, (32, 32, 3, 3), np.int8)
    constants = {"w": weights, "s": np.float32(0.05), "u": np.float32(0.01), "t": np.float32(2.0)}
    constants |= {"zero": np.uint8(128), "zw": np.int8(0)}
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "zero"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "zero"], ["xd"]),
        node("DequantizeLinear", ["w", "u", "zw"], ["wd"]),
        node("Conv", ["xd", "wd"], ["y"], pads=[1, 1, 1, 1]),
        node("QuantizeLinear", ["y", "t", "zero"], ["yq"]),
        node("DequantizeLinear", ["yq", "t", "zero"], ["out"]),
    ]
    shape = [1, 32, 28, 28]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", 1, shape)],
        [info("out", 1, shape)],
        [tensor(np.asarray(value), name) for name, value in constants.items()],
    )
    path = tmp_path_factory.mktemp("int8") / "conv.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    inputs = (TensorSpec(name="x", shape=tuple(shape), dtype="float32"),)
    return artifact(path, inputs=inputs, export=ExportSpec(format="onnx", precision="int8"))


def test_int8_uses_dot_products_where_the_core_has_them(bundle: Bundle, int8: Artifact) -> None:
    old, new = emulate(int8, RPI4, runs=1), emulate(int8, RPI5, runs=1)
    for found in (old, new):
        assert found.status == "ok", found.error
        assert found.parity is not None
        assert found.parity.passed
    macs = 28 * 28 * 32 * 32 * 9
    assert old.counts["dot_product"] == 0
    assert old.counts["vector_multiply"] > macs / 16
    assert macs / 16 <= new.counts["dot_product"] < 1.5 * macs / 16
    assert new.counts[counting.TOTAL] < old.counts[counting.TOTAL]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="counts this machine's own instructions, and expects AVX2")
def test_this_machines_own_instructions_are_counted(bundle: Bundle, exported: Export) -> None:
    file = exported("lenet5", "tflite")
    first, second = emulator.count_host(file, runs=2), emulator.count_host(file, runs=1)
    assert first.status == second.status == "ok", first.error or second.error
    assert (first.device, first.provenance) == ("host", "emulated")
    assert first.counts[counting.TOTAL] == pytest.approx(second.counts[counting.TOTAL], rel=1e-2)
    assert first.counts["float_fma"] == second.counts["float_fma"]
    assert first.counts["float_fma"] > 10_000
    assert first.parity is not None
    assert first.parity.max_abs_error == pytest.approx(0, abs=1e-6)


# ---- what may be missing ----


def test_without_a_compiler_everything_but_the_counts_works(
    bundle: Bundle, exported: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(bundle: Bundle) -> Path:
        raise DeviceError("counting instructions needs a C compiler: apt install gcc")

    monkeypatch.setattr(counting, "plugin", missing)
    found = emulate(exported("lenet5", "tflite"), RPI4, runs=1)
    assert found.status == "ok"
    assert found.counts == {}
    assert found.parity is not None
    assert found.memory_bytes["steady"] > 30e6
    assert "no instruction counts: counting instructions needs a C compiler: apt install gcc" in found.warnings


def test_without_the_runtime_here_there_is_no_parity(
    bundle: Bundle, exported: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "unavailable", lambda runtime: f"runtime {runtime} needs the package x")
    found = emulate(exported("lenet5", "tflite"), RPI4, runs=1, counts=False)
    assert (found.status, found.parity, found.counts) == ("ok", None, {})
    assert "outputs were not compared with this machine's: runtime litert needs the package x" in found.warnings


def test_a_file_that_no_runtime_reads_fails_in_a_sentence(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    found = emulate(artifact(tmp_path / "x.onnx"), RPI4)
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith("onnxruntime raised")
    assert "\n" not in found.error


def test_what_cannot_be_emulated_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "x.pt2").touch()
    with pytest.raises(UsageError, match="torch files cannot be emulated: the bundle has litert, mnn, ncnn,"):
        emulate(artifact(tmp_path / "x.pt2", export=ExportSpec(format="torch")), RPI4)
    with pytest.raises(UsageError, match="is not there: export it again"):
        emulate(artifact(tmp_path / "none.onnx"), RPI4)
    with pytest.raises(UsageError, match="n100 cannot be emulated"):
        emulate(artifact(tmp_path / "none.onnx"), profiles.load("n100"))


# ---- comparing outputs ----


def compare(tmp_path: Path, ours: object, theirs: object, precision: str = "fp32") -> object:
    np.save(tmp_path / "a.npy", ours)
    np.save(tmp_path / "b.npy", theirs)
    return agreement.compare(tmp_path / "a.npy", tmp_path / "b.npy", precision, "test", "litert")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("precision", "error", "passed"),
    [("fp32", 0.9e-4, True), ("fp32", 1.1e-4, False), ("int8", 1 / 128, True), ("int8", 3 / 255, False)],
)
def test_the_gate_is_a_share_of_the_range(precision: str, error: float, passed: bool, tmp_path: Path) -> None:
    theirs = np.linspace(-3, 7, 2001).reshape(1, -1)
    ours = theirs.copy()
    ours[0, 77] += error * 10
    found = compare(tmp_path, ours, theirs, precision)
    assert found.passed is passed  # type: ignore[attr-defined]
    assert found.max_abs_error == pytest.approx(error * 10)  # type: ignore[attr-defined]
    assert found.output_range == pytest.approx(10)  # type: ignore[attr-defined]


def test_quantised_outputs_do_not_wrap_around(tmp_path: Path) -> None:
    found = compare(tmp_path, np.int8([[-128, 127]]), np.int8([[127, -128]]), "int8")
    assert found.max_abs_error == 255  # type: ignore[attr-defined]


def test_outputs_that_cannot_be_compared_are_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="shape"):
        compare(tmp_path, np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(DeviceError, match="not finite"):
        compare(tmp_path, np.array([[np.nan, 1.0]]), np.array([[0.0, 1.0]]))


def test_ncnn_in_int8_is_allowed_what_its_rounding_makes(tmp_path: Path) -> None:
    theirs = np.linspace(-3, 7, 2001).reshape(1, -1)
    for share, passed in {0.03: True, 0.1: False}.items():
        np.save(tmp_path / "a.npy", theirs * (1 + share))
        np.save(tmp_path / "b.npy", theirs)
        found = agreement.compare(tmp_path / "a.npy", tmp_path / "b.npy", "int8", "test", "ncnn")
        assert found.passed is passed
        assert not agreement.compare(tmp_path / "a.npy", tmp_path / "b.npy", "int8", "test", "litert").passed


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
def test_two_different_inputs_in_the_files_own_type(dtype: str, tmp_path: Path) -> None:
    spec = TensorSpec(name="x", shape=(None, 8, 8, 3), dtype=dtype)
    agreement.write_inputs(artifact(tmp_path / "f", inputs=(spec,)), tmp_path / "in.npy", seed=0)
    inputs = np.load(tmp_path / "in.npy")
    assert (inputs.shape, inputs.dtype.name) == ((2, 1, 8, 8, 3), dtype)
    assert (inputs[0] != inputs[1]).any()


def test_a_file_with_two_inputs_is_refused(tmp_path: Path) -> None:
    spec = TensorSpec(name="x", shape=(1, 8), dtype="float32")
    with pytest.raises(UsageError, match="has 2 inputs"):
        agreement.write_inputs(artifact(tmp_path / "f", inputs=(spec, spec)), tmp_path / "in.npy", seed=0)


# ---- memory ----


@pytest.fixture(scope="module")
def guest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guest", emulator.GUEST_WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SMAPS = """\
00400000-00a50000 r-xp 00000000 08:01 123 /guest/python
Size:               6464 kB
Rss:                3000 kB
Pss:                1500 kB
55d0c0a00000-55d0c0f00000 r-xp 00000000 08:01 124 /host/qemu-aarch64
Rss:                5000 kB
7f0000000000-7f0000200000 rw-p 00000000 00:00 0
Rss:                 800 kB
VmFlags: rd wr
"""
MAPS = """\
00400000-00a50000 r-xp 00000000 08:01 123 /guest/python
7f0000100000-7f0000101000 rw-p 00000000 00:00 0 [stack]
"""


def test_only_the_guests_ranges_count_as_its_own(guest: ModuleType) -> None:
    assert guest.resident(SMAPS, MAPS) == (8800 * 1024, 3800 * 1024)
    assert guest.resident(SMAPS, SMAPS) == (8800 * 1024, 8800 * 1024)
    assert guest.resident("", "") == (0, 0)


@given(sizes=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), own=st.data())
def test_the_guests_part_is_the_sum_of_its_areas(guest: ModuleType, sizes: list[int], own: st.DataObject) -> None:
    chosen = [own.draw(st.booleans()) for _ in sizes]
    areas = [f"{n * 0x10000:08x}-{n * 0x10000 + 0x8000:08x} rw-p 0 0 0\nRss: {kib} kB" for n, kib in enumerate(sizes)]
    maps = "\n".join(area.splitlines()[0] for area, mine in zip(areas, chosen, strict=True) if mine)
    total, part = guest.resident("\n".join(areas), maps)
    assert total == sum(sizes) * 1024
    assert part == sum(kib for kib, mine in zip(sizes, chosen, strict=True) if mine) * 1024


@pytest.mark.parametrize(
    ("forms", "device", "threads", "message"),
    [
        (["tflite"], "rpi4", 4, "one thread, not 4"),
        (["tflite", "coreml"], "rpi4", 1, "coreml files cannot be emulated"),
        (["tflite"], "n100", 1, "n100 cannot be emulated"),
    ],
)
def test_what_cannot_be_emulated_is_refused_before_anything_runs(
    forms: list[str], device: str, threads: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        emulator.check(forms, profiles.load(device), threads)
