"""Follow-ups on the real database: planned, rung, refused, ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import events, people
from core.models import Patient, Pause, Procedure, new_id
from dialer import call as calls
from dialer import sms
from dialer.models import Attempt, Escalation
from scheduler import notices, reports, ring, store
from scheduler.models import FollowUp
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward, hospital

WAVES = ["6h", "48h", "7d", "30d", "90d"]
NIGHT = datetime(2031, 3, 7, 19, 0, tzinfo=UTC)
"""03:00 on Saturday in Shanghai."""


# ---- planning ------------------------------------------------------------------------------------------
def test_an_operation_gets_its_five_waves(ward: Ward) -> None:
    procedure = ward.operation(ward.patient(), timedelta(hours=1))
    rows = ward.waves(procedure)
    ended = ward.now - timedelta(hours=1)
    assert {wave: row.due_at - ended for wave, row in rows.items()} == {
        "6h": timedelta(hours=6), "48h": timedelta(hours=48), "7d": timedelta(days=7),
        "30d": timedelta(days=30), "90d": timedelta(days=90),
    }  # fmt: skip
    assert {row.status for row in rows.values()} == {"planned"}
    assert all(row.next_try_at == row.due_at < row.deadline_at for row in rows.values())


def test_planning_twice_makes_nothing_new(ward: Ward) -> None:
    procedure_id = ward.operation(ward.patient(), timedelta(hours=1))
    with ward.house.transaction() as session:
        assert store.plan(session, session.get_one(Procedure, procedure_id), ward.now) == []
    assert len(ward.waves(procedure_id)) == 5


def test_one_procedure_may_have_waves_and_a_threshold_of_its_own(ward: Ward) -> None:
    hospital(ward.house, followup={"procedure": {"hernia repair": {"waves": ["6h", "3d"], "threshold": 6}}})
    patient = ward.patient()
    own = ward.operation(patient, timedelta(hours=6), name="hernia repair")
    ordinary = ward.operation(patient, timedelta(hours=1), name="something else", external_id="OP-2")
    assert set(ward.waves(own)) == {"6h", "3d"}
    assert sorted(ward.waves(ordinary)) == sorted(WAVES)
    assert ward.rung().brief["threshold"] == 6


LATE: dict[timedelta, list[str]] = {
    timedelta(hours=29): [],
    timedelta(hours=30): ["6h"],
    timedelta(days=3): ["6h", "48h"],
    timedelta(days=60): ["6h", "48h", "7d", "30d"],
    timedelta(days=200): WAVES,
}


def test_a_wave_already_over_at_the_import_is_written_down_as_expired(ward: Ward) -> None:
    for ago, late in LATE.items():
        rows = ward.waves(ward.operation(ward.patient(mrn=str(ago)), ago))
        assert [wave for wave in WAVES if rows[wave].status == "expired"] == late
        for wave in late:
            assert rows[wave].reason.startswith("planned too late for this wave")
            assert rows[wave].closed_at == ward.now
    assert ward.unreached == [], "nobody was promised these"


# ---- corrections ---------------------------------------------------------------------------------------
def test_a_corrected_operation_moves_only_what_is_still_planned(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    ward.rung()
    before = ward.waves(procedure_id)
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, procedure_id)
        procedure.ended_at += timedelta(hours=2)
        assert store.replan(session, procedure, ward.now) == ["4 follow-ups moved"]
    after = ward.waves(procedure_id)
    assert after["6h"].due_at == before["6h"].due_at
    for wave in WAVES[1:]:
        for name in ("due_at", "next_try_at", "deadline_at"):
            assert getattr(after[wave], name) - getattr(before[wave], name) == timedelta(hours=2)


def cancelled(ward: Ward, procedure_id: Any) -> int:
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, procedure_id)
        procedure.status = "cancelled"
        return store.cancel(session, procedure_id, store.OPERATION_CANCELLED, ward.now)


def test_a_cancelled_operation_cancels_everything_to_come(ward: Ward) -> None:
    procedure_id = ward.operation(ward.patient(), timedelta(hours=1))
    assert cancelled(ward, procedure_id) == 5
    assert {row.status for row in ward.waves(procedure_id).values()} == {"cancelled"}
    ward.forward(days=200)
    assert ward.tick() == 0
    assert ward.unreached == []


def test_a_ring_not_yet_posted_is_taken_back_with_its_operation(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    attempt = ward.rung()
    cancelled(ward, procedure_id)
    ward.hang_up(attempt)
    assert ward.first(procedure_id).status == "cancelled"
    assert ward.live() == []
    with ward.house.transaction() as session:
        assert session.get_one(Attempt, attempt.id).status == "cancelled"


@pytest.mark.parametrize(
    ("outcome", "interview", "tries", "status"),
    [
        ("cancelled", None, 0, "cancelled"),
        ("no_answer", None, 2, "cancelled"),
        ("failed_for_good", None, 0, "cancelled"),
        ("answered", "partial", 2, "cancelled"),
        ("answered", "identity_failed", 0, "cancelled"),
        ("answered", "completed", 0, "completed"),
        ("answered", "declined", 0, "declined"),
    ],
)
def test_a_ring_on_its_way_when_the_operation_is_cancelled_ends_once(
    ward: Ward, outcome: str, interview: str | None, tries: int, status: str
) -> None:
    procedure_id = ward.due_patient()
    attempt = ward.rung()
    with ward.house.transaction() as session:
        session.execute(sa.update(FollowUp).where(FollowUp.id == attempt.subject_id).values(tries=tries))
    ward.post(attempt)
    ward.hear(attempt, "ringing")
    cancelled(ward, procedure_id)
    ward.hang_up(attempt)
    assert ward.first(procedure_id).status == "calling"
    if outcome == "answered":
        call_id = ward.answer(attempt)
        if interview:
            ward.interview(attempt, call_id, interview)
    ward.hear(attempt, {"answered": "completed", "failed_for_good": "failed"}.get(outcome, outcome), "404")
    row = ward.first(procedure_id)
    assert row.status == status
    assert sum(what == status for what in ward.ledger(row)) == 1
    assert ward.unreached == [], "nobody looks after an operation that never was"


def test_a_cancelled_operation_that_stands_again_is_planned_again(ward: Ward) -> None:
    procedure_id = ward.operation(ward.patient(), timedelta(hours=20))
    cancelled(ward, procedure_id)
    ward.forward(hours=12)
    with ward.house.transaction() as session:
        procedure = session.get_one(Procedure, procedure_id)
        procedure.status = "active"
        assert store.reinstate(session, procedure, ward.now) == 4
    rows = ward.waves(procedure_id)
    assert {wave: row.status for wave, row in rows.items()} == {"6h": "expired"} | dict.fromkeys(WAVES[1:], "planned")
    assert all(rows[wave].closed_at is None for wave in WAVES[1:])


def test_what_the_patient_ended_is_not_reinstated(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    ward.ends(ward.rung(), "answered", "completed")
    cancelled(ward, procedure_id)
    with ward.house.transaction() as session:
        assert store.reinstate(session, session.get_one(Procedure, procedure_id), ward.now) == 4
    assert ward.first(procedure_id).status == "completed"


# ---- ringing -------------------------------------------------------------------------------------------
def test_a_due_wave_is_rung_once(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    attempt = ward.rung()
    assert (attempt.to, attempt.kind, attempt.flow, attempt.language) == (PHONE, "followup", "followup", "en")
    assert attempt.brief == {
        "wave": "6h", "procedure_id": str(procedure_id), "department": "surgery", "threshold": 4, "nurse_from": 4,
        "questions": None, "guardian": False, "slow": True,
    }  # fmt: skip
    assert ward.first(procedure_id).status == "calling"
    for _ in range(3):
        ward.forward(seconds=30)
        assert ward.tick() == 0


def test_nothing_is_rung_before_it_is_due(ward: Ward) -> None:
    ward.operation(ward.patient(), timedelta(hours=6) - timedelta(seconds=1))
    assert ward.tick() == 0
    ward.forward(seconds=1)
    assert ward.tick() == 1


def test_at_three_in_the_morning_a_due_wave_waits_until_half_past_eight(ward: Ward) -> None:
    ward.now = NIGHT
    procedure_id = ward.due_patient()
    assert ward.tick() == 0
    row = ward.first(procedure_id)
    assert (row.status, row.reason) == ("waiting", "outside_window")
    assert row.next_try_at == datetime(2031, 3, 8, 0, 30, tzinfo=UTC)
    assert ward.refusals(row) == [("outside_window", 1)]
    ward.now = datetime(2031, 3, 8, 0, 29, 59, tzinfo=UTC)
    assert ward.tick() == 0
    ward.forward(seconds=1)
    assert ward.tick() == 1


def test_the_window_is_the_patients_own(ward: Ward) -> None:
    procedure_id = ward.due_patient(zone="Europe/Berlin")  # 03:00 there
    assert ward.tick() == 0
    assert ward.first(procedure_id).next_try_at == datetime(2031, 3, 7, 7, 30, tzinfo=UTC)


def test_who_agreed_to_night_calls_is_rung_at_night(ward: Ward) -> None:
    ward.now = NIGHT
    patient = ward.patient()
    with ward.house.transaction() as session:
        people.set_consent(session, patient, "night", True, "import", ward.now)
    ward.operation(patient, timedelta(hours=6))
    assert ward.tick() == 1


def test_without_a_free_line_nothing_is_claimed(ward: Ward) -> None:
    hospital(ward.house, calling={"lines": 3, "lines_reserved": 2})
    with ward.house.transaction() as session:
        inbound = calls.open_inbound(session, "CA" + "f" * 32, "", "hotline", ward.now).id
    procedure_id = ward.due_patient()
    assert ward.tick() == 0
    assert ward.ledger(ward.first(procedure_id)) == ["planned"]
    with ward.house.transaction() as session:
        caller = calls.locked(session, inbound)
        assert caller is not None
        calls.carrier_says(session, caller, "completed", ward.now)
    assert ward.tick() == 1


def test_the_routine_lane_leaves_the_reserved_lines_alone(ward: Ward) -> None:
    hospital(ward.house, calling={"lines": 4, "lines_reserved": 2})
    for number in range(5):
        ward.operation(ward.patient(f"+861380000001{number}", mrn=f"S-{number}"), timedelta(hours=6))
    for _ in range(5):
        ward.forward(seconds=1)
        ward.tick()
    assert len(ward.live()) == 2


def test_rings_leave_one_by_one_at_the_carriers_pace(ward: Ward) -> None:
    hospital(ward.house, calling={"calls_per_second": 1.0})
    for number in range(3):
        ward.operation(ward.patient(f"+861380000001{number}", mrn=f"S-{number}"), timedelta(hours=6))
    rings = []
    for _ in range(4):
        rings.append(ward.tick())
        ward.forward(seconds=1)
    assert rings == [1, 1, 1, 0]


def test_the_second_try_goes_to_the_second_number(ward: Ward) -> None:
    hospital(ward.house, calling={"rings_per_day": 3})
    ward.due_patient(PHONE, SECOND_PHONE)
    numbers = []
    for _ in range(3):
        attempt = ward.rung()
        numbers.append(attempt.to)
        ward.ends(attempt, "no_answer")
        ward.forward(hours=4)
    assert numbers == [PHONE, SECOND_PHONE, PHONE]


def test_a_number_that_asked_to_be_left_alone_is_passed_over(ward: Ward) -> None:
    ward.due_patient(PHONE, SECOND_PHONE)
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PHONE, "test", ward.now)
    assert ward.rung().to == SECOND_PHONE


def test_without_a_number_left_a_nurse_is_told(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PHONE, "test", ward.now)
    assert ward.tick() == 0
    row = ward.first(procedure_id)
    assert (row.status, row.reason) == ("unreached", "no_number")
    assert [event.followup_id for event in ward.unreached] == [row.id]


# ---- what the gate says --------------------------------------------------------------------------------
def paused(ward: Ward) -> None:
    with ward.house.transaction() as session:
        session.add(Pause(lane="routine", reason="test", who="test", started_at=ward.now))


def not_live(ward: Ward) -> None:
    hospital(ward.house, hospital={"live": False})


def patient_is(status: str) -> Any:
    def change(ward: Ward) -> None:
        with ward.house.transaction() as session:
            session.execute(sa.update(Patient).values(status=status))

    return change


def no_consent(ward: Ward) -> None:
    with ward.house.transaction() as session:
        people.set_consent(session, session.scalars(sa.select(Patient.id)).one(), "followup", False, "staff", ward.now)


def too_late(ward: Ward) -> None:
    ward.forward(hours=24)


def on_the_line(ward: Ward) -> None:
    with ward.house.transaction() as session:
        calls.open_inbound(session, "CA" + "e" * 32, PHONE, "hotline", ward.now)


def premium(ward: Ward) -> None:
    with ward.house.transaction() as session:
        patient = session.scalars(sa.select(Patient)).one()
        [contact] = people.contacts_of(session, patient.id)
        contact.phone = "+19005550100"


@pytest.mark.parametrize(
    ("change", "status", "reason", "told"),
    [
        (paused, "due", "paused", False),
        (not_live, "due", "not_live", False),
        (on_the_line, "due", "number_in_use", False),
        (patient_is("deceased"), "cancelled", "deceased", False),
        (patient_is("readmitted"), "cancelled", "readmitted", False),
        (no_consent, "declined", "no_consent", False),
        (too_late, "expired", "deadline_passed", True),
        (premium, "unreached", "premium_number", True),
    ],
)
def test_what_each_refusal_means(ward: Ward, change: Any, status: str, reason: str, told: bool) -> None:
    procedure_id = ward.due_patient()
    change(ward)
    assert ward.tick() == 0
    row = ward.first(procedure_id)
    assert (row.status, row.reason) == (status, reason)
    assert bool(ward.unreached) is told
    assert ward.live() == []


@pytest.mark.parametrize("held", [paused, not_live], ids=["paused", "not live"])
def test_a_wave_held_back_all_day_fills_no_ledger_and_ends_at_its_deadline(ward: Ward, held: Any) -> None:
    procedure_id = ward.due_patient()
    held(ward)
    for _ in range(20):
        ward.tick()
        ward.forward(minutes=5)
    row = ward.first(procedure_id)
    assert ward.ledger(row) == ["planned", "due"]
    assert ward.refusals(row) == [(row.reason, 20)]
    ward.forward(hours=23)
    ward.tick()
    assert ward.first(procedure_id).status == "expired"
    assert [event.followup_id for event in ward.unreached] == [row.id]


def test_the_third_ring_of_a_day_waits_for_the_morning(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    for _ in range(2):
        ward.ends(ward.rung(), "busy")
        ward.forward(hours=4)
    assert ward.tick() == 0
    assert ward.first(procedure_id).reason == "rings_per_day"
    assert ward.first(procedure_id).next_try_at == datetime(2031, 3, 8, 0, 30, tzinfo=UTC)


# ---- what a ring brings --------------------------------------------------------------------------------
@pytest.mark.parametrize("outcome", ["busy", "answered"])
def test_three_rings_in_vain_are_work_for_a_nurse(ward: Ward, outcome: str) -> None:
    hospital(ward.house, calling={"rings_per_day": 10})
    procedure_id = ward.due_patient()
    for tries in range(3):
        row = ward.first(procedure_id)
        assert (row.tries, row.status) == (tries, "planned" if tries == 0 else "waiting")
        ward.now = row.next_try_at if tries else ward.now
        ward.ends(ward.rung(), outcome)
    row = ward.first(procedure_id)
    assert (row.status, row.tries, row.reason) == ("unreached", 3, outcome)
    assert [(event.followup_id, event.why) for event in ward.unreached] == [(row.id, outcome)]
    assert ward.waves(procedure_id)["48h"].status == "planned"


INTERVIEWS = {
    "completed": "completed", "declined": "declined", "identity_failed": "unreached", "partial": "waiting",
    "bad_time": "waiting", "not_patient": "waiting",
}  # fmt: skip


def test_how_a_conversation_ends_the_wave(ward: Ward) -> None:
    for number, (interview, status) in enumerate(INTERVIEWS.items()):
        procedure_id = ward.due_patient(f"+861380000002{number}", mrn=interview)
        ward.ends(ward.rung(), "answered", interview)
        row = ward.first(procedure_id)
        assert (row.status, row.reason) == (status, interview)
        ward.forward(seconds=1)


def test_half_an_interview_is_rung_again_and_ends_partial(ward: Ward) -> None:
    hospital(ward.house, calling={"rings_per_day": 10})
    procedure_id = ward.due_patient()
    for _ in range(3):
        ward.ends(ward.rung(), "answered", "partial")
        row = ward.first(procedure_id)
        if row.closed_at is None:
            assert row.next_try_at - ward.now == timedelta(minutes=30)
            ward.now = row.next_try_at
    assert row.status == "partial"
    assert len(ward.unreached) == 1


def test_a_ring_that_never_went_out_does_not_count(ward: Ward) -> None:
    hospital(ward.house, calling={"rings_per_day": 10})
    procedure_id = ward.due_patient()
    for _ in range(4):
        ward.ends(ward.rung(), "not_placed")
        row = ward.first(procedure_id)
        assert (row.status, row.tries) == ("waiting", 0)
        ward.now = row.next_try_at


def test_with_no_calling_hour_left_before_the_deadline_the_wave_ends_at_once(ward: Ward) -> None:
    ward.now = datetime(2031, 3, 7, 12, 0, tzinfo=UTC)  # 20:00 in Shanghai, the window closes at 20:30
    procedure_id = ward.operation(ward.patient(), timedelta(hours=29))  # the 6h wave's deadline is in an hour
    ward.ends(ward.rung(), "no_answer")
    row = ward.first(procedure_id)
    assert (row.status, row.reason) == ("unreached", "no_answer; no_time_left")
    assert len(ward.unreached) == 1


def test_the_last_answer_counts_even_if_the_call_ended_before_it_arrived(ward: Ward) -> None:
    """The hang-up during the open question: `completed` may overtake the Record action (docs/twilio.md 2.4)."""
    procedure_id = ward.due_patient()
    attempt = ward.rung()
    ward.post(attempt)
    call_id = ward.answer(attempt)
    ward.interview(attempt, call_id, "partial")
    ward.hear(attempt, "completed")
    assert ward.first(procedure_id).status == "waiting"
    ward.interview(attempt, call_id, "completed")
    assert ward.first(procedure_id).status == "completed"


def test_the_flows_own_word_wins_over_partial_while_the_call_lives(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    attempt = ward.rung()
    ward.post(attempt)
    call_id = ward.answer(attempt)
    ward.interview(attempt, call_id, "partial")
    ward.interview(attempt, call_id, "completed")
    ward.interview(attempt, call_id, "partial")
    ward.hear(attempt, "completed")
    assert ward.first(procedure_id).status == "completed"


def test_another_rings_end_moves_no_follow_up(ward: Ward) -> None:
    procedure_id = ward.due_patient()
    ward.rung()
    row = ward.first(procedure_id)
    with ward.house.transaction() as session:
        ring.on_attempt_ended(session, events.AttemptEnded(row.id, "doctor", row.id, "no_answer"), ward.now)
        ring.on_attempt_ended(session, events.AttemptEnded(row.id, "followup", None, "no_answer"), ward.now)
        ring.on_attempt_ended(session, events.AttemptEnded(row.id, "followup", procedure_id, "no_answer"), ward.now)
    assert ward.first(procedure_id).status == "calling"


# ---- the recovery message ------------------------------------------------------------------------------
def scored(ward: Ward, score: int, *, language: str = "en", zone: str = "Asia/Shanghai") -> None:
    ward.due_patient(language=language, zone=zone)
    attempt = ward.rung()
    ward.post(attempt)
    ward.score(ward.answer(attempt), score)


@pytest.mark.parametrize("score", [0, 3, 4, 10])
def test_recovery_tips_go_out_below_the_threshold_and_a_doctor_comes_from_it_on(ward: Ward, score: int) -> None:
    scored(ward, score)
    with ward.house.transaction() as session:
        escalations = session.scalar(sa.select(sa.func.count()).select_from(Escalation))
    assert (len(ward.messages()), escalations) == ((1, 0) if score < 4 else (0, 1))


def test_the_message_leaves_at_ten_the_next_morning_where_the_patient_is(ward: Ward) -> None:
    ward.now = datetime(2031, 3, 7, 15, 0, tzinfo=UTC)  # 10:00 in New York
    scored(ward, 2, zone="America/New_York")
    [message] = ward.messages()
    # Saturday, still winter time; on Sunday New York moves its clocks
    assert message.due_at == datetime(2031, 3, 8, 15, 0, tzinfo=UTC)


def test_the_message_keeps_its_hour_over_the_change_to_summer_time(ward: Ward) -> None:
    ward.now = datetime(2031, 3, 8, 15, 0, tzinfo=UTC)
    scored(ward, 2, zone="America/New_York")
    [message] = ward.messages()
    assert message.due_at == datetime(2031, 3, 9, 14, 0, tzinfo=UTC)


def test_one_message_however_often_the_score_stands(ward: Ward) -> None:
    scored(ward, 2)
    [attempt] = ward.live()
    with ward.house.transaction() as session:
        call = calls.for_attempt(session, attempt.id)
        assert call is not None
        for _ in range(3):
            notices.on_score_stands(session, events.ScoreStands(call.id, 1, ward.now, "key"), ward.now)
    assert len(ward.messages()) == 1


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_message_tells_a_neighbour_nothing(ward: Ward, language: str) -> None:
    scored(ward, 2, language=language)
    [message] = ward.messages()
    for told in (
        "Ann",
        "Example",
        "S-1",
        "surgery",
        "hernia",
        "operation",
        "pain",
        "score",
        "手术",
        "疼痛",
        "术后",
        "评分",
        "医院",
    ):
        assert told not in message.body
    assert ward.house.settings.hospital.spoken_alias(language).lower() in message.body.lower()
    assert str(ward.house.settings.twilio_from) in message.body
    assert "{" not in message.body
    assert ("恢复" in message.body) is (language == "zh-CN")


def test_the_message_is_not_sent_before_its_hour_nor_to_somebody_who_said_stop(ward: Ward) -> None:
    scored(ward, 2)
    with ward.house.transaction() as session:
        assert sms.due(session, ward.now) == 0
    no_consent(ward)
    [message] = ward.messages()
    ward.now = message.due_at
    with ward.house.transaction() as session:
        assert sms.due(session, ward.now) == 1
        assert sms.claim(session, message.id, ward.now) is None
    assert [(m.status, m.why) for m in ward.messages()] == [("cancelled", "no_consent")]


def test_a_known_hotline_caller_gets_the_tips_the_flow_promises(ward: Ward) -> None:
    ward.patient()
    with ward.house.transaction() as session:
        known = calls.open_inbound(session, "CA" + "d" * 32, PHONE, "hotline", ward.now).id
        stranger = calls.open_inbound(session, "CA" + "c" * 32, SECOND_PHONE, "hotline", ward.now).id
        withheld = calls.open_inbound(session, "CA" + "b" * 32, "", "hotline", ward.now).id
    for call_id in (known, stranger, withheld):
        ward.score(call_id, 2)
    assert [(m.subject_id, m.to) for m in ward.messages()] == [(known, PHONE)]


# ---- reports -------------------------------------------------------------------------------------------
def test_the_list_names_nobody_but_by_record_number(ward: Ward) -> None:
    ward.due_patient()
    with ward.house.transaction() as session:
        rows = reports.followups(session)
        later = reports.followups(session, since=ward.now + timedelta(days=20))
        nobody = reports.followups(session, patient_id=new_id())
    assert [row["wave"] for row in rows] == WAVES
    assert [row["wave"] for row in later] == ["30d", "90d"]
    assert nobody == []
    assert {row["mrn"] for row in rows} == {"S-1"}
    assert "Ann" not in str(rows)
