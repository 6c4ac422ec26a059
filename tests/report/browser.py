"""A page as a person uses it: mouse and keyboard, and what it asked for and complained of."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from edgebench.places.browser import chromium
from edgebench.places.browser.chromium import program as program

KEYS = {"Enter": (13, "\r"), "Tab": (9, "\t"), " ": (32, " ")}


class Browser(chromium.Browser):
    """A browser whose pages can be used."""

    def open(self, path: Path, *, width: int = 1024, height: int = 900, dark: bool = False) -> Page:
        """Opens a file and waits until it is loaded."""
        return Page(self, path, width, height, dark)


class Page(chromium.Page):
    """One tab: real mouse and keyboard events, and a record of every request, console message and exception."""

    domains = ("Page", "Runtime", "Network", "Log")

    def __init__(self, browser: Browser, path: Path, width: int, height: int, dark: bool) -> None:
        self._width, self._height, self._dark = width, height, dark
        super().__init__(browser, path.resolve().as_uri())

    def prepare(self) -> None:
        size = {"width": self._width, "height": self._height}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self.media(dark=self._dark)

    def media(self, *, dark: bool = False, kind: str = "") -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=kind, features=[scheme])

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
