"""The one kind of blueprint a carrier may reach: signed, or it answers 403.

Twilio signs the exact URL it requested and, for a form, the sorted parameters (docs/twilio.md 3.1).
`request.url` un-escapes the query, so the URL is rebuilt from PUBLIC_URL, the path and the raw query;
our paths are plain ASCII. Without an auth token every request is refused: the routes fail closed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import IntegrityError, OperationalError
from twilio.request_validator import RequestValidator

from core.db import TRIES, lost_a_race
from core.house import House

log = logging.getLogger(__name__)

_PATH_SAFE = "/:@!$&'()*+,;=~-._"
SIGNED: set[str] = set()
"""Names of the blueprints made here, for the test that no carrier route escapes the check."""


def house() -> House:
    """The house of the running web process."""
    return current_app.extensions["carecall"]  # type: ignore[no-any-return]


def signed_url() -> str:
    """The URL as the carrier requested it."""
    query = request.environ.get("QUERY_STRING", "")
    path = quote(request.environ.get("SCRIPT_NAME", "") + request.environ["PATH_INFO"], safe=_PATH_SAFE)
    return f"{house().settings.public_url}{path}" + (f"?{query}" if query else "")


def _signature_is_good() -> bool:
    given = request.headers.get("X-Twilio-Signature", "")
    url = signed_url()
    return any(RequestValidator(token).validate(url, request.form, given) for token in house().settings.auth_tokens)


def _check() -> Response | None:
    if _signature_is_good():
        return None
    log.warning("unsigned request refused", extra={"endpoint": request.endpoint})
    return Response("This address answers only requests signed by the telephone carrier.\n", 403, mimetype="text/plain")


class _SignedBlueprint(Blueprint):
    """Views that the database refused for another transaction's sake are run again: a person is on the line."""

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any
    ) -> None:
        super().add_url_rule(rule, endpoint, view_func and tried_again(view_func), *args, **options)


def tried_again(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view, run again from its beginning when the database refused it for another transaction's sake."""

    @wraps(view)
    def run(**words: Any) -> Any:
        for left in reversed(range(TRIES)):
            try:
                return view(**words)
            except (OperationalError, IntegrityError) as error:
                if not lost_a_race(error) or not left:
                    raise
                log.warning("a request lost a race and runs again", extra={"endpoint": request.endpoint})

    return run


def signed_blueprint(name: str, import_name: str) -> Blueprint:
    """A blueprint whose every route is checked before its view runs. All carrier routes live on such a one."""
    blueprint = _SignedBlueprint(name, import_name)
    blueprint.before_request(_check)
    SIGNED.add(name)
    return blueprint
