"""Carecall, joined: the one place that knows every room. `create_app()` for the web, `main()` for the command line.

Rooms do not import their siblings; who listens to what, which job has which handler, and what the timetable
looks at is written here, once, in lists that fit on a screen.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from flask import Flask

import console.raters
import console.users
import console.web
import desk.qa_figures
import dialer.inbound
import dialer.jobs
import dialer.webhooks
import ivr.played
import ivr.waiting
import ivr.webhooks
import recordings.findings.machine_flags
import recordings.findings.rescreen
import recordings.jobs
import recordings.quality.review_tick
import recordings.sampling.chats
import recordings.sampling.sample
import recordings.store
import recordings.vault.pausing
import recordings.vault.retention
import recordings.webhooks
from commands import cli, doors
from commands.joined import Joined
from core import db, events, holidays, jobs, logs, pg
from core.clock import Clock, MovableClock, SystemClock
from core.house import House
from core.settings import Settings, SettingsError, load
from desk import agents, alarms, call_facts, put_through, queue, queue_due, surveys, ticket_clocks, ticket_events
from desk.service import Desk
from dialer import alarm, attempt, call, doctor, escalation, escalation_due, heartbeat, night, sms, test_rings
from dialer.carrier import CarrierClient
from ivr import book as books
from ivr import corrections, interruption, questions, sounds, store
from ivr.book import Book
from ivr.booking import Booking
from ivr.flow import load_questions
from ivr.ringback import RingBack
from ivr.service_desk import ServiceDesk
from recordings.call_facts import CallFacts
from recordings.quality.qa_shapes import DeskFigures, Raters
from recordings.speech.stt import Speech
from recordings.vault.fetch import BYTES_A_SECOND, Fetcher
from recordings.vault.files import FileStore
from scheduler import (
    booking,
    downtime,
    notices,
    recheck,
    reconcile,
    reminder_plan,
    reminders,
    ring,
    ringback,
    roster_alarm,
    texts,
    worklist,
)
from scheduler.timetable import Tick

ROOT = Path(__file__).resolve().parent
MAX_BODY = 256 * 1024
"""The largest request body a web process reads; the carrier's forms are a few hundred bytes."""

