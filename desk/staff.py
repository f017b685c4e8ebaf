"""`carecall import staff`: who works at the desk and in the console. A new file replaces the old one: who is not in it
any more is signed off and can neither answer nor sign in: their console user is disabled in the same transaction
(console.users listens), and stays so until `carecall user password`, also if they come back into the file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import people, sheets, tables
from core.house import House, settings_of
from core.models import new_id, record
from core.tables import RowProblem, RowReport
from core.values import KNOWN_LANGUAGES
from desk import agents
from dialer.machine import REASONS
from dialer.models import Agent

COLUMNS = ["login", "name", "role", "department", "phone", "language", "skills", "pin"]
REQUIRED = ("login", "name", "role")
ROLES = ("agent", "nurse", "supervisor", "qa", "it")
LONGEST_LOGIN = 64


def import_staff(house: House, path: Path, now: datetime, *, dry_run: bool = False) -> list[RowReport]:
    """Import the file; the same login again is updated or left. Raises FileProblem."""
    reports: list[RowReport] = []
    named: set[str] = set()
    phones: dict[str, int] = {}
    for number, values in sheets.read_table(path, COLUMNS, REQUIRED, "staff"):
        try:
            if values["login"] in named:
                raise RowProblem(f"login {values['login']!r} is in the file twice")
            named.add(values["login"])
            with house.transaction() as session:
                reports.append(_row(session, number, values, phones, now))
                if dry_run:
                    session.rollback()
        except RowProblem as problem:
            reports.append(RowReport(number, "refused", str(problem)))
    if named:
        with house.transaction() as session:
            reports += _gone(session, named, now)
            if dry_run:
                session.rollback()
    return reports


def _row(session: Session, number: int, values: dict[str, str], phones: dict[str, int], now: datetime) -> RowReport:
    tables.refuse_ragged(values)
    tables.refuse_long(values)
    tables.needed(values, *REQUIRED)
    login = values["login"]
    if len(login) > LONGEST_LOGIN or any(sign.isspace() for sign in login):
        raise RowProblem(f"login must be one word of up to {LONGEST_LOGIN} characters")
    settings = settings_of(session)
    phone = tables.phone(values, "phone", settings.twilio_from) if values["phone"] else ""
    if phone and phone in phones:
        raise RowProblem(f"phone is that of row {phones[phone]} already: a ring must say who is rung")
    if phone and phone == settings.twilio_from:
        raise RowProblem("phone is the hotline's own number")
    skills, strange = _skills(values["skills"], [one.name for one in settings.hotline.departments])
    fields = {
        "name": values["name"],
        "role": tables.one_of(values, "role", ROLES, ""),
        "department": values["department"],
        "phone": phone,
        "phone_index": people.phone_index(phone) if phone else None,
        "languages": _languages(values["language"]) or [settings.hospital.languages[0]],
        "skills": skills,
        "pin": tables.pin(values),
        "active": True,
    }
    if phone:
        phones[phone] = number
    detail = f"no department of the menu and no reason: {', '.join(strange)}" if strange else ""
    agent = session.scalar(sa.select(Agent).where(Agent.login == login).with_for_update(key_share=True))
    if agent is None:
        agent = Agent(id=new_id(), login=login, status="off", since=now, **fields)
        session.add(agent)
        session.flush()
        record(session, "agent", agent.id, "imported", now, who="import")
        return RowReport(number, "created", detail)
    changed = [name for name, value in fields.items() if getattr(agent, name) != value]
    for name in changed:
        setattr(agent, name, fields[name])
    return RowReport(number, "updated" if changed else "unchanged", detail)


def _words(text: str) -> list[str]:
    """Several in one cell: by semicolons where there is one, else by blanks."""
    parts = text.replace("；", ";").split(";") if ";" in text or "；" in text else text.split()
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _languages(text: str) -> list[str]:
    languages = _words(text)
    unknown = [language for language in languages if language not in KNOWN_LANGUAGES]
    if unknown:
        raise RowProblem(f"language must be some of {', '.join(KNOWN_LANGUAGES)}, not {unknown[0]!r}")
    return languages


def _skills(text: str, departments: list[str]) -> tuple[list[str], list[str]]:
    """(skills, those of them nobody can choose at the telephone)"""
    skills = _words(text)
    return skills, [skill for skill in skills if skill not in REASONS and skill not in departments]


def _gone(session: Session, named: set[str], now: datetime) -> list[RowReport]:
    rows = session.scalars(
        sa.select(Agent)
        .where(Agent.active, Agent.login.not_in(named))
        .order_by(Agent.login)
        .with_for_update(key_share=True)
    ).all()
    for agent in rows:
        agents.leaves(session, agent, "import", now)
    return [
        RowReport(agent.login, "gone", "not in the file any more: signed off, and their console user is disabled")
        for agent in rows
    ]
