"""Voice webhooks: a request in, one turn of a flow, a TwiML document out. All signed, all short.

    POST /ivr/voice                    somebody rings the hotline (the number's voice URL)
    POST /ivr/call/<attempt>           a ring of ours was answered (also the screening document of a Dial leg)
    POST /ivr/turn/<call>/<turn>       what the person did at the output number <turn> of this call
    POST /ivr/fallback                 the carrier could not get a document from the above

The turn number rides in the action URL: a repeated request for a turn already taken hears the same answer
again, so a retried webhook steps nothing twice.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime

import phonenumbers
from flask import Response, request
from sqlalchemy.orm import Session

from core import events
from core.house import House, settings_of
from core.models import new_id, record
from core.webhook import house, signed_blueprint
from dialer import attempt as attempts
from dialer import call as calls
from dialer import doctor, gate, night
from dialer.machine import CALL_OVER, DIAL_WORDS, UnknownWord, call_word
from dialer.models import Attempt, Call
from ivr import engine, fallback, hidden, hotline, nodes, shelf, store, talk, twiml, waiting
from ivr.book import Book
from ivr.booking import Booking
from ivr.facts import facts
from ivr.flow import Flow
from ivr.ringback import RingBack
from ivr.service_desk import ServiceDesk, desk_of

log = logging.getLogger(__name__)

blueprint = signed_blueprint("ivr", __name__)

NOBODY_TO_SPEAK = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
WITHHELD_AS_DIGITS = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE on a keypad (docs/twilio.md 2.2)."""
OPERATOR_RING_S = 25
MOST_REFUSALS = 6
BIRTHDAY_DIGITS = 4
MOST_DIGITS = 32
"""More keys than anything we ask for; what comes after them is noise."""


@blueprint.post("/ivr/voice")
def voice() -> Response:
    """The hotline rings."""
    here, sid = house(), request.form["CallSid"]
    now = here.clock.now()
    book = shelf.kept(here, now)
    with here.transaction() as session:
        known = calls.by_sid(session, sid)
        if known is not None:
            return _xml(known.last_twiml or NOBODY_TO_SPEAK)
        flow = here.settings.hotline.flow
        call = calls.open_inbound(session, sid, caller_number(request.form.get("From", "")), flow, now)
        return _xml(_begin(here, session, call, book, here.settings.hospital.languages[0], now))


@blueprint.post("/ivr/call/<uuid:attempt_id>")
def answered(attempt_id: uuid.UUID) -> Response:
    """A ring of ours was answered. A stray double, and a doctor no longer needed, never speak."""
    here, sid = house(), request.form["CallSid"]
    now = here.clock.now()
    book = shelf.kept(here, now)
    with here.transaction() as session:
        attempt = attempts.may_speak(session, attempt_id, sid)
        if attempt is None or not _is_needed(session, attempt, now):
            record(session, "attempt", attempt_id, "answered but not wanted", now, who="carrier", sid=sid)
            return _xml(NOBODY_TO_SPEAK)
        attempts.carrier_says(session, attempt, "in_progress", now)
        known = calls.by_sid(session, sid)
        if known is not None:
            return _xml(known.last_twiml or NOBODY_TO_SPEAK)
        call = calls.open_for(session, attempt, sid, now)
        return _xml(_begin(here, session, call, book, attempt.language, now))


def _is_needed(session: Session, attempt: Attempt, now: datetime) -> bool:
    """Whether whoever picks up is still to come to the phone."""
    if attempt.kind == "doctor":
        return doctor.picked_up(session, attempt, now)
    if attempt.kind == "agent":
        return desk_of(session).picked_up(session, attempt, now)
    return attempt.kind != "night" or night.wants(session, attempt)


