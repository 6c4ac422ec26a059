"""ExecuTorch programs: what XNNPACK takes, what is called beside it, and what a reader makes of damage."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip(
    "edgebench.runtimes.executorch.engine", reason="needs executorch: pip install 'edgebench[executorch]'"
)

from edgebench.formats import pipeline
from edgebench.formats.inspect import read
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec
from edgebench.models.given import Given
from edgebench.runtimes import runtime

SIZE = 8
IMAGE = np.random.default_rng(1).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)


class Mixed(nn.Module):
    """Convolutions with constants added, whose channels are chosen by what flows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Conv2d(6, 4, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.first(image).tanh() + 0.25
        best, where = x.flatten(1).topk(5)
        rows = x.sum(3).amax(2)
        turned = torch.where(x > 0.1, x, -x).round()[:, :, ::2] ** 2.0
        return self.last(torch.nn.functional.gelu(x, approximate="tanh")), best, where, rows, turned


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, nn.Module]:
    spec, module = ModelSpec(name="nets.py:Mixed", family="user", resolution=SIZE), Mixed().eval()
    given = Given(modules={spec.key: module})
    folder = tmp_path_factory.mktemp("executorch")
    return pipeline.export_model(spec, ExportSpec(format="executorch"), folder, given=given), module


def test_kernels_compute_what_xnnpack_has_not_and_are_named(mixed: tuple[Artifact, nn.Module]) -> None:
    artifact, module = mixed
    session = runtime("executorch").load(artifact.path)
    with torch.inference_mode():
        expected = [each.numpy() for each in module(torch.from_numpy(IMAGE))]
    found = session.run_all(IMAGE)
    kept = [each.copy() for each in found]
    session.run(2 * IMAGE)
    for one, other, right in zip(found, kept, expected, strict=True):
        np.testing.assert_array_equal(one, other)  # an output survives the next run
        np.testing.assert_allclose(one, right, atol=1e-5)
    (note,) = artifact.warnings
    assert "not delegated to XNNPACK" in note and "aten::topk.values (1)" in note and "aten::sum.IntList_out" in note
    assert artifact.operators["Conv2d"] == 2 and artifact.operators["gelu"] == 1


def test_it_refuses_a_batch(mixed: tuple[Artifact, nn.Module]) -> None:
    with pytest.raises(ValueError, match="fixed to 1, not 2"):
        runtime("executorch").load(mixed[0].path, 1, 2)


def test_a_damaged_file_is_refused_in_a_sentence(mixed: tuple[Artifact, nn.Module], tmp_path: Path) -> None:
    content = bytearray(Path(mixed[0].path).read_bytes())
    damaged, random = tmp_path / "net.pte", np.random.default_rng(0)
    for cut in (3, 40, len(content) // 8):
        damaged.write_bytes(content[:cut])
        with pytest.raises(UsageError, match=r"net\.pte"):
            read(damaged)
    for _ in range(200):
        wrong = bytearray(content)
        for place in random.integers(8, 3000, 4):
            wrong[place] = random.integers(256)
        damaged.write_bytes(wrong)
        try:
            assert read(damaged).operators is not None
        except UsageError as error:
            assert "net.pte" in str(error)
