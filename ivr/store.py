"""Turns stored: what a flow's effects mean to the house, written in the transaction of the turn."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people
from core.house import of, settings_of
from core.models import EventRow, record
from dialer.machine import CALL_OVER
from dialer.models import Attempt, Call
from ivr import booking, talk
from ivr.booking import Booking
from ivr.models import Answer
from ivr.questions import SCORED
from ivr.talk import Fact

OURS = ("followup", "reminder")
"""Calls to a patient on file."""


def load(call: Call) -> talk.Session | None:
    if not call.session:
        return None
    return talk.Session(**{**call.session, "done": tuple(call.session.get("done", ()))})


def save(session: Session, call: Call, turn: talk.Turn, now: datetime) -> None:
    """Keep where the call stands, and carry out every effect of the turn."""
    call.session = asdict(turn.session)
    call.turn = turn.session.turn
    if turn.start_recording:
        call.recording_on = True
    for effect in turn.effects:
        _EFFECTS[effect.name](session, call, effect.data, now)
    if call.status in CALL_OVER:
        # The carrier's word that the caller is gone overtook this request: nothing else will make the score stand.
        _let_stand(session, call, now)


def unconfirmed_score(session: Session, call: Call) -> Answer | None:
    return session.scalar(_UNCONFIRMED, {"call_id": call.id})


# the statements of every call are built once: building one costs as much as running it
_STANDS = sa.select(Answer).where(Answer.call_id == sa.bindparam("call_id"), Answer.replaced_at.is_(None))
_UNCONFIRMED = _STANDS.where(Answer.question.in_(SCORED), Answer.confirmed_at.is_(None))
_OF_QUESTION = _STANDS.where(Answer.question == sa.bindparam("question"))
_NOTED = sa.select(
    sa.exists().where(
        EventRow.kind == "call", EventRow.subject_id == sa.bindparam("call_id"), EventRow.what == sa.bindparam("what")
    )
)


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """The line is dead. A score still waiting for its read-back stands (docs/clinical.md section 2, D: a hang-up
    after keying counts as confirmed), and an interview that did not reach its end is partial, unless a doctor rings
    for what it had heard."""
    call = session.get_one(Call, event.call_id)
    _let_stand(session, call, now)
    told = load(call)
    if told is None or call.attempt_id is None:
        return
    if call.kind in OURS and told.person == "wanted":
        _want_work(session, call, "call_wanted", "asked for a person, and nobody took the call", now)
    if told.ended:
        return
    if call.kind == "followup" and _noted_before(session, call, "who"):
        outcome = "handed_over" if _is_a_doctors(session, call) else _broken_off(session, call)
        events.publish(session, events.InterviewEnded(call.id, call.attempt_id, outcome), now)
    if call.kind == "reminder" and _noted_before(session, call, "identity confirmed"):
        events.publish(session, events.ReminderAnswered(call.id, call.attempt_id, "heard"), now)
    if call.kind == "doctor":
        events.publish(session, events.DoctorDecided(call.attempt_id, "hung_up"), now)
    if call.kind == "agent":
        events.publish(session, events.AgentDecided(call.attempt_id, "hung_up"), now)


def _noted_before(session: Session, call: Call, what: str) -> bool:
    """Whether the ledger has it of this call: who hangs up on the notice, like a machine, has not said who."""
    return bool(session.scalar(_NOTED, {"call_id": call.id, "what": what}))


def _broken_off(session: Session, call: Call) -> str:
    """How an interview ended that was hung up on: somebody of the family who never got to answer is not the patient."""
    if _noted_before(session, call, "identity confirmed"):
        return "partial"
    said = session.scalar(
        sa.select(EventRow.data)
        .where(EventRow.kind == "call", EventRow.subject_id == call.id, EventRow.what == "who")
        .order_by(EventRow.id.desc())
        .limit(1)
    )
    return "not_patient" if said is not None and said.get("says") == "family" else "partial"


def _is_a_doctors(session: Session, call: Call) -> bool:
    """Whether this call has told something a doctor is rung for."""
    threshold = _threshold(session, call)
    rows = session.scalars(_STANDS, {"call_id": call.id})
    return any(row.level in ("A", "B") or (row.question in SCORED and int(row.value) >= threshold) for row in rows)


def _threshold(session: Session, call: Call) -> int:
    attempt = session.get(Attempt, call.attempt_id) if call.attempt_id else None
    return int((attempt.brief if attempt else {}).get("threshold") or settings_of(session).followup.threshold)


def _want_work(session: Session, call: Call, kind: str, why: str, now: datetime) -> None:
    """About the follow-up or reminder this call is for, or about the call itself."""
    attempt = session.get(Attempt, call.attempt_id) if call.attempt_id else None
    subject_id = attempt.subject_id if attempt else call.id
    events.publish(session, events.WorkWanted(kind, call.patient_id, subject_id, why), now)


def _let_stand(session: Session, call: Call, now: datetime) -> None:
    open_score = unconfirmed_score(session, call)
    if open_score is not None:
        _score_stands(session, call, open_score, "hung_up", now)


def _score_stands(session: Session, call: Call, answer: Answer, why: str, now: datetime) -> None:
    answer.confirmed_at = now
    answer.how = why
    score = int(answer.value)
    attempt = session.get(Attempt, call.attempt_id) if call.attempt_id else None
    brief = attempt.brief if attempt else {}
    # the wave's score is the pain at rest; that of moving is told of only when somebody must act on it
    if answer.question == "pain" or score >= int(brief.get("nurse_from") or _threshold(session, call)):
        events.publish(session, events.ScoreStands(call.id, score, answer.keyed_at, why, answer.question), now)


# ---- one function per effect (ivr.talk.EFFECTS) --------------------------------------------------
NO_OTHER = "operator"
Data = Mapping[str, Fact]
Apply = Callable[[Session, Call, Data, datetime], None]


def _score_keyed(session: Session, call: Call, data: Data, now: datetime) -> None:
    older = unconfirmed_score(session, call)
    if older is not None:
        older.replaced_at = now
    _answer(session, call, str(data["question"]), str(data["score"]), now, raw=str(data["raw"]))


def _score_confirmed(session: Session, call: Call, data: Data, now: datetime) -> None:
    answer = unconfirmed_score(session, call)
    if answer is not None:
        _score_stands(session, call, answer, str(data["how"]), now)


def _score_withdrawn(session: Session, call: Call, data: Data, now: datetime) -> None:
    """The row stays until the next score is keyed: who hangs up instead is still heard."""
    record(session, "call", call.id, "score to be keyed again", now)


def _number_given(session: Session, call: Call, data: Data, now: datetime) -> None:
    """The number comes after the score, which stood without one so far: only now can anybody ring back."""
    call.callback = callback_number(session, str(data["number"]))
    score = _standing_score(session, call)
    if score is not None:
        events.publish(session, events.ScoreStands(call.id, int(score.value), score.keyed_at, score.how), now)


def _standing_score(session: Session, call: Call) -> Answer | None:
    return session.scalar(
        sa.select(Answer)
        .where(
            Answer.call_id == call.id,
            Answer.question == "pain",
            Answer.confirmed_at.is_not(None),
            Answer.replaced_at.is_(None),
        )
        .order_by(Answer.confirmed_at.desc())
        .limit(1)
    )


def callback_number(session: Session, digits: str) -> str | None:
    """Digits as keyed, as E.164: with country code after 00, else a number of the hospital's own country."""
    region = "CN"
    ours = settings_of(session).twilio_from
    if ours:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(ours)) or region
    spellings = ((f"+{digits[2:]}", None),) if digits.startswith("00") else ((digits, region), (f"+{digits}", None))
    for text, where in spellings:
        try:
            number = phonenumbers.parse(text, where)
        except phonenumbers.NumberParseException:
            continue
        # A number that works only inside its own town cannot be rung from here.
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            e164 = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
            return e164 if e164 != ours else None  # at our own number the doctor would hear our menu
    return None


