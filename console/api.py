"""The API for programs, `/api/v1`: a bearer token each, JSON in, JSON out, every refusal as problem+json.

Flask and pydantic and not APIFlask: that one wants to be the application itself, which the carrier's webhooks stand on
too, and brings marshmallow beside the pydantic the rest of the house checks with. Patients' data never stand in an
address, and a ticket comes masked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from console import desk_view, openapi, problem, tokens
from console.api_shapes import (
    AgentOut,
    AgentStateIn,
    FeedbackIn,
    PatientOut,
    QueueOut,
    TicketOut,
    TicketsOut,
    TicketsQuery,
    WaiterOut,
)
from console.frame import plainly
from console.tokens import Bearer
from core.webhook import house, tried_again
from recordings.sampling import chats
from recordings.sampling.chat_shapes import ChatOut, ChatsIn, ChatsOut

log = logging.getLogger(__name__)

PREFIX = "/api/v1"
MAX_BODY = 64 * 1024
LARGER = {"api.take_chats": 2 * 1024 * 1024}
"""Where more is taken: a hundred whole conversations."""
OPEN = frozenset({"api.document"})
"""What needs no token: the description of the rest."""
SCOPES: dict[str, str] = {}
"""Endpoint -> the scope a token must have."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
Shape = TypeVar("Shape", bound=BaseModel)
View = Callable[..., AnyResponse]


