"""SMS: one per subject and kind, inside the hours and with consent, and never twice because an answer was lost."""

from __future__ import annotations

import itertools
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import people
from core.models import Patient, new_id
from dialer import sms
from dialer.models import Message
from tests.dialer.ward import PATIENT_PHONE, Ward
from tests.house import MID_MORNING

LAG_S, GRACE_S = 60, 20
BODY = "Recovery tips. 祝您早日康复。"


def planned(ward: Ward, patient: Patient, *, subject: uuid.UUID | None = None, kind: str = "recovery") -> Message:
    with ward.house.transaction() as session:
        return sms.plan(
            session, kind=kind, subject_id=subject or new_id(), patient_id=patient.id, to=PATIENT_PHONE, body=BODY,
            due_at=ward.now, now=ward.now,
        )  # fmt: skip


def tick(ward: Ward) -> int:
    with ward.house.transaction() as session:
        return sms.due(session, ward.now)


def state(ward: Ward, message: Message) -> Message:
    with ward.house.transaction() as session:
        return session.get_one(Message, message.id)


def says(ward: Ward, message: Message, word: str, sid: str = "SM" + "9" * 32) -> None:
    with ward.house.transaction() as session:
        sms.carrier_says(session, message.id, sid, word, ward.now)


def test_a_message_is_planned_once_for_a_subject_and_kind(ward: Ward) -> None:
    patient, subject = ward.patient(), new_id()
    first = planned(ward, patient, subject=subject)
    assert planned(ward, patient, subject=subject).id == first.id
    assert planned(ward, patient, subject=subject, kind="other").id != first.id
    assert planned(ward, patient).id != first.id
    with ward.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Message)) == 3


def test_it_is_sent_at_its_hour_and_once(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    for _ in range(3):
        tick(ward)
        ward.work()
        ward.forward(seconds=GRACE_S)
    assert [(m.to, m.body) for m in ward.carrier.messages] == [(PATIENT_PHONE, BODY)]
    assert (state(ward, message).status, state(ward, message).sid) == ("sent", ward.carrier.messages[0].sid)


def test_a_message_is_not_due_before_its_hour(ward: Ward) -> None:
    planned(ward, ward.patient())
    ward.at(MID_MORNING - timedelta(seconds=1))
    assert tick(ward) == 0


def test_outside_the_hours_it_waits_for_the_next_opening_and_leaves_a_refusal(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.at(MID_MORNING.replace(hour=4, minute=30))
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).due_at) == ("planned", MID_MORNING.replace(hour=6))
    assert [r.reason for r in ward.refusals()] == ["outside_window"]
    ward.at(MID_MORNING.replace(hour=6))
    tick(ward)
    ward.work()
    assert state(ward, message).status == "sent"


@pytest.mark.parametrize("reason", ["no_consent", "do_not_call", "deceased", "deadline_passed"])
def test_what_must_not_be_sent_is_cancelled_with_its_reason(ward: Ward, reason: str) -> None:
    patient = ward.patient()
    message = planned(ward, patient)
    with ward.house.transaction() as session:
        if reason == "no_consent":
            people.set_consent(session, patient.id, "followup", False, "keypad", ward.now)
        elif reason == "do_not_call":
            people.add_do_not_call(session, PATIENT_PHONE, "a test", ward.now)
        elif reason == "deceased":
            session.get_one(Patient, patient.id).status = "deceased"
    if reason == "deadline_passed":
        ward.forward(days=2)
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).why, ward.carrier.messages) == ("cancelled", reason, [])


def test_a_refused_message_has_failed_with_the_code(ward: Ward) -> None:
    patient = ward.patient()
    with ward.house.transaction() as session:
        message = sms.plan(
            session, kind="recovery", subject_id=new_id(), patient_id=patient.id, to="+15005550004", body=BODY,
            due_at=ward.now, now=ward.now,
        )  # fmt: skip
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).why) == ("failed", "carrier code 21610")