def _who(session: Session, call: Call, data: Data, now: datetime) -> None:
    who = str(data["who"])
    record(session, "call", call.id, "who", now, who="caller", says=who)
    if who == "stop" and call.patient_id is not None:
        for purpose in ("followup", "reminder"):  # "all our automated calls", says the prompt
            people.set_consent(session, call.patient_id, purpose, False, "keypad", now, channel="keypad")
    elif who == "wrong_number" and call.kind == "reminder" and call.patient_id is not None:
        # of a follow-up the scheduler hears it as an outcome, and does the same
        people.retire_number(session, call.patient_id, call.party, now)


def _answered(session: Session, call: Call, data: Data, now: datetime) -> None:
    question = str(data["question"])
    for row in session.scalars(_OF_QUESTION, {"call_id": call.id, "question": question}):
        row.replaced_at = now
    _answer(session, call, question, str(data["value"]), now, level=str(data["level"]))


def _red_flag(session: Session, call: Call, data: Data, now: datetime) -> None:
    question, level = str(data["question"]), str(data["level"])
    events.publish(session, events.RedFlag(call.id, question, level, now), now)
    if level == "C":
        _want_work(session, call, "red_flag", question, now)


def _consent(session: Session, call: Call, data: Data, now: datetime) -> None:
    if call.patient_id is not None:
        given = data["given"] is True
        people.set_consent(session, call.patient_id, str(data["purpose"]), given, "keypad", now, channel="keypad")