class Refused(Exception):
    """Ends the request with this answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def operation(method: str, rule: str, scope: str) -> Callable[[View], View]:
    """An address for tokens with `scope`; the view gets the Bearer first."""

    def add(view: View) -> View:
        @wraps(view)
        def checked(**words: str) -> AnyResponse:
            bearer = _bearer(scope)
            if any("\x00" in word for word in words.values()):
                raise Refused(404, _SENTENCES[404])  # no column of text keeps one
            return view(bearer, **words)

        SCOPES[f"api.{view.__name__}"] = scope
        blueprint.add_url_rule(rule, view.__name__, tried_again(checked), methods=[method])
        return view

    return add


def _bearer(scope: str) -> Bearer:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "A token is needed: Authorization: Bearer …")
    with house().transaction() as session:
        bearer = tokens.bearer(session, token.strip(), house().clock.now())
    if bearer is None:
        log.warning("an API token was refused")
        raise Refused(401, "This token is unknown or revoked.")
    if scope not in bearer.scopes:
        raise Refused(403, f"This token has no scope {scope!r}.")
    return bearer


# ---- addresses -----------------------------------------------------------------------------------
@operation("POST", "/feedback", "feedback")
def take_feedback(bearer: Bearer) -> AnyResponse:
    """201 and the ticket; 200 and the same ticket when it came before."""
    given = _body(FeedbackIn)
    now = house().clock.now()
    try:
        with house().transaction() as session:
            line, new = desk_view.take_feedback(session, given.model_dump(exclude_none=True), _who(bearer), now)
    except desk_view.PROBLEMS as refusal:
        raise Refused(422, str(refusal)) from refusal  # such as a record number nobody has
    return _said(_ticket(line), 201 if new else 200)


@operation("GET", "/tickets", "tickets")
def list_tickets(bearer: Bearer) -> AnyResponse:
    wanted = TicketsQuery.model_validate(request.args.to_dict())
    now = house().clock.now()
    with house().transaction() as session:
        if wanted.number is not None:
            one = desk_view.line(session, wanted.number, now)
            found = [one] if one is not None else []
        else:
            states = (wanted.state,) if wanted.state else None
            found = desk_view.lines(session, now, states=states, due_before=wanted.due, limit=wanted.limit)
    return _said(TicketsOut(tickets=[_ticket(line) for line in found]))


@operation("GET", "/tickets/<number>", "tickets")
def one_ticket(bearer: Bearer, number: str) -> AnyResponse:
    with house().transaction() as session:
        line = desk_view.line(session, number, house().clock.now())
    if line is None:
        raise Refused(404, "There is no ticket with this number.")
    return _said(_ticket(line))


@operation("GET", "/queue", "agents")
def queue(bearer: Bearer) -> AnyResponse:
    now = house().clock.now()
    with house().transaction() as session:
        told = QueueOut(
            waiting=[WaiterOut(**vars(one)) for one in desk_view.waiting(session, now)],
            agents=[_agent(line) for line in desk_view.agent_lines(session, now)],
        )
    return _said(told)


@operation("POST", "/agents/<login>/state", "agents")
def agent_state(bearer: Bearer, login: str) -> AnyResponse:
    wanted = _body(AgentStateIn)
    now = house().clock.now()
    with house().transaction() as session:
        if not desk_view.is_agent(session, login):
            raise Refused(404, "There is no agent with this login.")
        desk_view.sign(session, login, wanted.state, _who(bearer), now)
        line = next((line for line in desk_view.agent_lines(session, now) if line.login == login), None)
    if line is None:
        raise Refused(404, "There is no agent with this login.")
    return _said(_agent(line))


@operation("POST", "/chats", "chats")
def take_chats(bearer: Bearer) -> AnyResponse:
    """201 if any of them is new, else 200; all are taken or none."""
    given = _body(ChatsIn)
    now = house().clock.now()
    try:
        with house().transaction() as session:
            taken = chats.take(session, given.chats, now, who=_who(bearer))
    except chats.ChatProblem as refusal:
        told = [{"where": f"chats.{at}.{where}", "what": what} for at, where, what in refusal.problems]
        return problem.answer(422, "Some of the chats cannot be taken, so none was.", told)
    new = any(one.result == "created" for one in taken)
    said = [ChatOut(external_id=one.external_id, id=str(one.id), result=one.result) for one in taken]
    return _said(ChatsOut(chats=said), 201 if new else 200)


@blueprint.get("/openapi.json")
def document() -> AnyResponse:
    return Response(openapi.text(PREFIX), mimetype="application/json")


# ---- in and out ----------------------------------------------------------------------------------
@blueprint.before_request
def _limit() -> None:
    request.max_content_length = LARGER.get(request.endpoint or "", MAX_BODY)


@blueprint.after_request
def _headers(response: AnyResponse) -> AnyResponse:
    response.headers.update(HEADERS)
    return response


def _body(shape: type[Shape]) -> Shape:
    if not request.is_json:
        raise Refused(415, "The body must be JSON: Content-Type: application/json.")
    return shape.model_validate_json(request.get_data(cache=False))


def _said(told: BaseModel, status: int = 200) -> Response:
    return Response(told.model_dump_json(), status, mimetype="application/json")


def _who(bearer: Bearer) -> str:
    return f"api:{bearer.title}"


def _ticket(line: desk_view.Line) -> TicketOut:
    fields = {name: value for name, value in vars(line).items() if name in TicketOut.model_fields}
    known = bool(line.patient or line.mrn)
    return TicketOut(**fields | {"patient": PatientOut(name=line.patient, mrn=line.mrn) if known else None})


def _agent(line: desk_view.AgentLine) -> AgentOut:
    return AgentOut(
        login=line.login,
        status=line.status,
        since=line.since,
        department=line.department,
        languages=list(line.languages),
        skills=list(line.skills),
    )


# ---- refusals ------------------------------------------------------------------------------------
blueprint.register_error_handler(Refused, lambda refused: problem.answer(refused.status, refused.detail))
blueprint.register_error_handler(ValidationError, problem.of_validation)
for _problem in desk_view.PROBLEMS:
    blueprint.register_error_handler(_problem, lambda said: problem.answer(409, str(said)))


@blueprint.errorhandler(OperationalError)
def _no_database(error: OperationalError) -> Response:
    log.error("the database does not answer", extra={"error": type(error).__name__})
    return problem.answer(503, "The database does not answer. Try again shortly.")


@blueprint.errorhandler(Exception)
def _broken(error: Exception) -> AnyResponse:
    if isinstance(error, HTTPException):
        return _http(error)
    log.exception("a request of the API broke", extra={"endpoint": request.endpoint})
    return problem.answer(500, "Something here is broken; it has been written to the log.")


_SENTENCES = {
    404: "There is no such address.",
    405: "This address does not take that method.",
}


def _http(error: HTTPException) -> Response:
    sentence = _SENTENCES.get(error.code or 500, "This was no proper request.")
    if error.code == 413:
        sentence = f"The body is larger than {(request.max_content_length or MAX_BODY) // 1024} KiB."
    answer = problem.answer(error.code or 500, sentence)
    if error.code == 405:
        allowed = getattr(error, "valid_methods", None) or ()
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


@blueprint.record_once
def _join(state: BlueprintSetupState) -> None:
    """Addresses that are not there, and methods they do not take, belong to no blueprint: ours among them answer as the
    rest of the API does, the others in both languages."""

    def ours(error: HTTPException) -> AnyResponse:
        if not request.path.startswith("/api/"):
            return plainly(error.code or 404, "error.404" if error.code == 404 else "error.other")
        answer = _http(error)
        answer.headers.update(HEADERS)
        return answer

    for code in (404, 405):
        state.app.register_error_handler(code, ours)
