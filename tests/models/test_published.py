"""Published accuracies: every row names a network of the zoo and a source, and stands in one place."""

import json
import subprocess
import sys

from click.testing import CliRunner

from edgebench import models
from edgebench.cli import app
from edgebench.models.published import Published, published

ROWS = published()


def _top1(model: str, recipe: str, precision: str = "fp32", resolution: int = 224) -> list[float]:
    wanted = (model, recipe, precision, resolution)
    return [row.top1 for row in ROWS if (row.model, row.recipe, row.precision, row.resolution) == wanted]


def test_every_row_is_a_network_of_the_zoo_with_a_recipe_and_a_source() -> None:
    for row in ROWS:
        spec = models.resolve(row.model, width=row.width, depth=row.depth, resolution=row.resolution)
        assert spec.name == row.model
        assert row.recipe and row.source and row.precision in ("fp32", "int8") and 30 < row.top1 < 90


def test_no_result_is_there_twice() -> None:
    assert len(ROWS) == len(set(ROWS))
    assert not [row for row in ROWS if "quantisation comparison" in row.recipe or "ReaL" in row.recipe]


def test_known_results() -> None:
    """torchvision 0.29's weights' metadata; arXiv 1905.11946v1, table 7; tensorflow/tpu's lite README."""
    assert _top1("resnet50", "torchvision IMAGENET1K_V2") == [80.858]
    assert _top1("resnet101", "torchvision_v1") == [77.374]
    assert _top1("vgg16_bn", "torchvision IMAGENET1K_V1") == [73.36]
    assert _top1("googlenet", "torchvision IMAGENET1K_V1") == [69.778]
    assert _top1("efficientnet_b0", "efficientnet_paper") == [76.3]
    assert _top1("efficientnet_lite2", "lite", resolution=260) == [77.6]
    assert _top1("efficientnet_lite2", "int8_PTQ", "int8", 260) == [77.0]


def test_the_command_prints_them_apart_from_costs() -> None:
    shown = CliRunner().invoke(app, ["models", "--published", "--json"])
    rows = json.loads(shown.stdout)
    assert len(rows) == len(ROWS) and set(rows[0]) == set(Published.__struct_fields__)
    table = CliRunner().invoke(app, ["models", "--published"]).stdout
    assert "nothing here was measured" in table and "MACs" not in table
    assert "published" not in CliRunner().invoke(app, ["models"]).stdout.lower()


def test_reading_them_takes_no_numpy() -> None:
    code = "import sys; from edgebench.models.published import published; published(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
