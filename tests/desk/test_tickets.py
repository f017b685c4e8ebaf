"""A ticket from the first word to the last, on the real database."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from core import events, holidays, people
from core.db import blind
from core.house import House
from core.models import Patient, new_id
from desk import numbers, surveys, ticket_clocks, tickets
from desk.kinds import KINDS
from desk.models import Ticket, TicketClock
from desk.ticket_machine import MOVES, STATUSES
from tests.conftest import StandingClock
from tests.desk.office import CALLER, Office

FRIDAY = datetime(2026, 3, 6, 2, 0, tzinfo=UTC)
"""10:00 in Shanghai, an ordinary Friday."""


@pytest.fixture
def office(house: House) -> Office:
    house.clock = StandingClock(FRIDAY)
    made = Office(house)
    made.settings()
    return made


# ---- numbers -------------------------------------------------------------------------------------------
def test_a_number_is_six_digits_and_two_that_nobody_can_work_out(office: Office) -> None:
    ticket = office.ticket(office.open())
    assert len(ticket.number) == 8
    assert int(ticket.number[:6]) == ticket.serial
    with office.house.transaction() as session:
        spoken = f"{ticket.number[:4]} {ticket.number[4:6]}-{ticket.number[6:]}"
        assert tickets.find(session, spoken).id == ticket.id  # type: ignore[union-attr]
        wrong = [f"{ticket.number[:6]}{check:02}" for check in range(100) if f"{check:02}" != ticket.number[6:]]
        assert [number for number in wrong if tickets.find(session, number) or numbers.is_right(number)] == []
    checks = {numbers.number_of(serial)[-2:] for serial in range(1, 400)}
    assert len(checks) > 80, "the digits do not follow the number"
    assert numbers.is_right(numbers.number_of(1_234_567))
    assert not any(numbers.is_right(text) for text in ("", "12345", "１２３４５６７８", "0" * 40, "12a45678"))


# ---- opening -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_with_its_colour_and_a_clock(office: Office, kind: str) -> None:
    ticket = office.ticket(office.open(kind))
    about = KINDS[kind]
    assert (ticket.status, ticket.colour, ticket.medical) == ("open", about.colour, about.medical)
    assert ticket.due_at == min(clock.due_at for clock in office.clocks(ticket.id).values())
    assert set(about.words) == {"zh-CN", "en"}


def test_one_ticket_for_each_kind_and_call(office: Office) -> None:
    call = office.call()
    first = office.open("appointment_new", call=call)
    assert office.open("appointment_new", call=call) == first
    office.do(tickets.assign, first, "li", "boss")
    assert office.open("appointment_new", call=call) == first, "also when somebody has it"
    assert office.open("message", call=call) != first
    office.solved(first)
    office.do(tickets.confirm, first, "li")
    assert office.open("appointment_new", call=call) != first, "what is closed is closed"
    subject = new_id()
    assert office.open(subject_id=subject) == office.open(subject_id=subject) != office.open(subject_id=new_id())
    assert office.open() != office.open(), "about nothing in particular: each is one of its own"


def test_what_a_call_knows_is_in_its_ticket(office: Office) -> None:
    call = office.call(department="cardiology")
    ticket = office.ticket(office.open("message", call=call, contact=""))
    assert (ticket.contact, ticket.language, ticket.department) == (CALLER, "en", "cardiology")
    assert ticket.contact_index == people.phone_index(CALLER)


@pytest.mark.parametrize(
    ("kind", "more", "department"),
    [
        ("complaint_medical", {"department": "cardiology"}, "medical affairs"),
        ("appointment_new", {"department": "cardiology"}, "outpatient office"),
        ("feedback", {"link": "billing"}, "insurance office"),
        ("feedback", {"link": "treatment", "department": "cardiology"}, "cardiology"),
        ("message", {}, "service centre"),
        ("complaint_other", {}, "service centre"),
    ],
)
def test_who_has_to_see_to_it(office: Office, kind: str, more: dict[str, str], department: str) -> None:
    assert office.ticket(office.open(kind, **more)).department == department


def test_what_is_no_ticket_is_refused_in_one_sentence(office: Office) -> None:
    for words, more, sentence in (
        (("tea",), {}, "'tea' is no kind of ticket"),
        (("message",), {"colour": "pink"}, "colour must be one of red, yellow, blue"),
        (("message",), {"nature": "complaint"}, "A complaint is medical or not"),
        (("message",), {"words": "x" * 5000}, "5000 characters"),
    ):
        assert sentence in office.refused(tickets.open_, *words, **more)
    assert office.all() == []


def test_nothing_that_was_said_is_readable_in_a_dump(office: Office) -> None:
    ticket = office.open(words="the nurse of ward 3 was rude", patient_id=None)
    office.do(tickets.assign, ticket, "li", "boss")
    office.do(tickets.propose, ticket, "an apology by the head", "a voucher of 50", "li")
    office.do(tickets.say, ticket, "call me back", None)
    with office.house.engine.connect() as connection:
        for table in ("tickets", "events", "ticket_clocks"):
            dump = str(connection.execute(sa.text(f"SELECT * FROM {table}")).all())
            for secret in ("rude", "apology", "voucher", "call me", CALLER):
                assert secret not in dump


# ---- the way of one ticket -----------------------------------------------------------------------------
def test_from_the_first_word_to_the_last(office: Office) -> None:
    closed: list[events.TicketClosed] = []
    office.house.bus.subscribe(events.TicketClosed, lambda session, event, now: closed.append(event))
    ticket = office.open("appointment_new")
    assert office.row(ticket).next == "assign"
    office.do(tickets.assign, ticket, "li", "boss")
    office.do(tickets.start, ticket, "li")
    assert office.row(ticket).next == "solve"
    assert office.refused(tickets.confirm, ticket, "li") == "The ticket is not resolved yet."
    office.forward(minutes=90)
    office.do(tickets.resolve, ticket, "Thursday at nine", "li")
    assert office.row(ticket).next == "tell"
    assert office.clocks(ticket)["solve"].met_at is None, "solved is told"
    assert office.refused(tickets.confirm, ticket, "li") == "Whoever asked must be told first what came of it."
    office.do(tickets.tell, ticket, "call", "li")
    assert office.clocks(ticket)["solve"].met_at == office.now
    office.do(tickets.confirm, ticket, "li")
    row = office.row(ticket)
    assert (row.status, row.due_at, row.late, row.next, row.told_how) == ("confirmed", None, False, "", "call")
    assert office.said(ticket) == ["opened", "assigned", "started", "resolved", "told", "survey wanted", "confirmed"]
    assert [(event.ticket_id, event.who) for event in closed] == [(ticket, "li")]


def test_every_move_the_table_has_not_is_refused_with_a_sentence(office: Office) -> None:
    do = {
        "assign": lambda ticket: (tickets.assign, ticket, "li", "boss"),
        "start": lambda ticket: (tickets.start, ticket, "li"),
        "resolve": lambda ticket: (tickets.resolve, ticket, "seen to", "li"),
        "confirm": lambda ticket: (tickets.confirm, ticket, "li"),
        "reopen": lambda ticket: (tickets.reopen, ticket, "still wrong", "li"),
    }
    for status in STATUSES:
        for event, words in do.items():
            ticket = office.open()
            with office.house.transaction() as session:
                session.get_one(Ticket, ticket).status = status
            if (status, event) not in MOVES:
                sentence = office.refused(*words(ticket))
                assert sentence.endswith(".")
                assert office.ticket(ticket).status == status
    assert office.refused(tickets.start, new_id(), "li") == "There is no such ticket."


def test_the_first_owner_watches_for_good(office: Office) -> None:
    ticket = office.open(who="reception")
    for owner in ("li", "wang", "li", "zhao"):
        office.forward(minutes=1)
        office.do(tickets.assign, ticket, owner, "boss", department="cardiology" if owner == "zhao" else None)
    row = office.ticket(ticket)
    assert (row.first_owner, row.owner, row.department) == ("li", "zhao", "cardiology")
    with office.house.transaction() as session:
        assert tickets.watchers(session, ticket) == ["reception", "li", "wang", "zhao"]
    assert office.refused(tickets.assign, ticket, " ", "boss") == "Who sees to it? A login is needed."


def test_opened_again_begins_anew(office: Office) -> None:
    ticket = office.open("appointment_new")
    office.solved(ticket)
    office.do(tickets.confirm, ticket, "li")
    office.forward(days=1)
    assert office.refused(tickets.reopen, ticket, " ", "li").startswith("A reason is needed")
    office.do(tickets.reopen, ticket, "rang 13800000000 in vain", "service")
    row = office.row(ticket)
    assert (row.status, row.reopened, row.told_at, row.next) == ("reopened", 1, None, "start")
    assert row.why == "rang … in vain", "no number in the ledger"
    solve = office.clocks(ticket)["solve"]
    assert (solve.round, solve.due_at) == (1, office.now + timedelta(hours=2))
    assert row.due_at == solve.due_at
    office.do(tickets.resolve, ticket, "now it is", "li")
    assert "told first" in office.refused(tickets.confirm, ticket, "li"), "told again"


def test_opening_again_never_stretches_a_promise(office: Office) -> None:
    ticket = office.open("appointment_new")
    office.do(tickets.assign, ticket, "li", "boss")
    office.do(tickets.resolve, ticket, "seen to", "li")
    due = office.ticket(ticket).due_at
    office.forward(minutes=60)
    office.do(tickets.reopen, ticket, "not told yet", "li")
    assert office.ticket(ticket).due_at == due


def test_who_left_no_name_has_nobody_to_be_told(office: Office) -> None:
    known, unknown = office.open(), office.open(contact="")
    for ticket in (known, unknown):
        office.do(tickets.assign, ticket, "li", "boss")
        office.do(tickets.resolve, ticket, "passed on", "li")
    assert "somebody to be told" in office.refused(tickets.tell, known, "nobody", "li")
    office.do(tickets.tell, unknown, "nobody", "li")
    office.do(tickets.confirm, unknown, "li")
    assert "survey wanted" not in office.said(unknown)


# ---- complaints ----------------------------------------------------------------------------------------
def test_a_complaint_that_is_not_medical_needs_solution_and_compensation(office: Office) -> None:
    ticket = office.open("complaint_other")
    office.do(tickets.assign, ticket, "li", "boss")
    assert office.row(ticket).next == "propose"
    both = "A complaint needs a solution and a compensation before it is resolved."
    assert office.refused(tickets.resolve, ticket, " ", "li") == both
    assert office.refused(tickets.resolve, ticket, "sorry", "li") == (
        "A complaint needs a compensation before it is resolved."
    )
    assert office.refused(tickets.resolve, ticket, "", "li", compensation="parking") == (
        "A complaint needs a solution before it is resolved."
    )
    assert office.refused(tickets.propose, ticket, "sorry", "", "li")
    assert office.ticket(ticket).solution is None
    office.forward(minutes=20)
    office.do(tickets.propose, ticket, "a word with the counter", "parking", "li")
    assert office.clocks(ticket)["propose"].met_at == office.now
    assert office.ledger(ticket)[-2].data == {"clock": "propose", "late": False}
    assert office.ledger(ticket)[-1].data == {"compensation": "parking"}
    office.do(tickets.resolve, ticket, "", "li")
    row = office.ticket(ticket)
    assert (row.status, row.solution, row.compensation) == ("resolved", "a word with the counter", "parking")


def test_a_medical_complaint_goes_to_medical_affairs_and_is_calmed_by_a_call(office: Office) -> None:
    ticket = office.open("complaint_medical", department="cardiology")
    assert office.ticket(ticket).department == "medical affairs"
    assert [row.data for row in office.ledger(ticket) if row.what == "alarm wanted"] == [{"clock": "medical"}]
    clocks = office.clocks(ticket)
    assert clocks["assign"].due_at == office.now + timedelta(minutes=5)
    assert clocks["calm"].due_at == office.now + timedelta(hours=24)
    office.do(tickets.assign, ticket, "chief", "service")
    office.do(tickets.talked, ticket, 14, "chief")
    assert office.clocks(ticket)["respond"].met_at == office.now
    assert office.clocks(ticket)["calm"].met_at is None, "14 seconds calm nobody"
    office.do(tickets.resolve, ticket, "", "chief")
    office.do(tickets.tell, ticket, "letter", "chief")
    assert "calming call" in office.refused(tickets.confirm, ticket, "chief")
    assert office.row(ticket).next == "calm"
    office.forward(hours=3)
    office.do(tickets.talked, ticket, 15, "chief")
    assert office.clocks(ticket)["calm"].met_at == office.now
    office.do(tickets.confirm, ticket, "chief")
    office.do(tickets.reopen, ticket, "wants more", "chief")
    assert office.clocks(ticket)["calm"].round == 0, "calmed once"


def test_a_calming_call_that_was_not_made_in_time_is_missed_and_may_still_be_made(office: Office) -> None:
    ticket = office.open("complaint_medical")
    office.do(tickets.assign, ticket, "chief", "service")
    office.do(tickets.respond, ticket, "chief")
    office.forward(hours=24)
    assert office.tick() == 1
    assert office.row(ticket).late
    office.forward(hours=1)
    office.do(tickets.talked, ticket, 300, "chief")
    calm = office.clocks(ticket)["calm"]
    assert (calm.met_at, calm.missed_at) == (office.now, office.now - timedelta(hours=1))
    assert not office.row(ticket).late


def test_a_complaint_that_turns_out_to_be_medical(office: Office) -> None:
    ticket = office.open("complaint_other")
    office.forward(minutes=10)
    office.do(tickets.classify, ticket, "li", medical=True, link="treatment", problem="quality")
    row = office.ticket(ticket)
    assert (row.kind, row.medical, row.department) == ("complaint_medical", True, "medical affairs")
    clocks = office.clocks(ticket)
    assert set(clocks) == {"assign", "respond", "calm", "solve"}
    assert clocks["calm"].due_at == office.now + timedelta(hours=24)
    assert clocks["solve"].due_at == office.now + timedelta(minutes=20), "what was promised stands"
    assert "alarm wanted" in office.said(ticket)
    office.do(tickets.classify, ticket, "li", medical=False)
    row = office.ticket(ticket)
    assert (row.kind, row.department) == ("complaint_other", "service centre")
    assert set(office.clocks(ticket)) == {"propose", "solve"}
    office.do(tickets.classify, ticket, "li", nature="suggestion")
    row = office.ticket(ticket)
    assert (row.kind, row.medical) == ("feedback", None), "what is no complaint is neither"
    assert set(office.clocks(ticket)) == {"solve"}


def test_classes_are_three_and_a_complaint_says_which(office: Office) -> None:
    ticket = office.open("feedback")
    assert office.refused(tickets.classify, ticket, "li", nature="complaint") == (
        "A complaint is medical or not: say which."
    )
    assert office.refused(tickets.classify, ticket, "li", medical=True) == "Only a complaint is medical or not."
    assert "link must be one of" in office.refused(tickets.classify, ticket, "li", link="kitchen")
    office.do(tickets.classify, ticket, "li", nature="praise", problem="attitude", link="billing")
    row = office.ticket(ticket)
    assert (row.kind, row.link, row.department) == ("feedback", "billing", "insurance office")
    office.do(tickets.classify, ticket, "li", nature="complaint", medical=False)
    assert office.ticket(ticket).kind == "complaint_other"
    assert "propose" in office.clocks(ticket)


def test_two_complaints_of_one_call_stay_two(office: Office) -> None:
    call = office.call()
    one, other = office.open("complaint_other", call=call), office.open("complaint_medical", call=call)
    assert office.refused(tickets.classify, one, "li", medical=True) == "The same call has such a ticket already."
    assert {office.ticket(ticket).kind for ticket in (one, other)} == {"complaint_other", "complaint_medical"}


# ---- clocks in the database ----------------------------------------------------------------------------
def test_what_runs_out_is_missed_at_the_minute_and_told_once(office: Office) -> None:
    ticket = office.open("complaint_other")
    office.forward(minutes=29, seconds=59)
    assert office.tick() == 0
    office.forward(seconds=1)
    assert office.tick() == 1
    assert office.tick() == 0
    row = office.ticket(ticket)
    assert (row.overdue_at, row.due_at) == (office.now, None)
    assert [line.data["clock"] for line in office.ledger(ticket) if line.what == "overdue"] == ["propose", "solve"]
    assert [line.data["clock"] for line in office.ledger(ticket) if line.what == "alarm wanted"] == ["propose", "solve"]
    office.forward(days=1)
    assert office.row(ticket).due_at == row.overdue_at, "what is owed stands first in the list"


def test_what_is_done_too_late_before_anybody_looked_was_missed_all_the_same(office: Office) -> None:
    ticket = office.open("appointment_new")
    office.forward(hours=3)
    office.solved(ticket)
    solve = office.clocks(ticket)["solve"]
    assert solve.met_at == solve.missed_at == office.now
    assert office.ticket(ticket).overdue_at == solve.due_at
    assert office.tick() == 0


def test_one_ticket_that_cannot_be_looked_at_stops_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = office.open("appointment_new"), office.open("appointment_new")

    def refuses(session: object, ticket: Ticket, clock: TicketClock, now: datetime) -> None:
        if ticket.id == broken:
            raise ZeroDivisionError

    monkeypatch.setattr(ticket_clocks.alarms, "on_overdue", refuses)
    office.forward(hours=2)
    assert office.tick() == 1
    assert office.ticket(broken).overdue_at is None
    assert office.ticket(sound).overdue_at == office.now
    assert "a ticket's clock was not looked at" in caplog.text


def test_holidays_halve_minutes_and_stretch_working_days(office: Office) -> None:
    office.now = datetime(2026, 2, 17, 2, 0, tzinfo=UTC)  # New Year's Day of the lunar calendar
    assert office.clocks(office.open("appointment_new"))["solve"].due_at == office.now + timedelta(hours=1)
    office.settings(tickets={"preset": "B"})
    ordinary = office.ticket(office.open("message"))
    solve = office.clocks(ordinary.id)["solve"]
    assert f"{solve.due_at.astimezone(office.house.settings.hospital.timezone):%m-%d %H:%M}" == "02-27 00:00"
    assert (ordinary.preset, office.clocks(ordinary.id)["assign"].due_at) == ("B", office.now + timedelta(hours=24))


def test_an_edited_calendar_moves_the_clocks_that_run(office: Office) -> None:
    office.settings(tickets={"preset": "B"})
    runs, met = office.open("message"), office.open("message")
    office.solved(met)
    before = {ticket: office.clocks(ticket)["solve"].due_at for ticket in (runs, met)}
    assert before[runs] == office.now + timedelta(days=5), "Friday to Wednesday"
    assert office.do(ticket_clocks.recompute) == 0
    with office.house.transaction() as session:
        holidays.set_day(session, date(2026, 3, 9), "holiday", "the clinic moves", "import", office.now)
    assert office.do(ticket_clocks.recompute) == 1
    assert office.do(ticket_clocks.recompute) == 0
    assert office.clocks(runs)["solve"].due_at == before[runs] + timedelta(days=1)
    assert office.clocks(runs)["assign"].due_at == office.ticket(runs).due_at == office.now + timedelta(hours=48)
    assert office.clocks(met)["solve"].due_at == before[met], "what is done is done"
    with office.house.transaction() as session:
        holidays.set_day(session, date(2026, 3, 7), "workday", "instead", "import", office.now)
    office.do(ticket_clocks.recompute)
    assert office.clocks(runs)["solve"].due_at == before[runs]
    changed = [line.data for line in office.ledger(runs) if line.what == "calendar changed"]
    assert [line["clock"] for line in changed] == ["solve", "solve"]


def test_the_version_of_the_calendar_follows_what_is_in_it(office: Office) -> None:
    def version() -> str:
        with office.house.transaction() as session:
            return holidays.version(session)

    first = version()
    assert version() == first
    with office.house.transaction() as session:
        assert holidays.version(session) == first
        holidays.set_day(session, date(2026, 3, 9), "holiday", "", "import", office.now)
        second = holidays.version(session)
        assert second != first
        holidays.set_day(session, date(2026, 3, 9), "holiday", "another note", "import", office.now)
        assert holidays.version(session) == second, "a note moves no clock"
    office.settings(calling={"holidays": "US-NY"})
    assert version() not in (first, second)


def test_the_ticks_go_by_index_after_years(office: Office) -> None:
    open_now = office.open("message")
    with office.house.transaction() as session:
        session.execute(
            sa.text(
                "INSERT INTO tickets (id, number, kind, colour, link, problem, nature, channel, department, language,"
                " contact, status, first_owner, owner, told_how, reopened, opened_at, preset)"
                " SELECT md5('t' || n)::uuid, 'x' || n, 'message', 'blue', '', '', '', 'phone', '', 'en', '',"
                " 'confirmed', '', '', '', 0, '2025-01-01', 'A' FROM generate_series(1, 20000) n"
            )
        )
        session.execute(
            sa.text(
                "INSERT INTO ticket_clocks (id, ticket_id, name, round, rule, started_at, due_at, calendar, met_at)"
                " SELECT md5('c' || n)::uuid, md5('t' || n)::uuid, 'solve', 0, '{\"working_days\": 3}', '2025-01-01',"
                " '2025-01-02', 'old', '2025-01-02' FROM generate_series(1, 20000) n"
            )
        )
        for table in ("tickets", "ticket_clocks"):
            session.execute(sa.text(f"ANALYZE {table}"))
    call, subject = office.call(), new_id()
    seen: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *more: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    office.forward(days=2)
    sa.event.listen(office.house.engine, "before_cursor_execute", note)
    assert office.tick() == 1
    assert office.do(ticket_clocks.recompute) == 0
    office.open("message", call=call)
    office.open("message", subject_id=subject)
    with office.house.transaction() as session:
        tickets.rows(session, office.now)
    sa.event.remove(office.house.engine, "before_cursor_execute", note)
    assert office.ticket(open_now).overdue_at is not None
    assert len(seen) > 10
    with office.house.engine.connect() as connection:
        for statement, parameters in seen:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
            assert "Seq Scan on ticket" not in plan, f"{statement}\n{plan}"


# ---- lists ---------------------------------------------------------------------------------------------
def test_the_list_is_by_due_time_and_what_is_closed_comes_last(office: Office) -> None:
    with office.house.transaction() as session:
        patient = Patient(
            id=new_id(), mrn="T-77", mrn_index=blind("T-77", people.MRN), name="Ann Example", language="en",
            timezone="Asia/Shanghai", allergies="", sex="f", created_at=office.now,
        )  # fmt: skip
        session.add(patient)
    blue, red = office.open("message", patient_id=patient.id), office.open("complaint_other")
    yellow = office.open("appointment_new")
    closed = office.open("complaint_other")
    office.solved(closed)
    office.do(tickets.confirm, closed, "li")

    def listed(**which: object) -> list[uuid.UUID]:
        with office.house.transaction() as session:
            return [row.id for row in tickets.rows(session, office.now, **which)]  # type: ignore[arg-type]

    assert listed() == [red, yellow, blue]
    assert listed(everything=True) == [red, yellow, blue, closed]
    assert listed(patient_id=patient.id) == [blue]
    assert listed(department="outpatient office") == [yellow]
    assert office.row(blue).mrn == "T-77"
    office.forward(hours=3)
    office.tick()
    assert listed() == [red, yellow, blue]
    assert [office.row(ticket).late for ticket in (red, yellow, blue)] == [True, True, False]


def test_a_merged_record_takes_its_tickets_along(office: Office) -> None:
    ids = []
    with office.house.transaction() as session:
        for mrn in ("T-1", "T-2"):
            patient = Patient(
                id=new_id(), mrn=mrn, mrn_index=blind(mrn, people.MRN), name="Ann Example", language="en",
                timezone="Asia/Shanghai", allergies="", sex="f", created_at=office.now,
            )  # fmt: skip
            session.add(patient)
            ids.append(patient.id)
    ticket = office.open(patient_id=ids[0])
    office.publish(events.PatientsMerged(ids[0], ids[1]))
    assert office.ticket(ticket).patient_id == ids[1]


def test_a_satisfaction_call_is_planned_once_the_outcome_is_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[tuple[str, datetime]] = []
    monkeypatch.setattr(surveys, "plan", lambda session, ticket, now: planned.append((ticket.status, now)))
    ticket = office.open()
    office.solved(ticket)
    assert planned == [("resolved", office.now)]
    office.do(tickets.tell, ticket, "sms", "li")
    assert len(planned) == 1, "told again is told once"
    assert office.ticket(ticket).told_how == "call"


def test_who_was_told_already_is_owed_no_first_answer_by_a_new_class(office: Office) -> None:
    ticket = office.open("complaint_other")
    office.solved(ticket)
    office.do(tickets.classify, ticket, "li", medical=True)
    assert {name for name, clock in office.clocks(ticket).items() if clock.met_at is None} == {"calm"}
    office.forward(hours=1)
    assert office.tick() == 0


@pytest.mark.parametrize(
    ("preset", "kind", "medical", "colour", "promised"),
    [
        ("A", "message", True, "red", ("respond", timedelta(minutes=30))),
        ("A", "message", False, "red", ("solve", timedelta(minutes=30))),
        ("B", "complaint_other", True, "red", ("respond", timedelta(hours=1))),
        ("B", "complaint_medical", False, "yellow", ("assign", timedelta(minutes=5))),  # the shorter stays
    ],
)
def test_what_becomes_a_complaint_has_its_colour_and_its_promises(
    office: Office, preset: str, kind: str, medical: bool, colour: str, promised: tuple[str, timedelta]
) -> None:
    """As if it had come as one; of two promises with one name the shorter counts."""
    office.settings(tickets={"preset": preset})
    ticket = office.open(kind)
    office.do(tickets.classify, ticket, "li", nature="complaint", medical=medical)
    name, span = promised
    assert office.ticket(ticket).colour == colour
    assert office.clocks(ticket)[name].due_at - office.now == span
