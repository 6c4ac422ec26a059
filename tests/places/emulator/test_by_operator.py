"""Counts by operator: that the beginnings of a file are its beginnings, and that their differences add up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgebench import models
from edgebench.cli import app
from edgebench.formats.format import prefixes
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, ExportSpec, OperatorProfile
from edgebench.machines import profiles
from edgebench.places.bundle.bundle import Bundle
from edgebench.places.emulator import by_operator, counting, emulator
from edgebench.places.emulator.by_operator import Prefix
from edgebench.report import operators, output
from edgebench.run.devices import emulate
from edgebench.runtimes import runtime, runtime_of

Export = Callable[..., Artifact]
RPI4 = profiles.load("rpi4")
# LeNet-5 has 12 operators; googlenet's modules have four branches; mobilenetv2 has paddings, activations and sums.
LENET = {"tflite": "CONV_2D", "onnx": "Conv", "ncnn": "Convolution"}


@pytest.mark.parametrize("form", LENET)
def test_every_operator_ends_one_file_and_the_last_is_the_whole(form: str, exported: Export, tmp_path: Path) -> None:
    file = exported("lenet5", form)
    found = prefixes(file, tmp_path)
    assert len(found) == 12
    assert found[0].kind == LENET[form]
    assert len({part.name for part in found}) == 12
    load = runtime(runtime_of(file.export.format)).load
    whole, last, first = (load(str(path)) for path in (file.path, found[-1].path, found[0].path))
    x = np.random.default_rng(0).standard_normal(whole.inputs[0]["shape"]).astype(np.float32)
    np.testing.assert_array_equal(last.run(x), whole.run(x))
    assert first.run(x).size == 6 * 28 * 28


def test_what_an_engine_merges_stays_together(exported: Export, tmp_path: Path) -> None:
    for form, together in {"tflite": "PAD + CONV_2D", "onnx": "Conv + Clip"}.items():
        (tmp_path / form).mkdir()
        found = prefixes(exported("mobilenetv2", form, resolution=32), tmp_path / form)
        assert together in {part.kind for part in found}
        assert not [part for part in found if part.kind in ("PAD", "Clip")]


@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_a_prefix_hands_out_every_branch(form: str, exported: Export, tmp_path: Path) -> None:
    found = prefixes(exported("googlenet", form, resolution=32, width=0.25), tmp_path)
    outputs = [len(runtime(runtime_of(form)).load(str(part.path)).outputs) for part in found[:20]]
    assert max(outputs) >= 4
    assert outputs[0] == 1


def test_a_format_that_cannot_be_parted_is_refused(tmp_path: Path) -> None:
    file = Artifact(
        model=models.resolve("lenet5"),
        export=ExportSpec(format="torch"),
        path="x",
        sha256="",
        size_bytes=1,
        inputs=(),
        outputs=(),
    )
    with pytest.raises(UsageError, match="torch files are not counted by operator: tflite, onnx, ncnn are"):
        prefixes(file, tmp_path)


def test_differences_are_of_neighbours() -> None:
    parts = [Prefix(name, "CONV_2D", Path(name)) for name in "abc"]
    counted = [{counting.TOTAL: total, "load": total // 2} for total in (100, 140, 200)]
    found = by_operator.operators(parts, counted)
    assert [(each.name, each.counts[counting.TOTAL], each.counts["load"]) for each in found] == [
        ("a", 100, 50),
        ("b", 40, 20),
        ("c", 60, 30),
    ]
    profile = OperatorProfile(method="m", operators=tuple(found))
    assert not profile.is_timed
    assert [each.name for each in operators.counted(profile)] == ["a", "c", "b"]
    assert operators.rows(profile)["counted"][1]["counts"][counting.TOTAL] == 40


def test_the_operators_of_an_emulated_file_add_up_to_it(
    bundle: Bundle, exported: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported("lenet5", "tflite")
    found = by_operator.with_operator_counts(emulate(file, RPI4, runs=1), file, RPI4, prefixes)
    assert found.operators is not None, found.warnings
    total = sum(each.counts[counting.TOTAL] for each in found.operators.operators)
    assert total == pytest.approx(found.counts[counting.TOTAL], abs=2 * emulator.PYTHONS_OWN)
    multiplied = sum(each.counts["float_fma"] for each in found.operators.operators)
    assert multiplied == pytest.approx(found.counts["float_fma"], rel=0.01)
    by_name = {each.name: each.counts["float_fma"] for each in found.operators.operators}
    assert by_name["conv2"] == 16 * 10 * 10 * 6 * 25 // 4
    output.blocks(*operators.table(found.operators, "lenet5", most=3))
    printed = capsys.readouterr().out
    assert "conv1" in printed
    assert "9 smaller operators are left out" in printed


def test_times_of_operators_are_of_this_machine_only() -> None:
    asked = ["profile", "lenet5", "--device", "rpi4", "--via", "emulator", "--trace", "x.json"]
    printed = CliRunner().invoke(app, asked)
    assert isinstance(printed.exception, UsageError)
    assert "only operators on this machine are timed" in str(printed.exception)
