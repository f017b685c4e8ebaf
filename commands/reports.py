"""Lists with states, reasons and clocks."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import rows_out
from core.house import House
from recordings import reports as recording_reports
from recordings.speech import progress as speech_progress
from scheduler import reports as followup_reports


def followups(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = followup_reports.followups(session, _patient(session, args), _since(house, args))
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def reminders(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = followup_reports.reminders(session, _patient(session, args), _since(house, args))
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def recordings(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        lines = recording_reports.recordings(session, mrn=args.patient, since=_since(house, args))
    rows = [asdict(line) for line in lines]
    if not args.json:
        rows = [{**row, "talk_share": _shares(row["talk_share"])} for row in rows]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def _shares(shares: Mapping[str, float] | None) -> str:
    return ", ".join(f"{speaker} {share:.0%}" for speaker, share in (shares or {}).items())


def progress(args: argparse.Namespace, joined: Joined) -> int:
    """How far the transcribing is, on all machines."""
    house = house_of(joined)
    zone, now = house.settings.hospital.timezone, house.clock.now()
    with house.transaction() as session:
        found = speech_progress.progress(session, now, zone)
    totals = {key: value for key, value in asdict(found).items() if key != "under_way"}
    if args.json:
        at_it = [{**asdict(one), "since": one.since.astimezone(zone)} for one in found.under_way]
        rows_out([{**totals, "under_way": at_it}], as_json=True, zone=zone)
        return 0
    minutes = {key: round(totals[f"{key}_s"] / 60) for key in ("waiting", "done_today")}
    print(f"waiting        {found.waiting} ({minutes['waiting']} min of sound)")
    print(f"without model  {found.without_model}")
    print(f"done today     {found.done_today} ({minutes['done_today']} min of sound)")
    print(f"speed          {f'{found.speed:.1f} s of sound a second and child' if found.speed else 'not known yet'}")
    end = found.expected_end
    print(f"expected end   {f'{end.astimezone(zone):%Y-%m-%d %H:%M}' if end else '-'}")
    print("under way:")
    rows_out([asdict(one) for one in found.under_way], as_json=False, zone=zone)
    return 0


def _patient(session: Session, args: argparse.Namespace) -> uuid.UUID | None:
    return None if args.patient is None else ask.patient(session, args.patient).id


def _since(house: House, args: argparse.Namespace) -> datetime | None:
    return None if args.since is None else ask.moment(house, "--since", args.since)
