"""What a forecast is reckoned from, out of the real tables."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from core import people
from core.house import House
from dialer.models import Escalation
from ivr.models import Answer
from scheduler import forecast_rows, worklist
from scheduler.forecast import Load, Measured
from scheduler.models import FollowUp
from tests.scheduler.clinic import PHONE, Ward, call_of


def loads(ward: Ward, days: int = 3, *, ahead: int = 0) -> list[Load]:
    zone = ward.house.settings.hospital.timezone
    first = ward.now.astimezone(zone).date() + timedelta(days=ahead)
    with ward.house.transaction() as session:
        return sorted(forecast_rows.loads(session, first, days, ward.now), key=lambda load: (load.hour, load.wave))


def wall(text: str) -> datetime:
    return datetime.fromisoformat(f"2031-03-{text}")


def test_open_follow_ups_by_the_hour_of_the_hospital(ward: Ward) -> None:
    patient = ward.patient()
    ward.operation(patient, timedelta(hours=2))
    ward.operation(patient, timedelta(hours=2, minutes=20), external_id="OP-2")
    ward.operation(patient, timedelta(days=6), external_id="OP-3")  # its first waves are over
    assert loads(ward, 3) == [
        Load("6h", wall("07T13:00"), 0, 1),
        Load("6h", wall("07T14:00"), 0, 1),
        Load("7d", wall("08T10:00"), 0, 1),
        Load("48h", wall("09T07:00"), 0, 1),
        Load("48h", wall("09T08:00"), 0, 1),
    ]
    assert [load.wave for load in loads(ward, 1, ahead=1)] == ["7d"]


def test_what_is_overdue_counts_today_and_what_is_not_rung_does_not(ward: Ward) -> None:
    row = ward.first(ward.due_patient())
    held = ward.first(ward.due_patient("+8613800000003", mrn="S-2"))
    ward.due_patient("+8613800000004", mrn="S-3", status="deceased")
    ward.due_patient("+8613800000005", mrn="S-4", consent=False)
    with ward.house.transaction() as session:
        session.execute(sa.update(FollowUp).where(FollowUp.id == held.id).values(held=True))
        session.execute(sa.update(FollowUp).where(FollowUp.id == row.id).values(tries=2, status="waiting"))
    ward.forward(hours=1)
    assert loads(ward, 1) == [Load("6h", wall("07T11:00"), 2, 1)]
    with ward.house.transaction() as session:
        people.set_consent(session, row.patient_id, "followup", False, "keypad", ward.now)
    assert loads(ward, 1) == []


def _interview(ward: Ward, number: int, score: int) -> None:
    """One whole follow-up: rung, answered after nothing, a minute of talk."""
    procedure = ward.due_patient(f"+86138000010{number:02}", mrn=f"M-{number}")
    attempt = ward.rung()
    ward.post(attempt)
    call_id = ward.answer(attempt)
    ward.score(call_id, score)
    ward.interview(attempt, call_id, "completed")
    ward.forward(seconds=60)
    ward.hear(attempt, "completed")
    assert ward.first(procedure).status == "completed"


def test_own_rates_from_what_has_ended(ward: Ward) -> None:
    for number, score in enumerate((2, 7, 5)):
        _interview(ward, number, score)
    procedure = ward.due_patient(PHONE, mrn="M-9")
    ward.ends(ward.rung(), "failed_for_good")
    row = ward.first(procedure)
    with ward.house.transaction() as session:
        session.execute(
            sa.update(FollowUp).where(FollowUp.id == row.id).values(status="unreached", closed_at=ward.now, tries=1)
        )
        scored = session.scalars(sa.select(Answer).where(Answer.question == "pain")).all()
        quiet = next(answer for answer in scored if answer.value == "2")
        attempt_id = session.scalar(sa.text("SELECT attempt_id FROM calls WHERE id = :id"), {"id": quiet.call_id})
        assert attempt_id is not None
        assert call_of(session, attempt_id).id == quiet.call_id
        subject = session.scalar(sa.text("SELECT subject_id FROM attempts WHERE id = :id"), {"id": attempt_id})
        worklist.want(session, "nurse_score", None, subject, "score", ward.now)
    with ward.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Escalation)) == 2
        assert forecast_rows.measured(session, ward.now) == {"6h": Measured(4, 3, 60.0, 2, 1)}
        assert forecast_rows.measured(session, ward.now + timedelta(days=400)) == {}


def test_two_questions_to_the_database(house: House) -> None:
    ward = Ward(house)
    for number in range(5):
        ward.operation(ward.patient(f"+86138000020{number:02}", mrn=f"Q-{number}"), timedelta(hours=number))
    asked: list[str] = []
    sa.event.listen(house.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    with house.transaction() as session:
        forecast_rows.loads(session, ward.now.date(), 28, ward.now)
        forecast_rows.measured(session, ward.now)
    assert len([text for text in asked if "followups" in text]) == 2
