"""The ward's commands as a nurse meets them: worklist, plan, answers, forecast, two records made one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

import app
from core import people, settings
from core.db import blind
from core.house import House
from core.models import EventRow, Patient
from dialer.models import Call
from ivr.models import Answer
from scheduler import worklist
from scheduler.models import FollowUp
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock
from tests.scheduler.clinic import Ward

PHONE = "+8613800000001"


class Station(Ward):
    """Patients in the database the commands look into; `now` is the real one, because theirs is."""

    def person(self, mrn: str, phone: str = PHONE) -> uuid.UUID:
        made = self.patient(phone, mrn=mrn)
        with self.house.transaction() as session:
            session.get_one(Patient, made).mrn_index = blind(mrn, people.MRN)
        return made

    def answered(self, patient: uuid.UUID, **values: str) -> uuid.UUID:
        """A call that is over, with its answers."""
        with self.house.transaction() as session:
            call = Call(
                kind="hotline", status="completed", party=PHONE, party_index=people.phone_index(PHONE),
                patient_id=patient, started_at=self.now, ended_at=self.now, deadline_at=self.now,
            )  # fmt: skip
            session.add(call)
            session.flush()
            for question, value in values.items():
                session.add(
                    Answer(call_id=call.id, patient_id=patient, question=question, value=value, keyed_at=self.now)
                )
            return call.id

    def told(self, what: str) -> list[EventRow]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(EventRow).where(EventRow.what == what)))


@pytest.fixture
def station(at_work: Carecall) -> Iterator[Station]:
    house: House = app.open_house(settings.load())
    house.clock = StandingClock(datetime.now(UTC))
    yield Station(house)
    house.engine.dispose()


# ---- the worklist --------------------------------------------------------------------------------------
def test_the_worklist_from_a_ring_to_a_note(at_work: Carecall, station: Station) -> None:
    patient = station.person("W-1")
    followup = station.first(station.operation(patient, timedelta(hours=6)))
    with station.house.transaction() as session:
        item = worklist.want(session, "red_flag", patient, followup.id, "wound", station.now)
        worklist.want(session, "sms_stop", None, patient, "x", station.now)
    told = at_work("worklist", "--language", "en")
    assert told.code == 0
    assert f"{str(item.id)[-8:]}  due " in told.out
    assert "URGENT  W-1 6h  A warning sign for today: please ring back." in told.out
    assert told.out.splitlines()[-1] == "2 open, 0 late"
    assert "请当天回电" in at_work("worklist").out, "the hospital's own language"
    [row] = at_work("worklist", "--patient", "W-1", "--json").rows
    assert (row["kind"], row["mrn"], row["times"], row["late"]) == ("red_flag", "W-1", 1, False)
    assert set(row["says"]) == {"zh-CN", "en"}
    assert at_work("worklist", "done", str(item.id)[-8:], "--note", "seen, is well").out == "done\n"
    assert "1 open" in at_work("worklist").out
    assert "seen, is well" in at_work("worklist", "--all", "--patient", "W-1").out
    assert [entry.who for entry in station.told("done")] != [""]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("done", "12345678", "--note", "x"), "0 open items"),
        (("done", "1", "--note", "x"), "is not an id"),
        (("done", "zzzzzzzz", "--note", "x"), "is not an id"),
        (("done", str(uuid.UUID(int=1)), "--note", "x"), "no such item"),
        (("--patient", "nobody"), "no patient with this record number"),
    ],
)
def test_a_wrong_word_is_a_sentence(at_work: Carecall, words: tuple[str, ...], sentence: str) -> None:
    told = at_work("worklist", *words)
    assert (told.code, told.out) == (2, "")
    assert sentence in told.err


@pytest.mark.parametrize(
    "words",
    [("worklist", "done", "x"), ("plan",), ("plan", "hold", "--patient", "x"), ("plan", "move", "--patient", "x"),
     ("answers", "correct", "x"), ("patient",), ("patient", "merge", "a", "b"), ("handover",)],
)  # fmt: skip
def test_a_missing_word_is_a_usage(carecall: Carecall, words: tuple[str, ...]) -> None:
    told = carecall(*words)
    assert told.code == 2
    assert "usage: carecall" in told.err


# ---- one patient's plan --------------------------------------------------------------------------------
def test_a_plan_is_held_resumed_moved_cancelled_and_added_to(at_work: Carecall, station: Station) -> None:
    procedure = station.operation(station.person("W-1"), timedelta(hours=1))
    mine = ("--patient", "W-1", "--reason", "asked for it")

    def states() -> dict[str, str]:
        return {row["wave"]: row["state"] for row in at_work("plan", "show", "--patient", "W-1", "--json").rows}

    assert at_work("plan", "hold", *mine, "--wave", "48h").out == "held: 48h\n"
    assert states()["48h"] == "held"
    assert at_work("plan", "hold", *mine).out == "held: 6h, 48h, 7d, 30d, 90d\n"
    assert at_work("plan", "resume", *mine).code == 0
    assert set(states().values()) == {"planned"}
    at = (station.now + timedelta(days=3)).replace(microsecond=0)
    assert at_work("plan", "move", *mine, "--wave", "48h", "--at", at.isoformat()).out == "moved: 48h\n"
    assert station.waves(procedure)["48h"].next_try_at == at
    assert at_work("plan", "cancel", *mine, "--wave", "90d").out == "cancelled: 90d\n"
    assert at_work("plan", "add", *mine, "--at", at.isoformat()).out == "added extra-1\n"
    assert states() == {
        "6h": "planned", "48h": "planned", "7d": "planned", "30d": "planned", "90d": "cancelled", "extra-1": "planned",
    }  # fmt: skip
    [held, *_] = station.told("held")
    assert (held.why, bool(held.who)) == ("", True), "the nurse's own words are not for the ledger"


def test_what_a_plan_refuses(at_work: Carecall, station: Station) -> None:
    patient = station.person("W-1")
    station.operation(patient, timedelta(hours=1))
    station.operation(patient, timedelta(hours=2), external_id="OP-2")
    for words, sentence in (
        (("hold", "--wave", "7d"), "several operations with this wave"),
        (("hold", "--wave", "8d"), "no open follow-up"),
        (("hold", "--procedure", "OP-9"), "no such active operation"),
        (("add", "--at", "2031-01-01T10:00"), "several operations"),
        (("move", "--procedure", "OP-2", "--wave", "7d", "--at", "soon"), "is not a time"),
        (("move", "--procedure", "OP-2", "--wave", "7d", "--at", "2020-01-01T10:00"), "between now and a year"),
    ):
        told = at_work("plan", *words, "--patient", "W-1", "--reason", "x")
        assert (told.code, told.out) == (2, ""), words
        assert sentence in told.err
    assert at_work("plan", "hold", "--patient", "W-1", "--reason", " ").code == 2
    assert at_work("plan", "hold", "--procedure", "OP-2", "--wave", "7d", "--patient", "W-1", "--reason", "x").code == 0


# ---- answers and records -------------------------------------------------------------------------------
def test_answers_are_read_corrected_and_moved(at_work: Carecall, station: Station) -> None:
    first, _ = station.person("W-1"), station.person("W-2", "+8613800000002")
    call = station.answered(first, wound="no")
    [row] = at_work("answers", "--patient", "W-1", "--json").rows
    assert (row["question"], row["value"], row["respondent"], row["state"]) == ("wound", "no", "self", "")
    assert len(station.told("answers read")) == 1
    told = at_work("answers", "correct", row["id"], "--value", "unsure", "--reason", "heard again")
    assert told.code == 0
    rows = at_work("answers", "--patient", "W-1", "--json").rows
    assert [(row["value"], row["state"], row["reason"]) for row in rows] == [
        ("no", "replaced", ""), ("unsure", "corrected", "heard again"),
    ]  # fmt: skip
    assert "replaced already" in at_work("answers", "correct", row["id"], "--value", "yes", "--reason", "x").err
    told = at_work("answers", "reassign", str(call), "--patient", "W-2", "--reason", "it was her")
    assert told.out == "1 answers moved; the worklist says what is to be done\n"
    assert [row["value"] for row in at_work("answers", "--patient", "W-2", "--json").rows] == ["unsure"]
    assert at_work("answers", "reassign", "x", "--patient", "W-2", "--reason", "x").code == 2
    assert "whose answers" in at_work("answers").err


def test_two_records_are_merged_and_the_old_number_finds_the_survivor(at_work: Carecall, station: Station) -> None:
    station.operation(station.person("W-1"), timedelta(hours=1))
    station.person("W-2", "+8613800000002")
    told = at_work("patient", "merge", "W-1", "W-2", "--reason", "one card")
    assert (told.code, told.err) == (0, "")
    assert "1 procedures" in told.out
    for mrn in ("W-1", "W-2"):
        assert len(at_work("plan", "show", "--patient", mrn, "--json").rows) == 5
    assert "merged before" in at_work("patient", "merge", "W-1", "W-2", "--reason", "x").err


# ---- what is to come, what was missed ------------------------------------------------------------------
def test_reconcile_lists_and_changes_nothing(at_work: Carecall, station: Station) -> None:
    assert at_work("reconcile").out == "(none)\n"
    followup = station.first(station.operation(station.person("W-1"), timedelta(hours=6)))
    with station.house.transaction() as session:
        row = session.get_one(FollowUp, followup.id)
        row.next_try_at = station.now - timedelta(hours=25)
    for _ in range(2):
        told = at_work("reconcile", "--json")
        assert (told.code, [(row["found"], row["mrn"]) for row in told.rows]) == (1, [("forgotten", "W-1")])
    assert "0 open" in at_work("worklist").out


def test_check_says_whether_the_nightly_look_happens(at_work: Carecall, station: Station) -> None:
    def line() -> tuple[str, str]:
        row = next(row for row in at_work("check", "--json").rows if row["what"] == "nightly look")
        return row["ok"], row["detail"]

    assert line() == ("ok", "in order")
    station.operation(station.person("W-1"), timedelta(hours=30))
    with station.house.transaction() as session:
        session.execute(sa.update(Patient).values(created_at=station.now - timedelta(hours=30)))
    assert line() == ("WRONG", "it has never run: is a worker running?")


def test_a_forecast_of_the_days_to_come(at_work: Carecall, station: Station) -> None:
    for number in range(3):
        station.operation(station.person(f"W-{number}", f"+861380000001{number}"), timedelta(hours=1))
    told = at_work("forecast", "--days", "10", "--json", "--reach", "48h=0.9")
    assert told.code == 0
    made = _json(told.out)
    assert sum(day["followups"] for day in made["days"]) == made["total"]["followups"] == 9
    rates = {row["wave"]: row for row in made["assumptions"]}
    assert (rates["48h"]["reached_%"], rates["48h"]["from"]) == (90.0, "given")
    assert (rates["7d"]["reached_%"], rates["7d"]["doctor_%"], rates["7d"]["from"]) == (70.0, 43.0, "default")
    text = at_work("forecast").out
    assert len([line for line in text.splitlines() if line.startswith(f"{station.now.year}-")]) >= 5
    assert "total" in text
    assert "lines for routine calls: 1" in text
    assert "docs/clinical.md" in text


@pytest.mark.parametrize(
    "words",
    [("--days", "0"), ("--days", "400"), ("--from", "soon"), ("--from", "2020-01-01"), ("--reach", "2"),
     ("--reach", "48h=x")],
)  # fmt: skip
def test_a_forecast_that_makes_no_sense_is_a_sentence(at_work: Carecall, words: tuple[str, ...]) -> None:
    told = at_work("forecast", *words)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(words[0])


def _json(text: str) -> dict[str, list[dict[str, object]]]:
    made: dict[str, list[dict[str, object]]] = json.loads(text)
    return made
