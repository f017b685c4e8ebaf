"""The story of one escalation and the clocks of all: what a manager reads."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.db import blind
from core.models import new_id, record
from dialer import reports
from dialer.models import Attempt, Call, Cover, Escalation, Offer
from dialer.story import WORDS, story
from tests.dialer.ward import PATIENT_PHONE, Ward


class Told:
    """An escalation and its rings, written row by row, at seconds from the key."""

    def __init__(self, ward: Ward, **more: object) -> None:
        self.ward, self.key = ward, ward.now
        with ward.house.transaction() as session:
            call = Call(
                id=new_id(), kind="hotline", party=PATIENT_PHONE, party_index=b"p", status="completed",
                sid=f"CA{new_id().hex}", started_at=self.key, deadline_at=self.key,
            )  # fmt: skip
            session.add(call)
            session.flush()
            words: dict[str, object] = {
                **{"id": new_id(), "call_id": call.id, "to": PATIENT_PHONE, "to_index": b"p", "language": "en"},
                **{"department": "surgery", "score": 7, "flags": [], "record_on": False, "status": "ringing"},
                **{"chain": [], "keyed_at": self.key, "stored_at": self.at(0.4), "promise_at": self.at(300)},
            }
            self.row = Escalation(**{**words, **more})
            session.add(self.row)

    def at(self, seconds: float) -> object:
        return self.key + timedelta(seconds=seconds)

    def set(self, **values: object) -> None:
        with self.ward.house.transaction() as session:
            session.execute(sa.update(Escalation).where(Escalation.id == self.row.id).values(**values))

    def ring(
        self,
        kind: str,
        at: float,
        *,
        ended: float | None = None,
        outcome: str | None = None,
        shift: uuid.UUID | None = None,
        answered: float | None = None,
        brief: dict[str, str] | None = None,
        subject: uuid.UUID | None = None,
    ) -> uuid.UUID:
        with self.ward.house.transaction() as session:
            attempt = Attempt(
                id=new_id(), kind=kind, lane="escalation", via="api", subject_id=subject or self.row.id, to="+1",
                to_index=b"d", flow=kind, language="en", brief=brief or {}, status="ended" if ended else "ringing",
                outcome=outcome, deadline_at=self.at(at), ring_s=25, shift_id=shift, created_at=self.at(at),
                posted_at=self.at(at), ringing_at=self.at(at),
                answered_at=self.at(answered) if answered is not None else None,
                ended_at=self.at(ended) if ended is not None else None,
            )  # fmt: skip
            session.add(attempt)
        return attempt.id

    def offer(self, attempt: uuid.UUID, decision: str, at: float) -> None:
        with self.ward.house.transaction() as session:
            session.add(
                Offer(
                    escalation_id=self.row.id,
                    attempt_id=attempt,
                    offered_at=self.at(at),
                    decision=decision,
                    decided_at=self.at(at),
                )
            )

    def ledger(self, what: str, at: float, why: str = "", **data: object) -> None:
        with self.ward.house.transaction() as session:
            record(session, "escalation", self.row.id, what, self.at(at), why=why, data=data)  # type: ignore[arg-type]

    def lines(self, language: str = "en", *, names: bool = False) -> list[tuple[float, str]]:
        with self.ward.house.transaction() as session:
            row = session.get_one(Escalation, self.row.id)
            return [(line.after_s, line.words) for line in story(session, row, language, names=names)]


@pytest.fixture
def night(ward: Ward) -> Told:
    """Doctor 1 does not answer, doctor 2 passes on, doctor 3's voicemail answers, the head accepts at 170 s."""
    doctors = [ward.doctor(n) for n in range(2)] + [ward.doctor(2, "2")]
    head = ward.doctor(3, "head", name="Prof Example")
    told = Told(ward)
    told.ledger("opened", 0.4)
    told.ring("doctor", 1, ended=26, outcome="no_answer", shift=doctors[0].id)
    two = told.ring("doctor", 26.5, answered=40, ended=50, outcome="answered", shift=doctors[1].id)
    told.offer(two, "declined", 45)
    three = told.ring("doctor", 46, answered=60, ended=140, outcome="answered", shift=doctors[2].id)
    told.offer(three, "no_key", 139)
    four = told.ring("doctor", 140, answered=150, ended=400, outcome="answered", shift=head.id)
    told.ledger("accepted", 170, attempt=str(four))
    told.offer(four, "accepted", 170)
    told.ring("patient", 175, answered=180, ended=400, outcome="answered")
    told.ledger("bridged", 185)
    told.ledger("talked", 385, seconds=200)
    told.set(closed_at=told.at(385), status="closed", outcome="advice", outcome_by="doctor")
    return told


