"""Findings in the database: version and mode, strict periods, what has to be said, and screening again."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

import app
from commands import lexicon as command
from commands.joined import Joined
from core.db import blind
from core.models import EventRow, new_id
from core.tables import FileProblem
from dialer.models import Agent
from recordings import jobs, reports
from recordings.call_facts import CallFact, CallFacts
from recordings.findings import rescreen, screen, strict
from recordings.models import FindingRow, Transcript
from recordings.screen_models import Rescreen, StrictPeriod
from recordings.vault.fetch import Media
from tests.house import ROOT
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, mono, tone

DUAL, MONO = dual(tone(4), tone(4)), mono(tone(4))


def heard(room: Room, line: str, number: int = 1, *, data: bytes = DUAL, kind: str = "hotline") -> uuid.UUID:
    """A call in which the patient says nothing and our side says `line`."""
    recording = room.announce(room.call(kind, call_sid=None))
    room.carrier.files[sid(number)] = Media(data)
    room.speech.texts = ["", line] if data is DUAL else [line]
    room.done(recording, RecordingSid=sid(number))
    room.work()
    assert room.row(recording).state == "kept", room.row(recording).reason
    return recording


def found(room: Room, recording: uuid.UUID) -> list[tuple[str, str, int, str]]:
    with room.house.transaction() as session:
        hits = reports.findings(session, [recording])[recording]
    return [(hit.category, hit.phrase, hit.severity, hit.note) for hit in hits]


def begin(room: Room, start: timedelta, end: timedelta) -> uuid.UUID:
    with room.house.transaction() as session:
        return strict.begin(session, room.now + start, room.now + end, "compliance month", "lead", room.now).id


# ---- strict periods ------------------------------------------------------------------------------------
def test_a_strict_period_shows_more_and_every_finding_says_how_it_was_made(room: Room) -> None:
    said = "We cannot guarantee that. Hurry up. Calm down."
    before = heard(room, said)
    begin(room, timedelta(), timedelta(days=30))
    within = heard(room, said, 2)
    room.forward(days=30)
    after = heard(room, said, 3)
    assert found(room, before) == found(room, after) == [("impatience", "hurry up", 2, "")]
    assert found(room, within) == [
        ("impatience", "hurry up", 2, ""),
        ("over_promise", "guarantee", 1, "negated"),
        ("impatience", "calm down", 1, ""),
    ]
    with room.house.transaction() as session:
        made = {(row.recording_id, row.lexicon, row.mode) for row in session.scalars(sa.select(FindingRow))}
        kept = {(row.recording_id, row.mode) for row in session.scalars(sa.select(Transcript))}
    assert made == {(before, "en-5", "normal"), (within, "en-5", "strict"), (after, "en-5", "normal")}
    assert kept == {(before, "normal"), (within, "strict"), (after, "normal")}


def test_a_period_is_ended_before_its_time_once_and_is_in_the_ledger(room: Room) -> None:
    period = begin(room, timedelta(), timedelta(days=30))
    room.forward(days=1)
    with room.house.transaction() as session:
        strict.end(session, period, "lead", room.now)
        assert strict.mode_at(session, room.now) == "normal"
        assert strict.mode_at(session, room.now - timedelta(hours=1)) == "strict", "what was, was"
    with room.house.transaction() as session, pytest.raises(strict.StrictProblem, match="over already"):
        strict.end(session, period, "lead", room.now)
    ahead = begin(room, timedelta(days=5), timedelta(days=6))
    with room.house.transaction() as session:
        strict.end(session, ahead, "lead", room.now)
        assert strict.mode_at(session, room.now + timedelta(days=5)) == "normal"
        told = session.scalars(sa.select(EventRow.what).where(EventRow.kind == "strict_period")).all()
        stored = session.scalar(sa.text("SELECT reason FROM strict_periods LIMIT 1"))
    assert told == ["set", "ended", "set", "ended"]
    assert b"compliance" not in bytes(stored)


@pytest.mark.parametrize(
    ("days", "reason", "who", "words"),
    [(0, "a", "lead", "ends after"), (1, " ", "lead", "reason"), (1, "a" * 501, "lead", "500"), (1, "a", " ", "Who")],
)
def test_a_wrong_period_is_refused(room: Room, days: int, reason: str, who: str, words: str) -> None:
    with room.house.transaction() as session, pytest.raises(strict.StrictProblem, match=words):
        strict.begin(session, room.now, room.now + timedelta(days=days), reason, who, room.now)


# ---- what has to be said -------------------------------------------------------------------------------
@dataclass
class Desk:
    """Stands for desk/call_facts.py: every call had this agent."""

    fact: CallFact

    def of(self, session: Session, call_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, CallFact]:
        return dict.fromkeys(call_ids, self.fact)


def agent(room: Room, name: str = "Example") -> None:
    with room.house.transaction() as session:
        row = Agent(
            id=new_id(), login="agent1", name=name, role="agent", since=room.now, phone_index=blind("1", "phone")
        )
        session.add(row)
    room.house.services[CallFacts] = Desk(CallFact(agent_id=row.id, talk_s=60))


@pytest.mark.parametrize(
    ("said", "kind", "missing"),
    [
        ("Hello, how can I help?", "hotline", True),
        ("Hello, my name is Ben.", "hotline", False),
        ("Hello, Example here.", "hotline", False),
        ("Hello, how can I help?", "followup", False),
    ],
)
def test_an_agent_who_does_not_give_a_name_is_found(room: Room, said: str, kind: str, missing: bool) -> None:
    agent(room)
    expected = [("missing", "own_name", 2, "")] if missing else []
    assert found(room, heard(room, said, kind=kind)) == expected


def test_a_call_no_agent_was_on_owes_no_name(room: Room) -> None:
    assert found(room, heard(room, "How can I help?")) == []
    room.house.services[CallFacts] = Desk(CallFact())
    assert found(room, heard(room, "How can I help?", 2)) == []


def test_on_one_channel_what_is_missing_weighs_less_and_says_so(room: Room) -> None:
    agent(room)
    assert found(room, heard(room, "Hello.", data=MONO)) == [("missing", "own_name", 1, "mono")]


def test_where_our_side_was_not_heard_nothing_is_missing(room: Room) -> None:
    agent(room)
    assert found(room, heard(room, "")) == []


@pytest.mark.parametrize(("said", "missing"), [("您好，请问有什么事？", True), ("您好，本次通话录音。", False)])
def test_a_recording_our_flows_did_not_announce_must_hold_the_notice(room: Room, said: str, missing: bool) -> None:
    call = room.call()
    room.carrier.files[sid(1)] = Media(DUAL)
    room.speech.texts = ["", said]
    unknown = uuid.uuid4()
    room.done(unknown, RecordingDuration="4")
    room.work()
    assert room.row(unknown).call_id == call
    assert found(room, unknown) == ([("missing", "recording_notice", 3, "")] if missing else [])


# ---- screening again -----------------------------------------------------------------------------------
@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that finds one phrase more and one less, as an edited file would give it."""

    def load(language: str) -> screen.Lexicon:
        old = screen.load(language)
        kept = [phrase for phrase in old.phrases if phrase.text != "hurry up"]
        return replace(old, version="en-9", phrases=(*kept, replace(kept[0], text="one moment", severity=2)))

    monkeypatch.setattr(screen, "phrase_list", load)


