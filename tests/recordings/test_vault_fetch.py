"""What a carrier may answer when we fetch, and deletion, against real servers on this machine."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.hospital import HospitalFile
from recordings import sound_words
from recordings.vault.fetch import NOT_SET, Broken, Denied, Fetcher, Gone, Media, NotYet
from tests.carrier.conftest import ACCOUNT as CARRIER_ACCOUNT
from tests.carrier.conftest import HOSPITAL, Hospital, start_carrier, stop_carrier
from tests.carrier.conftest import TOKEN as CARRIER_TOKEN

ACCOUNT, TOKEN = "AC" + "a" * 32, "the-secret-token"
SID = "RE" + "0" * 32
CREDENTIALS = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()

Act = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    url: str = ""
    act: Act | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path, credentials."""


def serve() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.command, self.path, self.headers.get("Authorization")))
            assert state.act is not None
            try:
                state.act(self)
            except OSError:
                return  # the other side had enough

        do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve()


@pytest.fixture
def foreign() -> Iterator[Server]:
    """A host that is none of the carrier's."""
    yield from serve()


def says(status: int, body: bytes = b"", **headers: str) -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return act


def fetcher(server: Server, **more: object) -> Fetcher:
    given: dict[str, object] = {"limit": 100_000, "timeout": (1.0, 5.0)} | more
    return Fetcher(ACCOUNT, TOKEN, server.url, **given)  # type: ignore[arg-type]


# ---- redirects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "there",
    ["{foreign}/x.wav", "http://user:secret@127.0.0.1:{port}/x.wav", "//127.0.0.1:{port}/x.wav"],
    ids=["plain", "with credentials of its own", "without a scheme"],
)
def test_nobody_else_is_asked_and_nobody_else_learns_the_password(
    server: Server, foreign: Server, status: int, there: str
) -> None:
    foreign.act = says(200, b"RIFF bait")
    to = there.format(foreign=foreign.url, port=foreign.url.rpartition(":")[2])
    server.act = says(status, location=to)
    assert fetcher(server).fetch(SID) == Broken(
        "redirected", again=False
    )
    assert foreign.asked == []


@pytest.mark.parametrize(
    ("to", "follows"),
    [
        ("https://media.example/x.wav", True),
        ("https://media.example:8443/x.wav", True),
        ("http://media.example/x.wav", False),
        ("https://user:secret@media.example/x.wav", False),
        ("https://media.example.evil.example/x.wav", False),
        ("https://evil.example/media.example", False),
        ("https://media.example@evil.example/x.wav", False),
        ("https://[::1]/x.wav", False),
        ("file:///etc/passwd", False),
        ("gopher://media.example/x", False),
    ],
)
def test_only_https_to_a_host_of_the_list(server: Server, to: str, follows: bool) -> None:
    assert fetcher(server, redirect_hosts=frozenset({"media.example"}))._may_follow(to) is follows


