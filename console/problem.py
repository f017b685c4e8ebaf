"""Every refusal of the API in one shape: application/problem+json (RFC 9457). Never what was sent, only where."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from flask import Response, json
from pydantic import ValidationError

MIMETYPE = "application/problem+json"


def answer(status: int, detail: str, errors: Sequence[dict[str, str]] = ()) -> Response:
    """`detail` is one sentence for the person who writes the program; `errors` tell field by field."""
    told: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        told["errors"] = list(errors)
    response = Response(json.dumps(told, ensure_ascii=False), status, mimetype=MIMETYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="carecall"'
    return response


def of_validation(error: ValidationError) -> Response:
    """422: which fields, and what each needs. The value itself is not repeated: it may be a patient's."""
    errors = [
        {"where": ".".join(str(part) for part in one["loc"]) or "body", "what": _plain(one["msg"])}
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return answer(422, "The request does not have the shape this address takes.", errors)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
