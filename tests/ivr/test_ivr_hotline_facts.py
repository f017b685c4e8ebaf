"""What the hotline is told: the hour, the day, the season, the house, and as little as it must of the caller."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core import holidays, people
from core.house import House
from core.models import Contact, Patient, Procedure
from dialer import call as calls
from dialer.models import Call
from ivr.book import Book
from ivr.booking import Booking
from ivr.facts import facts
from ivr.service_desk import ServiceDesk
from ivr.talk import Fact
from tests.house import OPERATOR
from tests.ivr.ivr_line import CALLER, Switch
from tests.scheduler.clinic import hospital

STRANGER = "+8613800000077"
STATION = "+861055550198"
OFFER = {"from": date(2031, 3, 7), "until": date(2031, 3, 8), "say": {"en": "Hay fever"}}


class Desk:
    """As much of a ServiceDesk as the facts ask for."""

    def __init__(self, **told: Fact) -> None:
        self.told = told

    def hotline_facts(self, session: Any, call: Call, now: datetime) -> dict[str, Fact]:
        return self.told


class Visits:
    """As much of a Booking as the facts ask for."""

    def facts(self, session: Any, call: Call, now: datetime) -> dict[str, Fact]:
        return {"slots": ("Monday at nine",)}


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


def told(switch: Switch, party: str = CALLER, flow: str = "hotline", **more: Any) -> dict[str, Fact]:
    now = switch.house.clock.now()
    with switch.house.transaction() as session:
        call = calls.open_inbound(session, f"CA{uuid.uuid4().hex}", party, flow, now)
        for name, value in more.items():
            setattr(call, name, value)
        heard = facts(session, call, now)
    assert switch.house.service(Book).flows[flow].fact_problems(heard) == []
    return heard


def at(switch: Switch, *moment: int) -> None:
    """The wall clock in Shanghai."""
    switch.house.clock.at = datetime(*moment, tzinfo=UTC) - timedelta(hours=8)  # type: ignore[attr-defined, misc]


# ---- the hour and the day ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hour", "minute", "night"), [(20, 59, False), (21, 0, True), (0, 30, True), (7, 59, True), (8, 0, False)]
)
def test_night_is_the_hospitals_own(switch: Switch, hour: int, minute: int, night: bool) -> None:
    at(switch, 2031, 3, 7, hour, minute)
    assert told(switch)["night"] is night


@pytest.mark.parametrize(
    ("day", "holiday"),
    [
        ((2026, 2, 14), False),  # a Saturday worked in exchange
        ((2026, 2, 15), True),
        ((2026, 2, 23), True),
        ((2026, 2, 24), False),
        ((2026, 3, 7), False),  # a plain Saturday
        ((2026, 10, 1), True),
    ],
)
def test_a_holiday_is_a_break_as_the_state_council_means_it(
    switch: Switch, day: tuple[int, int, int], holiday: bool
) -> None:
    at(switch, *day, 10)
    assert told(switch)["holiday"] is holiday


def test_the_day_is_that_of_the_hospital_not_of_utc(switch: Switch) -> None:
    """Half past midnight in Shanghai on the first of October is still September in UTC."""
    at(switch, 2026, 10, 1, 0, 30)
    assert told(switch)["holiday"] is True


def test_the_table_of_special_days_wins(switch: Switch) -> None:
    at(switch, 2031, 3, 7, 10)
    with switch.house.transaction() as session:
        holidays.set_day(session, date(2031, 3, 7), "holiday", "", "staff", switch.house.clock.now())
    assert told(switch)["holiday"] is True


# ---- the season, departments, own words ----------------------------------------------------------
@pytest.mark.parametrize(("day", "on"), [(6, False), (7, True), (8, True), (9, False)])
def test_an_offer_runs_from_its_first_to_its_last_day(switch: Switch, day: int, on: bool) -> None:
    hospital(switch.house, hotline={"theme": [{**OFFER, "target": STATION}]})
    for hour in (0, 23):
        at(switch, 2031, 3, day, hour, 30)
        heard = told(switch)
        assert (heard["theme_on"], heard["theme_number"]) == (on, on)
        assert heard["theme.en"] == ("Hay fever" if on else "General information")
        assert heard["theme.zh-CN"] == ("Hay fever" if on else "就诊指南")


def test_departments_and_the_one_that_was_chosen(switch: Switch) -> None:
    bones = {"name": "orthopaedics", "say": {"zh-CN": "骨科", "en": "Orthopaedics"}, "target": STATION}
    eyes = {"name": "eyes", "say": "Eyes"}
    hospital(switch.house, hotline={"departments": [bones, eyes]})
    heard = told(switch)
    assert (heard["departments"], heard["departments.en"]) == (("骨科", "Eyes"), ("Orthopaedics", "Eyes"))
    assert heard["departments_values"] == ("orthopaedics", "eyes")
    assert [told(switch, department=name)["department_number"] for name in ("", "orthopaedics", "eyes", "gone")] == [
        False, True, False, False,
    ]  # fmt: skip


def test_what_the_hospital_has_not_said_is_blank(switch: Switch) -> None:
    hospital(switch.house, hotline={"parking": {"zh-CN": "北门"}, "holiday_words": "Come early."})
    heard = told(switch)
    assert (heard["parking"], heard["parking.en"], heard["way"]) == ("北门", "", "")


def test_the_word_for_holidays_is_said_on_holidays_only(switch: Switch) -> None:
    hospital(switch.house, hotline={"holiday_words": "Come early."})
    assert "holiday_words" not in told(switch)
    at(switch, 2026, 10, 1, 10)
    heard = told(switch)
    assert heard["holiday_words.en"] == heard["holiday_words.zh-CN"] == "Come early."


# ---- who can be asked ----------------------------------------------------------------------------
def test_without_a_desk_nobody_is_signed_in(switch: Switch) -> None:
    heard = told(switch)
    assert (heard["agents_on"], heard["agent_known"], heard["ahead"], heard["next_up"]) == (False, False, 0, True)
    assert (heard["operator_on"], heard["person_on"]) == (True, True)


def test_the_desk_adds_what_it_knows(switch: Switch) -> None:
    hospital(switch.house, hospital={"operator": ""})
    assert told(switch)["person_on"] is False
    switch.house.services[ServiceDesk] = Desk(agents_on=True, ahead=2, agent_known=True, ticket="00000112")
    heard = told(switch)
    assert (heard["agents_on"], heard["person_on"], heard["operator_on"]) == (True, True, False)
    assert (heard["ahead"], heard["next_up"], heard["agent_known"], heard["ticket"]) == (2, False, True, "00000112")


@pytest.mark.parametrize(
    ("operator", "station", "hour", "on"),
    [("", "", 22, False), ("", STATION, 22, True), ("", STATION, 10, False), (OPERATOR, STATION, 22, True)],
)
def test_at_night_somebody_else_may_be_up(switch: Switch, operator: str, station: str, hour: int, on: bool) -> None:
    hospital(switch.house, hospital={"operator": operator, "night_target": station})
    at(switch, 2031, 3, 7, hour)
    assert told(switch)["operator_on"] is on


def test_free_times_are_looked_up_only_for_who_arranges_a_visit(switch: Switch) -> None:
    switch.house.services[Booking] = Visits()
    assert "slots" not in told(switch)
    assert told(switch, flow="appointments")["slots"] == ("Monday at nine",)


@pytest.mark.parametrize(
    ("party", "keyed", "withheld", "callback"),
    [(CALLER, None, False, True), ("", None, True, False), ("", STRANGER, True, True)],
)
def test_whether_we_can_ring_back(
    switch: Switch, party: str, keyed: str | None, withheld: bool, callback: bool
) -> None:
    heard = told(switch, party, callback=keyed)
    assert (heard["withheld"], heard["callback_on"]) == (withheld, callback)


# ---- who rings -----------------------------------------------------------------------------------
def operated(switch: Switch, days: float, **change: Any) -> None:
    switch.patient("followup")
    with switch.house.transaction() as session:
        row = session.scalars(sa.select(Procedure)).one()
        row.ended_at = switch.house.clock.now() - timedelta(days=days)
        for name, value in change.items():
            setattr(row, name, value)


@pytest.mark.parametrize(("days", "first"), [(0, True), (1, True), (29.9, True), (30.1, False), (-1, False)])
def test_who_was_operated_on_lately_hears_pain_first(switch: Switch, days: float, first: bool) -> None:
    hospital(switch.house, hotline={"postop_days": 30})
    operated(switch, days)
    assert told(switch)["postop_first"] is first
    assert told(switch, STRANGER)["postop_first"] is False
    assert told(switch, "")["postop_first"] is False


def test_a_cancelled_operation_and_a_dead_patient_change_nothing(switch: Switch) -> None:
    operated(switch, 1, status="cancelled")
    assert told(switch)["postop_first"] is False
    with switch.house.transaction() as session:
        session.scalars(sa.select(Procedure)).one().status = "active"
        session.scalars(sa.select(Patient)).one().status = "deceased"
    assert told(switch)["postop_first"] is False


def test_a_relatives_number_counts_until_it_was_called_a_wrong_one(switch: Switch) -> None:
    operated(switch, 1)
    with switch.house.transaction() as session:
        patient = session.scalars(sa.select(Patient)).one()
        index = people.phone_index(STRANGER)
        session.add(
            Contact(patient_id=patient.id, phone=STRANGER, phone_index=index, relation="daughter", position=1)
        )
    assert told(switch, STRANGER)["postop_first"] is True
    with switch.house.transaction() as session:
        session.scalars(sa.select(Contact).where(Contact.position == 1)).one().wrong_at = switch.house.clock.now()
    assert told(switch, STRANGER)["postop_first"] is False


def test_nothing_that_is_told_of_a_caller_says_who_it_is(switch: Switch) -> None:
    operated(switch, 1)
    heard = str({name: fact for name, fact in told(switch).items() if not name.startswith("hospital")})
    assert not [word for word in ("Example", "surgery", "penicillin", "1961", "0506", CALLER) if word in heard]


@contextmanager
def counted(house: House) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    sa.event.listen(house.engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(house.engine, "before_cursor_execute", note)


def test_a_turn_asks_the_same_few_questions_however_many_patients_share_the_number(switch: Switch) -> None:
    def asked() -> int:
        now = switch.house.clock.now()
        with switch.house.transaction() as session:
            call = calls.open_inbound(session, f"CA{uuid.uuid4().hex}", CALLER, "hotline", now)
            session.flush()
            call.turn = 3  # past the offer to go on with a missed interview
            with counted(switch.house) as statements:
                facts(session, call, now)
        return len(statements)

    nobody = asked()
    operated(switch, 1)
    with switch.house.transaction() as session:
        for number in range(20):
            patient = Patient(
                mrn=f"N-{number}", mrn_index=f"N-{number}".encode(), name="Ann Example", language="en",
                timezone="Asia/Shanghai", created_at=switch.house.clock.now(),
            )  # fmt: skip
            session.add(patient)
            session.flush()
            session.add(Contact(patient_id=patient.id, phone=CALLER, phone_index=people.phone_index(CALLER)))
    assert asked() == nobody <= 4, "the desk asks one"
