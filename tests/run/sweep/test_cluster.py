"""Sweeps on a local Ray cluster of several processes: a worker killed, the driver killed, a node added."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import Step
from edgebench.run.resume import address_of
from edgebench.run.sweep import SweepCell, run
from edgebench.run.sweep.cluster import RayWorkers

ray = pytest.importorskip("ray", reason="needs ray: pip install 'edgebench[ray]'")
# Ray's own clients leave sockets and temporary files to the garbage collector, and warn of its own future defaults.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

Make = Callable[..., list[SweepCell]]

DRIVER = """
import sys, msgspec
from pathlib import Path
from edgebench.run.sweep import SweepCell, run
from edgebench.run.sweep.cluster import RayWorkers
cells = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=list[SweepCell])
run(cells, RayWorkers(sys.argv[3], Path(sys.argv[2]) / "files"), Path(sys.argv[2]) / "results")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A head node that offers one rpi4, and no other device."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "resources": {"device:rpi4": 1}})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def workers(cluster: object, tmp_path: Path) -> RayWorkers:
    return RayWorkers(cluster.address, tmp_path / "files")


def recorded(folder: Path) -> Counter[str]:
    path = folder / "results"
    return Counter(address_of(record) for record in store.read(path)) if path.is_dir() else Counter()


def test_every_cell_is_run_once(workers: RayWorkers, pretend: Make, tmp_path: Path) -> None:
    cells = pretend(8)
    assert run(cells, workers, tmp_path / "results") == 8
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)
    assert run(cells, workers, tmp_path / "results") == 0


def test_a_device_runs_one_cell_at_a_time(workers: RayWorkers, pretend: Make, tmp_path: Path) -> None:
    cells = pretend(4, seconds=0.5)
    began = time.monotonic()
    run(cells, workers, tmp_path / "results")
    assert time.monotonic() - began >= 4 * 0.5


def test_a_worker_killed_mid_cell_has_its_cell_run_again(workers: RayWorkers, pretend: Make, tmp_path: Path) -> None:
    cells, killed = pretend(4, seconds=1.0), []

    def kill_once(step: Step) -> None:
        if step.done == 1 and not killed:
            killed.append(threading.Timer(0.5, kill_worker))
            killed[0].start()

    def kill_worker() -> None:
        for pid in _own_workers():
            os.kill(pid, signal.SIGKILL)

    assert run(cells, workers, tmp_path / "results", on_progress=kill_once) == 4
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)
    assert {record.status for record in store.read(tmp_path / "results")} == {"ok"}


def _own_workers() -> list[int]:
    """Processes that run a cell and descend from this one."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            titles[int(folder.name)] = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended since
            continue

    def is_ours(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    return [pid for pid, title in titles.items() if title.startswith("ray::_run") and is_ours(pid)]


def test_a_cell_that_always_dies_is_a_failed_record(workers: RayWorkers, pretend: Make, tmp_path: Path) -> None:
    cells = pretend(3, dies=(1,))
    assert run(cells, workers, tmp_path / "results") == 3
    status = {address_of(record): record.status for record in store.read(tmp_path / "results")}
    assert [status[cell.address] for cell in cells] == ["ok", "failed", "ok"]


def test_a_killed_driver_is_resumed_with_the_missing_cells_only(
    cluster: object, workers: RayWorkers, pretend: Make, tmp_path: Path
) -> None:
    cells = pretend(10, seconds=0.4)
    (tmp_path / "cells.json").write_bytes(msgspec.json.encode(cells))
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "cells.json"), str(tmp_path), cluster.address]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while sum(recorded(tmp_path).values()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    before = sum(recorded(tmp_path).values())
    assert 3 <= before < 10
    assert run(cells, workers, tmp_path / "results") == 10 - before
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)


def test_a_node_that_is_added_offers_its_device(
    cluster: object, workers: RayWorkers, pretend: Make, tmp_path: Path
) -> None:
    cells = pretend(3, device="rpi5")
    with pytest.raises(UsageError, match="no node of the cluster offers rpi5"):
        run(cells, workers, tmp_path / "results")
    node = cluster.add_node(num_cpus=1, resources={"device:rpi5": 1})
    assert run(cells, workers, tmp_path / "results") == 3
    cluster.remove_node(node)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1'"),
        ("nowhere", "is no address"),
        ("host:", "is no address"),
    ],
)
def test_an_address_that_does_not_answer_is_one_sentence(address: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        RayWorkers(address, tmp_path)


def test_a_port_that_speaks_no_grpc_is_no_cluster(tmp_path: Path) -> None:
    def talk() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"no Ray cluster answers at '{address}'"):
            RayWorkers(address, tmp_path)
        thread.join()
