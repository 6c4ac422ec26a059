import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.commands.options import switches
from edgebench.ground.errors import UsageError
from edgebench.ground.options import listed


def test_a_switch_is_a_truth_a_number_or_text() -> None:
    given = ["modern=true", "aux=false", "groups=2", "rate=0.5", "act=relu", "empty=", "path=a=b", "inf=inf", "nan=nan",
             "long=18446744073709551616"]  # fmt: skip
    assert switches(given) == {
        "modern": True, "aux": False, "groups": 2, "rate": 0.5, "act": "relu", "empty": "", "path": "a=b", "inf": "inf",
        "nan": "nan", "long": "18446744073709551616",
    }  # fmt: skip
    assert switches(None) == {}


@pytest.mark.parametrize("pair", ["groups", "=2", "two words=1", "a-b=1"])
def test_what_is_no_switch_is_named(pair: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        switches([pair])


@given(st.text())
def test_any_value_can_be_stored(text: str) -> None:
    found = switches([f"x={text}"])
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_a_list_keeps_its_order_and_drops_repeats() -> None:
    assert listed("onnx, TFLITE,onnx", "format", ["tflite", "onnx"]) == ("onnx", "tflite")
    with pytest.raises(UsageError, match="unknown format ''"):
        listed("onnx,", "format", ["onnx"])
