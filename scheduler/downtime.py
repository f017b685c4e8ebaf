"""The down-time sheet: who is on duty, who waits, whom to ring if this service is dead. Written every hour, where it
survives us ([escalation] downtime_dir), in both languages on one page.

It names patients and numbers, for the ward must be able to go on without us: only its owner may read it, and its name
says nothing but the hour.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import jobs, people
from core.house import House, of, settings_of
from core.models import Patient, Procedure
from core.page import Page, Row, Section, html
from core.settings import Settings
from dialer import roster
from dialer.models import ALARM_OPEN, Escalation
from scheduler.machine import WAITING
from scheduler.models import FollowUp

log = logging.getLogger(__name__)

WRITE = jobs.declare("downtime_sheet", "recordings", priority=5)
"""Not in the queues of calls: the folder may be another machine's, and hang."""
DUTY = timedelta(hours=24)
FOLLOWUPS = timedelta(hours=8)
MOST_FOLLOWUPS = 300
KEPT = 3
OLD = timedelta(hours=2)
_NAME = re.compile(r"downtime-\d{8}T\d{2}Z\.html")
_UNFINISHED = re.compile(r"\.downtime-[0-9a-f]{16}\.tmp")


class Sheets:
    """Where this process has its sheets written, and for which hour it last asked for one."""

    def __init__(self, settings: Settings) -> None:
        own = settings.escalation.downtime_dir
        self.folder = Path(own) if own else settings.home / "downtime"
        self.asked_for: datetime | None = None


# ---- when ---------------------------------------------------------------------------------------
def tick(session: Session, now: datetime) -> int:
    """One sheet when this process starts, and one when an hour begins."""
    sheets = of(session).service(Sheets)
    if sheets.asked_for != _hour(now) and not jobs.under_way(session, WRITE):
        sheets.asked_for = _hour(now)
        jobs.defer(session, WRITE)
    return 0


@jobs.handles(WRITE)
def write_sheet(house: House) -> None:
    try:
        write(house)
    except OSError as error:
        # asked for again at the next firing: a folder of another machine comes back
        house.service(Sheets).asked_for = None
        log.error("the down-time sheet cannot be written", extra={"error": error.strerror or type(error).__name__})


