"""`carecall roster` as the person meets it who arranges who is on duty."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import app
from core import people, settings
from core.db import blind
from core.house import House
from core.models import EventRow, new_id
from dialer.models import Attempt, Cover, Shift, TestRing
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock

PHONES = {"Dr A": "+8613800000021", "Dr B": "+8613800000022", "Dr C": "+8613800000023"}
NOW = datetime.now(UTC).replace(microsecond=0)


def at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


class Office:
    """The roster the commands look into; the commands' clock is the real one."""

    def __init__(self, house: House) -> None:
        self.house = house

    def shift(self, doctor: str, tier: str = "1", starts: float = -1, ends: float = 200, phone2: str = "") -> None:
        with self.house.transaction() as session:
            session.add(
                Shift(
                    id=new_id(), department="*", tier=tier, position=ord(doctor[-1]), doctor=doctor, pin="4711",
                    doctor_index=blind(doctor, "doctor"), phone=PHONES[doctor], phone2=phone2, language="en",
                    starts_at=NOW + timedelta(hours=starts), ends_at=NOW + timedelta(hours=ends),
                )
            )  # fmt: skip

    def all(self, table: type) -> list[object]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(table)))


@pytest.fixture
def office(at_work: Carecall) -> Iterator[Office]:
    house = app.open_house(settings.load())
    house.clock = StandingClock(NOW)
    yield Office(house)
    house.engine.dispose()


def on_duty(at_work: Carecall, hours: float) -> list[tuple[str, str]]:
    rows = at_work("roster", "show", "--at", at(hours), "--json").rows
    return [(row["doctor"], row["instead_of"]) for row in rows]


# ---- show and covers -----------------------------------------------------------------------------------
def test_a_cover_from_the_order_to_its_end(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A")
    office.shift("Dr B", tier="2", phone2="+8613800000029")
    told = at_work("roster", "cover", "Dr A", "--by", "Dr B", "--from", at(1), "--until", at(9), "--who", "anna",
                   "--note", "ill")  # fmt: skip
    assert told.code == 0, told.err
    assert "Dr B covers for Dr A" in told.out
    [made] = office.all(Cover)
    assert isinstance(made, Cover)
    assert (made.phone, made.phone2, made.pin, made.made_by, made.note) == (
        PHONES["Dr B"], "+8613800000029", "4711", "anna", "ill",
    )  # fmt: skip
    assert on_duty(at_work, 0.5) == [("Dr A", ""), ("Dr B", "")]
    assert on_duty(at_work, 2) == [("Dr B", ""), ("Dr B", "Dr A")], "by when each began"
    [row] = at_work("roster", "covers", "--json").rows
    assert (row["doctor"], row["by"], row["who"]) == ("Dr A", "Dr B", "anna")
    assert at_work("roster", "uncover", row["id"], "--who", "bela").out == "cancelled\n"
    assert on_duty(at_work, 2) == [("Dr A", ""), ("Dr B", "")]
    assert at_work("roster", "covers", "--json").rows == []
    with office.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.kind == "cover").order_by(EventRow.id))
        assert [(row.what, row.who) for row in rows] == [("made", "anna"), ("cancelled", "bela")]


