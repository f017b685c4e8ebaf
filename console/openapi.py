"""The OpenAPI 3.1 document of the API: the addresses by hand, the shapes from console.api_shapes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from console import api_shapes as shapes
from console.tokens import SCOPES
from recordings.sampling.chat_shapes import ChatsIn, ChatsOut

_IN: tuple[type[BaseModel], ...] = (shapes.FeedbackIn, shapes.AgentStateIn, shapes.TicketsQuery, ChatsIn)
_OUT: tuple[type[BaseModel], ...] = (
    shapes.TicketOut,
    shapes.TicketsOut,
    shapes.QueueOut,
    shapes.AgentOut,
    shapes.Problem,
    ChatsOut,
)
_REF = "#/components/schemas/{model}"
_SAYS = {
    400: "no proper request",
    401: "no token, or none we know",
    403: "the token lacks the scope",
    404: "not there",
    409: "the desk refuses it; `detail` says why",
    413: "the body is too large",
    415: "the body is no JSON",
    422: "the shape is wrong; `errors` tells the fields",
    503: "the database does not answer",
}


@cache
def text(prefix: str) -> str:
    return json.dumps(document(prefix), ensure_ascii=False, indent=1)


def document(prefix: str) -> dict[str, Any]:
    _, of_input = models_json_schema([(shape, "validation") for shape in _IN], ref_template=_REF)
    _, of_output = models_json_schema([(shape, "serialization") for shape in _OUT], ref_template=_REF)
    known = {**of_input["$defs"], **of_output["$defs"]}
    query = known.pop("TicketsQuery")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Carecall",
            "version": "1",
            "description": "Feedback and chats in, tickets and the line out. Tickets are masked: no name, no number, "
            "no words.",
        },
        "servers": [{"url": prefix}],
        "security": [{"token": []}],
        "paths": _paths(query),
        "components": {
            "schemas": known,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"Made with `carecall token add`; scopes: {', '.join(SCOPES)}",
                }
            },
        },
    }


def _paths(query: dict[str, Any]) -> dict[str, Any]:
    return {
        "/feedback": {
            "post": _operation(
                "take_feedback", "feedback", "Feedback becomes a ticket; the same again is the same ticket",
                body="FeedbackIn", answers={201: "TicketOut", 200: "TicketOut"}, refusals=(409, 413, 415, 422),
            )
        },
        "/tickets": {
            "get": _operation(
                "list_tickets", "tickets", "What is owed, what runs out next first",
                parameters=_of_query(query), answers={200: "TicketsOut"}, refusals=(422,),
            )
        },
        "/tickets/{number}": {
            "get": _operation(
                "one_ticket", "tickets", "One ticket",
                parameters=[_in_path("number")], answers={200: "TicketOut"}, refusals=(404,),
            )
        },
        "/queue": {
            "get": _operation("queue", "agents", "Who waits and who answers, now", answers={200: "QueueOut"})
        },
        "/agents/{login}/state": {
            "post": _operation(
                "agent_state", "agents", "Sign an agent in or out, or pause them", parameters=[_in_path("login")],
                body="AgentStateIn", answers={200: "AgentOut"}, refusals=(404, 409, 413, 415, 422),
            )
        },
        "/chats": {
            "post": _operation(
                "take_chats", "chats", "Chats that are over, up to 100: all are taken or none; the same again changes "
                "nothing", body="ChatsIn", answers={201: "ChatsOut", 200: "ChatsOut"}, refusals=(413, 415, 422),
            )
        },
        "/openapi.json": {
            "get": {
                "operationId": "document", "summary": "This document", "security": [],
                "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}},
            }
        },
    }  # fmt: skip


def _operation(
    name: str,
    scope: str,
    summary: str,
    *,
    answers: dict[int, str],
    refusals: tuple[int, ...] = (),
    body: str | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: {scope}",
        "responses": {
            **{str(code): {"description": "done", "content": _content(shape)} for code, shape in answers.items()},
            **{
                str(code): {"description": _SAYS[code], "content": _content("Problem", "application/problem+json")}
                for code in sorted({401, 403, 503, *refusals})
            },
        },
    }
    if body:
        made["requestBody"] = {"required": True, "content": _content(body)}
    if parameters:
        made["parameters"] = parameters
    return made


def _content(shape: str, mimetype: str = "application/json") -> dict[str, Any]:
    return {mimetype: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _of_query(shape: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in shape["properties"].items()]
