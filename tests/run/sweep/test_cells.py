"""The sweep file, and addresses that records and cells agree on."""

from collections import deque
from multiprocessing import Pipe
from pathlib import Path

import pytest

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec, Interval
from edgebench.models import resolve
from edgebench.run.mode import Mode
from edgebench.run.resume import address_of
from edgebench.run.sweep import SweepCell, read, write
from edgebench.run.sweep.cells import failed, run_cell
from edgebench.run.sweep.local import _hand_out, _Worker

GOOD = """
[sweep]
models = ["mobilenetv2", "mobilenetv1"]
widths = [0.5, 1.0]
resolutions = [128, 224]
formats = ["tflite", "onnx"]
devices = ["rpi4", "host"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def test_a_file_is_the_product_of_its_axes_and_each_cell_once(tmp_path: Path) -> None:
    cells = read(written(tmp_path, GOOD))
    assert len(cells) == 2 * 2 * 2 * 2 * 2
    assert len({cell.address for cell in cells}) == len(cells)
    assert {cell.mode for cell in cells if cell.device == "host"} == {Mode.MEASURE}
    assert {cell.mode for cell in cells if cell.device == "rpi4"} == {Mode.ESTIMATE}


def test_phis_are_points_of_their_own(tmp_path: Path) -> None:
    cells = read(written(tmp_path, '[sweep]\nmodels = ["mobilenetv2"]\nphis = [-1.0, 0.0, 0.0]\ndevices = ["rpi4"]'))
    assert [cell.model for cell in cells] == [resolve("mobilenetv2", phi=phi) for phi in (-1.0, 0.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "widhts = [1.0]", r"unknown key in \[sweep\].*'widhts'; did you mean widths"),
        (GOOD + "[other]\na = 1", "unknown key in .*'other'"),
        ("", r"has no \[sweep\]"),
        ("[sweep", "is not TOML"),
        ('[sweep]\ndevices = ["rpi4"]', "models"),
        ('[sweep]\nmodels = []\ndevices = ["rpi4"]', "at least one"),
        ('[sweep]\nmodels = ["mobilenetv9"]\ndevices = ["rpi4"]', "mobilenetv2"),
        ('[sweep]\nmodels = ["mobilenetv2"]\ndevices = ["rpi9"]', "rpi4"),
        (GOOD + 'how = "guessed"', "unknown way 'guessed'"),
        (GOOD + 'precisions = ["fp8"]', "unknown precision"),
        (GOOD + "threads = [64]", "give 1 to"),
        (GOOD + 'how = "emulated"\nthreads = [2]', "one thread"),
        (GOOD + 'quick = "yes"', "bool"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the sweep file"):
        read(tmp_path / "none.toml")


@pytest.mark.parametrize("mode", [Mode.ESTIMATE, Mode.MEASURE, Mode.EMULATE, Mode.PRETEND])
@pytest.mark.parametrize("quick", [True, False])
def test_a_failed_record_has_its_cells_address(mode: Mode, quick: bool) -> None:
    quick = quick or mode is not Mode.MEASURE
    cell = SweepCell(
        model=resolve("mobilenetv2"), export=ExportSpec(), device="rpi4", threads=1, mode=mode, quick=quick
    )
    assert address_of(failed(cell, "it broke")) == cell.address


def test_an_estimated_cell_gives_the_estimate(tmp_path: Path) -> None:
    cell = SweepCell(model=resolve("mobilenetv1", width=0.5), export=ExportSpec(), device="rpi4", threads=4)
    record = run_cell(cell, tmp_path)
    assert isinstance(record, Estimate) and isinstance(record.latency_s, Interval)
    assert address_of(record) == cell.address


def test_what_cannot_be_run_is_a_failed_record(tmp_path: Path) -> None:
    cell = SweepCell(model=resolve("mobilenetv1"), export=ExportSpec(), device="rpi4", threads=64)
    record = run_cell(cell, tmp_path)
    assert record.status == "failed" and "64 threads" in record.error
    assert address_of(record) == cell.address


def test_several_tables_and_what_is_written_is_read_back(tmp_path: Path) -> None:
    two = GOOD + "\n[[sweep]]\n"
    with pytest.raises(UsageError, match="is not TOML"):
        read(written(tmp_path, two))
    tables = GOOD.replace("[sweep]", "[[sweep]]") + '[[sweep]]\nmodels = ["lenet5"]\ndevices = ["rpi4"]\n'
    cells = read(written(tmp_path, tables))
    assert len(cells) == 2 * 2 * 2 * 2 * 2 + 1
    write(tmp_path / "again.toml", cells)
    assert read(tmp_path / "again.toml") == cells
    with pytest.raises(UsageError, match="cannot write"):
        write(tmp_path / "again.toml" / "file.toml", cells)


def test_a_mistake_in_a_second_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'withs'; did you mean widths"):
        read(written(tmp_path, '[[sweep]]\nmodels = ["lenet5"]\ndevices = ["rpi4"]\n[[sweep]]\nwiths = [1.0]\n'))


BOARD = """
name = "board"
title = "A board"
[cpu]
soc = "S"
core = "Cortex-A72"
cores = 4
isa = "aarch64"
[reach]
via = "local"
"""


def test_a_board_with_an_address_is_measured_there_one_cell_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "board.toml").write_text(BOARD)
    monkeypatch.chdir(tmp_path)
    [cell] = read(written(tmp_path, '[sweep]\nmodels = ["lenet5"]\ndevices = ["board"]'))
    assert cell.mode is Mode.REACH and cell.place == "board"
    record = run_cell(cell, tmp_path / "artifacts")
    assert record.status == "ok" and record.device == "board" and record.provenance == "measured", record.error
    assert address_of(record) == cell.address
    workers = [_Worker(None, None), _Worker(None, Pipe()[0])]  # type: ignore[arg-type]
    workers[0].cell = cell
    _hand_out(deque([cell]), workers)
    assert workers[1].cell is None
