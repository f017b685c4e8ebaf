"""What people write of an upheld complaint ends with the recording of the talk; without one, when one would have."""

from __future__ import annotations

import uuid
from datetime import timedelta

import sqlalchemy as sa

from commands import patient_erase
from commands.patient_held import Found
from core.models import Patient, new_id
from recordings.models import Recording
from recordings.quality import vetoes
from recordings.quality.vetoes import Complaint
from recordings.review_models import QaNote, Veto
from recordings.vault import retention
from recordings.vault.files import FileStore
from tests.recordings.listeners import DAY, Office


def upheld(office: Office, complaint: Complaint) -> uuid.UUID:
    with office.transaction() as session:
        return vetoes.uphold(session, "amy", complaint, DAY, "boss", "rude to Ann Example, heard at 1:10", office.now)


def words(office: Office) -> list[str]:
    with office.transaction() as session:
        return list(session.scalars(sa.select(QaNote.kind).order_by(QaNote.id)))


def test_the_words_go_with_the_recording_and_none_are_written_after(office: Office) -> None:
    recording = office.record("amy")
    with office.transaction() as session:
        call_id = session.get_one(Recording, recording).call_id
        message = Recording(
            id=new_id(), call_id=call_id, purpose="message", language="en", state="kept", announced_at=office.now,
            keep_class="complaint", keep_until=office.now + timedelta(days=1095),
        )  # fmt: skip
        session.add(message)
    veto = upheld(office, Complaint("1234-56", new_id(), call_id))
    with office.transaction() as session:
        assert session.scalars(sa.select(QaNote.recording_id)).all() == [recording], "the talk and not the message"
        retention.end_now(session, recording, "boss", "test", office.now)
    with office.transaction() as session:
        assert retention.purge(session, office.house.service(FileStore), recording, office.now)
    assert words(office) == []
    with office.transaction() as session:
        vetoes.appeal(session, veto, "amy", "it was another caller", office.now)
        assert session.get_one(Veto, veto).state == "appealed"
    assert words(office) == [], "or retention's proof would find words of a purged recording"
    assert retention.check(office.house) == []


def test_without_a_recording_they_end_when_a_complaints_would(office: Office) -> None:
    upheld(office, Complaint("1234-57", new_id()))
    for days, left in ((1094, ["upheld"]), (1, [])):
        office.forward(days=days)
        with office.transaction() as session:
            vetoes.due(session, office.now)
        assert words(office) == left
    with office.transaction() as session:
        assert session.scalars(sa.select(Veto.state)).all() == ["stands"], "the month's figure stays"


def test_an_erasure_masks_the_patient_in_them_for_three_years(office: Office) -> None:
    veto = upheld(office, Complaint("1234-58", new_id()))
    with office.transaction() as session:
        patient = Patient(
            mrn="T-1", mrn_index=b"x", name="Ann Example", language="en", timezone="UTC", created_at=office.now
        )
        session.add(patient)
        session.flush()
        found = Found(patient, {"patient": {patient.id}, "vetoes": {veto}})
        patient_erase._veto_notes(session, found, office.now)
        (text,) = session.scalars(sa.select(QaNote.text))
        assert "Ann Example" not in text
        assert "heard at 1:10" in text
        patient_erase._veto_notes(session, found, office.now + timedelta(days=3 * 366))
    assert words(office) == []
