"""`carecall plan`: one patient's follow-ups, shown and changed by a nurse, each change with a reason."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.house import House
from core.models import Patient, Procedure
from core.tables import FileProblem
from scheduler import store
from scheduler.machine import OPEN
from scheduler.models import FollowUp

ACTIONS = {
    "hold": "do not ring until `resume`",
    "resume": "ring again",
    "move": "ring at another time",
    "cancel": "take the wave off the plan",
    "add": "one more wave",
}


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("plan", show, "One patient's follow-up plan: show, hold, resume, move, cancel, add.")
    words = made.add_subparsers(required=True, metavar="what", dest="what")
    shown = words.add_parser("show", help="the plan as it stands")
    shown.add_argument("--patient", metavar="MRN", required=True)
    shown.add_argument("--json", action="store_true")
    for action, text in ACTIONS.items():
        one = words.add_parser(action, help=text)
        one.set_defaults(command=change)
        one.add_argument("--patient", metavar="MRN", required=True)
        one.add_argument(
            "--procedure", metavar="ID", help="the hospital's number of the operation, if there are several"
        )
        one.add_argument("--reason", required=True)
        if action != "add":
            one.add_argument("--wave", required=action in ("move", "cancel"), help="such as 7d")
        if action in ("move", "add"):
            one.add_argument("--at", metavar="TIME", required=True, help="ISO 8601, the hospital's time")


def show(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    zone = house.settings.hospital.timezone
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        rows = session.execute(
            sa.select(FollowUp, Procedure.external_id)
            .join(Procedure, Procedure.id == FollowUp.procedure_id)
            .where(FollowUp.patient_id == who.id)
            .order_by(Procedure.ended_at, FollowUp.due_at)
        ).all()
    rows_out(
        [
            {
                "procedure": external_id,
                "wave": row.wave,
                "state": "held" if row.held and row.status in OPEN else row.status,
                "due_at": row.due_at.astimezone(zone),
                "next_try_at": row.next_try_at.astimezone(zone) if row.status in OPEN else None,
                "until": row.deadline_at.astimezone(zone),
                "tries": row.tries,
                "reason": row.reason,
                "note": row.note or "",
            }
            for row, external_id in rows
        ],
        as_json=args.json,
    )
    return 0


def change(args: argparse.Namespace, joined: Joined) -> int:
    """Hold and resume without --wave take every open wave. Exit 2 with a sentence when it cannot be done."""
    house = house_of(joined)
    if not args.reason.strip():
        raise FileProblem("--reason: why?")
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        procedures = _procedures(session, who, args.procedure)
        try:
            done = (
                _add(session, house, procedures, args)
                if args.what == "add"
                else _each(session, house, procedures, args)
            )
        except store.PlanProblem as problem:
            raise FileProblem(str(problem)) from problem
    print(done)
    return 0


def _procedures(session: Session, who: Patient, external_id: str | None) -> list[Procedure]:
    rows = session.scalars(
        sa.select(Procedure)
        .where(Procedure.patient_id == who.id, Procedure.status == "active")
        .order_by(Procedure.ended_at)
    ).all()
    found = [row for row in rows if external_id in (None, row.external_id)]
    if not found:
        raise FileProblem("--procedure: the patient has no such active operation on file.")
    return found


def _add(session: Session, house: House, procedures: list[Procedure], args: argparse.Namespace) -> str:
    if len(procedures) > 1:
        raise FileProblem("--procedure: the patient has several operations; which one is it for?")
    at = ask.moment(house, "--at", args.at)
    row = store.add_wave(session, procedures[0].id, at, login(), args.reason, house.clock.now())
    return f"added {row.wave}"


def _each(session: Session, house: House, procedures: list[Procedure], args: argparse.Namespace) -> str:
    rows = session.execute(
        sa.select(FollowUp.id, FollowUp.wave)
        .where(
            FollowUp.procedure_id.in_([procedure.id for procedure in procedures]),
            FollowUp.status.in_(OPEN),
            *([FollowUp.wave == args.wave] if args.wave else []),
        )
        .order_by(FollowUp.due_at)
    ).all()
    if not rows:
        raise FileProblem("--wave: no open follow-up of this patient fits.")
    if args.wave and len(rows) > 1:
        raise FileProblem("--procedure: the patient has several operations with this wave; which one?")
    for followup_id, _ in rows:
        _one(session, house, followup_id, args)
    words = {"hold": "held", "resume": "resumed", "move": "moved", "cancel": "cancelled"}
    return f"{words[args.what]}: {', '.join(wave for _, wave in rows)}"


def _one(session: Session, house: House, followup_id: uuid.UUID, args: argparse.Namespace) -> None:
    who, why, now = login(), args.reason, house.clock.now()
    if args.what == "hold":
        store.hold(session, followup_id, who, why, now)
    elif args.what == "resume":
        store.let_go(session, followup_id, who, why, now)
    elif args.what == "move":
        store.move_to(session, followup_id, ask.moment(house, "--at", args.at), who, why, now)
    else:
        store.cancel_one(session, followup_id, who, why, now)
