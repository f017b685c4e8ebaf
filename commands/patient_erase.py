"""An erasure (PIPL 47): what goes, what stays and why, by the rules of commands/patient_held.py. Idempotent.

    planned calls, reminders, messages        cancelled by their own writers
    consents                                  withdrawn, as new lines: a later import does not ring anybody
    names, numbers, words                     emptied wherever the row has to stay
    medical record                            what was found, till the law's time is over, without names and numbers,
                                              in the words about it, too; then emptied
    recordings, chats                         ordinary ones purged now; held, complaint, escalation, record when due
    complaints                                words kept, with the patient masked, for three years from opening
    an open ticket, open work                 first dealt with: stays as it is, and says so

The record number stays as long as a medical part does: it is the link to the chart the hospital has to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from commands.patient_held import BLANK, GOES, HELD, RECORD, Found, Held, PatientProblem, table_of
from core import erased, people
from core.db import blind
from core.models import Consent, Contact, Patient, Procedure, new_id, record
from desk.models import IN_LINE, QueueEntry, Ticket
from dialer import sms
from dialer.models import ALARM_OPEN, ATTEMPT_LIVES, CALL_LIVES, Attempt, Call, Escalation
from recordings.chat_models import Chat
from recordings.models import Recording
from recordings.privacy import redact
from recordings.review_models import QaNote, Veto
from recordings.sampling import chats
from recordings.vault import retention
from recordings.vault.retention import HoldProblem
from scheduler import reminders, store
from scheduler.models import Appointment, Reminder

INPATIENT_Y: Final = 30
OUTPATIENT_Y: Final = 15
COMPLAINT_Y: Final = 3
"""docs/clinical.md section 3, Recording and [36]."""
WHY: Final = "erasure"
GONE: Final = "erased"
"""Stands for a record number nobody may be known by any more."""


@dataclass(frozen=True)
class Line:
    """One line of the report: of a table, so many rows, what becomes of them, by which rule."""

    table: str
    rows: int
    what: str
    rule: str


def erase(
    session: Session,
    found: Found,
    who: str,
    now: datetime,
    *,
    do_not_call: bool = False,
    years: tuple[int, int] = (INPATIENT_Y, OUTPATIENT_Y),
) -> list[Line]:
    """Do it in this transaction (a dry run rolls it back). Sound whose time ended here
    is deleted after the commit, by `retention.purge`. Raises PatientProblem."""
    _refuse_live(session, found)
    until = record_until(session, found, years)
    over = until is None or until <= now
    known = known_of(session, found)  # while it is on file
    report = _cancel(session, found, who, now)
    if do_not_call:
        report.append(_leave_alone(session, found, who, now))
    report += _recordings(session, found, who, now)
    report += _chats(session, found, who, now)
    report += _tickets(session, found, known, now)
    report += _veto_notes(session, found, now)
    for held in HELD:
        if held.on_erase == GOES:
            report.append(Line(held.table, _delete(session, found, held), "deleted", held.rule))
        elif held.on_erase == BLANK or (held.on_erase == RECORD and over):
            report.append(Line(held.table, _blank(session, found, held), "emptied", held.rule))
        elif held.on_erase == RECORD:
            report.append(_keep_record(session, found, held, known, until))
        elif held.on_erase == "stays":
            report.append(Line(held.table, len(found.ids.get(held.table, ())), "stays", held.rule))
    _remember(session, found, now)
    report.append(_person(session, found, over=over, until=until))
    counts = {line.table: line.rows for line in report if line.what in ("deleted", "emptied")}
    record(session, "patient", found.patient.id, "erased", now, who=who, why=WHY, data=counts)
    return [line for line in report if line.rows]


def _refuse_live(session: Session, found: Found) -> None:
    live = sa.or_(
        sa.exists().where(Attempt.id.in_(found.ids["attempts"]), ATTEMPT_LIVES),
        sa.exists().where(Call.id.in_(found.ids["calls"]), CALL_LIVES),
        sa.exists().where(QueueEntry.id.in_(found.ids["queue_entries"]), QueueEntry.status.in_(IN_LINE)),
    )
    if session.scalar(sa.select(live)):
        raise PatientProblem("The patient is on the telephone or being rung: try again in a few minutes.")
    if session.scalar(sa.select(sa.exists().where(Escalation.id.in_(found.ids["escalations"]), ALARM_OPEN))):
        raise PatientProblem("The patient waits for a doctor: erase when that is closed (PIPL 13).")


def record_until(session: Session, found: Found, years: tuple[int, int]) -> datetime | None:
    """Till when the law keeps the medical part: 30 years from discharge, 15 from the last visit. None: none is."""
    mine = found.ids["patient"]
    discharged = session.scalar(
        sa.select(sa.func.max(sa.func.coalesce(Procedure.discharged_at, Procedure.ended_at))).where(
            Procedure.patient_id.in_(mine)
        )
    )
    visited = session.scalar(sa.select(sa.func.max(Appointment.starts_at)).where(Appointment.patient_id.in_(mine)))
    asked = session.scalar(sa.select(sa.func.max(Call.started_at)).where(Call.patient_id.in_(mine)))
    ends = [
        _later(start, span) for start, span in ((discharged, years[0]), (visited, years[1]), (asked, years[1])) if start
    ]
    return max(ends, default=None)


def _later(start: datetime, years: int) -> datetime:
    try:
        return start.replace(year=start.year + years)
    except ValueError:  # the 29th of February
        return start.replace(year=start.year + years, day=28)


# ---- what is still to come -------------------------------------------------------------------------------


def _cancel(session: Session, found: Found, who: str, now: datetime) -> list[Line]:
    """Waves, reminders, messages: by whoever writes their states."""
    waves = sum(store.cancel(session, one, WHY, now) for one in sorted(found.ids["procedures"]))
    told = 0
    waiting = sa.select(Reminder).where(Reminder.id.in_(found.ids["reminders"])).order_by(Reminder.id)
    for row in session.scalars(waiting.with_for_update()):
        told += reminders.move(session, row, "cancelled", now, why=WHY)
    messages = sms.cancel_of(session, sorted(found.ids["messages"]), WHY, now)
    for patient_id in sorted(found.ids["patient"]):
        for purpose in session.scalars(
            sa.select(Consent.purpose).where(Consent.patient_id == patient_id).distinct().order_by(Consent.purpose)
        ).all():
            people.set_consent(session, patient_id, purpose, False, "staff", now, channel="desk")
    return [
        Line("followups", waves, "cancelled", "nobody is rung any more"),
        Line("reminders", told, "cancelled", "nobody is rung any more"),
        Line("messages", messages, "cancelled", "nothing is sent any more"),
    ]


def _leave_alone(session: Session, found: Found, who: str, now: datetime) -> Line:
    numbers = session.scalars(
        sa.select(Contact).where(Contact.patient_id.in_(found.ids["patient"]), Contact.relation == people.SELF)
    )
    count = sum(people.add_do_not_call(session, row.phone, f"staff: {who}", now) for row in numbers)
    return Line("do_not_call", count, "added", "asked for")


# ---- recordings and tickets ------------------------------------------------------------------------------


def _recordings(session: Session, found: Found, who: str, now: datetime) -> list[Line]:
    """The time of ordinary ones ends; what law or a hold keeps says which."""
    ended = 0
    kept: dict[str, int] = {}
    for recording_id in sorted(found.ids["recordings"]):
        row = session.get_one(Recording, recording_id)
        if row.state in ("purged", "absent"):
            continue
        if row.keep_class != "ordinary" and row.keep_until > now:
            why = f"class {row.keep_class}, till {row.keep_until:%Y-%m-%d}"
            kept[why] = kept.get(why, 0) + 1
            continue
        try:
            retention.end_now(session, recording_id, who, WHY, now)
            ended += 1
        except HoldProblem:
            kept["legal hold"] = kept.get("legal hold", 0) + 1
    return [
        Line("recordings", ended, "deleted", "PIPL 47; sound and words"),
        *(Line("recordings", count, "stays", why) for why, count in sorted(kept.items())),
    ]


def _chats(session: Session, found: Found, who: str, now: datetime) -> list[Line]:
    """As recordings: what is ordinary is emptied now, a complaint or an escalation stays till its time is over."""
    over: list[Chat] = []
    kept: dict[str, int] = {}
    mine = sa.select(Chat).where(Chat.id.in_(found.ids["chats"]), Chat.purged_at.is_(None)).order_by(Chat.id)
    for row in session.scalars(mine.with_for_update()):
        if row.keep_class != "ordinary" and row.keep_until > now:
            why = f"class {row.keep_class}, till {row.keep_until:%Y-%m-%d}"
            kept[why] = kept.get(why, 0) + 1
            continue
        if retention.is_held(session, row.id):
            kept["legal hold"] = kept.get("legal hold", 0) + 1
            continue
        row.keep_until = min(row.keep_until, now)
        record(session, "chat", row.id, "time ended", now, who=who, why=WHY)
        over.append(row)
    return [
        Line("chats", chats.purge(session, over, now), "deleted", "PIPL 47; the words"),
        *(Line("chats", count, "stays", why) for why, count in sorted(kept.items())),
    ]


def _tickets(session: Session, found: Found, known: redact.Known, now: datetime) -> list[Line]:
    """Closed ones without their number and words; a complaint's words, the patient masked in them, for three years."""
    emptied = masked = waiting = 0
    for ticket_id in sorted(found.ids["tickets"]):
        row = session.get_one(Ticket, ticket_id, with_for_update=True)
        if row.status != "confirmed":
            waiting += 1
            continue
        complaint = row.kind.startswith("complaint") and _later(row.opened_at, COMPLAINT_Y) > now
        had = bool(row.contact)
        row.contact, row.contact_index = "", None
        for column in ("words", "solution", "compensation"):
            if text := getattr(row, column):
                setattr(row, column, redact.masked(text, row.language, known) if complaint else "")
                had = True
        masked += complaint
        emptied += had and not complaint
    session.flush()
    return [
        Line("tickets", emptied, "emptied", "PIPL 47"),
        Line("tickets", masked, "stays", "complaint: 3 years, the patient masked (docs/clinical.md section 3)"),
        Line("tickets", waiting, "stays", "open: close it, then erase again"),
    ]


