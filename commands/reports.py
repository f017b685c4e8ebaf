"""Lists with states, reasons and clocks."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import rows_out
from core.house import House
from recordings import reports as recording_reports
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
    rows_out([asdict(line) for line in lines], as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def _patient(session: Session, args: argparse.Namespace) -> uuid.UUID | None:
    return None if args.patient is None else ask.patient(session, args.patient).id


def _since(house: House, args: argparse.Namespace) -> datetime | None:
    return None if args.since is None else ask.moment(house, "--since", args.since)
