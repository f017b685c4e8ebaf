"""Commands of the ward: the worklist, what the nightly look finds, answers put right, two records made one."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands import ask, forecast, handover, patient, plan
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from console import words
from core.models import Patient, record
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES
from ivr import corrections
from ivr.models import Answer
from scheduler import reconcile as nightly
from scheduler import worklist as work
from scheduler.merge import MergeProblem, merge
from scheduler.models import WorkItem

Command = Callable[[argparse.Namespace, Joined], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]
SHORT = 8
"""Characters of an item's id that are shown; enough to tell a ward's open items apart."""


def add_commands(add: Add) -> None:
    """The words of this file; `add` is commands.cli's."""
    listed = add("worklist", worklist, "What nurses have to do, the urgent first.")
    listed.add_argument("--all", action="store_true", help="also what is done")
    listed.add_argument("--patient", metavar="MRN")
    listed.add_argument("--language", choices=KNOWN_LANGUAGES, help="default: the hospital's first")
    listed.add_argument("--json", action="store_true")
    close = _words(listed).add_parser("done", help="close an item")
    close.set_defaults(command=worklist_done)
    close.add_argument("id", help="as listed")
    close.add_argument("--note", required=True, help="what came of it")

    look = add("reconcile", reconcile, "What nobody would ever ring; nothing is changed. Exit 1 if there is any.")
    look.add_argument("--json", action="store_true")

    answers = add("answers", answers_list, "What a patient has answered; put it right.")
    answers.add_argument("--patient", metavar="MRN")
    answers.add_argument("--json", action="store_true")
    words = _words(answers)
    correct = words.add_parser("correct", help="another value for one answer; the first one stays on file")
    correct.set_defaults(command=answers_correct)
    correct.add_argument("id")
    correct.add_argument("--value", required=True)
    correct.add_argument("--reason", required=True)
    reassign = words.add_parser("reassign", help="the answers of a call were another patient's")
    reassign.set_defaults(command=answers_reassign)
    reassign.add_argument("call", metavar="CALL_ID")
    reassign.add_argument("--patient", metavar="MRN", required=True, help="who gave them")
    reassign.add_argument("--reason", required=True)

    person = add("patient", _nothing, "Patients' records.")
    records = _words(person, required=True)
    join = records.add_parser("merge", help="two records of one person become one")
    join.set_defaults(command=patient_merge)
    join.add_argument("old", metavar="OLD", help="the record number that goes")
    join.add_argument("new", metavar="NEW", help="the record number that stays")
    join.add_argument("--reason", required=True)
    patient.add_commands(records)

    forecast.add_commands(add)
    handover.add_commands(add)
    plan.add_commands(add)


