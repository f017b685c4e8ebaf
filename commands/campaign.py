"""`carecall campaign`: a named list of follow-ups that are rung from one fixed time on."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from commands import ask
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.tables import FileProblem
from scheduler import campaign
from scheduler.store import PlanProblem


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("campaign", show, "Named lists of follow-ups, each rung from one fixed time on.")
    words = made.add_subparsers(required=True, metavar="what", dest="what")
    shown = words.add_parser("list", help="every campaign and how far it is")
    shown.add_argument("--json", action="store_true")
    one = words.add_parser("make", help="put the follow-ups due that day on a list")
    one.set_defaults(command=make)
    one.add_argument("title", help="its name, such as children-2026-11-24")
    one.add_argument("--at", metavar="TIME", required=True, help="ISO 8601, such as 2026-11-24T17:00")
    one.add_argument("--department")
    one.add_argument("--procedure", metavar="NAME", help="only after this operation")
    one.add_argument("--wave", help="only this wave, such as 48h")


def show(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = campaign.listed(session)
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def make(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    at = ask.moment(house, "--at", args.at)
    try:
        with house.transaction() as session:
            count = campaign.make(
                session,
                args.title,
                at,
                login(),
                house.clock.now(),
                department=args.department,
                procedure=args.procedure,
                wave=args.wave,
            )
    except PlanProblem as problem:
        raise FileProblem(str(problem)) from problem
    print(f"{count} follow-ups are rung from {at.astimezone(house.settings.hospital.timezone):%Y-%m-%d %H:%M} on")
    return 0
