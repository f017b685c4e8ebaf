"""The screen: what the phrase lists make of a recording's words, in the mode of its day, and how that is kept.

The mode is that of the moment the recording was made: screening again later gives the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.models import EventRow
from dialer.models import Agent, Call
from recordings.call_facts import CallFact, CallFacts
from recordings.findings import machine_flags, required, strict
from recordings.findings.lexicon import Finding, Lexicon, find, load
from recordings.findings.machine_flags import Sign
from recordings.findings.required import Circumstances
from recordings.models import FindingRow, Recording
from recordings.rows import NOT_ANNOUNCED
from recordings.sound.conversation import Line


@dataclass(frozen=True)
class Screened:
    """What was found, with which list and how; `signs` are for an alarm, not for a listener."""

    findings: tuple[Finding, ...]
    version: str
    mode: str
    signs: tuple[Sign, ...] = ()
    unread: bool = False
    """An open answer without a sign, that says something: a person has to read it."""


@cache
def phrase_list(language: str) -> Lexicon:
    """The list of a language as this process knows it; LexiconError."""
    return load(language)


def of_recording(session: Session, recording_id: uuid.UUID, lines: Sequence[Line]) -> Screened:
    """Screen what was heard in a recording; nothing is written."""
    row = session.get_one(Recording, recording_id)
    call = session.get(Call, row.call_id) if row.call_id is not None else None
    lexicon = phrase_list(row.language)
    mode = strict.mode_at(session, row.announced_at)
    findings = find(lines, lexicon, strict=mode == strict.STRICT)
    findings += required.missing(lines, lexicon, circumstances(session, row, call))
    may_alarm = machine_flags.is_screened(row.purpose, call.kind if call else None)
    signs = machine_flags.signs(lines, lexicon) if may_alarm else []
    unread = machine_flags.is_unread(row.purpose, lines, signs, lexicon)
    return Screened(tuple(findings), lexicon.version, mode, tuple(signs), unread)


def circumstances(session: Session, row: Recording, call: Call | None) -> Circumstances:
    """What the phrases that have to be said depend on. Without the desk's facts no agent is known to have talked."""
    fact = CallFact()
    facts: CallFacts | None = session.info["house"].services.get(CallFacts)
    if call is not None and facts is not None:
        fact = facts.of(session, [call.id]).get(call.id, fact)
    agent = session.get(Agent, fact.agent_id) if fact.agent_id is not None else None
    strange = sa.exists().where(
        EventRow.kind == "recording", EventRow.subject_id == row.id, EventRow.what == NOT_ANNOUNCED
    )
    return Circumstances(
        purpose=row.purpose,
        call_kind=call.kind if call is not None else "",
        announced=not session.scalar(sa.select(strange)),
        agent=fact.agent_id is not None and bool(fact.talk_s),
        names=(agent.name,) if agent is not None else (),
    )


def add_findings(session: Session, recording_id: uuid.UUID, screened: Screened) -> None:
    for finding in screened.findings:
        session.add(
            FindingRow(recording_id=recording_id, lexicon=screened.version, mode=screened.mode, **vars(finding))
        )


def replace_findings(session: Session, recording_id: uuid.UUID, screened: Screened) -> int:
    """Instead of those of an older list: two lists' findings side by side would count everything twice. What the old
    ones were stands in the ledger, by count. Returns how many there were."""
    gone = session.execute(sa.delete(FindingRow).where(FindingRow.recording_id == recording_id))
    add_findings(session, recording_id, screened)
    return int(gone.rowcount)  # type: ignore[attr-defined]
