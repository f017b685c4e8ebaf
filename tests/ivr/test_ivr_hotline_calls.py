"""The hotline on a real house: signed requests by day, at night and on holidays, and what is stored of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, holidays
from core.house import House
from core.models import EventRow, Procedure
from dialer.models import Attempt, Call
from ivr.book import Book
from ivr.booking import Booking
from ivr.flow import parse_flow
from ivr.service_desk import ServiceDesk
from tests.house import OPERATOR
from tests.ivr.ivr_line import CALLER, Document, Line, Switch
from tests.scheduler.clinic import hospital

BONES, OFFER, STATION = "+861055550104", "+861055550103", "+861055550198"
DEPARTMENTS = [
    {"name": "orthopaedics", "say": {"zh-CN": "骨科", "en": "Orthopaedics"}, "target": BONES},
    {"name": "eyes", "say": {"zh-CN": "眼科", "en": "Eyes"}},
]
THEME = {
    **{"from": date(2031, 3, 1), "until": date(2031, 3, 31), "target": OFFER},
    "say": {"zh-CN": "过敏门诊", "en": "The allergy clinic"},
}
RECORDED = {"RecordingSid": "RE" + "1" * 32, "RecordingDuration": "4", "Digits": "#"}
UNBRIDGED = {"DialCallStatus": "no-answer", "DialBridged": "false"}


class Told:
    """What the house heard of the desk's business, in order."""

    def __init__(self, house: House) -> None:
        self.events: list[Any] = []
        for kind in (events.ReasonGiven, events.TicketWanted, events.MessageLeft):
            house.bus.subscribe(kind, lambda session, event, now: self.events.append(event))

    @property
    def words(self) -> list[str]:
        return [
            getattr(event, "reason", "") or getattr(event, "kind", "") or getattr(event, "purpose", "")
            for event in self.events
        ]


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


@pytest.fixture
def told(switch: Switch) -> Told:
    return Told(switch.house)


def at(switch: Switch, *moment: int) -> None:
    """The wall clock in Shanghai."""
    switch.house.clock.at = datetime(*moment, tzinfo=UTC) - timedelta(hours=8)  # type: ignore[attr-defined, misc]


def english(switch: Switch, caller: str = CALLER) -> Line:
    """A caller at the menu of the hour, in English."""
    line = switch.line()
    line.rings(caller)
    line.does()
    line.english()
    return line


def dialled(document: Document) -> str:
    return document.find("Number").text or ""


def the_call(switch: Switch) -> Call:
    [call] = [call for call in switch.all(Call) if call.kind == "hotline"]
    assert isinstance(call, Call)
    return call


# ---- the notice ----------------------------------------------------------------------------------
def test_the_emergency_sentence_comes_before_everything_one_can_choose(switch: Switch) -> None:
    said = switch.line().rings().said
    assert said.index("智能语音") < said.index("1 2 0") < said.index("录音") < said.index("星号")


# ---- the hour ------------------------------------------------------------------------------------
def test_by_day_at_night_and_on_a_holiday_another_menu_is_heard(switch: Switch) -> None:
    heard = {}
    for name, moment in {"day": (2031, 3, 7, 10), "night": (2031, 3, 7, 22), "holiday": (2026, 10, 1, 10)}.items():
        at(switch, *moment)
        line = english(switch)
        assert line.last is not None
        heard[name] = line.last.said
    assert heard["day"].startswith("Appointments, press 1")
    assert heard["night"].startswith("This is the night service. Pain or problems after surgery, press 1")
    assert "Pain or problems after surgery, press 1. Way to emergency, 2" in heard["holiday"]


def test_a_holiday_of_the_hospitals_own_table_is_one(switch: Switch) -> None:
    hospital(switch.house, hotline={"holiday_words": {"en": "Come before eight or after two."}})
    with switch.house.transaction() as session:
        holidays.set_day(session, date(2031, 3, 7), "holiday", "", "staff", switch.house.clock.now())
    line = english(switch)
    assert line.last is not None
    words = "Today is a public holiday. Please note: Come before eight or after two. Pain or problems"
    assert line.last.said.startswith(words)
    assert "Please note" not in line.press("8").said, "what is said in one language only is not said in the other"


