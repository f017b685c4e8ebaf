"""The nightly look: whatever nobody would ever ring is found, put right where it can be, and told to a nurse."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.house import House
from core.models import EventRow, Patient, Pause, Procedure, new_id
from dialer.models import Attempt
from scheduler import reconcile, store, worklist
from scheduler.models import FollowUp, WorkItem
from tests.scheduler.clinic import Ward, hospital


def kinds(ward: Ward) -> list[str]:
    with ward.house.transaction() as session:
        return [finding.kind for finding in reconcile.findings(session, ward.now)]


def put_right(ward: Ward) -> list[str]:
    with ward.house.transaction() as session:
        return [finding.kind for finding in reconcile.put_right(session, ward.now)]


def work(ward: Ward) -> list[tuple[str, str]]:
    with ward.house.transaction() as session:
        return [(item.kind, item.why) for item in worklist.open_items(session, ward.now)]


def unplanned(ward: Ward, patient: uuid.UUID, ago: timedelta, **changes: object) -> uuid.UUID:
    """An operation nobody planned."""
    with ward.house.transaction() as session:
        row = Procedure(
            id=new_id(), patient_id=patient, external_id=str(new_id()), department="surgery",
            ended_at=ward.now - ago, status="active",
        )  # fmt: skip
        for name, value in changes.items():
            setattr(row, name, value)
        session.add(row)
        return row.id


def change(ward: Ward, followup: FollowUp, **changes: object) -> None:
    with ward.house.transaction() as session:
        session.execute(sa.update(FollowUp).where(FollowUp.id == followup.id).values(**changes))


# ---- operations without a plan -------------------------------------------------------------------------
def test_an_operation_without_a_plan_gets_one_and_a_nurse_is_told(ward: Ward) -> None:
    procedure = unplanned(ward, ward.patient(), timedelta(days=5))
    assert kinds(ward) == ["no_plan"]
    assert put_right(ward) == ["no_plan"]
    waves = ward.waves(procedure)
    assert {wave: row.status for wave, row in waves.items()} == {
        "6h": "expired", "48h": "expired", "7d": "planned", "30d": "planned", "90d": "planned",
    }  # fmt: skip
    assert work(ward) == [("no_plan", "no_plan")]
    assert kinds(ward) == [], "found once"


def test_which_operations_are_looked_at(ward: Ward) -> None:
    alive = ward.patient()
    dead = ward.patient("+8613800000003", mrn="S-2", status="deceased")
    merged = ward.patient("+8613800000004", mrn="S-3")
    with ward.house.transaction() as session:
        session.get_one(Patient, merged).merged_into = alive
    unplanned(ward, dead, timedelta(days=1))
    unplanned(ward, merged, timedelta(days=1))
    unplanned(ward, alive, timedelta(days=101))
    unplanned(ward, alive, timedelta(days=1), status="cancelled")
    ward.operation(alive, timedelta(days=1))
    assert kinds(ward) == []
    unplanned(ward, alive, timedelta(days=101), discharged_at=ward.now - timedelta(days=99))
    unplanned(ward, alive, timedelta(days=-3))
    assert kinds(ward) == ["no_plan", "no_plan"]


# ---- follow-ups nothing rings --------------------------------------------------------------------------
@pytest.mark.parametrize("status", ["planned", "due", "waiting"])
def test_a_follow_up_forgotten_for_a_day_is_told_every_night_until_it_is_rung(ward: Ward, status: str) -> None:
    row = ward.first(ward.due_patient())
    change(ward, row, status=status, next_try_at=ward.now)
    ward.forward(hours=24)
    assert kinds(ward) == []
    ward.forward(seconds=1)
    assert put_right(ward) == ["forgotten"]
    assert put_right(ward) == ["forgotten"]
    with ward.house.transaction() as session:
        [item] = worklist.open_items(session, ward.now)
        assert (item.kind, item.why, item.times) == ("no_call", "forgotten", 2)


def test_held_by_a_person_or_paused_is_not_forgotten(ward: Ward) -> None:
    row = ward.first(ward.due_patient())
    change(ward, row, held=True)
    ward.forward(hours=30)
    assert kinds(ward) == []
    change(ward, row, held=False)
    with ward.house.transaction() as session:
        session.add(Pause(lane="routine", reason="x", who="x", started_at=ward.now))
    assert kinds(ward) == []
    with ward.house.transaction() as session:
        session.execute(sa.update(Pause).values(ended_at=ward.now))
    assert kinds(ward) == ["forgotten"]


@pytest.mark.parametrize("missing", [False, True])
def test_a_ring_that_ended_unheard_lets_its_follow_up_go(ward: Ward, missing: bool) -> None:
    procedure = ward.due_patient()
    attempt = ward.rung()
    row = ward.first(procedure)
    assert row.status == "calling"
    ward.forward(minutes=16)
    assert kinds(ward) == [], "the ring is not over"
    with ward.house.transaction() as session:
        # as if the end had been written and the word about it lost
        session.get_one(Attempt, attempt.id).status = "ended"
        session.get_one(Attempt, attempt.id).ended_at = ward.now
        if missing:
            session.get_one(FollowUp, row.id).current_attempt_id = new_id()
    assert kinds(ward) == (["stuck"] if missing else []), "a quarter of an hour is left to the callbacks"
    ward.forward(minutes=16)
    assert put_right(ward) == ["stuck"]
    assert ward.first(procedure).status == "waiting"
    assert work(ward)[0][0] == "no_call"
    assert kinds(ward) == []


# ---- ends nobody was told ------------------------------------------------------------------------------
@pytest.mark.parametrize("status", ["unreached", "expired", "partial"])
def test_an_end_without_work_for_anybody_becomes_work(ward: Ward, status: str) -> None:
    row = ward.first(ward.due_patient())
    change(ward, row, status=status, closed_at=ward.now, reason="x")
    assert put_right(ward) == ["untold"]
    assert work(ward) == [("no_call", f"untold; {status}")]
    assert kinds(ward) == []


def test_ends_that_are_told_old_or_were_never_promised_are_left_alone(ward: Ward) -> None:
    patient = ward.patient()
    told = ward.first(ward.operation(patient, timedelta(hours=6)))
    with ward.house.transaction() as session:
        worklist.want(session, "expired", patient, told.id, "x", ward.now)
    change(ward, told, status="expired", closed_at=ward.now)
    ward.operation(patient, timedelta(days=4), external_id="late")
    old = ward.first(ward.operation(patient, timedelta(hours=6), external_id="OP-3"))
    change(ward, old, status="unreached", closed_at=ward.now - timedelta(days=15))
    asked = ward.first(ward.operation(patient, timedelta(hours=6), external_id="OP-4"))
    change(ward, asked, status="completed", closed_at=ward.now)
    assert kinds(ward) == []


# ---- once a night --------------------------------------------------------------------------------------
def test_once_per_day_of_the_hospital_after_five(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    unplanned(ward, ward.patient(), timedelta(days=5))
    runs = {}
    for text in ("07T04:59", "07T05:00", "07T05:01", "07T23:59", "08T00:01", "08T05:00"):
        ward.now = datetime.fromisoformat(f"2031-03-{text}+08:00").astimezone(UTC)
        with ward.house.transaction() as session:
            runs[text] = reconcile.nightly(session, ward.now)
    assert [text for text, count in runs.items() if count] == ["07T05:00", "08T05:00"]
    with ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.kind == "lane").order_by(EventRow.id)).all()
        assert [row.what for row in rows] == ["reconciled", "reconciled"]
        assert rows[0].data == {"no_plan": 1, "forgotten": 0, "stuck": 0, "untold": 0}
    said = [entry for entry in caplog.records if entry.message == "reconciled"]
    assert [entry.no_plan_count for entry in said] == [1, 0]  # type: ignore[attr-defined]
    assert [entry.levelname for entry in said] == ["WARNING", "INFO"]


def test_another_zone_has_another_five_o_clock(ward: Ward) -> None:
    hospital(ward.house, hospital={"timezone": "America/New_York"})
    ward.now = datetime(2031, 3, 7, 9, 59, tzinfo=UTC)
    with ward.house.transaction() as session:
        assert reconcile.nightly(session, ward.now) == 0
        assert reconcile.nightly(session, ward.now + timedelta(minutes=1)) == 1


def test_check_hears_when_the_look_does_not_happen(ward: Ward) -> None:
    def problem() -> str | None:
        with ward.house.transaction() as session:
            return reconcile.problem(session, ward.now)

    assert problem() is None
    ward.operation(ward.patient(), timedelta(hours=1))
    assert problem() is None, "since this morning"
    ward.forward(hours=27)
    assert problem() == "it has never run: is a worker running?"
    with ward.house.transaction() as session:
        assert reconcile.nightly(session, ward.now)
    assert problem() is None
    ward.forward(hours=27)
    assert problem() == "the last one was 27 hours ago: is a worker running?"


# ---- what it costs -------------------------------------------------------------------------------------
def _many(session: Session, count: int) -> None:
    """Ten years of operations, all done."""
    session.execute(
        sa.text(
            """
            INSERT INTO patients (id, mrn, mrn_index, name, language, timezone, sex, allergies, status, created_at)
            SELECT md5('p' || n)::uuid, '', decode(md5('m' || n), 'hex'), '', 'en', 'Asia/Shanghai', '', '', 'active',
                   timestamptz '2031-01-01' - n * interval '1 hour'
              FROM generate_series(1, :count) n;
            """
        ),
        {"count": count},
    )
    session.execute(
        sa.text(
            """
            INSERT INTO procedures (id, patient_id, external_id, name, department, surgeon, ended_at, discharged_at,
                                    status)
            SELECT md5('o' || n)::uuid, md5('p' || n)::uuid, n::text, '', '', '', t, t + interval '1 day', 'active'
              FROM (SELECT n, timestamptz '2031-01-01' - n * interval '4 hours' AS t
                      FROM generate_series(1, :count) n) x
            """
        ),
        {"count": count},
    )
    session.execute(
        sa.text(
            """
            INSERT INTO followups (id, procedure_id, patient_id, wave, due_at, deadline_at, next_try_at, status, reason,
                                   tries, turn, closed_at)
            SELECT md5('f' || n)::uuid, md5('o' || n)::uuid, md5('p' || n)::uuid, '7d', t, t, t,
                   (ARRAY['completed','unreached','expired'])[1 + n % 3], '', 1, 0, t
              FROM (SELECT n, timestamptz '2031-01-08' - n * interval '4 hours' AS t
                      FROM generate_series(1, :count) n) x
            """
        ),
        {"count": count},
    )
    for table in ("patients", "procedures", "followups", "work_items", "attempts"):
        session.execute(sa.text(f"ANALYZE {table}"))


def test_the_look_goes_by_index_however_many_years_are_on_file(house: House) -> None:
    now = house.clock.now()
    with house.transaction() as session:
        _many(session, 20_000)
        plans = {
            query.__name__: "\n".join(_explained(session, query(now)))
            for query in (reconcile.unplanned, reconcile.forgotten, reconcile.stuck, reconcile.untold)
        }
        for index in ("ix_procedures_ended_at", "ix_procedures_discharged_at"):
            assert index in plans["unplanned"]
        assert "ix_followups_next" in plans["forgotten"]
        assert "ix_followups_ended_short" in plans["untold"]
        assert "ix_followups_calling" in plans["stuck"]
        for name, plan in plans.items():
            assert "Seq Scan on procedures" not in plan, name
            assert "Seq Scan on followups" not in plan, name
        session.execute(sa.delete(WorkItem))
        session.rollback()


def _explained(session: Session, query: sa.Select[uuid.UUID, uuid.UUID, str]) -> list[str]:
    text = query.compile(session.connection(), compile_kwargs={"literal_binds": True})
    return list(session.scalars(sa.text(f"EXPLAIN {str(text).replace(':', chr(92) + ':')}")))


def test_the_plan_a_nurse_sees_is_the_stores(ward: Ward) -> None:
    """What the look plans is what an import would have planned."""
    patient = ward.patient()
    late = unplanned(ward, patient, timedelta(days=5))
    put_right(ward)
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, late)
        assert store.plan(session, procedure, ward.now) == []
