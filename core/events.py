"""What the rooms tell each other: an event is published and handled inside the transaction that caused it.

Rooms never import their siblings; app.py joins subscribers to events in one list. A handler that raises
takes the whole transaction down with it: nothing is half-told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session


@dataclass(frozen=True)
class AttemptEnded:
    """One ring of ours is over. `outcome` is one of dialer.machine.OUTCOMES."""

    attempt_id: uuid.UUID
    kind: str
    subject_id: uuid.UUID | None
    outcome: str


@dataclass(frozen=True)
class AttemptInDoubt:
    """The carrier did not answer the POST of this ring: nobody knows yet whether it rings."""

    attempt_id: uuid.UUID
    kind: str
    subject_id: uuid.UUID | None


@dataclass(frozen=True)
class AttemptRinging:
    """A phone really rings now."""

    attempt_id: uuid.UUID
    kind: str
    subject_id: uuid.UUID | None


@dataclass(frozen=True)
class CallEnded:
    """A carrier call reached its end, heard by callback or found by the reaper."""

    call_id: uuid.UUID


@dataclass(frozen=True)
class ScoreStands:
    """A pain score is final: confirmed by key, or left unconfirmed by a caller who is gone (docs/clinical.md
    section 2: a hang-up after keying counts as confirmed). `why` = key | zero_after_one | unanswered | hung_up | band |
    corrected. `question` = pain (at rest) | pain_moving. `before` is the score it corrects."""

    call_id: uuid.UUID
    score: int
    keyed_at: datetime
    why: str
    question: str = "pain"
    before: int | None = None


@dataclass(frozen=True)
class InterviewEnded:
    """The flow of a follow-up call said how it went: completed | handed_over (a doctor or nurse goes on from here)
    | partial | not_patient | wrong_number | bad_time | declined | identity_failed."""

    call_id: uuid.UUID
    attempt_id: uuid.UUID
    outcome: str


@dataclass(frozen=True)
class RedFlag:
    """An answer that is a warning sign. `level` = A (emergency, then doctor) | B (doctor) | C (nurse today), by
    docs/clinical.md section 2; `question` is its key in flows/questions.yaml."""

    call_id: uuid.UUID
    question: str
    level: str
    keyed_at: datetime


@dataclass(frozen=True)
class MachineHeard:
    """A machine heard words of warning in what the patient of this call said at `said_at`, to nobody but the machine.
    Nobody has confirmed it. `level` = A | B; `question` as in RedFlag."""

    call_id: uuid.UUID
    recording_id: uuid.UUID
    question: str
    level: str
    said_at: datetime


@dataclass(frozen=True)
class ReminderAnswered:
    """The flow of a reminder call: `choice` = confirmed | move | cancel | heard | not_patient | stop."""

    call_id: uuid.UUID
    attempt_id: uuid.UUID
    choice: str


@dataclass(frozen=True)
class WorkWanted:
    """Somebody on the ward has to do something. `kind` is one of scheduler.worklist.KINDS; `subject_id` is the
    follow-up, call, message or procedure it is about; one open item per kind and subject."""

    kind: str
    patient_id: uuid.UUID | None
    subject_id: uuid.UUID | None
    why: str


@dataclass(frozen=True)
class MessageFailed:
    """An SMS could not be delivered, for good."""

    message_id: uuid.UUID
    kind: str
    subject_id: uuid.UUID | None
    patient_id: uuid.UUID | None
    clinical: bool


@dataclass(frozen=True)
class AnswersReassigned:
    """The answers of a call were another person's and have been moved there; `followup_id` is the wave they were
    taken for, None for a hotline call."""

    call_id: uuid.UUID
    followup_id: uuid.UUID | None
    to_patient_id: uuid.UUID


@dataclass(frozen=True)
class PatientsMerged:
    """Two records were one person: what hangs on the old one moves to the other."""

    old_id: uuid.UUID
    new_id: uuid.UUID


@dataclass(frozen=True)
class DoctorDecided:
    """The doctor's phone was answered and a key, or none, decided about the patient he was offered: accepted |
    declined | no_key | hung_up | no_pin (accepted, and then the PIN was wrong)."""

    attempt_id: uuid.UUID
    decision: str


@dataclass(frozen=True)
class DoctorSaid:
    """The doctor keyed what becomes of the patient he accepted: `what` = call_later | one of
    dialer.escalation.OUTCOMES."""

    attempt_id: uuid.UUID
    what: str


@dataclass(frozen=True)
class NextWanted:
    """The doctor is done with one patient and is to be offered the next who waits for him, in the same call."""

    attempt_id: uuid.UUID


@dataclass(frozen=True)
class Acknowledged:
    """Somebody at the night target pressed the key."""

    attempt_id: uuid.UUID


@dataclass(frozen=True)
class TestConfirmed:
    """Somebody pressed the key at a test ring."""

    __test__ = False
    attempt_id: uuid.UUID


@dataclass(frozen=True)
class DoctorRung:
    """A doctor is rung for the first time in this round, at this number (E.164)."""

    attempt_id: uuid.UUID
    escalation_id: uuid.UUID
    to: str
    language: str


@dataclass(frozen=True)
class NightCalledIn:
    """Automation has run out, or the promise is broken: the night target at this number is rung."""

    escalation_id: uuid.UUID
    to: str


@dataclass(frozen=True)
class CallerWaits:
    """A hotline caller stays on the line for the doctor of this escalation."""

    call_id: uuid.UUID
    escalation_id: uuid.UUID


@dataclass(frozen=True)
class CallerLeft:
    """A caller who waited on the line does so no more: `why` = bridged | nurse | hung_up | closed (no doctor was on
    the way any more) | error."""

    call_id: uuid.UUID
    why: str


@dataclass(frozen=True)
class CallerJoined:
    """A caller who waited on the line and the doctor whose ring this is are joined now."""

    call_id: uuid.UUID
    doctor_attempt_id: uuid.UUID


@dataclass(frozen=True)
class EscalationClosed:
    """A patient was helped: `how` = talked | coded; said again when what came of the talk is coded after it."""

    escalation_id: uuid.UUID
    patient_id: uuid.UUID | None
    procedure_id: uuid.UUID | None
    how: str


@dataclass(frozen=True)
class PatientJoined:
    """The patient pressed the key at the doctor's ring: the two are joined now."""

    attempt_id: uuid.UUID