def test_the_story_of_one_night(night: Told) -> None:
    assert night.lines() == [
        (0.0, "key pressed: pain 7"),
        (0.4, "stored, the alarm is raised"),
        (1.0, "doctor 1 is rung"),
        (26.0, "doctor 1: no answer (25 s)"),
        (26.5, "doctor 2 is rung"),
        (45.0, "doctor 2 passes on"),
        (46.0, "doctor 3 (tier 2) is rung"),
        (139.0, "doctor 3 (tier 2): picked up, and no key pressed"),
        (140.0, "the head of department is rung"),
        (170.0, "the head of department accepts"),
        (175.0, "the patient is rung"),
        (180.0, "the patient: the phone is picked up"),
        (185.0, "doctor and patient are joined"),
        (385.0, "the talk is over: 3:20"),
        (385.0, "closed by the doctor: advice"),
    ]


def test_the_same_in_chinese(night: Told) -> None:
    words = [words for _, words in night.lines("zh-CN")]
    assert words[:5] == ["患者按键：疼痛7分", "已记录，警报发出", "呼叫医生1", "医生1未接（25秒）", "呼叫医生2"]
    assert words[9] == "科主任接诊"
    assert len(words) == len(night.lines())


def test_doctors_are_named_only_when_asked(night: Told) -> None:
    assert not any("Dr 0" in words or "Example" in words for _, words in night.lines())
    named = night.lines(names=True)
    assert (1.0, "doctor 1 (Dr 0) is rung") in named
    assert (170.0, "the head of department (Prof Example) accepts") in named


def test_who_covers_is_named_and_not_who_is_covered(ward: Ward) -> None:
    shift, told = ward.doctor(0), Told(ward)
    with ward.house.transaction() as session:
        cover = Cover(
            id=new_id(), doctor="Dr 0", doctor_index=blind("Dr 0", "doctor"), by_doctor="Dr Cover",
            by_doctor_index=blind("Dr Cover", "doctor"), phone="+1", language="en", starts_at=ward.now,
            ends_at=ward.now, made_by="x", made_at=ward.now,
        )  # fmt: skip
        session.add(cover)
    told.ring("doctor", 1, ended=5, outcome="busy", shift=shift.id, brief={"cover": str(cover.id)})
    assert told.lines(names=True)[-1] == (5.0, "doctor 1 (Dr Cover): the line is busy")


def test_a_doctor_who_was_on_the_phone_for_another_patient_is_told_with_his_decision_only(ward: Ward) -> None:
    shift, told = ward.doctor(0), Told(ward)
    other = told.ring("doctor", 3, answered=9, ended=90, outcome="answered", shift=shift.id, subject=new_id())
    told.offer(other, "accepted", 60)
    assert told.lines()[2:] == [(60.0, "doctor 1 accepts")]


def test_a_ring_that_was_taken_back_before_it_left_is_not_told(ward: Ward) -> None:
    shift, told = ward.doctor(0), Told(ward)
    unheard = told.ring("doctor", 1, ended=2, outcome="cancelled", shift=shift.id)
    heard = told.ring("doctor", 3, ended=4, outcome="cancelled", shift=shift.id)
    with ward.house.transaction() as session:
        session.execute(sa.update(Attempt).where(Attempt.id == unheard).values(posted_at=None, ringing_at=None))
    assert told.lines()[2:] == [(3.0, "doctor 1 is rung"), (4.0, "doctor 1: the ring is taken back")]
    assert heard != unheard


def test_a_decision_that_only_the_ledger_knows_is_told_too(ward: Ward) -> None:
    shift, told = ward.doctor(0), Told(ward)
    one = told.ring("doctor", 1, answered=9, ended=20, outcome="answered", shift=shift.id)
    told.ledger("declined", 12, attempt=str(one))
    two = told.ring("doctor", 30, answered=31, ended=40, outcome="answered", shift=shift.id)
    assert told.lines()[2:] == [
        (1.0, "doctor 1 is rung"),
        (12.0, "doctor 1 passes on"),
        (30.0, "doctor 1 is rung"),
        (40.0, "doctor 1: picked up, and no key pressed"),
    ]
    assert two != one


def test_the_night_target_a_breach_and_what_nobody_has_words_for(ward: Ward) -> None:
    told = Told(ward, score=None, flags=["bleeding"])
    told.ring("night", 301, ended=330, outcome="no_answer")
    told.ledger("promise broken", 300)
    told.ledger("exhausted", 320, why="round 1")
    told.ledger("a new thing", 340, why="of its own")
    told.set(night_at=told.at(301), acknowledged_at=told.at(360))
    assert told.lines() == [
        (0.0, "key pressed: warning sign"),
        (0.0, "warning sign: bleeding"),
        (0.4, "stored, the alarm is raised"),
        (300.0, "the promise of 300 s is broken"),
        (301.0, "the night target is called in"),
        (301.0, "the night target is rung"),
        (320.0, "everybody in round 1 was tried and nobody took it"),
        (330.0, "the night target: no answer (29 s)"),
        (340.0, "a new thing: of its own"),
        (360.0, "the night target has acknowledged"),
    ]


