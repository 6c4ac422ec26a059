"""Cells on a Ray cluster: each device is a custom resource, so that one cell at a time measures on it.

A node offers a device by being started with it: `ray start --resources '{"device:rpi4": 1}'`. Cells that only compute
(estimates, emulations) need a processor and run on any node. Ray restarts what a lost node or a killed worker was
doing; a cell that dies again and again is a failed record. The driver keeps a bounded number of cells in flight, so
its memory does not grow with the sweep.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec

from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.records import Result
from edgebench.run.mode import Mode
from edgebench.run.sweep.cells import TIMED, SweepCell, failed, run_cell

_IN_FLIGHT: Final = 256  # cells that are submitted and not collected
_RETRIES: Final = 2
_PATIENCE_S: Final = 5.0
# What opens a connection of gRPC (RFC 9113, 3.4: HTTP/2's preface and empty settings), and where the server's own first
# frame says that it holds settings.
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS: Final = 3
_PORTS: Final = 65536
_decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


class RayWorkers:
    """Runs cells on the cluster at `address`, or with "auto" on the one that runs on this machine.

    Exported files go to `artifacts` on each node. Raises MissingPackage without ray, and UsageError when no cluster
    answers at the address.
    """

    def __init__(self, address: str, artifacts: Path) -> None:
        self._ray = _connected(address)
        self._artifacts = str(artifacts)

    def results(self, cells: Iterable[SweepCell]) -> Iterator[tuple[SweepCell, Result]]:
        """Yields each cell with its record as it ends. Cancels what is in flight when it is closed.

        Raises UsageError when a cell needs a device that no node of the cluster offers.
        """
        waiting = iter(cells)
        flying: dict[Any, SweepCell] = {}
        try:
            while True:
                while len(flying) < _IN_FLIGHT and (cell := next(waiting, None)) is not None:
                    flying[self._submit(cell)] = cell
                if not flying:
                    return
                [ended], _ = self._ray.wait(list(flying), num_returns=1)
                cell = flying.pop(ended)
                try:
                    record = _decoder.decode(self._ray.get(ended))
                except (self._ray.exceptions.RayError, msgspec.MsgspecError) as error:
                    record = failed(cell, f"the cluster could not run it: {str(error).splitlines()[0]}")
                yield cell, record
        finally:
            for reference in flying:
                self._ray.cancel(reference, force=True)

    def _submit(self, cell: SweepCell) -> Any:
        options: dict[str, Any] = {"num_cpus": 1, "max_retries": _RETRIES}
        if cell.mode in (*TIMED, Mode.PRETEND):
            resource = f"device:{cell.device}"
            if not self._ray.cluster_resources().get(resource):
                raise UsageError(
                    f"no node of the cluster offers {cell.device}: start one with "
                    f"ray start --resources '{{\"{resource}\": 1}}'"
                )
            options["resources"] = {resource: 1}
        remote = self._ray.remote(_run)
        return remote.options(**options).remote(msgspec.json.encode(cell), self._artifacts)


def _run(cell: bytes, artifacts: str) -> bytes:
    """What a node does; bytes on both sides, so that nothing of anybody's is unpickled but this function."""
    return msgspec.json.encode(run_cell(msgspec.json.decode(cell, type=SweepCell), Path(artifacts)))


def _connected(address: str) -> ModuleType:
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise MissingPackage("ray", "ray", "running a sweep on a cluster") from error
    _check_answers(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use unless told not to
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise _no_answer(address) from error
    return ray


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes; a port that nobody listens on, or that speaks no gRPC, is known in seconds."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit() and int(port) < _PORTS):
        raise UsageError(f"'{address}' is no address of a Ray cluster: write auto, HOST:PORT or ray://HOST:PORT")
    try:
        with socket.create_connection((host, int(port)), timeout=_PATIENCE_S) as connection:
            connection.sendall(_HELLO)
            answer = connection.recv(_SETTINGS + 1)
    except OSError as error:
        raise _no_answer(address) from error
    if answer[_SETTINGS:] != b"\4":
        raise _no_answer(address)


def _no_answer(address: str) -> UsageError:
    return UsageError(
        f"no Ray cluster answers at '{address}': start one with ray start --head, or leave --ray out to use this "
        "machine's processes"
    )