SUBSCRIBERS: list[tuple[type, events.Handler]] = [
    # who is told, in this order, inside the transaction in which it happened
    (events.CallEnded, store.on_call_ended),
    (events.CallEnded, ivr.waiting.on_call_ended),
    (events.CallEnded, alarm.on_call_ended),
    (events.InterviewEnded, ring.on_interview_ended),
    (events.ScoreStands, alarm.on_score_stands),
    (events.ScoreStands, notices.on_score_stands),
    (events.RedFlag, alarm.on_red_flag),
    (events.MachineHeard, alarm.on_machine_heard),
    (events.AttemptRinging, escalation.on_attempt_ringing),
    (events.AttemptInDoubt, escalation.on_attempt_in_doubt),
    (events.AttemptEnded, escalation.on_attempt_ended),
    (events.AttemptEnded, ring.on_attempt_ended),
    (events.DoctorDecided, doctor.on_doctor_decided),
    (events.DoctorSaid, doctor.on_doctor_said),
    (events.NextWanted, doctor.on_next_wanted),
    (events.Acknowledged, night.on_acknowledged),
    (events.CallerWaits, doctor.on_caller_waits),
    (events.CallerLeft, doctor.on_caller_left),
    (events.CallerJoined, doctor.on_caller_joined),
    (events.AttemptEnded, reminders.on_attempt_ended),
    (events.AttemptEnded, test_rings.on_attempt_ended),
    (events.EscalationOpened, test_rings.on_escalation_opened),
    (events.TestConfirmed, test_rings.on_test_confirmed),
    (events.ReminderAnswered, reminders.on_reminder_answered),
    (events.MessageFailed, reminders.on_message_failed),
    (events.PatientJoined, doctor.on_patient_joined),
    (events.RecordingAnnounced, recordings.store.on_announced),
    (events.SpokenInto, recordings.store.on_spoken_into),
    (events.CallEnded, recordings.store.on_call_ended),
    (events.EscalationOpened, recordings.store.on_escalation_opened),
    # the vault: what a complaint was made in is kept longer; identity is keyed unheard
    (events.ReasonGiven, recordings.vault.retention.on_reason_given),
    (events.TicketWanted, recordings.vault.retention.on_ticket_wanted),
    (events.IdentityKeyed, recordings.vault.pausing.on_identity_keyed),
    (events.CallEnded, recordings.vault.pausing.on_call_ended),
    (events.DoctorRung, sms.on_doctor_rung),
    (events.NightCalledIn, sms.on_night_called_in),
    (events.EscalationOpened, recheck.on_escalation_opened),
    (events.EscalationClosed, recheck.on_escalation_closed),
    (events.WorkWanted, worklist.on_work_wanted),
    (events.FollowUpUnreached, worklist.on_followup_unreached),
    (events.AnswersReassigned, worklist.on_answers_reassigned),
    (events.PatientsMerged, corrections.on_patients_merged),
    # the line in front of the desk, and the agents
    (events.CallEnded, queue.on_call_ended),
    (events.QueueLeft, queue.on_queue_left),
    (events.AgentDecided, put_through.on_agent_decided),
    (events.CallerTaken, put_through.on_caller_taken),
    (events.AgentTalked, put_through.on_agent_talked),
    (events.AgentSaid, put_through.on_agent_said),
    (events.AttemptEnded, put_through.on_attempt_ended),
    (events.StaffLeft, console.users.on_staff_left),
    (events.AgentSigned, agents.on_agent_signed),
    (events.PinWrong, agents.on_pin_wrong),
    # tickets
    (events.TicketWanted, ticket_events.on_ticket_wanted),
    (events.MessageLeft, ticket_events.on_message_left),
    (events.Transcribed, ticket_events.on_transcribed),
    (events.WorkOpened, ticket_events.on_work_opened),
    (events.WorkDone, ticket_events.on_work_done),
    (events.TicketCloses, worklist.on_ticket_closes),
    (events.TicketClosed, worklist.on_ticket_closed),
    (events.PatientsMerged, ticket_events.on_patients_merged),
    (events.PatientsMerged, recordings.sampling.chats.on_patients_merged),
    # visits by telephone
    (events.CallEnded, booking.on_call_ended),
    # alarms at heads of department, satisfaction calls
    (events.Acknowledged, alarms.on_acknowledged),
    (events.AttemptEnded, alarms.on_attempt_ended),
    (events.DoctorRung, alarms.on_doctor_rung),
    (events.AttemptEnded, surveys.on_attempt_ended),
    (events.SatisfactionKeyed, surveys.on_satisfaction_keyed),
]

TICKS: list[Tick] = [
    # (name, every so many seconds, what looks for due work)
    ("stalled jobs", 1.0, lambda session, now: jobs.sweep_stalled(session)),
    ("escalation steps", 1.0, escalation_due.overdue_steps),
    ("broken promises", 1.0, escalation_due.breaches),
    ("night target", 1.0, night.due),
    # five times a second: it also lets rings go whose turn in the pace has come
    ("attempts", 0.2, attempt.overdue),
    ("calls", 2.0, call.overdue),
    ("follow-ups", 0.5, ring.ring_due),
    ("follow-ups out of time", 5.0, ring.run_out),
    ("messages", 1.0, sms.due),
    ("reminders", 1.0, reminders.due),
    ("reminders of medicine", 60.0, reminder_plan.plan_medicine),
    ("test rings", 5.0, test_rings.due),
    ("the roster ahead", 60.0, roster_alarm.daily_look),
    ("recordings", 1.0, recordings.store.due),
    ("words of warning", 1.0, recordings.findings.machine_flags.due),
    ("screening again", 5.0, recordings.findings.rescreen.due),
    ("recordings to pause", 0.5, recordings.vault.pausing.due),
    ("recordings to purge", 60.0, recordings.vault.retention.purge_due),
    ("chats to purge", 60.0, recordings.sampling.chats.purge_due),
    # asked every minute, done once a day
    ("the draw", 60.0, recordings.sampling.sample.nightly),
    ("reviews", 60.0, recordings.quality.review_tick.due),
    # asked every minute, done once an hour
    ("down-time sheet", 60.0, downtime.tick),
    ("heartbeat", 30.0, heartbeat.tick),
    ("what nobody would ring", 60.0, reconcile.nightly),
    # agents' wrap-up, callers' turns
    ("the line", 1.0, queue_due.due),
    ("tickets out of time", 1.0, ticket_clocks.overdue),
    ("tickets and the calendar", 60.0, ticket_clocks.recompute),
    ("tickets' alarms", 1.0, alarms.due),
    ("satisfaction calls", 1.0, surveys.due),
]

