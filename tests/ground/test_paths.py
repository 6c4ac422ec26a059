"""Writing files: whole or not at all, through links, and never in place of what is no file."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.errors import UsageError
from edgebench.ground.paths import alone, cache_folder, configuration_folder, replaced, write, write_atomically

linux = pytest.mark.skipif(sys.platform != "linux", reason="the XDG convention, pipes and /dev")


@linux
def test_the_folders_follow_the_xdg_convention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert configuration_folder() == tmp_path / "config" / "edgebench"
    assert cache_folder() == tmp_path / "cache" / "edgebench"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert configuration_folder() == Path.home() / ".config" / "edgebench"


@given(st.lists(st.binary() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_the_last_content_stands_alone_in_the_folder(contents: list[bytes | str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "file"
        for content in contents:
            write_atomically(path, content)
        last = contents[-1]
        assert path.read_bytes() == (last.encode() if isinstance(last, str) else last)
        assert os.listdir(name) == ["file"]


def test_a_new_file_has_the_mask_s_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        write_atomically(path, "new")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write_atomically(path, "old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path, dangling: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, first, second = tmp_path / "elsewhere" / "file", tmp_path / "first", tmp_path / "second"
    if not dangling:
        target.write_text("before")
    first.symlink_to(target)
    second.symlink_to("first")
    write_atomically(second, "after")
    assert target.read_text() == "after" and first.is_symlink() and second.is_symlink()
    assert os.listdir(target.parent) == ["file"]


def test_links_that_lead_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError):
        write_atomically(tmp_path / "a", "x")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@linux
def test_a_pipe_and_a_device_are_written_to_and_stay(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, "through")
    reader.join()
    assert read == [b"through"] and stat.S_ISFIFO(pipe.stat().st_mode)
    write_atomically(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@linux
def test_standard_output_can_be_named(tmp_path: Path) -> None:
    code = "from edgebench.ground.paths import *; write_atomically(Path('/dev/stdout'), 'shown')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "shown"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "folder", "x")
    with pytest.raises(UsageError, match=r"cannot write .*folder: is a directory"):
        write(tmp_path / "folder", "x")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: b"guess")
    (tmp_path / "victim").write_text("safe")
    (tmp_path / f".{b'guess'.hex()}.partial").symlink_to("victim")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "file", "x")
    assert (tmp_path / "victim").read_text() == "safe" and not (tmp_path / "file").exists()


def test_what_was_there_stays_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    write(path, "before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="no space left on device"):
        write(path, "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file"]


def test_what_was_there_stays_when_the_writer_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "before")
    with pytest.raises(KeyboardInterrupt), replaced(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file"]


def test_folders_above_a_file_that_a_user_asked_for_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "file", b"x")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"x"


@linux
def test_a_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with alone(lock, "a training"):
        held = rf"a training is going on already \(process {os.getpid()} on"
        with pytest.raises(UsageError, match=held), alone(lock, "a training"):
            pass
        assert lock.exists()
    assert not lock.exists()
    with alone(lock, "a training"):
        pass


@linux
def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from edgebench.ground.paths import alone\n"
        "with alone(Path(sys.argv[1]), 'it'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / ".lock")], check=False, timeout=60)
    assert (tmp_path / ".lock").exists()
    with alone(tmp_path / ".lock", "it"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".0123456789abcdef.partial"
    left.write_bytes(b"half")
    with replaced(tmp_path / "slow") as slow:
        slow.write(b"whole")
        write_atomically(tmp_path / "quick", b"x")  # meanwhile, and it leaves what is being written alone
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quick", "slow"]
    assert (tmp_path / "slow").read_bytes() == b"whole"