def _hour(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# ---- the file -----------------------------------------------------------------------------------
def write(house: House) -> Path:
    """This hour's sheet, whole or not at all; the old ones go. Raises OSError."""
    now, folder = house.clock.now(), house.service(Sheets).folder
    with house.transaction() as session:
        page = html(sheet(session, now))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = folder / f".downtime-{secrets.token_hex(8)}.tmp"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        path = folder / f"downtime-{_hour(now):%Y%m%dT%H}Z.html"
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _remove_old(folder)
    return path


def _remove_old(folder: Path) -> None:
    """All but the newest of our own files; whatever else lies there is not ours."""
    ours = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    a_while_ago = max(path.stat().st_mtime for path in ours) - OLD.total_seconds()
    broken_off = [
        path for path in folder.iterdir() if _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < a_while_ago
    ]
    for path in [*ours[:-KEPT], *broken_off]:
        path.unlink(missing_ok=True)


def problem(house: House, now: datetime) -> str | None:
    """A sentence for `carecall check` when no sheet is or could be written; None while all is well."""
    folder = house.service(Sheets).folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = [path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written"
    if not names:
        return None  # a worker that starts writes the first
    newest = datetime.strptime(max(names), "downtime-%Y%m%dT%HZ.html").replace(tzinfo=UTC)
    hours = int((now - newest) / timedelta(hours=1))
    return f"the last one is {hours} hours old: is a worker running?" if now - newest > OLD else None


# ---- the page -----------------------------------------------------------------------------------
LABELS: dict[str, tuple[str, str]] = {
    "title": ("停机备用单", "Down-time sheet"),
    "made": ("制表", "Made"),
    "hotline": ("热线", "Hotline"),
    "if_dead": ("系统停用时联系", "If this system is dead, ring"),
    "waits": ("正在等医生的患者", "Patients who wait for a doctor"),
    "duty": ("24小时内值班", "On duty in the next 24 h"),
    "followups": ("8小时内待随访", "Follow-ups due in the next 8 h"),
    "who": ("人员", "Who"),
    "operator": ("总机", "Operator"),
    "night_target": ("夜间值守", "Night target"),
    "emergency": ("急救", "Emergency"),
    "phone": ("电话", "Phone"),
    "since": ("报警时间", "Alarm at"),
    "patient": ("患者", "Patient"),
    "cause": ("原因", "Cause"),
    "pain": ("疼痛", "pain"),
    "by_machine": ("机器听到，未核实", "heard by a machine, not confirmed"),
    "department": ("科室", "Department"),
    "state": ("状态", "State"),
    "accepted": ("医生已接诊", "a doctor has accepted"),
    "searched": ("正在找医生", "no doctor yet"),
    "late": ("已超时", "LATE"),
    "from": ("自", "From"),
    "until": ("至", "Until"),
    "tier": ("级别", "Tier"),
    "doctor": ("医生", "Doctor"),
    "instead_of": ("代", "for"),
    "due": ("时间", "At"),
    "wave": ("节点", "Wave"),
    "more": ("其余未列", "more, not listed"),
    "nobody": ("无", "nobody"),
    "no_operator": ("未设置", "not set"),
}


def label(key: str) -> str:
    return " / ".join(LABELS[key])


def sheet(session: Session, now: datetime) -> Page:
    """Everything a ward needs to go on without us, at `now`."""
    settings = settings_of(session)
    zone = settings.hospital.timezone
    name = " / ".join(dict.fromkeys(settings.hospital.spoken_alias(language) for language in ("zh-CN", "en")))
    head = [("", name), (label("made"), _at(now, zone)), (label("hotline"), settings.twilio_from or "-")]
    sections = [
        Section(label("if_dead"), _whom_to_ring(settings), loud=True),
        Section(label("waits"), list(_waiting(session, now, zone)) or _nobody(), loud=True),
        Section(label("duty"), list(_duty(session, now, zone)) or _nobody(), loud=False),
        Section(label("followups"), list(_followups(session, now, zone)) or _nobody(), loud=False),
    ]
    return Page(label("title"), head, sections, "zh-CN")


def _nobody() -> list[Row]:
    return [{label("who"): label("nobody")}]


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%m-%d %H:%M}"


def _whom_to_ring(settings: Settings) -> list[Row]:
    hospital = settings.hospital
    numbers = (
        ("night_target", hospital.night_target),
        ("operator", hospital.operator),
        ("emergency", hospital.emergency),
    )
    return [{label("who"): label(key), label("phone"): number or label("no_operator")} for key, number in numbers]


def _waiting(session: Session, now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    """The longest wait first."""
    rows = session.execute(
        sa.select(Escalation, Patient)
        .outerjoin(Patient, Patient.id == Escalation.patient_id)
        .where(ALARM_OPEN)
        .order_by(Escalation.keyed_at)
    )
    for one, patient in rows:
        causes = [] if one.score is None else [f"{label('pain')} {one.score}"]
        state = label("accepted" if one.status in ("accepted", "bridged") else "searched")
        yield {
            label("since"): _at(one.keyed_at, zone),
            label("patient"): _person(patient, now),
            label("phone"): one.to,
            label("cause"): ", ".join([*causes, *(_sign(flag, one) for flag in one.flags)]),
            label("department"): one.department,
            label("state"): state + (f" · {label('late')}" if one.promise_at <= now and not one.bridged_at else ""),
        }


def _sign(flag: str, one: Escalation) -> str:
    return f"{flag} ({label('by_machine')})" if flag in one.heard else flag


def _person(patient: Patient | None, now: datetime) -> str:
    if patient is None:
        return "?"
    years = people.age(patient, people.today(patient, now))
    return f"{patient.name} ({patient.mrn}{'' if years is None else f', {years}'})"


def _duty(session: Session, now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    tiers = {tier: place for place, tier in enumerate(settings_of(session).escalation.chain)}
    duties = roster.duties(session, now, now + DUTY)
    for one in sorted(duties, key=lambda duty: (duty.department, tiers.get(duty.tier, len(tiers)), duty.starts_at)):
        instead = f" ({label('instead_of')} {one.instead_of})" if one.instead_of else ""
        yield {
            label("department"): one.department,
            label("tier"): one.tier,
            label("from"): _at(one.starts_at, zone),
            label("until"): _at(one.ends_at, zone),
            label("doctor"): one.doctor + instead,
            label("phone"): ", ".join(one.numbers),
        }


def _followups(session: Session, now: datetime, zone: ZoneInfo) -> Iterator[Row]:
    due = (
        FollowUp.status.in_(WAITING),
        FollowUp.next_try_at < now + FOLLOWUPS,
        FollowUp.deadline_at > now,
        FollowUp.held.is_(False),
    )
    rows = session.execute(
        sa.select(FollowUp, Patient, Procedure.department)
        .join(Patient, Patient.id == FollowUp.patient_id)
        .join(Procedure, Procedure.id == FollowUp.procedure_id)
        .where(*due)
        .order_by(FollowUp.next_try_at)
        .limit(MOST_FOLLOWUPS)
    ).all()
    rung = people.respondents_of(session, [(patient, people.today(patient, now)) for _, patient, _ in rows])
    for one, patient, department in rows:
        yield {
            label("due"): _at(max(one.next_try_at, now), zone),
            label("patient"): _person(patient, now),
            label("phone"): ", ".join(contact.phone for contact in rung[patient.id]),
            label("wave"): one.wave,
            label("department"): department,
        }
    if len(rows) == MOST_FOLLOWUPS:
        left = (session.scalar(sa.select(sa.func.count()).select_from(FollowUp).where(*due)) or 0) - len(rows)
        if left:
            empty = dict.fromkeys((label(key) for key in ("due", "patient", "phone", "wave", "department")), "")
            yield empty | {label("patient"): f"{left} {label('more')}"}
