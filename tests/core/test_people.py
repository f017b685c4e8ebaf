"""Patients, numbers, consents: what may be asked, and what may be said aloud."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people
from core.db import blind
from core.house import House
from core.models import Consent, Contact, DoNotCall, EventRow, Patient, new_id
from tests.house import MID_MORNING

PHONE = "+861055550111"


def patient(session: Session, mrn: str = "T-1", *phones: str, born: str | None = "1961-05-06") -> Patient:
    made = Patient(
        id=new_id(), mrn=mrn, mrn_index=blind(mrn, people.MRN), name="Ann Example", birth_date=born,
        language="en", timezone="Asia/Shanghai", created_at=MID_MORNING,
    )  # fmt: skip
    session.add(made)
    session.flush()
    for position, phone in reversed(list(enumerate(phones))):
        session.add(Contact(patient_id=made.id, phone=phone, phone_index=people.phone_index(phone), position=position))
        session.flush()
    return made


@pytest.mark.parametrize(
    ("name", "surname"),
    [
        ("王小明", "王"), ("欧阳修", "欧阳"), ("司马相如", "司马"), ("诸葛亮", "诸葛"), ("欧冶子", "欧"), ("李", "李"),
        ("  张三 ", "张"), ("Ann Example", "Example"), ("Ann van der Berg", "Berg"), ("Plato", "Plato"), ("", ""),
        ("   ", ""), ("Ann\u3000Example", "Example"),
    ],
)  # fmt: skip
def test_what_may_be_spoken_of_a_name(name: str, surname: str) -> None:
    assert people.surname(name) == surname


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        ("1961-05-06", date(2031, 5, 5), 69), ("1961-05-06", date(2031, 5, 6), 70),
        ("2004-02-29", date(2031, 2, 28), 26), ("2004-02-29", date(2031, 3, 1), 27),
        ("2031-03-07", date(2031, 3, 7), 0), ("1961-05-06", date(2031, 5, 7), 70),
        (None, date(2031, 3, 7), None),
    ],
)  # fmt: skip
def test_age_is_completed_years(born: str | None, today: date, age: int | None) -> None:
    assert people.age(Patient(birth_date=born), today) == age


@pytest.mark.parametrize(("born", "keys"), [("1961-05-06", "0506"), ("2004-02-29", "0229"), (None, None), ("", None)])
def test_the_birthday_as_it_is_keyed(born: str | None, keys: str | None) -> None:
    assert people.birth_mmdd(Patient(birth_date=born)) == keys


def test_a_number_finds_everybody_it_belongs_to_once(house: House) -> None:
    with house.transaction() as session:
        first = patient(session, "T-1", PHONE, "+861055550112")
        second = patient(session, "T-2", PHONE)
        patient(session, "T-3", "+861055550113")
        assert {p.id for p in people.patients_with_number(session, PHONE)} == {first.id, second.id}
        assert people.patients_with_number(session, "+861055550199") == []
        assert [c.phone for c in people.contacts_of(session, first.id)] == [PHONE, "+861055550112"]


def test_the_newest_word_on_consent_counts_and_none_is_no(house: House) -> None:
    with house.transaction() as session:
        who = patient(session)
        assert not people.has_consent(session, who.id, "followup")
        assert people.last_word(session, who.id, "followup") is None
        for given, new in ((True, True), (True, False), (False, True), (False, False), (True, True)):
            assert people.set_consent(session, who.id, "followup", given, "keypad", MID_MORNING) is new
            assert people.has_consent(session, who.id, "followup") is given
        assert not people.has_consent(session, who.id, "night")
        assert people.last_word(session, who.id, "followup") == (True, "keypad")
        assert session.scalar(sa.select(sa.func.count()).select_from(Consent)) == 3


def test_a_first_no_is_kept_because_it_was_said(house: House) -> None:
    with house.transaction() as session:
        who = patient(session)
        assert people.set_consent(session, who.id, "recording", False, "keypad", MID_MORNING)
        assert people.last_word(session, who.id, "recording") == (False, "keypad")


def test_a_number_asks_to_be_left_alone_once(house: House) -> None:
    with house.transaction() as session:
        assert not people.on_do_not_call(session, PHONE)
        people.add_do_not_call(session, PHONE, "keypad", MID_MORNING)
        people.add_do_not_call(session, PHONE, "staff", MID_MORNING)
    with house.transaction() as session:
        assert people.on_do_not_call(session, PHONE)
        assert session.scalars(sa.select(DoNotCall.source)).all() == ["keypad"]


def test_taken_back_and_asked_for_again(house: House) -> None:
    with house.transaction() as session:
        assert not people.lift_do_not_call(session, PHONE, "sms", MID_MORNING), "it was never on the list"
        assert people.add_do_not_call(session, PHONE, "keypad", MID_MORNING)
        assert not people.add_do_not_call(session, PHONE, "keypad", MID_MORNING)
        assert people.lift_do_not_call(session, PHONE, "sms", MID_MORNING)
        assert not people.on_do_not_call(session, PHONE)
        assert not people.lift_do_not_call(session, PHONE, "sms", MID_MORNING)
    with house.transaction() as session:
        assert people.add_do_not_call(session, PHONE, "sms", MID_MORNING)
        assert people.on_do_not_call(session, PHONE)
        row = session.scalars(sa.select(DoNotCall)).one()
        assert (row.source, row.ended_at) == ("sms", None)


# ---- numbers that changed hands ------------------------------------------------------------------------
SECOND, THIRD = "+861055550112", "+861055550113"


def numbers(session: Session, who: Patient, *, wrong_too: bool = False) -> list[str]:
    return [contact.phone for contact in people.contacts_of(session, who.id, wrong_too=wrong_too)]


def test_a_number_that_changed_hands_is_history(house: House) -> None:
    with house.transaction() as session:
        who = patient(session, "T-1", PHONE, SECOND, THIRD)
        assert people.retire_number(session, who.id, PHONE, MID_MORNING)
        assert not people.retire_number(session, who.id, PHONE, MID_MORNING), "once"
        assert not people.retire_number(session, who.id, "+861055550199", MID_MORNING), "never was one"
        assert numbers(session, who) == [SECOND, THIRD]
        assert people.patients_with_number(session, PHONE) == []
        assert people.retire_number(session, who.id, THIRD, MID_MORNING)
        assert numbers(session, who) == [SECOND]
        assert set(numbers(session, who, wrong_too=True)) == {PHONE, SECOND, THIRD}
        assert people.number_is_right(session, who.id, PHONE, "nurse 1", MID_MORNING)
        assert not people.number_is_right(session, who.id, PHONE, "nurse 1", MID_MORNING)
        assert numbers(session, who) == [SECOND, PHONE]
    with house.transaction() as session:
        what = session.scalars(sa.select(EventRow.what).where(EventRow.subject_id == who.id).order_by(EventRow.id))
        assert what.all() == ["number retired", "number retired", "number restored"]


# ---- who answers ---------------------------------------------------------------------------------------
TODAY = date(2031, 3, 7)


def with_relations(session: Session, born: str | None, *relations: str) -> Patient:
    who = patient(
        session, f"T-{len(relations)}-{born}", *(f"+86105555012{n}" for n in range(len(relations))), born=born
    )
    for contact, relation in zip(people.contacts_of(session, who.id), relations, strict=True):
        contact.relation = relation
    session.flush()
    return who


@pytest.mark.parametrize(
    ("born", "relations", "asked"),
    [
        ("1961-05-06", ["self", "daughter"], ["self", "daughter"]),
        ("1961-05-06", ["daughter", "self", "son"], ["self", "daughter", "son"]),
        ("1961-05-06", ["guardian"], ["guardian"]),
        ("2025-05-06", ["self", "mother"], []),
        ("2025-05-06", ["self", "aunt", "guardian"], ["guardian"]),
        ("2025-05-06", ["guardian", "guardian"], ["guardian", "guardian"]),
        # fourteen on the day itself
        ("2017-03-08", ["self", "guardian"], ["guardian"]),
        ("2017-03-07", ["self", "guardian"], ["self", "guardian"]),
        (None, ["self", "guardian"], ["self", "guardian"]),
    ],
)
def test_whom_to_ring(house: House, born: str | None, relations: list[str], asked: list[str]) -> None:
    with house.transaction() as session:
        who = with_relations(session, born, *relations)
        assert [contact.relation for contact in people.respondents(session, who, TODAY)] == asked


def test_a_family_that_is_not_to_be_told_is_not_rung_and_a_guardian_always(house: House) -> None:
    with house.transaction() as session:
        adult = with_relations(session, "1961-05-06", "self", "daughter")
        child = with_relations(session, "2025-05-06", "self", "aunt", "guardian")
        for who in (adult, child):
            people.set_consent(session, who.id, "family", False, "staff", MID_MORNING)
        assert [c.relation for c in people.respondents(session, adult, TODAY)] == ["self"]
        assert [c.relation for c in people.respondents(session, child, TODAY)] == ["guardian"]
        people.set_consent(session, adult.id, "family", True, "staff", MID_MORNING)
        assert [c.relation for c in people.respondents(session, adult, TODAY)] == ["self", "daughter"]


def test_a_consent_line_keeps_what_was_agreed_to_and_how(house: House) -> None:
    with house.transaction() as session:
        who = patient(session)
        people.set_consent(session, who.id, "followup", True, "import", MID_MORNING, version="2031-01", channel="paper")
        line = session.scalars(sa.select(Consent)).one()
        assert (line.version, line.channel, line.at) == ("2031-01", "paper", MID_MORNING)