@blueprint.post("/ivr/turn/<uuid:call_id>/<int:turn>")
def take_turn(call_id: uuid.UUID, turn: int) -> Response:
    """The person on the line did something, or nothing in time."""
    here = house()
    now = here.clock.now()
    with here.transaction() as session:
        call = calls.locked(session, call_id)
        told = store.load(call) if call is not None else None
        if call is None or told is None or call.sid != request.form.get("CallSid"):
            log.warning("a turn of no call of ours", extra={"call": str(call_id)})
            return _xml(NOBODY_TO_SPEAK)
        if told.ended or turn != told.turn:
            return _xml(call.last_twiml or NOBODY_TO_SPEAK)
        book = shelf.of_call(session, call)
        flow, known = book.flows[call.flow], facts(session, call, now)
        # a ring-back makes this call another kind of call: the step is still one of the flow it was in
        kind, event = call.kind, _event(session, call, flow, told, now)
        if isinstance(event, talk.Matched) and call.kind == kind:
            known = facts(session, call, now)  # of whoever, or whatever, was just found
        step = engine.step(flow, told, event, known, book.prompts)
        unheard = hidden.is_keyed_unheard(flow, told)
        # after all that reads: the row is then written once, with the turn
        calls.alive(call, now)
        return _xml(_answer(here, session, call, step, now, unheard=unheard))


@blueprint.post("/ivr/fallback")
def fall_back() -> Response:
    """Something above failed while a person is on the line: the emergency sentence, then the operator."""
    log.error("the carrier fell back", extra={"code": request.form.get("ErrorCode", "")})
    here = house()
    return _xml(fallback.document(here.settings, here.service(Book).prompts))


def caller_number(shown: str) -> str:
    """The caller's number in E.164, or "" when it is withheld, a word, or cannot be a number."""
    if shown in WITHHELD_AS_DIGITS or not shown.startswith("+"):
        return ""
    try:
        number = phonenumbers.parse(shown)
    except phonenumbers.NumberParseException:
        return ""
    return shown if phonenumbers.is_possible_number(number) else ""


# ---- a turn -------------------------------------------------------------------------------------
def _begin(here: House, session: Session, call: Call, book: Book, language: str, now: datetime) -> str:
    call.book, flow = book.version, book.flows[call.flow]
    step = engine.start(flow, language, facts(session, call, now), book.prompts)
    call.flow_version = flow.version
    return _answer(here, session, call, step, now)


def _event(session: Session, call: Call, flow: Flow, told: talk.Session, now: datetime) -> talk.Event:
    """What the carrier's form says the person did (docs/twilio.md 2.3, 2.4, 2.7)."""
    form = request.form
    if "DialCallStatus" in form:
        return _dial_ended(session, call, now)
    node = flow.nodes.get(told.node)
    if isinstance(node, nodes.Wait):
        return waiting.ended(session, call, now)
    if isinstance(node, nodes.Queue):
        return waiting.line_ended(session, call, now)
    recording_sid = form.get("RecordingSid") or form.get("RecordingUrl", "").rpartition("/")[2]
    if recording_sid:
        # Without a readable length something was recorded all the same: it must not pass for silence.
        return talk.Recorded(recording_sid, _seconds("RecordingDuration", 1), form.get("Digits") == "hangup")
    if isinstance(node, nodes.Hold):
        return talk.Resumed()
    # With no recording there are no keys either: `hangup` or the key that ended a silence.
    digits = "" if isinstance(node, nodes.Take) else form.get("Digits", "")[:MOST_DIGITS]
    if isinstance(node, nodes.Number) and node.kind == "phone" and digits.isdigit():
        # A number nobody could ring back is asked for again, like any other wrong entry.
        return talk.Keys(digits if store.callback_number(session, digits) else "0")
    if isinstance(node, nodes.Number) and node.kind in engine.LOOKED_UP and digits.isdigit():
        return _looked_up(session, call, node.kind, digits, now)
    return talk.Keys(digits) if digits else talk.Silence()


def _looked_up(session: Session, call: Call, kind: str, digits: str, now: datetime) -> talk.Event:
    """Whose birthday this is, if we rang that person in vain or the number is theirs; or which ticket. Nothing of it is
    stored or said again."""
    services = house().services
    found = False
    if kind == "ticket":
        desk = services.get(ServiceDesk)
        found = desk is not None and desk.find_ticket(session, call, digits, now)
    elif len(digits) == BIRTHDAY_DIGITS and kind == "holder":
        booking = services.get(Booking)
        found = booking is not None and booking.identify(session, call, digits, now)
    elif len(digits) == BIRTHDAY_DIGITS:
        keeper = services.get(RingBack)
        found = keeper is not None and keeper.begin(session, call, digits, now)
    return talk.Matched() if found else talk.Keys(digits)


