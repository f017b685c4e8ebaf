"""A real browser for tests: the system's Chromium, spoken to over its debugging pipe. No driver, no package.

What is waited for is waited for inside the page (a promise looked at in each of its frames), so that no test sleeps.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

CHROMIUM = shutil.which("chromium")
MOST_MS = 20_000
"""How long a page may take until what a test waits for is so."""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None: ...


class Served:
    """The application on a port, and what was asked of it: (method, path, Range, status)."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.asked: list[tuple[str, str, str, int]] = []
        self.down = False

        def noted(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                wanted = environ.get("HTTP_RANGE", "")
                self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], wanted, int(status[:3])))
                return start(status, headers, *more)

            if self.down:
                started("503 Down", [("Content-Type", "text/plain")])
                return [b"down\n"]
            return app(environ, started)

        self._server = make_server("127.0.0.1", 0, noted, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Page:
    """One tab of a headless browser."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # the browser reads its orders from descriptor 3 and answers on 4
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash",
             CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--remote-debugging-pipe",
             f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._read = os.fdopen(self._in, "rb")
        self._number, self._rest = 0, b""
        self.said: list[str] = []
        """What the page wrote to its console, and what its policy shut out."""
        (target,) = [one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = ""
        self._session = self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._read.close()
        os.close(self._out)

    # ---- the pipe ----------------------------------------------------------------------------------
    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        order = {"id": self._number, "method": method, "params": params}
        if getattr(self, "_session", ""):
            order["sessionId"] = self._session
        os.write(self._out, json.dumps(order).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                if "error" in told:
                    raise AssertionError(f"{method}: {told['error']}")
                result: dict[str, Any] = told["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise AssertionError("the browser is gone")
            self._rest += piece
        one, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(one)
        if told.get("method") == "Log.entryAdded":
            self.said.append(told["params"]["entry"]["text"])
        if told.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(told["params"]["exceptionDetails"]))
        return told

    # ---- hands and eyes ----------------------------------------------------------------------------
    def cookie(self, url: str, name: str, value: str) -> None:
        self._ask("Network.setCookie", url=url, name=name, value=value, httpOnly=True)

    def clear_cookies(self) -> None:
        self._ask("Network.clearBrowserCookies")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        said = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in said:
            raise AssertionError(said["exceptionDetails"])
        return said["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        look = (
            "new Promise((good, bad) => { const from = performance.now(); (function look() {"
            f" let is = false; try {{ is = ({condition}); }} catch (error) {{}}"
            f" if (is) good(true); else if (performance.now() - from > {MOST_MS}) bad(new Error('waited in vain'));"
            " else setTimeout(look, 30); })(); })"
        )
        for _ in range(5):
            try:
                self.run(look)
                return
            except AssertionError as error:
                # the page went on to another while it was looked at: look at that one
                if "navigated" not in str(error) and "context" not in str(error):
                    raise AssertionError(f"{condition}: {error}\n{self.run('document.body.innerText')}") from error
        raise AssertionError(f"{condition}: the page never stands still")

    def goto(self, url: str) -> None:
        self._ask("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of it."""
        at = self.run(
            f"(function () {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({ block: 'center' }); const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def key(self, key: str, code: str = "") -> None:
        text = {"text": key} if len(key) == 1 else {}
        self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, **text)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key)

    def write(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._ask("Input.insertText", text=text)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        said = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(said["data"]))
