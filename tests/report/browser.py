"""A headless Chromium, driven over its DevTools pipe: no driver program, no port, no package.

Real mouse and keyboard events, and a record of every request, console message and exception of the page.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-extensions", "--mute-audio", "--remote-debugging-pipe",
)  # fmt: skip
# Chromium takes commands on descriptor 3 and answers on 4: moves two descriptors there and becomes Chromium.
MOVE = """
import os, sys
from fcntl import F_DUPFD, fcntl
high = [fcntl(int(number), F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Enter": (13, "\r"), "Tab": (9, "\t"), " ": (32, " ")}


def program() -> str | None:
    """The first Chromium on the PATH."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One Chromium process with a profile of its own; close() ends it."""

    def __init__(self, executable: str, profile: Path) -> None:
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
        self._held = b""
        self._next = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Sends one command and waits for its answer; events that come in between are kept."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self) -> dict[str, Any]:
        """The next message of the browser."""
        while b"\0" not in self._held:
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium closed its pipe")
            self._held += chunk
        message, self._held = self._held.split(b"\0", 1)
        return json.loads(message)

    def open(self, path: Path, *, width: int = 1024, height: int = 900, dark: bool = False) -> Page:
        """Opens a file and waits until it is loaded."""
        return Page(self, path, width, height, dark)

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
    """One tab."""

    def __init__(self, browser: Browser, path: Path, width: int, height: int, dark: bool) -> None:
        self._browser = browser
        self.url = path.resolve().as_uri()
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.media(dark=dark)
        self.call("Page.navigate", url=self.url)
        self.wait("document.readyState === 'complete'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def media(self, *, dark: bool = False, kind: str = "") -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def js(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Waits until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.js(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:.0f} s for: {condition}")
            time.sleep(0.05)

    def texts(self, selector: str) -> list[str]:
        return self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)")

    def click(self, selector: str) -> None:
        """Clicks the middle of the first element that matches."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{find}.scrollIntoView({{block: 'center', inline: 'center'}})")
        box = self.js(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({find}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Puts text into an input as a keyboard would."""
        self.js(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        code, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if kind == "keyDown" and key != "Tab" else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key,
                windowsVirtualKeyCode=code, **extra,
            )  # fmt: skip

    def choose(self, selector: str, value: str) -> None:
        """Chooses an option of a select."""
        find = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{find}.value = {json.dumps(value)}; {find}.dispatchEvent(new Event('change', {{bubbles: true}}))")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        image = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(image["data"]))

    def pdf(self, path: Path) -> None:
        document = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        path.write_bytes(base64.b64decode(document["data"]))

    @property
    def problems(self) -> list[str]:
        """Exceptions, errors and warnings of the console and the browser's own log, such as a refused script."""
        found = []
        for event in self._own():
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:600])
            elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(parameters["args"])[:600])
            elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(json.dumps(parameters["entry"])[:600])
        return found

    @property
    def requests(self) -> list[str]:
        """What the page asked for, itself and what it holds (data:, blob:) left out."""
        urls = [event["params"]["request"]["url"] for event in self._own() if event["method"].endswith("WillBeSent")]
        return [url for url in urls if url != self.url and not url.startswith(("data:", "blob:"))]

    def _own(self) -> list[dict[str, Any]]:
        self.js("0")  # takes in what is still on its way
        return [event for event in self._browser.events if event.get("sessionId") == self._session]

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