@dataclass(frozen=True)
class RecordingAnnounced:
    """TwiML that starts a recording leaves now: a file is owed. `purpose` = call | message | open_answer | bridge."""

    recording_id: uuid.UUID
    """Ours, made before the TwiML leaves; it rides in the callback's URL: /recordings/<id>/done."""
    call_id: uuid.UUID
    purpose: str
    language: str


@dataclass(frozen=True)
class IdentityKeyed:
    """A call that is being recorded comes to a place where a birthday or a PIN is keyed (`begins`), or leaves it."""

    call_id: uuid.UUID
    begins: bool


@dataclass(frozen=True)
class FollowUpUnreached:
    """A wave ended without a whole interview: work for a nurse."""

    followup_id: uuid.UUID
    patient_id: uuid.UUID
    why: str


@dataclass(frozen=True)
class EscalationOpened:
    escalation_id: uuid.UUID
    call_id: uuid.UUID


# ---- the hotline and the desk behind it
@dataclass(frozen=True)
class ReasonGiven:
    """A hotline caller chose by key why they ring: `reason` is one of dialer.machine.REASONS, `department` the one they
    named, or empty."""

    call_id: uuid.UUID
    reason: str
    department: str = ""


@dataclass(frozen=True)
class TicketWanted:
    """Somebody at the desk has to do something. `kind` is one of desk.kinds.KINDS; one open ticket per kind and call
    (or, without a call, per kind and subject)."""

    kind: str
    call_id: uuid.UUID | None
    patient_id: uuid.UUID | None
    subject_id: uuid.UUID | None = None
    why: str = ""


