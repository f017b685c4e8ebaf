"""The satisfaction call after a ticket: when, to whom, how often, and what the answer does (docs/clinical.md WO20)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from core import events, people
from core.house import House
from core.models import Pause
from desk import surveys
from desk.models import Survey, Ticket
from dialer import jobs
from dialer.machine import OUTCOMES
from dialer.models import Attempt
from tests.desk.telling import Room
from tests.dialer.ward import PATIENT_PHONE
from tests.house import MID_MORNING, OPERATOR


@pytest.fixture
def room(house: House) -> Room:
    return Room.open(house)


def planned(room: Room, **words: object) -> Ticket:
    """A ticket that was resolved and told of just now, with its satisfaction call."""
    ticket = room.ticket(status="resolved", **words)  # type: ignore[arg-type]
    room.plan(ticket)
    return ticket


def ringing(room: Room, **words: object) -> tuple[Ticket, Attempt]:
    """Its hour has come."""
    ticket = planned(room, **words)
    room.at(room.survey().due_at)
    room.ask()
    (attempt,) = room.surveying()
    return ticket, attempt


def keyed(room: Room, attempt: Attempt, score: int | None) -> None:
    room.publish(events.SatisfactionKeyed(attempt.id, score))


# ---- planned -------------------------------------------------------------------------------------------
def test_it_is_planned_two_hours_after_they_were_told(room: Room) -> None:
    planned(room)
    row = room.survey()
    assert (row.status, row.due_at, row.next_try_at) == ("planned", MID_MORNING + timedelta(hours=4), row.due_at)
    # 12:00 is past the morning's window: the afternoon's begins at 14:00
    assert row.deadline_at == MID_MORNING + timedelta(hours=72)


def test_not_before_it_is_resolved_and_told(room: Room) -> None:
    open_ticket, silent = room.ticket(), room.ticket(status="resolved")
    room.change(silent, told_at=None)
    assert (room.plan(open_ticket), room.plan(silent), room.surveys()) == (None, None, [])


def test_the_two_hours_run_from_the_later_of_the_two(room: Room) -> None:
    ticket = room.ticket(status="resolved")
    room.change(ticket, told_at=room.now + timedelta(hours=5))  # told at three in the afternoon
    room.forward(hours=5)
    room.plan(ticket)
    assert room.survey().due_at == MID_MORNING + timedelta(hours=7)
    assert room.survey().deadline_at == MID_MORNING + timedelta(hours=72), "from the solution on"


def test_planned_again_it_is_as_it_was_and_a_new_round_has_its_own(room: Room) -> None:
    ticket = planned(room)
    room.forward(hours=1)
    room.plan(ticket)
    assert len(room.surveys()) == 1
    room.change(ticket, reopened=1, resolved_at=room.now, told_at=room.now)
    room.plan(ticket)
    assert [row.round for row in room.surveys()] == [0, 1]


def test_without_a_number_it_is_cancelled_with_the_reason(room: Room) -> None:
    ticket = planned(room, contact="")
    assert room.survey().status == "cancelled"
    assert room.told(ticket.id)[-1] == ("satisfaction not asked", "there is no number to ring")


@pytest.mark.parametrize(
    ("zone", "told", "due"),
    [
        # told at ten at night: the next morning
        ("Asia/Shanghai", datetime(2031, 3, 7, 14, 0, tzinfo=UTC), datetime(2031, 3, 8, 0, 30, tzinfo=UTC)),
        # told on the eve of New York's change of clocks: 08:30 there is an hour nearer
        ("America/New_York", datetime(2031, 3, 9, 2, 0, tzinfo=UTC), datetime(2031, 3, 9, 12, 30, tzinfo=UTC)),
        # on a weekend people are rung like on any day, on a holiday at the holiday's hours
        ("Asia/Shanghai", datetime(2031, 10, 1, 0, 0, tzinfo=UTC), datetime(2031, 10, 1, 2, 0, tzinfo=UTC)),
        ("Asia/Shanghai", datetime(2031, 10, 1, 12, 0, tzinfo=UTC), datetime(2031, 10, 2, 1, 30, tzinfo=UTC)),
    ],
)
def test_it_rings_when_people_are_rung(room: Room, zone: str, told: datetime, due: datetime) -> None:
    patient = room.patient(zone=zone)
    room.at(told)
    planned(room, patient=patient)
    assert room.survey().due_at == due


def test_somebody_on_no_file_is_rung_by_the_hospitals_clock(house: House) -> None:
    room = Room.open(house, '[hospital]\nlive = true\ntimezone = "America/New_York"\n')
    room.at(datetime(2031, 3, 6, 3, 0, tzinfo=UTC))  # ten in the evening there
    planned(room)
    assert room.survey().due_at == datetime(2031, 3, 6, 13, 30, tzinfo=UTC)


# ---- rung ----------------------------------------------------------------------------------------------
def test_nobody_on_file_and_no_consent_is_no_hindrance(room: Room) -> None:
    _, attempt = ringing(room)
    assert (attempt.to, attempt.lane, attempt.patient_id) == (PATIENT_PHONE, "routine", None)
    assert attempt.give_up_at == room.survey().deadline_at
    assert (room.survey().status, room.survey().attempt_id) == ("calling", attempt.id)


def test_a_patient_without_a_line_in_the_consent_ledger_is_asked_too(room: Room) -> None:
    patient = room.patient(consents="")
    _, attempt = ringing(room, patient=patient)
    assert attempt.patient_id == patient.id


@pytest.mark.parametrize("why", ["no_consent", "do_not_call", "deceased", "readmitted"])
def test_who_must_not_be_rung_is_not_and_the_ticket_says_why(room: Room, why: str) -> None:
    patient = room.patient()
    ticket = planned(room, patient=patient)
    with room.house.transaction() as session:
        if why == "no_consent":
            people.set_consent(session, patient.id, "survey", False, "keypad", room.now)
        elif why == "do_not_call":
            people.add_do_not_call(session, PATIENT_PHONE, "sms", room.now)
        else:
            session.execute(sa.text("UPDATE patients SET status = :status"), {"status": why})
    room.at(room.survey().due_at)
    room.ask()
    assert (room.surveying(), room.survey().status) == ([], "cancelled")
    assert room.told(ticket.id)[-1] == ("satisfaction not asked", why)


def test_a_no_to_other_calls_is_none_to_this_one(room: Room) -> None:
    patient = room.patient()
    with room.house.transaction() as session:
        people.set_consent(session, patient.id, "followup", False, "keypad", room.now)
    _, attempt = ringing(room, patient=patient)
    assert attempt.status == "placed"


def test_somebody_who_died_while_it_rang_is_not_spoken_to(room: Room) -> None:
    patient = room.patient()
    _, attempt = ringing(room, patient=patient)
    with room.house.transaction() as session:
        session.execute(sa.text("UPDATE patients SET status = 'deceased'"))
    line = room.pick_up(attempt)
    assert line.last is not None
    assert line.last.hangs_up_at_once


def test_a_record_that_was_merged_is_rung_as_the_one_that_stands(room: Room) -> None:
    old, new = room.patient("+861055550171"), room.patient()
    ticket = planned(room, patient=old)
    with room.house.transaction() as session:
        session.execute(
            sa.text("UPDATE patients SET merged_into = :new WHERE id = :old"), {"new": new.id, "old": old.id}
        )
    room.at(room.survey().due_at)
    room.ask()
    assert [attempt.patient_id for attempt in room.surveying()] == [new.id]
    assert ticket.patient_id == old.id


def test_a_number_is_rung_so_often_a_day_whatever_for(room: Room) -> None:
    room.settings("[calling]\nrings_per_day = 1\n")
    patient = room.patient()
    other = room.placed(room.ring(patient_id=patient.id))
    room.work()
    room.says(other.id, "no_answer")
    planned(room, patient=patient)
    room.at(room.survey().due_at)
    room.ask()
    assert room.surveying() == []
    assert room.survey().next_try_at == MID_MORNING + timedelta(hours=22, minutes=30)


def test_it_waits_while_anybody_waits_for_a_doctor(room: Room) -> None:
    room.settings("[calling]\nlines = 9\n")
    planned(room, contact="+861055550172")
    room.at(room.survey().due_at)
    room.score(8, room.inbound(patient=room.patient()))
    room.ask()
    assert (room.surveying(), room.survey().status) == ([], "planned")
    assert [row.reason for row in room.refusals() if row.kind == "satisfaction"] == ["alarm_open"]


def test_a_pause_of_the_routine_calls_holds_it(room: Room) -> None:
    planned(room)
    room.at(room.survey().due_at)
    with room.house.transaction() as session:
        session.add(Pause(lane="routine", reason="x", who="x", started_at=room.now))
    room.ask()
    assert (room.surveying(), room.survey().status) == ([], "planned")


def test_no_machine_is_listened_for_because_none_is_left_a_word(room: Room) -> None:
    room.settings("[followup]\nmachine_detection = true\n")
    _, attempt = ringing(room)
    assert room.carrier.calls[-1].to == attempt.to
    assert room.carrier.calls[-1].machine_callback is None
    assert jobs._machine_callback(room.house, attempt) is None


@pytest.mark.parametrize("outcome", ["no_answer", "busy", "failed", "completed"])
def test_two_rings_in_vain_and_a_person_decides(room: Room, outcome: str) -> None:
    ticket, attempt = ringing(room)
    room.says(attempt.id, outcome)
    assert (room.survey().status, room.survey().tries) == ("waiting", 1)
    room.at(room.survey().next_try_at)
    room.ask()
    (_, second) = room.surveying()
    room.says(second.id, outcome)
    assert (room.survey().status, room.survey().tries) == ("unreached", 2)
    assert room.ticket_now(ticket).status == "resolved"
    assert room.told(ticket.id)[-1][0] == "satisfaction unknown"
    room.forward(days=4)
    assert room.ask() == 0


def test_a_ring_that_never_went_out_is_no_try(room: Room) -> None:
    _, attempt = ringing(room)
    with room.house.transaction() as session:
        events.publish(
            session,
            events.AttemptEnded(attempt.id, "satisfaction", room.survey().id, "not_placed"),
            room.now,
        )
    assert (room.survey().status, room.survey().tries) == ("waiting", 0)


def test_after_72_hours_nobody_is_rung(room: Room) -> None:
    ticket = planned(room)
    room.at(room.survey().deadline_at)
    room.ask()
    assert (room.surveying(), room.survey().status) == ([], "unreached")
    assert room.told(ticket.id)[-1] == ("satisfaction unknown", "there is no time left")


def test_it_is_closed_in_time_also_while_no_line_is_free(room: Room) -> None:
    planned(room)
    room.inbound("+8613800000077")
    room.at(room.survey().deadline_at)
    room.ask()
    assert room.survey().status == "unreached"


def test_a_ticket_that_was_opened_again_meanwhile_is_not_asked_about(room: Room) -> None:
    ticket = planned(room)
    room.change(ticket, status="reopened", reopened=1)
    room.at(room.survey().due_at)
    room.ask()
    assert (room.surveying(), room.survey().status) == ([], "cancelled")


def test_staff_who_close_it_spare_nobody_the_question(room: Room) -> None:
    ticket = planned(room)
    room.change(ticket, status="confirmed")
    room.at(room.survey().due_at)
    room.ask()
    keyed(room, room.surveying()[0], 1)
    assert room.ticket_now(ticket).status == "reopened"


# ---- answered ------------------------------------------------------------------------------------------
def test_the_call_says_who_we_are_and_which_day_and_not_what_it_is_about(room: Room) -> None:
    room.doctor(3, "head", "surgery")
    _, attempt = ringing(room, words="they made fun of me")
    line = room.pick_up(attempt)
    assert line.last is not None
    said = line.last.said
    assert "the health service centre" in said
    assert "Friday, March 7" in said
    for word in ("Example Hospital", "surgery", "complaint", "fun", "treatment", "doctor"):
        assert word not in said, word
    assert "Start" not in line.last.verbs, "nothing is recorded"


@pytest.mark.parametrize(("score", "status"), [(1, "reopened"), (2, "reopened"), (3, "confirmed"), (5, "confirmed")])
def test_a_low_score_opens_it_again_and_any_other_closes_it(room: Room, score: int, status: str) -> None:
    ticket, attempt = ringing(room)
    line = room.pick_up(attempt)
    line.press(str(score))
    after = line.does()
    assert ("look into it again" in after.said) == (status == "reopened")
    line.hangs_up()
    row = room.survey()
    assert (row.status, row.score, row.closed_at) == ("scored", score, room.now)
    assert (room.ticket_now(ticket).status, room.ticket_now(ticket).satisfaction) == (status, score)
    assert (("reopened", "low satisfaction") in room.told(ticket.id)) == (status == "reopened")


def test_where_low_begins_is_the_hospitals_word(room: Room) -> None:
    room.settings("[tickets]\nlow = 4\n")
    ticket, attempt = ringing(room)
    keyed(room, attempt, 4)
    assert room.ticket_now(ticket).status == "reopened"


def test_who_hangs_up_after_the_key_has_been_heard(room: Room) -> None:
    ticket, attempt = ringing(room)
    line = room.pick_up(attempt)
    line.press("1")
    line.hangs_up()
    assert room.ticket_now(ticket).status == "reopened"


def test_the_key_that_was_overtaken_by_the_end_of_the_call_counts(room: Room) -> None:
    ticket, attempt = ringing(room)
    room.pick_up(attempt)
    room.says(attempt.id, "completed")
    assert room.survey().status == "waiting"
    keyed(room, attempt, 5)
    assert (room.survey().status, room.ticket_now(ticket).status) == ("scored", "confirmed")
    room.at(room.survey().next_try_at)
    room.ask()
    assert len(room.surveying()) == 1


def test_the_first_key_counts(room: Room) -> None:
    ticket, attempt = ringing(room)
    keyed(room, attempt, 5)
    keyed(room, attempt, 1)
    assert (room.survey().score, room.ticket_now(ticket).status) == (5, "confirmed")


def test_seven_is_not_to_be_asked_and_a_patient_is_never_asked_again(room: Room) -> None:
    patient = room.patient()
    ticket, attempt = ringing(room, patient=patient)
    line = room.pick_up(attempt)
    line.press("7")
    line.hangs_up()
    assert (room.survey().status, room.survey().score) == ("cancelled", None)
    assert room.ticket_now(ticket).status == "resolved"
    with room.house.transaction() as session:
        assert people.last_word(session, patient.id, "survey") == (False, "keypad")
        assert people.has_consent(session, patient.id, "followup"), "only this was refused"


def test_a_score_for_a_ticket_that_is_open_again_changes_nothing_but_the_ledger(room: Room) -> None:
    ticket, attempt = ringing(room)
    room.change(ticket, status="reopened", reopened=1)
    keyed(room, attempt, 5)
    assert room.ticket_now(ticket).status == "reopened"
    assert room.told(ticket.id)[-1][0] == "satisfaction keyed late"


def test_zero_is_a_person(room: Room) -> None:
    _, attempt = ringing(room)
    line = room.pick_up(attempt)
    document = line.press("0")
    assert document.find("Number").text == OPERATOR
    assert room.survey().score is None


# ---- rules and tick ------------------------------------------------------------------------------------
def test_every_outcome_has_a_rule_and_the_second_try_is_the_last() -> None:
    assert set(surveys.AFTER_OUTCOME) == set(OUTCOMES)
    for outcome in OUTCOMES:
        first, second = surveys.after_ring(outcome, 0), surveys.after_ring(outcome, 1)
        assert (first.event, second.event) in {("wait", "unreached"), ("unreached", "unreached"), ("wait", "wait")}
        assert second.event == "unreached" or not second.counts


def test_every_state_leads_to_an_end() -> None:
    states = {state for state, _ in surveys.MOVES} | set(surveys.MOVES.values())
    ends = set(surveys.OVER)
    while more := {state for (state, _), to in surveys.MOVES.items() if to in ends and state not in ends}:
        ends |= more
    assert states == ends


def test_what_is_due_is_found_by_an_index(room: Room) -> None:
    question = sa.select(Survey).where(surveys._IN_WAITING, Survey.next_try_at <= room.now)
    with room.house.transaction() as session:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        text = str(question.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
        plan = "\n".join(session.execute(sa.text(f"EXPLAIN {text}")).scalars())
    assert "ix_surveys_next" in plan, plan
