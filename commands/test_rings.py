"""`carecall roster test` and `tests`: rings that only ask for a key, and how the last ones ended."""

from __future__ import annotations

import argparse
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.tables import FileProblem
from dialer import gate, roster, roster_covers, test_rings
from dialer.models import TestRing

LISTED = 50


def add_arguments(tested: argparse.ArgumentParser) -> None:
    tested.add_argument("doctor", nargs="?", help="as in the roster")
    tested.add_argument("--number", type=int, choices=[1, 2], help="only this one of the doctor's numbers")
    tested.add_argument("--on-duty", action="store_true", help="everybody who is on duty now")
    tested.add_argument("--who", metavar="LOGIN", help="who asks (default: you)")


def test(args: argparse.Namespace, joined: Joined) -> int:
    """Asks for the rings; the worker places them. Exit 1 if one was refused for good."""
    house = house_of(joined)
    if bool(args.doctor) == args.on_duty:
        raise FileProblem("Which numbers? The name of one doctor, or --on-duty.")
    now = house.clock.now()
    with house.transaction() as session:
        wanted = _numbers_on_duty(session, now) if args.on_duty else _numbers_of(session, args.doctor)
    places = [args.number] if args.number else [1, 2]
    rows = []
    for (doctor, place, number), language in wanted.items():
        if place in places:
            with house.transaction() as session:
                wish = test_rings.ask(session, number, language, args.who or login(), now)
            rows.append({"doctor": doctor, "which": place, "number": number, "state": _state(wish), "id": wish.id})
    if not rows:
        raise FileProblem("--number: there is no such number." if wanted else "Nobody is on duty now.")
    rows_out(rows, as_json=args.json)
    return 1 if any(row["state"] == "refused" for row in rows) else 0


Wanted = dict[tuple[str, int, str], str]
"""(doctor, first or second number, number): language."""


def _numbers_on_duty(session: Session, now: datetime) -> Wanted:
    people = roster.duties(session, now, now + roster.AN_INSTANT)
    return {
        (person.doctor, place, number): person.language
        for person in people
        for place, number in enumerate(person.numbers, start=1)
    }


def _numbers_of(session: Session, doctor: str) -> Wanted:
    reach = roster_covers.known(session, doctor)
    if reach is None:
        raise FileProblem("No doctor of this name is on the roster.")
    numbers = enumerate((reach.phone, reach.phone2), start=1)
    return {(doctor, place, number): reach.language for place, number in numbers if number}


def _state(wish: TestRing) -> str:
    return wish.result or ("rings" if wish.attempt_id else "waits for a line")


def tests(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rings = session.scalars(sa.select(TestRing).order_by(TestRing.asked_at.desc(), TestRing.id).limit(LISTED)).all()
        refused = {
            row.subject_id: gate.REASONS.get(row.reason, row.reason)
            for row in test_rings.refusals(session, [ring.id for ring in rings])
        }
    rows_out(
        [
            {"asked_at": ring.asked_at, "number": ring.phone, "state": _state(ring), "ended_at": ring.ended_at,
             "who": ring.asked_by, "why": refused.get(ring.id, "")}
            for ring in rings
        ],
        as_json=args.json,
        zone=house.settings.hospital.timezone,
    )  # fmt: skip
    return 0
