"""The carrier's way into the web application without a network: a signed form, straight into WSGI."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask
from twilio.request_validator import RequestValidator


class Broken(Exception):
    """The service answered a signed request with something that is no answer."""


class Door:
    """Posts forms as the carrier does, with its signature (docs/twilio.md 3.1). `requests` counts them."""

    def __init__(self, web: Flask, token: str) -> None:
        web.config.update(PROPAGATE_EXCEPTIONS=True)
        self._web = web.wsgi_app
        self._validator = RequestValidator(token)
        self.requests = 0

    def post(self, url: str, form: Mapping[str, str]) -> str:
        """The body of the answer. Raises Broken unless it is 200 or 204, and whatever the view raises."""
        self.requests += 1
        parts = urlsplit(url)
        body = urlencode(form).encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "SERVER_NAME": parts.hostname or "",
            "SERVER_PORT": str(parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": parts.netloc,
            "HTTP_X_TWILIO_SIGNATURE": self._validator.compute_signature(url, form),
            "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        told: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            told.append(status)
            return lambda data: None

        answer = self._web(environ, start_response)
        try:
            text = b"".join(answer).decode()
        finally:
            if hasattr(answer, "close"):
                answer.close()
        if told[-1][:3] not in ("200", "204"):
            raise Broken(f"{parts.path.rsplit('/', 2)[0]} answered {told[-1]}: {text[:200]}")
        return text