@dataclass(frozen=True)
class MessageLeft:
    """A caller left a spoken message on the machine; `purpose` is that of the flow's `take` node."""

    call_id: uuid.UUID
    purpose: str


@dataclass(frozen=True)
class SpokenInto:
    """The carrier told the flow of sound in the newest answer or message of this call: somebody did speak, whatever
    becomes of the recording."""

    call_id: uuid.UUID


@dataclass(frozen=True)
class Transcribed:
    """The words of a recording are known. `purpose` as in RecordingAnnounced."""

    recording_id: uuid.UUID
    call_id: uuid.UUID
    purpose: str
    text: str


@dataclass(frozen=True)
class QueueLeft:
    """A caller who waited for an agent does so no more: `why` = served | callback | message | hung_up | closed |
    overflow | error."""

    call_id: uuid.UUID
    why: str


@dataclass(frozen=True)
class CallerTaken:
    """The agent whose ring this is and the caller (from the queue, or rung back) are joined now."""

    call_id: uuid.UUID | None
    agent_attempt_id: uuid.UUID


@dataclass(frozen=True)
class AgentDecided:
    """An agent's telephone was answered and a key, or none, decided: accepted | declined | no_key | hung_up."""

    attempt_id: uuid.UUID
    decision: str


@dataclass(frozen=True)
class AgentTalked:
    """The agent's talk with the caller is over after `seconds`; 0: they were not joined."""

    attempt_id: uuid.UUID
    seconds: int


@dataclass(frozen=True)
class AgentSaid:
    """After the talk the agent keyed what came of it: solved | ticket | call_again."""

    attempt_id: uuid.UUID
    what: str


@dataclass(frozen=True)
class AgentSigned:
    """An agent rang the hotline from a number of theirs and keyed ready | paused | off."""

    call_id: uuid.UUID
    state: str


@dataclass(frozen=True)
class StaffLeft:
    """Somebody stands in the staff file no more."""

    login: str


@dataclass(frozen=True)
class PinWrong:
    """Somebody who rang the hotline from an agent's number keyed a PIN that is not the agent's."""

    call_id: uuid.UUID


@dataclass(frozen=True)
class SatisfactionKeyed:
    """Whoever was helped scored it 1-5 in a satisfaction call; None: asked not to be asked again."""

    attempt_id: uuid.UUID
    score: int | None


@dataclass(frozen=True)
class WorkOpened:
    """A nurse has something new to do; the item is in the worklist."""

    item_id: uuid.UUID
    kind: str
    patient_id: uuid.UUID | None
    urgent: bool
    due_at: datetime


@dataclass(frozen=True)
class WorkDone:
    """A nurse closed an item of the worklist."""

    item_id: uuid.UUID
    who: str


@dataclass(frozen=True)
class TicketCloses:
    """A ticket that stands for an item of the worklist is about to be closed, and is not locked yet: the item's lock
    comes before the ticket's (docs/decisions/0004)."""

    work_item_id: uuid.UUID


@dataclass(frozen=True)
class TicketClosed:
    """A ticket of the desk was closed; `work_item_id` if it stands for an item of the worklist."""

    ticket_id: uuid.UUID
    work_item_id: uuid.UUID | None
    who: str
    note: str


Handler = Callable[[Session, Any, datetime], None]


class Bus:
    """Who listens to what."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], list[Handler]] = {}

    def subscribe(self, event: type[Any], handler: Handler) -> None:
        self._handlers.setdefault(event, []).append(handler)

    def publish(self, session: Session, event: Any, now: datetime) -> None:
        for handler in self._handlers.get(type(event), []):
            handler(session, event, now)

    def subscribers(self) -> dict[type[Any], list[Handler]]:
        return dict(self._handlers)


def publish(session: Session, event: Any, now: datetime) -> None:
    """Tell the house that `session` belongs to."""
    session.info["house"].bus.publish(session, event, now)
