"""A headless Chromium, driven over the W3C WebDriver protocol as chromedriver speaks it."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

_PATIENCE = 60.0
"""Seconds to wait for what a page shall show."""


class Browser:
    """One window. What an expression or a selector asks for is waited for, a minute at most."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, address: str) -> None:
        """Loads an address; returns once the page has loaded."""
        _call("POST", f"{self._session}/url", {"url": address})

    def resize(self, width: int, height: int) -> None:
        """Makes the page's own area this many pixels wide and high."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        metrics = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        _call("POST", f"{self._session}/goog/cdp/execute", metrics)

    def run(self, script: str, *values: Any) -> Any:
        """Returns what the body of a JavaScript function returns for these arguments."""
        asked = {"script": script, "args": list(values)}
        return _call("POST", f"{self._session}/execute/sync", asked)

    def wait(self, script: str, *values: Any) -> Any:
        """Returns what the script returns, once that is true; TimeoutError names the script."""
        end = time.monotonic() + _PATIENCE
        while not (found := self.run(script, *values)):
            if time.monotonic() > end:
                raise TimeoutError(f"not on the page after {_PATIENCE:.0f} s: {script} {values}")
            time.sleep(0.2)
        return found

    def shows(self, xpath: str) -> bool:
        """Returns whether an element of an XPath is visible now."""
        return self.run(_MIDDLE, xpath) is not None

    def click(self, xpath: str, *, times: int = 1) -> None:
        """Clicks on the middle of an element, as a mouse does; 0 times only goes there."""
        x, y = self.wait(_MIDDLE, xpath)
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        # By its place: a page that draws itself anew would have replaced the element.
        move = {"type": "pointerMove", "duration": 0, "origin": "viewport", "x": x, "y": y}
        mouse = {"type": "pointer", "id": "mouse", "actions": [move, *press * times]}
        _call("POST", f"{self._session}/actions", {"actions": [mouse]})

    def picture(self, path: Path, colors: int = 128) -> None:
        """Keeps what the window shows, in a palette of its own: a third of the bytes."""
        shown = base64.b64decode(_call("GET", f"{self._session}/screenshot"))
        image = Image.open(io.BytesIO(shown)).convert("RGB")
        image.quantize(colors, dither=Image.Dither.NONE).save(path, optimize=True)


_MIDDLE = """
const found = document.evaluate(arguments[0], document, null, 7, null);
for (let number = 0; number < found.snapshotLength; number++) {
    const element = found.snapshotItem(number), box = element.getBoundingClientRect();
    if (element.checkVisibility())
        return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
}
"""


@contextmanager
def browser() -> Iterator[Browser]:
    """Yields a new window; chromium and chromedriver are taken from the PATH."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise FileNotFoundError("apt-get install chromium chromium-driver")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    wanted = {"goog:chromeOptions": {"binary": chromium, "args": options}}
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    root = f"http://127.0.0.1:{port}/session"
    try:
        wait_for(f"http://127.0.0.1:{port}/status")
        started = _call("POST", root, {"capabilities": {"alwaysMatch": wanted}})
        session = f"{root}/{started['sessionId']}"
        try:
            yield Browser(session)
        finally:
            _call("DELETE", session)
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str) -> None:
    """Returns once something answers at the address; TimeoutError when nothing does."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=_PATIENCE).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"nothing answers at {address}")


def _call(method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    request.method = method
    try:
        with urllib.request.urlopen(request, timeout=2 * _PATIENCE) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["value"]["message"]) from error
