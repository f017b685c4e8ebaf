"""`carecall consent` and `carecall donotcall`: what a patient has agreed to, and numbers that are left alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import sqlalchemy as sa

from commands import ask
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core import people
from core.models import Consent, record
from core.tables import FileProblem
from core.values import e164

PURPOSES = ("followup", "recording", "night", "family", "reminder", "survey")


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("consent", show, "The consent ledger of one patient: show, give, withdraw.")
    words = made.add_subparsers(required=True, metavar="what", dest="what")
    shown = words.add_parser("show", help="every line, oldest first")
    shown.add_argument("--patient", metavar="MRN", required=True)
    shown.add_argument("--json", action="store_true")
    for what, text in (("give", "the patient has agreed"), ("withdraw", "the patient has taken it back")):
        one = words.add_parser(what, help=text)
        one.set_defaults(command=say)
        one.add_argument("--patient", metavar="MRN", required=True)
        one.add_argument("--purpose", choices=PURPOSES, required=True)
        one.add_argument("--version", default="", help="the wording agreed to, as your forms are named")
    left = add("donotcall", left_alone, "Leave a number alone with routine calls and SMS, or no longer.")
    left.add_argument("what", choices=["add", "lift"])
    left.add_argument("phone", help="with country code")


def show(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    zone = house.settings.hospital.timezone
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        lines = session.scalars(sa.select(Consent).where(Consent.patient_id == who.id).order_by(Consent.id)).all()
    rows_out(
        [
            {
                "at": line.at.astimezone(zone),
                "purpose": line.purpose,
                "given": "yes" if line.given else "withdrawn",
                "by": line.source,
                "channel": line.channel,
                "version": line.version,
            }
            for line in lines
        ],
        as_json=args.json,
    )
    return 0


def say(args: argparse.Namespace, joined: Joined) -> int:
    """Add one line to the ledger; a line that says nothing new is not written."""
    house = house_of(joined)
    now, given = house.clock.now(), args.what == "give"
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        new = people.set_consent(
            session, who.id, args.purpose, given, "staff", now, version=args.version, channel="desk"
        )
        if new:
            record(session, "patient", who.id, f"consent {'given' if given else 'withdrawn'}", now, who=login(),
                   purpose=args.purpose)  # fmt: skip
    print("written" if new else "the ledger says so already")
    return 0


def left_alone(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    number = _number(args.phone)
    with house.transaction() as session:
        held = people.on_do_not_call(session, number)
        if args.what == "add":
            people.add_do_not_call(session, number, f"staff: {login()}", house.clock.now())
        else:
            people.lift_do_not_call(session, number, f"staff: {login()}", house.clock.now())
    changed = held != (args.what == "add")
    print(_said(args.what) if changed else "it was so already")
    return 0


def _number(text: str) -> str:
    try:
        return e164(text)
    except ValueError as error:
        raise FileProblem(f"{error}.") from None


def _said(what: str) -> str:
    return "the number is left alone" if what == "add" else "the number may be rung again, if its patient agrees"


