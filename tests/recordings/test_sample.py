"""The day's draw on the real database: stored, replayed, printed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

import app
from core import pg
from core.db import blind
from core.house import House
from core.models import Patient
from core.people import MRN
from core.settings import load
from dialer.models import Call
from recordings import reports
from recordings.models import DrawPick, DrawRow
from recordings.sampling import sample
from recordings.sampling.sample import DayNotOver, ReplayDiffers
from recordings.vault.fetch import Media
from tests import fresh
from tests.conftest import StandingClock
from tests.house import MID_MORNING, variables
from tests.recordings.days import draw_day
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, tone
from tests.recordings.test_draw_pool import finding, kept, statements

TODAY = MID_MORNING.date()
"""The test house's clock stands there: 10:00 in Shanghai."""
SOUND = dual(tone(12), tone(1, level=0))


@pytest.fixture(scope="module")
def heard(postgres: pg.Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a house with sixty recordings of a day, most of them calm."""
    fresh.run(postgres, f"CREATE DATABASE sixty_recordings TEMPLATE {template}")
    of_house = variables(tmp_path_factory.mktemp("sixty"), fresh.url_of(postgres, "sixty_recordings"))
    room = Room(opened(of_house))
    for number in range(60):
        recording = room.announce(room.call("hotline" if number % 3 else "followup", call_sid=None))
        room.carrier.files[sid(number)] = Media(SOUND)
        room.speech.texts = ["I have a high fever." if number == 7 else "good morning"]
        room.done(recording, RecordingSid=sid(number), CallSid="")
        room.work()
    room.house.engine.dispose()
    yield of_house
    fresh.run(postgres, "DROP DATABASE sixty_recordings WITH (FORCE)")


@pytest.fixture
def day(heard: dict[str, str], postgres: pg.Embedded) -> Iterator[Room]:
    """That day, on a copy of its own."""
    fresh.run(postgres, "CREATE DATABASE that_day TEMPLATE sixty_recordings")
    room = Room(opened(heard | {"DATABASE_URL": fresh.url_of(postgres, "that_day")}))
    yield room
    room.house.engine.dispose()
    fresh.run(postgres, "DROP DATABASE that_day WITH (FORCE)")


def opened(of_house: dict[str, str]) -> House:
    made = app.open_house(load(of_house))
    made.clock = StandingClock(MID_MORNING)
    return made


def test_the_same_seed_gives_the_same_sample(day: Room) -> None:
    with day.house.transaction() as session:
        first = draw_day(session, TODAY, 42, day.now)
        told = reports.as_json(reports.draw_report(session, first))
    late = day.announce(day.call(call_sid=None))
    day.carrier.files[sid(99)] = Media(SOUND)
    day.done(late, RecordingSid=sid(99))
    day.work()
    day.forward(hours=1)
    with day.house.transaction() as session:
        again = draw_day(session, TODAY, 42, day.now)
        assert again.id == first.id
        assert reports.as_json(reports.draw_report(session, again)) == told
    assert (told["seed"], told["candidates"], len(told["picked"])) == (42, 60, 50)
    texts = [line["text"] for drawn in told["picked"] for line in drawn["transcript"]]
    assert "good morning" in texts


def test_shares_strata_and_risk(day: Room) -> None:
    with day.house.transaction() as session:
        report = reports.draw_report(session, draw_day(session, TODAY, 1, day.now))
    assert [name for name, _, _ in report.strata] == ["no agent / - / day / followup", "no agent / - / day / hotline"]
    risky = [drawn for drawn in report.picked if drawn.findings]
    assert len(risky) == 1, "the one recording with a hit is always drawn, by chance or for its risk"
    assert risky[0].part == "random" or risky[0].why == "phrase: red_flag"
    assert len(report.picked) == 50


def test_without_a_seed_the_days_draw_stands(day: Room) -> None:
    with day.house.transaction() as session:
        first = draw_day(session, TODAY, None, day.now)
        assert draw_day(session, TODAY, None, day.now).id == first.id
        other = draw_day(session, TODAY, first.seed + 1, day.now)
        assert other.id != first.id
        assert session.scalar(sa.select(sa.func.count()).select_from(DrawRow)) == 2
        drawn = [pick.recording_id for row in (first, other) for pick in sample.picks(session, row)]
        assert len(drawn) == len(set(drawn)) == 60, "a second draw is drawn from what is left"
        assert (other.whole_day, other.left_out["drawn before"]) == (True, 50)


def test_a_day_that_is_not_over_is_not_drawn_by_anybody(room: Room) -> None:
    """Drawn by hand at ten in the morning it would have been the day's: nobody who rings later could be in it."""
    midnight = datetime(2031, 3, 8, tzinfo=room.house.settings.hospital.timezone)
    for kind in sample.KINDS:
        for now in (room.now, midnight - timedelta(microseconds=1)):
            with room.house.transaction() as session, pytest.raises(DayNotOver, match="not over before 2031-03-08"):
                sample.draw_day(session, TODAY, None, now, kind)
    with room.house.transaction() as session:
        assert sample.draw_day(session, TODAY, 1, midnight).day == TODAY
        again = sample.draw_day(session, TODAY, 1, room.now)
        assert again.drawn_at == midnight, "what is stored is printed at any time"


def test_a_tampered_draw_is_noticed(day: Room) -> None:
    with day.house.transaction() as session:
        draw_day(session, TODAY, 5, day.now)
        session.execute(sa.update(DrawPick).where(DrawPick.position == 0).values(part="risk"))
    with day.house.transaction() as session, pytest.raises(ReplayDiffers, match="seed 5"):
        draw_day(session, TODAY, 5, day.now)


def test_a_day_is_the_hospitals_own(room: Room) -> None:
    room.house.clock.at = room.now.replace(hour=15, minute=59)  # type: ignore[attr-defined]
    evening = room.announce(room.call(call_sid=None))
    room.forward(minutes=2)  # past midnight in Shanghai
    morning = room.announce(room.call(call_sid=None))
    for number, recording in enumerate((evening, morning)):
        room.carrier.files[sid(number)] = Media(SOUND)
        room.done(recording, RecordingSid=sid(number))
    room.work()
    with room.house.transaction() as session:
        assert [c.id for c in sample.candidates(session, TODAY)] == [str(evening)]
        (next_day,) = sample.candidates(session, TODAY + timedelta(days=1))
    assert next_day.id == str(morning)
    assert next_day.risk == {"night"}
    assert next_day.stratum == ("", "", "night", "hotline")


def test_an_empty_day(room: Room) -> None:
    with room.house.transaction() as session:
        report = reports.draw_report(session, draw_day(session, TODAY, 1, room.now))
    assert (report.picked, report.candidates, report.whole_day) == ((), 0, True)


def test_the_list_of_recordings(room: Room) -> None:
    with room.house.transaction() as session:
        patient = Patient(
            mrn="M1", mrn_index=blind("M1", MRN), name="x", language="en", timezone="UTC", created_at=room.now
        )
        session.add(patient)
        session.flush()
    theirs, other = room.call(), room.call(call_sid=None)
    with room.house.transaction() as session:
        session.get_one(Call, theirs).patient_id = patient.id
    room.announce(theirs, "message", "zh-CN")
    room.announce(other)
    with room.house.transaction() as session:
        (line,) = reports.recordings(session, mrn="M1")
        assert (line.state, line.purpose, line.language, line.call_kind) == (
            "announced",
            "message",
            "zh-CN",
            "hotline",
        )
        assert len(reports.recordings(session)) == 2
        assert reports.recordings(session, mrn="M2") == []
        assert reports.recordings(session, since=room.now + timedelta(seconds=1)) == []


def test_a_long_draw_is_printed_in_as_many_statements_as_a_short_one(room: Room) -> None:
    counts = []
    for day, count in ((TODAY, 2), (TODAY + timedelta(days=1), 12)):
        at = room.now + (day - TODAY)
        with room.house.transaction() as session:
            for _ in range(count):
                recording = kept(session, room.call(call_sid=None), at)
                finding(session, recording, "impatience")
            row = draw_day(session, day, 1, at)
        with statements(room.house) as seen, room.house.transaction() as session:
            report = reports.draw_report(session, session.get_one(DrawRow, row.id))
        assert [len(one.findings) for one in report.picked] == [1] * count
        counts.append(len(seen))
    assert counts[0] == counts[1]
