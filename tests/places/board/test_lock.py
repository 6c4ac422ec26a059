"""The lock on a device: who has it, who waits, and what happens to one that nobody holds any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.errors import DeviceError
from edgebench.places.board.lock import LEASE_S, Holder, Lock

if TYPE_CHECKING:
    from edgebench.places.board.shell import Link


def uptime() -> int:
    return int(float(Path("/proc/uptime").read_text().split()[0]))


STARTED = uptime()
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def held(since: int | None = None, until: int | None = None, boot: str = BOOT) -> str:
    """A lock that another edgebench made: five minutes ago, for some time to come, unless told."""
    now = uptime()
    made = now - 300 if since is None else since
    return f"other,anna@laptop,4711,{made},{now + 1000 if until is None else until},{boot}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tmp" / "edgebench.lock"


def test_a_lock_is_taken_kept_and_given_back(shell_link: Link, path: Path) -> None:
    lock = Lock(shell_link, str(path))
    lock.take()
    first = Holder.parse(os.readlink(path))
    lock.renew(for_s=1000)
    renewed = Holder.parse(os.readlink(path))
    assert first and renewed
    assert (first.pid, first.token) == (os.getpid(), renewed.token)
    assert renewed.until_s - first.until_s >= 999
    lock.release()
    assert list(path.parent.iterdir()) == []


def test_renewing_asks_nobody_while_the_lease_lasts(shell_link: Link, path: Path) -> None:
    lock = Lock(shell_link, str(path))
    lock.take()
    before = os.readlink(path)
    lock.renew(for_s=LEASE_S / 4)
    assert os.readlink(path) == before


def test_a_second_edgebench_is_told_who_measures(shell_link: Link, path: Path) -> None:
    lock = held()
    path.symlink_to(lock)
    with pytest.raises(DeviceError, match=r"the board is in use by anna@laptop \(process 4711\) since 5 min, and two"):
        Lock(shell_link, str(path)).take()
    assert os.readlink(path) == lock


def test_two_locks_of_one_process_exclude_each_other_too(shell_link: Link, path: Path) -> None:
    first = Lock(shell_link, str(path))
    first.take()
    with pytest.raises(DeviceError, match="is in use by"):
        Lock(shell_link, str(path)).take()
    first.release()
    Lock(shell_link, str(path)).take()


@pytest.mark.parametrize("stale", [
    held(until=STARTED - 1),
    held(boot="00000000-another-boot"),
    held(since=STARTED + 10**6, until=STARTED + 10**7, boot=""),
], ids=["lease", "boot", "uptime"])  # fmt: skip
def test_a_stale_lock_is_broken(shell_link: Link, path: Path, stale: str) -> None:
    path.symlink_to(stale)
    Lock(shell_link, str(path)).take()
    assert os.readlink(path) != stale


def test_the_lock_of_a_process_here_that_ended_is_broken(shell_link: Link, path: Path) -> None:
    code = (
        "import os, sys; from tests_link import link; from edgebench.places.board.lock import Lock;"
        f"Lock(link, {str(path)!r}).take(); os._exit(9)"
    )
    (path.parent / "tests_link.py").write_text(
        "class Link:\n    name = 'x'\n    def command(self, line): return ['sh', '-c', line]\n"
        "    def complaint(self, stderr): return None\nlink = Link()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(path.parent)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 9
    left = os.readlink(path)
    Lock(shell_link, str(path)).take()
    assert os.readlink(path) != left


def test_a_stale_lock_is_broken_by_one_only(shell_link: Link, path: Path) -> None:
    path.symlink_to(held(until=STARTED - 1))
    (path.parent / "edgebench.lock.broken-other").mkdir()  # another is breaking it
    with pytest.raises(DeviceError, match=r"is a stale lock of anna@laptop \(process 4711\) that your user there may"):
        Lock(shell_link, str(path)).take()


def test_a_lock_that_was_taken_over_is_noticed(shell_link: Link, path: Path) -> None:
    lock = Lock(shell_link, str(path))
    lock.take()
    path.unlink()
    theirs = held()
    path.symlink_to(theirs)
    with pytest.raises(DeviceError, match="is in use by anna@laptop"):
        lock.renew(for_s=1000)
    lock.release()
    assert os.readlink(path) == theirs


def test_something_else_in_its_place_is_left_alone(shell_link: Link, path: Path) -> None:
    path.symlink_to("/etc/passwd")
    with pytest.raises(DeviceError, match="is not a lock of edgebench, it says '/etc/passwd': remove it"):
        Lock(shell_link, str(path)).take()
    assert os.readlink(path) == "/etc/passwd"


def test_a_folder_that_takes_no_lock_is_told(shell_link: Link, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot be made: ln: .*No such file or directory"):
        Lock(shell_link, str(tmp_path / "none" / "lock")).take()


@given(st.text())
def test_any_text_is_a_holder_or_none(text: str) -> None:
    found = Holder.parse(text)
    assert found is None or f"{found.token},{found.who}" == ",".join(text.split(",")[:2])
