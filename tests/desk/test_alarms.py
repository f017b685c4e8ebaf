"""Who hears of a ticket without anyone's doing: by ring and SMS, until a key is pressed; at night only what must."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from core import events
from core.house import House
from core.models import Pause, new_id
from desk import alarms, tickets
from desk.models import TicketAlarm
from dialer import roster_covers, sms
from dialer.models import Shift
from scheduler.timetable import fire
from tests.desk.telling import Room
from tests.dialer.ward import DOCTOR_PHONES
from tests.house import MID_MORNING

HEAD, PRESIDENT, FIRST_LINE = DOCTOR_PHONES[3], DOCTOR_PHONES[4], DOCTOR_PHONES[5]
TEN_AT_NIGHT = MID_MORNING + timedelta(hours=12)
OPENING = MID_MORNING + timedelta(hours=22)
"""The next morning at eight."""


@pytest.fixture
def room(house: House) -> Room:
    room = Room.open(house)
    room.doctor(3, "head", "surgery")
    return room


def rung(room: Room) -> list[str]:
    return [attempt.to for attempt in room.heads()]


def unanswered(room: Room) -> None:
    """The ring that lives is not picked up."""
    (attempt,) = room.attempts(kind="head", live=True)
    room.says(attempt.id, "no_answer")


# ---- the head of department ----------------------------------------------------------------------------
def test_the_head_of_the_department_is_rung_and_written_to_without_anyones_doing(room: Room) -> None:
    ticket = room.ticket(words="they made fun of me")
    room.overdue(ticket)
    room.tell()
    (attempt,) = room.heads()
    assert (attempt.to, attempt.flow, attempt.lane, attempt.status) == (HEAD, "ticket_alarm", "routine", "placed")
    assert attempt.shift_id is not None
    assert attempt.patient_id is None
    (message,) = room.carrier.messages
    assert message.to == HEAD
    for word in (ticket.number, "surgery", "red", "time to solve"):
        assert word in message.body
    assert "fun" not in message.body


def test_whoever_covers_for_the_head_is_rung_instead(room: Room) -> None:
    reach, until = roster_covers.Reach(DOCTOR_PHONES[9], "", "", "en"), room.now + timedelta(hours=1)
    with room.house.transaction() as session:
        roster_covers.cover(session, "Dr 3", "Dr 9", reach, room.now, until, who="anna", note="", now=room.now)
    room.overdue(room.ticket())
    room.tell()
    assert rung(room) == [DOCTOR_PHONES[9]]


def test_the_call_says_number_department_colour_and_time_and_one_key_ends_it(room: Room) -> None:
    ticket = room.ticket()
    room.clock(ticket, due_at=room.now - timedelta(minutes=12))
    room.overdue(ticket)
    room.tell()
    line = room.pick_up(room.heads()[0])
    assert line.last is not None
    said = line.last.said
    for words in ("A ticket is overdue", " ".join(ticket.number), "surgery", "red", "12 minutes"):
        assert words in said, words
    assert "Ann" not in said
    line.press("1")
    line.hangs_up()
    (alarm,) = room.alarms()
    assert (alarm.acknowledged_at, alarm.next_try_at) == (room.now, None)
    room.forward(hours=1)
    assert room.tell() == 0
    assert len(room.heads()) == 1
    assert ("alarm acknowledged", "solve") in room.told(ticket.id)


def test_three_rings_at_the_head_then_three_at_the_president_then_it_is_written_down(room: Room) -> None:
    room.doctor(4, "president", "*")
    ticket = room.ticket()
    room.overdue(ticket)
    moments = []
    for _ in range(6):
        room.tell()
        moments.append(room.now)
        unanswered(room)
        assert room.tell() == 0
        room.forward(minutes=10)
    room.tell()
    assert rung(room) == [HEAD] * 3 + [PRESIDENT] * 3
    assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {timedelta(minutes=10)}
    assert [message.to for message in room.texts()] == [HEAD, PRESIDENT]
    assert room.alarms()[0].next_try_at is None
    assert room.told(ticket.id)[-1] == ("alarm in vain", "nobody pressed the key")
    room.forward(days=1)
    room.tell()
    assert len(room.heads()) == 6


def test_two_heads_on_duty_are_rung_in_turn(room: Room) -> None:
    room.doctor(6, "head", "surgery")
    room.overdue(room.ticket())
    for _ in range(3):
        room.tell()
        unanswered(room)
        room.forward(minutes=10)
    assert rung(room) == [HEAD, DOCTOR_PHONES[6], HEAD]


def test_with_no_head_on_duty_it_is_the_president(room: Room) -> None:
    room.doctor(4, "president", "*")
    room.overdue(room.ticket(department="billing"))
    room.tell()
    assert rung(room) == [PRESIDENT]


def test_with_nobody_on_duty_a_row_says_so_once_and_who_comes_on_duty_is_rung(room: Room) -> None:
    ticket = room.ticket(department="billing")
    room.overdue(ticket)
    for _ in range(5):
        room.tell()
        room.forward(minutes=10)
    assert room.told(ticket.id).count((alarms.NOBODY, "billing")) == 1
    assert room.heads() == []
    room.doctor(7, "head", "billing")
    room.tell()
    assert rung(room) == [DOCTOR_PHONES[7]]


def test_nobody_for_a_week_is_given_up(room: Room) -> None:
    ticket = room.ticket(department="billing")
    room.overdue(ticket)
    room.tell()
    room.forward(days=7)
    room.tell()
    assert room.told(ticket.id)[-1] == ("alarm in vain", "nobody was on duty")
    assert room.tell() == 0


def test_the_same_clock_tells_once_and_each_round_again(room: Room) -> None:
    ticket = room.ticket()
    room.overdue(ticket)
    room.overdue(ticket)
    assert [alarm.why for alarm in room.alarms()] == ["solve"]
    room.overdue(ticket, "propose")
    room.overdue(ticket, "solve", round_=1)
    assert sorted(alarm.why for alarm in room.alarms()) == ["propose", "solve", "solve 1"]


# ---- by day and by night -------------------------------------------------------------------------------
@pytest.mark.parametrize("colour", ["yellow", "blue"])
def test_at_night_nobody_is_rung_or_written_to_about_what_is_not_red(room: Room, colour: str) -> None:
    room.at(TEN_AT_NIGHT)
    room.overdue(room.ticket("message", colour=colour))
    while room.now < OPENING:
        room.tell()
        assert (room.heads(), room.texts()) == ([], [])
        room.forward(minutes=30)
    room.tell()
    assert room.now == OPENING
    assert (rung(room), [message.to for message in room.texts()]) == ([HEAD], [HEAD])


def test_a_red_one_rings_at_night(room: Room) -> None:
    room.at(TEN_AT_NIGHT)
    room.overdue(room.ticket("message", colour="yellow"))
    room.overdue(room.ticket(colour="red"))
    room.tell()
    assert rung(room) == [HEAD]
    assert "red" in room.carrier.messages[0].body
    unanswered(room)
    room.forward(minutes=10)
    room.tell()
    assert len(room.heads()) == 2


def test_a_try_that_falls_into_the_night_waits_for_the_morning(room: Room) -> None:
    room.at(MID_MORNING + timedelta(hours=10, minutes=55))  # five to nine in the evening
    room.overdue(room.ticket("message", colour="blue"))
    room.tell()
    unanswered(room)
    room.forward(minutes=10)
    room.tell()
    assert len(room.heads()) == 1
    room.at(OPENING)
    room.tell()
    assert len(room.heads()) == 2


def test_a_text_that_could_not_leave_in_the_evening_does_not_arrive_at_night(room: Room) -> None:
    room.at(MID_MORNING + timedelta(hours=10, minutes=55))
    room.overdue(room.ticket("message", colour="blue"))
    fire(room.house, "tickets' alarms", alarms.due)
    room.drop_jobs()  # the worker died with what it held
    room.forward(minutes=20)
    with room.house.transaction() as session:
        sms.due(session, room.now)
    room.work("send_alert")
    assert room.carrier.messages == []
    assert [message.status for message in room.texts()] == ["cancelled"]


@pytest.mark.parametrize(
    ("zone", "raised", "opens"),
    [
        # a Friday's, over a weekend: heads are told on Saturday morning, too
        ("Asia/Shanghai", datetime(2031, 3, 7, 15, 30, tzinfo=UTC), datetime(2031, 3, 8, 0, 0, tzinfo=UTC)),
        # the night in which New York puts its clocks forward: eight is an hour nearer
        ("America/New_York", datetime(2031, 3, 9, 3, 0, tzinfo=UTC), datetime(2031, 3, 9, 12, 0, tzinfo=UTC)),
        # and back: an hour further
        ("America/New_York", datetime(2031, 11, 2, 3, 0, tzinfo=UTC), datetime(2031, 11, 2, 13, 0, tzinfo=UTC)),
    ],
)
def test_the_opening_is_one_of_the_wall(house: House, zone: str, raised: datetime, opens: datetime) -> None:
    room = Room.open(house, f'[hospital]\nlive = true\ntimezone = "{zone}"')
    room.at(raised)
    room.doctor(3, "head", "surgery")
    room.overdue(room.ticket("message", colour="blue"))
    (alarm,) = room.alarms()
    assert alarm.next_try_at == opens
    assert opens.astimezone(ZoneInfo(zone)).time() == time(8)


def test_over_a_whole_day_nothing_that_is_not_red_ever_rings_outside_its_hours(room: Room) -> None:
    room.doctor(4, "president", "*")
    room.at(MID_MORNING + timedelta(hours=9))
    for number in range(3):
        room.overdue(room.ticket("message", colour=("yellow", "blue", "yellow")[number]))
        for _ in range(50):
            room.tell()
            for attempt in room.attempts(kind="head", live=True):
                room.says(attempt.id, "no_answer")
            room.forward(minutes=7)
    walls = [attempt.created_at.astimezone(ZoneInfo("Asia/Shanghai")).time() for attempt in room.heads()]
    walls += [message.created_at.astimezone(ZoneInfo("Asia/Shanghai")).time() for message in room.texts()]
    assert len(walls) > 10
    assert all(time(8) <= wall < time(21) for wall in walls), walls


# ---- complaints about treatment ------------------------------------------------------------------------
def test_a_medical_complaint_rings_medical_affairs_at_once_at_any_hour(room: Room) -> None:
    room.doctor(5, "1", "medical affairs")
    room.doctor(6, "head", "medical affairs")
    room.at(TEN_AT_NIGHT)
    ticket = room.ticket("complaint_medical", department="medical affairs")
    room.medical(ticket)
    room.medical(ticket)
    room.tell()
    assert rung(room) == [FIRST_LINE]
    assert [(message.to, "at once" in message.body) for message in room.carrier.messages] == [(FIRST_LINE, True)]
    line = room.pick_up(room.heads()[0])
    assert line.last is not None
    assert "complaint must be seen to at once" in line.last.said
    assert "overdue" not in line.last.said.lower()


def test_without_a_first_tier_it_is_the_head_of_medical_affairs_then_the_president(room: Room) -> None:
    room.doctor(6, "head", "medical affairs")
    room.doctor(4, "president", "*")
    room.medical(room.ticket("complaint_medical", department="medical affairs"))
    for _ in range(4):
        room.tell()
        unanswered(room)
        room.forward(minutes=10)
    assert rung(room) == [DOCTOR_PHONES[6]] * 3 + [PRESIDENT]


def test_what_is_no_complaint_about_treatment_after_all_rings_medical_affairs_no_more(room: Room) -> None:
    room.doctor(6, "head", "medical affairs")
    room.at(TEN_AT_NIGHT)
    with room.house.transaction() as session:
        ticket = tickets.open_(session, "complaint_medical", room.now, contact="+861055550131")
    room.tell()
    unanswered(room)
    with room.house.transaction() as session:
        tickets.classify(session, ticket.id, "li", room.now, medical=False)
    room.forward(minutes=10)
    room.tell()
    assert rung(room) == [DOCTOR_PHONES[6]]


# ---- what becomes of it meanwhile ----------------------------------------------------------------------
def test_a_ticket_that_was_resolved_meanwhile_is_not_rung_about(room: Room) -> None:
    ticket = room.ticket()
    room.overdue(ticket)
    room.tell()
    unanswered(room)
    room.forward(minutes=5)
    room.change(ticket, status="resolved", resolved_at=room.now)
    room.forward(minutes=5)
    room.tell()
    assert len(room.heads()) == 1
    assert room.told(ticket.id)[-1] == ("alarm over", "the ticket is resolved")


def test_who_picks_up_after_it_was_resolved_hears_that_and_need_press_nothing(room: Room) -> None:
    ticket = room.ticket()
    room.overdue(ticket)
    room.tell()
    room.forward(seconds=20)
    room.change(ticket, status="resolved", resolved_at=room.now)
    line = room.pick_up(room.heads()[0])
    assert line.last is not None
    assert "dealt with" in line.last.said
    assert line.last.verbs[-1] == "Hangup"


def test_a_solution_nobody_was_told_of_in_time_is_told_to_the_head(room: Room) -> None:
    """docs/clinical.md WO4: closed is what whoever asked was told."""
    ticket = room.ticket()
    room.change(ticket, status="resolved", resolved_at=room.now)
    room.forward(minutes=30)
    room.overdue(ticket)
    room.tell()
    unanswered(room)
    room.forward(minutes=10)
    room.change(ticket, told_at=room.now)
    room.tell()
    assert len(room.heads()) == 1


def test_a_calming_call_is_owed_whatever_else_was_done(room: Room) -> None:
    """docs/clinical.md CMP7."""
    ticket = room.ticket("complaint_medical", status="resolved")
    room.overdue(ticket, "calm")
    room.tell()
    assert rung(room) == [HEAD]


def test_a_clock_whose_work_was_done_late_is_told_of_no_more(room: Room) -> None:
    ticket = room.ticket()
    room.overdue(ticket, "respond")
    room.tell()
    unanswered(room)
    with room.house.transaction() as session:
        session.execute(sa.text("UPDATE ticket_clocks SET met_at = :now"), {"now": room.now})
    room.forward(minutes=10)
    room.tell()
    assert len(room.heads()) == 1


def test_a_ticket_that_went_to_another_department_rings_there(room: Room) -> None:
    room.doctor(8, "head", "billing")
    ticket = room.ticket()
    room.overdue(ticket)
    room.tell()
    unanswered(room)
    room.change(ticket, department="billing")
    for _ in range(2):
        room.forward(minutes=10)
        room.tell()
        unanswered(room)
    assert rung(room) == [HEAD, DOCTOR_PHONES[8], DOCTOR_PHONES[8]]


# ---- many at once --------------------------------------------------------------------------------------
def test_thirty_tickets_of_a_night_are_one_ring_one_message_and_one_key(room: Room) -> None:
    room.at(TEN_AT_NIGHT)
    made = [room.ticket("message", colour="yellow") for _ in range(30)]
    for ticket in made:
        room.overdue(ticket)
        room.forward(seconds=10)
    room.at(OPENING)
    room.tell()
    (attempt,) = room.heads()
    (message,) = room.texts()
    assert "29" in message.body
    line = room.pick_up(attempt)
    assert line.last is not None
    assert "Other tickets waiting with you: 29" in line.last.said
    assert " ".join(made[0].number) in line.last.said
    line.press("1")
    assert all(alarm.acknowledged_at for alarm in room.alarms())


def test_tickets_that_run_out_one_after_the_other_are_no_ring_a_minute(room: Room) -> None:
    """Each is rung for when it comes; after that the head is rung every ten minutes, for all of them."""
    for minute in range(45):
        if minute < 18 and minute % 3 == 0:
            room.overdue(room.ticket())
        room.tell()
        for attempt in room.attempts(kind="head", live=True):
            room.says(attempt.id, "no_answer")
        room.forward(minutes=1)
    minutes = [(attempt.created_at - MID_MORNING) // timedelta(minutes=1) for attempt in room.heads()]
    assert [minute for minute in minutes if minute >= 18] == [20, 30]
    assert len(minutes) <= 6 + 3


def test_a_head_of_two_departments_is_not_rung_at_two_telephones_at_once(room: Room) -> None:
    room.settings("[calling]\nlines = 9\n")
    second = DOCTOR_PHONES[9]
    shift = room.doctor(3, "head", "billing", name="Dr 3")
    with room.house.transaction() as session:
        for row in session.scalars(sa.select(Shift).where(Shift.doctor_index == shift.doctor_index)):
            row.phone2 = second
    room.overdue(room.ticket())
    room.tell()
    unanswered(room)
    room.forward(minutes=9, seconds=50)
    room.overdue(room.ticket(department="billing"))
    room.tell()
    room.forward(seconds=10)
    room.tell()
    assert len(room.attempts(kind="head", live=True)) == 1
    unanswered(room)
    room.forward(minutes=1)
    room.tell()
    assert rung(room) == [HEAD, HEAD, second]


def test_departments_do_not_wait_for_each_other(room: Room) -> None:
    room.settings("[calling]\nlines = 6\n")
    room.doctor(8, "head", "billing")
    room.overdue(room.ticket())
    room.overdue(room.ticket(department="billing"))
    room.tell()
    assert sorted(rung(room)) == sorted([HEAD, DOCTOR_PHONES[8]])


def test_one_that_comes_while_the_head_listens_is_rung_for_itself(room: Room) -> None:
    first, second = room.ticket(), room.ticket()
    room.overdue(first)
    room.tell()
    line = room.pick_up(room.heads()[0])
    room.overdue(second)
    room.tell()
    line.press("1")
    line.hangs_up()
    assert [bool(alarm.acknowledged_at) for alarm in room.alarms()] == [True, False]
    room.forward(seconds=30)
    room.tell()
    assert len(room.heads()) == 2


# ---- beside everything else ----------------------------------------------------------------------------
def test_a_patients_alarm_frees_the_heads_telephone(room: Room) -> None:
    """The head stands in the chain of doctors as well: a patient in pain goes before a ticket."""
    room.settings('[calling]\nlines = 6\n[escalation]\nchain = ["head"]\n')
    shift = room.doctor(3, "head", "*", name="Dr 3")
    room.overdue(room.ticket())
    room.tell()
    (attempt,) = room.heads()
    assert attempt.to == shift.phone
    room.score(8, room.inbound(patient=room.patient()))
    assert [ring.to for ring in room.attempts(kind="doctor", live=True)] == [shift.phone]
    room.work()
    assert room.attempt(attempt.id).unwanted
    assert room.attempt(attempt.id).sid in room.carrier.hung_up


def test_a_ring_that_was_taken_back_before_it_left_is_no_try(room: Room) -> None:
    room.overdue(room.ticket())
    fire(room.house, "tickets' alarms", alarms.due)
    (attempt,) = room.heads()
    with room.house.transaction() as session:
        alarms.on_doctor_rung(session, events.DoctorRung(new_id(), new_id(), HEAD, "en"), room.now)
    room.work("hang_up")
    assert room.attempt(attempt.id).status == "cancelled"
    assert room.alarms()[0].tries == 0
    room.forward(minutes=1)
    room.tell()
    assert len(room.heads()) == 2


def test_the_key_at_another_ring_is_none_of_it(room: Room) -> None:
    room.overdue(room.ticket())
    room.tell()
    (attempt,) = room.heads()
    other = room.placed(room.ring("operator", to="+861055550199"))
    room.publish(events.Acknowledged(other.id))
    assert room.alarms()[0].acknowledged_at is None
    room.publish(events.Acknowledged(attempt.id))
    assert room.alarms()[0].acknowledged_at == room.now


def test_a_pause_of_everything_holds_the_ring_and_the_message(room: Room) -> None:
    with room.house.transaction() as session:
        session.add(Pause(lane="all", reason="x", who="x", started_at=room.now))
    room.overdue(room.ticket())
    room.tell()
    assert room.heads() == []
    assert [refusal.reason for refusal in room.refusals() if refusal.kind == "head"] == ["paused"]
    assert room.carrier.messages == []


def test_it_never_takes_the_lines_kept_for_a_doctor_and_a_patient(room: Room) -> None:
    room.inbound("+8613800000077")  # one of three lines, two are kept
    room.overdue(room.ticket())
    room.tell()
    assert room.heads() == []
    assert [message.to for message in room.carrier.messages] == [HEAD], "the message needs no line"


def test_an_alarm_that_cannot_be_told_does_not_keep_the_others_from_it(room: Room) -> None:
    broken = room.ticket(department="billing")
    room.doctor(8, "head", "billing")
    room.overdue(broken)
    with room.house.transaction() as session:
        # a colour nobody has a word for
        session.execute(sa.text("UPDATE tickets SET colour = 'green' WHERE id = :id"), {"id": broken.id})
    room.forward(seconds=1)
    room.overdue(room.ticket())
    room.tell()
    assert rung(room) == [HEAD]


# ---- the tick ------------------------------------------------------------------------------------------
def test_what_is_due_and_what_was_told_in_a_ring_is_found_by_an_index(room: Room) -> None:
    questions = {
        "ix_ticket_alarms_due": alarms._due(room.now),
        "ix_ticket_alarms_attempt": sa.select(TicketAlarm).where(TicketAlarm.attempt_id == new_id()),
    }
    with room.house.transaction() as session:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for index, question in questions.items():
            text = str(question.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
            plan = "\n".join(session.execute(sa.text(f"EXPLAIN {text}")).scalars())
            assert index in plan, plan
