"""`carecall qa draw`: the day's quality sample, drawn or replayed."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from commands import lexicon, qa_lead, qa_room
from commands.admin import house_of
from commands.joined import Joined
from commands.show import table
from core.tables import FileProblem
from recordings import reports
from recordings.sampling import draw_words, sample
from recordings.sampling.chat_reports import ChatHit

if TYPE_CHECKING:
    from recordings.reports import DrawReport, Hit

LANGUAGE = "en"
"""Of the command line, as of all its reports."""


def run(args: argparse.Namespace, joined: Joined) -> int:
    """The same day and seed print the same sample. Without a seed: the day's draw, made now if there is none."""
    if args.what in qa_room.WORDS:
        return qa_room.run(args, joined)
    if args.what in qa_lead.WORDS:
        return qa_lead.run(args, joined)
    if args.what != "draw":
        return (lexicon.strict if args.what == "strict" else lexicon.again)(args, joined)
    house = house_of(joined)
    now = house.clock.now()
    today = now.astimezone(house.settings.hospital.timezone).date()
    day = _day(args.date) if args.date else today - timedelta(days=1)
    with house.transaction() as session:
        try:
            row = sample.draw_day(session, day, args.seed, now, "chats" if args.chats else "calls")
        except sample.DayNotOver as problem:
            raise FileProblem(f"--date: {problem}") from None
        report = reports.draw_report(session, row)
    if args.json:
        print(json.dumps(asdict(report), ensure_ascii=False, indent=1, default=_plain))
        return 0
    for line in lines(report):
        print(line)
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FileProblem(f"--date: {text!r} is not a date such as 2026-11-20.") from None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def lines(report: DrawReport) -> list[str]:
    """The sample as a listener would read it: each conversation, why it was drawn, what was said, what was found."""
    what = "recordings" if report.kind == "calls" else "chats"
    said = [f"QA sample of {report.day}: {len(report.picked)} of {report.candidates} {what}, seed {report.seed}"]
    if report.whole_day:
        said.append(f"  fewer {what} than the sample of {report.size}: all are drawn")
    said += [f"  {line}" for line in draw_words.left_out(report.left_out, LANGUAGE)]
    if report.strata:
        said += table([{"stratum": name, "of the day": of, "at random": drawn} for name, of, drawn in report.strata])
    if report.picked:
        said += table([_row(pick) for pick in report.picked])
    for pick in report.picked:
        said += _one(pick)
    return said


def _row(pick: Any) -> dict[str, object]:
    told: dict[str, object] = {"no": pick.position}
    if hasattr(pick, "recording"):
        told |= {
            "recording": str(pick.recording.id)[-8:],
            "call": pick.recording.call_kind,
            "purpose": pick.recording.purpose,
            "seconds": pick.recording.seconds,
            "state": pick.recording.state,
        }
    else:
        told |= {
            "chat": str(pick.chat.id)[-8:],
            "channel": pick.chat.channel,
            "reason": pick.chat.reason,
            "lines": pick.chat.lines,
        }
    return told | {"part": draw_words.part(pick.part, LANGUAGE), "why": draw_words.why(pick.why, LANGUAGE)}


def _one(pick: Any) -> list[str]:
    if hasattr(pick, "recording"):
        state, reason = pick.recording.state, pick.recording.reason
        said = [f"  {pick.position}. {state}{': ' + reason if reason else ''}"]
    else:
        said = [f"  {pick.position}. {'purged' if pick.chat.purged_at else pick.chat.channel}"]
    said += [f"     {line.start_s:6.1f}s {line.speaker:>7}: {line.text}" for line in pick.transcript]
    said += [
        f'     ! {hit.category}: "{hit.phrase}" ({hit.speaker}, {_mark_s(hit):.1f}s, severity {hit.severity}'
        f"{', ' + hit.note if hit.note else ''})"
        for hit in pick.findings
    ]
    return said


def _mark_s(hit: Hit | ChatHit) -> float:
    """Where to listen: at the word where words have times. What is written has the time of its line."""
    return hit.start_s if isinstance(hit, ChatHit) else hit.mark_s
