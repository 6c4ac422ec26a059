"""A user's own network: how it is named, imported, called and refused."""

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.build import build
from edgebench.models.user import InputSize, parse_input, parse_inputs

SOURCE = """
from dataclasses import dataclass
from torch import nn
import sibling

VALUE = 3

@dataclass
class Settings:
    out: "int" = 4

def make(out=4, bias=True):
    return nn.Sequential(nn.Conv2d(sibling.CHANNELS, Settings(out).out, 3, bias=bias), nn.BatchNorm2d(out))

def number():
    return 7

def broken():
    raise ValueError("no such backbone\\nand more lines")

def needs(x):
    return x

def leaves():
    raise SystemExit(3)

class Net(nn.Conv2d):
    def __init__(self):
        super().__init__(2, 4, 3)

made = Net().train()

def wrapped():
    return nn.DataParallel(Net())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "sibling.py").write_text("CHANNELS = 2\n")
    (tmp_path / "syntax.py").write_text("def make(:\n")
    return tmp_path


def _build(name: str, **options: int) -> torch.nn.Module:
    return build(models.resolve(name, resolution=8, channels=2, options=options), seed=1)


def test_a_factory_in_a_file(folder: Path) -> None:
    path = list(sys.path)
    network = _build(f"{folder / 'net.py'}:make", out=6)
    assert network(torch.zeros(1, 2, 8, 8)).shape == (1, 6, 6, 6)
    assert not network.training
    assert sys.path == path
    assert "net" not in sys.modules


def test_a_class_or_an_instance_in_a_file(folder: Path) -> None:
    for name in ("Net", "made", "wrapped"):
        network = _build(f"{folder / 'net.py'}:{name}")
        assert network(torch.zeros(1, 2, 8, 8)).shape == (1, 4, 6, 6)
        assert not network.training
    with pytest.raises(UsageError, match="is a module, not a factory: leave `options` out"):
        _build(f"{folder / 'net.py'}:made", out=3)


def test_a_factory_in_a_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "net", raising=False)
    assert isinstance(_build("net:make"), torch.nn.Module)
    monkeypatch.delitem(sys.modules, "net")


def test_the_seed_decides_and_the_global_state_stays(folder: Path) -> None:
    before = torch.random.get_rng_state()
    first, second = (_build(f"{folder / 'net.py'}:make").state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_load_into_it(folder: Path) -> None:
    name = f"{folder / 'net.py'}:make"
    spec = models.resolve(name, resolution=8, channels=2)
    torch.save(build(spec, seed=5).state_dict(), folder / "w.pth")
    loaded = build(spec, weights=folder / "w.pth", seed=1).state_dict()
    assert torch.equal(loaded["0.weight"], build(spec, seed=5).state_dict()["0.weight"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.py:make", "there is no file"),
        ("net.py:mak", "did you mean make"),
        ("net.py:VALUE", "is no module and cannot be called"),
        ("net.py:number", "returned int: it must return a torch.nn.Module"),
        ("net.py:broken", "raised ValueError: no such backbone"),
        ("net.py:needs", "raised TypeError: .*missing 1 required"),
        ("net.py:leaves", "raised SystemExit: 3"),
        ("syntax.py:make", "cannot import .*SyntaxError"),
        ("no_such_package.net:make", "cannot import no_such_package.net: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=message) as caught:
        _build(name)
    assert "\n" not in str(caught.value)


def test_a_failed_import_leaves_nothing_behind(folder: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(UsageError):
        _build(f"{folder / 'syntax.py'}:make")
    assert not [name for name in set(sys.modules) - before if name.startswith("edgebench_user")]


@pytest.mark.parametrize("name", ["net.py:", ":make", "net:make it", "a b:make", "net.txt/x:make", "net.py:make()"])
def test_names_that_are_no_factory(name: str) -> None:
    with pytest.raises(UsageError, match="names no network"):
        models.resolve(name, resolution=8, channels=2)


def test_the_input_size_is_needed_and_scaling_refused() -> None:
    with pytest.raises(UsageError, match="`input='3x224x224'`"):
        models.resolve("net.py:make")
    for argument in ("width", "depth", "phi"):
        with pytest.raises(UsageError, match=f"`{argument}` means nothing"):
            models.resolve("net.py:make", resolution=8, channels=3, **{argument: 1})
    with pytest.raises(UsageError, match="height 0"):
        models.resolve("net.py:make", resolution=8, channels=3, height=0)


def test_spec_of_a_wide_image() -> None:
    size = parse_input("3x96x160")
    spec = models.resolve("net.py:make", resolution=size.width, height=size.height, channels=size.channels)
    assert spec.input_shape == (1, 3, 96, 160)


@given(st.integers(1, 4096), st.integers(1, 4096), st.integers(1, 4096))
def test_input_sizes_read_back(channels: int, height: int, width: int) -> None:
    assert parse_input(f"{channels}x{height}x{width}") == InputSize(channels, height, width)


@given(st.text(max_size=12))
def test_other_text_is_an_input_size_or_a_sentence(text: str) -> None:
    try:
        size = parse_input(text)
    except UsageError as error:
        assert "3x224x224" in str(error)
    else:
        assert min(size) > 0


@pytest.mark.parametrize(
    "text", ["", "224", "3x224", "3x0x224", "3x224x224x1", "-3x2x2", "3x2.5x2", "3×224×224", "٣x2x2"]
)
def test_bad_input_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="not an input size"):
        parse_input(text)


def test_inputs_beside_an_image_read_back() -> None:
    size, beside = parse_inputs(" 3x8X9,10, 2x7:int64")
    assert size == InputSize(3, 8, 9)
    assert list(map(str, beside)) == ["10", "2x7:int64"]
    assert parse_inputs((1, 3, 8, 9)) == (size, ())
    assert parse_inputs([(3, 8, 9), (10,)]) == (size, beside[:1])


@pytest.mark.parametrize("text", ["3x8x8,", "3x8x8,0", "3x8x8,7:float16", "3x8x8,a"])
def test_bad_inputs_beside_an_image(text: str) -> None:
    with pytest.raises(UsageError, match=r"no input beside an image: .* such as 10 or 77:int64"):
        parse_inputs(text)