def _work_wanted(session: Session, call: Call, data: Data, now: datetime) -> None:
    _want_work(session, call, str(data["kind"]), str(data["why"]), now)


def _identity_failed(session: Session, call: Call, data: Data, now: datetime) -> None:
    record(session, "call", call.id, "identity failed", now, who="caller")
    if call.kind in OURS:
        _want_work(session, call, "identity_failed", "id_not_checked", now)


def _reminder_answered(session: Session, call: Call, data: Data, now: datetime) -> None:
    choice = str(data["choice"])
    record(session, "call", call.id, "reminder answered", now, who="caller", choice=choice)
    if call.kind == "reminder" and call.attempt_id is not None:
        events.publish(session, events.ReminderAnswered(call.id, call.attempt_id, choice), now)


def _open_answer(session: Session, call: Call, data: Data, now: datetime) -> None:
    _answer(session, call, str(data["question"]), str(data["recording_sid"]), now)
    events.publish(session, events.SpokenInto(call.id), now)


def _message_taken(session: Session, call: Call, data: Data, now: datetime) -> None:
    _answer(session, call, "message", str(data["recording_sid"]), now)
    events.publish(session, events.SpokenInto(call.id), now)
    events.publish(session, events.MessageLeft(call.id, str(data["purpose"])), now)


def _answer(
    session: Session, call: Call, question: str, value: str, now: datetime, *, raw: str = "", level: str = ""
) -> None:
    attempt = session.get(Attempt, call.attempt_id) if call.attempt_id else None
    session.add(
        Answer(
            call_id=call.id,
            patient_id=call.patient_id,
            subject_id=attempt.subject_id if attempt else None,
            question=question,
            value=value,
            raw=raw,
            level=level,
            respondent=str((call.session or {}).get("respondent", "self")),
            keyed_at=now,
        )
    )
    session.flush()


def _decided(decision: str) -> Apply:
    def apply(session: Session, call: Call, data: Data, now: datetime) -> None:
        if call.kind == "doctor" and call.attempt_id is not None:
            events.publish(session, events.DoctorDecided(call.attempt_id, decision), now)
        else:
            record(session, "call", call.id, decision, now, who="caller")

    return apply


def _of_its_ring(event: Callable[[uuid.UUID, Data], object]) -> Apply:
    """An effect that is told of as what this ring brought about."""

    def apply(session: Session, call: Call, data: Data, now: datetime) -> None:
        if call.attempt_id is not None:
            events.publish(session, event(call.attempt_id, data), now)

    return apply


def _noted(what: str) -> Apply:
    def apply(session: Session, call: Call, data: Data, now: datetime) -> None:
        record(session, "call", call.id, what, now, who="caller", data=data)

    return apply


def _outcome(session: Session, call: Call, data: Data, now: datetime) -> None:
    """What is a doctor's now is not rung for again, even if the patient was then joined with somebody else."""
    outcome = str(data["outcome"])
    if outcome == "partial" and _is_a_doctors(session, call):
        outcome = "handed_over"
    record(session, "call", call.id, "outcome", now, who="caller", outcome=outcome)
    if call.kind == "followup" and call.attempt_id is not None:
        events.publish(session, events.InterviewEnded(call.id, call.attempt_id, outcome), now)


