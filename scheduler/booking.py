"""Visits arranged by telephone in the built-in calendar: what flow `appointments` is told, and what its keys do.

Until the last key nothing is booked: what a caller has chosen is a draft of the call, and ends with it. Who rings is
known by the number and the birthday together; before that not a word is said of any visit (docs/clinical.md 2, "Proxy
and identity").
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import events, people, spoken
from core.db import lock
from core.house import settings_of
from core.models import EventRow, Patient, record
from dialer.models import Call
from scheduler import slots, visits
from scheduler.models import Appointment, ClinicSession, VisitDraft
from scheduler.reminder_words import may_remind
from scheduler.slots import Slot

Fact = str | int | bool | tuple[str, ...]

MOST_LISTED: Final = 7
"""Departments or visits read out; a key can name no more."""
MOST_TRIES: Final = 2
"""Birthdays in one call."""
MOST_WRONG: Final = 6
"""Wrong birthdays from one number within a day; after them no birthday is right."""
A_DAY: Final = timedelta(days=1)
MOST_AHEAD: Final = 5
"""Visits a patient may have booked here at a time: nobody fills a doctor's day from one telephone."""
OTHERS: Final = "others"
WRONG: Final = "birthday wrong"
BEING_CHANGED: Final = {"zh-CN": "{when}，正在改期", "en": "{when}, being changed"}
WISHES: Final = {"move": "move wanted", "cancel": "cancel wanted"}
"""What is asked of a visit of another system: the step of the visit. The nurse's item that comes of it is the desk's
ticket as well, so no other is asked for."""


class BuiltIn:
    """Keeps ivr.booking.Booking."""

    # ---- who rings -------------------------------------------------------------------------------
    def identify(self, session: Session, call: Call, birth_mmdd: str, now: datetime) -> bool:
        """`call` (locked) is about the one patient with its number and this birthday from now on. What was keyed is
        not stored."""
        if call.party_index is None:
            return False
        # two calls from one number count together
        lock(session, f"birthdays keyed from {call.party_index.hex()}")
        wrong = session.execute(_WRONG, {"index": call.party_index, "call_id": call.id, "since": now - A_DAY}).one()
        if wrong.here >= MOST_TRIES or wrong.of_the_number >= MOST_WRONG:
            record(session, "call", call.id, "birthday not heard any more", now, who="caller")
            return False
        found = [patient for patient in _owners(session, call, now) if people.birth_mmdd(patient) == birth_mmdd]
        if len(found) != 1:
            record(session, "call", call.id, WRONG, now, who="caller")
            return False
        draft = _draft(session, call) or VisitDraft(call_id=call.id, offered={}, result="")
        draft.patient_id = call.patient_id = found[0].id
        session.add(draft)
        session.flush()
        return True

    # ---- what is told ----------------------------------------------------------------------------
    def facts(self, session: Session, call: Call, now: datetime) -> dict[str, Fact]:
        draft = _known(session, call)
        if draft is None:
            return {"known_number": bool(call.party and _owners(session, call, now))}
        told: dict[str, Fact] = {"known_number": True, "identified": True}
        told |= _departments(session, now) | _times(session, draft) | _visits(session, draft, now)
        told["visit_done"] = draft.result in ("booked", "moved", "cancelled")
        told["visit_noted"], told["visit_taken"] = draft.result == "noted", draft.result == "taken"
        told["reminded"] = may_remind(session, draft.patient_id) if draft.patient_id else False
        return told

    # ---- what is keyed ---------------------------------------------------------------------------
    def picked(self, session: Session, call: Call, what: str, value: str, now: datetime) -> None:
        draft = _known(session, call)
        if draft is None:
            return
        draft.result = ""
        if what == "departments":
            draft.appointment_id = None
            _offer(session, draft, call.department, now)
        elif what == "visits":
            visit = _of_patient(session, draft, value, now)
            draft.appointment_id = visit.id if visit is not None else None
            call.department = visit.department if visit is not None else call.department
            draft.offered = {}
        elif value == OTHERS:
            _offer(session, draft, call.department, now, heard=draft.offered.get("shown", []))
        elif value in draft.offered.get("page", []):
            _choose(draft, Slot.of(value))

    def settle(self, session: Session, call: Call, action: str, now: datetime) -> None:
        draft = _known(session, call)
        if draft is None or draft.patient_id is None:
            return
        if action == "book":
            draft.result = _book(session, draft, now)
        elif draft.appointment_id is not None:
            draft.result = _move_or_cancel(session, draft, draft.appointment_id, action, now)
        else:
            draft.result = "gone"
        if draft.result == "taken":
            _offer(session, draft, call.department, now)
        _choose(draft, None)
        record(session, "call", call.id, f"visit: {action}", now, who="caller", result=draft.result)