def ask(room: Room, days: int = 30) -> uuid.UUID:
    with room.house.transaction() as session:
        return rescreen.ask(session, room.now - timedelta(days=days), "lead", room.now).id


def test_stored_words_are_screened_again_and_nothing_is_counted_twice(
    room: Room, request: pytest.FixtureRequest
) -> None:
    old = heard(room, "Hurry up. One moment. I guarantee it.")
    room.forward(days=1)
    request.getfixturevalue("newer")
    new = heard(room, "Hurry up.", 2)
    alarms = room.deferred()
    ask(room)
    room.work()
    assert found(room, old) == [("over_promise", "i guarantee", 3, ""), ("impatience", "one moment", 2, "")]
    assert found(room, new) == []
    with room.house.transaction() as session:
        [row] = session.scalars(sa.select(Rescreen))
        versions = set(session.scalars(sa.select(Transcript.lexicon)))
        told = session.scalars(sa.select(EventRow.data).where(EventRow.what == "screened again")).all()
    assert (row.seen, row.changed, row.due_at) == (2, 1, None)
    assert versions == {"en-9"}
    assert told == [{"findings": 2, "before": 2, "lexicon": "en-9", "was": "en-5", "mode": "normal"}]
    assert alarms == room.deferred() == []


def test_a_strict_period_set_afterwards_counts_when_it_is_screened_again(room: Room) -> None:
    recording = heard(room, "Calm down.")
    assert found(room, recording) == []
    begin(room, timedelta(days=-1), timedelta(days=1))
    ask(room)
    room.work()
    assert found(room, recording) == [("impatience", "calm down", 1, "")]