def test_both_languages_have_the_same_sentences_with_the_same_values() -> None:
    assert WORDS["en"].keys() == WORDS["zh-CN"].keys()
    for key, words in WORDS["en"].items():
        for name in ("who", "seconds", "score", "flag", "number", "outcome"):
            assert ("{" + name + "}" in words) == ("{" + name + "}" in WORDS["zh-CN"][key]), key


# ---- the clocks of all ---------------------------------------------------------------------------------
def clock(rows: list[dict[str, object]], department: str, name: str) -> tuple[object, ...]:
    (row,) = [row for row in rows if (row["department"], row["clock"]) == (department, name)]
    return row["count"], row["p50_s"], row["p95_s"], row["p99_s"]


def report(ward: Ward, **span: object) -> list[dict[str, object]]:
    with ward.house.transaction() as session:
        return reports.clocks(reports.escalations(session, **span))  # type: ignore[arg-type]


def test_percentiles_are_of_the_nearest_rank_and_per_department(ward: Ward) -> None:
    for number in range(1, 101):
        department = "surgery" if number <= 50 else "cardiology"
        told = Told(ward, department=department, first_ring_at=ward.now + timedelta(seconds=number))
        if number % 10 == 0:
            told.set(breached_at=told.at(300), night_at=told.at(300))
        if number == 7:
            told.set(status="closed", closed_at=told.at(400), talk_s=200, outcome="advice")
        if number == 8:
            told.set(status="closed", closed_at=told.at(500), outcome="come_in")
    rows = report(ward)
    assert clock(rows, reports.ALL, "key to first ring") == (100, 50.0, 95.0, 99.0)
    assert clock(rows, "surgery", "key to first ring") == (50, 25.0, 48.0, 50.0)
    assert clock(rows, "cardiology", "key to first ring") == (50, 75.0, 98.0, 100.0)
    assert clock(rows, reports.ALL, "key to closed") == (2, 400.0, 500.0, 500.0)
    assert clock(rows, reports.ALL, "key to bridged") == (0, None, None, None)
    counts = {row["clock"]: row["count"] for row in rows if row["department"] == reports.ALL and row["p50_s"] is None}
    assert counts | {"key to accepted": 0, "key to bridged": 0} == counts
    assert counts["escalations"] == 100
    assert (counts["promise broken"], counts["night call-ins"]) == (10, 10)
    assert (counts["closed by talk"], counts["closed by code"], counts["not closed"]) == (1, 1, 98)


def test_a_span_takes_its_beginning_and_not_its_end(ward: Ward) -> None:
    begin = ward.now
    for _ in range(3):
        Told(ward)
        ward.forward(hours=1)
    rows = report(ward, since=begin + timedelta(hours=1), until=begin + timedelta(hours=2))
    assert clock(rows, reports.ALL, "escalations")[0] == 1


def test_the_export_has_every_clock_and_nobodys_name_or_number(night: Told) -> None:
    with night.ward.house.transaction() as session:
        (row,) = list(reports.exported(session))
    assert {"promise_s": 300.0, "stored_s": 0.4, "closed_s": 385.0, "outcome": "advice"}.items() <= row.items()
    assert not any(secret in str(row) for secret in (PATIENT_PHONE, "Ann", "Dr 0", "Prof"))


def test_a_report_costs_what_is_in_its_span(ward: Ward) -> None:
    """The index on the key's time, and no decrypting of numbers."""
    told = Told(ward)
    with ward.house.transaction() as session:
        session.execute(
            sa.text(
                """
                INSERT INTO escalations (id, call_id, "to", to_index, language, department, score, flags, record_on,
                                         status, chain, step, round, keyed_at, stored_at, promise_at)
                SELECT gen_random_uuid(), call_id, "to", to_index, language, department, score, flags, record_on,
                       'closed', chain, step, round, keyed_at - make_interval(mins => n), stored_at, promise_at
                  FROM escalations, generate_series(1, 20000) n
                """
            )
        )
        session.execute(sa.text("ANALYZE escalations"))
        query = reports.asked(since=told.key - timedelta(hours=1), until=ward.now + timedelta(hours=1))
        compiled = query.compile(session.connection(), compile_kwargs={"literal_binds": False})
        plan = "\n".join(session.connection().exec_driver_sql("EXPLAIN " + str(compiled), compiled.params).scalars())
        assert "ix_escalations_keyed" in plan
        assert "Seq Scan" not in plan
        assert len(reports.escalations(session, since=told.key - timedelta(hours=1))) == 61
