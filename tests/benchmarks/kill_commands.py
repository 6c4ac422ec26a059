"""Kills commands at random moments and looks at what is left: what was kept, what is torn, and what strays.

    python tests/benchmarks/kill_commands.py [--kills 300] [--seed 0] [--commands profile,export,...] [--folder DIR]

Each command works in a folder of its own and is run there again and again, as a user would after a kill: KILL, TERM or
INT comes at a random moment of its usual time. After each kill: every record that was there before is still there, a
line that is no record is at most the last of its file, every exported file is what its manifest says, checkpoints and
metrics read, and two seconds later no process is left that it started. After every third kill it runs to its end, and
then no temporary folder, no partial file and no lock may be left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import torch
from safetensors import safe_open

from edgebench.formats import manifest
from edgebench.formats.format import by_suffix
from edgebench.ground import store
from edgebench.ground.errors import EdgebenchError
from edgebench.training import records

SET = "synthetic:textures?size=16&classes=3&images=300"
SMALL = ["--width", "0.25", "--depth", "0.34", "--resolution", "16"]
QUICK = ["--fmt", "tflite,onnx", "--quick", "--processes", "1"]
COMMANDS = {
    "profile": ["profile", "lenet5", *QUICK, "--resume"],
    "export": ["export", "lenet5", "resnet20", "--fmt", "tflite,onnx,torch", "--force", "-o", "out"],
    "train": ["train", "resnet20", *SMALL, "--data", SET, "--epochs", "4", "-o", "run"],
    "sweep": ["sweep", "sweep.toml", "--retry-failed"],
    "evaluate": ["evaluate", "lenet5", "--fmt", "onnx", "--data", "synthetic:shapes?size=32&classes=10&images=3000"],
    "scale": ["scale", "--device", "rpi4", "--family", "mobilenetv1", "--max-latency", "30ms", "--finalists", "2",
              "--no-emulation", "-o", "out"],
}  # fmt: skip
SWEEP = """[[sweep]]
models = ["lenet5"]
devices = ["host"]
formats = ["tflite", "onnx"]
[[sweep]]
models = ["resnet20"]
devices = ["rpi4"]
widths = [0.25, 0.5, 1.0]
"""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FULL_RUN_AFTER, STRAY_AFTER_S, LONGEST_S = 3, 2, 300
MARK = "EDGEBENCH_KILLED"


@dataclass
class Killed:
    """A command in its folder, how long it usually takes, and what was found after its kills."""

    name: str
    folder: Path
    usual_s: float = 0.0
    seen: dict[Path, bytes] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for each in ("home", "tmp"):
            (self.folder / each).mkdir(parents=True)
        (self.folder / "sweep.toml").write_text(SWEEP)

    def start(self) -> subprocess.Popen[bytes]:
        """Starts it in a session of its own, with a mark that its children inherit."""
        for old in ("results", "home/.cache/edgebench/predictions") if random.random() < 0.5 else ():
            shutil.rmtree(self.folder / old, ignore_errors=True)  # so that there is work again
            self.seen.clear()
        if self.name == "train" and (self.folder / "run" / "metrics.jsonl").exists() and self.trained == 4:
            shutil.rmtree(self.folder / "run")
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"), MARK: str(self.folder)}
        own["XDG_CACHE_HOME"] = str(self.folder / "home" / ".cache")
        again = ["--resume"] if (self.folder / "run" / "last.pt").exists() else []
        command = [sys.executable, "-m", "edgebench.cli", *COMMANDS[self.name], *again]
        with (self.folder / "said.txt").open("wb") as said:
            return subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **own}, stdout=said, stderr=said, start_new_session=True
            )

    @property
    def trained(self) -> int:
        """The epochs that are in the metrics."""
        return len(records.read(self.folder / "run" / "metrics.jsonl"))

    def whole(self) -> None:
        """Runs it to its end, and looks for what strays then."""
        began = time.monotonic()
        code = self.start().wait(LONGEST_S)
        self.usual_s = time.monotonic() - began
        if code not in (0, 3):
            self.tell("run that failed after a kill", f"exit {code}: {(self.folder / 'said.txt').read_text()[-600:]}")
        for path in (*self.folder.rglob(".edgebench-*"), *self.folder.rglob("*.partial"), *self.folder.rglob("*.lock")):
            if (".tmp" not in path.parts and not path.is_dir()) or path.name.startswith(".edgebench-"):
                self.tell("stray after the next run", str(path.relative_to(self.folder)))
        others = ("torchinductor_",)  # torch's own, which it keeps
        left = [each for each in (self.folder / "tmp").iterdir() if not each.name.startswith(others)]
        self.found["left in the system's temporary folder"] += len(left)
        shutil.rmtree(self.folder / "tmp")
        (self.folder / "tmp").mkdir()
        self.check()

    def kill(self, signum: signal.Signals) -> None:
        """Starts it, ends it at a random moment, and looks at what is left."""
        child = self.start()
        with suppress(subprocess.TimeoutExpired):
            child.wait(random.uniform(0, self.usual_s))
        self.found["kills" if child.poll() is None else "ended before"] += 1
        with suppress(ProcessLookupError):
            child.send_signal(signum)
        if child.wait(LONGEST_S) == 70:
            self.tell("fault", (self.folder / "said.txt").read_text()[-600:])
        deadline = time.monotonic() + STRAY_AFTER_S
        while (left := list(self.processes())) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in left:
            self.tell("stray process", f"after {signum.name}: {process}")
        said = (self.folder / "said.txt").read_bytes()
        if b"Traceback" in said and b"/edgebench/" in said:  # not of Python's own start, before a line of ours has run
            self.tell("traceback", f"after {signum.name}: {said.decode()[-600:]}")
        self.check()

    def processes(self) -> Iterator[str]:
        """The command lines of processes that carry the mark."""
        mark = f"{MARK}={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]

    def check(self) -> None:
        """Looks for lost and torn records, files that are not what their manifests say, and broken checkpoints."""
        for path, before in self.seen.items():
            if not (path.exists() and path.read_bytes().startswith(before)):
                self.tell("lost record", f"{path} no longer begins as it did")
        self.seen = {path: self.records(path) for path in self.folder.glob("results/**/*.jsonl")}
        for told in self.folder.rglob("*.json"):
            file = told.with_name(told.name.removesuffix(".json"))
            if by_suffix(file) is not None and file.exists() and manifest.read(file) is None:
                self.tell("torn artefact", f"{file} is not what its manifest says")
        for file in self.folder.glob("out/*"):
            if by_suffix(file) is not None and not manifest.is_ours(file):
                self.tell("torn artefact", f"{file} has no manifest")
        for path in (self.folder / "run").glob("*"):
            try:
                if path.suffix == ".safetensors":
                    with safe_open(path, "pt") as tensors:
                        tensors.keys()
                elif path.suffix == ".pt":
                    torch.load(path, weights_only=True)
                elif path.suffix == ".jsonl":
                    records.read(path)
            except Exception as error:  # whatever its reader raises
                self.tell("torn artefact", f"{path}: {error}")

    def records(self, path: Path) -> bytes:
        """The whole lines of a file of records."""
        torn: list[str] = []
        try:
            for _ in store.parse(path.read_bytes(), str(path), torn.append):
                continue
        except EdgebenchError as error:
            self.tell("torn record", str(error))
        self.found["lines cut by a kill"] += len(torn)
        return path.read_bytes().rpartition(b"\n")[0]

    def tell(self, what: str, detail: str) -> None:
        """Counts and prints something that must not be."""
        self.found[what] += 1
        print(f"{self.name}: {what}: {detail}", flush=True)


def main() -> None:
    """Parses the command line, kills, and prints a line a command and one of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    for signum in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs, and so their children, ignore the first
        signal.signal(signum, signal.default_int_handler)
    random.seed(asked.seed)
    folder = asked.folder or Path(mkdtemp(prefix="kill-"))
    killed = [Killed(name, folder / name) for name in asked.commands.split(",")]
    for each in killed:
        each.whole()
        print(f"{each.name}: takes {each.usual_s:.1f} s", flush=True)
    try:
        for number in range(asked.kills):
            each = killed[number % len(killed)]
            each.kill(SIGNALS[number // len(killed) % len(SIGNALS)])
            if number // len(killed) % FULL_RUN_AFTER == FULL_RUN_AFTER - 1:
                each.whole()
        for each in killed:
            each.whole()
    finally:  # an interrupt ends it with what is known by then
        for each in killed:
            print(f"{each.name}: {dict(sorted(each.found.items()))}")
        print(f"all: {dict(sorted(sum((each.found for each in killed), Counter()).items()))}")


if __name__ == "__main__":
    main()