def on_call_ended(session: Session, event: events.CallEnded, now: datetime) -> None:
    """What was chosen and not booked is forgotten with the call."""
    if session.get_one(Call, event.call_id).kind == "hotline":
        session.execute(_FORGET, {"call_id": event.call_id})


# ---- the caller ---------------------------------------------------------------------------------
def _owners(session: Session, call: Call, now: datetime) -> list[Patient]:
    """Living patients who are rung at this number: a relative's, only if the patient has not said no to the family."""
    return [
        patient
        for patient in people.patients_with_number(session, call.party)
        if patient.status != "deceased"
        and patient.merged_into is None
        and people.is_rung_at(session, patient, call.party, people.today(patient, now))
    ]


_WRONG = sa.select(
    sa.func.count().label("of_the_number"),
    sa.func.count().filter(EventRow.subject_id == sa.bindparam("call_id")).label("here"),
).where(
    EventRow.kind == "call",
    EventRow.what == WRONG,
    EventRow.at > sa.bindparam("since"),
    EventRow.subject_id.in_(
        # a call may have begun before the day that counts: none is longer than that
        sa.select(Call.id).where(
            Call.party_index == sa.bindparam("index"), Call.started_at > sa.bindparam("since") - A_DAY
        )
    ),
)
_FORGET = sa.delete(VisitDraft).where(VisitDraft.call_id == sa.bindparam("call_id"))


def _draft(session: Session, call: Call) -> VisitDraft | None:
    return session.get(VisitDraft, call.id)


def _known(session: Session, call: Call) -> VisitDraft | None:
    """The draft of a caller who has shown who they are in this call."""
    draft = _draft(session, call)
    return draft if draft is not None and draft.patient_id is not None else None


# ---- words --------------------------------------------------------------------------------------
def _when(session: Session, at: datetime) -> dict[str, str]:
    """Day and hour on the hospital's wall, for that is where the visit is."""
    hospital = settings_of(session).hospital
    local = at.astimezone(hospital.timezone)
    return {language: spoken.moment(local, language) for language in hospital.languages}


def _said(name: str, words: dict[str, str]) -> dict[str, Fact]:
    return {name: next(iter(words.values())), **{f"{name}.{language}": text for language, text in words.items()}}


def _list(session: Session, name: str, said: list[dict[str, str]], values: list[str]) -> dict[str, Fact]:
    """What is read out in each language, and what each key then stands for."""
    languages = settings_of(session).hospital.languages
    words: dict[str, Fact] = {f"{name}.{language}": tuple(one[language] for one in said) for language in languages}
    return {name: words[f"{name}.{languages[0]}"], **words, f"{name}_values": tuple(values)}


def _departments(session: Session, now: datetime) -> dict[str, Fact]:
    """Those that can be booked, in the hospital's order and words; after them, as they are spelt, the ones
    hospital.toml does not name."""
    languages, hotline = settings_of(session).hospital.languages, settings_of(session).hotline
    named = [one.name for one in hotline.departments]
    bookable = visits.departments(session, now)
    order = [name for name in named if name in bookable] + [name for name in bookable if name not in named]
    said: list[dict[str, str]] = [
        {language: hotline.spoken_department(name, language) for language in languages} for name in order[:MOST_LISTED]
    ]
    return _list(session, "departments", said, order[:MOST_LISTED])