def test_a_call_over_nine_in_the_evening_goes_on_where_it_was(switch: Switch) -> None:
    """The hour is asked at every turn; a menu already heard keeps its keys."""
    at(switch, 2031, 3, 7, 20, 59)
    line = english(switch)
    at(switch, 2031, 3, 7, 21, 1)
    assert "General information" not in line.press("2").said
    assert the_call(switch).reason == "postop"


def test_pain_at_night_is_a_score_and_an_escalation(switch: Switch, told: Told) -> None:
    at(switch, 2031, 3, 7, 23)
    assert "A doctor needs to hear this" in english(switch).press("1", "7", "1").said
    assert switch.escalations() == [(7, CALLER)]
    assert told.words == ["postop"]


def test_the_way_to_the_emergency_room_is_in_the_hospitals_words(switch: Switch) -> None:
    hospital(switch.house, hotline={"emergency_room": {"en": "West gate, ground floor.", "zh-CN": "西门一楼。"}})
    at(switch, 2031, 3, 7, 23)
    line = english(switch)
    assert "West gate, ground floor." in line.press("2").said
    assert "西门一楼" in line.press("8").said
    assert "夜间服务" in line.press("1").said
    assert the_call(switch).reason == "directions"


def test_a_message_at_night_is_somebodys_work(switch: Switch, told: Told) -> None:
    at(switch, 2031, 3, 7, 23)
    line = english(switch)
    line.press("3")
    assert "We have your message" in line.does(**RECORDED).said
    assert told.words == ["message", "message", "message"]
    call_id = the_call(switch).id
    assert told.events[1] == events.MessageLeft(call_id, "message")
    assert told.events[2] == events.TicketWanted("message", call_id, None)


def test_who_leaves_a_message_has_spoken_and_who_says_nothing_has_not(switch: Switch) -> None:
    spoken: list[events.SpokenInto] = []
    switch.house.bus.subscribe(events.SpokenInto, lambda session, event, now: spoken.append(event))
    at(switch, 2031, 3, 7, 23)
    line = english(switch)
    line.press("3")
    line.does()
    assert spoken == []
    line.does(**RECORDED)
    assert spoken == [events.SpokenInto(the_call(switch).id)]


def test_at_night_key_zero_rings_whoever_is_up(switch: Switch) -> None:
    hospital(switch.house, hospital={"operator": "", "night_target": STATION})
    at(switch, 2031, 3, 7, 23)
    assert dialled(english(switch).press("0")) == STATION
    at(switch, 2031, 3, 8, 10)
    assert "nobody at the desk" in english(switch).press("0").said


# ---- key 3 ---------------------------------------------------------------------------------------
def test_the_offer_is_rung_at_its_own_number_and_then_the_desk(switch: Switch, told: Told) -> None:
    hospital(switch.house, hotline={"theme": [THEME]})
    line = english(switch)
    assert line.last is not None
    assert "The allergy clinic, 3" in line.last.said
    heard = line.press("3")
    assert ("You have chosen: The allergy clinic." in heard.said, dialled(heard)) == (True, OFFER)
    [ring] = switch.all(Attempt)
    assert (ring.kind, ring.flow, ring.status) == ("theme", "operator_join", "placing")
    after = line.does(**UNBRIDGED)
    assert dialled(after) == OPERATOR
    assert told.words == ["theme"], "that they want a person is no reason beside the offer"


def test_whoever_answers_for_the_offer_presses_a_key_and_is_joined(switch: Switch) -> None:
    hospital(switch.house, hotline={"theme": [THEME]})
    line = english(switch)
    line.press("3")
    [ring] = switch.all(Attempt)
    leg = switch.line()
    leg.sid = "CA" + "7" * 32
    assert "a hotline caller is waiting" in leg.ask(f"/ivr/call/{ring.id}").said
    assert leg.press("1").verbs == []
    bye = line.does(DialCallStatus="completed", DialBridged="true", DialCallDuration="55")
    assert ("The call is over" in bye.said, bye.verbs[-1]) == (True, "Hangup")


