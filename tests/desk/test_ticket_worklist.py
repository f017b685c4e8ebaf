"""What the rooms ask of the desk: keys, messages with their words, the nurses' worklist, closed from either side."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import sqlalchemy as sa

from core import events
from core.house import House
from core.models import new_id
from desk import ticket_events, tickets
from desk.kinds import KINDS
from scheduler import worklist
from scheduler.models import WorkItem
from tests.desk.office import CALLER, Office
from tests.house import ROOT
from tests.scheduler.clinic import Ward


@pytest.fixture
def office(house: House) -> Office:
    made = Office(house)
    made.settings()
    return made


# ---- keys and messages ---------------------------------------------------------------------------------
def test_a_key_makes_one_ticket_of_its_call(office: Office) -> None:
    call = office.call()
    for _ in range(2):
        office.publish(events.TicketWanted("theme", call.id, None))
    [ticket] = office.all()
    assert (ticket.kind, ticket.contact, ticket.call_id) == ("theme", CALLER, call.id)
    assert office.ledger(ticket.id)[0].who == "caller"


def test_a_kind_nobody_knows_does_not_undo_the_call(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.publish(events.TicketWanted("tea", office.call().id, None))
    assert [ticket.kind for ticket in office.all()] == ["message"]
    assert "unknown kind of ticket" in caplog.text


@pytest.mark.parametrize(
    ("purpose", "kind"),
    [
        ("message", "message"),
        ("appointment", "appointment_new"),
        ("appointment_change", "appointment_change"),
        ("appointment_cancel", "appointment_cancel"),
        ("complaint_other", "complaint_other"),
        ("theme", "theme"),
        ("something_new", "message"),
    ],
)
def test_a_message_makes_a_ticket_of_its_kind(office: Office, purpose: str, kind: str) -> None:
    call = office.call()
    for _ in range(2):
        office.publish(events.MessageLeft(call.id, purpose))
    [ticket] = office.all()
    assert ticket.kind == kind
    assert office.said(ticket.id).count("message") == 2


def test_a_message_about_a_complaint_belongs_to_the_complaint(office: Office) -> None:
    call = office.call()
    office.publish(events.TicketWanted("complaint_medical", call.id, None))
    office.publish(events.MessageLeft(call.id, "complaint_other"))
    assert [ticket.kind for ticket in office.all()] == ["complaint_medical"]


def test_every_purpose_of_a_shipped_flow_has_a_kind_of_its_own() -> None:
    """Else a key and the message after it were two tickets of one call."""
    purposes = {
        purpose
        for path in (ROOT / "flows").glob("*.yaml")
        for purpose in re.findall(r"purpose: (\w+)", path.read_text(encoding="utf-8"))
    }
    assert purposes - {"message", "answer"} <= set(ticket_events.KIND_OF_MESSAGE)
    assert set(ticket_events.KIND_OF_MESSAGE.values()) <= set(KINDS)


def test_the_words_of_a_message_stand_in_its_ticket_once(office: Office) -> None:
    call, recording = office.call(), new_id()
    office.publish(events.TicketWanted("appointment_new", call.id, None))
    office.publish(events.MessageLeft(call.id, "message"))
    for text in ("the lift is broken", "the lift is open"):
        office.publish(events.Transcribed(recording, call.id, "message", text))
    words = {ticket.kind: ticket.words for ticket in office.all()}
    assert words == {"appointment_new": None, "message": "the lift is broken"}
    office.publish(events.Transcribed(new_id(), call.id, "message", "since Monday"))
    assert {ticket.kind: ticket.words for ticket in office.all()}["message"] == "the lift is broken\nsince Monday"


def test_words_that_come_after_a_ticket_was_closed_make_no_other_one(office: Office) -> None:
    """Somebody listened to the message before it was written down, or has it heard again later."""
    call, recording = office.call(), new_id()
    office.publish(events.MessageLeft(call.id, "message"))
    [ticket] = office.all()
    office.solved(ticket.id)
    office.do(tickets.confirm, ticket.id, "li")
    for text in ("the lift is broken", "the lift is open"):
        office.publish(events.Transcribed(recording, call.id, "message", text))
    assert [(one.id, one.status, one.words) for one in office.all()] == [(ticket.id, "confirmed", "the lift is broken")]


def test_two_messages_of_one_call_each_find_their_ticket(office: Office) -> None:
    call = office.call()
    for purpose in ("complaint_other", "message"):
        office.publish(events.MessageLeft(call.id, purpose))
    for text in ("rude", "ring me"):
        office.publish(events.Transcribed(new_id(), call.id, "message", text))
    assert {ticket.kind: ticket.words for ticket in office.all()} == {"complaint_other": "rude", "message": "ring me"}


def test_a_message_without_a_ticket_is_not_lost_and_other_recordings_are_no_message(office: Office) -> None:
    call = office.call()
    for purpose in ("call", "open_answer", "bridge"):
        office.publish(events.Transcribed(new_id(), call.id, purpose, "we talked"))
    office.publish(events.Transcribed(new_id(), call.id, "message", "  "))
    assert office.all() == []
    office.publish(events.Transcribed(new_id(), call.id, "message", "hello?"))
    assert [(ticket.kind, ticket.words) for ticket in office.all()] == [("message", "hello?")]


# ---- the nurses' worklist ------------------------------------------------------------------------------
@pytest.fixture
def ward(house: House) -> Ward:
    return Ward(house)


def item(ward: Ward, kind: str = "unreached", patient: uuid.UUID | None = None) -> WorkItem:
    with ward.house.transaction() as session:
        return worklist.want(session, kind, patient, patient or new_id(), "asked", ward.now)


def state(ward: Ward, item_id: uuid.UUID) -> WorkItem:
    with ward.house.transaction() as session:
        return session.get_one(WorkItem, item_id)


@pytest.mark.parametrize(("kind", "ticket_kind"), [("unreached", "nurse"), ("red_flag", "nurse_urgent")])
def test_an_item_is_a_ticket_with_its_time(ward: Ward, kind: str, ticket_kind: str) -> None:
    office = Office(ward.house)
    patient = ward.patient()
    made = item(ward, kind, patient)
    item(ward, kind, patient)
    [ticket] = office.all()
    assert (ticket.kind, ticket.work_item_id, ticket.patient_id) == (ticket_kind, made.id, patient)
    assert ticket.due_at == made.due_at
    assert ticket.channel == "system"


def test_what_nobody_reached_comes_to_the_desk_by_itself(ward: Ward) -> None:
    followup = ward.first(ward.due_patient())
    with ward.house.transaction() as session:
        events.publish(session, events.FollowUpUnreached(followup.id, followup.patient_id, "three tries"), ward.now)
        events.publish(session, events.WorkWanted("red_flag", followup.patient_id, followup.id, "wound"), ward.now)
    found = Office(ward.house).all()
    assert [(ticket.kind, ticket.department) for ticket in found] == [("nurse", "surgery"), ("nurse_urgent", "surgery")]


def test_a_nurse_who_is_done_closes_the_ticket(ward: Ward) -> None:
    office, made = Office(ward.house), item(ward, patient=ward.patient())
    with ward.house.transaction() as session:
        worklist.done(session, made.id, "nurse li", "rang her: all is well", ward.now)
    [ticket] = office.all()
    assert (ticket.status, ticket.first_owner, ticket.told_how) == ("confirmed", "nurse li", "call")
    assert office.said(ticket.id) == ["opened", "assigned", "resolved", "told", "confirmed"], "no satisfaction call"
    assert state(ward, made.id).note == "rang her: all is well"


def test_a_ticket_that_is_closed_closes_the_item(ward: Ward) -> None:
    office, made = Office(ward.house), item(ward)
    [ticket] = office.all()
    office.do(tickets.assign, ticket.id, "li", "boss")
    office.do(tickets.resolve, ticket.id, "seen to", "li")
    office.do(tickets.tell, ticket.id, "nobody", "li")
    office.do(tickets.confirm, ticket.id, "li")
    row = state(ward, made.id)
    assert (row.status, row.closed_by, row.note) == ("done", "li", "seen to")
    with ward.house.transaction() as session:
        told = session.scalars(sa.text("SELECT what FROM events WHERE kind = 'work' ORDER BY id")).all()
    assert told == ["wanted", "done"], "each side hears of it once"
    assert office.said(ticket.id).count("confirmed") == 1


def test_an_item_half_way_at_the_desk_is_closed_by_the_nurse_all_the_same(ward: Ward) -> None:
    office = Office(ward.house)
    for steps in range(4):
        made = item(ward, patient=ward.patient(f"+86138000001{steps:02}", mrn=f"N-{steps}"))
        ticket = next(one for one in office.all() if one.work_item_id == made.id)
        if steps > 0:
            office.do(tickets.assign, ticket.id, "li", "boss")
        if steps > 1:
            office.do(tickets.resolve, ticket.id, "x", "li")
        if steps > 2:
            office.do(tickets.tell, ticket.id, "call", "li")
        with ward.house.transaction() as session:
            worklist.done(session, made.id, "nurse", "done", ward.now)
        assert office.ticket(ticket.id).status == "confirmed"
        assert office.ticket(ticket.id).first_owner == ("li" if steps else "nurse")


@pytest.mark.parametrize("medical", [True, False])
def test_an_item_that_became_a_complaint_is_done_and_the_complaint_goes_on(ward: Ward, medical: bool) -> None:
    office, made = Office(ward.house), item(ward, patient=ward.patient())
    [ticket] = office.all()
    office.do(tickets.classify, ticket.id, "li", nature="complaint", medical=medical)
    with ward.house.transaction() as session:
        worklist.done(session, made.id, "nurse", "rang her: she complains", ward.now)
    assert state(ward, made.id).status == "done"
    assert office.ticket(ticket.id).status == "open"
    assert office.said(ticket.id)[-1] == "item done"
    office.solved(ticket.id)
    if medical:
        office.do(tickets.talked, ticket.id, 600, "li")
    office.do(tickets.confirm, ticket.id, "li")
    assert state(ward, made.id).closed_by == "nurse"


def test_an_item_that_has_no_ticket_is_done_as_before(ward: Ward) -> None:
    """Items from before there were tickets."""
    made = item(ward)
    with ward.house.transaction() as session:
        session.execute(sa.text("DELETE FROM ticket_clocks"))
        session.execute(sa.text("DELETE FROM tickets"))
        worklist.done(session, made.id, "nurse", "done", ward.now)
    assert state(ward, made.id).status == "done"
    with ward.house.transaction() as session:
        ticket_events.on_work_done(session, events.WorkDone(new_id(), "nurse"), ward.now)


def test_both_sides_of_one_thing_closed_in_the_same_moment(office: Office) -> None:
    """The nurse has the item when the desk closes the ticket: the desk waits, and is told that it is done."""
    with office.house.transaction() as session:
        item = worklist.want(session, "unreached", None, new_id(), "three rings in vain", office.now)
    [ticket] = office.all()
    for what, words in (
        (tickets.assign, ("li", "li")),
        (tickets.resolve, ("rung", "li")),
        (tickets.tell, ("call", "li")),
    ):
        office.do(what, ticket.id, *words)
    held, refused = Event(), []

    def nurse() -> None:
        with office.house.transaction() as session:
            session.get(WorkItem, item.id, with_for_update=True)
            held.set()
            while not _somebody_waits(office):
                pass
            worklist.done(session, item.id, "nurse", "rung by hand", office.now)

    def desk() -> None:
        held.wait()
        with pytest.raises(tickets.TicketProblem) as problem, office.house.transaction() as session:
            tickets.confirm(session, ticket.id, "li", office.now)
        refused.append(problem.value.key)

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(nurse), both.submit(desk)]:
            done.result(timeout=30)
    assert refused == ["closed_already"]
    assert office.all()[0].status == "confirmed"
    with office.house.transaction() as session:
        closed = session.get_one(WorkItem, item.id)
        assert (closed.status, closed.closed_by) == ("done", "nurse")


def _somebody_waits(office: Office) -> bool:
    """A transaction stands still for the sake of another's row."""
    with office.house.engine.connect() as connection:
        return bool(connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