def test_only_what_was_made_since_then_and_not_what_is_purged(room: Room, request: pytest.FixtureRequest) -> None:
    early = heard(room, "Hurry up.")
    room.forward(days=10)
    late = heard(room, "Hurry up.", 2)
    request.getfixturevalue("newer")
    ask(room, days=5)
    room.work()
    assert found(room, early) == [("impatience", "hurry up", 2, "")]
    assert found(room, late) == []


def test_a_worker_that_dies_in_the_middle_loses_its_step_and_no_more(
    room: Room, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [heard(room, "Hurry up.", number) for number in range(1, 6)]
    request.getfixturevalue("newer")
    monkeypatch.setattr(rescreen, "STEP", 2)
    rescreen_id = ask(room)
    real, calls = rescreen.one, []

    def dies(session: Session, rescreen_id: uuid.UUID, now: object) -> bool:
        calls.append(1)
        real(session, rescreen_id, now)  # type: ignore[arg-type]
        if len(calls) == 2:
            raise SystemExit  # before its transaction is kept
        return True

    monkeypatch.setattr(rescreen, "one", dies)
    with pytest.raises(SystemExit):
        jobs.rescreen_step(room.house, rescreen_id)
    monkeypatch.setattr(rescreen, "one", real)
    with room.house.transaction() as session:
        session.execute(sa.text("DELETE FROM procrastinate_jobs"))
    assert [bool(found(room, one)) for one in every].count(False) == 1
    room.forward(seconds=29)
    with room.house.transaction() as session:
        assert rescreen.due(session, room.now) == 0
    room.forward(seconds=1)
    with room.house.transaction() as session:
        assert rescreen.due(session, room.now) == 1
    room.work()
    assert [found(room, one) for one in every] == [[]] * 5
    with room.house.transaction() as session:
        row = session.get_one(Rescreen, rescreen_id)
        again = session.scalars(sa.select(EventRow.subject_id).where(EventRow.what == "screened again")).all()
    assert (row.seen, row.changed) == (5, 5)
    assert sorted(again) == sorted(every), "each once"


def test_the_next_transcript_is_found_by_its_index(room: Room) -> None:
    with room.house.transaction() as session:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        row = Rescreen(since=room.now, asked_at=room.now, after_at=room.now, after_id=uuid.uuid4(), asked_by="it")
        query = rescreen._next(row).compile(session.connection(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {query}")))
    assert "ix_transcripts_made_at" in plan
    assert "Sort" not in plan


# ---- by hand -------------------------------------------------------------------------------------------
def run(room: Room, monkeypatch: pytest.MonkeyPatch, what: str, **given: object) -> int:
    monkeypatch.setattr(command, "house_of", lambda joined: room.house)
    wanted = {"first": None, "until": None, "reason": "", "end": None, "since": None, "who": "", "json": False}
    args = argparse.Namespace(**(wanted | given))
    joined = Joined(ROOT, app.open_house, [], app.web)
    return command.strict(args, joined) if what == "strict" else command.again(args, joined)


def test_a_period_and_a_rescreen_from_the_command_line(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    day = room.now.date().isoformat()
    assert run(room, monkeypatch, "strict", first=day, until=day, reason="March", who="lead") == 0
    with room.house.transaction() as session:
        [row] = session.scalars(sa.select(StrictPeriod))
        assert row.ends_at - row.starts_at == timedelta(days=1), "the last day is in it"
        assert strict.mode_at(session, room.now) == "strict"
    run(room, monkeypatch, "strict")
    assert "March" in capsys.readouterr().out
    run(room, monkeypatch, "strict", end=str(row.id), who="lead")
    run(room, monkeypatch, "rescreen", since=day, who="lead")
    assert "running" in capsys.readouterr().out
    room.work()
    run(room, monkeypatch, "rescreen")
    assert "done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "given", "words"),
    [
        ("strict", {"first": "2031-03-01"}, "both"),
        ("strict", {"first": "March", "until": "2031-03-31"}, "not a date"),
        ("strict", {"first": "2031-03-09", "until": "2031-03-01", "reason": "a", "who": "b"}, "ends after"),
        ("strict", {"end": str(uuid.UUID(int=1)), "who": "b"}, "no such"),
        ("strict", {"end": "x", "who": "b"}, "not an id"),
        ("rescreen", {"since": "2031-03-01"}, "--who"),
        ("rescreen", {"since": "soon", "who": "b"}, "not a time"),
    ],
)
def test_wrong_words_are_told(
    room: Room, monkeypatch: pytest.MonkeyPatch, what: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(FileProblem, match=words):
        run(room, monkeypatch, what, **given)
