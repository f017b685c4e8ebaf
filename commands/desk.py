"""`carecall agents` and `carecall desk`: who answers, who waits, and how well it goes."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core import calendar
from core.house import settings_of
from core.tables import FileProblem
from desk import agents, measures, queue
from scheduler.models import VisitDraft


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    people = add("agents", board, "Who answers callers: the board, or sign somebody in or out.")
    people.add_argument("--json", action="store_true")
    words = people.add_subparsers(metavar="what")
    signed = words.add_parser("sign", help="sign an agent in (ready), out (off), or pause them")
    signed.add_argument("login", help="as in the staff file")
    signed.add_argument("state", choices=agents.STATES)
    signed.add_argument("--who", metavar="LOGIN", help="who does it (default: you)")
    signed.set_defaults(command=sign)

    desk = add("desk", line, "The line in front of the desk: who waits, and how well it is answered.")
    kinds = desk.add_subparsers(required=True, metavar="what")
    waits = kinds.add_parser("queue", help="who is in line, on the telephone or to be rung back")
    waits.add_argument("--json", action="store_true")
    told = kinds.add_parser("report", help="answered in time, abandoned, talk, solved at once, by day")
    told.add_argument("--since", metavar="TIME", help="ISO 8601 (default: today)")
    told.add_argument("--json", action="store_true")
    told.set_defaults(command=report)


def board(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = [
            asdict(row) | {"languages": " ".join(row.languages), "skills": "; ".join(row.skills)}
            for row in agents.board(session, house.clock.now())
        ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def sign(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        try:
            agent = agents.sign(session, args.login, args.state, args.who or login(), house.clock.now())
        except agents.AgentProblem as problem:
            raise FileProblem(str(problem)) from None
        print(f"{agent.login} is {agent.status}")
    return 0


def line(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = [asdict(row) for row in queue.board(session, house.clock.now())]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def report(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    with house.transaction() as session:
        since = ask.moment(house, "--since", args.since) if args.since else _this_morning(session, now)
        found = measures.report(session, since, _booked(session))
        seats = measures.seats(session, now)
    rows = [_row(one) for one in found]
    rows_out(rows, as_json=args.json)
    if not args.json:
        print(seats_line(seats))
    return 0


def _row(one: measures.Report) -> dict[str, Any]:
    row = asdict(one)
    return {
        key: value
        for name, told in row.items()
        for key, value in (_within(told) if name == "within" else {name: told}).items()
    }


def _within(shares: dict[int, float | None]) -> dict[str, float | None]:
    return {f"within_{seconds}s": share for seconds, share in shares.items()}


def seats_line(seats: measures.Seats) -> str:
    return f"seats now ({seats.why}): {seats.signed_in} signed in, {seats.required} required"


def _this_morning(session: Session, now: datetime) -> datetime:
    zone = settings_of(session).hospital.timezone.key
    return calendar.at_wall(calendar.day_of(now, zone), time.min, zone)


def _booked(session: Session) -> set[uuid.UUID]:
    """Calls in which a visit was booked, which only the scheduler's tables tell."""
    return set(session.scalars(sa.select(VisitDraft.call_id).where(VisitDraft.result.in_(("booked", "moved")))))
