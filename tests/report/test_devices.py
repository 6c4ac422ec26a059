"""`edgebench device show NAME --validation`."""

import json

import pytest
from click.testing import CliRunner

from edgebench.cli import app
from edgebench.estimate.validation import Validation, validation
from edgebench.report import devices, output


def test_every_table_is_printed_with_what_its_columns_mean() -> None:
    printed = CliRunner().invoke(app, ["device", "show", "rpi4", "--validation"], env={"COLUMNS": "160"})
    assert printed.exit_code == 0, printed.output
    for words in (
        "Estimated from the graph",
        "From counted instructions",
        "read by no fit",
        "ncnn/mobilenet_v2",
        "published figures that no fit has read: off by",
        "90th percentile",
    ):
        assert words in printed.output


def test_json_holds_the_same_in_base_units() -> None:
    printed = CliRunner().invoke(app, ["device", "show", "rpi4", "--validation", "--json"])
    found = json.loads(printed.output)
    line = next(each for each in found["calibrations"] if (each["runtime"], each["threads"]) == ("ncnn", 1))
    assert line["precision"] in ("fp32", "int8")
    assert 0 < line["median"] < line["p90"]
    check = next(each for each in found["unseen"] if each["network"] == "ncnn/mobilenet_v2" and each["threads"] == 1)
    assert check["published_s"] == pytest.approx(0.09348)
    assert check["error"] == pytest.approx(check["estimate_s"] / 0.09348 - 1)
    assert found["tally"]["rows"] == len(found["unseen"])


def test_a_device_without_published_figures_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.blocks(*devices.validation(validation("n100")))
    assert "No published figure was kept" in capsys.readouterr().out
    nothing = Validation(device="x", calibrations=(), counted=(), unseen=(), tally=None)
    output.blocks(*devices.validation(nothing))
    assert "Nothing near x is known" in capsys.readouterr().out