def _veto_notes(session: Session, found: Found, now: datetime) -> list[Line]:
    """What staff wrote of a complaint nobody recorded, like the complaint's own. The rest goes with its recording."""
    known, masked, gone = known_of(session, found), 0, 0
    rows = session.execute(
        sa.select(QaNote, Veto.at)
        .join(Veto, Veto.id == QaNote.veto_id)
        .where(Veto.id.in_(found.ids["vetoes"]), QaNote.recording_id.is_(None))
        .order_by(QaNote.id)
    )
    for note, at in rows.all():
        if _later(at, COMPLAINT_Y) > now:
            note.text, masked = redact.masked(note.text, "zh-CN", known), masked + 1
        else:
            session.delete(note)
            gone += 1
    session.flush()
    return [
        Line("qa_notes", gone, "deleted", "PIPL 47"),
        Line("qa_notes", masked, "stays", "complaint: 3 years, the patient masked (docs/clinical.md section 3)"),
    ]


def known_of(session: Session, found: Found) -> redact.Known:
    """What is on file of the patient, to be masked in texts that stay."""
    records = session.scalars(sa.select(Patient).where(Patient.id.in_(found.ids["patient"]))).all()
    numbers = session.scalars(sa.select(Contact).where(Contact.patient_id.in_(found.ids["patient"]))).all()
    return redact.Known(
        names=frozenset(row.name for row in records if row.name),
        phones=frozenset(row.phone for row in numbers),
        ids=frozenset(row.mrn for row in records),
        births=frozenset(row.birth_date for row in records if row.birth_date),
    )


