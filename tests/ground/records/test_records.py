import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.records import (
    QUICK,
    Artifact,
    Estimate,
    ExportSpec,
    Interval,
    Measurement,
    ModelSpec,
    Parity,
    Result,
    identity,
)

MODEL = ModelSpec(name="mobilenetv2", family="mobilenetv2")
MEASUREMENT = Measurement(
    id="a",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="host",
    runtime="litert",
    runtime_version="2.3.0",
    scenario=QUICK,
    latency_s=((0.007, 0.0071), (0.0072,)),
    memory_bytes={"baseline": 100, "load": 180, "first": 260, "steady": 250},
)
ESTIMATE = Estimate(
    id="b",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="rpi4",
    runtime="litert",
    latency_s=Interval(value=0.05, low=0.04, high=0.06, confidence=0.9),
)


@pytest.mark.parametrize("record", [MEASUREMENT, ESTIMATE])
def test_a_result_survives_json(record: Result) -> None:
    assert msgspec.json.decode(msgspec.json.encode(record), type=Result) == record


def test_the_latency_of_a_measurement_is_the_median_over_processes_at_95_percent() -> None:
    latency = MEASUREMENT.latency
    assert latency is not None and latency.is_bounded
    assert latency.value == pytest.approx((0.00705 + 0.0072) / 2)
    assert latency.low < latency.value < latency.high
    assert latency.confidence == 0.95


def test_a_lone_process_bounds_nothing() -> None:
    latency = msgspec.structs.replace(MEASUREMENT, latency_s=((0.007, 0.0071),)).latency
    assert latency is not None and not latency.is_bounded
    assert (latency.low, latency.high) == (0.0, float("inf"))


def test_the_latency_of_what_no_clock_has_seen_is_its_estimate() -> None:
    emulated = msgspec.structs.replace(MEASUREMENT, latency_s=(), estimated_latency_s=ESTIMATE.latency_s)
    assert emulated.latency == ESTIMATE.latency == ESTIMATE.latency_s
    assert msgspec.structs.replace(MEASUREMENT, latency_s=((),)).latency is None


@pytest.mark.parametrize("record", [MEASUREMENT, ESTIMATE])
def test_readers_ask_both_kinds_of_record_alike(record: Result) -> None:
    asked = ("latency", "samples_s", "load_s", "first_s", "threads", "scenario", "runtime_version", "instructions",
             "operators", "environment", "counts", "peak_memory_bytes", "provenance")  # fmt: skip
    assert all(hasattr(record, name) for name in asked)
    assert record.threads == 1


def test_what_only_a_run_has_is_not_stored_with_an_estimate() -> None:
    stored = msgspec.to_builtins(ESTIMATE)
    assert not {"scenario", "samples_s", "counts", "environment", "operators"} & stored.keys()


def test_records_are_frozen() -> None:
    with pytest.raises(AttributeError):
        MODEL.width = 2.0  # type: ignore[misc]


def test_peak_memory_is_above_the_baseline() -> None:
    assert MEASUREMENT.peak_memory_bytes == 160


def test_peak_memory_is_none_without_a_memory_pass() -> None:
    assert msgspec.structs.replace(MEASUREMENT, memory_bytes={}).peak_memory_bytes is None


def test_keys_name_what_differs_from_the_default() -> None:
    assert MODEL.key == "mobilenetv2-w1-d1-r224"
    spec = ModelSpec(name="nets.py:make", family="user", classes=10, channels=1, resolution=32, height=48)
    assert spec.title == "make-r32-h48-c1"
    assert spec.key.startswith("make-r32-h48-c1-")
    others = (msgspec.structs.replace(spec, **change) for change in ({"name": "other.py:make"}, {"digest": "0123abcd"}))
    assert len({spec.key, *(other.key for other in others)}) == 3
    assert ExportSpec(format="coreml", precision="fp16", image_input=True).key == "coreml-fp16-image"


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_names_never_share_a_key(one: str, other: str) -> None:
    keys = {ModelSpec(name=name, family="user").key for name in (one, other)}
    assert len(keys) == len({one, other})


@given(st.text(min_size=1))
def test_a_key_is_a_safe_file_name(name: str) -> None:
    key = ModelSpec(name=name, family="user").key
    assert not set(key) & set('/\\:*?"<>|\n\0 ') and key not in (".", "..")


def test_the_options_of_a_users_network_make_a_safe_name_too() -> None:
    keys = [ModelSpec(name="nets.py:make", family="user", options={"path": path}).key for path in ("../x", "..-x", "x")]
    assert len(set(keys)) == 3 and not any("/" in key or ".." in key for key in keys)
    assert ModelSpec(name="alexnet", family="alexnet", options={"groups": 2}).key == "alexnet-w1-d1-r224-groups2"


def test_decoding_refuses_a_width_of_zero() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name":"x","family":"y","width":0}', type=ModelSpec)


def test_identity_depends_on_content_only() -> None:
    assert identity(MODEL, 1) == identity(ModelSpec(name="mobilenetv2", family="mobilenetv2"), 1)
    assert identity(MODEL, 1) != identity(MODEL, 2)


def test_notebook_view_escapes_html() -> None:
    html = ModelSpec(name="<script>", family="user")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_range_error_of_an_artifact() -> None:
    parity = Parity(
        inputs=4,
        max_abs_error=1e-5,
        output_range=2.0,
        relative_l2_error=1e-6,
        gate="",
        passed=True,
        evaluated_by="litert",
    )
    artifact = Artifact(
        model=MODEL, export=ExportSpec(), path="x", sha256="0", size_bytes=1, inputs=(), outputs=(), parity=parity
    )
    assert artifact.parity is not None and artifact.parity.range_error == pytest.approx(5e-6)
