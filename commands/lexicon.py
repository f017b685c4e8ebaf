"""`carecall qa strict` and `carecall qa rescreen`: how findings are made, and made again."""

from __future__ import annotations

import argparse
from datetime import datetime, time, timedelta

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import rows_out
from core.house import House
from core.tables import FileProblem
from recordings.findings import rescreen
from recordings.findings import strict as periods


def add_arguments(made: argparse.ArgumentParser) -> None:
    """What `strict` and `rescreen` understand besides."""
    made.add_argument("--from", dest="first", metavar="DATE", help="strict: the first day, on the hospital's calendar")
    made.add_argument("--until", metavar="DATE", help="strict: the last day")
    made.add_argument("--reason", default="", help="strict, hand-over, drop: why")
    made.add_argument("--end", metavar="ID", help="strict: end this period now")
    made.add_argument("--since", metavar="TIME", help="rescreen: transcripts made since then, ISO 8601")
    made.add_argument("--who", metavar="LOGIN", default="", help="strict, rescreen, hand-over, drop: who asks for it")


def strict(args: argparse.Namespace, joined: Joined) -> int:
    """With days: sets a period. With --end: ends one. Else lists them."""
    house = house_of(joined)
    now, zone = house.clock.now(), house.settings.hospital.timezone
    try:
        if args.end is not None:
            with house.transaction() as session:
                periods.end(session, ask.row_id(args.end), args.who, now)
            print("ended")
        elif args.first is not None or args.until is not None:
            start, end = _span(house, args)
            with house.transaction() as session:
                periods.begin(session, start, end, args.reason, args.who, now)
            print(f"strict from {args.first} to {args.until}; what is screened already: carecall qa rescreen --since")
        else:
            with house.transaction() as session:
                rows = [
                    {
                        "period": str(row.id),
                        "from": row.starts_at,
                        "until": row.ends_at,
                        "now": "yes" if row.starts_at <= now < row.ends_at else "",
                        "set_by": row.set_by,
                        "ended_by": row.ended_by,
                        "reason": row.reason,
                    }
                    for row in periods.periods(session)
                ]
            rows_out(rows, as_json=args.json, zone=zone)
    except periods.StrictProblem as problem:
        raise FileProblem(str(problem)) from None
    return 0


def again(args: argparse.Namespace, joined: Joined) -> int:
    """With --since: asks for it; a worker does it. Else says how far each is."""
    house = house_of(joined)
    now = house.clock.now()
    if args.since is not None and not args.who.strip():
        raise FileProblem("--who: who asks for it?")
    with house.transaction() as session:
        if args.since is not None:
            rescreen.ask(session, ask.moment(house, "--since", args.since), args.who, now)
        rows = [
            {
                "rescreen": str(row.id)[-8:],
                "since": row.since,
                "asked_at": row.asked_at,
                "asked_by": row.asked_by,
                "seen": row.seen,
                "changed": row.changed,
                "state": "done" if row.done_at is not None else "running",
            }
            for row in rescreen.asked(session)
        ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def _span(house: House, args: argparse.Namespace) -> tuple[datetime, datetime]:
    if args.first is None or args.until is None:
        raise FileProblem("A strict period has both --from and --until.")
    zone = house.settings.hospital.timezone
    start = datetime.combine(ask.day("--from", args.first), time.min, zone)
    return start, datetime.combine(ask.day("--until", args.until) + timedelta(days=1), time.min, zone)
