"""All that is held about one patient: which tables, which rows, and what an erasure does with them.

Each table of the database stands either in `HELD` or, with the reason, in `NOBODYS`; a test fails for one in neither
(tests/commands/test_patient.py). Whoever adds a table with words, numbers or ids of patients adds a line: how its rows
are found, and what becomes of them. Rules cited: docs/clinical.md section 3 (PIPL 45 copy, 47 deletion).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.db import Base
from core.models import Contact, Patient

GOES, BLANK, RECORD, STAYS, OWN = "goes", "blank", "record", "stays", "own"
"""What an erasure does. goes: the rows are deleted; blank: they stay, names, numbers and words in them do not; record:
part of the medical record, as `blank` once the law's time is over and till then without names and numbers only; stays:
as it is; own: this table has rules of its own (commands/patient_erase.py)."""

MEDICAL: Final = "medical record: 15 years from the last visit, 30 from discharge (docs/clinical.md section 3 [36])"
PROOF: Final = "proof of what was agreed to, refused, read or rung (docs/clinical.md section 3, PIPL 51)"
LINK: Final = "ids and times only: what it points at is erased (PIPL 47)"


@dataclass(frozen=True)
class Held:
    """`ways`: (column, whose ids); a row belongs to the patient if any of them fits. Ids: a table's name, or `patient`,
    `number` (blind indexes of numbers that are nobody else's), `subject` (every id found before)."""

    table: str
    ways: tuple[tuple[str, str], ...]
    on_erase: str
    rule: str
    blank: tuple[str, ...] = ()
    """Columns that are emptied: names, numbers, words."""
    hidden: tuple[str, ...] = ()
    """Columns that are in no copy: the machine's own, or somebody else's."""
    words: tuple[str, ...] = ()
    """Of a record the law keeps: what people said and wrote. What was found stays, and nobody is named in it."""


HELD: Final = (
    Held("patients", (("id", "patient"), ("merged_into", "patient")), OWN, MEDICAL),
    Held("contacts", (("patient_id", "patient"),), GOES, "PIPL 47"),
    Held("consents", (("patient_id", "patient"),), STAYS, PROOF),
    Held("procedures", (("patient_id", "patient"),), RECORD, MEDICAL, ("name", "surgeon", "external_id")),
    Held("appointments", (("patient_id", "patient"),), RECORD, MEDICAL, ("external_id",)),
    Held("booked_slots", (("appointment_id", "appointments"),), OWN, "visits ahead are left to the patient"),
    Held("reminders", (("patient_id", "patient"),), OWN, LINK),
    Held("followups", (("patient_id", "patient"),), RECORD, MEDICAL, ("score", "note"), words=("note",)),
    Held("work_items", (("patient_id", "patient"),), RECORD, MEDICAL, ("note",), words=("note",)),
    Held("attempts", (("patient_id", "patient"),), BLANK, LINK, ("to", "brief"), ("claim", "brief")),
    Held(
        "calls", (("patient_id", "patient"), ("party_index", "number"), ("attempt_id", "attempts")), BLANK, LINK,
        ("party", "session", "last_twiml", "callback"), ("session", "last_twiml"),
    ),
    Held("visit_drafts", (("patient_id", "patient"), ("call_id", "calls")), GOES, "PIPL 47"),
    Held("escalations", (("patient_id", "patient"), ("call_id", "calls")), RECORD, MEDICAL, ("to",)),
    Held("offers", (("escalation_id", "escalations"),), STAYS, PROOF),
    Held(
        "answers", (("patient_id", "patient"), ("call_id", "calls")), RECORD, MEDICAL, ("value", "raw", "correction"),
        words=("raw", "correction"),
    ),
    Held("messages", (("patient_id", "patient"), ("to_index", "number")), BLANK, "PIPL 47", ("to", "body")),
    Held(
        "inbound_messages", (("patient_id", "patient"), ("sender_index", "number")), BLANK, "PIPL 47",
        ("sender", "body"),
    ),
    Held("queue_entries", (("patient_id", "patient"), ("party_index", "number")), BLANK, LINK, ("party",)),
    Held("queue_offers", (("entry_id", "queue_entries"),), STAYS, LINK),
    Held(
        "tickets", (("patient_id", "patient"), ("contact_index", "number"), ("call_id", "calls")), OWN,
        "complaints: 3 years; what is open is first dealt with (docs/clinical.md section 3, Recording; CMP1)",
        ("contact", "words", "solution", "compensation"),
    ),
    Held("ticket_watchers", (("ticket_id", "tickets"),), STAYS, LINK),
    Held("ticket_clocks", (("ticket_id", "tickets"),), STAYS, LINK),
    Held("ticket_alarms", (("ticket_id", "tickets"),), STAYS, LINK),
    Held("surveys", (("ticket_id", "tickets"),), STAYS, LINK),
    Held(
        "recordings", (("call_id", "calls"),), OWN,
        "ordinary ones go; holds, complaints, escalations and the record till their time is over",
        hidden=("claim",),
    ),
    Held("transcripts", (("recording_id", "recordings"),), OWN, "with its recording"),
    Held("segments", (("transcript_id", "transcripts"),), OWN, "with its recording"),
    Held("findings", (("recording_id", "recordings"),), OWN, "with its recording"),
    Held("sound_measures", (("recording_id", "recordings"),), OWN, "with its recording"),
    Held("machine_flags", (("recording_id", "recordings"),), OWN, "with its recording"),
    Held(
        "chats", (("patient_id", "patient"),), OWN,
        "ordinary ones go; complaints and escalations till their time is over", hidden=("digest",),
    ),
    Held("chat_findings", (("chat_id", "chats"),), OWN, "with its chat"),
    Held(
        "vetoes", (("ticket_id", "tickets"), ("recording_id", "recordings")), STAYS, "a judgement of staff's work",
        hidden=("agent_id", "upheld_by", "decided_by"),
    ),
    Held(
        "qa_notes", (("recording_id", "recordings"), ("chat_id", "chats"), ("veto_id", "vetoes")), OWN,
        "with its recording or chat; of a complaint in writing, with its words", hidden=("text",),
    ),
    Held(
        "recording_holds", (("recording_id", "recordings"), ("chat_id", "chats")), STAYS, "legal hold",
        hidden=("reason", "release_reason"),
    ),
    Held("recording_pauses", (("call_id", "calls"),), STAYS, LINK),
    Held("plays", (("recording_id", "recordings"),), STAYS, PROOF, hidden=("token", "why")),
    Held("do_not_call", (("phone_index", "number"),), STAYS, PROOF),
    Held("refusals", (("subject_id", "subject"),), STAYS, PROOF),
    Held("views", (("subject_id", "subject"),), STAYS, PROOF, hidden=("why",)),
    Held("events", (("subject_id", "subject"),), STAYS, PROOF),
)  # fmt: skip

NOBODYS: Final[Mapping[str, str]] = {
    "agents": "staff",
    "erasures": "a keyed hash of a record number and a day, so that no file brings an erased patient back",
    "users": "staff",
    "api_tokens": "programs",
    "shifts": "doctors on duty",
    "covers": "doctors on duty",
    "test_rings": "rings at doctors and the night target",
    "clinic_sessions": "doctors' hours",
    "campaigns": "a title and a time; who is on it is in followups",
    "special_days": "the calendar",
    "daily_runs": "what was done today",
    "pauses": "of all outbound calls",
    "pace": "one row, a time",
    "test_clock": "the clock of tests and the demo",
    "flow_books": "what callers hear",
    "scorecards": "what staff's work is judged by",
    "scorecard_uses": "the same",
    "reviews": "judgements of staff's work; the words about a call are in qa_notes, and end with it",
    "review_marks": "the same",
    "coaching_tasks": "what staff practise",
    "coaching_rechecks": "the same",
    "strict_periods": "how findings are made",
    "rescreens": "the same",
    "draws": "the sample of a day: ids and codes; what they point at is erased",
    "draw_picks": "the same",
}


class PatientProblem(Exception):
    """A copy or an erasure cannot be made now; one sentence."""


@dataclass
class Found:
    """The patient with every record merged into it, and all ids that lead to rows."""

    patient: Patient
    ids: dict[str, set[Any]] = field(default_factory=dict)
    """Table (or `patient`, `number`, `subject`) to the ids of its rows."""

    def where(self, held: Held) -> sa.ColumnElement[bool]:
        table = table_of(held.table)
        return sa.or_(*(table.c[column].in_(self.ids.get(whose, ())) for column, whose in held.ways))


def table_of(name: str) -> sa.Table:
    return Base.metadata.tables[name]


def find(session: Session, patient: Patient) -> Found:
    """Everything, in as many statements as there are tables. A number that is also somebody else's (a family shares
    one) leads to nothing: rows without a patient are then not known to be this one's."""
    mine = _records(session, patient.id)
    found = Found(patient, {"patient": mine, "number": _numbers(session, mine), "subject": set(mine)})
    for held in HELD:
        table = table_of(held.table)
        keys = list(table.primary_key)
        if len(keys) != 1:
            continue
        ids = set(session.scalars(sa.select(keys[0]).where(found.where(held))))
        ids -= _strangers(session, held, ids, mine)
        found.ids[held.table] = ids
        found.ids["subject"] |= {one for one in ids if isinstance(one, uuid.UUID)}
    return found


def _strangers(session: Session, held: Held, ids: set[Any], mine: set[uuid.UUID]) -> set[Any]:
    """Rows found by a number or a call that say they are another patient's."""
    table = table_of(held.table)
    if "patient_id" not in table.c:
        return set()
    (key,) = table.primary_key
    return set(session.scalars(sa.select(key).where(key.in_(ids), table.c.patient_id.not_in(mine))))


def _records(session: Session, patient_id: uuid.UUID) -> set[uuid.UUID]:
    """With the doubles that were merged into it: a merge lets all of them point at the survivor."""
    return {patient_id, *session.scalars(sa.select(Patient.id).where(Patient.merged_into == patient_id))}


def _numbers(session: Session, mine: set[uuid.UUID]) -> set[bytes]:
    own = set(
        session.scalars(sa.select(Contact.phone_index).where(Contact.patient_id.in_(mine), Contact.relation == "self"))
    )
    shared = session.scalars(
        sa.select(Contact.phone_index).where(Contact.phone_index.in_(own), Contact.patient_id.not_in(mine))
    )
    return own - set(shared)


Rows = Sequence[sa.RowMapping]


def rows(session: Session, found: Found) -> Iterator[tuple[Held, Rows]]:
    """The rows of every table, as the columns' types give them (deciphered)."""
    for held in HELD:
        table = table_of(held.table)
        keys = list(table.primary_key)
        which = keys[0].in_(found.ids[held.table]) if len(keys) == 1 else found.where(held)
        yield held, session.execute(sa.select(table).where(which).order_by(*keys)).mappings().all()
