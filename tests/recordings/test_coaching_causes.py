"""What the machine counts over weeks and proposes: each once, and only beyond its border."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tests.recordings.listeners import NO, Office
from tests.recordings.test_coaching import PROCESS, daily, finish, tasks


def final(office: Office, login: str = "amy", **marks: object) -> None:
    """A day's call, rated and final."""
    recording = office.record(login)
    office.opened(day=office.now.date())
    office.judge(office.review_of(recording), **marks)  # type: ignore[arg-type]
    finish(office)


def causes(office: Office) -> list[tuple[str, str, str, str]]:
    daily(office)
    daily(office)
    return [(task.cause, task.about, task.agent, task.state) for task in tasks(office)]


def test_an_item_missed_twice_in_a_month_though_both_calls_passed(office: Office) -> None:
    final(office, own_name=NO)
    assert causes(office) == []
    final(office, own_name=PROCESS, patient_tone=NO)
    assert [one for one in causes(office) if one[0] != "process"] == [], "no agent could have helped it"
    final(office, own_name=NO)
    found = [one for one in causes(office) if one[0] != "process"]
    assert found == [("repeated", "own_name", "amy", "proposed")]
    (task,) = [one for one in tasks(office) if one.cause == "repeated"]
    assert task.subject_id is not None
    assert task.expected["en"]
    assert [one.cause for one in tasks(office, "amy")] == [], "nothing the agent sees before a person agrees"
    office.forward(days=30)
    final(office, own_name=NO)
    assert len([one for one in causes(office) if one[0] == "repeated"]) == 1, "what has led to a task counts no more"


def test_an_item_that_failed_a_call_has_its_task_already(office: Office) -> None:
    final(office, need_met=NO)
    final(office, need_met=NO)
    assert [one[0] for one in causes(office)] == ["score", "score"]


def test_callers_who_ring_again_ten_points_more_often_than_the_teams(office: Office) -> None:
    amy, ben = office.agents["amy"], office.agents["ben"]
    office.desk.settled = {amy: (8, 10), ben: (900, 1000)}
    assert causes(office) == [], "ten points, but ten talks can be chance"
    office.desk.settled = {amy: (164, 200), ben: (900, 1000)}
    assert causes(office) == [], "eight points"
    office.desk.settled = {amy: (156, 200), ben: (900, 1000)}
    assert causes(office) == [("first_contact", "first_contact", "amy", "proposed")]
    office.forward(days=29)
    assert len(causes(office)) == 1
    office.forward(days=2)
    assert len(causes(office)) == 2, "it still is so a month later"
    office.desk.settled = {amy: (0, 50)}
    office.forward(days=31)
    assert len(causes(office)) == 2, "one agent has no team to be behind"


def test_a_first_month_below_ninety_five_of_a_hundred(office: Office) -> None:
    amy, ben = office.agents["amy"], office.agents["ben"]
    began = office.now
    office.desk.first = {amy: began, ben: began - timedelta(days=60)}
    call = office.record("amy")
    office.desk.low = [(amy, call, began + timedelta(days=n), 5) for n in range(19)]
    office.desk.low += [(ben, call, began + timedelta(days=1), 1), (amy, call, began + timedelta(days=29), 3)]
    office.forward(days=30)
    assert [one for one in causes(office) if one[0] == "new_agent"] == [], "19 of 20 is 95 %; ben is no new agent"
    office.desk.low += [(amy, call, began + timedelta(days=29, hours=23), 3)]
    office.forward(hours=1)
    assert ("new_agent", "new_agent", "amy", "proposed") in causes(office)


def test_lowest_of_all_two_months_running_is_put_before_a_manager(office: Office) -> None:
    for day in (date(2031, 3, 7), date(2031, 4, 7)):
        office.house.clock.at = datetime(day.year, day.month, day.day, 2, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
        both = {office.record("amy"): {}, office.record("ben"): {"own_name": NO}}
        office.opened(day=day)
        for recording, marks in both.items():
            office.judge(office.review_of(recording), **marks)
        finish(office)
    office.house.clock.at = datetime(2031, 5, 7, 2, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    assert [one for one in causes(office) if one[0] == "lowest"] == [], "April may still be disputed"
    office.forward(days=1)
    assert ("lowest", "lowest", "ben", "proposed") in causes(office)
