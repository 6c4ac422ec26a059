"""Sending files: only what changed, whole or not at all, and never more than fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.errors import DeviceError
from edgebench.places.board import push as pushing
from edgebench.places.board.push import NoRoom, batches, fingerprint, parse, push, show, tree_files
from edgebench.places.board.shell import Cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgebench.places.board.shell import Link


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A small tree with a program, a link to a folder, and names that a shell would trip over."""
    folder = tmp_path / "here"
    (folder / "bin" / "deep").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "bin" / "deep" / "it's $HOME; *").write_bytes(b"\0\1\2")
    (folder / "bin" / "-n").write_text("x")
    (folder / "lib").symlink_to("bin/deep")
    os.utime(folder / "bin" / "tool", (1_000_000_000, 1_000_000_000))
    return folder


def send(link: Link, files: Mapping[str, Path], tree: Path, free: int | None = None) -> int:
    return push(link, str(tree), files, lambda: free, lambda doing: None)


def contents(folder: Path) -> dict[str, str]:
    return {name: fingerprint(path) for name, path in tree_files(folder).items() if name != ".manifest"}


def test_a_tree_arrives_as_it_is_and_only_once(shell_link: Link, here: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert send(shell_link, tree_files(here), there) > 0
    assert contents(there) == contents(here)
    assert (there / "bin" / "tool").stat().st_mtime == 1_000_000_000
    assert parse((there / ".manifest").read_text()) == contents(here)
    assert send(shell_link, tree_files(here), there) == 0


def test_only_what_changed_is_sent_and_what_is_gone_is_removed(shell_link: Link, here: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    send(shell_link, tree_files(here), there)
    (here / "bin" / "tool").write_text("#!/bin/sh\nexit\n")
    (here / "bin" / "-n").unlink()
    assert send(shell_link, tree_files(here), there) == len("#!/bin/sh\nexit\n")
    assert contents(there) == contents(here)


def test_a_permission_or_a_link_is_a_change(shell_link: Link, here: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    send(shell_link, tree_files(here), there)
    (here / "bin" / "-n").chmod(0o755)
    (here / "lib").unlink()
    (here / "lib").symlink_to("bin")
    send(shell_link, tree_files(here), there)
    assert contents(there) == contents(here)
    assert os.access(there / "bin" / "-n", os.X_OK)


def test_a_transfer_that_was_cut_goes_on_where_it_was(
    shell_link: Link, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    monkeypatch.setattr(pushing, "BATCH_BYTES", 1)
    receive = pushing.RECEIVE
    sent = iter(range(99))

    def cut(link: Link, script: str, *arguments: str, data: bytes = b"", **limits: float) -> object:
        if script == receive and next(sent) == 2:
            raise Cut("cut")
        return real(link, script, *arguments, data=data, **limits)

    real = pushing.ask
    monkeypatch.setattr(pushing, "ask", cut)
    with pytest.raises(Cut):
        send(shell_link, tree_files(here), there)
    assert len(parse((there / ".manifest").read_text())) == 2
    left = [name for name in tree_files(here) if name not in contents(there)]
    assert send(shell_link, tree_files(here), there) == sum((here / name).lstat().st_size for name in left)
    assert contents(there) == contents(here)


def test_a_changed_file_is_not_believed_while_it_is_sent(
    shell_link: Link, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    send(shell_link, tree_files(here), there)
    (here / "bin" / "tool").write_text("changed")
    monkeypatch.setattr(pushing, "RECEIVE", "exit 9")
    with pytest.raises(DeviceError, match="did not take the files: exit status 9"):
        send(shell_link, tree_files(here), there)
    assert "bin/tool" not in parse((there / ".manifest").read_text())


def test_what_does_not_fit_is_not_begun(shell_link: Link, here: Path, tmp_path: Path) -> None:
    with pytest.raises(
        NoRoom, match=r"the disk of the board has 1.00 MB free, and 20.0 MB are needed: make room there"
    ):
        send(shell_link, tree_files(here), tmp_path / "there", free=10**6)
    assert not (tmp_path / "there").exists()


def test_a_disk_that_fills_up_meanwhile_is_told_and_cleaned(
    shell_link: Link, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pushing, "RECEIVE", f"{pushing.RECEIVE}; echo 'tar: x: Cannot write: No space left on device' >&2; exit 2"
    )
    with pytest.raises(NoRoom, match="the disk of the board is full: make room there"):
        send(shell_link, {"big": here / "bin" / "tool"}, tmp_path / "there")
    assert not (tmp_path / "there" / "big").exists()


def test_a_device_without_tar_is_told(
    shell_link: Link, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "RECEIVE", "no-such-tar -x")
    with pytest.raises(DeviceError, match=r"lacks a program that receiving files needs: .*no-such-tar.* not found"):
        send(shell_link, tree_files(here), tmp_path / "there")


def test_what_is_no_manifest_is_not_believed() -> None:
    digest = "0" * 64
    text = f"file-{digest}  a b\nfile-{digest[1:]}  short\nhello\nrun-{digest}  c\n\0\n"
    assert parse(text) == {"a b": f"file-{digest}", "c": f"run-{digest}"}


names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@given(st.dictionaries(names, st.sampled_from(["run", "file", "link"])))
def test_a_manifest_is_read_as_it_was_written(kinds: dict[str, str]) -> None:
    manifest = {name: f"{kind}-{'a' * 64}" for name, kind in kinds.items()}
    assert parse(show(manifest)) == manifest


def test_batches_hold_everything_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "BATCH_BYTES", 9)
    files = tree_files(here)
    found = list(batches(sorted(files), files))
    assert [name for batch in found for name in batch] == sorted(files)
    assert len(found) > 1