def test_while_the_house_is_not_live_the_offer_rings_nobody(switch: Switch, told: Told) -> None:
    hospital(switch.house, hospital={"live": False, "operator": ""}, hotline={"theme": [THEME]})
    line = english(switch)
    heard = line.press("3")
    assert "Record" in heard.verbs
    assert switch.all(Attempt) == []
    line.does(**RECORDED)
    assert told.words == ["theme", "theme", "theme"]
    assert [type(event).__name__ for event in told.events] == ["ReasonGiven", "TicketWanted", "MessageLeft"]


def test_without_an_offer_key_three_is_general_information(switch: Switch) -> None:
    hospital(switch.house, hotline={"opening_hours": {"en": "Monday to Friday.", "zh-CN": "周一至周五。"}})
    line = english(switch)
    assert "Opening hours, press 1" in line.press("3").said
    assert "Monday to Friday." in line.press("1").said
    assert "Appointments, press 1" in line.press("1").said
    assert the_call(switch).reason == "services"


# ---- key 5 ---------------------------------------------------------------------------------------
def test_a_department_is_rung_at_its_own_number(switch: Switch) -> None:
    hospital(switch.house, hotline={"departments": DEPARTMENTS, "theme": [THEME]})
    line = english(switch)
    assert "Orthopaedics, press 1. Eyes, press 2." in line.press("5").said
    assert dialled(line.press("1")) == BONES, "and not the number of the season's offer"
    call = the_call(switch)
    assert (call.reason, call.department) == ("department", "orthopaedics")
    assert dialled(line.does(**UNBRIDGED)) == OPERATOR
    assert [attempt.kind for attempt in switch.all(Attempt)] == ["theme", "operator"]


def test_a_department_without_a_number_is_the_desks(switch: Switch) -> None:
    hospital(switch.house, hotline={"departments": DEPARTMENTS, "theme": [THEME]})
    assert dialled(english(switch).press("5", "2")) == OPERATOR
    assert the_call(switch).department == "eyes"


def test_without_departments_key_five_is_the_desk(switch: Switch) -> None:
    assert dialled(english(switch).press("5")) == OPERATOR
    assert (the_call(switch).reason, the_call(switch).department) == ("department", "")


def test_a_department_is_in_the_ledger_and_no_number_is(switch: Switch) -> None:
    hospital(switch.house, hotline={"departments": DEPARTMENTS})
    english(switch).press("5", "1")
    with switch.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow)).all()
    assert ("department", {"department": "orthopaedics"}) in [(row.what, row.data) for row in rows]
    assert not [row for row in rows if CALLER in str(row.data) or BONES in str(row.data)]


# ---- who rings -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("caller", "days", "first"), [(CALLER, 1, True), (CALLER, 200, False), ("+8613800000088", 1, False), ("", 1, False)]
)
def test_who_was_operated_on_lately_hears_pain_first_and_no_word_more(
    switch: Switch, caller: str, days: int, first: bool
) -> None:
    switch.patient("followup")
    with switch.house.transaction() as session:
        ended = switch.house.clock.now() - timedelta(days=days)
        session.scalars(sa.select(Procedure)).one().ended_at = ended
    line = english(switch, caller)
    assert line.last is not None
    assert line.last.said.startswith("Pain or problems after surgery" if first else "Appointments")
    assert not [word for word in ("Example", "Ann", "surgery department", "penicillin") if word in line.last.said]


def test_the_last_reason_counts_and_a_wish_for_a_person_is_none_beside_it(switch: Switch, told: Told) -> None:
    line = english(switch)
    line.press("3", "1", "1", "2", "*")
    assert told.words == ["services", "postop"]
    assert the_call(switch).reason == "postop"
    english(switch, "+8613800000088").press("0")
    assert told.words[-1] == "operator"


