"""Words of warning a machine heard: one alarm, marked as such wherever it is shown, and never for what is known."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import events
from dialer import escalation as escalations
from dialer import reports, story
from dialer.models import Call, Escalation
from scheduler import recheck
from scheduler.models import FollowUp, WorkItem
from tests.dialer.ward import PATIENT_PHONE, Ward


def heard(ward: Ward, call: Call, question: str = "bleeding", level: str = "A", *, ago: float = 2) -> None:
    said_at = ward.now - timedelta(minutes=ago)
    ward.publish(events.MachineHeard(call.id, uuid.uuid4(), question, level, said_at))


def raised(ward: Ward) -> list[Escalation]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(Escalation).order_by(Escalation.keyed_at, Escalation.id)))


def work(ward: Ward) -> list[tuple[str, str]]:
    with ward.house.transaction() as session:
        return [(item.kind, item.why) for item in session.scalars(sa.select(WorkItem))]


def close(ward: Ward, *, talk_s: int | None) -> None:
    [row] = [one for one in raised(ward) if one.status != "closed"]
    with ward.house.transaction() as session:
        assert escalations.close(session, row.id, "advice", "doctor", ward.now)
        session.get_one(Escalation, row.id).talk_s = talk_s


@pytest.mark.parametrize("level", ["A", "B"])
def test_it_rings_the_doctor_and_says_who_made_it(ward: Ward, level: str) -> None:
    ward.doctor(1)
    heard(ward, ward.inbound(patient=ward.patient()), level=level)
    [only] = raised(ward)
    assert (only.made_by, only.flags, only.heard, only.status) == ("machine", ["bleeding"], ["bleeding"], "ringing")
    assert only.said_at == ward.now - timedelta(minutes=2)
    assert (only.keyed_at, only.promise_at) == (ward.now, ward.now + timedelta(seconds=300)), "from when we knew"
    assert len(ward.attempts(kind="doctor")) == 1


def test_several_signs_and_a_score_of_one_patient_are_one_alarm(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    heard(ward, call, ago=5)
    heard(ward, call, ago=5)
    heard(ward, call, "fever", "B", ago=9)
    ward.score(6, call)
    [only] = raised(ward)
    assert (only.score, only.flags, only.heard) == (6, ["bleeding", "fever"], ["bleeding", "fever"])
    assert only.said_at == ward.now - timedelta(minutes=9), "the oldest words tell the age"
    assert len(ward.attempts(kind="doctor")) == 1


def test_it_joins_the_alarm_that_is_open_and_marks_its_own_part(ward: Ward) -> None:
    ward.doctor(1)
    patient = ward.patient()
    ward.score(7, ward.inbound(patient=patient))
    heard(ward, ward.inbound(patient=patient))
    [only] = raised(ward)
    assert (only.made_by, only.score, only.heard) == ("key", 7, ["bleeding"])
    assert "another alarm joined" in ward.ledger(only.id)


def test_a_key_confirms_what_a_machine_heard(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    heard(ward, call)
    heard(ward, call, "fever", "B")
    ward.publish(events.RedFlag(call.id, "bleeding", "B", ward.now))
    heard(ward, call)
    [only] = raised(ward)
    assert (only.flags, only.heard, only.made_by) == (["bleeding", "fever"], ["fever"], "machine")


@pytest.mark.parametrize(
    ("question", "level", "talk_s", "opens", "items"),
    [
        ("bleeding", "A", None, 0, 0),  # the doctor who closed it knew
        ("chest", "A", 40, 1, 0),  # an emergency he did not know of, talk or not
        ("fever", "B", 40, 0, 1),  # he has talked with them since: a nurse looks
        ("fever", "B", None, 1, 0),  # closed without a talk
    ],
)
def test_what_a_doctor_knew_is_not_raised_again(
    ward: Ward, question: str, level: str, talk_s: int | None, opens: int, items: int
) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    ward.publish(events.RedFlag(call.id, "bleeding", "A", ward.now))
    ward.forward(minutes=4)
    close(ward, talk_s=talk_s)
    ward.forward(minutes=1)
    heard(ward, call, question, level, ago=5)
    assert len(raised(ward)) == 1 + opens
    assert len([why for kind, why in work(ward) if kind == "red_flag" and "machine" in why]) == items


def test_words_said_after_it_was_closed_are_new(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    ward.publish(events.RedFlag(call.id, "bleeding", "A", ward.now))
    close(ward, talk_s=40)
    ward.forward(minutes=30)
    heard(ward, call, ago=2)
    assert [one.status == "closed" for one in raised(ward)] == [True, False]


def test_another_patient_of_the_same_telephone_is_another_alarm(ward: Ward) -> None:
    ward.doctor(1)
    for _ in range(2):
        heard(ward, ward.inbound(PATIENT_PHONE, patient=ward.patient()))
    assert len(raised(ward)) == 2


def test_without_a_number_to_ring_somebody_must_think(ward: Ward) -> None:
    heard(ward, ward.inbound(""))
    assert raised(ward) == []
    assert work(ward) == [("red_flag", "machine_heard_no_number question=bleeding")]


@pytest.mark.parametrize(
    ("language", "began", "sign"),
    [
        ("en", "a machine heard words of warning in a recording, not confirmed (said 7 min before)",
         "heard by a machine, not confirmed: bleeding"),
        ("zh-CN", "机器从录音中听到警示词，未经核实（7分钟前所说）", "机器听到，未经核实：bleeding"),
    ],
)  # fmt: skip
def test_the_story_and_the_lists_say_so(ward: Ward, language: str, began: str, sign: str) -> None:
    ward.doctor(1)
    heard(ward, ward.inbound(patient=ward.patient()), ago=7)
    [only] = raised(ward)
    with ward.house.transaction() as session:
        told = [line.words for line in story.story(session, session.get_one(Escalation, only.id), language)]
        [row] = reports.escalations(session)
        [line] = reports.exported(session)
    assert told[:2] == [began, sign]
    assert (row["by"], row["unconfirmed"]) == ("machine", 1)
    assert (line["made_by"], line["heard_by_machine"], line["said_s"]) == ("machine", 1, -420.0)


def test_the_recheck_asks_only_what_a_flow_can_ask(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    for question in ("bleeding", "pain", "self_harm"):
        heard(ward, call, question)
    [only] = raised(ward)
    with ward.house.transaction() as session:
        assert recheck.questions(session, FollowUp(escalation_id=only.id)) == ["bleeding"]