# ---- rows ------------------------------------------------------------------------------------------------


def _delete(session: Session, found: Found, held: Held) -> int:
    table = table_of(held.table)
    (key,) = table.primary_key
    return int(session.execute(sa.delete(table).where(key.in_(found.ids[held.table]))).rowcount)  # type: ignore[attr-defined]


def _blank(session: Session, found: Found, held: Held, columns: tuple[str, ...] | None = None) -> int:
    """Empty the columns that have something, and make the look-up beside them nobody's. Open work is left as it is.
    Returns how many rows had something."""
    table = table_of(held.table)
    (key,) = table.primary_key
    wanted = held.blank if columns is None else columns
    count = 0
    rows = session.execute(sa.select(table).where(key.in_(found.ids[held.table])).with_for_update()).mappings().all()
    for row in rows:
        values = {name: _empty(table.c[name]) for name in wanted if not _is_empty(row[name])}
        if not values or (held.table == "work_items" and row["status"] == "open"):
            continue
        if "external_id" in values:
            values["external_id"] = f"{GONE} {row[key.name]}"
        values |= {index: _nobodys(table.c[index]) for name in values if (index := f"{name}_index") in table.c}
        session.execute(sa.update(table).where(key == row[key.name]).values(values))
        count += 1
    session.expire_all()
    return count


