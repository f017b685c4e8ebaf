"""One patient's plan in a nurse's hands, and plans after corrections: nothing vanishes."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.models import Patient, Procedure
from dialer.models import Attempt
from scheduler import campaign, store
from scheduler.models import FollowUp
from scheduler.store import PlanProblem
from tests.scheduler.clinic import PHONE, Ward, hospital

WHY = "she is at her daughter's"


def nurse(ward: Ward, action: str, followup_id: uuid.UUID, *more: object) -> None:
    with ward.house.transaction() as session:
        getattr(store, action)(session, followup_id, *more, "nurse.one", WHY, ward.now)


def replanned(ward: Ward, procedure_id: uuid.UUID, **changes: object) -> list[str]:
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, procedure_id)
        for name, value in changes.items():
            setattr(procedure, name, value)
        return store.replan(session, procedure, ward.now)


# ---- late, moved, renamed ---------------------------------------------------------------------------------
def test_a_late_import_is_rung_at_the_next_allowed_time_and_says_so(ward: Ward) -> None:
    ward.now = datetime(2031, 3, 7, 14, 0, tzinfo=UTC)  # 22:00
    procedure = ward.operation(ward.patient(), timedelta(hours=10))
    row = ward.first(procedure)
    assert (row.status, row.reason) == ("planned", store.LATE)
    with ward.house.transaction() as session:
        expected = store.expected_at(session, session.get_one(FollowUp, row.id), ward.now)
    assert expected == datetime(2031, 3, 8, 0, 30, tzinfo=UTC)
    ward.tick()
    assert ward.first(procedure).next_try_at == expected


def test_a_wave_too_late_names_the_next_one(ward: Ward) -> None:
    procedure = ward.operation(ward.patient(), timedelta(hours=31))
    row = ward.first(procedure)
    assert (row.status, row.reason) == ("expired", f"{store.TOO_LATE}; next wave=48h")
    assert ward.unreached == []


def test_an_operation_moved_forward_brings_a_lost_wave_back(ward: Ward) -> None:
    procedure = ward.operation(ward.patient(), timedelta(hours=31))
    assert replanned(ward, procedure, ended_at=ward.now - timedelta(hours=8)) == [
        "4 follow-ups moved", "1 follow-ups planned again",
    ]  # fmt: skip
    assert ward.tick() == 1
    assert ward.live()[0].brief["wave"] == "6h"


def test_what_was_rung_stays_where_it_is_when_the_operation_moves(ward: Ward) -> None:
    procedure = ward.due_patient()
    ward.ends(ward.rung(), "busy")
    before = ward.first(procedure)
    replanned(ward, procedure, ended_at=ward.now - timedelta(hours=3))
    assert ward.first(procedure).due_at == before.due_at


def test_another_operation_has_other_waves(ward: Ward) -> None:
    hospital(ward.house, followup={"procedure": {"knee": {"waves": ["6h", "3d"]}}})
    procedure = ward.operation(ward.patient(), timedelta(hours=1), name="hip")
    changed = replanned(ward, procedure, name="knee")
    assert sorted(changed) == ["1 follow-ups added", "4 follow-ups dropped"]
    rows = ward.waves(procedure)
    assert {wave for wave, row in rows.items() if row.status == "planned"} == {"6h", "3d"}
    assert replanned(ward, procedure, name="hip") != []
    rows = ward.waves(procedure)
    assert {wave for wave, row in rows.items() if row.status == "planned"} == {"6h", "48h", "7d", "30d", "90d"}


def test_nothing_changed_is_nothing_said(ward: Ward) -> None:
    assert replanned(ward, ward.operation(ward.patient(), timedelta(hours=1))) == []


def test_a_readmitted_patient_who_goes_home_is_rung_again(ward: Ward) -> None:
    procedure = ward.due_patient()
    with ward.house.transaction() as session:
        session.execute(sa.update(Patient).values(status="readmitted"))
    ward.tick()
    assert (ward.first(procedure).status, ward.first(procedure).reason) == ("cancelled", "readmitted")
    ward.forward(hours=1)
    with ward.house.transaction() as session:
        patient = session.scalars(sa.select(Patient)).one()
        patient.status = "active"
        assert store.person_back(session, patient, ward.now) == 1
    assert ward.tick() == 1


def test_a_batch_is_rung_from_its_hour_on(ward: Ward) -> None:
    hospital(ward.house, followup={"procedure": {"tonsils": {"batch": "17:00"}}})
    procedure = ward.operation(ward.patient(), timedelta(hours=1), name="tonsils")  # 09:00 in Shanghai
    rows = ward.waves(procedure)
    assert rows["6h"].next_try_at == rows["6h"].due_at
    assert rows["48h"].next_try_at == datetime(2031, 3, 9, 9, 0, tzinfo=UTC), "17:00 of that day"


# ---- a nurse ------------------------------------------------------------------------------------------------
def test_hold_and_let_go(ward: Ward) -> None:
    procedure = ward.due_patient()
    row = ward.first(procedure)
    nurse(ward, "hold", row.id)
    assert ward.tick() == 0
    nurse(ward, "let_go", row.id)
    assert ward.tick() == 1
    assert ward.ledger(row)[:3] == ["planned", "held", "let go"]


def test_move_one(ward: Ward) -> None:
    row = ward.first(ward.due_patient())
    later = ward.now + timedelta(hours=30)
    nurse(ward, "move_to", row.id, later)
    moved = ward.first(row.procedure_id)
    assert (moved.next_try_at, moved.deadline_at) == (later, later + timedelta(hours=24))
    assert ward.tick() == 0
    ward.now = later
    assert ward.tick() == 1


def test_cancel_one(ward: Ward) -> None:
    row = ward.first(ward.due_patient())
    nurse(ward, "cancel_one", row.id)
    after = ward.waves(row.procedure_id)
    assert (after["6h"].status, after["6h"].reason, after["48h"].status) == ("cancelled", store.BY_STAFF, "planned")
    assert after["6h"].note == WHY


def test_add_a_wave(ward: Ward) -> None:
    procedure = ward.operation(ward.patient(), timedelta(hours=1))
    at = ward.now + timedelta(minutes=30)
    with ward.house.transaction() as session:
        first = store.add_wave(session, procedure, at, "nurse.one", WHY, ward.now)
        second = store.add_wave(session, procedure, at + timedelta(days=1), "nurse.one", WHY, ward.now)
    assert (first.wave, second.wave, first.origin) == ("extra-1", "extra-2", "staff")
    assert replanned(ward, procedure, ended_at=ward.now - timedelta(hours=2)) == ["5 follow-ups moved"]
    assert ward.waves(procedure)["extra-1"].next_try_at == at, "the nurse's own stay where she put them"
    ward.now = at
    assert ward.rung().brief["wave"] == "extra-1"


@pytest.mark.parametrize("action", ["hold", "let_go", "cancel_one"])
def test_what_is_over_or_on_the_telephone_is_left_alone(ward: Ward, action: str) -> None:
    row = ward.first(ward.due_patient())
    attempt = ward.rung()
    with pytest.raises(PlanProblem, match="right now"):
        nurse(ward, action, row.id)
    ward.ends(attempt, "answered", "completed")
    with pytest.raises(PlanProblem, match="over"):
        nurse(ward, action, row.id)
    with pytest.raises(PlanProblem, match="not on file"):
        nurse(ward, action, uuid.uuid4())


@pytest.mark.parametrize("days", [-1, 500])
def test_a_time_nobody_means_is_refused(ward: Ward, days: int) -> None:
    row = ward.first(ward.due_patient())
    with pytest.raises(PlanProblem, match="a year ahead"):
        nurse(ward, "move_to", row.id, ward.now + timedelta(days=days))


# ---- a ring lost without a word --------------------------------------------------------------------------------
def test_a_row_whose_ring_is_gone_waits_again(ward: Ward) -> None:
    procedure = ward.due_patient()
    attempt = ward.rung()
    with ward.house.transaction() as session:
        row = store.locked(session, attempt.subject_id)
        assert row is not None
        assert not store.release_stuck(session, row, ward.now), "its ring lives"
        session.execute(sa.update(Attempt).values(status="absent"))
        assert store.release_stuck(session, row, ward.now)
    assert ward.first(procedure).status == "waiting"
    assert ward.tick() == 1


# ---- campaigns ---------------------------------------------------------------------------------------------------
FIVE = datetime(2031, 3, 7, 9, 0, tzinfo=UTC)
"""17:00 in Shanghai."""


def test_a_campaign_rings_its_list_from_its_hour_on(ward: Ward) -> None:
    waiting = ward.operation(ward.patient(PHONE), timedelta(hours=2))  # due at 14:00
    tomorrow = ward.operation(ward.patient("+8613800000005", mrn="S-5"), -timedelta(hours=12))
    with ward.house.transaction() as session:
        assert campaign.make(session, "children", FIVE, "nurse.one", ward.now, department="surgery", wave="6h") == 1
    assert ward.first(waiting).next_try_at == FIVE
    assert ward.first(tomorrow).next_try_at > FIVE
    ward.now = datetime(2031, 3, 7, 6, 0, tzinfo=UTC)
    assert ward.tick() == 0
    ward.now = FIVE
    assert ward.tick() == 1
    with ward.house.transaction() as session:
        [listed] = campaign.listed(session)
    assert (listed["campaign"], listed["plans"], listed["over"]) == ("children", 1, 0)


@pytest.mark.parametrize(
    ("title", "at", "sentence"),
    [
        ("late", datetime(2031, 3, 7, 1, 0, tzinfo=UTC), "between now"),
        ("far", datetime(2032, 3, 7, 9, 0, tzinfo=UTC), "60 days"),
        ("at night", datetime(2031, 3, 7, 19, 0, tzinfo=UTC), "calling hours"),
        ("twice", FIVE, "already"),
    ],
)
def test_a_campaign_that_cannot_be_says_why(ward: Ward, title: str, at: datetime, sentence: str) -> None:
    with ward.house.transaction() as session:
        campaign.make(session, "twice", FIVE, "nurse.one", ward.now)
    with pytest.raises(PlanProblem, match=sentence), ward.house.transaction() as session:
        campaign.make(session, title, at, "nurse.one", ward.now)


def test_a_campaign_of_one_procedure_leaves_the_others(ward: Ward) -> None:
    ours = ward.operation(ward.patient(PHONE), timedelta(hours=2), name="tonsils")
    theirs = ward.operation(ward.patient("+8613800000005", mrn="S-5"), timedelta(hours=2), name="knee")
    with ward.house.transaction() as session:
        assert campaign.make(session, "tonsils", FIVE, "nurse.one", ward.now, procedure="tonsils") == 1
    assert ward.first(ours).campaign_id is not None
    assert ward.first(theirs).campaign_id is None


def test_a_campaign_keeps_the_hours_between_two_rings(ward: Ward) -> None:
    procedure = ward.due_patient(PHONE)
    ward.ends(ward.rung(), "busy")
    again = ward.first(procedure).next_try_at
    with ward.house.transaction() as session:
        campaign.make(session, "too soon", ward.now + timedelta(minutes=1), "nurse.one", ward.now)
    assert ward.first(procedure).next_try_at == again


def test_a_death_entered_by_mistake_brings_the_waves_back_or_tells_a_nurse(ward: Ward) -> None:
    procedure = ward.due_patient()
    with ward.house.transaction() as session:
        session.execute(sa.update(Patient).values(status="deceased"))
    ward.tick()
    ward.forward(hours=40)
    with ward.house.transaction() as session:
        patient = session.scalars(sa.select(Patient)).one()
        patient.status = "active"
        store.person_back(session, patient, ward.now)
    row = ward.first(procedure)
    assert (row.status, row.reason) == ("expired", store.MISSED)
    assert [event.followup_id for event in ward.unreached] == [row.id]


def test_a_nurses_own_wave_comes_back_with_its_operation(ward: Ward) -> None:
    procedure = ward.operation(ward.patient(), timedelta(hours=1))
    at = ward.now + timedelta(hours=9)
    with ward.house.transaction() as session:
        store.add_wave(session, procedure, at, "nurse.one", WHY, ward.now)
        row = session.get_one(Procedure, procedure)
        row.status = "cancelled"
        store.cancel(session, procedure, store.OPERATION_CANCELLED, ward.now)
    with ward.house.transaction() as session:
        row = session.get_one(Procedure, procedure)
        row.status = "active"
        assert store.reinstate(session, row, ward.now) == 6
    extra = ward.waves(procedure)["extra-1"]
    assert (extra.status, extra.next_try_at) == ("planned", at)
