"""Complaints and the progress of a ticket by telephone, with the real routes: the ticket is there with the key, its
number is said with the promise its clocks make, and a wrong number tells nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from ivr_call import PROMPTS, Call

from core.house import House
from core.models import EventRow
from desk import ticket_facts
from desk.models import Ticket
from desk.ticket_facts import MOST_LOOKS
from dialer.models import Call as CallRow
from tests.desk.telling import Room
from tests.ivr.ivr_line import CALLER, Line, Switch

NUMBER = "Your complaint is number"


class Desk(Room):
    """A hotline that begins with the complaints."""

    def rings(self, flow: str = "complaints", caller: str = CALLER) -> Line:
        self.settings(f'[hotline]\nflow = "{flow}"\n')
        line = Switch(self.house).line()
        line.sid = f"CA{len(self.calls()):032x}"
        line.rings(caller)
        line.press("8") if flow == "complaints" else None
        return line

    def calls(self) -> list[CallRow]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(CallRow).order_by(CallRow.started_at)))

    def tickets(self) -> list[Ticket]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(Ticket).order_by(Ticket.serial)))

    def no_clocks(self, due_at: datetime | None = None) -> None:
        """The clocks this test gives the ticket are all it has."""
        with self.house.transaction() as session:
            session.execute(sa.text("DELETE FROM ticket_clocks"))
            session.execute(sa.update(Ticket).values(due_at=due_at))


@pytest.fixture
def desk(house: House) -> Desk:
    room = Room.open(house)
    return Desk(house, room.carrier)


def apart(number: str) -> str:
    return " ".join(number)


def said(line: Line) -> str:
    assert line.last is not None
    return line.last.said


# ---- complaints ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("key", "kind"), [("1", "complaint_medical"), ("2", "complaint_other")])
def test_the_ticket_is_there_with_the_key_so_that_a_hang_up_loses_nothing(desk: Desk, key: str, kind: str) -> None:
    line = desk.rings()
    line.press(key)
    line.hangs_up()
    assert [(ticket.kind, ticket.contact) for ticket in desk.tickets()] == [(kind, CALLER)]
    assert desk.calls()[0].reason == kind


@pytest.mark.parametrize("key", ["1", "2"])
def test_then_a_message_and_then_the_number_with_its_digits_apart_and_the_promise(desk: Desk, key: str) -> None:
    line = desk.rings()
    document = line.press(key)
    assert "Record" in document.verbs
    (ticket,) = desk.tickets()
    desk.no_clocks()
    desk.clock(ticket, due_at=desk.now + timedelta(minutes=30))
    desk.forward(seconds=70)
    line.does(RecordingSid="RE1", RecordingUrl="https://x/RE1", RecordingDuration="9", Digits="#")
    assert f"{NUMBER} {apart(ticket.number)}" in said(line)
    assert "within 29 minutes" in said(line)
    assert f"{NUMBER} {apart(ticket.number)}" in line.press("9").said, "again"
    line.press("1")
    assert line.last is not None
    assert line.last.verbs[-1] == "Hangup"
    assert len(desk.tickets()) == 1


def test_who_says_nothing_after_the_beep_has_a_ticket_all_the_same(desk: Desk) -> None:
    line = desk.rings()
    line.press("2")
    line.does()
    assert NUMBER in said(line)


@pytest.mark.parametrize(
    ("due", "words"),
    [
        (timedelta(minutes=30), "within 30 minutes"),
        (timedelta(minutes=119, seconds=30), "within 120 minutes"),
        (timedelta(hours=10, minutes=5), "within 11 hours"),
        (timedelta(hours=24), "within 24 hours"),
        (timedelta(days=3, hours=2), "within 4 days"),
        (-timedelta(minutes=1), "as soon as possible"),
    ],
)
def test_the_promise_is_the_clocks_own_by_day_at_night_and_over_holidays(
    desk: Desk, due: timedelta, words: str
) -> None:
    line = desk.rings()
    line.press("2")
    desk.no_clocks(desk.now + due)
    line.does()
    assert words in said(line)
    assert said(line).count("Someone will call") == 1


def test_what_is_handed_over_in_minutes_is_no_promise_to_ring_in_minutes(desk: Desk) -> None:
    line = desk.rings()
    line.press("1")
    (ticket,) = desk.tickets()
    desk.no_clocks()
    desk.clock(ticket, "assign", due_at=desk.now + timedelta(minutes=5))
    desk.clock(ticket, "calm", due_at=desk.now + timedelta(hours=24))
    line.does()
    assert "within 24 hours" in said(line)


def test_a_clock_that_was_met_is_promised_no_more(desk: Desk) -> None:
    line = desk.rings()
    line.press("2")
    (ticket,) = desk.tickets()
    desk.no_clocks()
    desk.clock(ticket, "respond", due_at=desk.now + timedelta(minutes=30))
    with desk.house.transaction() as session:
        session.execute(sa.text("UPDATE ticket_clocks SET met_at = :now"), {"now": desk.now})
    desk.clock(ticket, "solve", due_at=desk.now + timedelta(hours=20))
    line.does()
    assert "within 20 hours" in said(line)


@pytest.mark.parametrize("language", PROMPTS.languages)
@pytest.mark.parametrize("unit", ["minutes", "hours", "days"])
def test_every_unit_is_spoken_in_both_languages(language: str, unit: str) -> None:
    call = Call("complaints", language)
    call.facts.pop("ticket_minutes")
    call.facts[f"ticket_{unit}"] = 37
    call.press("2").silent()
    assert "37" in call.text
    assert "0 0 0 0 1 2 3 4" in call.text


def test_a_caller_whose_number_is_not_shown_is_asked_for_it(desk: Desk) -> None:
    assert "cannot see your number" in Call("complaints", "en", callback_on=False).press("2").text
    assert "cannot see your number" not in Call("complaints", "en", callback_on=True).press("2").text


@pytest.mark.parametrize("keys", [["0"], ["", "", ""], ["5", "6", "7"]])
def test_a_person_is_always_reached(keys: list[str]) -> None:
    call = Call("complaints", "en").press(*keys)
    assert (call.turn.output.flow, call.turn.output.node) == ("hotline", "operator")  # type: ignore[union-attr]


# ---- progress ------------------------------------------------------------------------------------------
STATES = {
    "open": "finding out who sees to it",
    "assigned": "taken charge",
    "in_progress": "working on",
    "reopened": "taken charge",
    "resolved": "There is a result",
    "confirmed": "has been dealt with",
}


def asks(desk: Desk, digits: str) -> Line:
    line = desk.rings("progress")
    line.press(digits)
    line.press("8")
    return line


@pytest.mark.parametrize(("status", "words"), STATES.items())
def test_a_ticket_with_its_number_tells_where_it_stands(desk: Desk, status: str, words: str) -> None:
    ticket = desk.ticket(status=status, words="they made fun of me")
    desk.change(ticket, due_at=desk.now + timedelta(minutes=90))
    heard = said(asks(desk, ticket.number))
    assert words in heard
    done = status in ("resolved", "confirmed")
    assert ("It is with: surgery" in heard) is not done
    assert ("within 90 minutes" in heard) is not done
    for word in ("fun", "attitude", "complaint", "red"):
        assert word not in heard, word


def test_the_department_is_named_as_callers_know_it(desk: Desk) -> None:
    ticket = desk.ticket()
    line = desk.rings("progress")
    say = '{ "zh-CN" = "外科", en = "the surgeons" }'
    desk.settings(f'[hotline]\nflow = "progress"\n[[hotline.departments]]\nname = "surgery"\nsay = {say}\n')
    line.press(ticket.number, "8")
    assert "It is with: the surgeons" in said(line)


def test_one_that_is_late_is_said_to_be_late_and_promises_nothing_again(desk: Desk) -> None:
    ticket = desk.ticket(status="assigned")
    desk.change(ticket, overdue_at=desk.now, due_at=desk.now + timedelta(hours=3))
    heard = said(asks(desk, ticket.number))
    assert "longer than it should" in heard
    assert "within" not in heard


def test_a_wrong_number_is_wrong_whatever_is_wrong_with_it(desk: Desk) -> None:
    ticket = desk.ticket()
    right = ticket.number
    wrong = [right[:-1] + ("0" if right[-1] != "0" else "1"), "1" + right[1:], right[:-1], right + "0", "00000000"]
    heard = {said_alone(desk, digits) for digits in wrong}
    assert len(heard) == 1, "nothing says which part was wrong"


def said_alone(desk: Desk, digits: str) -> str:
    line = desk.rings("progress")
    line.press(digits)
    return said(line)


def test_three_wrong_ones_lead_to_a_person_and_no_fourth_is_looked_up(desk: Desk) -> None:
    ticket = desk.ticket()
    line = desk.rings("progress")
    document = line.press("11111111", "22222222", "33333333")
    assert "Dial" in document.verbs, "the operator is rung"
    with desk.house.transaction() as session:
        looks = session.scalars(sa.select(EventRow).where(EventRow.what == "ticket looked up")).all()
    assert len(looks) == MOST_LOOKS
    assert all("1111" not in str(row.data) for row in looks)
    # whatever a flow would allow
    with desk.house.transaction() as session:
        call = session.scalars(sa.select(CallRow)).one()
        assert ticket_facts.find_ticket(session, call, ticket.number, desk.now) is False


def test_a_slip_of_the_finger_is_forgiven(desk: Desk) -> None:
    ticket = desk.ticket(status="in_progress")
    line = desk.rings("progress")
    line.press("11111111", ticket.number, "8")
    assert STATES["in_progress"] in said(line)


def test_nothing_is_known_of_a_ticket_that_was_not_asked_for(desk: Desk) -> None:
    desk.ticket(status="in_progress", contact=CALLER)
    line = desk.rings("progress")
    assert "working" not in said(line)
    assert "surgery" not in said(line)


def test_star_instead_of_a_number_is_a_person(desk: Desk) -> None:
    document = desk.rings("progress").press("*")
    assert "Dial" in document.verbs


def test_from_the_complaints_key_three_leads_to_it_and_the_call_keeps_its_reason(desk: Desk) -> None:
    ticket = desk.ticket(status="in_progress")
    line = desk.rings()
    line.press("3", ticket.number)
    assert STATES["in_progress"] in said(line)
    assert desk.calls()[0].reason == "progress"


def test_a_telephone_that_asks_all_day_is_led_to_a_person(desk: Desk) -> None:
    ticket = desk.ticket(status="in_progress")
    for digits in (["11111111", "22222222"], ["33333333", ticket.number]):
        line = _again(desk, CALLER, 4)
        line.press(*digits)
        line.hangs_up()
    line = _again(desk, CALLER, 4)
    assert "明天" in said(line)
    assert "请输入编号" not in said(line)
    assert "Dial" in line.last.verbs, "the operator is rung"  # type: ignore[union-attr]
    line.hangs_up()
    other = _again(desk, "+861055550199", 4)
    assert "明天" not in said(other), "another telephone has its own"
    other.hangs_up()
    hidden = _again(desk, "", 4)
    assert "明天" not in said(hidden)
    hidden.hangs_up()
    desk.forward(hours=24)
    assert "明天" not in said(_again(desk, CALLER, 4))


def _again(desk: Desk, caller: str, most: int) -> Line:
    desk.settings(f'[hotline]\nflow = "progress"\n[tickets]\nlooks = {most}\n')
    line = Switch(desk.house).line()
    line.sid = f"CA{len(desk.calls()):032x}"
    line.rings(caller)
    return line
