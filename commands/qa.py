"""`carecall qa draw`: the day's quality sample, drawn or replayed."""

from __future__ import annotations

import argparse
import json
from datetime import date
from typing import TYPE_CHECKING

from commands import qa_room
from commands.admin import house_of
from commands.joined import Joined
from commands.show import table
from core.tables import FileProblem
from recordings import reports, sample

if TYPE_CHECKING:
    from recordings.reports import DrawReport


def run(args: argparse.Namespace, joined: Joined) -> int:
    """The same day and seed print the same sample."""
    if args.what in qa_room.WORDS:
        return qa_room.run(args, joined)
    house = house_of(joined)
    now = house.clock.now()
    day = _day(args.date) if args.date else now.astimezone(house.settings.hospital.timezone).date()
    with house.transaction() as session:
        report = reports.draw_report(session, sample.draw_day(session, day, args.seed, now))
    if args.json:
        print(json.dumps(reports.as_json(report), ensure_ascii=False, indent=1))
        return 0
    for line in lines(report):
        print(line)
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FileProblem(f"--date: {text!r} is not a date such as 2026-11-20.") from None


def lines(report: DrawReport) -> list[str]:
    """The sample as a listener would read it: each recording with its transcript and the hits in it."""
    said = [f"QA sample of {report.day}: {len(report.picked)} of {report.candidates} recordings, seed {report.seed}"]
    if report.whole_day:
        said.append(f"  fewer recordings than the sample of {report.size}: all are drawn")
    if report.picked:
        said += table(
            [
                {
                    "no": pick.position,
                    "recording": str(pick.recording.id)[-8:],
                    "call": pick.recording.call_kind,
                    "purpose": pick.recording.purpose,
                    "seconds": pick.recording.seconds,
                    "state": pick.recording.state,
                    "part": pick.part,
                    "why": pick.why,
                }
                for pick in report.picked
            ]
        )
    for pick in report.picked:
        said.append(
            f"  {pick.position}. {pick.recording.state}{': ' + pick.recording.reason if pick.recording.reason else ''}"
        )
        said += [f"     {line.start_s:6.1f}s {line.speaker:>7}: {line.text}" for line in pick.transcript]
        said += [
            f'     ! {hit.category}: "{hit.phrase}" ({hit.speaker}, {hit.start_s:.1f}s, severity {hit.severity})'
            for hit in pick.findings
        ]
    return said
