"""Exported programs in files as networks."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

import edgebench
from edgebench.formats.torch.source import module
from edgebench.ground.errors import UsageError


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.conv(x)
        return {"map": y, "scores": y.mean((2, 3))}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "pair.pt2"
    torch.export.save(torch.export.export(Pair().eval(), (torch.zeros(1, 3, 8, 10),)), path)
    return path


def test_other_formats_are_made_of_a_program_in_a_file(saved, tmp_path):
    made = edgebench.export(saved, format="tflite", output=tmp_path)
    assert (made.model.name.rpartition(":")[2], made.model.input_shape) == ("pair", (1, 3, 8, 10))
    assert [output.name for output in made.outputs] == ["map", "scores"]


def test_another_size_than_the_program_has_is_refused(saved):
    with pytest.raises(UsageError, match="takes images of 3x8x10, not of 3x8x8"):
        module(saved, (3, 8, 8))


class Harmful:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def rewritten(saved: Path, target: Path, change) -> Path:
    with zipfile.ZipFile(saved) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            for renamed, content in change(name, before.read(name)):
                after.writestr(renamed, content)
    return target


def test_a_pickle_in_a_file_is_not_run(saved, tmp_path):
    stream, witness = io.BytesIO(), tmp_path / "run"
    torch.save(Harmful(witness), stream)
    changed = rewritten(
        saved, tmp_path / "harmful.pt2", lambda name, old: [(name, stream.getvalue() if name.endswith(".pt") else old)]
    )
    with pytest.raises(UsageError, match="torch cannot read"):
        module(changed)
    assert not witness.exists()
    torch.load(io.BytesIO(stream.getvalue()), weights_only=False)
    assert witness.exists()  # the pickle is one that runs


def test_objects_other_than_tensors_are_refused(saved, tmp_path):
    more = [("pair/data/constants/opaque_obj_0", pickle.dumps(Harmful(tmp_path / "run")))]
    changed = rewritten(
        saved, tmp_path / "objects.pt2", lambda name, old: [(name, old), *(more if name.endswith("byteorder") else [])]
    )
    with pytest.raises(UsageError, match="holds objects other than tensors"):
        module(changed)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UsageError, match="damaged or no exported program"):
        module(tmp_path / "net.pt2")
