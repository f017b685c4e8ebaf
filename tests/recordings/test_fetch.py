"""Fetching from a real server on this machine: every answer a carrier can give."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recordings.vault.fetch import NOT_SET, Broken, Denied, Fetcher, Listed, Media, NotYet

ACCOUNT, TOKEN = "AC" + "a" * 32, "the-secret-token"
SID, CALL = "RE" + "0" * 32, "CA" + "1" * 32

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Carrier:
    """A server that answers as it is told and remembers what it was asked."""

    url: str = ""
    answer: Answer | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def says(self, status: int, body: bytes = b"", **headers: str) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in {"content_length": str(len(body)), **headers}.items():
                request.send_header(name.replace("_", "-"), value)
            request.end_headers()
            request.wfile.write(body)

        self.answer = answer


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    state = Carrier()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Authorization")))
            assert state.answer is not None
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def fetcher(carrier: Carrier, limit: int = 1000, read_s: float = 5.0) -> Fetcher:
    return Fetcher(ACCOUNT, TOKEN, carrier.url, limit=limit, timeout=(1.0, read_s))


def test_the_file_comes_from_an_address_built_here_with_credentials(carrier: Carrier) -> None:
    carrier.says(200, b"RIFF sound")
    assert fetcher(carrier).fetch(SID) == Media(b"RIFF sound")
    expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert carrier.asked == [(f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{SID}.wav", expected)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, NotYet()),
        (401, Denied(401)),
        (403, Denied(403)),
        (500, Broken("status status=500", again=True)),
        (429, Broken("status status=429", again=True)),
        (400, Broken("status status=400", again=False)),
        (204, Broken("status status=204", again=False)),
    ],
)
def test_other_answers(carrier: Carrier, status: int, expected: object) -> None:
    carrier.says(status)
    assert fetcher(carrier).fetch(SID) == expected


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/latest", "//evil.example/x", "/elsewhere", "https://cdn.example/x"]
)
def test_a_redirect_is_not_followed(carrier: Carrier, to: str) -> None:
    carrier.says(302, location=to)
    found = fetcher(carrier).fetch(SID)
    assert isinstance(found, Broken)
    assert not found.again
    assert len(carrier.asked) == 1


def test_a_file_over_the_limit_is_not_taken_in(carrier: Carrier) -> None:
    carrier.says(200, b"x" * 1001)
    assert isinstance(fetcher(carrier).fetch(SID), Broken)


def test_a_file_over_the_limit_that_does_not_say_so_is_cut_short(carrier: Carrier) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(1000):
            try:
                request.wfile.write(b"x" * 10_000)
            except OSError:
                return

    carrier.answer = endless
    found = fetcher(carrier, limit=200_000).fetch(SID)
    assert isinstance(found, Broken)
    assert "too_large" in found.reason
    assert not found.again


def test_a_connection_that_breaks_is_no_file(carrier: Carrier) -> None:
    carrier.says(200, b"half", content_length="8")
    assert isinstance(fetcher(carrier).fetch(SID), Broken)


def test_a_silent_carrier_does_not_hold_us(carrier: Carrier) -> None:
    done = threading.Event()

    def say_nothing(request: BaseHTTPRequestHandler) -> None:
        done.wait(5)

    carrier.answer = say_nothing
    assert fetcher(carrier, read_s=0.05).fetch(SID) == Broken("timeout", slow=True)
    done.set()


def test_a_dripping_carrier_does_not_hold_us(carrier: Carrier) -> None:
    carrier.says(200, b"x" * 100)
    slow = Fetcher(ACCOUNT, TOKEN, carrier.url, total_s=-1.0)
    assert slow.fetch(SID) == Broken("too_slow", slow=True)


def test_no_carrier_at_all_and_nothing_secret_in_words_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gone = Fetcher(ACCOUNT, TOKEN, "http://127.0.0.1:9")
    found = gone.fetch(SID)
    assert found == Broken("unreached error=ConnectionError")
    assert TOKEN not in repr(gone) + caplog.text


@pytest.mark.parametrize(
    "sid", ["", "RE1", "RE" + "0" * 33, "../" + "0" * 31, "RE" + "G" * 32, SID + "\n", "CA" + "0" * 32]
)
def test_only_a_recording_sid_makes_an_address(sid: str) -> None:
    with pytest.raises(ValueError, match="recording SID"):
        Fetcher(ACCOUNT, TOKEN).fetch(sid)


def test_twilio_unless_told_otherwise_and_a_wrong_account() -> None:
    assert Fetcher(ACCOUNT, TOKEN).media_url(SID).startswith("https://api.twilio.com/2010-04-01/Accounts/AC")
    with pytest.raises(ValueError, match="account"):
        Fetcher("AC../x", TOKEN)


def test_without_credentials_nothing_is_asked() -> None:
    assert Fetcher(None, "").fetch(SID) == NOT_SET


def test_the_list_of_a_call(carrier: Carrier) -> None:
    carrier.says(
        200,
        b'{"recordings": [{"sid": "%s", "source": "RecordVerb", "status": "completed", "duration": "4",'
        b' "start_time": "Sun, 22 Nov 2026 03:00:00 +0000"}, {"sid": "nonsense"},'
        b' {"sid": "RE11111111111111111111111111111111", "duration": null}]}' % SID.encode(),
    )
    assert fetcher(carrier).list_of_call(CALL) == [
        Listed(SID, "RecordVerb", "completed", 4, datetime(2026, 11, 22, 3, tzinfo=UTC)),
        Listed("RE" + "1" * 32, "", "", None, None),
    ]
    assert carrier.asked[0][0] == f"/2010-04-01/Accounts/{ACCOUNT}/Recordings.json?CallSid={CALL}"


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b'{"calls": []}')])
def test_a_list_that_cannot_be_read(carrier: Carrier, status: int, body: bytes) -> None:
    carrier.says(status, body)
    assert isinstance(fetcher(carrier).list_of_call(CALL), Broken)


def test_a_list_we_may_not_see_and_a_call_without_sid(carrier: Carrier) -> None:
    carrier.says(401)
    assert fetcher(carrier).list_of_call(CALL) == Denied(401)
    assert isinstance(fetcher(carrier).list_of_call("CA/../x"), Broken)
