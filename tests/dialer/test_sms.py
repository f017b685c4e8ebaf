"""SMS: one per subject and kind, inside the hours and with consent, and never twice because an answer was lost."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from core import events, people
from core.events import Bus
from core.models import DoNotCall, Patient, new_id
from dialer import sms
from dialer.models import Message
from tests.dialer.ward import PATIENT_PHONE, Ward
from tests.house import MID_MORNING

LAG_S, GRACE_S = 60, 20
UNREACHABLE, OPTED_OUT = "+15005550002", "+15005550004"
"""Numbers the carrier refuses."""
BODY = "Recovery tips. 祝您早日康复。"


def planned(
    ward: Ward,
    patient: Patient,
    *,
    subject: uuid.UUID | None = None,
    kind: str = "recovery",
    to: str = PATIENT_PHONE,
    clinical: bool = False,
    give_up_at: datetime | None = None,
) -> Message:
    with ward.house.transaction() as session:
        return sms.plan(
            session, kind=kind, subject_id=subject or new_id(), patient_id=patient.id, to=to, body=BODY,
            due_at=ward.now, now=ward.now, clinical=clinical, give_up_at=give_up_at,
        )  # fmt: skip


@pytest.fixture
def bus_of_its_own(ward: Ward) -> Iterator[None]:
    """The house gets its own bus back: it is shared with the other tests."""
    bus = ward.house.bus
    yield
    ward.house.bus = bus


def tick(ward: Ward) -> int:
    with ward.house.transaction() as session:
        return sms.due(session, ward.now)


def state(ward: Ward, message: Message) -> Message:
    with ward.house.transaction() as session:
        return session.get_one(Message, message.id)


def says(ward: Ward, message: Message, word: str, sid: str = "SM" + "9" * 32, code: int | None = None) -> None:
    with ward.house.transaction() as session:
        sms.carrier_says(session, message.id, sid, word, ward.now, code)


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


def test_in_the_quiet_hours_it_waits_for_their_end_and_leaves_a_refusal(ward: Ward) -> None:
    message, morning = planned(ward, ward.patient()), MID_MORNING.replace(hour=0) + timedelta(days=1)
    ward.at(MID_MORNING.replace(hour=14, minute=30))
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).due_at) == ("planned", morning)
    assert [r.reason for r in ward.refusals()] == ["quiet_hours"]
    ward.at(morning)
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


def test_a_word_in_the_night_does_not_wait(ward: Ward) -> None:
    ward.at(MID_MORNING.replace(hour=17))
    message = planned(ward, ward.patient(), kind="night_notice")
    tick(ward)
    ward.work()
    assert state(ward, message).status == "sent"


def test_a_refused_message_has_failed_with_the_code(ward: Ward) -> None:
    message = planned(ward, ward.patient(UNREACHABLE), to=UNREACHABLE)
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).why) == ("failed", "carrier_code code=21612")


def test_a_number_that_told_the_carrier_to_stop_is_left_alone_by_us_too(ward: Ward) -> None:
    patient = ward.patient(OPTED_OUT)
    first, second = (planned(ward, patient, to=OPTED_OUT) for _ in range(2))
    with ward.house.transaction() as session:
        session.get_one(Message, second.id).due_at = ward.now + timedelta(hours=1)
    tick(ward)
    ward.work()
    assert (state(ward, first).status, state(ward, first).why) == ("failed", "carrier_code code=21610")
    assert (state(ward, second).status, ward.carrier.messages) == ("cancelled", [])
    with ward.house.transaction() as session:
        assert session.get_one(DoNotCall, people.phone_index(OPTED_OUT)).source == "sms"


# ---- a message of a treatment that does not arrive is work, once ----------------------------------
def failures(ward: Ward) -> tuple[list[events.MessageFailed], list[events.WorkWanted]]:
    """What the house is told from now on."""
    failed: list[events.MessageFailed] = []
    work: list[events.WorkWanted] = []
    bus = Bus()
    bus.subscribe(events.MessageFailed, lambda session, event, now: failed.append(event))
    bus.subscribe(events.WorkWanted, lambda session, event, now: work.append(event))
    ward.house.bus = bus
    return failed, work


@pytest.mark.parametrize("word", ["failed", "undelivered"])
@pytest.mark.parametrize("clinical", [True, False])
def test_what_does_not_arrive_is_told_once_and_is_work_if_it_is_part_of_a_treatment(
    ward: Ward, word: str, clinical: bool, bus_of_its_own: None
) -> None:
    patient, subject = ward.patient(), new_id()
    message = planned(ward, patient, subject=subject, clinical=clinical)
    tick(ward)
    ward.work()
    failed, work = failures(ward)
    for told in (word, "sent", word, "failed", "undelivered", "delivered"):
        says(ward, message, told, code=30003)
    assert (state(ward, message).status, state(ward, message).why) == (word, "carrier_code code=30003")
    assert failed == [events.MessageFailed(message.id, "recovery", subject, patient.id, clinical)]
    expected = [events.WorkWanted("sms_failed", patient.id, subject, "carrier_code code=30003")] if clinical else []
    assert work == expected


@pytest.mark.parametrize(
    ("to", "hours", "reason", "is_work"),
    [
        ("+861055550199", 0, "not_their_number", True),
        (PATIENT_PHONE, 48, "deadline_passed", True),
        (PATIENT_PHONE, 0, "no_consent", False),
    ],
)
def test_a_refusal_of_the_gate_is_work_only_if_the_patient_did_not_ask_for_it(
    ward: Ward, to: str, hours: int, reason: str, is_work: bool, bus_of_its_own: None
) -> None:
    message = planned(ward, ward.patient(consents="followup" if is_work else ""), to=to, clinical=True)
    failed, work = failures(ward)
    ward.forward(hours=hours)
    tick(ward)
    ward.work()
    assert (state(ward, message).status, state(ward, message).why) == ("cancelled", reason)
    assert [event.message_id for event in failed] == [message.id]
    assert [event.why for event in work] == ([reason] if is_work else [])


def test_a_message_is_not_held_by_a_pause_beyond_its_own_time(ward: Ward) -> None:
    ward.settings("[hospital]\nlive = false")
    message = planned(ward, ward.patient(), give_up_at=ward.now + timedelta(minutes=5))
    for _ in range(12):
        tick(ward)
        ward.work()
        ward.forward(seconds=30)
    assert (state(ward, message).status, state(ward, message).why) == ("cancelled", "deadline_passed")


def test_what_has_not_left_can_be_taken_back(ward: Ward) -> None:
    patient, subject = ward.patient(), new_id()
    message = planned(ward, patient, subject=subject)
    other = planned(ward, patient, subject=subject, kind="missed")
    with ward.house.transaction() as session:
        assert sms.cancel(session, subject, "recovery", "the visit was moved", ward.now)
        assert not sms.cancel(session, subject, "recovery", "again", ward.now)
    assert (state(ward, message).status, state(ward, message).why) == ("cancelled", "the visit was moved")
    tick(ward)
    ward.work()
    assert state(ward, other).status == "sent"
    with ward.house.transaction() as session:
        assert not sms.cancel(session, subject, "missed", "too late", ward.now)


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


def test_a_worker_that_was_held_up_after_its_claim_does_not_send(ward: Ward) -> None:
    message = planned(ward, ward.patient())
    with ward.house.transaction() as session:
        claimed = sms.claim(session, message.id, ward.now)
    assert claimed is not None
    with ward.house.transaction() as session:
        assert sms.may_send(session, message.id, claimed.posted_at, ward.now)
        assert not sms.may_send(session, message.id, claimed.posted_at, ward.now + timedelta(minutes=5))
