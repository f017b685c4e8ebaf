"""The roster as an iCalendar file, in and out: each event is a shift, its SUMMARY the doctor.

How a doctor is reached comes from the roster on file, by name, or from the event's X-CARECALL-PHONE, -PHONE2, -PIN and
-LANGUAGE; X-CARECALL-DEPARTMENT and -TIER go before the department and tier of the whole file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from icalendar import Calendar, Event, vDatetime, vText
from sqlalchemy.orm import Session

from core import tables
from core.db import blind
from core.house import House, settings_of
from core.models import new_id, record
from core.tables import FileProblem, RowProblem, RowReport
from core.values import KNOWN_LANGUAGES
from dialer import roster_covers
from dialer.models import Attempt, Shift
from dialer.roster_covers import Reach
from dialer.roster_events import Occasion, doctor, occasions, refuse_broken
from dialer.roster_import import refuse_tier

AHEAD = timedelta(days=400)
"""A rule without an end is followed so far; importing the file again follows it further."""
MOST_EVENTS = 20_000
EXTRA = "X-CARECALL-"
LAST_WORD = "END:VCALENDAR"

Key = tuple[str, str, bytes, datetime]
"""What makes a shift the same one: department, tier, doctor, beginning (as in the table)."""


@dataclass
class _Import:
    """One run: what the file is told beside itself, and what has been seen."""

    department: str
    tier: str
    now: datetime
    until: datetime
    known: dict[str, Reach | None] = field(default_factory=dict)
    """How doctors were reached before this file."""
    seen: set[Key] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)


def import_calendar(
    house: House,
    path: Path,
    now: datetime,
    *,
    department: str = "",
    tier: str = "",
    replace: bool = False,
    dry_run: bool = False,
) -> list[RowReport]:
    """A report per event, numbered from 1, then one per shift on file that the calendar does not have (deleted, with
    `replace`). Raises FileProblem."""
    events = read(path)
    if tier:
        try:
            refuse_tier(tier)
        except RowProblem as problem:
            raise FileProblem(f"--tier: {problem}.") from problem
    run = _Import(department, tier, now, now + AHEAD)
    if department and tier:
        run.touched.add((department, tier))
    reports = []
    with house.transaction() as session:
        for number, group in events:
            reports.append(_tried(session, run, number, group))
        refused = any(report.result == "refused" for report in reports)
        reports += _gone(session, run, replace and not refused)
        if refused and replace:
            reports.append(RowReport("roster", "unchanged", "nothing was deleted, because events were refused"))
        if dry_run:
            session.rollback()
    return reports


def read(path: Path) -> list[tuple[int, list[Event]]]:
    """The events by UID, each group under the number of its first event in the file. Raises FileProblem."""
    data = tables.content(path)
    try:
        text = data.decode("utf-8-sig")
        # The library takes what is cut off for whole, and a shift that is missing is a night without a doctor.
        whole = text.rstrip().upper().endswith(LAST_WORD)
        found = Calendar.from_ical(text, multiple=True) if whole else []
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise FileProblem(f"{path}: this is not a readable iCalendar file.") from error
    calendars = [component for component in found if component.name == "VCALENDAR"]
    if not calendars:
        raise FileProblem(f"{path}: this is no whole iCalendar file: it must end with {LAST_WORD}.")
    events = [event for calendar in calendars for event in calendar.walk("VEVENT") if isinstance(event, Event)]
    if len(events) > MOST_EVENTS:
        raise FileProblem(f"{path}: the calendar has more than {MOST_EVENTS} events; split it.")
    groups: dict[str, tuple[int, list[Event]]] = {}
    for number, event in enumerate(events, start=1):
        uid = str(event.get("UID", "")) or f"\x00{number}"
        groups.setdefault(uid, (number, []))[1].append(event)
    return list(groups.values())


# ---- one event ----------------------------------------------------------------------------------
def _tried(session: Session, run: _Import, number: int, group: list[Event]) -> RowReport:
    seen, touched = set(run.seen), set(run.touched)
    try:
        with session.begin_nested():
            return _event(session, run, number, group)
    except RowProblem as problem:
        run.seen, run.touched = seen, touched
        return RowReport(number, "refused", str(problem))


def _event(session: Session, run: _Import, number: int, group: list[Event]) -> RowReport:
    for event in group:
        refuse_broken(event)
    masters = [event for event in group if "RECURRENCE-ID" not in event]
    if len(masters) > 1:
        raise RowProblem("two events have the same UID")
    exceptions = [event for event in group if "RECURRENCE-ID" in event]
    zone = settings_of(session).hospital.timezone
    found = occasions(masters[0] if masters else None, exceptions, zone, run.now, run.until)
    results = [_shift(session, run, number, one) for one in found]
    counts = {result: results.count(result) for result in ("created", "updated", "unchanged") if result in results}
    if not counts:
        return RowReport(number, "unchanged", "no shift from now on")
    detail = ", ".join(f"{count} {result}" for result, count in counts.items()) if len(results) > 1 else ""
    return RowReport(number, next(iter(counts)), detail)


def _shift(session: Session, run: _Import, number: int, one: Occasion) -> str:
    """Raises RowProblem."""
    department, tier, name = _place(run, one.event)
    key = (department, tier, blind(name, "doctor"), one.starts_at)
    if key in run.seen:
        raise RowProblem("the same doctor begins twice at the same time")
    run.seen.add(key)
    run.touched.add((department, tier))
    shift = session.scalar(
        sa.select(Shift).where(
            Shift.department == department,
            Shift.tier == tier,
            Shift.doctor_index == key[2],
            Shift.starts_at == one.starts_at,
        )
    )
    if shift is not None:
        if shift.ends_at == one.ends_at:
            return "unchanged"
        shift.ends_at = one.ends_at
        record(session, "shift", shift.id, "changed", run.now, who="import", why="another end in the calendar")
        return "updated"
    reach = _reach(session, run, one.event, name)
    made = Shift(
        id=new_id(), department=department, tier=tier, position=number, doctor=name, doctor_index=key[2],
        phone=reach.phone, phone2=reach.phone2, pin=reach.pin, language=reach.language,
        starts_at=one.starts_at, ends_at=one.ends_at,
    )  # fmt: skip
    session.add(made)
    session.flush()
    record(session, "shift", made.id, "imported", run.now, who="import")
    return "created"


def _place(run: _Import, event: Event) -> tuple[str, str, str]:
    """(department, tier, doctor). Raises RowProblem."""
    department, tier = _extra(event, "DEPARTMENT") or run.department, _extra(event, "TIER") or run.tier
    name = doctor(event)
    values = {"department": department, "tier": tier, "doctor": name}
    tables.needed(values, *values)
    tables.refuse_long(values)
    refuse_tier(tier)
    return department, tier, name


def _reach(session: Session, run: _Import, event: Event, name: str) -> Reach:
    """Raises RowProblem when nothing says how to reach the doctor."""
    if name not in run.known:
        run.known[name] = roster_covers.known(session, name)
    on_file = run.known[name]
    if on_file is not None:
        return on_file
    values = {what: _extra(event, what.upper()) for what in ("phone", "phone2", "pin", "language")}
    if not values["phone"]:
        raise RowProblem("no number: the doctor is not on the roster on file, and the event has no X-CARECALL-PHONE")
    tables.refuse_long(values)
    settings = settings_of(session)
    return Reach(
        phone=tables.phone(values, "phone", settings.twilio_from),
        phone2=tables.phone(values, "phone2", settings.twilio_from) if values["phone2"] else "",
        pin=values["pin"],
        language=tables.one_of(values, "language", KNOWN_LANGUAGES, settings.hospital.languages[0]),
    )


def _extra(event: Event, name: str) -> str:
    return str(event.get(EXTRA + name, "")).strip()


# ---- what is on file and not in the calendar ----------------------------------------------------
def _gone(session: Session, run: _Import, delete: bool) -> list[RowReport]:
    if not run.touched:
        return []
    rows = session.scalars(
        sa.select(Shift)
        .where(
            sa.tuple_(Shift.department, Shift.tier).in_(sorted(run.touched)),
            Shift.ends_at > run.now,
            Shift.starts_at < run.until,
        )
        .order_by(Shift.starts_at, Shift.id)
    )
    zone = settings_of(session).hospital.timezone
    reports = []
    for shift in rows.all():
        if (shift.department, shift.tier, shift.doctor_index, shift.starts_at.astimezone(UTC)) in run.seen:
            continue
        what = f"{shift.doctor}, {shift.department} {shift.tier}, {shift.starts_at.astimezone(zone):%Y-%m-%d %H:%M}"
        if delete:
            _remove(session, shift, run.now)
        reports.append(RowReport("roster", "deleted" if delete else "gone", what))
    return reports


def _remove(session: Session, shift: Shift, now: datetime) -> None:
    """One that has begun ends now, for rings may refer to it; one still to come is deleted."""
    rung = session.scalar(sa.select(sa.exists().where(Attempt.shift_id == shift.id)))
    if shift.starts_at < now or rung:
        shift.ends_at = max(now, shift.starts_at + timedelta(microseconds=1))
        record(session, "shift", shift.id, "ended", now, who="import", why="not in the calendar any more")
        return
    record(session, "shift", shift.id, "deleted", now, who="import", why="not in the calendar any more")
    session.delete(shift)


# ---- out ----------------------------------------------------------------------------------------
def exported(
    session: Session,
    now: datetime,
    *,
    department: str | None = None,
    tier: str | None = None,
    doctor: str | None = None,
) -> bytes:
    """The shifts that are not over, as `import_calendar` reads them, in their order within a tier. Covers are not
    part of it: they are changes of the roster, not the roster."""
    wanted = [Shift.ends_at > now]
    if department is not None:
        wanted.append(Shift.department == department)
    if tier is not None:
        wanted.append(Shift.tier == tier)
    if doctor is not None:
        wanted.append(Shift.doctor_index == blind(doctor, "doctor"))
    rows = session.scalars(sa.select(Shift).where(*wanted).order_by(Shift.position, Shift.id))
    return _calendar(rows, now)


def _calendar(shifts: Iterable[Shift], now: datetime) -> bytes:
    made = Calendar()
    made.add("PRODID", "-//Carecall//roster//EN")
    made.add("VERSION", "2.0")
    for shift in shifts:
        event = Event()
        event.add("UID", f"{shift.id}@carecall")
        event.add("SUMMARY", shift.doctor)
        for name, moment in (("DTSTAMP", now), ("DTSTART", shift.starts_at), ("DTEND", shift.ends_at)):
            event[name] = vDatetime(moment.astimezone(UTC))
        for name in ("department", "tier", "phone", "phone2", "pin", "language"):
            value = str(getattr(shift, name))
            if value:
                event[EXTRA + name.upper()] = vText(value)
        made.add_component(event)
    return bytes(made.to_ical())
