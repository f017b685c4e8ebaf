"""The simulation: the real service keeps every promise in an invented world, and the observer sees when it does not."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

import app
from carrier.twiml import Gather, Say
from commands.joined import Joined
from commands.simulate import answers, chaos, command, leg, observer, people, words
from commands.simulate.figures import Figures
from commands.simulate.options import Options
from commands.simulate.run import DAILY, DUE, NEVER
from core import db, pg
from core.hospital import Calling
from dialer import gate
from ivr.prompts import load_prompts
from scheduler.timetable import Tick
from tests.commands.conftest import Carecall
from tests.house import ROOT
from tests.often import stories

Play = Callable[..., Figures]
A_WEEK = Options(patients=8, days=7, seed=3)
_count = itertools.count()


@pytest.fixture
def play(postgres: pg.Embedded, template: str, tmp_path: Path) -> Iterator[Play]:
    """One run on a database of its own."""
    keyring = db._keyring

    def run(options: Options, ticks: Sequence[Tick] = app.TICKS) -> Figures:
        name = f"simulated_{next(_count)}"
        admin = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        url = sa.make_url(postgres.url).set(database=name).render_as_string(hide_password=False)
        try:
            return command.simulate(options, Joined(ROOT, app.open_house, ticks, app.web), url, tmp_path / name)
        finally:
            with admin.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
            admin.dispose()

    yield run
    if keyring is not None:
        db.use_keyring(keyring)


def rules(found: Figures) -> set[str]:
    return {violation.rule for violation in found.violations}


# ---- whole runs ----------------------------------------------------------------------------------------
@pytest.mark.timeout(600)
def test_a_week_keeps_every_promise(play: Play) -> None:
    found = play(A_WEEK)
    assert found.violations == []
    waves = found.of("reach by wave")
    assert list(waves) == ["6h", "48h", "7d", "30d", "90d", "recheck"]
    assert {wave["planned"] for name, wave in waves.items() if name != "recheck"} == {8}
    assert waves["recheck"]["planned"] > 0
    assert waves["48h"]["rung"] > 2
    assert waves["6h"]["completed"] + waves["48h"]["completed"] > 2
    assert waves["90d"]["open"] + waves["90d"]["cancelled"] == 8
    told = found.of("escalations")["all"]
    assert told["n"] >= told["bridged"] > 0
    assert 0 < told["p50_s_to_bridged"] < 300


@pytest.mark.timeout(600)
def test_a_week_in_which_everything_goes_wrong_keeps_them_too(play: Play) -> None:
    found = play(replace(A_WEEK, patients=6, chaos=chaos.KINDS, chaos_rate=0.2, seed=4))
    assert found.violations == []
    assert found.of("reach by wave")["48h"]["completed"] > 0


@pytest.mark.timeout(1800)
@stories(1, 10)
def test_any_few_days_keep_them(play: Play, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        seed=st.integers(0, 2**32),
        patients=st.integers(3, 5),
        days=st.integers(2, 3),
        lines=st.integers(2, 5),
        kinds=st.sets(st.sampled_from(chaos.KINDS)),
    )
    def kept(seed: int, patients: int, days: int, lines: int, kinds: set[str]) -> None:
        some = tuple(sorted(kinds))
        of_these = Options(patients=patients, days=days, lines=lines, seed=seed, chaos=some, chaos_rate=0.25)
        assert play(of_these).violations == []

    kept()


@pytest.mark.timeout(600)
def test_the_same_seed_gives_the_same_figures(play: Play) -> None:
    options = Options(patients=4, days=2, seed=11, chaos=chaos.KINDS, chaos_rate=0.2)
    assert play(options).rows == play(options).rows


def shuffled(session: Session, now: datetime) -> int:
    """Every row of what is waited for is written anew, in an order of its own: where rows lie says nothing."""
    for table in ("followups", "messages", "attempts"):
        rows = list(session.scalars(sa.text(f"SELECT id FROM {table}")))
        Random().shuffle(rows)
        for row in rows:
            session.execute(sa.text(f"UPDATE {table} SET id = id WHERE id = :id"), {"id": row})
    return 0


def left_as_they_lie(session: Session, now: datetime) -> int:
    return 0


@pytest.mark.timeout(600)
@stories(6, 14)
def test_the_figures_do_not_depend_on_where_rows_lie(play: Play, examples: int) -> None:
    """What is due at the same moment is served by id, and ids are the seed's: a server tidies up when it likes."""
    options = Options(patients=examples, days=2, seed=5)
    still, other = (play(options, [*app.TICKS, ("lie", 60.0, lie)]) for lie in (left_as_they_lie, shuffled))
    assert still.rows == other.rows


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kinds", [(), chaos.KINDS], ids=["calm", "chaos"])
def test_a_month_of_a_small_hospital(play: Play, kinds: tuple[str, ...]) -> None:
    found = play(Options(patients=150, days=30, seed=5, chaos=kinds, chaos_rate=0.1))
    assert found.violations == []
    ages = found.of("reach by age")
    assert 0.5 < ages["under 65"]["reached_share"] < 0.95


