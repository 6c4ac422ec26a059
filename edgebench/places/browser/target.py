"""Chromium as a target: the file runs in a page of a fresh browser, by the engine of `edgebench deploy --to web`.

The page times by `performance.now()`. It is served from this machine alone with the headers that isolate it, without
which a browser rounds that clock to a tenth of a millisecond.
"""

from __future__ import annotations

import base64
import json
import statistics
import subprocess
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from edgebench.ground.errors import DeviceError
from edgebench.places.browser import chromium
from edgebench.places.browser.npm import WebEngine, fetched
from edgebench.places.local import LocalTarget, loaded
from edgebench.places.target import Ended, Event, First, Imported, Job, Loaded, Outputs, OutputsJob, Samples, Warm

MOST_SAMPLES: Final = 20_000  # a process, as in measure/worker.py
_PAGE: Final = ("page.html", "measure.js")
_HEADERS: Final = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
_KINDS: Final = {".html": "text/html", ".js": "text/javascript"}


class BrowserTarget:
    """Runs each job in a browser of its own; `engines` are those of pages, by the runtime whose files they run.

    Raises UsageError where Chromium is not installed.
    """

    def __init__(self, engines: Mapping[str, WebEngine]) -> None:
        self._program = chromium.required()
        self._engines = engines
        self._facts = cache(loaded)  # what a file takes and gives: pages are not told

    def environment(self, threads: int) -> dict[str, Any]:
        """What may influence a timing on this machine, now, with the browser's version."""
        told = subprocess.run([self._program, "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
        return {**LocalTarget().environment(threads), "browser": told}

    def run(self, job: Job) -> Generator[Event, None, None]:
        """Runs a job for "latency" or "outputs"; see Target.run.

        Raises DeviceError for another, and UsageError where the engine cannot be had.
        """
        engine, scenario = self._engines[job.runtime], job.scenario
        if scenario.batch != 1 or scenario.threads != 1:
            raise DeviceError("a page runs one image at a time on one thread: leave `threads` at 1, and the batch")
        file = Path(job.artifact)
        told = self._facts(job.runtime, file)
        runtime = fetched(engine.package)
        served = {f"/{name}": (Path(__file__).parent / name).read_bytes() for name in _PAGE}
        served |= {f"/{name}": content for name, content in runtime.items()}
        served |= {"/engine.js": engine.script.read_bytes(), "/network": engine.content(file)}
        for number, x in enumerate(_inputs(job, told)):
            served[f"/input{number}"] = x.tobytes()
        taken, made = told.inputs[0], told.outputs[0]
        model = {
            "input": {"name": taken["name"], "type": np.dtype(taken["dtype"]).name},
            "output": {"name": made["name"]},
            "shape": taken["shape"],
        }
        with _opened(self._program, served, scenario.max_s) as page:
            yield Imported(ns=page.js(f"imported({json.dumps(list(runtime))})"))
            ns = page.js(f"fetched('network').then((network) => loaded({json.dumps(model)}, network))")
            version = f"{engine.package.name} {engine.package.version}"
            yield Loaded(ns=ns, version=version, inputs=told.inputs, outputs=told.outputs)
            if isinstance(job, OutputsJob):
                for number in range(sum(name.startswith("/input") for name in served)):
                    found = page.js(f"outputOf('input{number}', '{model['input']['type']}')")
                    dtype = np.dtype(found["type"]).str
                    yield Outputs(dtype=dtype, shape=made["shape"], data=base64.b64decode(found["data"]))
            else:
                page.js(f"given('input0', '{model['input']['type']}')")
                yield from _timed(page, job)
        yield Ended()


def _timed(page: chromium.Page, job: Job) -> Iterator[Event]:
    """The first inference, the warm-up and the steady state, as in measure/worker.py."""
    if job.mode != "latency":
        raise DeviceError(f"a page cannot be asked for its {job.mode}")
    scenario = job.scenario
    most = int(scenario.max_s * 1e9)
    yield First(ns=page.js("once()"))
    warm = page.js(f"repeated({scenario.warmup_runs}, {int(scenario.warmup_s * 1e9)}, {most}, 1)")
    yield Warm(runs=len(warm))
    least = int(scenario.min_s * 1e9)
    every = max(1, round(least / max(statistics.median(warm), 1.0) / MOST_SAMPLES))
    yield Samples(ns=page.js(f"repeated({scenario.min_runs}, {least}, {most}, {every})"), timed_every=every)


def _inputs(job: Job, told: Loaded) -> Iterator[np.ndarray]:
    """What the page is given: the job's own inputs, or noise as measure/worker.py makes it. Raises DeviceError."""
    if isinstance(job, OutputsJob):
        yield from np.load(job.input, mmap_mode="r")
        return
    if len(told.inputs) > 1:
        raise DeviceError(f"{job.artifact} takes several inputs, and a page has one image to give")
    random, taken = np.random.default_rng(job.scenario.seed), told.inputs[0]
    dtype = np.dtype(taken["dtype"])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        yield random.integers(limits.min, limits.max, taken["shape"], dtype, endpoint=True)
    else:
        yield random.standard_normal(taken["shape"]).astype(dtype)


@contextmanager
def _opened(program: str, served: Mapping[str, bytes], longest_s: float) -> Iterator[chromium.Page]:
    """The measuring page in a browser of its own; both end with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path)
            self.send_response(200 if content is not None else 404)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", _KINDS.get(Path(self.path).suffix, "application/octet-stream"))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with closing(chromium.Browser(program, Path(profile), silence_s=longest_s + 120)) as browser:
                yield chromium.Page(browser, f"http://127.0.0.1:{server.server_port}/page.html")
        finally:
            server.shutdown()