def _dial_ended(session: Session, call: Call, now: datetime) -> talk.Event:
    form = request.form
    attempts.ask_legs(session, call, form.get("DialCallSid", ""))
    # What is told of the Dial of a queue is not documented (docs/twilio.md 2.7); then our own ledger knows.
    talked = waiting.talked_s(session, call, now)
    bridged = form.get("DialBridged", "false" if talked is None else "true") == "true"
    seconds = _seconds("DialCallDuration", talked or 0)
    if call.kind == "doctor" and call.attempt_id is not None and (bridged or "DialBridged" in form):
        # a patient who pressed the key and was not joined all the same has had no talk
        doctor.talk_ended(session, call.attempt_id, seconds if bridged else 0, now)
    if call.kind == "agent" and call.attempt_id is not None:
        events.publish(session, events.AgentTalked(call.attempt_id, seconds if bridged else 0), now)
    if bridged:
        return talk.Connected(seconds)
    return talk.NotConnected(DIAL_WORDS.get(form["DialCallStatus"], "failed"))


def _seconds(field: str, otherwise: int) -> int:
    text = request.form.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


AFTER_THE_EFFECTS = (talk.Continue, talk.Connect, talk.Wait)
"""Outputs whose document is only known when the turn's effects are stored."""


def _answer(
    here: House, session: Session, call: Call, step: talk.Turn, now: datetime, *, unheard: bool = False
) -> str:
    """Store the turn and write its document. A Dial the gate refuses, and a wait for nobody, become the next event of
    the flow. `unheard`: before this turn the recording was silenced."""
    book, owed = shelf.of_call(session, call), None
    reached: twiml.DialPlan | twiml.WaitPlan | None = None
    for _ in range(MOST_REFUSALS):
        if _on_the_line() and not isinstance(step.output, AFTER_THE_EFFECTS):
            # before the effects, which have the row written: so it is written once
            owed = _document(here, call, book, step)
        store.save(session, call, step, now)
        if isinstance(step.output, talk.Continue):
            step = _joined(step, _continued(session, call, step, step.output, book, now))
            continue
        happened = _reach(here, session, call, step.output, now) if _on_the_line() else None
        if not isinstance(happened, talk.NotConnected | talk.Left):
            reached = happened
            break
        flow = book.flows[call.flow]
        if isinstance(happened, talk.NotConnected):
            step = _without_its_recording(flow, call, step)
        step = _joined(step, engine.step(flow, step.session, happened, facts(session, call, now), book.prompts))
    if isinstance(step.output, talk.Join):
        _legs_joined(session, call, now)
    if not _on_the_line():
        return NOBODY_TO_SPEAK
    begins = hidden.is_keyed_unheard(book.flows[call.flow], step.session)
    if begins != unheard:
        events.publish(session, events.IdentityKeyed(call.id, begins), now)
    for announced in _document(here, call, book, step, reached) if owed is None else owed:
        events.publish(session, announced, now)
    return call.last_twiml or NOBODY_TO_SPEAK


def _reach(
    here: House, session: Session, call: Call, output: talk.Output, now: datetime
) -> twiml.DialPlan | twiml.WaitPlan | talk.NotConnected | talk.Left | None:
    """How the one this output is about is reached; or what happened instead. None: it is about nobody else."""
    if isinstance(output, talk.Wait):
        return waiting.begin(session, call, output, now)
    if not isinstance(output, talk.Connect):
        return None
    dialled = _dial(session, call, output.target, now)
    return talk.NotConnected("refused") if isinstance(dialled, gate.Refused) else _plan(here, dialled, call)


def _document(
    here: House, call: Call, book: Book, step: talk.Turn, reached: twiml.DialPlan | twiml.WaitPlan | None = None
) -> list[events.RecordingAnnounced]:
    """Write what the caller hears into the call. Returns the recordings that are owed once it has left."""
    owed, base = [], here.settings.public_url

    def promised(purpose: str) -> str:
        """Where the carrier reports a recording."""
        owed.append(events.RecordingAnnounced(new_id(), call.id, purpose, step.session.language))
        return f"{base}/recordings/{owed[-1].recording_id}/done"

    whole = "bridge" if isinstance(step.output, talk.Connect) else "call"
    call.last_twiml = twiml.render(
        step.output,
        f"{base}/ivr/turn/{call.id}/{step.session.turn}",
        prompts=book.prompts,
        start_recording=step.start_recording,
        stop_recording=step.stop_recording,
        start_callback_url=promised(whole) if step.start_recording else None,
        take_callback_url=promised(step.output.kind) if isinstance(step.output, talk.Take) else None,
        dial=reached if isinstance(reached, twiml.DialPlan) else None,
        wait=reached if isinstance(reached, twiml.WaitPlan) else None,
    )
    return owed


