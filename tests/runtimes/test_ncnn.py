"""The ncnn engine on a network written by hand: image -> convolution -> logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Scenario
from edgebench.measure import measure

pytest.importorskip("ncnn", reason="needs ncnn: pip install 'edgebench[ncnn]'")

from edgebench.runtimes.ncnn import engine

WEIGHTS = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
IMAGE = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
CONV = "Convolution conv 1 1 image {output} 0=4 1=3 6=108"
SHAPE = "-23330=4,3,6,6,4"  # three dimensions: width 6, height 6, 4 channels


def write(folder: Path, *lines: str, half: bool = False) -> str:
    """The layers as text, and the weights of a convolution."""
    param = ["7767517", f"{len(lines)} {len(lines)}", *lines]
    (folder / "model.param").write_text("\n".join(param) + "\n")
    tag, dtype = (engine.HALF_TAG, np.float16) if half else (bytes(4), np.float32)
    (folder / "model.bin").write_bytes(tag + WEIGHTS.astype(dtype).tobytes())
    return str(folder)


def tiny(folder: Path, *, half: bool = False) -> str:
    return write(folder, "Input image 0 1 image 0=8 1=8 2=3", f"{CONV.format(output='logits')} {SHAPE}", half=half)


def convolved(weights: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 3), axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weights)


def test_it_computes_the_network(tmp_path: Path) -> None:
    session = engine.load(tiny(tmp_path))
    assert session.inputs == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert session.outputs == [{"name": "logits", "shape": [1, 4, 6, 6], "dtype": "float32"}]
    assert (session.delegates, session.delegated_share) == (None, None)
    assert session.version
    found = session.run(IMAGE)
    np.testing.assert_allclose(found, convolved(WEIGHTS), rtol=1e-4, atol=1e-4)
    again = session.run(np.ascontiguousarray(IMAGE[:, :, ::-1]))
    assert not np.allclose(found, again)
    assert found.dtype == np.float32


def test_an_output_survives_the_next_run(tmp_path: Path) -> None:
    session = engine.load(tiny(tmp_path))
    first = session.run(IMAGE)
    kept = first.copy()
    for scale in range(2, 6):
        session.run(IMAGE * np.float32(scale))
    np.testing.assert_array_equal(first, kept)


def test_half_weights_allow_half_arithmetic_and_only_they(tmp_path: Path) -> None:
    options: list[tuple[bool, bool]] = []
    for half in (False, True):
        folder = tmp_path / str(half)
        folder.mkdir()
        path = tiny(folder, half=half)
        assert engine.is_short(str(folder / "model.bin")) is half
        session = engine.load(path)
        options.append((session._net.opt.use_fp16_storage, session._net.opt.use_fp16_arithmetic))
        expected = convolved(WEIGHTS.astype(np.float16).astype(np.float32) if half else WEIGHTS)
        error = np.linalg.norm(session.run(IMAGE) - expected) / np.linalg.norm(expected)
        assert error < (5e-3 if half else 1e-6)
    assert options == [(False, False), (True, True)]


@pytest.mark.parametrize("threads", [1, 2])
def test_it_runs_on_the_threads_it_is_given(tmp_path: Path, threads: int) -> None:
    assert engine.load(tiny(tmp_path), threads)._net.opt.num_threads == threads


def test_it_refuses_a_batch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one image at a time, not 2"):
        engine.load(tiny(tmp_path), 1, 2)


@pytest.mark.parametrize(
    ("lines", "blob"),
    [
        (("Input image 0 1 image", f"{CONV.format(output='logits')} {SHAPE}"), "image"),
        (("Input image 0 1 image 0=8 1=8 2=3", CONV.format(output="logits")), "logits"),
    ],
)
def test_it_refuses_shapes_that_are_not_stated(tmp_path: Path, lines: tuple[str, ...], blob: str) -> None:
    with pytest.raises(ValueError, match=f"does not state the shape of {blob}"):
        engine.load(write(tmp_path, *lines))


def test_a_layer_that_ncnn_lacks_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "Input image 0 1 image 0=8 1=8 2=3", f"Nonsense n 1 1 image logits {SHAPE}")
    with pytest.raises(ValueError, match="ncnn cannot read"):
        engine.load(path)


def test_outputs_are_what_no_layer_reads(tmp_path: Path) -> None:
    write(
        tmp_path,
        "Input image 0 1 image 0=8 1=8 2=3",
        "Split s 1 2 image a b",
        "ReLU r 1 1 a first -23330=4,1,5,1,1",
        "Split t 1 2 b c second -23330=8,3,8,8,3,2,7,6,1",
        "ReLU u 1 1 c third -23330=4,2,7,6,1",
    )
    _, outputs = engine.ends(str(tmp_path / "model.param"))
    assert [(one["name"], one["shape"]) for one in outputs] == [
        ("first", [1, 5]),
        ("second", [1, 6, 7]),
        ("third", [1, 6, 7]),
    ]


def test_a_folder_is_measured(tmp_path: Path) -> None:
    artifact = Artifact(
        model=ModelSpec(name="tiny", family="file"),
        export=ExportSpec(format="ncnn"),
        path=tiny(tmp_path),
        sha256="",
        size_bytes=500,
        inputs=(),
        outputs=(),
    )
    scenario = Scenario(processes=2, warmup_runs=2, warmup_s=0.001, min_runs=5, min_s=0.001, max_s=5.0)
    found = measure(artifact, "ncnn", scenario)
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) >= 5 for samples in found.latency_s] == [True, True]
    assert found.runtime_version and found.environment["engine"]["delegates"] is None