def test_a_hidden_number_that_leaves_a_message_is_told_to_say_it(switch: Switch) -> None:
    hospital(switch.house, hospital={"operator": ""})
    heard = english(switch, "anonymous").press("0")
    assert "Your number is hidden. Please say your telephone number" in heard.said


# ---- other flows ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("key", "flow"), [("1", "appointments"), ("4", "complaints")])
def test_the_same_call_goes_on_in_another_flow(switch: Switch, key: str, flow: str) -> None:
    english(switch).press(key)
    call = the_call(switch)
    assert (call.flow, call.flow_version) == (flow, switch.house.service(Book).flows[flow].version)


# ---- numbers the house looks up ------------------------------------------------------------------
LOOK_UP = {
    "name": "look_up", "start": "ask", "lost": "end", "over": "end", "operator": "end",
    "facts": {"ticket": "text?", "known": "flag"},
    "nodes": {
        "ask": {
            "type": "number", "kind": "holder", "speak": "id_check", "wrong": "id_again", "silent": "id_silent",
            "next": "found", "failed": "end", "tries": 2,
        },
        "found": {"type": "bye", "speak": [{"if": "known ticket", "then": "message_thanks", "else": "low_tips"}]},
        "end": {"type": "bye", "speak": "goodbye"},
    },
}  # fmt: skip


class Visits:
    """The one patient of this number was born on May sixth."""

    def facts(self, session: Session, call: Call, now: datetime) -> dict[str, Any]:
        return {}

    def identify(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        return birth_mmdd == "0506"


class Desk:
    """One ticket, known to this call once it was looked up."""

    found = False

    def hotline_facts(self, session: Session, call: Call, now: datetime) -> dict[str, Any]:
        return {"ticket": "00000112"} if self.found else {}

    def find_ticket(self, session: Session, call: Call, digits: str, now: datetime) -> bool:
        self.found = digits == "00000112"
        return self.found


def asks_for(switch: Switch, kind: str) -> Line:
    """A house whose hotline asks for such a number at once."""
    nodes: dict[str, Any] = LOOK_UP["nodes"]  # type: ignore[assignment]
    raw = {**LOOK_UP, "nodes": {**nodes, "ask": {**nodes["ask"], "kind": kind}}}
    book = switch.house.service(Book)
    switch.house.services[Book] = Book({**book.flows, "look_up": parse_flow(raw, "look_up.yaml")}, book.prompts)
    hospital(switch.house, hotline={"flow": "look_up"})
    switch.house.services[Booking], switch.house.services[ServiceDesk] = Visits(), Desk()
    line = switch.line()
    line.rings()
    return line


@pytest.mark.parametrize(("keys", "found"), [("0506", True), ("0507", False), ("050", False), ("", False)])
def test_whoever_holds_the_number_proves_it_with_the_birthday(switch: Switch, keys: str, found: bool) -> None:
    heard = asks_for(switch, "holder").press(keys)
    assert ("康复资料" in heard.said) is found
    if not found:
        assert "Hangup" not in heard.verbs
    with switch.house.transaction() as session:
        told = session.scalars(sa.select(EventRow.what).where(EventRow.kind == "call")).all()
    assert ("identity confirmed" in told) is found


@pytest.mark.parametrize(("keys", "found"), [("00000112", True), ("00000113", False), ("1", False), ("*", False)])
def test_a_ticket_that_is_found_is_told_in_the_same_breath(switch: Switch, keys: str, found: bool) -> None:
    heard = asks_for(switch, "ticket").press(keys)
    assert ("留言已收到" in heard.said) is found


def test_where_nobody_keeps_visits_or_tickets_nothing_is_found(switch: Switch) -> None:
    for kind, keys in (("holder", "0506"), ("ticket", "00000112")):
        line = asks_for(switch, kind)
        del switch.house.services[Booking], switch.house.services[ServiceDesk]
        assert "Hangup" not in line.press(keys).verbs
