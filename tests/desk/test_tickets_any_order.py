"""Whatever anybody does to tickets in whatever order: none is lost, none is closed untold, the first owner stays, no
clock runs backwards, and the row says the earliest of the clocks that run."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import holidays
from core.house import House
from desk import ticket_clocks, tickets
from desk.kinds import LINKS, NATURES
from desk.ticket_machine import MOVES, STATUSES
from desk.tickets import TicketProblem
from tests.conftest import StandingClock
from tests.desk.office import Office, clear
from tests.often import stories

START = datetime(2026, 2, 11, 1, 0, tzinfo=UTC)
"""A Wednesday, 09:00 in Shanghai, some days before the break."""
KINDS = st.sampled_from(["message", "appointment_new", "complaint_other", "complaint_medical", "feedback"])
WHICH = st.integers(0, 2)
WHO = st.sampled_from(["li", "wang", "zhao"])


def test_the_table_knows_every_status_and_every_one_leads_on() -> None:
    assert {state for move in MOVES for state in (move[0], MOVES[move])} == set(STATUSES)
    assert {before for before, _ in MOVES} == set(STATUSES), "no status is a dead end"
    assert {before for (before, event), after in MOVES.items() if after == "confirmed"} == {"resolved"}


@stories(6, 25)
def test_tickets_in_any_order(house: House, examples: int) -> None:
    house.clock = StandingClock(START)

    class Desk(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.office = Office(house)
            self.tickets: list[uuid.UUID] = []
            self.first: dict[uuid.UUID, str] = {}
            self.due: dict[uuid.UUID, tuple[datetime, bool]] = {}
            self.told: set[uuid.UUID] = set()

        @initialize(preset=st.sampled_from("AB"))
        def opens(self, preset: str) -> None:
            self.office.settings(tickets={"preset": preset})

        @precondition(lambda self: len(self.tickets) < 3)
        @rule(kind=KINDS)
        def new(self, kind: str) -> None:
            self.tickets.append(self.office.open(kind))

        def _try(self, what: object, which: int, *words: object, **more: object) -> bool:
            if not self.tickets:
                return False
            ticket = self.tickets[which % len(self.tickets)]
            before = self.office.ticket(ticket).status
            try:
                self.office.do(what, ticket, *words, **more)  # type: ignore[arg-type]
            except TicketProblem:
                assert self.office.ticket(ticket).status == before
                return False
            return True

        @rule(which=WHICH, owner=WHO)
        def assign(self, which: int, owner: str) -> None:
            if self._try(tickets.assign, which, owner, "boss"):
                self.first.setdefault(self.tickets[which % len(self.tickets)], owner)

        @rule(which=WHICH, who=WHO)
        def start(self, which: int, who: str) -> None:
            self._try(tickets.start, which, who)

        @rule(which=WHICH, who=WHO, seconds=st.sampled_from([0, 5, 60]))
        def talk(self, which: int, who: str, seconds: int) -> None:
            self._try(tickets.talked, which, seconds, who)

        @rule(which=WHICH, who=WHO, offered=st.sampled_from(["", "parking"]))
        def propose(self, which: int, who: str, offered: str) -> None:
            self._try(tickets.propose, which, "sorry", offered, who)

        @rule(which=WHICH, who=WHO, solution=st.sampled_from(["", "sorry"]), offered=st.sampled_from([None, "parking"]))
        def resolve(self, which: int, who: str, solution: str, offered: str | None) -> None:
            if self._try(tickets.resolve, which, solution, who, compensation=offered):
                row = self.office.ticket(self.tickets[which % len(self.tickets)])
                assert row.medical is not False or (row.solution and row.compensation)
                self.told.discard(row.id)

        @rule(which=WHICH, who=WHO, how=st.sampled_from(["call", "sms", "nobody"]))
        def tell(self, which: int, who: str, how: str) -> None:
            if self._try(tickets.tell, which, how, who):
                self.told.add(self.tickets[which % len(self.tickets)])

        @rule(which=WHICH, who=WHO)
        def confirm(self, which: int, who: str) -> None:
            if self._try(tickets.confirm, which, who):
                assert self.tickets[which % len(self.tickets)] in self.told

        @rule(which=WHICH, who=WHO)
        def reopen(self, which: int, who: str) -> None:
            if self._try(tickets.reopen, which, "not so", who):
                self.told.discard(self.tickets[which % len(self.tickets)])

        @rule(
            which=WHICH, link=st.sampled_from(LINKS), nature=st.sampled_from(NATURES), medical=st.none() | st.booleans()
        )
        def classify(self, which: int, link: str, nature: str, medical: bool | None) -> None:
            self._try(tickets.classify, which, "li", link=link, nature=nature, medical=medical)

        @rule(hours=st.sampled_from([0.2, 1, 7, 30, 200]))
        def time_passes(self, hours: float) -> None:
            self.office.forward(hours=hours)
            self.office.tick()

        @rule(ahead=st.integers(0, 20), kind=st.sampled_from(["holiday", "workday"]))
        def the_calendar_is_edited(self, ahead: int, kind: holidays.Kind) -> None:
            day: date = (self.office.now + timedelta(days=ahead)).date()
            with house.transaction() as session:
                holidays.set_day(session, day, kind, "", "staff", self.office.now)
            self.office.do(ticket_clocks.recompute)
            self.due.clear()
            self.office.tick()

        @invariant()
        def none_is_lost(self) -> None:
            with house.transaction() as session:
                listed = {row.id: row for row in tickets.rows(session, self.office.now)}
                every = {row.id: row for row in tickets.rows(session, self.office.now, everything=True)}
            assert set(every) == set(self.tickets)
            assert set(listed) == {one for one in every if every[one].status != "confirmed"}
            assert all(row.next for row in listed.values()), "somebody has to do something"

        @invariant()
        def none_is_closed_untold(self) -> None:
            for ticket in map(self.office.ticket, self.tickets):
                assert ticket.status in STATUSES
                assert ticket.status != "confirmed" or ticket.told_at is not None

        @invariant()
        def the_first_owner_stays_and_watches(self) -> None:
            for ticket in map(self.office.ticket, self.tickets):
                assert ticket.first_owner == self.first.get(ticket.id, "")
                with house.transaction() as session:
                    watchers = tickets.watchers(session, ticket.id)
                assert not ticket.first_owner or {ticket.first_owner, ticket.owner} <= set(watchers)

        @invariant()
        def no_clock_runs_backwards(self) -> None:
            for ticket in map(self.office.ticket, self.tickets):
                with house.transaction() as session:
                    clocks = ticket_clocks.of_ticket(session, ticket.id)
                running = [clock for clock in clocks if clock.met_at is None and clock.missed_at is None]
                assert ticket.due_at == min((clock.due_at for clock in running), default=None)
                for clock in clocks:
                    assert clock.started_at <= clock.due_at
                    assert clock.met_at is None or clock.met_at >= clock.started_at
                    assert clock.missed_at is None or clock.missed_at >= clock.due_at
                    assert (clock.met_at is None or clock.met_at <= clock.due_at) or clock.missed_at is not None
                    before, over = self.due.get(clock.id, (clock.due_at, False))
                    assert clock.due_at <= before, "a promise is never stretched"
                    over_now = clock.met_at is not None or clock.missed_at is not None
                    assert over_now or not over, "what is over does not run again"
                    self.due[clock.id] = (clock.due_at, over_now)
                assert not any(clock.due_at <= self.office.now for clock in running), "nothing is overlooked"

        def teardown(self) -> None:
            clear(house)
            house.clock = StandingClock(START)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Desk,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