def _times(session: Session, draft: VisitDraft) -> dict[str, Fact]:
    """The times read out last, and the one that was chosen."""
    page = [Slot.of(key) for key in draft.offered.get("page", [])]
    told = _list(session, "slots", [_when(session, slot.at) for slot in page], [slot.key for slot in page])
    chosen = _chosen(draft)
    if chosen is None:
        return told
    clinic = session.get_one(ClinicSession, chosen.session_id)
    return told | _said("slot", _when(session, chosen.at)) | {"doctor": clinic.doctor, "place": clinic.place}


def _visits(session: Session, draft: VisitDraft, now: datetime) -> dict[str, Fact]:
    """The patient's visits ahead, and the one that was chosen or just booked."""
    assert draft.patient_id is not None
    ahead = visits.upcoming(session, draft.patient_id, now)[:MOST_LISTED]
    told = _list(session, "visits", [_visit_words(session, visit) for visit in ahead], [str(v.id) for v in ahead])
    visit = session.get(Appointment, draft.appointment_id) if draft.appointment_id else None
    if visit is None:
        return told
    told |= _said("when", _when(session, visit.starts_at))
    told |= {"visit_own": visits.is_ours(session, visit), "visit_stands": visit.status in visits.STANDS}
    return told | ({} if draft.session_id else {"place": visit.place})


def _visit_words(session: Session, visit: Appointment) -> dict[str, str]:
    """One that is to be moved or cancelled is not read out as if it stood (docs/clinical.md TEL15)."""
    when = _when(session, visit.starts_at)
    if visit.status in visits.STANDS:
        return when
    return {language: BEING_CHANGED[language].format(when=words) for language, words in when.items()}


# ---- times --------------------------------------------------------------------------------------
def _offer(session: Session, draft: VisitDraft, department: str, now: datetime, heard: list[str] | None = None) -> None:
    """The next page of free times. It is kept, so that a key means the time that was heard with it."""
    zone = settings_of(session).hospital.timezone
    page = [slot.key for slot in slots.spread(visits.free(session, department, now), zone, heard or ())]
    draft.offered = {"page": page, "shown": [*(heard or []), *page]}
    _choose(draft, None)


def _choose(draft: VisitDraft, slot: Slot | None) -> None:
    draft.session_id, draft.slot, draft.at = (slot.session_id, slot.number, slot.at) if slot else (None, None, None)


def _chosen(draft: VisitDraft) -> Slot | None:
    if draft.session_id is None or draft.slot is None or draft.at is None:
        return None
    return Slot(draft.session_id, draft.slot, draft.at)


# ---- what is settled ----------------------------------------------------------------------------
def _book(session: Session, draft: VisitDraft, now: datetime) -> str:
    slot = _chosen(draft)
    assert draft.patient_id is not None
    ahead = visits.upcoming(session, draft.patient_id, now)
    if slot is None or sum(visit.external_id.startswith(visits.OURS) for visit in ahead) >= MOST_AHEAD:
        return "gone"
    visit = visits.take(session, slot, draft.patient_id, "patient", now)
    if visit is None:
        return "taken"
    draft.appointment_id = visit.id
    return "booked"


def _move_or_cancel(session: Session, draft: VisitDraft, visit_id: uuid.UUID, action: str, now: datetime) -> str:
    visit = session.get_one(Appointment, visit_id)
    if not visits.is_ours(session, visit):
        return visits.wish(session, visit_id, WISHES[action], "keyed_hotline", "patient", now)
    if action == "cancel":
        return visits.cancel(session, visit_id, "patient", now)
    slot = _chosen(draft)
    return "gone" if slot is None else visits.change(session, visit_id, slot, "patient", now)


def _of_patient(session: Session, draft: VisitDraft, value: str, now: datetime) -> Appointment | None:
    assert draft.patient_id is not None
    ahead = visits.upcoming(session, draft.patient_id, now)
    return next((visit for visit in ahead if str(visit.id) == value), None)
