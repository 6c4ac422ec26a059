"""What `--weights` takes: libraries' files, addresses with a hash, and what is refused."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import cache_folder
from edgebench.models.build import build
from edgebench.models.layouts import library_of, reference
from edgebench.models.layouts.reference import obtain

SPEC = models.resolve("resnet18", width=0.125, resolution=32)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Short(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that goes away is what some tests are about."""


def _serve(handler: object) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(weights: Path) -> Iterator[str]:
    yield from _serve(partial(_Quiet, directory=str(weights.parent)))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "site" / "w.pth"
    path.parent.mkdir()
    torch.save(build(SPEC, seed=int.from_bytes(hashlib.sha256(str(tmp_path).encode()).digest()[:2])).state_dict(), path)
    return path


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _silent(_: str) -> None:
    pass


def test_a_file_of_our_own_stays_where_it_is(weights: Path) -> None:
    assert obtain(str(weights), tell=_silent) == weights
    assert obtain(str(weights), _hash(weights).upper(), tell=_silent) == weights
    assert obtain(None, tell=_silent) is None


def test_a_librarys_file_becomes_a_copy_that_says_so(weights: Path) -> None:
    path = obtain(f"torchvision:{weights}", tell=_silent)
    assert path is not None and library_of(path) == "torchvision" and library_of(weights) == ""
    assert path.parent == cache_folder() / "weights"
    before = path.stat().st_mtime_ns
    assert obtain(f"torchvision:{weights}", tell=_silent) == path
    assert path.stat().st_mtime_ns == before
    assert torch.equal(build(SPEC, weights=path).state_dict()["fc.weight"], torch.load(weights)["fc.weight"])


def test_weights_come_from_the_web_once(site: str, weights: Path) -> None:
    told: list[str] = []
    path = obtain(f"{site}/w.pth", _hash(weights), tell=told.append)
    assert path is not None and path.read_bytes() == weights.read_bytes()
    assert [each.startswith("downloading http") for each in told] == [True]
    weights.unlink()
    assert obtain(f"{site}/w.pth", _hash(path), tell=told.append) == path
    assert len(told) == 1
    marked = obtain(f"torchvision:{site}/w.pth?raw=1", _hash(path), tell=told.append)
    assert marked is not None and library_of(marked) == "torchvision"


def test_another_hash_is_refused_and_nothing_stays(site: str, weights: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(UsageError, match=rf"w.pth is refused: its SHA-256 is {_hash(weights)}, not 0000"):
        obtain(f"{site}/w.pth", wrong, tell=_silent)
    assert not [each for each in (cache_folder() / "weights").glob("*") if wrong in each.name]
    with pytest.raises(UsageError, match="is refused: its SHA-256 is"):
        obtain(str(weights), wrong, tell=_silent)


def test_what_breaks_off_leaves_nothing() -> None:
    for site in _serve(_Short):
        with pytest.raises(UsageError, match=r"broke off"):
            obtain(f"{site}/w.pth", "1" * 64, tell=_silent)
    assert not [each for each in (cache_folder() / "weights").glob("*") if "1" * 64 in each.name]


def test_a_full_disk_is_one_sentence(site: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reference, "_fetch", full)
    with pytest.raises(UsageError, match="no space left on device; set XDG_CACHE_HOME"):
        obtain(f"{site}/w.pth", _hash(weights), tell=_silent)


@pytest.mark.parametrize(
    ("reference", "sha256", "message"),
    [
        ("https://example.org/w.pth", None, "needs `sha256`"),
        ("https://example.org/w.zip", "0" * 64, "does not end in .pth"),
        ("http://127.0.0.1:9/w.pth", "0" * 64, "does not answer"),
        ("timn:w.pth", None, "unknown library of weights 'timn'; did you mean timm"),
        ("timm:gone.pth", None, "there is no weights file gone.pth"),
        ("gone.pth", None, "there is no weights file gone.pth"),
        (None, "0" * 64, "give `weights` too"),
        ("w.pth", "beef", "64 hexadecimal digits"),
    ],
)
def test_bad_references_are_one_sentence(reference: str | None, sha256: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        obtain(reference, sha256, tell=_silent)


def test_an_address_that_is_not_there_says_so(site: str) -> None:
    with pytest.raises(UsageError, match="answers 404"):
        obtain(f"{site}/other.pth", "0" * 64, tell=_silent)


def test_a_checkpoint_of_another_network_is_one_short_sentence(weights: Path) -> None:
    with pytest.raises(UsageError, match=r"do not fit mobilenetv2: missing: .* and \d+ more; unexpected: ") as caught:
        build(models.resolve("mobilenetv2"), weights=weights)
    assert len(str(caught.value)) < 1000


def test_unmarked_files_of_timm_are_recognised(tmp_path: Path) -> None:
    spec = models.resolve("mobilenetv1", width=0.25)
    names = {"conv_stem.weight": torch.zeros(8, 3, 3, 3), "classifier.bias": torch.zeros(1000)}
    torch.save(names, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"names of timm: give `weights='timm:"):
        build(spec, weights=tmp_path / "w.pth")
