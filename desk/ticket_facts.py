"""Stands in for the facts of tickets until they are merged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from dialer.models import Call

Fact = str | int | bool | tuple[str, ...]


def hotline_facts(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return {}


def find_ticket(session: Session, call: Call, digits: str, now: datetime) -> bool:
    return False


def alarm_facts(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return {}


def satisfaction_facts(session: Session, call: Call, now: datetime) -> dict[str, Fact]:
    return {}
