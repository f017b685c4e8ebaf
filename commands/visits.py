"""Commands of the clinic: doctors' sessions with their free slots, and the visits ahead."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import rows_out
from scheduler import sessions

Command = Callable[[argparse.Namespace, Joined], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """The words of this file; `add` is commands.cli's."""
    clinics = add("sessions", clinic_sessions, "Doctors' sessions ahead, with free and taken slots.")
    clinics.add_argument("--department")
    clinics.add_argument("--json", action="store_true")
    listed = add("visits", visits, "Visits ahead: booked by telephone or brought in.")
    listed.add_argument("--patient", metavar="MRN")
    listed.add_argument("--json", action="store_true")


def clinic_sessions(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        rows = sessions.rows(session, house.clock.now(), args.department)
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0


def visits(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        patient_id = None if args.patient is None else ask.patient(session, args.patient).id
        rows = sessions.visit_rows(session, house.clock.now(), patient_id)
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    return 0
