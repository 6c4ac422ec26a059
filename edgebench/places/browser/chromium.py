"""A headless Chromium, driven over its DevTools pipe: no driver program, no port, no package."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from edgebench.ground.errors import DeviceError, UsageError

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-extensions", "--mute-audio", "--remote-debugging-pipe",
)  # fmt: skip
# Chromium takes commands on descriptor 3 and answers on 4: moves two descriptors there and becomes Chromium.
MOVE: Final = """
import os, sys
from fcntl import F_DUPFD, fcntl
high = [fcntl(int(number), F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def program() -> str | None:
    """The first Chromium on the PATH."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def required() -> str:
    """The same. Raises UsageError where there is none."""
    found = program()
    if found is None:
        raise UsageError("`device='browser'` needs Chromium, which is not installed: apt-get install chromium")
    return found


class Browser:
    """One Chromium process with a profile of its own in the folder `profile`; close() ends it.

    It ends by itself with the process that started it. Raises DeviceError where it says nothing for `silence_s`.
    """

    def __init__(self, executable: str, profile: Path, *, silence_s: float = 120.0) -> None:
        child_reads, self._write = os.pipe()
        self._read, child_writes = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", MOVE, str(child_reads), str(child_writes), executable, *FLAGS,
             f"--user-data-dir={profile}"],
            pass_fds=(child_reads, child_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(child_reads)
        os.close(child_writes)
        self._silence_s = silence_s
        self._held = b""
        self._next = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Sends one command and waits for its answer; events that come in between are kept. Raises DeviceError."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._write, json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise DeviceError("Chromium ended") from error
        while True:
            answer = self._receive()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise DeviceError(f"Chromium refuses {method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        """The next message of the browser."""
        while b"\0" not in self._held:
            if not select.select([self._read], [], [], self._silence_s)[0]:
                raise DeviceError(f"Chromium said nothing for {self._silence_s:.0f} s, and was ended")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise DeviceError("Chromium ended")
            self._held += chunk
        message, self._held = self._held.split(b"\0", 1)
        received: dict[str, Any] = json.loads(message)
        return received

    def close(self) -> None:
        """Ends the browser."""
        os.close(self._write)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)


class Page:
    """One tab that shows `url`, once it is loaded."""

    domains = ("Page", "Runtime")

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self.url = browser, url
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in self.domains:
            self.call(f"{domain}.enable")
        self.prepare()
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def prepare(self) -> None:
        """What is set before the page is opened."""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends one command to the tab and returns its answer. Raises DeviceError."""
        return self._browser.call(method, self._session, **parameters)

    def js(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for. Raises DeviceError for what it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            raise DeviceError(f"the page says: {said}")
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Waits until a JavaScript expression is true. Raises DeviceError."""
        deadline = time.monotonic() + seconds
        while not self.js(condition):
            if time.monotonic() > deadline:
                raise DeviceError(f"waited {seconds:.0f} s for: {condition}")
            time.sleep(0.05)
