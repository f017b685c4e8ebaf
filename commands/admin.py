"""Commands of the hospital's IT person: check, import, pause, resume, fallback, keys, schema."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from commands import database as schema
from commands.joined import Joined
from commands.show import rows_out
from core import crypto, db, holidays, pg, settings
from core.holiday_import import import_holidays
from core.house import House
from core.models import Patient, Pause, record
from core.people import MRN
from core.settings import SettingsError
from core.tables import RowReport
from desk import measures
from desk.feedback import import_feedback
from desk.staff import import_staff
from dialer import heartbeat, roster_gaps
from dialer.carrier import CarrierClient, CarrierRefused, InDoubt
from dialer.roster_import import import_roster
from ivr import book as books
from ivr import fallback as static
from ivr import questions
from ivr.check import check_flows
from ivr.flow import FlowError, load_questions
from ivr.prompts import load_prompts
from recordings.sampling.chat_import import import_chats
from recordings.speech.stt import Speech
from scheduler import downtime, reconcile
from scheduler.appointments import import_appointments
from scheduler.imports import import_patients
from scheduler.sessions import import_sessions

MOST_GAPS = 10
"""Named in a line of `check`; `carecall roster gaps` names them all."""


def house_of(joined: Joined) -> House:
    return joined.open_house(settings.load())


IMPORTERS: dict[str, Callable[..., list[RowReport]]] = {
    "patients": import_patients,
    "roster": import_roster,
    "holidays": import_holidays,
    "appointments": import_appointments,
    "staff": import_staff,
    "feedback": import_feedback,
    "sessions": import_sessions,
    "chats": import_chats,
}


def import_file(args: argparse.Namespace, joined: Joined) -> int:
    """A report line per row; exit 1 if any row was refused."""
    house = house_of(joined)
    reports = IMPORTERS[args.what](house, args.file, house.clock.now(), dry_run=args.dry_run)
    rows_out([{"row": r.row, "result": r.result, "detail": r.detail} for r in reports], as_json=args.json)
    refused = sum(r.result == "refused" for r in reports)
    if not args.json:
        kept = "nothing kept (dry run)" if args.dry_run else f"{len(reports) - refused} rows taken"
        print(f"{kept}, {refused} refused")
    return 1 if refused else 0


def login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a container whose user has no name


def pause(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    with house.transaction() as session:
        session.add(Pause(lane=args.lane, reason=args.reason, who=login(), started_at=now))
        record(session, "lane", None, "paused", now, who=login(), lane=args.lane)
    print(f"outbound calls of the lane '{args.lane}' are paused; calls already ringing go on")
    return 0


def resume(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    with house.transaction() as session:
        ended = session.scalars(
            sa.update(Pause).where(Pause.ended_at.is_(None)).values(ended_at=now).returning(Pause.lane)
        ).all()
        if ended:
            record(session, "lane", None, "resumed", now, who=login(), lanes=sorted(set(ended)))
    print("outbound calls run again" if ended else "nothing was paused")
    return 0


def fallback(args: argparse.Namespace, joined: Joined) -> int:
    here = settings.load(require_keys=False)
    print(static.document(here, load_prompts(joined.root / "prompts", here.hospital.languages)))
    return 0


def key(args: argparse.Namespace, joined: Joined) -> int:
    print(crypto.new_data_key())
    return 0


def database(args: argparse.Namespace, joined: Joined) -> int:
    here = settings.load(require_keys=False)
    embedded = None
    url = here.database_url or pg.running(here.home)
    if url is None:
        embedded = pg.Embedded.start(here.home)
        url = embedded.url
    try:
        schema.upgrade(joined.root, url)
    finally:
        if embedded is not None:
            embedded.stop()
    print("the schema is up to date")
    return 0


# ---- check --------------------------------------------------------------------------------------
def check(args: argparse.Namespace, joined: Joined) -> int:
    """One line per thing that must be right; exit 1 if any is wrong."""
    here = settings.load()
    hospital = here.hospital
    unset = "every carrier request is refused"
    rung = "patients are rung" if hospital.live else f"only allow_numbers ({len(hospital.allow_numbers)}) are rung"
    person = "set" if hospital.operator else "none: callers who need a person leave a message"
    rows = [
        _line("hospital file", True, str(here.hospital_file), ""),
        _line("carrier token", here.webhooks_open, "set", f"TWILIO_AUTH_TOKEN is not set: {unset}"),
        _line("our number", bool(here.twilio_from), here.twilio_from or "", "TWILIO_FROM is not set"),
        _line("webhook address", bool(here.public_url), here.public_url or "", "PUBLIC_URL is not set"),
        _line("console", True, _console(here), ""),
        _line("live", True, rung, ""),
        _line("operator", True, person, ""),
        _flows_line(here, joined),
        *_speech_lines(here),
    ]
    try:
        rows += _house_lines(joined.open_house(here), joined)
    except (SettingsError, FlowError) as error:
        rows.append({"what": "database", "ok": False, "detail": str(error)})
    rows_out([row | {"ok": "ok" if row["ok"] else "WRONG"} for row in rows], as_json=args.json)
    return 0 if all(row["ok"] for row in rows) else 1


Line = dict[str, object]


def _line(what: str, good: bool, right: str, wrong: str) -> Line:
    return {"what": what, "ok": good, "detail": right if good else wrong}


def _console(here: settings.Settings) -> str:
    """Without the key nobody can sign in; it is no fault of a server that has no pages to show."""
    return "sessions are signed" if here.secret_key else "SECRET_KEY is not set: nobody can sign in to the pages"


def _flows_line(here: settings.Settings, joined: Joined) -> Line:
    try:
        book = books.read(joined.root)
        problems = check_flows(book.flows, book.prompts)
        if here.hotline.flow not in book.flows:
            problems = [f"there is no flow {here.hotline.flow!r}, named by [hotline] flow: no call could be answered"]
        problems += questions.unknown(here, load_questions(joined.root / "flows"))
    except FlowError as error:
        problems = [str(error)]
    return _line("flows", not problems, "in order", "; ".join(problems[:3]))


def _speech_lines(here: settings.Settings) -> list[Line]:
    """A language without a model is no fault: its recordings wait, and say so."""
    engines = Speech(here.speech, here.home_dir("models"))
    return [
        _line(f"speech {language}", True, engines.missing(language) or "model ready", "")
        for language in here.hospital.languages
    ]


def _house_lines(house: House, joined: Joined) -> list[Line]:
    return [
        _tried("database", lambda: _database(house, joined)),
        _tried("keys", lambda: _keys(house)),
        _tried("carrier", lambda: house.service(CarrierClient).check()),
        _tried("roster", lambda: _roster(house)),
        _tried("roster ahead", lambda: _roster_ahead(house)),
        _tried("holidays", lambda: _holidays(house)),
        _tried("nightly look", lambda: _nightly(house)),
        _tried("heartbeat", lambda: _heartbeat(house)),
        _tried("down-time sheet", lambda: _downtime(house)),
        _tried("seats", lambda: _seats(house)),
    ]


def _tried(what: str, question: Callable[[], str | None]) -> Line:
    try:
        return {"what": what, "ok": True, "detail": question() or "answers"}
    except _Wrong as wrong:
        return {"what": what, "ok": False, "detail": str(wrong)}
    except SettingsError as error:
        return {"what": what, "ok": False, "detail": str(error)}
    except CarrierRefused as refused:
        return {"what": what, "ok": False, "detail": f"refuses our credentials (code {refused.code})"}
    except InDoubt:
        return {"what": what, "ok": False, "detail": "does not answer"}
    except SQLAlchemyError as error:
        return {"what": what, "ok": False, "detail": f"does not answer ({type(error).__name__})"}


class _Wrong(Exception):
    """A check that found something wrong; the text says what."""


def _database(house: House, joined: Joined) -> str:
    if not schema.is_current(joined.root, house.engine):
        raise _Wrong("the schema is old: run `carecall db upgrade`")
    return "answers, schema up to date"


def _keys(house: House) -> str:
    """One patient is opened and found again: DATA_KEY and LOOKUP_KEY are the ones the tables were written with."""
    with house.transaction() as session:
        try:
            patient = session.scalars(sa.select(Patient).limit(1)).first()
        except crypto.DecryptError as error:
            raise _Wrong(str(error)) from None
        if patient is None:
            return "nobody is on file yet"
        if db.blind(patient.mrn, MRN) != patient.mrn_index:
            raise _Wrong("LOOKUP_KEY is not the first DATA_KEY of this house: nobody is found by number any more")
    return "they open what is stored, and find it"


def _nightly(house: House) -> str:
    with house.transaction() as session:
        wrong = reconcile.problem(session, house.clock.now())
    if wrong:
        raise _Wrong(wrong)
    return "in order"


def _downtime(house: House) -> str:
    if wrong := downtime.problem(house, house.clock.now()):
        raise _Wrong(wrong)
    return f"written to {house.service(downtime.Sheets).folder}"


def _heartbeat(house: House) -> str:
    if wrong := heartbeat.problems(house):
        raise _Wrong("it does not beat: " + "; ".join(wrong.values()))
    if house.settings.heartbeat_url is None:
        return "HEARTBEAT_URL is not set: nobody outside notices when this service dies"
    return "beats while a worker runs"


def _seats(house: House) -> str:
    """As many agents are signed in as [desk] asks for at this hour."""
    with house.transaction() as session:
        now = measures.seats(session, house.clock.now())
    told = f"{now.signed_in} of {now.required} signed in ({now.why})"
    if now.short:
        raise _Wrong(told)
    return told if now.required else f"{told}: none are required"


def _roster(house: House) -> str:
    """For the next 24 hours somebody is on duty everywhere, and whoever is can be rung."""
    now = house.clock.now()
    with house.transaction() as session:
        found, faults = roster_gaps.wrong(session, [(now, now + timedelta(hours=24))])
    nobody = [gap for gap in found if gap.tier is None]
    wrong = []
    if nobody:
        wrong.append(f"nobody is on duty in the next 24 hours: {_spans(nobody, house)}")
    if faults:
        wrong.append(f"people on duty in the next 24 hours whom no ring would reach: {len(faults)} (`roster gaps`)")
    if wrong:
        raise _Wrong("; ".join(wrong))
    return "somebody is on duty at each moment of the next 24 hours"


def _roster_ahead(house: House) -> str:
    """A look further; it is not wrong yet."""
    now = house.clock.now()
    with house.transaction() as session:
        found = roster_gaps.folded(roster_gaps.gaps(session, now, now + timedelta(days=7)))
    return f"gaps in the next 7 days: {_spans(found, house)}" if found else "no gap in the next 7 days"


def _spans(found: Sequence[roster_gaps.Gap], house: House) -> str:
    zone = house.settings.hospital.timezone
    told = [
        f"{gap.department}{f' tier {gap.tier}' if gap.tier else ''} "
        f"{gap.starts_at.astimezone(zone):%m-%d %H:%M} to {gap.ends_at.astimezone(zone):%m-%d %H:%M}"
        for gap in found[:MOST_GAPS]
    ]
    return ", ".join(told) + (f" and {len(found) - MOST_GAPS} more" if len(found) > MOST_GAPS else "")


def _holidays(house: House) -> str:
    """The days worked and off in exchange must be known before the year begins (docs/clinical.md section 6)."""
    country = house.settings.calling.holidays
    if not holidays.is_known(country):
        raise _Wrong(f"[calling] holidays is {country!r}, a country without a calendar: only the table counts")
    with house.transaction() as session:
        today = house.clock.now().astimezone(house.settings.hospital.timezone).date()
        if sentence := holidays.stale(session, today):
            raise _Wrong(sentence)
    return "this year's and, from November on, next year's are known"
