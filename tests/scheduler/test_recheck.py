"""The recheck hours after a doctor's contact: once, short, in the same hours as any call, and never silence."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import events
from core.models import Patient, Procedure, new_id
from dialer import escalation as escalations
from dialer.models import Attempt, Call, Escalation
from scheduler import campaign, recheck, reconcile, ring, store
from scheduler.models import FollowUp, WorkItem
from tests.scheduler.clinic import PHONE, Ward, hospital


def helped(
    ward: Ward,
    patient_id: uuid.UUID | None,
    procedure_id: uuid.UUID | None,
    *,
    outcome: str | None = None,
    flags: tuple[str, ...] = (),
) -> uuid.UUID:
    """An escalation of this patient that a doctor has just closed."""
    with ward.house.transaction() as session:
        call = Call(
            id=new_id(), kind="hotline", party=PHONE, party_index=b"p", status="completed",
            sid=f"CA{new_id().hex}", started_at=ward.now, deadline_at=ward.now,
        )  # fmt: skip
        session.add(call)
        session.flush()
        row = Escalation(
            id=new_id(), call_id=call.id, patient_id=patient_id, procedure_id=procedure_id, to=PHONE, to_index=b"p",
            language="en", department="surgery", score=7, flags=list(flags), hours=6, record_on=False, status="closed",
            chain=[], keyed_at=ward.now, stored_at=ward.now, closed_at=ward.now, promise_at=ward.now, outcome=outcome,
        )  # fmt: skip
        session.add(row)
    closed(ward, row, "coded" if outcome else "talked")
    return row.id


def closed(ward: Ward, row: Escalation, how: str = "talked") -> None:
    with ward.house.transaction() as session:
        told = events.EscalationClosed(row.id, row.patient_id, row.procedure_id, how)
        events.publish(session, told, ward.now)


def alarm(ward: Ward, escalation_id: uuid.UUID) -> None:
    with ward.house.transaction() as session:
        opened = events.EscalationOpened(escalation_id, session.get_one(Escalation, escalation_id).call_id)
        recheck.on_escalation_opened(session, opened, ward.now)


def rechecks(ward: Ward) -> list[FollowUp]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(FollowUp).where(FollowUp.origin == "recheck").order_by(FollowUp.wave)))


def work(ward: Ward) -> list[tuple[str, str]]:
    with ward.house.transaction() as session:
        return [(row.kind, row.why) for row in session.scalars(sa.select(WorkItem))]


@pytest.fixture
def operated(ward: Ward) -> tuple[uuid.UUID, uuid.UUID]:
    """A patient, and an operation of two days ago whose plan is not due now."""
    patient = ward.patient()
    return patient, ward.operation(patient, timedelta(hours=50))


def test_it_is_planned_hours_after_and_once(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    escalation = helped(ward, *operated)
    with ward.house.transaction() as session:
        closed(ward, session.get_one(Escalation, escalation))
    (row,) = rechecks(ward)
    assert (row.wave, row.status, row.escalation_id) == ("recheck-1", "planned", escalation)
    assert row.due_at == row.next_try_at == ward.now + timedelta(hours=4)
    assert row.deadline_at == ward.now + timedelta(hours=28)
    assert work(ward) == []


def test_the_database_itself_keeps_it_to_one(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    escalation = helped(ward, *operated)
    with pytest.raises(sa.exc.IntegrityError), ward.house.transaction() as session:
        store.add_wave(session, operated[1], ward.now, "x", "", ward.now, recheck_of=escalation)


def test_the_hours_are_the_hospitals(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    hospital(ward.house, escalation={"recheck_h": 2})
    helped(ward, *operated)
    assert rechecks(ward)[0].due_at == ward.now + timedelta(hours=2)


@pytest.mark.parametrize("outcome", ["advice", "come_in", "emergency", "handed_over", "reached_otherwise"])
def test_every_outcome_but_no_need_is_asked_about(
    ward: Ward, operated: tuple[uuid.UUID, uuid.UUID], outcome: str
) -> None:
    helped(ward, *operated, outcome=outcome)
    helped(ward, *operated, outcome="no_need")
    assert [row.wave for row in rechecks(ward)] == ["recheck-1"]
    assert work(ward) == []


def test_it_asks_the_pain_and_what_rang_the_doctor(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    hospital(ward.house, followup={"threshold": 5, "wave": {"48h": {"threshold": 3}}})
    helped(ward, *operated, flags=("bleeding", "wound"))
    ward.forward(hours=4)
    attempt = rung_for(ward, rechecks(ward)[0])
    assert attempt.brief["questions"] == ["bleeding", "wound"]
    assert (attempt.brief["wave"], attempt.brief["threshold"]) == ("recheck-1", 5)


def test_after_a_score_alone_it_asks_the_pain_alone(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    helped(ward, *operated)
    ward.forward(hours=4)
    assert rung_for(ward, rechecks(ward)[0]).brief["questions"] == []


def rung_for(ward: Ward, row: FollowUp) -> Attempt:
    with ward.house.transaction() as session:
        session.execute(sa.update(FollowUp).where(FollowUp.id != row.id).values(held=True))
        ring.ring_due(session, ward.now)
    (attempt,) = ward.live()
    assert attempt.subject_id == row.id
    return attempt


def test_in_the_night_it_waits_for_the_morning(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    ward.forward(hours=10)  # eight in the evening
    helped(ward, *operated)
    ward.forward(hours=4)
    ward.tick()
    (row,) = rechecks(ward)
    assert (row.status, row.reason) == ("waiting", "outside_window")
    assert row.next_try_at < row.deadline_at


def test_nobody_reached_is_a_nurses(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    helped(ward, *operated)
    ward.forward(hours=29)
    ward.tick()
    assert rechecks(ward)[0].status == "expired"
    assert "expired" in [kind for kind, _ in work(ward)]


def test_another_alarm_takes_it_back_and_its_contact_plans_the_next(
    ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]
) -> None:
    first = helped(ward, *operated)
    alarm(ward, first)
    helped(ward, *operated)
    before, after = rechecks(ward)
    assert (before.status, before.reason) == ("cancelled", recheck.NEW_ALARM)
    assert (after.wave, after.status) == ("recheck-2", "planned")


def test_an_alarm_raised_in_the_recheck_itself_lets_it_end(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    escalation = helped(ward, *operated)
    ward.forward(hours=4)
    attempt = rung_for(ward, rechecks(ward)[0])
    alarm(ward, escalation)
    assert rechecks(ward)[0].status == "calling"
    ward.ends(attempt, "answered", "handed_over")
    assert rechecks(ward)[0].status == "completed"


def test_an_alarm_of_a_stranger_takes_nothing_back(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    helped(ward, *operated)
    alarm(ward, helped(ward, None, None))
    assert rechecks(ward)[0].status == "planned"


@pytest.mark.parametrize("status", ["readmitted", "deceased"])
def test_who_is_not_at_home_is_not_asked(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID], status: str) -> None:
    helped(ward, *operated)
    with ward.house.transaction() as session:
        session.get_one(Patient, operated[0]).status = status
    ward.forward(hours=4)
    ward.tick()
    assert (rechecks(ward)[0].status, rechecks(ward)[0].reason) == ("cancelled", status)
    helped(ward, *operated)
    assert len(rechecks(ward)) == 1
    assert work(ward) == []


def test_where_no_call_of_ours_may_ask_a_nurse_does(ward: Ward) -> None:
    refuser = ward.patient(mrn="S-2", consent=False)
    helped(ward, refuser, ward.operation(refuser, timedelta(hours=50), external_id="OP-2"))
    visitor = ward.patient(mrn="S-3")
    helped(ward, visitor, None)
    helped(ward, None, None)
    assert rechecks(ward) == []
    assert sorted(work(ward)) == [
        ("recheck", "caller_not_on_file"),
        ("recheck", "no_consent_to_calls"),
        ("recheck", "no_operation"),
    ]


def test_a_cancelled_operation_is_none(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    with ward.house.transaction() as session:
        session.get_one(Procedure, operated[1]).status = "cancelled"
    helped(ward, *operated)
    assert work(ward) == [("recheck", "no_operation")]


# ---- what else looks at waves --------------------------------------------------------------------------
def test_a_recheck_does_not_hide_that_there_is_no_plan(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    with ward.house.transaction() as session:
        session.execute(sa.delete(FollowUp))
    helped(ward, *operated)
    with ward.house.transaction() as session:
        found = reconcile.findings(session, ward.now)
    assert [(one.kind, one.subject_id) for one in found] == [("no_plan", operated[1])]


def test_a_corrected_operation_leaves_it_alone(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    helped(ward, *operated)
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, operated[1])
        procedure.ended_at += timedelta(hours=5)
        store.replan(session, procedure, ward.now)
    assert rechecks(ward)[0].due_at == ward.now + timedelta(hours=4)


def test_a_campaign_does_not_put_it_off(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    helped(ward, *operated)
    before = rechecks(ward)[0].next_try_at
    with ward.house.transaction() as session:
        words: dict[str, Any] = {"title": "all", "starts_at": ward.now + timedelta(hours=5), "who": "x"}
        campaign.make(session, now=ward.now, **words)
    assert rechecks(ward)[0].next_try_at == before


def test_no_need_keyed_after_the_talk_takes_it_back(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    escalation = helped(ward, *operated)
    assert [row.status for row in rechecks(ward)] == ["planned"]
    with ward.house.transaction() as session:
        assert escalations.close(session, escalation, "no_need", "doctor", ward.now)
    assert [(row.status, row.reason) for row in rechecks(ward)] == [("cancelled", recheck.NO_NEED)]
    assert work(ward) == []


def test_another_outcome_after_the_talk_leaves_it(ward: Ward, operated: tuple[uuid.UUID, uuid.UUID]) -> None:
    escalation = helped(ward, *operated)
    with ward.house.transaction() as session:
        assert escalations.close(session, escalation, "advice", "doctor", ward.now)
    assert [row.status for row in rechecks(ward)] == ["planned"]