def _words(
    parser: argparse.ArgumentParser, *, required: bool = False
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return parser.add_subparsers(required=required, metavar="what" if required else "[what]")


def _nothing(args: argparse.Namespace, joined: Joined) -> int:
    raise AssertionError("a word after `patient` is required")


# ---- the worklist -------------------------------------------------------------------------------
def worklist(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now, zone = house.clock.now(), house.settings.hospital.timezone
    with house.transaction() as session:
        patient_id = ask.patient(session, args.patient).id if args.patient else None
        items = work.open_items(session, now, patient_id=patient_id, everything=args.all)
    if args.json:
        rows_out([_as_row(item, zone) for item in items], as_json=True)
        return 0
    language = args.language or house.settings.hospital.languages[0]
    for item in items:
        for line in _item_lines(item, language, zone):
            print(line)
    late = sum(item.late for item in items)
    print(f"{sum(item.status == 'open' for item in items)} open, {late} late")
    return 0


def _as_row(item: work.Item, zone: ZoneInfo) -> dict[str, Any]:
    row = asdict(item) | {"says": dict(_kind(item).words)}
    for name in ("due_at", "created_at", "closed_at"):
        row[name] = row[name].astimezone(zone) if row[name] else None
    row["history"] = [one | {"at": one["at"].astimezone(zone).isoformat()} for one in row["history"]]
    return row


def _kind(item: work.Item) -> work.Kind:
    return work.KINDS.get(item.kind, work.KINDS["other"])


def _item_lines(item: work.Item, language: str, zone: ZoneInfo) -> list[str]:
    due = "done" if item.status == "done" else f"due {_wall(item.due_at, zone)}"
    marks = [mark for mark, on in (("LATE", item.late), ("URGENT", item.urgent and item.status == "open")) if on]
    about = " ".join(part for part in (item.mrn, item.wave) if part)
    again = f", asked for {item.times} times" if item.times > 1 else ""
    lines = [
        "  ".join([str(item.id)[-SHORT:], due, *marks, about, _kind(item).words[language]]),
        f"    {item.kind}: {_why(item.why, language)}{again}",
    ]
    lines += [
        f"    {_wall(one.at, zone)} {_number(one)}{one.outcome}{f' x{one.times}' if one.times > 1 else ''}"
        for one in item.history
    ]
    if item.status == "done" and item.closed_at is not None:
        lines.append(f"    {_wall(item.closed_at, zone)} {item.closed_by}: {item.note or ''}")
    return lines


def _why(stored: str, language: str) -> str:
    return words.reason(language, "work", stored)


def _number(one: work.Try) -> str:
    if one.what == "refused":
        return "not rung: "
    return f"number {one.number}: " if one.number is not None else "a number no longer on file: "


def _wall(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def worklist_done(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        try:
            work.done(session, _item_id(session, args.id), login(), args.note, house.clock.now())
        except work.WorkProblem as problem:
            raise FileProblem(str(problem)) from problem
    print("done")
    return 0


def _item_id(session: Session, text: str) -> uuid.UUID:
    """A whole id, or the end that is listed, if only one open item ends so. (Ids made in one minute begin alike.)"""
    if len(text) < SHORT or set(text.lower()) - set("0123456789abcdef-"):
        raise FileProblem(f"{text!r} is not an id: take it from the list.")
    if len(text) == 36:
        return ask.row_id(text)
    ends = sa.cast(WorkItem.id, sa.String).endswith(text.lower())
    found = session.scalars(sa.select(WorkItem.id).where(WorkItem.status == "open", ends)).all()
    if len(found) != 1:
        raise FileProblem(f"{len(found)} open items have an id that ends so.")
    return found[0]


# ---- the nightly look ---------------------------------------------------------------------------
def reconcile(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        found = nightly.findings(session, house.clock.now())
        mrns = _mrns(session, {finding.patient_id for finding in found})
    rows_out(
        [
            {"found": one.kind, "mrn": mrns[one.patient_id], "subject": str(one.subject_id), "why": one.why}
            for one in found
        ],
        as_json=args.json,
    )
    return 1 if found else 0


def _mrns(session: Session, ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    rows = session.execute(sa.select(Patient.id, Patient.mrn).where(Patient.id.in_(ids)))
    return {row.id: row.mrn for row in rows}


# ---- answers ------------------------------------------------------------------------------------
def answers_list(args: argparse.Namespace, joined: Joined) -> int:
    if args.patient is None:
        raise FileProblem("--patient: whose answers?")
    house = house_of(joined)
    zone = house.settings.hospital.timezone
    now = house.clock.now()
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        rows = session.scalars(
            sa.select(Answer)
            .where(Answer.patient_id == who.id)
            .order_by(Answer.keyed_at, Answer.replaced_at.nulls_last(), Answer.id)
        ).all()
        record(session, "patient", who.id, "answers read", now, who=login())
    rows_out([_answer_row(row, rows, zone) for row in rows], as_json=args.json)
    return 0


def _answer_row(row: Answer, rows: Sequence[Answer], zone: ZoneInfo) -> dict[str, Any]:
    state = "replaced" if row.replaced_at else "corrected" if row.corrects_id else ""
    return {
        "id": str(row.id),
        "call": str(row.call_id),
        "question": row.question,
        "value": row.value,
        "level": row.level,
        "respondent": row.respondent,
        "at": row.keyed_at.astimezone(zone),
        "state": state,
        "by": row.corrected_by,
        "reason": row.correction or "",
    }


def answers_correct(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        try:
            new = corrections.correct(session, ask.row_id(args.id), args.value, args.reason, login(), house.clock.now())
        except corrections.CorrectionProblem as problem:
            raise FileProblem(str(problem)) from problem
    print(f"corrected; the new answer is {new.id}")
    return 0


def answers_reassign(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        try:
            moved = corrections.reassign(
                session, ask.row_id(args.call), args.patient, args.reason, login(), house.clock.now()
            )
        except corrections.CorrectionProblem as problem:
            raise FileProblem(str(problem)) from problem
    print(f"{moved} answers moved; the worklist says what is to be done")
    return 0


# ---- records ------------------------------------------------------------------------------------
def patient_merge(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        try:
            moved = merge(session, args.old, args.new, args.reason, login(), house.clock.now())
        except MergeProblem as problem:
            raise FileProblem(str(problem)) from problem
    print("merged: " + ", ".join(f"{count} {name}" for name, count in moved.items() if count))
    return 0
