"""A process killed at every COMMIT between the key and the end of the talk: the patient gets the doctor all the same,
nobody is rung twice at once, no answer that was stored is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.house import House
from dialer import reports
from dialer.models import LIVE_ATTEMPT, Attempt, Call, Escalation
from ivr.book import Book
from ivr.models import Answer
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward
from tests.fresh import EMPTY
from tests.house import MID_MORNING, OPERATOR
from tests.mortal import Edge, Hand, Service, Telephones, answers, never_answers

SCORE = "8"
PATIENCE = timedelta(minutes=40)
TURNS = ("escalation opened", "escalation accepted", "escalation bridged")
"""`make test` takes both sides of the first COMMIT with each of these,"""
EVERY = 29
"""and every so manieth edge: as each COMMIT has two and this is odd, both sides come up in turn."""
CALLER = {"greet": "", "main": "2", "main_pain": "2", "pain": f"{SCORE}#", "pain_confirm": "1"}


class Story:
    """Keyed 8 and hung up; doctor 1 does not answer, doctor 2 passes on, doctor 3 takes it and talks."""

    def __init__(self, house: House, edge: Edge | None) -> None:
        self.house, self.edge = house, edge
        with house.transaction() as session:
            session.execute(sa.text(EMPTY))
        ward = Ward.of(house)
        ward.at(MID_MORNING)
        ward.settings(f'[hospital]\nlive = true\noperator = "{OPERATOR}"\n[calling]\nlines = 9\nlines_reserved = 2\n')
        ward.patient(department="surgery")
        for number in (1, 2, 3):
            ward.doctor(number)
        prompts = house.service(Book).prompts
        self.telephones = Telephones(
            {
                PATIENT_PHONE: answers(Hand(prompts, {"join_key": "1"})),
                DOCTOR_PHONES[1]: never_answers,
                DOCTOR_PHONES[2]: answers(Hand(prompts, {"doc_keys": "2"})),
                DOCTOR_PHONES[3]: answers(Hand(prompts, {"doc_keys": "1"}, leaves=True)),
            }
        )
        self.service = Service(house, self.telephones, edge)
        self.caller = Hand(prompts, CALLER, leaves=True)

    def play(self) -> None:
        try:
            self.service.exchange.rings_us(PATIENT_PHONE, self.caller)
            self.ended = self.service.go_on(self._over, PATIENCE)
        finally:
            self.service.end()

    def _over(self) -> bool:
        with self.house.transaction() as session:
            states = session.scalars(sa.select(Escalation.status)).all()
            rings = session.scalar(sa.select(sa.func.count()).where(Attempt.status.in_(LIVE_ATTEMPT)))
            waiting = session.scalar(sa.text("SELECT count(*) FROM procrastinate_jobs"))
        return set(states) <= {"closed"} and not rings and not waiting

    # ---- what is wrong with how it went ------------------------------------------------------------
    def faults(self) -> list[str]:
        found = [] if self.ended else ["it did not come to an end"]
        if self.edge is not None and self.service.deaths != 1:
            found.append(f"the service died {self.service.deaths} times")
        if self.telephones.twice_at_once:
            found.append(f"{len(self.telephones.twice_at_once)} times a telephone was rung that was in use")
        if any(times > 1 for times in self.telephones.posts().values()):
            found.append("a ring was ordered twice")
        with self.house.transaction() as session:
            known = set(session.scalars(sa.select(Attempt.sid)))
            known |= set(session.scalars(sa.select(Call.sid)))
            # a caller whose first request was lost for good has heard the fallback, and nothing of ours rang
            ours = [leg for leg in self.telephones.legs if leg.direction != "inbound"]
            unknown = [leg for leg in ours if leg.sid not in known]
            escalations = session.scalars(sa.select(Escalation)).all()
            scores = session.scalars(sa.select(Answer.value).where(Answer.question == "pain")).all()
            if unknown:
                found.append(f"{len(unknown)} calls of the carrier's are known to no attempt")
            if not escalations and self.service.fallbacks:
                return found if not scores else [*found, "a score was stored and no doctor was rung"]
            if len(escalations) != 1 or len(scores) != 1:
                return [*found, f"{len(scores)} scores and {len(escalations)} escalations"]
            return found + self._of(escalations[0]) + self._told(reports.escalations(session)[0])

    def _of(self, escalation: Escalation) -> list[str]:
        found = []
        if escalation.status != "closed" or (escalation.talk_s or 0) < 15:
            found.append(f"{escalation.status} after a talk of {escalation.talk_s} s")
        if escalation.score != int(SCORE):
            found.append(f"the score is {escalation.score}")
        return found

    def _told(self, row: dict[str, object]) -> list[str]:
        clocks = [row[f"{name}_s"] for name in ("stored", "first_ring", "accepted", "bridged", "closed")]
        if None in clocks or clocks != sorted(clocks):  # type: ignore[type-var]
            return [f"the clocks are {clocks}"]
        return []


def told(house: House, edge: Edge | None = None) -> Story:
    story = Story(house, edge)
    story.play()
    return story


def edges(commits: list[str]) -> list[Edge]:
    return [Edge(commit, after) for commit in range(1, len(commits) + 1) for after in (False, True)]


def chosen(commits: list[str]) -> list[Edge]:
    turns = [next(at for at, moved in enumerate(commits, 1) if turn in moved) for turn in TURNS]
    every = edges(commits)
    return sorted({*every[::EVERY], *(edge for edge in every if edge.commit in turns)}, key=every.index)


def faults_at(house: House, wanted: list[Edge]) -> tuple[list[str], int]:
    """What goes wrong at each of these edges, and how many of them cut a request of the carrier's; those are played
    again with the request lost for good."""
    found, cut = [], 0
    for edge in wanted:
        story = told(house, edge)
        found += [f"{edge}: {fault}" for fault in story.faults()]
        if story.service.cut is not None:
            cut += 1
            lost = Edge(edge.commit, edge.after, lost=True)
            found += [f"{lost} ({story.service.cut}): {fault}" for fault in told(house, lost).faults()]
    return found, cut


def test_without_a_death_the_third_doctor_talks_with_the_patient(house: House) -> None:
    story = told(house)
    assert story.faults() == []
    print(f"\n{len(story.service.commits)} commits from the ring at the hotline to the end")


@pytest.mark.timeout(600)
def test_killed_where_the_escalation_turns_and_here_and_there(house: House) -> None:
    some = chosen(told(house).service.commits)
    assert len(some) >= 2 * len(TURNS) + 4
    found, cut = faults_at(house, some)
    assert found == [], "\n".join(found)
    assert 0 < cut < len(some)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_edge(house: House) -> None:
    every = edges(told(house).service.commits)
    found, cut = faults_at(house, every)
    print(f"\n{len(every)} edges, {cut} of them within a request of the carrier's, {len(found)} faults")
    assert found == [], "\n".join(found)
