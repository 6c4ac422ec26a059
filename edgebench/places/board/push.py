"""Sends files to a device: only those whose content is not there yet, by a manifest of hashes that lies beside them.

A file is in the manifest when it is wholly on the device's disk, so a transfer that was cut goes on where it was.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from edgebench.ground.errors import DeviceError
from edgebench.ground.progress import Tell
from edgebench.ground.units import show_bytes
from edgebench.places.board.shell import Answer, Link, ask

BATCH_BYTES: Final = 16_000_000
LARGE_BYTES: Final = 1_000_000
BATCH_S: Final = 600.0  # 16 MB at 27 kB/s
MARGIN_BYTES: Final = 20_000_000  # left free on the device

READ: Final = 'cat "$1/.manifest" 2> /dev/null || :'
# $1 the tree; on standard input the new manifest, an empty line, and the files to remove, one a line
FORGET: Final = """
mkdir -p "$1" && cd "$1" || exit
while IFS= read -r line && [ -n "$line" ]; do printf '%s\\n' "$line" || exit; done > .manifest.new
mv -f .manifest.new .manifest || exit
while IFS= read -r name; do rm -f -- "$name"; done
"""
CLEAN: Final = 'cd "$1" && while IFS= read -r name; do rm -f -- "$name"; done'
# $1 the tree, $2 whether its files are large: a board that loses power would lose them while it still lists them
RECEIVE: Final = 'cd "$1" && tar -x -o -f - && if [ -n "$2" ]; then sync; fi && mv -f .manifest.new .manifest'

Manifest = dict[str, str]


class NoRoom(DeviceError):
    """The device's disk is full, or would be."""


def push(link: Link, tree: str, files: Mapping[str, Path], free: Callable[[], int | None], tell: Tell) -> int:
    """Makes the folder `tree` on the device hold `files` (path there: file here), and returns the bytes that it sent.

    `free` tells the bytes that are free on its disk. Raises NoRoom when the files do not fit there, and Cut.
    """
    wanted = {name: fingerprint(path) for name, path in files.items()}
    there = parse(ask(link, READ, tree).text)
    send = sorted(name for name in wanted if there.get(name) != wanted[name])
    gone = sorted(set(there) - set(wanted))
    if not send and not gone:
        return 0
    total = sum(files[name].lstat().st_size for name in send)
    free_bytes, needed = free(), total + MARGIN_BYTES
    if free_bytes is not None and free_bytes < needed:
        raise NoRoom(
            f"the disk of {link.name} has {show_bytes(free_bytes)} free, and {show_bytes(needed)} are needed:"
            " make room there"
        )
    kept = {name: value for name, value in there.items() if wanted.get(name) == value}
    _ok(link, ask(link, FORGET, tree, data=f"{show(kept)}\n{_lines((*gone, *send))}".encode()))
    done = 0
    for batch in batches(send, files):
        tell(f"sending {show_bytes(done)} of {show_bytes(total)} to {link.name}")
        kept |= {name: wanted[name] for name in batch}
        archive = _archive(batch, files, kept)
        large = "large" if len(archive) > LARGE_BYTES else ""
        answer = ask(link, RECEIVE, tree, large, data=archive, limit_s=BATCH_S)
        if answer.status:  # what did not fit shall not fill the disk
            ask(link, CLEAN, tree, data=_lines((*batch, ".manifest.new")).encode())
        _ok(link, answer)
        done += sum(files[name].lstat().st_size for name in batch)
    return total


def fingerprint(path: Path) -> str:
    """What decides whether a file is the same: its content and whether it is executable, or where a link points."""
    if path.is_symlink():
        return f"link-{hashlib.sha256(os.readlink(path).encode()).hexdigest()}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'run' if os.access(path, os.X_OK) else 'file'}-{digest}"


def parse(text: str) -> Manifest:
    """Reads a manifest; a line that is none is not believed."""
    pairs = (line.partition("  ") for line in text.splitlines())
    return {name: value for value, _, name in pairs if name and re.fullmatch(r"(link|run|file)-[0-9a-f]{64}", value)}


def show(manifest: Manifest) -> str:
    """The manifest as it lies on the device."""
    return "".join(f"{value}  {name}\n" for name, value in sorted(manifest.items()))


def batches(names: Sequence[str], files: Mapping[str, Path]) -> Iterator[list[str]]:
    """Splits files into transfers of about BATCH_BYTES; each has at least one."""
    batch: list[str] = []
    size = 0
    for name in names:
        batch.append(name)
        size += files[name].lstat().st_size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def tree_files(folder: Path, prefix: str = "") -> dict[str, Path]:
    """Every file and link below a folder, by its path there."""
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(root) / name
            found[prefix + path.relative_to(folder).as_posix()] = path
    return found


def _archive(batch: Sequence[str], files: Mapping[str, Path], manifest: Manifest) -> bytes:
    """A tar of the files, times kept for Python's bytecode, and the manifest for when they are there."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in batch:
            archive.add(files[name], name, recursive=False, filter=_anonymous)
        text = show(manifest).encode()
        last = tarfile.TarInfo(".manifest.new")
        last.size = len(text)
        archive.addfile(last, io.BytesIO(text))
    return held.getvalue()


def _lines(names: Sequence[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _ok(link: Link, answer: Answer) -> None:
    """Raises DeviceError when a script could not write."""
    if not answer.status:
        return
    if "No space left" in answer.errors or "Disk quota exceeded" in answer.errors:
        raise NoRoom(f"the disk of {link.name} is full: make room there, and run this again")
    if answer.status == 127:
        raise DeviceError(f"{link.name} lacks a program that receiving files needs: {answer.last_error}")
    raise DeviceError(f"{link.name} did not take the files: {answer.last_error}")
