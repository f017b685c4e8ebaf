"""The API as a program meets it: tokens and scopes, what comes of a message, and what every refusal looks like."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from console import api, openapi, tokens
from console.models import ApiToken
from desk.tickets import LONGEST_WORDS
from tests.console.desk_room import MRN, NAME, PHONE, WORDS, DeskRoom

BODY = {
    "channel": "wechat", "external_id": "wx-1", "words": WORDS, "phone": PHONE, "mrn": MRN, "link": "billing",
    "problem": "process", "nature": "complaint", "department": "billing", "at": "2031-03-07T09:00:00+08:00",
}  # fmt: skip


@pytest.fixture
def client(desk: DeskRoom) -> FlaskClient:
    return desk.app.test_client()


def is_problem(said: TestResponse, status: int) -> dict[str, Any]:
    assert said.status_code == status, said.get_data(as_text=True)
    assert said.content_type == "application/problem+json"
    told = said.get_json(force=True)
    assert set(told) - {"errors"} == {"type", "title", "status", "detail"}
    assert told["status"] == status
    assert told["detail"].endswith((".", "…"))
    return dict(told)


def addresses() -> list[tuple[str, str]]:
    document = openapi.document(api.PREFIX)
    return [
        (method.upper(), api.PREFIX + path.format(number="00000142", login="li.na"))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") != []
    ]


# ---- tokens --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("method", "path"), addresses())
def test_every_address_needs_a_token_with_its_scope(
    desk: DeskRoom, client: FlaskClient, method: str, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer x"}):
        said = client.open(path, method=method, headers=headers)
        is_problem(said, 401)
        assert said.headers["WWW-Authenticate"].startswith("Bearer")
    [scope] = {
        api.SCOPES[rule.endpoint] for rule in desk.app.url_map.iter_rules()
        if rule.endpoint == desk.app.url_map.bind("x").match(path, method=method)[0]
    }  # fmt: skip
    others = desk.token(*(word for word in tokens.SCOPES if word != scope))
    assert scope in is_problem(client.open(path, method=method, headers=others), 403)["detail"]


def test_a_token_is_kept_as_its_digest_and_seen_when_used(desk: DeskRoom, client: FlaskClient) -> None:
    headers = desk.token("tickets")
    assert client.get("/api/v1/tickets", headers=headers).status_code == 200
    (row,) = desk.every(ApiToken)
    assert len(row.digest) == 32
    assert headers["Authorization"].encode() not in row.digest
    assert row.used_at == desk.now


def test_a_revoked_token_opens_nothing(desk: DeskRoom, client: FlaskClient) -> None:
    headers = desk.token("tickets")
    with desk.house.transaction() as session:
        tokens.revoke(session, "program for tickets", "tests", desk.now)
    is_problem(client.get("/api/v1/tickets", headers=headers), 401)


# ---- feedback ------------------------------------------------------------------------------------------
def test_feedback_becomes_one_ticket_however_often_it_is_sent(desk: DeskRoom, client: FlaskClient) -> None:
    patient, headers = desk.patient(), desk.token("feedback")
    first = client.post("/api/v1/feedback", json=BODY, headers=headers)
    again = client.post("/api/v1/feedback", json=BODY, headers=headers)
    other = client.post("/api/v1/feedback", json=BODY | {"channel": "web"}, headers=headers)
    assert [said.status_code for said in (first, again, other)] == [201, 200, 201]
    assert first.get_json()["number"] == again.get_json()["number"] != other.get_json()["number"]
    ticket = desk.row(first.get_json()["number"])
    assert (ticket.patient_id, ticket.contact, ticket.words, ticket.channel) == (patient, PHONE, WORDS, "wechat")
    assert (ticket.link, ticket.problem, ticket.nature) == ("billing", "process", "complaint")


def test_the_least_that_is_feedback(desk: DeskRoom, client: FlaskClient) -> None:
    least = {name: BODY[name] for name in ("channel", "external_id", "words")}
    assert client.post("/api/v1/feedback", json=least, headers=desk.token("feedback")).status_code == 201


@pytest.mark.parametrize(
    ("change", "where"),
    [({"channel": "fax"}, "channel"), ({"external_id": ""}, "external_id"), ({"words": ""}, "words"),
     ({"words": "x" * (LONGEST_WORDS + 1)}, "words"), ({"words": "a\x00b"}, "words"), ({"phone": "010 5555"}, "phone"),
     ({"link": "kitchen"}, "link"), ({"at": "2031-03-07T09:00:00"}, "at"), ({"at": "yesterday"}, "at"),
     ({"name": "Ann Example"}, "name"), ({"words": None}, "words")],
)  # fmt: skip
def test_a_wrong_field_is_named_and_never_repeated(
    desk: DeskRoom, client: FlaskClient, change: dict[str, Any], where: str
) -> None:
    said = client.post("/api/v1/feedback", json=BODY | change, headers=desk.token("feedback"))
    told = is_problem(said, 422)
    assert [error["where"] for error in told["errors"]] == [where]
    text = json.dumps(told)
    assert not [word for word in (WORDS, "010 5555", NAME, "yesterday") if word in text]
    assert desk.ledger("ticket") == []


def test_tomorrows_feedback_is_refused(desk: DeskRoom, client: FlaskClient) -> None:
    tomorrow = (desk.now + timedelta(days=1)).isoformat()
    said = client.post("/api/v1/feedback", json=BODY | {"at": tomorrow}, headers=desk.token("feedback"))
    assert "future" in is_problem(said, 422)["detail"]


def test_a_sender_whose_clock_is_a_little_ahead_is_heard(desk: DeskRoom, client: FlaskClient) -> None:
    desk.patient()
    soon = {"at": (desk.now + timedelta(minutes=1)).isoformat(), "words": "x" * LONGEST_WORDS}
    assert client.post("/api/v1/feedback", json=BODY | soon, headers=desk.token("feedback")).status_code == 201


def test_an_address_with_a_character_no_column_keeps_is_not_there(desk: DeskRoom, client: FlaskClient) -> None:
    said = client.post("/api/v1/agents/a%00b/state", json={"state": "off"}, headers=desk.token("agents"))
    is_problem(said, 404)


@pytest.mark.parametrize(
    ("body", "mimetype", "status"),
    [(b"words=x", "application/x-www-form-urlencoded", 415), (b"{", "application/json", 422),
     (b"", "application/json", 422), (b"[]", "application/json", 422), (b"\xff\xfe", "application/json", 422),
     (b'{"words": "' + b"x" * 70_000 + b'"}', "application/json", 413)],
)  # fmt: skip
def test_a_body_that_is_none(desk: DeskRoom, client: FlaskClient, body: bytes, mimetype: str, status: int) -> None:
    said = client.post("/api/v1/feedback", data=body, content_type=mimetype, headers=desk.token("feedback"))
    is_problem(said, status)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
MANGLED = st.dictionaries(st.sampled_from([*BODY, "extra"]), ANYTHING, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=MANGLED, body=st.one_of(st.none(), ANYTHING))
def test_whatever_is_sent_is_taken_or_refused_in_one_shape(desk: DeskRoom, change: dict[str, Any], body: Any) -> None:
    headers = desk.token("feedback") if not desk.every(ApiToken) else HEADERS
    HEADERS.update(headers)
    said = desk.app.test_client().post(
        "/api/v1/feedback", json=BODY | change if body is None else body, headers=headers
    )
    if said.status_code not in (200, 201):
        is_problem(said, 422)


HEADERS: dict[str, str] = {}


# ---- tickets, the line, agents -------------------------------------------------------------------------
def test_tickets_are_listed_masked(desk: DeskRoom, client: FlaskClient) -> None:
    headers = desk.token("tickets")
    number = desk.ticket(patient_id=desk.patient())
    blue = desk.ticket("message", contact="")
    listed = client.get("/api/v1/tickets", headers=headers)
    one = client.get(f"/api/v1/tickets/{number}", headers=headers)
    assert [ticket["number"] for ticket in listed.get_json()["tickets"]] == [number, blue]
    assert listed.get_json()["tickets"][0] == one.get_json()
    assert one.get_json()["patient"] == {"name": "E.", "mrn": "…123"}
    assert one.get_json()["contact"] == "…0111"
    for said in (listed, one):
        assert not [word for word in (NAME, MRN, PHONE, WORDS) if word in said.get_data(as_text=True)]
    soon = (desk.now + timedelta(hours=2)).isoformat()
    for query, numbers in (
        ({"number": blue}, [blue]), ({"number": "1"}, []), ({"state": "open"}, [number, blue]),
        ({"state": "resolved"}, []), ({"due": soon}, [number]), ({"limit": "1"}, [number]),
    ):  # fmt: skip
        found = client.get("/api/v1/tickets", query_string=query, headers=headers).get_json()["tickets"]
        assert [ticket["number"] for ticket in found] == numbers, query
    is_problem(client.get("/api/v1/tickets/99999999", headers=headers), 404)


@pytest.mark.parametrize("query", [{"state": "burnt"}, {"due": "soon"}, {"limit": "0"}, {"phone": PHONE}])
def test_a_question_that_is_none(desk: DeskRoom, client: FlaskClient, query: dict[str, str]) -> None:
    told = is_problem(client.get("/api/v1/tickets", query_string=query, headers=desk.token("tickets")), 422)
    assert [error["where"] for error in told["errors"]] == list(query)


def test_the_line_and_who_answers(desk: DeskRoom, client: FlaskClient) -> None:
    desk.agent("li.na", "ready")
    desk.waiting(patient_id=desk.patient())
    desk.forward(seconds=90)
    said = client.get("/api/v1/queue", headers=desk.token("agents"))
    (waiter,), (agent,) = said.get_json()["waiting"], said.get_json()["agents"]
    assert (waiter["place"], waiter["reason"], waiter["waited_s"]) == (1, "postop", 90)
    assert (agent["login"], agent["status"]) == ("li.na", "ready")
    assert not [word for word in (NAME, MRN, PHONE, "Name of") if word in said.get_data(as_text=True)]


def test_an_agent_is_signed_by_a_program(desk: DeskRoom, client: FlaskClient) -> None:
    desk.agent("li.na")
    headers = desk.token("agents")
    said = client.post("/api/v1/agents/li.na/state", json={"state": "ready"}, headers=headers)
    assert (said.status_code, said.get_json()["status"]) == (200, "ready")
    assert desk.ledger("agent")[-1][1] == "api:program for agents"
    is_problem(client.post("/api/v1/agents/li.na/state", json={"state": "talking"}, headers=headers), 422)
    is_problem(client.post("/api/v1/agents/nobody/state", json={"state": "off"}, headers=headers), 404)


# ---- the contract --------------------------------------------------------------------------------------
def test_addresses_that_are_not_there_answer_as_the_rest(desk: DeskRoom, client: FlaskClient) -> None:
    is_problem(client.get("/api/v1/patients"), 404)
    is_problem(client.get("/api/v2/tickets"), 404)
    said = client.delete("/api/v1/tickets")
    is_problem(said, 405)
    assert "GET" in said.headers["Allow"]
    assert client.get("/nonsense").content_type.startswith("text/plain")


def test_the_document_tells_every_address_and_every_shape_it_names(client: FlaskClient, desk: DeskRoom) -> None:
    said = client.get("/api/v1/openapi.json")
    document = said.get_json()
    assert document["openapi"].startswith("3.1")
    told = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    real = {
        (method, rule.rule.removeprefix(api.PREFIX).replace("<", "{").replace(">", "}"))
        for rule in desk.app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert told == real
    text = said.get_data(as_text=True)
    for named in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert named in document["components"]["schemas"]


def test_what_the_document_promises_is_what_comes(desk: DeskRoom, client: FlaskClient) -> None:
    document = openapi.document(api.PREFIX)
    desk.agent("li.na", "ready")
    desk.waiting()
    number = desk.ticket(patient_id=desk.patient())
    headers = desk.token(*tokens.SCOPES)
    for path, shape in ((f"/tickets/{number}", "TicketOut"), ("/tickets", "TicketsOut"), ("/queue", "QueueOut")):
        given = client.get(api.PREFIX + path, headers=headers).get_json()
        fits(document, {"$ref": f"#/components/schemas/{shape}"}, given, path)


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str) -> None:
    """As much of JSON Schema as our shapes use."""
    if "$ref" in schema:
        return fits(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]], value, at)
    if "anyOf" in schema:
        assert any(_does(document, one, value) for one in schema["anyOf"]), at
        return None
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
        "number": (int, float),
    }  # fmt: skip
    assert isinstance(value, kinds[schema["type"]]), (at, value)
    if schema["type"] == "object":
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"]), at
        for name, inner in value.items():
            fits(document, schema["properties"][name], inner, f"{at}.{name}")
    if schema["type"] == "array":
        for number, inner in enumerate(value):
            fits(document, schema["items"], inner, f"{at}[{number}]")
    return None


def _does(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    try:
        fits(document, schema, value, "")
    except AssertionError:
        return False
    return True


def test_the_headers_of_every_answer(desk: DeskRoom, client: FlaskClient) -> None:
    for path in ("/api/v1/openapi.json", "/api/v1/tickets", "/api/v1/nothing"):
        said = client.get(path)
        assert said.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in said.headers