def test_a_carrier_too_busy_to_look_is_asked_again(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.too_many = 1
    for _ in range(2):
        tick(ward)
        ward.work()
        ward.forward(seconds=GRACE_S)
    assert (state(ward, message).status, len(ward.carrier.messages)) == ("sent", 1)


def test_a_lost_answer_is_looked_up_and_adopted(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.lose_answers = 1
    tick(ward)
    ward.work()
    assert state(ward, message).status == "sending"
    ward.carrier.messages[0].status = "delivered"
    ward.forward(seconds=GRACE_S)
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).sid) == ("delivered", ward.carrier.messages[0].sid)


def test_a_list_that_lags_does_not_make_it_be_sent_twice(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.lose_answers, ward.carrier.list_lag_s = 1, LAG_S
    for _ in range(20):
        tick(ward)
        ward.work()
        ward.forward(seconds=10)
    assert (state(ward, message).status, len(ward.carrier.messages)) == ("sent", 1)


def test_what_is_not_in_the_list_when_the_lag_has_passed_is_sent_again(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.unreachable = True
    tick(ward)
    ward.work()
    ward.carrier.unreachable = False
    for _ in range(12):
        ward.forward(seconds=10)
        tick(ward)
        ward.work()
    assert (state(ward, message).status, len(ward.carrier.messages)) == ("sent", 1)


def test_a_carrier_that_cannot_be_asked_settles_nothing(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.unreachable = True
    for _ in range(10):
        tick(ward)
        ward.work()
        ward.forward(seconds=GRACE_S)
    assert state(ward, message).status == "sending"


def test_a_family_that_shares_a_phone_gets_the_same_words_for_each(ward: Ward) -> None:
    first, second = planned(ward, ward.patient()), planned(ward, ward.patient())
    tick(ward)
    ward.carrier.while_posting = lambda: setattr(ward.carrier, "unreachable", True)  # for the second one
    ward.work()
    ward.carrier.unreachable = False
    in_doubt = next(m for m in (first, second) if state(ward, m).status == "sending")
    for _ in range(12):
        ward.forward(seconds=10)
        tick(ward)
        ward.work()
    assert state(ward, in_doubt).status == "sent"
    assert len({state(ward, first).sid, state(ward, second).sid}) == 2
    assert len(ward.carrier.messages) == 2


def test_a_callback_that_named_it_is_worth_more_than_a_list_that_does_not(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.lose_answers, ward.carrier.list_lag_s = 1, 10_000
    tick(ward)
    ward.work()
    says(ward, message, "sending", ward.carrier.messages[0].sid)
    for _ in range(12):
        ward.forward(seconds=10)
        tick(ward)
        ward.work()
    assert (state(ward, message).status, len(ward.carrier.messages)) == ("sent", 1)


def test_a_delivery_that_is_heard_of_after_it_was_given_up_stops_the_second_one(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    ward.carrier.lose_answers, ward.carrier.list_lag_s = 1, 10_000
    tick(ward)
    ward.work("send_message")
    ward.forward(seconds=LAG_S + GRACE_S)
    tick(ward)
    ward.work("look_message")
    assert state(ward, message).status == "planned"
    says(ward, message, "delivered")
    tick(ward)
    ward.work()
    assert (state(ward, message).status, len(ward.carrier.messages)) == ("delivered", 1)


def test_status_callbacks_in_any_order_end_delivered(ward: Ward) -> None:
    words = ("sending", "sent", "delivered", "sent")
    for order in set(itertools.permutations(words)):
        message = planned(ward, ward.patient())
        with ward.house.transaction() as session:
            row = session.get_one(Message, message.id)
            row.status = "sending"
            for word in order:
                sms.carrier_says(session, message.id, f"SM{message.id.hex}", word, ward.now)
            assert row.status == "delivered", order


@pytest.mark.parametrize("end", ["delivered", "undelivered", "failed", "cancelled"])
def test_an_end_is_the_end(ward: Ward, end: str) -> None:
    message = planned(ward, ward.patient())
    with ward.house.transaction() as session:
        session.get_one(Message, message.id).status = end
    for word in ("sending", "sent", "delivered", "undelivered", "failed"):
        says(ward, message, word)
    assert state(ward, message).status == end