BLUEPRINTS = (
    ivr.webhooks.blueprint,
    ivr.waiting.blueprint,
    ivr.waiting.open_blueprint,
    ivr.played.blueprint,
    dialer.webhooks.blueprint,
    dialer.inbound.blueprint,
    recordings.webhooks.blueprint,
    doors.blueprint,
    # the console: pages for people, the API for programs
    *console.web.BLUEPRINTS,
)


def open_house(settings: Settings) -> House:
    """Keys, database, clock, carrier, flows and listeners: everything a process needs. Raises SettingsError."""
    db.use_keyring(settings.keyring)
    engine = db.make_engine(database_url(settings))
    clock: Clock = MovableClock(engine) if settings.test_clock else SystemClock()
    bus = events.Bus()
    for event, handler in SUBSCRIBERS:
        bus.subscribe(event, handler)
    texts.load()
    texts.check(settings)
    recorded = sounds.Sounds(settings.home / "prompts")
    at = sounds.address(settings.public_url)
    book = books.read(ROOT, settings.hospital.languages, sounds=recorded, url=at)
    for fault in book.prompts.faults:
        logging.getLogger(__name__).error("a recorded prompt is spoken instead: %s", fault)
    if settings.hotline.flow not in book.flows:
        raise SettingsError([f"[hotline] flow is {settings.hotline.flow!r}: there is no such file in flows/."])
    if not holidays.is_known(settings.calling.holidays):
        raise SettingsError([f"[calling] holidays is {settings.calling.holidays!r}, no country with a known calendar."])
    if unknown := questions.unknown(settings, load_questions(ROOT / "flows")):
        raise SettingsError(unknown)
    house = House(settings, engine, clock, bus)
    house.services = {
        Book: book,
        sounds.Sounds: recorded,
        dialer.jobs.Interruption: interruption.words(),
        sms.Texts: sms.Texts(texts.written),
        RingBack: ringback.RingBack(),
        Booking: booking.BuiltIn(),
        FileStore: FileStore(settings.home_dir("recordings"), settings.keyring),
        downtime.Sheets: downtime.Sheets(settings),
        Speech: Speech(settings.speech, settings.home_dir("models"), at_once=settings.recordings.at_once),
        ServiceDesk: Desk(),
        CallFacts: call_facts.DeskFacts(),
        attempt.Owners: attempt.Owners({"agent": queue.hold}),
        Raters: console.raters.ConsoleRaters(),
        DeskFigures: desk.qa_figures.Figures(),
    }  # fmt: skip
    token = settings.auth_tokens[0] if settings.auth_tokens else ""
    house.services[Fetcher] = Fetcher(
        settings.account_sid,
        token,
        settings.carrier_url,
        limit=settings.recordings.max_minutes * 60 * BYTES_A_SECOND,
        redirect_hosts=frozenset(settings.recordings.media_hosts),
    )
    if settings.account_sid and token:
        house.services[CarrierClient] = CarrierClient(
            settings.account_sid,
            token,
            settings.twilio_from or "",
            settings.carrier_url or "",
            settings.public_url or "",
        )
    return house


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded server if it is up. Raises SettingsError."""
    url = settings.database_url or pg.running(settings.home)
    if url is None:
        raise SettingsError(
            ["No database: `carecall up` starts the embedded one; or set DATABASE_URL to a PostgreSQL of yours."]
        )
    return url


def create_app(settings: Settings | None = None) -> Flask:
    """The web application. The server calls it in each of its processes, after the fork."""
    logs.configure()
    return web(open_house(settings or load()))


def web(house: House) -> Flask:
    """The web application of a house that is open already."""
    app = Flask("carecall")
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, SECRET_KEY=house.settings.secret_key)
    app.extensions["carecall"] = house
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def main(argv: list[str] | None = None) -> int:
    """`carecall …`; 0 done, 1 the answer is no, 2 wrong settings or words."""
    return cli.run(sys.argv[1:] if argv is None else argv, Joined(ROOT, open_house, TICKS, web))


if __name__ == "__main__":
    sys.exit(main())
