"""The board and a ticket in a real browser: the policy in its headers lets everything on it load."""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from core.values import KNOWN_LANGUAGES
from tests.console.desk_room import DeskRoom

CHROMIUM = shutil.which("chromium")
HEADER = (11, 100, 112)
"""The colour of the bar on top, --main of console.css."""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None: ...


class Browser:
    def __init__(self, desk: DeskRoom, folder: Path) -> None:
        self.cookie, self.asked, self._folder = "", [], folder
        self.asked: list[tuple[str, int]] = []

        def with_cookie(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            """A headless screenshot has no hands to sign in with: the cookie is put in on the way."""

            def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                self.asked.append((environ["PATH_INFO"], int(status[:3])))
                return start(status, headers, *more)

            return desk.app({**environ, "HTTP_COOKIE": self.cookie}, started)

        self.server = make_server("127.0.0.1", 0, with_cookie, threaded=True, request_handler=_Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def picture(self, path: str) -> bytes:
        assert CHROMIUM is not None
        made = self._folder / "page.png"
        subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self._folder / 'profile'}",
             "--hide-scrollbars", "--window-size=1280,900", f"--screenshot={made}",
             f"http://127.0.0.1:{self.server.port}{path}"],
            check=True, capture_output=True, timeout=90,
        )  # fmt: skip
        return made.read_bytes()


@pytest.fixture
def browser(desk: DeskRoom, tmp_path: Path) -> Iterator[Browser]:
    made = Browser(desk, tmp_path)
    yield made
    made.server.shutdown()


def first_pixel(png: bytes) -> tuple[int, ...]:
    """The colour of the upper left corner: the first pixel of a row is its own difference to nothing."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium, which draws the page")
@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_pages_are_drawn_with_their_style_and_their_script(desk: DeskRoom, browser: Browser, language: str) -> None:
    number = desk.ticket(patient_id=desk.patient())
    desk.waiting()
    screen = desk.signed_in("supervisor", language)
    kept = screen.client.get_cookie("carecall", domain="localhost")
    assert kept is not None
    browser.cookie = f"carecall={kept.value}"
    for path in ("/", f"/tickets/{number}"):
        browser.asked.clear()
        assert first_pixel(browser.picture(path)) == HEADER, "no style: the page's own policy shut it out"
        assert {code for _path, code in browser.asked} <= {200, 304}
        assert "/assets/console.css" in dict(browser.asked)
        assert ("/assets/refresh.js" in dict(browser.asked)) is (path == "/")
