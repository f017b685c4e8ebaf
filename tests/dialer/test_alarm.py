"""Red flags bring the doctor as a score does; scores by the follow-up's own threshold."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core import events
from dialer.models import Call, Escalation
from tests.dialer.ward import Ward


def flag(ward: Ward, call: Call, question: str, level: str) -> None:
    ward.publish(events.RedFlag(call.id, question, level, ward.now))


def escalations(ward: Ward) -> list[Escalation]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(Escalation)))


@pytest.mark.parametrize(("level", "rings"), [("A", 1), ("B", 1), ("C", 0)])
def test_a_red_flag_of_level_a_or_b_rings_the_doctor_at_once(ward: Ward, level: str, rings: int) -> None:
    ward.doctor(1)
    flag(ward, ward.inbound(patient=ward.patient(department="surgery")), "breath", level)
    opened = escalations(ward)
    assert len(opened) == rings
    assert len(ward.attempts(kind="doctor")) == rings
    if opened:
        assert (opened[0].score, opened[0].flags, opened[0].status) == (None, ["breath"], "ringing")


def test_a_flag_and_a_score_of_one_patient_are_one_escalation(ward: Ward) -> None:
    ward.doctor(1)
    call = ward.inbound(patient=ward.patient())
    flag(ward, call, "breath", "A")
    flag(ward, call, "breath", "A")
    flag(ward, call, "wound", "B")
    ward.score(6, call)
    [only] = escalations(ward)
    assert (only.score, only.flags) == (6, ["breath", "wound"])
    assert len(ward.attempts(kind="doctor")) == 1


def test_a_flag_from_a_number_nobody_shows_is_in_the_ledger(ward: Ward) -> None:
    call = ward.inbound("")
    flag(ward, call, "breath", "A")
    assert escalations(ward) == []
    assert "alarm without a number to ring back" in ward.ledger(call.id)


@pytest.mark.parametrize(("score", "opens"), [(5, 0), (6, 1)])
def test_the_follow_ups_own_threshold_decides(ward: Ward, score: int, opens: int) -> None:
    patient = ward.patient()
    with ward.house.transaction() as session:
        attempt = ward.place_in(session, ward.ring(patient_id=patient.id))
        attempt.brief = {"threshold": 6, "nurse_from": 4}  # type: ignore[union-attr]
    ward.work()
    call = ward.answers(attempt.id)  # type: ignore[union-attr]
    assert call is not None
    ward.score(score, call)
    assert len(escalations(ward)) == opens
