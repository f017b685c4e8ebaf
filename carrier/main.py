"""The carrier as a program: its options, its server, its end."""

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from carrier import answers, control, page, rest
from carrier.errors import ApiError
from carrier.exchange import Exchange

DEFAULT_PORT = 8601
LOCAL_ACCOUNT = "AC" + "0" * 31 + "1"


class QuietHandler(WSGIRequestHandler):
    """HTTP/1.1 with kept connections, one thread each, nothing logged (paths hold phone numbers)."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out in two writes; the second must not wait for an ACK

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def create_app(exchange: Exchange) -> Flask:
    """The HTTP side of an exchange."""
    app = Flask("carrier")
    app.register_blueprint(rest.blueprint(exchange))
    app.register_blueprint(control.blueprint(exchange))
    app.register_blueprint(page.blueprint(exchange))
    app.register_error_handler(ApiError, answers.answer_error)
    app.register_error_handler(HTTPException, answers.answer_http_error)
    return app


def parser() -> argparse.ArgumentParser:
    """The options of `carecall carrier` and `python -m carrier`."""
    options = argparse.ArgumentParser(prog="carecall carrier", description="A local Twilio-compatible carrier.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 picks a free one (default %(default)s)")
    options.add_argument("--account", default=os.environ.get("TWILIO_ACCOUNT_SID") or LOCAL_ACCOUNT)
    options.add_argument("--token", default=os.environ.get("TWILIO_AUTH_TOKEN"))
    options.add_argument("--speed", type=float, default=1.0, help="virtual seconds a second (default 1)")
    options.add_argument("--cps", type=float, default=0.0, help="calls started a second, 0 = no limit (default)")
    options.add_argument("--data", type=Path, help="directory of the recordings (default: temporary)")
    return options


def run(host: str, port: int, account: str, token: str, speed: float, cps: float, data: Path | None) -> NoReturn:
    """Serve until SIGTERM or SIGINT, which end the process at once with everything it made."""
    directory = data or Path(tempfile.mkdtemp(prefix="carrier-"))
    directory.mkdir(parents=True, exist_ok=True)
    exchange = Exchange(account, token, directory, speed, cps)
    # werkzeug's threaded server: a long poll and a held answer just keep their thread, and the threads of the
    # calls live in the same process, which a server with worker processes would not allow. At 50 legs a few
    # hundred requests a second are far below what it can do.
    server = make_server(host, port, create_app(exchange), threaded=True, request_handler=QuietHandler)
    exchange.base_url = f"http://{host}:{server.server_port}"

    def stop(number: int, frame: FrameType | None) -> None:
        exchange.voice.close()
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)
        # At once: calls and long polls in their threads are not waited for.
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    serve(server)
    print(f"carrier ready on {exchange.base_url}", flush=True)
    while True:
        signal.pause()


def serve(server: BaseWSGIServer) -> None:
    """Answer requests on a thread, so that the main thread is free for signals."""
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command line."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if not options.token:
        sys.exit("carrier: an auth token is needed: --token or TWILIO_AUTH_TOKEN")
    run(options.host, options.port, options.account, options.token, options.speed, options.cps, options.data)
