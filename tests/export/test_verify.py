import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.formats.verify import check_classes, verify, verify_batch
from edgebench.ground.errors import ExportError

EXPECTED = np.random.default_rng(0).standard_normal((4, 1, 10), dtype=np.float32)
RANGE = float(np.ptp(EXPECTED))
INPUTS = [np.full((1, 3, 2, 2), number, np.float32) for number in range(4)]


def answering(outputs: np.ndarray):
    """A file whose output for INPUTS[i] is outputs[i]."""
    return lambda x: outputs[int(x[0, 0, 0, 0])]


def test_exact_file_has_no_error():
    parity = verify(answering(EXPECTED), INPUTS, EXPECTED, "fp32", "engine 1")
    assert (parity.max_abs_error, parity.relative_l2_error, parity.inputs) == (0, 0, 4)
    assert parity.output_range == RANGE
    assert parity.evaluated_by == "engine 1"


@given(st.floats(1e-8, 1e-2), st.integers(0, 3), st.integers(0, 9))
def test_fp32_passes_to_a_ten_thousandth_of_the_range(error, number, element):
    outputs = EXPECTED.astype(np.float64)
    outputs[number, 0, element] += error * RANGE
    if error <= 1e-4 * (1 - 1e-9):
        parity = verify(answering(outputs), INPUTS, EXPECTED, "fp32", "engine")
        assert parity.range_error == pytest.approx(error, rel=1e-6)
    elif error > 1e-4 * (1 + 1e-9):
        with pytest.raises(ExportError, match="the gate is max abs error <= 1e-4 of the output range"):
            verify(answering(outputs), INPUTS, EXPECTED, "fp32", "engine")


@given(st.floats(1e-4, 1))
def test_fp16_passes_to_two_hundredths_in_l2(error):
    outputs = EXPECTED.astype(np.float64)
    outputs[2] *= 1 + error
    if error <= 2e-2 * (1 - 1e-9):
        parity = verify(answering(outputs), INPUTS, EXPECTED, "fp16", "engine")
        assert parity.relative_l2_error == pytest.approx(error, rel=1e-6)
    elif error > 2e-2 * (1 + 1e-9):
        with pytest.raises(ExportError, match="relative L2 error"):
            verify(answering(outputs), INPUTS, EXPECTED, "fp16", "engine")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (EXPECTED[:, :, :9], r"output has shape \(1, 9\), torch's has \(1, 10\)"),
        (np.where(EXPECTED > 0, np.nan, EXPECTED), "the file's output has values that are not finite"),
    ],
)
def test_output_of_another_kind_is_refused(outputs, message):
    with pytest.raises(ExportError, match=message):
        verify(answering(outputs), INPUTS, EXPECTED, "fp32", "engine")


@pytest.mark.parametrize(
    ("expected", "doubt"),
    [
        (EXPECTED, ""),
        (EXPECTED * np.float32(1e-9), ""),
        (np.float32(0.5) + EXPECTED * np.float32(1e-8), "span only"),
        (np.zeros_like(EXPECTED), "span only 0"),
        (np.broadcast_to(EXPECTED[0], (4, 1, 10)), "hardly depend on the input"),
        (EXPECTED * np.float32(1e37), r"reach \d.*e\+37, near where float32 overflows"),
        (np.where(EXPECTED > 0, np.inf, EXPECTED), "values that are not finite"),
    ],
)
def test_outputs_that_tell_little_are_doubted_and_not_refused(expected, doubt):
    parity = verify(answering(expected), INPUTS, expected, "fp32", "engine")
    assert parity.passed
    assert re.search(doubt, parity.doubt) if doubt else not parity.doubt
    size = float(np.abs(expected[np.isfinite(expected)]).max()) or 1.0
    with pytest.raises(ExportError, match="differs from torch"):
        verify(answering(expected + np.float32(1e-2 * RANGE * size)), INPUTS, expected, "fp32", "engine")


@pytest.mark.parametrize(("error", "passes"), [(3e-4, True), (3.9e-4, True), (4.1e-4, False)])
def test_gate_is_no_narrower_than_what_torch_rounds_itself(error, passes):
    truth = EXPECTED.astype(np.float64)
    off = np.zeros_like(truth)
    off[0, 0, 0] = RANGE
    rounded = (truth - 1e-4 * off).astype(np.float32)

    def check():
        return verify(answering(truth + error * off), INPUTS, rounded, "fp32", "engine", lambda: truth)

    if passes:
        parity = check()
        assert parity.torch_error == pytest.approx(1e-4, rel=1e-2)
        assert parity.range_error == pytest.approx(error, rel=1e-6)
    else:
        with pytest.raises(ExportError, match="4 times torch's own float32 rounding"):
            check()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_large_outputs_are_compared_without_overflow(precision):
    large = EXPECTED * np.float32(1e18)
    assert verify(answering(large), INPUTS, large, precision, "engine").relative_l2_error == 0
    with pytest.raises(ExportError, match=r"relative L2 error 1\b"):
        verify(answering(-0 * large), INPUTS, large, precision, "engine")


def test_batch_that_mixes_its_images_is_refused():
    verify_batch(lambda x: np.concatenate(EXPECTED[:2]), INPUTS, EXPECTED, "fp32")
    with pytest.raises(ExportError, match="a batch of two images differs from torch"):
        verify_batch(lambda x: np.concatenate(EXPECTED[1::-1]), INPUTS, EXPECTED, "fp32")


def test_int8_passes_to_one_half_in_l2_and_says_on_what():
    parity = verify(answering(EXPECTED * np.float32(1.3)), INPUTS, EXPECTED, "int8", "engine")
    assert parity.gate == "relative L2 error <= 0.5 on held-out images"
    with pytest.raises(ExportError, match=r"relative L2 error 0\.6"):
        verify(answering(EXPECTED * np.float32(1.6)), INPUTS, EXPECTED, "int8", "engine")


def one_hot(classes) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[list(classes)][:, None]


@pytest.mark.parametrize(
    ("found", "passes"),
    [
        ([0, 1, 2, 3, 0, 1, 2, 3], True),
        ([0, 1, 2, 3, 1, 0, 3, 2], True),  # half right, a quarter by chance
        ([1, 2, 3, 0, 1, 2, 3, 0], False),
        ([0, 0, 0, 0, 0, 0, 0, 0], False),  # the same answer for all
        ([1, 2, 3, 0], True),  # too few to tell
    ],
)
def test_int8_that_tells_classes_apart_by_chance_is_refused(found, passes):
    expected = one_hot([0, 1, 2, 3, 0, 1, 2, 3][: len(found)])
    if passes:
        check_classes(one_hot(found), expected)
    else:
        with pytest.raises(ExportError, match=r"on the class of \d of 8 images, no more than by chance"):
            check_classes(one_hot(found), expected)


def test_a_network_with_one_answer_for_all_images_is_not_judged_by_classes():
    check_classes(one_hot([1] * 8), one_hot([0] * 8))
