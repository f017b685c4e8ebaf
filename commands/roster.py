"""`carecall roster`: who is on duty, who covers for whom, what is missing, and whether a number reaches somebody."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from commands import ask, test_rings
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core import tables
from core.house import House
from core.tables import FileProblem, RowProblem
from dialer import roster, roster_calendar, roster_covers, roster_gaps
from dialer.models import Cover
from dialer.roster_covers import CoverProblem, Reach

TIME: dict[str, Any] = {"metavar": "TIME", "help": "ISO 8601, the hospital's time"}
Words = argparse.ArgumentParser


def add_commands(add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], Words]) -> None:
    made = add("roster", show, "The on-call roster: show, cover, swap, gaps, calendars, test rings.")
    words = made.add_subparsers(required=True, metavar="what", dest="what")

    def one(name: str, command: Callable[[argparse.Namespace, Joined], int], text: str, *, rows: bool = True) -> Words:
        action = words.add_parser(name, help=text, description=text)
        action.set_defaults(command=command)
        if rows:
            action.add_argument("--json", action="store_true")
        return action

    _add_show(one("show", show, "who is on duty: now, at a time, or over a span; covers resolved"))
    _add_changes(one)
    gaps_ = one("gaps", gaps, "hours in which nobody is on duty, and people whom no ring would reach; exit 1 if any")
    gaps_.add_argument("--days", type=int, default=7, metavar="N", help="how far ahead (default: 7)")
    _add_calendars(one)
    test_rings.add_arguments(one("test", test_rings.test, "ring a number and ask for a key"))
    one("tests", test_rings.tests, "the last 50 test rings and how they ended")


def _add_show(shown: Words) -> None:
    shown.add_argument("--at", **TIME)
    shown.add_argument("--from", dest="start", **TIME)
    shown.add_argument("--until", **TIME)
    shown.add_argument("--department")


def _add_changes(one: Callable[..., Words]) -> None:
    cover_ = one("cover", cover, "somebody takes over from a doctor for some hours", rows=False)
    cover_.add_argument("doctor", help="who is replaced, as in the roster")
    cover_.add_argument("--by", required=True, metavar="DOCTOR")
    for option in ("phone", "phone2", "pin"):
        cover_.add_argument(f"--{option}", help="default: as in the roster")
    swap_ = one("swap", swap, "two doctors take each other's hours", rows=False)
    swap_.add_argument("doctor", help="whose hours are --from to --until")
    swap_.add_argument("other", help="whose hours are --back-from to --back-until")
    swap_.add_argument("--back-from", dest="back_start", required=True, **TIME)
    swap_.add_argument("--back-until", required=True, **TIME)
    for action in (cover_, swap_):
        action.add_argument("--from", dest="start", required=True, **TIME)
        action.add_argument("--until", required=True, **TIME)
        action.add_argument("--who", metavar="LOGIN", help="who arranges it (default: you)")
        action.add_argument("--note", default="")
    uncover_ = one("uncover", uncover, "a cover does not hold any more", rows=False)
    uncover_.add_argument("id", help="from `roster show` or `roster covers`")
    uncover_.add_argument("--who", metavar="LOGIN", help="who cancels it (default: you)")
    one("covers", covers, "covers that hold now or will")


def _add_calendars(one: Callable[..., Words]) -> None:
    into = one("import-calendar", import_calendar, "bring in an iCalendar file: each event is a shift")
    into.add_argument("file", type=Path)
    into.add_argument("--department", default="", help="where the events do not say (* serves all)")
    into.add_argument("--tier", default="", help="1, 2, …, head or president, where the events do not say")
    into.add_argument("--replace", action="store_true", help="delete shifts to come that the calendar does not have")
    into.add_argument("--dry-run", action="store_true", help="try everything, keep nothing")
    out = one("export-calendar", export_calendar, "write the shifts to come as iCalendar, without covers", rows=False)
    out.add_argument("file", type=Path)
    for option in ("department", "tier", "doctor"):
        out.add_argument(f"--{option}")


# ---- looking ------------------------------------------------------------------------------------
def show(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    if args.at and (args.start or args.until):
        raise FileProblem("--at: either a time, or a span from --from to --until.")
    start = ask.moment(house, "--from", args.start) if args.start else house.clock.now()
    if args.at:
        start = ask.moment(house, "--at", args.at)
    until = ask.moment(house, "--until", args.until) if args.until else start + roster.AN_INSTANT
    if until <= start:
        raise FileProblem("--until must be after --from.")
    with house.transaction() as session:
        people = roster.duties(session, start, until, department=args.department)
    rows_out([_row(person) for person in people], as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def _row(person: roster.Doctor) -> dict[str, Any]:
    phone, phone2 = (*person.numbers, "", "")[:2]
    return {
        "from": person.starts_at,
        "until": person.ends_at,
        "department": person.department,
        "tier": person.tier,
        "doctor": person.doctor,
        "phone": phone,
        "phone2": phone2,
        "instead_of": person.instead_of,
        "cover": person.cover_id,
    }


def gaps(args: argparse.Namespace, joined: Joined) -> int:
    """Gaps and faults are exit 1; remarks alone are not."""
    house = house_of(joined)
    now = house.clock.now()
    if not 1 <= args.days <= 366:
        raise FileProblem("--days must be from 1 to 366.")
    with house.transaction() as session:
        found = roster_gaps.folded(roster_gaps.gaps(session, now, now + timedelta(days=args.days)))
        remarks = roster_gaps.unreachable(session, now, now + timedelta(days=args.days))
    rows: list[dict[str, Any]] = [
        {"what": "gap" if gap.tier else "NOBODY", "from": gap.starts_at, "until": gap.ends_at,
         "department": gap.department, "tier": gap.tier or "all", "doctor": "", "number": "", "detail": ""}
        for gap in found
    ]  # fmt: skip
    rows += [
        {"what": "unreachable" if one.fault else "remark", "from": None, "until": None, "department": "", "tier": "",
         "doctor": one.doctor, "number": one.number, "detail": one.what}
        for one in remarks
    ]  # fmt: skip
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 1 if found or any(one.fault for one in remarks) else 0


def covers(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    with house.transaction() as session:
        rows = roster_covers.listed(session, now, now + timedelta(days=366))
    rows_out(
        [
            {"id": row.id, "doctor": row.doctor, "by": row.by_doctor, "from": row.starts_at, "until": row.ends_at,
             "phone": row.phone, "phone2": row.phone2, "who": row.made_by, "note": row.note}
            for row in rows
        ],
        as_json=args.json,
        zone=house.settings.hospital.timezone,
    )  # fmt: skip
    return 0


# ---- changing -----------------------------------------------------------------------------------
def cover(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    span = ask.moment(house, "--from", args.start), ask.moment(house, "--until", args.until)
    with house.transaction() as session:
        made = _cover(session, house, args, args.doctor, args.by, span, _reach(session, house, args.by, args))
    print(_told(house, made))
    return 0


def swap(args: argparse.Namespace, joined: Joined) -> int:
    """Both or neither."""
    house = house_of(joined)
    span = ask.moment(house, "--from", args.start), ask.moment(house, "--until", args.until)
    back = ask.moment(house, "--back-from", args.back_start), ask.moment(house, "--back-until", args.back_until)
    with house.transaction() as session:
        made = [
            _cover(session, house, args, args.doctor, args.other, span, _reach(session, house, args.other)),
            _cover(session, house, args, args.other, args.doctor, back, _reach(session, house, args.doctor)),
        ]
    for one in made:
        print(_told(house, one))
    return 0


def uncover(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    try:
        with house.transaction() as session:
            roster_covers.uncover(session, ask.row_id(args.id), who=args.who or login(), now=house.clock.now())
    except CoverProblem as problem:
        raise FileProblem(str(problem)) from problem
    print("cancelled")
    return 0


def _cover(
    session: Session,
    house: House,
    args: argparse.Namespace,
    doctor: str,
    by: str,
    span: tuple[datetime, datetime],
    reach: Reach,
) -> Cover:
    who, now = args.who or login(), house.clock.now()
    try:
        return roster_covers.cover(session, doctor, by, reach, *span, who=who, note=args.note, now=now)
    except CoverProblem as problem:
        raise FileProblem(str(problem)) from problem


def _reach(session: Session, house: House, doctor: str, args: argparse.Namespace | None = None) -> Reach:
    """As on the roster, with what the options say instead. A number given alone leaves out the second on file, which
    may be of a telephone the doctor does not have with him. Raises FileProblem."""
    known = roster_covers.known(session, doctor)
    phone = _number(house, args, "phone")
    phone2 = _number(house, args, "phone2")
    if known is None:
        if not phone:
            raise FileProblem("--phone: this doctor is not on the roster, so no number is known. Which one?")
        known = Reach("", "", "", house.settings.hospital.languages[0])
    if phone:
        known = replace(known, phone=phone, phone2="")
    if phone2:
        known = replace(known, phone2=phone2)
    return replace(known, pin=args.pin) if args is not None and args.pin is not None else known


def _number(house: House, args: argparse.Namespace | None, option: str) -> str:
    text = getattr(args, option, None)
    if not text:
        return ""
    try:
        return tables.phone({f"--{option}": text}, f"--{option}", house.settings.twilio_from)
    except RowProblem as problem:
        raise FileProblem(f"{problem}.") from problem


def _told(house: House, made: Cover) -> str:
    zone = house.settings.hospital.timezone
    span = f"{made.starts_at.astimezone(zone):%Y-%m-%d %H:%M} to {made.ends_at.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"{made.id}  {made.by_doctor} covers for {made.doctor}, {span}"


# ---- calendars ----------------------------------------------------------------------------------
def import_calendar(args: argparse.Namespace, joined: Joined) -> int:
    """A report line per event; exit 1 if any was refused."""
    house = house_of(joined)
    reports = roster_calendar.import_calendar(
        house, args.file, house.clock.now(),
        department=args.department, tier=args.tier, replace=args.replace, dry_run=args.dry_run,
    )  # fmt: skip
    rows_out([{"row": r.row, "result": r.result, "detail": r.detail} for r in reports], as_json=args.json)
    refused = sum(report.result == "refused" for report in reports)
    if not args.json:
        print(f"{'nothing kept (dry run), ' if args.dry_run else ''}{refused} refused")
    return 1 if refused else 0


def export_calendar(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        written = roster_calendar.exported(
            session, house.clock.now(), department=args.department, tier=args.tier, doctor=args.doctor
        )
    _write(args.file, written)
    print(f"{args.file}: {written.count(b'BEGIN:VEVENT')} shifts, with numbers and PINs: keep it to yourself")
    return 0


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and for its owner alone. Raises FileProblem."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".roster-")  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError as error:
        raise FileProblem(f"{path}: the file cannot be written: {error.strerror}.") from error
