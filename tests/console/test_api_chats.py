"""Chats through the API: what comes of them, and every refusal in the words of who wrote the program."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from console import api, openapi
from core.models import EventRow
from recordings.chat_models import Chat
from recordings.sampling.chat_shapes import MOST_CHATS
from tests.console.desk_room import MRN, DeskRoom
from tests.console.test_api import fits, is_problem

PATH = "/api/v1/chats"


@pytest.fixture
def client(desk: DeskRoom) -> FlaskClient:
    return desk.app.test_client()


def chat(desk: DeskRoom, number: int = 1, **more: Any) -> dict[str, Any]:
    start = desk.now - timedelta(hours=1)
    said = (("patient", "Where can I park?"), ("agent", "Behind the main building."))
    return {
        "external_id": f"c-{number}", "channel": "web", "agent": "li.na",
        "lines": [
            {"at": (start + timedelta(minutes=after)).isoformat(), "who": who, "text": text}
            for after, (who, text) in enumerate(said)
        ],
    } | more  # fmt: skip


def test_chats_are_taken_once_however_often_they_are_sent(desk: DeskRoom, client: FlaskClient) -> None:
    desk.agent("li.na", "ready")
    patient, headers = desk.patient(), desk.token("chats")
    body = {"chats": [chat(desk, 1, mrn=MRN, satisfaction=5), chat(desk, 2)]}
    first = client.post(PATH, json=body, headers=headers)
    again = client.post(PATH, json=body | {"chats": [*body["chats"], chat(desk, 3)]}, headers=headers)
    last = client.post(PATH, json=body, headers=headers)
    assert [said.status_code for said in (first, again, last)] == [201, 201, 200]
    assert [one["result"] for one in again.get_json()["chats"]] == ["unchanged", "unchanged", "created"]
    fits(openapi.document(api.PREFIX), {"$ref": "#/components/schemas/ChatsOut"}, last.get_json(), "chats")
    rows = {row.external_id: row for row in desk.every(Chat)}
    assert str(rows["c-1"].id) == first.get_json()["chats"][0]["id"]
    assert (rows["c-1"].patient_id, rows["c-2"].patient_id) == (patient, None)
    with desk.house.transaction() as session:
        who = session.scalars(sa.select(EventRow.who).where(EventRow.kind == "chat")).all()
    assert who == ["api:program for chats"] * 3


def test_one_that_cannot_be_taken_keeps_all_out_and_each_is_told(desk: DeskRoom, client: FlaskClient) -> None:
    desk.agent("li.na", "ready")
    headers = desk.token("chats")
    client.post(PATH, json={"chats": [chat(desk, 9)]}, headers=headers)
    wrong = [chat(desk, 2, agent="nobody"), chat(desk, 3, mrn="X-1"), chat(desk, 9, transfers=1)]
    said = client.post(PATH, json={"chats": [chat(desk, 1), *wrong]}, headers=headers)
    told = is_problem(said, 422)
    assert [one["where"] for one in told["errors"]] == ["chats.1.agent", "chats.2.mrn", "chats.3.external_id"]
    assert "X-1" not in said.get_data(as_text=True)
    assert len(desk.every(Chat)) == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"channel": "fax"}, "channel"), ({"external_id": ""}, "external_id"), ({"lines": []}, "lines"),
        ({"satisfaction": 6}, "satisfaction"), ({"satisfaction": 0}, "satisfaction"), ({"transfers": -1}, "transfers"),
        ({"reason": "weather"}, "reason"), ({"language": "fr"}, "language"), ({"colour": "red"}, "colour"),
        ({"agent": None}, "agent must say"), ({"external_id": "a\x00b"}, "external_id"),
        ({"lines": [{"at": "2031-03-07T09:00:00", "who": "patient", "text": "x"}]}, "lines.0.at"),
        ({"lines": [{"at": "2031-03-07T09:00:00Z", "who": "robot", "text": "x"}]}, "lines.0.who"),
        ({"lines": [{"at": "2031-03-07T09:00:00Z", "who": "patient", "text": "x" * 4001}]}, "lines.0.text"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_told_field_by_field(
    desk: DeskRoom, client: FlaskClient, change: dict[str, Any], where: str
) -> None:
    desk.agent("li.na", "ready")
    said = client.post(PATH, json={"chats": [chat(desk, 1) | change]}, headers=desk.token("chats"))
    errors = is_problem(said, 422)["errors"]
    assert any(where in f"{one['where']} {one['what']}" for one in errors), errors
    assert desk.every(Chat) == []


def test_a_hundred_fit_and_no_more(desk: DeskRoom, client: FlaskClient) -> None:
    desk.agent("li.na", "ready")
    headers = desk.token("chats")
    start = desk.now - timedelta(hours=2)
    lines = [
        {"at": (start + timedelta(seconds=after)).isoformat(), "who": "patient", "text": "您好，我想咨询一下" * 5}
        for after in range(60)
    ]
    many = [chat(desk, number, lines=lines, agent=None) for number in range(MOST_CHATS)]
    assert client.post(PATH, json={"chats": many}, headers=headers).status_code == 201
    assert len(desk.every(Chat)) == MOST_CHATS
    is_problem(client.post(PATH, json={"chats": [*many, chat(desk, 101)]}, headers=headers), 422)
    is_problem(client.post(PATH, json={"chats": []}, headers=headers), 422)
    huge = client.post(PATH, data=b" " * (3 * 1024 * 1024), headers=headers, content_type="application/json")
    assert "2048 KiB" in is_problem(huge, 413)["detail"]
    headers = desk.token("feedback")
    small = client.post("/api/v1/feedback", data=b" " * 70_000, headers=headers, content_type="application/json")
    assert "64 KiB" in is_problem(small, 413)["detail"]


def test_an_agent_who_has_left_is_still_known(desk: DeskRoom, client: FlaskClient) -> None:
    from dialer.models import Agent

    desk.agent("li.na", "ready")
    with desk.house.transaction() as session:
        session.execute(sa.update(Agent).values(active=False))
    said = client.post(PATH, json={"chats": [chat(desk, 1)]}, headers=desk.token("chats"))
    assert uuid.UUID(said.get_json()["chats"][0]["id"])