def _is_empty(value: Any) -> bool:
    return value in (None, "", {}, []) or str(value).startswith(GONE)


def _empty(column: sa.Column[Any]) -> Any:
    if column.nullable:
        return None
    return {} if getattr(column.type, "as_json", False) else ""


def _nobodys(index: sa.Column[Any]) -> bytes | None:
    return None if index.nullable else blind(str(new_id()), "erased")


NUMBERS: Final = ("to",)
"""Of a row of the medical record these go at once: numbers."""


def _keep_record(session: Session, found: Found, held: Held, known: redact.Known, until: datetime | None) -> Line:
    """What the law keeps is what was found: score, key, operation, when, and the words about it. It keeps no name in
    them, as the chart has that, by the record number; so the patient is masked in the words, in those of open work as
    well: later nobody would know any more what to mask."""
    _blank(session, found, held, tuple(name for name in held.blank if name in NUMBERS))
    _mask(session, found, held, known)
    till = f"{held.rule}; till {until:%Y-%m-%d}" if until else held.rule
    return Line(held.table, len(found.ids[held.table]), "stays", till)


def _remember(session: Session, found: Found, now: datetime) -> None:
    """That no file brings any of the patient's record numbers back; by hash alone (core.erased)."""
    rows = session.scalars(sa.select(Patient).where(Patient.id.in_(found.ids["patient"]))).all()
    erased.remember(session, {bytes(row.mrn_index) for row in rows if row.mrn != GONE}, now)


def _mask(session: Session, found: Found, held: Held, known: redact.Known) -> None:
    table = table_of(held.table)
    (key,) = table.primary_key
    columns = [table.c[name] for name in held.words]
    if not columns:
        return
    for row in session.execute(sa.select(key, *columns).where(key.in_(found.ids[held.table])).with_for_update()):
        told = {name: row._mapping[name] for name in held.words if row._mapping[name]}
        masked = {name: redact.masked(text, found.patient.language, known) for name, text in told.items()}
        if masked != told:
            session.execute(sa.update(table).where(key == row[0]).values(masked))
    session.expire_all()


def _person(session: Session, found: Found, *, over: bool, until: datetime | None) -> Line:
    """No name, no birth date, no allergies; the record number while a medical part stays."""
    emptied = 0
    for row in session.scalars(sa.select(Patient).where(Patient.id.in_(found.ids["patient"])).with_for_update()):
        emptied += bool(row.name or row.birth_date or row.allergies)
        row.name, row.birth_date, row.allergies, row.sex = "", None, "", ""
        if over and row.mrn != GONE:
            row.mrn, row.mrn_index = GONE, blind(str(row.id), "erased")
            emptied += 1
    session.flush()
    rule = "PIPL 47" if over or until is None else f"PIPL 47; the record number stays till {until:%Y-%m-%d} (chart)"
    return Line("patients", emptied, "emptied", rule)