# ---- the observer is not blind -------------------------------------------------------------------------
def test_a_gate_without_hours_is_seen(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_window", lambda *_: None)
    found = play(Options(patients=5, days=2, evening=1.0, night_operations=0.0, night_consent=0.0, seed=2))
    assert "nobody here may be rung now" in rules(found)


def test_a_service_that_forgets_is_seen(play: Play) -> None:
    without = [tick for tick in app.TICKS if not tick[0].startswith("follow-ups")]
    found = play(Options(patients=3, days=3, seed=2), without)
    assert "a follow-up is lost" in rules(found)


@dataclass
class Ring:
    number: str
    direction: str = "outbound-api"
    status: str = "queued"


HERE, THERE, DOCTOR = "+8613800000011", "+8613800000021", "+8613700000001"
MORNING = datetime(2026, 9, 28, 2, 0, tzinfo=UTC)
"""A Monday, ten in Shanghai; the first of October begins a holiday of a week."""


class Watch:
    """An observer of two patients' telephones and a doctor's."""

    def __init__(self, **true: object) -> None:
        made = people.invent(Options(patients=2, days=1, shared=0, dead_number=0, wrong_number=0), Random(1)).patients
        self.patients = made
        for patient in made:
            patient.ended_at, patient.zone, patient.consent, patient.night = (
                MORNING - timedelta(1),
                "Asia/Shanghai",
                True,
                False,
            )
        for name, value in true.items():
            setattr(made[0], name, value)
        self.telephones = {
            HERE: people.Telephone(HERE, "patient", [made[0]]),
            THERE: people.Telephone(THERE, "patient", [made[1]]),
            DOCTOR: people.Telephone(DOCTOR, "doctor"),
        }
        self.observer = observer.Observer(Calling(lines=4, lines_reserved=2), self.telephones)

    def ring(self, number: str = HERE, at: datetime = MORNING, direction: str = "outbound-api") -> set[str]:
        self.observer.begun(Ring(number, direction), at)
        return {violation.rule for violation in self.observer.violations}

    def over(self, number: str = HERE, at: datetime = MORNING) -> None:
        self.observer.ended(Ring(number), at)


def test_a_ring_by_the_rules_is_none_of_its_business() -> None:
    assert Watch().ring() == set()


@pytest.mark.parametrize(
    "true",
    [{"consent": False}, {"status": "deceased"}, {"status": "cancelled"}, {"stopped_at": MORNING}, {"zone": "UTC"},
     {"ended_at": MORNING + timedelta(hours=1)}],
    ids=lambda true: next(iter(true)),
)  # fmt: skip
def test_a_ring_to_somebody_who_may_not_be_rung(true: dict[str, object]) -> None:
    assert Watch(**true).ring() == {"nobody here may be rung now"}


@pytest.mark.parametrize(("hour", "night", "seen"), [(13, False, True), (13, True, False), (12, False, False)])
def test_a_ring_in_the_evening(hour: int, night: bool, seen: bool) -> None:
    assert bool(Watch(night=night).ring(at=MORNING.replace(hour=hour))) is seen


@pytest.mark.parametrize(("hour", "seen"), [(1, True), (2, False), (6, True), (7, False), (11, True)])
def test_a_ring_on_a_holiday_keeps_to_shorter_hours(hour: int, seen: bool) -> None:
    assert bool(Watch().ring(at=datetime(2026, 10, 3, hour, 10, tzinfo=UTC))) is seen


def test_more_than_the_rings_of_a_day() -> None:
    watch = Watch()
    for hour in range(2):
        watch.ring(at=MORNING + timedelta(hours=hour / 2))
        watch.over(at=MORNING + timedelta(hours=hour / 2, minutes=1))
    assert watch.ring(at=MORNING + timedelta(hours=1)) == {"rung too often in a day"}


def test_two_calls_to_one_number_and_two_in_a_second() -> None:
    watch = Watch()
    watch.ring()
    assert watch.ring(direction="outbound-dial") == {"two live calls to one number"}
    assert "more calls in a second than agreed" in watch.ring(THERE, at=MORNING + timedelta(seconds=0.5))


def test_a_routine_call_on_a_reserved_line_and_more_calls_than_lines() -> None:
    watch = Watch()
    watch.observer = observer.Observer(Calling(lines=2, lines_reserved=1), watch.telephones)
    watch.ring()
    assert watch.ring(THERE, at=MORNING + timedelta(minutes=1)) == {"the reserved lines are used"}
    assert "more calls than lines" in watch.ring(DOCTOR, at=MORNING + timedelta(minutes=1))


# ---- people and words ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def ear() -> words.Ear:
    return words.Ear(load_prompts(ROOT / "prompts"))


def test_every_prompt_is_understood(ear: words.Ear) -> None:
    for voice in load_prompts(ROOT / "prompts").voices.values():
        texts: dict[str, str] = {}
        for key, text in voice.prompts.items():
            said = " ".join(words._VARIABLE.sub("7", text).split())
            assert texts.setdefault(said, key) == ear.line(said).key or ear.line(said).key in voice.prompts


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_who_rings_back_takes_the_call_and_not_the_other_language(ear: words.Ear, language: str) -> None:
    options = Options(patients=1, days=1, wrong_number=0, dead_number=0)
    telephone = next(iter(people.invent(options, Random(1)).telephones.values()))
    mood = answers.Mood("self", "engage")
    caller = answers.Caller(ear, telephone, mood, options, lambda: MORNING, Random(1))
    prompts = load_prompts(ROOT / "prompts").voices[language].prompts
    menu = [Say(" ".join(prompts[key].split()), language) for key in ("ring_back", "main_lang")]
    assert caller.keys(menu).keys == "1"


@pytest.mark.parametrize(
    ("text", "options"),
    [("有按1，没有按2，没量按3。", ("1", "2", "3")), ("Yes 1, no 2, not measured 3.", ("1", "2", "3")),
     ("To talk, press 1.", ("1",)), ("Accept, press 1. Pass on, 2. To repeat, 9.", ("1", "2", "9"))],
)  # fmt: skip
def test_the_keys_a_sentence_offers(ear: words.Ear, text: str, options: tuple[str, ...]) -> None:
    assert ear.line(text).options == options


@pytest.mark.parametrize(
    ("keys", "digits", "finished"),
    [("7#", "7", "#"), ("10", "10", ""), ("103", "10", ""), ("7", "7", ""), ("", "", ""), ("#", "", "#")],
)
def test_what_a_gather_makes_of_keys(keys: str, digits: str, finished: str) -> None:
    waited = leg.collected(keys, Gather(num_digits=2, timeout=4))
    assert waited[:2] == (digits, finished)
    assert (waited[2] > 0) is (keys in ("7", ""))


def test_pain_lessens_between_the_published_points() -> None:
    shares = [answers.pain_share(Options(), hours) for hours in (6, 48, 100, 168, 720, 2160, 9999)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[1], shares[3]) == (0.55, 0.43)


def test_the_invented_people_are_the_seed_s() -> None:
    options = Options(patients=40, days=20, seed=7)
    first, again, other = (people.invent(options, Random(seed)) for seed in (7, 7, 8))
    told = [[(p.mrn, p.ended_at, p.numbers, p.zone) for p in one.patients] for one in (first, again, other)]
    assert told[0] == told[1] != told[2]
    assert all(date(2026, 9, 23) <= p.ended_at.date() <= date(2026, 10, 14) for p in first.patients)


# ---- joined --------------------------------------------------------------------------------------------
def test_what_is_due_is_asked_for_ticks_there_are() -> None:
    assert {*DUE, *DAILY, *NEVER} <= {name for name, _, _ in app.TICKS}


def test_the_command_writes_figures_and_a_drawing(carecall: Carecall, tmp_path: Path) -> None:
    words = ("simulate", "--patients", "2", "--days", "2", "--seed", "6", "--csv", "f.csv", "--picture", "f.svg")
    told = carecall(*words)
    assert told.code == 0, told.out
    assert "Every promise of the gate and the plan was kept." in told.out
    lines = (tmp_path / "f.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "figure,key,measure,value"
    assert "reach by wave,6h,planned,2" in lines
    assert ElementTree.parse(tmp_path / "f.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("wrong", [("--busy", "2"), ("--chaos", "flood"), ("--days", "none"), ("--lines", "1")])
def test_what_cannot_be_simulated_is_refused(carecall: Carecall, wrong: tuple[str, str]) -> None:
    assert carecall("simulate", *wrong).code == 2
