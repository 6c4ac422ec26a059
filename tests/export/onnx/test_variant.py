from pathlib import Path

import pytest

from edgebench.formats.onnx.variant import Variant, activations_for, variant


@pytest.mark.parametrize(
    ("isa", "stored"),
    [("x86_64", "uint8"), ("x86-64-v3", "uint8"), ("AMD64", "uint8"), ("armv8-a", "int8"), ("aarch64", "int8"),
     ("armv8.2-a+fp16+dotprod", "int8"), ("arm64", "int8")],
)  # fmt: skip
def test_the_signedness_is_what_is_fast_on_the_processor(isa: str, stored: str) -> None:
    assert activations_for(isa) == stored


def machine(root: Path, flags: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(f"model name\t: a processor\nflags\t\t: {flags}\n")
    return root


@pytest.mark.parametrize(
    ("flags", "reduced"), [("avx2 avx512_vnni", False), ("avx2 avx_vnni", False), ("avx2 avx512f", True)]
)
def test_weights_keep_to_7_bits_only_without_vnni(flags: str, reduced: bool, tmp_path: Path) -> None:
    assert variant("", "x86_64", machine(tmp_path, flags)) == Variant("uint8", reduced)
    assert variant("int8", "x86_64", tmp_path) == Variant("int8")
    assert variant("uint8", "aarch64", tmp_path) == Variant("uint8")


def test_a_machine_that_says_nothing_is_not_reduced(tmp_path: Path) -> None:
    assert variant("", "x86_64", tmp_path) == Variant("uint8")


def test_the_manifest_says_what_was_chosen() -> None:
    assert [str(Variant("int8")), str(Variant("uint8", True))] == ["int8", "uint8, weights of 7 bits"]
