"""SMS to staff: at once, ahead of everything, at any hour, without a word about who the patient is, and never late."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import events
from core.models import Pause, new_id
from dialer import inbound, sms
from dialer.models import Message
from scheduler.models import WorkItem
from tests.dialer.test_escalation import opened
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward

DOCTOR = DOCTOR_PHONES[0]


def alerted(ward: Ward, *, to: str = DOCTOR, kind: str = "doctor_alert", subject: uuid.UUID | None = None) -> Message:
    with ward.house.transaction() as session:
        return sms.alert(session, kind=kind, subject_id=subject or new_id(), to=to, body="pain 7", now=ward.now)


def state(ward: Ward, message: Message) -> tuple[str, str]:
    with ward.house.transaction() as session:
        row = session.get_one(Message, message.id)
        return row.status, row.why


def tick(ward: Ward) -> int:
    with ward.house.transaction() as session:
        return sms.due(session, ward.now)


def test_it_leaves_in_the_night_without_anybodys_consent(ward: Ward) -> None:
    ward.forward(hours=16)  # two in the morning
    message = alerted(ward)
    ward.work("send_alert")
    assert state(ward, message)[0] == "sent"
    assert [(one.to, one.body) for one in ward.carrier.messages] == [(DOCTOR, "pain 7")]


def test_it_is_one_per_subject_and_does_not_wait_for_the_tick(ward: Ward) -> None:
    subject = new_id()
    first = alerted(ward, subject=subject)
    assert alerted(ward, subject=subject).id == first.id
    assert ward.queued() == ["send_alert"]
    assert tick(ward) == 0


def test_it_goes_ahead_of_a_backlog_of_routine_messages(ward: Ward) -> None:
    patient = ward.patient()
    for _ in range(30):
        with ward.house.transaction() as session:
            sms.plan(
                session, kind="recovery", subject_id=new_id(), patient_id=patient.id, to=PATIENT_PHONE, body="tips",
                due_at=ward.now, now=ward.now,
            )  # fmt: skip
    tick(ward)
    alerted(ward)
    ward.work()
    assert len(ward.carrier.messages) == 31
    assert ward.carrier.messages[0].to == DOCTOR


def test_a_job_that_was_lost_is_made_up_for_by_the_tick(ward: Ward) -> None:
    message = alerted(ward)
    ward.drop_jobs()
    ward.forward(seconds=21)
    assert tick(ward) == 1
    assert ward.queued() == ["send_alert"]
    ward.work()
    assert state(ward, message)[0] == "sent"


def test_a_stale_one_is_not_sent(ward: Ward) -> None:
    message = alerted(ward)
    ward.drop_jobs()
    ward.forward(minutes=5)
    tick(ward)
    ward.work()
    assert state(ward, message) == ("cancelled", "deadline_passed")
    assert ward.carrier.messages == []


def test_a_pause_of_everything_holds_it_and_one_of_the_routine_does_not(ward: Ward) -> None:
    with ward.house.transaction() as session:
        session.add(Pause(lane="routine", reason="x", who="x", started_at=ward.now))
    through = alerted(ward)
    ward.work("send_alert")
    assert state(ward, through)[0] == "sent"
    with ward.house.transaction() as session:
        session.add(Pause(lane="all", reason="x", who="x", started_at=ward.now))
    held = alerted(ward)
    ward.work("send_alert")
    assert state(ward, held)[0] == "planned"
    assert [refusal.reason for refusal in ward.refusals()] == ["paused"]


def test_a_hospital_that_is_not_live_writes_to_allowed_numbers_only(ward: Ward) -> None:
    ward.settings(f'[hospital]\nlive = false\nallow_numbers = ["{DOCTOR}"]')
    allowed, other = alerted(ward), alerted(ward, to=DOCTOR_PHONES[1])
    ward.work("send_alert")
    assert (state(ward, allowed)[0], state(ward, other)[0]) == ("sent", "planned")


@pytest.mark.parametrize("number", ["+15005550002", "+15005550004"])
def test_one_the_carrier_refuses_is_in_the_ledger_and_nobodys_work(ward: Ward, number: str) -> None:
    message = alerted(ward, to=number)
    ward.work("send_alert")
    assert state(ward, message)[0] == "failed"
    assert ward.ledger(message.id) == ["planned", "posting", "failed"]
    with ward.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WorkItem)) == 0


def test_the_carrier_does_not_answer_and_the_ring_goes_on(ward: Ward) -> None:
    ward.doctor(0)
    message = alerted(ward)
    ward.carrier.lose_answers = 1
    ward.work("send_alert")
    assert state(ward, message)[0] == "sending"
    opened(ward)
    ward.work("place_escalation")
    assert ward.carrier.rung() == [DOCTOR]


def test_only_kinds_for_staff_go_this_way(ward: Ward) -> None:
    with pytest.raises(ValueError, match="recovery"):
        alerted(ward, kind="recovery")


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("pain 7", "48 h after surgery", "surgery", "press 1")), ("zh-CN", ("疼痛7分", "术后48小时", "按1"))],
)
def test_it_says_how_bad_and_where_and_not_who(ward: Ward, language: str, words: tuple[str, ...]) -> None:
    ward.doctor(0)
    escalation = opened(ward)
    with ward.house.transaction() as session:
        ring = ward.attempts(kind="doctor")[0]
        session.execute(sa.delete(Message))
        rung = events.DoctorRung(ring.id, escalation.id, DOCTOR, language)
        sms.on_doctor_rung(session, rung, ward.now)
        late = sms.night_words(session, escalation, language, ward.now + timedelta(minutes=6))
    ward.work("send_alert")
    sent = ward.carrier.messages[-1].body
    assert all(word in sent for word in words)
    assert "6" in late
    for text in (sent, late):
        assert not any(secret in text for secret in ("Ann", "Example,", PATIENT_PHONE, "T-1", "1961", "*"))


def test_an_alarm_without_a_score_or_an_operation_is_told_too(ward: Ward) -> None:
    escalation = opened(ward)
    escalation.score, escalation.hours, escalation.department = None, None, "*"
    with ward.house.transaction() as session:
        assert "alert: a warning sign. We" in sms.doctor_words(session, escalation, "en")
        assert "警报：危险信号。" in sms.doctor_words(session, escalation, "zh-CN")


def test_a_hospital_may_do_without(ward: Ward) -> None:
    ward.settings("[escalation]\nsms = false")
    ward.doctor(0)
    opened(ward)
    assert len(ward.attempts(kind="doctor")) == 1
    assert "send_alert" not in ward.queued()


def test_the_night_target_is_written_to_once_per_call_in(ward: Ward) -> None:
    ward.settings(f'[hospital]\nlive = true\nnight_target = "{DOCTOR_PHONES[9]}"')
    escalation = opened(ward)  # nobody is on duty
    ward.publish(events.NightCalledIn(escalation.id, DOCTOR_PHONES[9]))
    ward.work("send_alert")
    assert [one.to for one in ward.carrier.messages] == [DOCTOR_PHONES[9]]


# ---- what a doctor writes back -------------------------------------------------------------------------
def writes(ward: Ward, body: str, sender: str = DOCTOR) -> str | None:
    with ward.house.transaction() as session:
        return inbound.take(session, inbound.Received(f"SM{new_id().hex}", sender, body), ward.now)


def work(ward: Ward) -> list[tuple[str, uuid.UUID | None, str]]:
    with ward.house.transaction() as session:
        return [(row.kind, row.patient_id, row.why) for row in session.scalars(sa.select(WorkItem))]


def test_a_doctors_answer_is_no_patients_and_he_hears_that_only_the_ring_counts(ward: Ward) -> None:
    alerted(ward)
    ward.work("send_alert")
    reply = writes(ward, "cannot come")
    assert reply is not None
    assert "press 1" in reply or "按1" in reply
    assert work(ward) == [("sms_reply", None, "staff_answered")]
    assert writes(ward, "really") is None  # once a day


def test_a_strangers_message_is_answered_as_before(ward: Ward) -> None:
    reply = writes(ward, "hello")
    assert reply is not None
    assert "按1" not in reply
    assert "press 1" not in reply


def test_a_doctors_stop_says_what_it_means(ward: Ward) -> None:
    alerted(ward)
    ward.work("send_alert")
    writes(ward, "STOP")
    ((kind, patient, why),) = work(ward)
    assert (kind, patient) == ("sms_stop", None)
    assert "staff" in why
