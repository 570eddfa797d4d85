"""Headless Chromium, driven over its DevTools protocol: pages are opened, asked, and photographed."""

import base64
import itertools
import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from websockets.sync.client import connect

from tests.lab.waiting import wait_until

PROGRAM: Final = shutil.which("chromium") or "chromium"
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 60.0
MESSAGE_BYTES: Final = 64 << 20

Scheme = Literal["light", "dark"]


class Browser:
    """One browser with one page; `folder` is new and empty. `complaints` are the errors that the page has logged or thrown."""

    def __init__(self, folder: Path) -> None:
        self.complaints: list[str] = []
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._stack = ExitStack()
        command = [PROGRAM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        where = folder / "DevToolsActivePort"
        wait_until(lambda: where.exists() and where.read_text().count("\n") > 0, START_SECONDS, "the browser listens")
        port, path = where.read_text().split()
        connecting = connect(f"ws://127.0.0.1:{port}{path}", max_size=MESSAGE_BYTES, proxy=None)
        self._socket = self._stack.enter_context(connecting)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Performance"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def call(self, method: str, **parameters: Any) -> Any:
        """Returns the result of a method of the DevTools protocol; keeps what the page complains of meanwhile."""
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **session}))
        while True:
            message = json.loads(self._socket.recv(ANSWER_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.complaints.append(json.dumps(message["params"]["entry"]))

    def open(self, url: str, *, width: int = 1280, height: int = 800, scheme: Scheme = "light") -> None:
        """Opens a page in a window of this size."""
        self.resize(width, height, scheme)
        self.call("Page.navigate", url=url)

    def resize(self, width: int, height: int, scheme: Scheme) -> None:
        """Gives the page a size and a colour scheme; narrow ones are a telephone's."""
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, expression: str) -> Any:
        """Returns the value of an expression in the page, which may be a promise."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_for(self, expression: str, seconds: float, what: str) -> None:
        """Waits until an expression is true in the page."""

        def state() -> str:
            return f"{what}; the page shows {self.evaluate('document.body.innerText')!r}, {self.complaints}"

        wait_until(lambda: bool(self.evaluate(expression)), seconds, state)

    def photograph(self, path: Path, *, whole: bool = False) -> None:
        """Writes what is seen as PNG; `whole` has what is below the window too."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))
