"""Machine detection: a hint that never ends a conversation, and never says a word about health."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask
from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator

import dialer.webhooks
from core.house import House
from core.models import record
from dialer.machine import ANSWERED_BY_WORDS
from tests.dialer.ward import Ward
from tests.house import TOKEN


@pytest.fixture
def web(house: House) -> FlaskClient:
    made = Flask("amd")
    made.extensions["carecall"] = house
    made.register_blueprint(dialer.webhooks.blueprint)
    return made.test_client()


def answered(ward: Ward, *, detection: bool = True) -> uuid.UUID:
    ward.settings(f"[calling]\nlines = 9\n[followup]\nmachine_detection = {str(detection).lower()}")
    attempt = ward.placed(ward.ring(patient_id=ward.patient().id))
    ward.work("place_routine")
    ward.answers(attempt.id)
    return attempt.id


def verdict(ward: Ward, web: FlaskClient, attempt_id: uuid.UUID, word: str) -> int:
    form = {"CallSid": str(ward.attempt(attempt_id).sid), "AnsweredBy": word, "MachineDetectionDuration": "4000"}
    path = f"/dialer/amd/{attempt_id}"
    signature = RequestValidator(TOKEN).compute_signature(f"{ward.house.settings.public_url}{path}", form)
    return web.post(path, data=form, headers={"X-Twilio-Signature": signature}).status_code


@pytest.mark.parametrize("wanted", [True, False])
def test_the_carrier_is_asked_to_listen_only_if_the_hospital_wants_it(ward: Ward, wanted: bool) -> None:
    attempt_id = answered(ward, detection=wanted)
    [call] = ward.carrier.calls
    assert (call.machine_callback or "").endswith(f"/dialer/amd/{attempt_id}") is wanted


def test_a_doctors_phone_is_never_listened_to(ward: Ward) -> None:
    ward.settings("[followup]\nmachine_detection = true")
    shift = ward.doctor(1)
    ward.placed(ward.ring("doctor", shift.phone, shift_id=shift.id))
    ward.work("place_escalation")
    assert [call.machine_callback for call in ward.carrier.calls] == [None]


@pytest.mark.parametrize("word", ANSWERED_BY_WORDS)
def test_every_word_of_the_carrier_is_kept_and_only_a_machine_is_left_a_word(
    ward: Ward, web: FlaskClient, word: str
) -> None:
    attempt_id = answered(ward)
    assert verdict(ward, web, attempt_id, word) == 204
    assert ward.attempt(attempt_id).answered_by == ANSWERED_BY_WORDS[word]
    ward.work("leave_word")
    said = list(ward.carrier.said.values())
    assert bool(said) is (ANSWERED_BY_WORDS[word] == "machine")
    for document in said:
        assert "Example" in document or "health service centre" in document
        for told in ("pain", "surgery", "operation", "hospital", "doctor"):
            assert told not in document.lower()


def test_who_has_pressed_a_key_is_not_cut_off_for_a_machine(ward: Ward, web: FlaskClient) -> None:
    attempt_id = answered(ward)
    call = ward.answers(attempt_id)
    assert call is not None
    with ward.house.transaction() as session:
        record(session, "call", call.id, "who", ward.now, who="caller", says="self")
    verdict(ward, web, attempt_id, "machine_end_beep")
    ward.work("leave_word")
    assert ward.carrier.said == {}


def test_a_second_verdict_and_one_after_the_end_change_nothing(ward: Ward, web: FlaskClient) -> None:
    attempt_id = answered(ward)
    verdict(ward, web, attempt_id, "human")
    verdict(ward, web, attempt_id, "machine_start")
    assert ward.attempt(attempt_id).answered_by == "human"
    late = answered_and_over(ward)
    verdict(ward, web, late, "machine_end_beep")
    assert "leave_word" not in ward.queued()


def answered_and_over(ward: Ward) -> uuid.UUID:
    attempt = ward.placed(ward.ring(to="+861055550155", patient_id=ward.patient("+861055550155").id))
    ward.work("place_routine")
    ward.answers(attempt.id)
    ward.says(attempt.id, "completed")
    return attempt.id


def test_a_word_we_do_not_know_is_counted_and_changes_nothing(ward: Ward, web: FlaskClient) -> None:
    attempt_id = answered(ward)
    assert verdict(ward, web, attempt_id, "a_ghost") == 204
    assert ward.attempt(attempt_id).answered_by is None
    assert "unknown carrier word" in ward.ledger(attempt_id)


@pytest.mark.parametrize("what", ["language chosen", "operator wanted", "recording declined", "identity confirmed"])
def test_any_key_is_a_person(ward: Ward, web: FlaskClient, what: str) -> None:
    attempt_id = answered(ward)
    call = ward.answers(attempt_id)
    assert call is not None
    with ward.house.transaction() as session:
        record(session, "call", call.id, what, ward.now, who="caller")
    verdict(ward, web, attempt_id, "machine_end_beep")
    ward.work("leave_word")
    assert ward.carrier.said == {}