def test_a_swap_is_two_covers(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A", starts=0, ends=8)
    office.shift("Dr B", starts=8, ends=16)
    told = at_work("roster", "swap", "Dr A", "Dr B", "--from", at(0), "--until", at(8), "--back-from", at(8),
                   "--back-until", at(16))  # fmt: skip
    assert (told.code, len(told.out.splitlines())) == (0, 2)
    assert [on_duty(at_work, hours) for hours in (4, 12)] == [[("Dr B", "Dr A")], [("Dr A", "Dr B")]]


def test_a_swap_of_which_one_half_cannot_be_is_none(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A", starts=0, ends=8)
    office.shift("Dr B", starts=8, ends=16)
    told = at_work("roster", "swap", "Dr A", "Dr B", "--from", at(0), "--until", at(8), "--back-from", at(80),
                   "--back-until", at(90))  # fmt: skip
    assert (told.code, office.all(Cover)) == (2, [])
    assert "not on duty in those hours" in told.err


def test_a_span_is_shown_in_its_pieces(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A", ends=20)
    at_work("roster", "cover", "Dr A", "--by", "Dr C", "--phone", "138 0000 0023", "--from", at(2), "--until", at(4))
    rows = at_work("roster", "show", "--from", at(0), "--until", at(24), "--json").rows
    assert [row["doctor"] for row in rows] == ["Dr A", "Dr C", "Dr A"]
    assert (rows[1]["phone"], rows[1]["until"] == rows[2]["from"]) == (PHONES["Dr C"], True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("cover", "Dr A", "--by", "Dr C", "--from", at(1), "--until", at(2)), "--phone: this doctor is not on the"),
        (("cover", "Dr A", "--by", "Dr C", "--phone", "12", "--from", at(1), "--until", at(2)), "--phone is not a tel"),
        (("cover", "Dr A", "--by", "Dr B", "--from", "soon", "--until", at(2)), "--from: 'soon' is not a time"),
        (("cover", "Dr C", "--by", "Dr B", "--from", at(1), "--until", at(2)), "is the name as in the roster?"),
        (("uncover", "x"), "'x' is not an id"),
        (("uncover", str(new_id())), "No such cover"),
        (("show", "--at", at(0), "--from", at(0)), "--at: either"),
        (("show", "--from", at(2), "--until", at(1)), "--until must be after"),
        (("gaps", "--days", "0"), "--days must be"),
        (("test",), "Which numbers?"),
        (("test", "Dr A", "--on-duty"), "Which numbers?"),
        (("test", "Dr X"), "No doctor of this name"),
        (("test", "Dr A", "--number", "2"), "there is no such number"),
        (("import-calendar", "none.ics"), "cannot be read"),
        (("export-calendar", "no/such/folder/x.ics"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_exit_two_with_a_sentence(
    at_work: Carecall, office: Office, words: tuple[str, ...], sentence: str
) -> None:
    office.shift("Dr A")
    office.shift("Dr B", tier="2")
    told = at_work("roster", *words)
    assert (told.code, told.out) == (2, "")
    assert sentence in told.err


# ---- gaps and check ------------------------------------------------------------------------------------
def test_gaps_and_people_nobody_reaches(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A", ends=20)
    with office.house.transaction() as session:
        session.add(
            TestRing(id=new_id(), phone=PHONES["Dr A"], phone_index=people.phone_index(PHONES["Dr A"]), language="en",
                     asked_by="x", asked_at=NOW, result="no_answer")
        )  # fmt: skip
    told = at_work("roster", "gaps", "--days", "1", "--json")
    assert told.code == 1
    assert [(row["what"], row["tier"]) for row in told.rows] == [
        ("NOBODY", "all"), ("gap", "2"), ("gap", "head"), ("gap", "president"), ("unreachable", ""), ("remark", ""),
    ]  # fmt: skip
    lines = {row["what"]: row for row in at_work("check", "--json").rows}
    assert lines["roster"]["ok"] == "WRONG"
    assert "nobody is on duty in the next 24 hours: * " in lines["roster"]["detail"]
    assert "whom no ring would reach: 1" in lines["roster"]["detail"]
    assert lines["roster ahead"]["detail"].startswith("gaps in the next 7 days: * ")


def test_a_whole_roster_has_no_gap(at_work: Carecall, office: Office) -> None:
    for doctor, tier in (("Dr A", "1"), ("Dr B", "2"), ("Dr C", "head"), ("Dr C", "president")):
        office.shift(doctor, tier)
    told = at_work("roster", "gaps", "--json")
    assert (told.code, {row["what"] for row in told.rows}) == (0, {"remark"})
    lines = {row["what"]: (row["ok"], row["detail"]) for row in at_work("check", "--json").rows}
    assert lines["roster"] == ("ok", "somebody is on duty at each moment of the next 24 hours")
    assert lines["roster ahead"] == ("ok", "no gap in the next 7 days")


# ---- calendars -----------------------------------------------------------------------------------------
def test_a_calendar_goes_out_and_comes_in(at_work: Carecall, office: Office, tmp_path: Path) -> None:
    office.shift("Dr A")
    office.shift("Dr B", tier="2")
    path = tmp_path / "out.ics"
    told = at_work("roster", "export-calendar", str(path), "--doctor", "Dr B")
    assert (told.code, "1 shifts" in told.out, stat.S_IMODE(path.stat().st_mode)) == (0, True, 0o600)
    assert at_work("roster", "export-calendar", str(path)).code == 0
    assert [row["result"] for row in at_work("roster", "import-calendar", str(path), "--json").rows] == [
        "unchanged", "unchanged"]  # fmt: skip
    assert "0 refused" in at_work("roster", "import-calendar", str(path), "--dry-run").out
    path.write_bytes(path.read_bytes().replace(b"SUMMARY:Dr B", b"SUMMARY:Dr New").replace(b"X-CARECALL-PHONE", b"X-"))
    assert at_work("roster", "import-calendar", str(path)).code == 1


# ---- test rings ----------------------------------------------------------------------------------------
def test_a_test_ring_is_asked_for_and_listed(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A", phone2="+8613800000029")
    office.shift("Dr B", tier="2")
    rows = at_work("roster", "test", "Dr A", "--number", "2", "--who", "anna", "--json").rows
    assert [(row["doctor"], row["which"], row["number"], row["state"]) for row in rows] == [
        ("Dr A", 2, "+8613800000029", "rings")]  # fmt: skip
    rows = at_work("roster", "test", "--on-duty", "--json").rows
    assert sorted(row["number"] for row in rows) == sorted([PHONES["Dr A"], "+8613800000029", PHONES["Dr B"]])
    assert len(at_work("roster", "tests", "--json").rows) == 3, "a number that rings is not rung again"
    [first] = [ring for ring in office.all(TestRing) if isinstance(ring, TestRing) and ring.asked_by == "anna"]
    assert first.attempt_id in {attempt.id for attempt in office.all(Attempt) if isinstance(attempt, Attempt)}


def test_nobody_on_duty_can_be_tested(at_work: Carecall, office: Office) -> None:
    told = at_work("roster", "test", "--on-duty")
    assert (told.code, told.err) == (2, "Nobody is on duty now.\n")


def test_a_number_the_gate_refuses_is_exit_one_with_the_reason_in_the_list(at_work: Carecall, office: Office) -> None:
    office.shift("Dr A")
    with office.house.transaction() as session:
        session.scalars(sa.select(Shift)).one().phone = "+19005550100"
    assert at_work("roster", "test", "Dr A").code == 1
    [row] = json.loads(at_work("roster", "tests", "--json").out)
    assert (row["state"], row["why"]) == ("refused", "the number is a premium-rate one")