# ---- the hotline and the desk behind it -----------------------------------------------------------
def _reason(session: Session, call: Call, data: Data, now: datetime) -> None:
    """Why they ring, by key; the last word counts. That they want a person is no reason beside another one."""
    reason = str(data["reason"])
    if reason == NO_OTHER and call.reason:
        return
    call.reason = reason
    record(session, "call", call.id, "reason", now, who="caller", reason=call.reason)
    events.publish(session, events.ReasonGiven(call.id, call.reason, call.department), now)


def _ticket_wanted(session: Session, call: Call, data: Data, now: datetime) -> None:
    events.publish(session, events.TicketWanted(str(data["kind"]), call.id, call.patient_id), now)


def _picked(session: Session, call: Call, data: Data, now: datetime) -> None:
    """One of a list: a department belongs to the call, and in the flow that books to a visit that is arranged."""
    what, value = str(data["what"]), str(data["value"])
    if what == "departments":
        call.department = value
        record(session, "call", call.id, "department", now, who="caller", department=value)
    desk = of(session).services.get(Booking)
    if desk is not None and call.flow == booking.FLOW:
        desk.picked(session, call, what, value, now)


def _visit(session: Session, call: Call, data: Data, now: datetime) -> None:
    desk = of(session).services.get(Booking)
    if desk is not None:
        desk.settle(session, call, str(data["action"]), now)


def _agent_decided(decision: str) -> Apply:
    return _of_its_ring(lambda ring, _data: events.AgentDecided(attempt_id=ring, decision=decision))


def _agent_signed(session: Session, call: Call, data: Data, now: datetime) -> None:
    events.publish(session, events.AgentSigned(call.id, str(data["state"])), now)


def _pin_wrong(session: Session, call: Call, data: Data, now: datetime) -> None:
    """What was keyed is not stored."""
    record(session, "call", call.id, "pin wrong", now, who="caller")
    if call.kind == "hotline":
        events.publish(session, events.PinWrong(call.id), now)


_EFFECTS: dict[str, Apply] = {
    "recording_declined": _noted("recording declined"),
    "language_chosen": _noted("language chosen"),
    "score_keyed": _score_keyed,
    "score_confirmed": _score_confirmed,
    "score_withdrawn": _score_withdrawn,
    "number_given": _number_given,
    "identity_confirmed": _noted("identity confirmed"),
    "identity_failed": _identity_failed,
    "who": _who,
    "respondent": _noted("respondent"),
    "answer": _answered,
    "red_flag": _red_flag,
    "question_skipped": _noted("question skipped"),
    "consent": _consent,
    "work_wanted": _work_wanted,
    "reminder_answered": _reminder_answered,
    "message_taken": _message_taken,
    "open_answer": _open_answer,
    "accepted": _decided("accepted"),
    "declined": _decided("declined"),
    "no_key": _decided("no_key"),
    "no_pin": _decided("no_pin"),
    "try_again": _noted("patient to be rung again"),
    "doctor_said": _of_its_ring(lambda ring, data: events.DoctorSaid(ring, str(data["what"]))),
    "next_wanted": _of_its_ring(lambda ring, _data: events.NextWanted(attempt_id=ring)),
    "acknowledged": _of_its_ring(lambda ring, _data: events.Acknowledged(attempt_id=ring)),
    "test_confirmed": _of_its_ring(lambda ring, _data: events.TestConfirmed(attempt_id=ring)),
    "operator_wanted": _noted("operator wanted"),
    "reason": _reason,
    "ticket_wanted": _ticket_wanted,
    "picked": _picked,
    "visit": _visit,
    "agent_accepted": _agent_decided("accepted"),
    "agent_declined": _agent_decided("declined"),
    "agent_no_key": _agent_decided("no_key"),
    "agent_said": _of_its_ring(lambda ring, data: events.AgentSaid(ring, str(data["what"]))),
    "pin_wrong": _pin_wrong,
    "agent_signed": _agent_signed,
    "satisfaction": _of_its_ring(lambda ring, data: events.SatisfactionKeyed(ring, int(str(data["score"])) or None)),
    "outcome": _outcome,
}
"""Every name of ivr.talk.EFFECTS; the wiring test holds the two together."""
