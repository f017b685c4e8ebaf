"""Carrier routes answer only who can sign, whatever the URL looks like (docs/twilio.md 3.1)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from core.webhook import SIGNED, signed_blueprint
from tests.house import TOKEN, environment

PUBLIC = "http://127.0.0.1:8000"
SECOND = "another-token-for-tests"


def client(tmp_path: Path, **more: str) -> FlaskClient:
    flask = Flask("test")
    settings = environment(tmp_path, "postgresql+psycopg://nowhere/none", **more)
    flask.extensions["carecall"] = SimpleNamespace(settings=settings)
    blueprint = signed_blueprint("test", __name__)
    blueprint.post("/hook/<path:rest>")(lambda rest: {"at": rest, "args": request.args.to_dict()})
    flask.register_blueprint(blueprint)
    SIGNED.discard("test")
    return flask.test_client()


def post(web: FlaskClient, target: str, form: dict[str, str] | MultiDict[str, str], token: str = TOKEN) -> int:
    signature = RequestValidator(token).compute_signature(PUBLIC + target, form)
    return web.post(target, data=form, headers={"X-Twilio-Signature": signature}).status_code


@pytest.mark.parametrize(
    "target",
    [
        "/hook/a",
        "/hook/a?",
        "/hook/a?x=%E4%B8%AD",
        "/hook/a?next=http%3A%2F%2Fexample.org%2Fb",
        "/hook/a?x=1%7C2",
        "/hook/a?x=one+two",
        "/hook/a?x=one%20two",
        "/hook/a?x=%2B8610",
        "/hook/a?x=",
        "/hook/a?x",
        "/hook/a?x=1&x=2&x=1",
        "/hook/a?b=1&a=2",
        "/hook/a/8b1f5a0e-0000-4000-8000-000000000000/3",
    ],
)
def test_what_was_signed_as_it_was_sent_is_let_in(tmp_path: Path, target: str) -> None:
    # A bare trailing "?" is not part of what either side signs.
    assert post(client(tmp_path), target.rstrip("?"), {"CallSid": "CA1", "Digits": "7"}) == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"Digits": ""},
        {"b": "2", "a": "1", "B": "3"},
        {"SpeechResult": "伤口 bleeds | a+b %2B &c=d"},
        MultiDict([("Digits", "5"), ("Digits", "6"), ("Digits", "5")]),
    ],
)
def test_every_form_that_was_signed_is_let_in(tmp_path: Path, form: dict[str, str]) -> None:
    assert post(client(tmp_path), "/hook/a", form) == 200


@pytest.mark.parametrize("signature", [None, "", "nonsense", "0" * 28, "é"])
def test_without_the_right_signature_nobody_is_let_in(tmp_path: Path, signature: str | None) -> None:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    answer = client(tmp_path).post("/hook/a", data={"Digits": "7"}, headers=headers)
    assert answer.status_code == 403
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("target", "form"),
    [
        ("/hook/a?x=1", {"Digits": "7"}),
        ("/hook/b", {"Digits": "7"}),
        ("/hook/a", {"Digits": "8"}),
        ("/hook/a", {"Digits": "7", "More": ""}),
        ("/hook/a", {}),
    ],
)
def test_a_signature_is_good_for_one_request_only(tmp_path: Path, target: str, form: dict[str, str]) -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/hook/a", {"Digits": "7"})
    answer = client(tmp_path).post(target, data=form, headers={"X-Twilio-Signature": signature})
    assert answer.status_code == 403


def test_while_tokens_rotate_both_are_good_and_no_third(tmp_path: Path) -> None:
    web = client(tmp_path, TWILIO_AUTH_TOKEN_SECONDARY=SECOND)
    assert [post(web, "/hook/a", {"a": "1"}, token) for token in (TOKEN, SECOND, "third")] == [200, 200, 403]
    assert post(client(tmp_path), "/hook/a", {"a": "1"}, SECOND) == 403


@pytest.mark.parametrize("token", ["", TOKEN, "None"])
def test_without_a_token_the_routes_are_shut(tmp_path: Path, token: str) -> None:
    assert post(client(tmp_path, TWILIO_AUTH_TOKEN=""), "/hook/a", {"a": "1"}, token) == 403


def test_what_is_registered_as_signed_is_known_by_name() -> None:
    name = "only for this test"
    signed_blueprint(name, __name__)
    assert name in SIGNED
    SIGNED.discard(name)