def test_a_host_of_the_list_is_followed_once_and_without_our_password(
    server: Server, foreign: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback speaks no https: what may be followed is tested above, here how it is."""
    monkeypatch.setattr(Fetcher, "_may_follow", lambda *_: True)
    foreign.act = says(200, b"RIFF sound")
    server.act = says(302, location=f"{foreign.url}/media/x.wav?signature=1")
    assert fetcher(server).fetch(SID) == Media(b"RIFF sound")
    assert server.asked[0][2] == CREDENTIALS
    assert foreign.asked == [("GET", "/media/x.wav?signature=1", None)]
    foreign.act = says(302, location=f"{server.url}/again")
    assert fetcher(server).fetch(SID) == Broken("status status=302", again=False)
    assert len(server.asked) == 2


def test_no_password_is_looked_for_in_a_netrc(
    server: Server, foreign: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login somebody password else")
    monkeypatch.setenv("NETRC", netrc)
    monkeypatch.setattr(Fetcher, "_may_follow", lambda *_: True)
    foreign.act = says(200, b"RIFF")
    server.act = says(302, location=f"{foreign.url}/x")
    fetcher(server).fetch(SID)
    assert foreign.asked[0][2] is None


@pytest.mark.parametrize(
    ("text", "good"),
    [("media.example.com", True), ("https://media.example.com", False), ("MEDIA.example.com", False),
     ("localhost", False), ("10.0.0.1", False), ("*.example.com", False), ("media.example.com/x", False), ("", False)],
)  # fmt: skip
def test_the_list_holds_names_of_hosts_only(text: str, good: bool) -> None:
    if good:
        HospitalFile.model_validate({"recordings": {"media_hosts": [text]}})
        return
    with pytest.raises(ValueError, match="media_hosts"):
        HospitalFile.model_validate({"recordings": {"media_hosts": [text]}})


# ---- size, time, ends -----------------------------------------------------------------------------------


def dripping(request: BaseHTTPRequestHandler) -> None:
    """A byte at a time, for ever: the time-out of a single read never comes."""
    request.send_response(200)
    request.send_header("content-length", "50000")
    request.end_headers()
    for _ in range(1000):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.01)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(10_000):
        request.wfile.write(b"x" * 10_000)


def chunked_and_cut(request: BaseHTTPRequestHandler) -> None:
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    request.send_header("transfer-encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"10\r\nRIFF")
    request.close_connection = True


def zipped(request: BaseHTTPRequestHandler) -> None:
    """A small body that would unpack to a huge one."""
    import gzip

    says(200, gzip.compress(b"\0" * 5_000_000), content_encoding="gzip")(request)


@pytest.mark.parametrize(
    ("act", "words", "again"),
    [
        (says(200, b"x" * 100_001), "larger than", False),
        (says(200, b"", content_length="999999999999"), "larger than", False),
        (endless, "larger than", False),
        (zipped, "packed", False),
        (says(200, b"half", content_length="8"), "broke|could not be reached", True),
        (chunked_and_cut, "could not be reached", True),
        (says(500), "500", True),
        (says(400), "400", False),
    ],
    ids=["huge", "says it is huge", "endless", "a bomb", "truncated", "truncated in a chunk", "500", "400"],
)
def test_what_is_no_file_for_us(server: Server, act: Act, words: str, again: bool) -> None:
    import re

    server.act = act
    found = fetcher(server).fetch(SID)
    assert isinstance(found, Broken), found
    assert re.search(words, sound_words.why(found.reason, "en"))
    assert found.again is again


def test_a_slow_carrier_does_not_hold_a_worker_for_ever(server: Server) -> None:
    server.act = dripping
    begun = time.monotonic()
    found = fetcher(server, limit=10**9, total_s=0.3).fetch(SID)
    assert found == Broken("too_slow", slow=True)
    assert time.monotonic() - begun < 9, "before the sender was done"


# ---- deletion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (204, Gone()),
        (404, Gone()),
        (401, Denied(401)),
        (403, Denied(403)),
        (200, Broken("status status=200")),
        (302, Broken("status status=302")),
        (500, Broken("status status=500")),
    ],
)
def test_a_deletion_counts_when_the_carrier_says_so(server: Server, status: int, expected: object) -> None:
    server.act = says(status, location="http://127.0.0.1:9/")
    assert fetcher(server).delete(SID) == expected
    assert server.asked == [("DELETE", f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{SID}.json", CREDENTIALS)]


def test_a_deletion_nobody_hears_of() -> None:
    gone = Fetcher(ACCOUNT, TOKEN, "http://127.0.0.1:9")
    assert gone.delete(SID) == Broken("unreached error=ConnectionError")
    assert Fetcher(None, "").delete(SID) == NOT_SET
    with pytest.raises(ValueError, match="recording SID"):
        gone.delete("RE/../../Calls")


def test_the_local_carrier_deletes_what_we_delete() -> None:
    carrier = start_carrier("--speed", "20")
    hospital = Hospital()
    try:
        carrier.control("PUT", f"/numbers/{HOSPITAL}", {"voice_url": f"{hospital.url}/voice"})
        hospital.document("/recorded", "<Say>Thank you</Say>")
        document = hospital.document("/v", '<Record action="/recorded" timeout="1" recordingStatusCallback="/done"/>')
        carrier.ended(carrier.call(carrier.phone(), document))
        sid = hospital.at("/recorded")[0]["RecordingSid"]
        ours = Fetcher(CARRIER_ACCOUNT, CARRIER_TOKEN, carrier.url)
        assert isinstance(ours.fetch(sid), Media)
        assert ours.delete(sid) == Gone()
        assert ours.fetch(sid) == NotYet()
        assert ours.delete(sid) == Gone(), "one that is not there counts as deleted"
        assert Fetcher(CARRIER_ACCOUNT, "wrong", carrier.url).delete(sid) == Denied(401)
    finally:
        stop_carrier(carrier)
        hospital.close()