def _plan(here: House, dialled: Attempt | doctor.Waiting, call: Call) -> twiml.DialPlan:
    """How this call gets at the other one: by a ring, or out of the queue in which it waits."""
    base, caller_id = here.settings.public_url, here.settings.twilio_from or ""
    if isinstance(dialled, doctor.Waiting):
        joined_url = f"{base}/ivr/queue-joined/{call.id}"
        return twiml.DialPlan("", caller_id, joined_url, "", queue=dialled.queue, timeout_s=waiting.DIAL_S)
    return twiml.DialPlan(
        number=dialled.to,
        caller_id=caller_id,
        screen_url=f"{base}/ivr/call/{dialled.id}",
        status_url=f"{base}/dialer/attempt/{dialled.id}",
        timeout_s=dialled.ring_s,
    )


def _continued(
    session: Session, call: Call, step: talk.Turn, to: talk.Continue, book: Book, now: datetime
) -> talk.Turn:
    """The call goes on in another flow: what it is told from now on is that flow's."""
    flow = book.flows[to.flow]
    call.flow, call.flow_version = flow.name, flow.version
    return engine.go_on(flow, step.session, to.node, facts(session, call, now), book.prompts)


def _on_the_line() -> bool:
    """False on the last request after a hang-up (docs/twilio.md 2.4, 2.7): its answer is ignored."""
    status = request.form.get("CallStatus", "in-progress")
    try:
        return call_word(status) not in CALL_OVER
    except UnknownWord:
        log.error("the carrier used a status we do not know", extra={"status": status[:40]})
        return True


def _without_its_recording(flow: Flow, call: Call, step: talk.Turn) -> talk.Turn:
    """A Connect that records the talk it makes (the doctor's), and made none: the next Dial starts the recording."""
    node = flow.nodes.get(step.session.node)
    if not (step.start_recording and isinstance(node, nodes.Connect) and node.record):
        return step
    call.recording_on = False
    return replace(step, start_recording=False, session=replace(step.session, recording="off"))


def _joined(first: talk.Turn, then: talk.Turn) -> talk.Turn:
    """Two turns heard as one: what the first had to say is said before what the second has."""
    lines = getattr(first.output, "lines", ()) + getattr(then.output, "lines", ())
    output = then.output if isinstance(then.output, talk.Join) else talk.with_lines(then.output, lines)
    return talk.Turn(
        then.session,
        then.effects,
        output,
        first.start_recording or then.start_recording,
        first.stop_recording or then.stop_recording,
    )


def _dial(session: Session, call: Call, target: str, now: datetime) -> Attempt | doctor.Waiting | gate.Refused:
    if target == "patient":
        return doctor.connect_patient(session, call, now)
    if target == "caller":
        return desk_of(session).connect(session, call, now)
    told = store.load(call)
    to = hotline.own_number(session, call, now) if target == "theme" else hotline.operator(settings_of(session), now)
    return attempts.dial(
        session,
        gate.Ring(target, to, call.id),
        parent=call,
        flow="operator_join",
        language=told.language if told else settings_of(session).hospital.languages[0],
        brief={},
        ring_s=OPERATOR_RING_S,
        now=now,
    )


def _legs_joined(session: Session, call: Call, now: datetime) -> None:
    record(session, "call", call.id, "joined", now, who="caller")
    if call.kind == "patient" and call.attempt_id is not None:
        events.publish(session, events.PatientJoined(call.attempt_id), now)
    leg = session.get(Attempt, call.attempt_id) if call.kind == "caller" else None
    agent = session.get(Call, leg.parent_call_id) if leg is not None else None
    if agent is not None and agent.attempt_id is not None:
        events.publish(session, events.CallerTaken(call.id, agent.attempt_id), now)


def _xml(document: str) -> Response:
    return Response(document, mimetype="text/xml")
