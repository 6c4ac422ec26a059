"""The shipped counts against the real networks: torch's parameters and torch's own FLOP counter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.count_models import compute, write
from torch.utils.flop_counter import FlopCounterMode

from edgebench import models
from edgebench.models.build import skeleton
from edgebench.models.summary import ModelSummary, summaries

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "models.json").read_text())
SHIPPED = {summary.name: summary for summary in summaries()}


def test_every_network_is_listed_in_order() -> None:
    assert list(SHIPPED) == models.names()


@pytest.mark.parametrize("name", models.names())
def test_shipped_counts_are_those_of_the_network(name: str) -> None:
    spec = models.resolve(name)
    network = skeleton(spec).eval()
    with FlopCounterMode(display=False) as counter:
        output = network(torch.empty(spec.input_shape, device="meta"))
    assert output.shape == (1, spec.classes)
    assert SHIPPED[name].parameters == sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert SHIPPED[name].macs == counter.get_total_flops() // 2
    assert SHIPPED[name] == compute(name)


@pytest.mark.parametrize("name", GOLDEN["macs"])
def test_macs_are_the_published_ones(name: str) -> None:
    assert SHIPPED[name].macs == GOLDEN["macs"][name]


def test_record_has_the_documented_keys() -> None:
    keys = "name family parameters macs resolution channels classes activation_memory_bytes"
    assert ModelSummary.__struct_fields__ == tuple(keys.split())


def test_written_file_is_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path / "counts.json")
    shipped = Path(models.__file__).with_name("zoo.json")
    assert (tmp_path / "counts.json").read_text() == shipped.read_text()


def test_listing_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from edgebench.models.summary import summaries; summaries();"
        "print([name for name in ('torch', 'numpy', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
