"""The carrier as its own process, and a hospital that answers its webhooks and checks every signature."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

ACCOUNT = "AC" + "1" * 32
TOKEN = "test-token"
SPEED = 20
HOSPITAL = "+15551230001"
XML = '<?xml version="1.0" encoding="UTF-8"?>'

Form = dict[str, str]
Page = str | Callable[[Form], Any]


@dataclass
class Asked:
    """One request of the carrier."""

    path: str
    method: str
    form: Form
    headers: dict[str, str]


class Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Hospital:
    """Serves documents by path, keeps what it was asked, and notes every request whose signature is wrong."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.unsigned: list[str] = []
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def clear(self) -> None:
        self.pages.clear()
        self.asked.clear()
        self.unsigned.clear()

    def at(self, path: str) -> list[Form]:
        """The parameters of every request to a path, in order of arrival."""
        with self._lock:
            return [asked.form for asked in self.asked if asked.path == path]

    def document(self, path: str, verbs: Page) -> str:
        """Serve verbs, wrapped in a Response, at a path; returns its URL."""
        self.pages[path] = verbs
        return self.url + path

    def _app(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        posted = request.get_data(as_text=True)
        form = dict(parse_qsl(posted, keep_blank_values=True))
        url = self.url + request.environ["RAW_URI"]
        signature = request.headers.get("X-Twilio-Signature", "")
        if not RequestValidator(TOKEN).validate(url, form, signature):
            self.unsigned.append(url)
        fields = form or dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
        with self._lock:
            self.asked.append(Asked(request.path, request.method, fields, dict(request.headers)))
        page = self.pages.get(request.path)
        if page is None:
            return Response(status=204)
        answer = page(fields) if callable(page) else page
        if isinstance(answer, Response):
            return answer
        return Response(f"{XML}<Response>{answer}</Response>", mimetype="text/xml")


@dataclass
class Carrier:
    """The running carrier: the SDK's client, and its control API."""

    url: str
    client: Client
    session: requests.Session
    process: "subprocess.Popen[str]"
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(13900000001))

    def control(self, method: str, path: str, body: Any = None, expect: int | None = None) -> Any:
        answer = self.session.request(method, f"{self.url}/control{path}", json=body, timeout=60)
        if expect is None:
            assert answer.ok, answer.text
        else:
            assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def phone(self, *script: dict[str, Any], **data: Any) -> str:
        """A new scripted phone that answers after a second; its number."""
        number = f"+86{next(self.numbers)}"
        data = {"behaviour": "answer", "answer_after": 1, "script": list(script)} | data
        self.control("PUT", f"/phones/{number}", data)
        return number

    def call(self, to: str, url: str = "", **options: Any) -> str:
        """Place a call from the hospital; its SID."""
        if url:
            options["url"] = url
        return str(self.client.calls.create(to=to, from_=HOSPITAL, **options).sid)

    def ended(self, sid: str) -> dict[str, Any]:
        """The call when it is over and nothing of it is left to deliver."""
        story: dict[str, Any] = self.control("GET", f"/calls/{sid}?wait=ended&timeout=30")
        assert self.control("GET", "/idle?timeout=20")["idle"]
        story = self.control("GET", f"/calls/{sid}")
        assert story["status"] in ("completed", "busy", "no-answer", "failed", "canceled"), story
        return story

    def over(self, sid: str) -> dict[str, Any]:
        """The call when it is over, while others go on."""
        return dict(self.control("GET", f"/calls/{sid}?wait=ended&timeout=30"))

    def when(self, sid: str, kind: str, text: str = "") -> dict[str, Any]:
        """Wait until something has happened on a call."""
        last = 0
        for _ in range(200):
            found = self.control("GET", f"/events?after={last}&timeout=5")
            for event in found["events"]:
                if event["leg"] == sid and event["kind"] == kind and text in event.get("text", ""):
                    return dict(event)
            last = found["last"]
        raise AssertionError(f"no {kind} {text}")

    def media(self, sid: str) -> requests.Response:
        url = f"{self.url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{sid}.wav"
        return self.session.get(url, timeout=10)


def texts(story: dict[str, Any], kind: str = "heard", leg: str | None = None) -> list[str]:
    """What was heard (or pressed, or said) on a call, in order."""
    wanted = leg or story["sid"]
    return [event["text"] for event in story["events"] if event["kind"] == kind and event["leg"] == wanted]


def start_carrier(*options: str) -> Carrier:
    command = [sys.executable, "-m", "carrier", "--port", "0", "--account", ACCOUNT, "--token", TOKEN, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    http = TwilioHttpClient(timeout=10)
    client = Client(ACCOUNT, TOKEN, http_client=http)
    client.api.base_url = url
    session = requests.Session()
    session.auth = (ACCOUNT, TOKEN)
    return Carrier(url, client, session, process)


def stop_carrier(carrier: Carrier) -> None:
    carrier.session.close()
    carrier.client.http_client.session.close()
    carrier.process.terminate()
    assert carrier.process.wait(5) == 0
    assert carrier.process.stdout is not None
    carrier.process.stdout.close()


@pytest.fixture(scope="session")
def running_carrier() -> Iterator[Carrier]:
    carrier = start_carrier("--speed", str(SPEED))
    yield carrier
    stop_carrier(carrier)


@pytest.fixture(scope="session")
def running_hospital() -> Iterator[Hospital]:
    hospital = Hospital()
    yield hospital
    hospital.close()


@pytest.fixture
def hospital(running_hospital: Hospital) -> Iterator[Hospital]:
    running_hospital.clear()
    yield running_hospital
    assert running_hospital.unsigned == []


@pytest.fixture
def carrier(running_carrier: Carrier, hospital: Hospital) -> Iterator[Carrier]:
    running_carrier.control(
        "PUT",
        f"/numbers/{HOSPITAL}",
        {
            "voice_url": f"{hospital.url}/voice",
            "voice_fallback_url": f"{hospital.url}/fallback",
            "status_callback": f"{hospital.url}/number-status",
            "sms_url": f"{hospital.url}/sms-in",
        },
    )
    yield running_carrier
    running_carrier.control("DELETE", "/chaos")
    assert running_carrier.control("GET", "/idle?timeout=20")["idle"]
