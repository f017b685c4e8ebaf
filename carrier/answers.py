"""HTTP answers that several routes of the REST API give (docs/twilio.md 1.1, 1.7)."""

import socket
from typing import Any

from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException

from carrier.errors import ApiError, not_found


def answer_created(body: dict[str, Any]) -> Response:
    """201 with the new resource."""
    answer = jsonify(body)
    answer.status_code = 201
    return answer


def drop_connection() -> None:
    """Close the connection under the answer that is about to be written: the client never gets it."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)


def answer_error(error: ApiError) -> Response:
    """An ApiError as its JSON."""
    answer = jsonify(error.body())
    answer.status_code = error.status
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return answer


def answer_http_error(error: HTTPException) -> Response:
    """Unknown paths and methods, in the API's own form."""
    if error.code == 405:
        return answer_error(ApiError(405, 20004, "Method not allowed"))
    if error.code == 404:
        return answer_error(not_found(request.path))
    return answer_error(ApiError(error.code or 500, 20500, error.name))
