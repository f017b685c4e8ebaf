"""`carecall patient export|erase`: nothing that is held is left out, nothing goes that the law keeps."""

from __future__ import annotations

import json
import stat
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import app
from commands import patient_copy, patient_held
from core import people, settings
from core.db import Base, Encrypted, blind
from core.house import House
from core.models import Contact, EventRow, Patient, new_id
from desk.models import Ticket
from dialer import sms
from dialer.models import Call, Message
from ivr.models import Answer
from recordings.chat_models import Chat
from recordings.models import Play, Recording, SegmentRow, SoundMeasuresRow, Transcript
from recordings.sampling import chats
from recordings.sampling.chat_shapes import ChatIn
from recordings.sound import audio
from recordings.vault import retention
from recordings.vault.fetch import Media
from recordings.vault.files import FileStore
from scheduler import merge, worklist
from scheduler.models import FollowUp, WorkItem
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, tone
from tests.scheduler.clinic import Ward

NAME, PHONE, MRN = "Qarvonel Zickbaum", "+8619100000001", "PX-4711"
BIRTH = "1951-03-04"


# ---- every table ---------------------------------------------------------------------------------------
def test_every_table_is_either_of_a_patient_or_says_why_not() -> None:
    held = [one.table for one in patient_held.HELD]
    assert len(held) == len(set(held))
    assert set(held) | set(patient_held.NOBODYS) == set(Base.metadata.tables), (
        "a new table: to HELD, with what an erasure does, or to NOBODYS, with the reason (commands/patient_held.py)"
    )
    assert not set(held) & set(patient_held.NOBODYS)


def test_no_table_that_names_a_patient_is_said_to_be_nobodys() -> None:
    for name in patient_held.NOBODYS:
        table = Base.metadata.tables[name]
        pointing = {key.column.table.name for column in table.c for key in column.foreign_keys}
        assert "patient_id" not in table.c, name
        assert "patients" not in pointing, name


def test_every_column_of_words_is_emptied_or_has_a_rule() -> None:
    """An erasure reaches each enciphered column of a table that holds patients."""
    by_rule = {patient_held.GOES, patient_held.OWN}
    staff = {("plays", "why"), ("recording_holds", "reason"), ("recording_holds", "release_reason")}
    for held in patient_held.HELD:
        table = patient_held.table_of(held.table)
        assert set(held.blank) | set(held.hidden) <= set(table.c.keys())
        for column in table.c:
            if isinstance(column.type, Encrypted) and held.on_erase not in by_rule:
                assert column.name in held.blank or (held.table, column.name) in staff, f"{held.table}.{column.name}"


def test_every_word_of_a_record_the_law_keeps_is_masked_or_is_no_persons_word() -> None:
    """Till the law's time is over."""
    found = {
        ("procedures", "name"), ("procedures", "surgeon"), ("followups", "score"), ("answers", "value"),
        ("escalations", "to"),
    }  # fmt: skip
    for held in patient_held.HELD:
        if held.on_erase == patient_held.RECORD:
            words = {c.name for c in Base.metadata.tables[held.table].c if isinstance(c.type, Encrypted)}
            assert words == set(held.words) | {name for table, name in found if table == held.table}, held.table
            assert set(held.words) <= set(held.blank)


def test_every_table_has_a_title_in_both_languages() -> None:
    assert set(patient_copy.TITLES) == {held.table for held in patient_held.HELD}


# ---- a patient with everything --------------------------------------------------------------------------
class Clinic(Ward):
    """One patient with a relative, an operation, calls, answers, messages, tickets and recordings."""

    def settle(self) -> uuid.UUID:
        self.room = Room(self.house)
        self.mine = self._person(NAME, PHONE, MRN)
        with self.house.transaction() as session:
            other = "+8619100000002"
            session.add(
                Contact(patient_id=self.mine, phone=other, phone_index=people.phone_index(other), relation="child",
                        position=1)
            )  # fmt: skip
        self.followup = self.first(self.operation(self.mine, timedelta(hours=6)))
        self.calls = [self._call(self.mine, PHONE), self._call(None, PHONE)]
        with self.house.transaction() as session:
            session.add(
                Answer(call_id=self.calls[0], patient_id=self.mine, question="pain", value="7",
                       raw=f"seven, says {NAME}", keyed_at=self.now)
            )  # fmt: skip
            sms.plan(session, kind="recovery", subject_id=self.followup.id, patient_id=self.mine, to=PHONE,
                     body=f"for {NAME}", due_at=self.now + timedelta(days=2), now=self.now)  # fmt: skip
            session.get_one(FollowUp, self.followup.id).note = f"{NAME} sleeps well, rings from 191 0000 0001"
            item = worklist.want(session, "other", self.mine, self.followup.id, "why", self.now)
            worklist.done(session, item.id, "nurse", f"rang {NAME}", self.now)
        self.closed = self._ticket("complaint", "confirmed")
        self.open = self._ticket("message", "open")
        self.ordinary, self.held = self._recording(1), self._recording(2)
        with self.house.transaction() as session:
            retention.hold(session, self.held, "boss", "a suit", self.now)
        return self.mine

    def _person(self, name: str, phone: str, mrn: str) -> uuid.UUID:
        made = self.patient(phone, mrn=mrn)
        with self.house.transaction() as session:
            row = session.get_one(Patient, made)
            row.mrn_index, row.name, row.birth_date = blind(mrn, people.MRN), name, BIRTH
        return made

    def _call(self, patient_id: uuid.UUID | None, phone: str) -> uuid.UUID:
        with self.house.transaction() as session:
            call = Call(
                id=new_id(), kind="hotline", status="completed", party=phone, party_index=people.phone_index(phone),
                patient_id=patient_id, session={"said": NAME}, started_at=self.now, ended_at=self.now,
                deadline_at=self.now,
            )  # fmt: skip
            session.add(call)
        return call.id

    def _ticket(self, kind: str, status: str) -> uuid.UUID:
        with self.house.transaction() as session:
            row = Ticket(
                id=new_id(), number=f"{uuid.uuid4().int % 10**8:08d}", kind=kind, colour="yellow", link="other",
                problem="other", nature="complaint", channel="web", department="service", language="en",
                patient_id=self.mine, contact=PHONE, contact_index=people.phone_index(PHONE),
                words=f"My name is {NAME}, it hurts", status=status, opened_at=self.now, preset="A",
            )  # fmt: skip
            session.add(row)
        return row.id

    def _recording(self, number: int) -> uuid.UUID:
        recording = self.room.announce(self.calls[0])
        self.room.carrier.files[sid(number)] = Media(dual(tone(2), tone(2, level=4000)))
        self.room.speech.texts = [f"this is {NAME} calling, pain seven", "Doctor Watson will ring you"]
        self.room.done(recording, RecordingSid=sid(number), CallSid="")
        self.room.work()
        return recording

    def all(self, table: type[Base]) -> list[Base]:
        with self.house.transaction() as session:
            return list(session.scalars(sa.select(table)))

    def row(self, table: type[Base], key: uuid.UUID) -> Base:
        with self.house.transaction() as session:
            return session.get_one(table, key)

    def plain(self) -> str:
        """Every enciphered value of the database, open."""
        with self.house.transaction() as session:
            return "\n".join(
                str(value)
                for table in Base.metadata.sorted_tables
                for column in table.c
                if isinstance(column.type, Encrypted)
                for value in session.scalars(sa.select(column))
            )


@pytest.fixture
def clinic(at_work: Carecall) -> Iterator[Clinic]:
    house: House = app.open_house(settings.load())
    house.clock = StandingClock(datetime.now(UTC) - timedelta(minutes=1))
    made = Clinic(house)
    made.settle()
    yield made
    house.engine.dispose()


def test_the_copy_has_all_of_one_and_nothing_of_another(at_work: Carecall, clinic: Clinic, tmp_path: Path) -> None:
    clinic._person("Wemblotor Quenchbury", "+8619100000009", "PX-9999")
    out = tmp_path / "copy.zip"
    told = at_work("patient", "export", MRN, "--reason", "asked at the counter", "--out", str(out), "--json")
    assert told.code == 0, told.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    counts = {row["table"]: row["rows"] for row in told.rows}
    assert counts["contacts"] == 2
    assert counts["calls"] == 2, "the one from the patient's own number too"
    assert counts["recordings as WAV"] == 2
    with zipfile.ZipFile(out) as pack:
        names = pack.namelist()
        texts = {name: pack.read(name).decode() for name in names if not name.endswith(".wav")}
        sound = pack.read(f"recordings/{clinic.ordinary}.wav")
    whole = "\n".join(texts.values())
    assert NAME in texts["data/patients.json"]
    assert json.loads(texts["data/answers.json"])[0]["value"] == "7"
    assert NAME in texts["data/segments.json"], "the patient's own words"
    assert "Watson" not in whole, "names of staff are not"
    assert "Quenchbury" not in whole
    rate, channels = audio.channels(sound)
    assert (rate, len(channels)) == (8000, 1), "their own side only"
    assert audio.level(channels[0]) > audio.level(tone(2, level=4000).astype("f4") / 32768)
    assert "您自己的声道" in texts["index.html"]
    assert "Your answers" in texts["index.html"]
    assert "copy given" in [row.what for row in clinic.all(EventRow)]  # type: ignore[attr-defined]


def test_what_staff_said_over_two_lines_is_masked_in_both(at_work: Carecall, clinic: Clinic, tmp_path: Path) -> None:
    """A number is said with a breath in it, and the patient says "yes" meanwhile."""
    said = [("line", "the doctor's own number is one three nine one two"), ("patient", "yes one three nine"),
            ("line", "three four five six seven eight")]  # fmt: skip
    with clinic.house.transaction() as session:
        transcript = session.scalar(sa.select(Transcript.id).where(Transcript.recording_id == clinic.ordinary))
        for position, (speaker, text) in enumerate(said, 10):
            session.add(
                SegmentRow(transcript_id=transcript, position=position, speaker=speaker, start_s=position,
                           end_s=position, text=text, confidence=1.0)
            )  # fmt: skip
    out = tmp_path / "copy.zip"
    assert at_work("patient", "export", MRN, "--reason", "asked", "--out", str(out)).code == 0
    with zipfile.ZipFile(out) as pack:
        rows = json.loads(pack.read("data/segments.json"))
    told = {row["position"]: row["text"] for row in rows if row["position"] >= 10}
    assert told[10] == "the doctor's own number is [phone]"
    assert told[11] == "yes one three nine", "the patient's own words"
    assert told[12] == "[phone]"


def test_a_copy_is_never_written_over_and_never_half_there(at_work: Carecall, clinic: Clinic, tmp_path: Path) -> None:
    out = tmp_path / "there.zip"
    out.write_bytes(b"mine")
    told = at_work("patient", "export", MRN, "--reason", "asked", "--out", str(out))
    assert (told.code, out.read_bytes()) == (2, b"mine")
    assert "is there already" in told.err
    assert at_work("patient", "export", MRN, "--reason", " ", "--out", str(tmp_path / "x")).code == 2
    assert at_work("patient", "export", "nobody", "--reason", "r", "--out", str(tmp_path / "x")).code == 2
    clinic.house.service(FileStore)
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["there.zip"]


def test_a_dry_run_changes_nothing(at_work: Carecall, clinic: Clinic) -> None:
    before = clinic.plain()
    told = at_work("patient", "erase", MRN, "--reason", "asked", "--dry-run")
    assert told.code == 0, told.err
    assert "nothing was changed" in told.out
    assert "legal hold" in told.out
    assert sorted(clinic.plain().splitlines()) == sorted(before.splitlines())


def test_what_may_go_goes_and_what_the_law_keeps_stays(at_work: Carecall, clinic: Clinic) -> None:
    told = at_work("patient", "erase", MRN, "--reason", f"asked by {NAME} herself", "--json")
    assert told.code == 0, told.err
    what = {(row["table"], row["what"]): row["rows"] for row in told.rows}
    assert what["contacts", "deleted"] == 2
    assert what["recordings", "deleted"] == 1
    assert what["recordings", "stays"] == 1
    assert what["answers", "stays"] == 1
    assert all(row["rule"] for row in told.rows)
    person = clinic.row(Patient, clinic.mine)
    assert (person.name, person.birth_date, person.mrn) == ("", None, MRN)  # type: ignore[attr-defined]
    assert clinic.all(Contact) == []
    assert {call.party for call in clinic.all(Call)} == {""}  # type: ignore[attr-defined]
    assert {message.status for message in clinic.all(Message)} == {"cancelled"}  # type: ignore[attr-defined]
    assert {row.status for row in clinic.all(FollowUp)} <= {"cancelled", "expired"}  # type: ignore[attr-defined]
    gone, kept = clinic.row(Recording, clinic.ordinary), clinic.row(Recording, clinic.held)
    assert (gone.state, kept.state) == ("purged", "kept")  # type: ignore[attr-defined]
    assert not clinic.house.service(FileStore).exists(clinic.ordinary)
    assert len(clinic.all(SegmentRow)) == 2, "the words of the held one only"
    complaint, waiting = clinic.row(Ticket, clinic.closed), clinic.row(Ticket, clinic.open)
    assert complaint.words == "My name is [name], it hurts"  # type: ignore[attr-defined]
    assert complaint.contact == ""  # type: ignore[attr-defined]
    assert waiting.contact == PHONE, "somebody still has to ring"  # type: ignore[attr-defined]
    with clinic.house.transaction() as session:
        assert not people.has_consent(session, clinic.mine, "followup")
        reason = session.scalar(sa.select(WorkItem).where(WorkItem.why == "erased"))
        assert reason is not None
        assert NAME not in (reason.note or "")
    # the medical record: what was found, and nobody's name
    [answer] = clinic.all(Answer)
    assert (answer.value, answer.raw) == ("7", "seven, says [name]")  # type: ignore[attr-defined]
    notes = {row.note for row in clinic.all(WorkItem) if row.why == "why"}  # type: ignore[attr-defined]
    assert notes == {"rang [name]"}
    assert [row.note for row in clinic.all(FollowUp) if row.note] == ["[name] sleeps well, rings from [phone]"]  # type: ignore[attr-defined]
    # what still has the name: the open ticket, the held recording with its words, and nothing else
    left = [line for line in clinic.plain().splitlines() if NAME in line]
    assert len(left) == 2, left


def test_erasing_again_finds_nothing_new_and_takes_what_has_become_free(at_work: Carecall, clinic: Clinic) -> None:
    assert at_work("patient", "erase", MRN, "--reason", "asked").code == 0
    again = at_work("patient", "erase", MRN, "--reason", "asked", "--json")
    assert again.code == 0, again.err
    assert [row for row in again.rows if row["what"] != "stays"] == []
    with clinic.house.transaction() as session:
        retention.release(session, clinic.held, "boss", "over", clinic.now)
        session.get_one(Ticket, clinic.open).status = "confirmed"
    third = at_work("patient", "erase", MRN, "--reason", "asked", "--json")
    assert {(row["table"], row["what"]) for row in third.rows} >= {("recordings", "deleted"), ("tickets", "emptied")}
    assert clinic.row(Recording, clinic.held).state == "purged"  # type: ignore[attr-defined]


def test_after_the_law_s_time_the_record_goes_too(at_work: Carecall, clinic: Clinic) -> None:
    from commands import patient_erase

    later = clinic.now + timedelta(days=31 * 366)
    with clinic.house.transaction() as session:
        retention.release(session, clinic.held, "boss", "over", clinic.now)
        session.get_one(Ticket, clinic.open).status = "confirmed"
        found = patient_held.find(session, session.get_one(Patient, clinic.mine))
        patient_erase.erase(session, found, "boss", later)
        for recording in found.ids["recordings"]:
            retention.purge(session, clinic.house.service(FileStore), recording, later)
    everything = clinic.plain()
    assert NAME not in everything
    assert PHONE not in everything
    assert MRN not in everything
    assert at_work("patient", "erase", MRN, "--reason", "asked").code == 2, "nobody is known by that number any more"


def test_a_merged_record_is_the_patient_s_and_a_family_s_number_is_not(at_work: Carecall, clinic: Clinic) -> None:
    double = clinic._person(NAME, "+8619100000003", "PX-4712")
    sister = clinic._person("Wemblotor Zickbaum", PHONE, "PX-5000")
    theirs = clinic._call(sister, PHONE)
    nobodys = clinic._call(None, PHONE)
    with clinic.house.transaction() as session:
        merge.merge(session, "PX-4712", MRN, "the same person", "nurse", clinic.now)
    assert at_work("patient", "erase", "PX-4712", "--reason", "asked", "--do-not-call").code == 0
    assert clinic.row(Patient, double).name == ""  # type: ignore[attr-defined]
    assert clinic.row(Patient, sister).name == "Wemblotor Zickbaum"  # type: ignore[attr-defined]
    assert [row.patient_id for row in clinic.all(Contact)] == [sister]  # type: ignore[attr-defined]
    assert clinic.row(Call, theirs).party == PHONE  # type: ignore[attr-defined]
    assert clinic.row(Call, nobodys).party == PHONE, "it may have been the sister"  # type: ignore[attr-defined]
    with clinic.house.transaction() as session:
        assert people.on_do_not_call(session, "+8619100000003")


def test_who_is_on_the_telephone_is_not_erased(at_work: Carecall, clinic: Clinic) -> None:
    with clinic.house.transaction() as session:
        session.get_one(Call, clinic.calls[0]).status = "in_progress"
    told = at_work("patient", "erase", MRN, "--reason", "asked")
    assert told.code == 2
    assert "on the telephone" in told.err
    assert clinic.row(Patient, clinic.mine).name == NAME  # type: ignore[attr-defined]


# ---- the list of recordings ------------------------------------------------------------------------------
def test_the_list_of_recordings_says_how_they_sound(at_work: Carecall, clinic: Clinic) -> None:
    with clinic.house.transaction() as session:
        session.execute(sa.update(SoundMeasuresRow).values(silence_s=3.504, longest_pause_s=1.25))
        row = session.get_one(SoundMeasuresRow, clinic.ordinary)
        shares = zip(row.channels, (0.75, 0.25), strict=True)
        row.channels = [channel | {"share": share} for channel, share in shares]
        session.delete(session.get_one(SoundMeasuresRow, clinic.held))
    rows = {row["id"]: row for row in at_work("recordings", "--json").rows}
    mine, unmeasured = rows[str(clinic.ordinary)], rows[str(clinic.held)]
    keys = ("talk_share", "longest_pause_s", "silence_s")
    assert [mine[key] for key in keys] == [{"patient": 0.75, "line": 0.25}, 1.25, 3.5]
    assert [unmeasured[key] for key in keys] == [None, None, None]
    table = at_work("recordings").out
    assert "talk_share" in table
    assert "patient 75%, line 25%" in table


# ---- transcripts -----------------------------------------------------------------------------------------
def test_a_transcript_is_masked_unless_there_is_a_reason(at_work: Carecall, clinic: Clinic) -> None:
    told = at_work("recordings", "transcript", str(clinic.ordinary))
    assert "this is [name] calling, pain seven" in told.out
    assert "Doctor [name] will ring you" in told.out
    assert "这是" not in told.out
    assert "【姓名】" in at_work("recordings", "transcript", str(clinic.ordinary), "--language", "zh-CN").out
    refused = at_work("recordings", "transcript", str(clinic.ordinary), "--original")
    assert (refused.code, refused.out) == (2, "")
    assert clinic.all(Play) == []
    told = at_work("recordings", "transcript", str(clinic.ordinary), "--original", "--reason", "complaint", "--json")
    assert NAME in told.rows[0]["text"] + told.rows[1]["text"]
    [play] = clinic.all(Play)
    assert (play.kind, play.why, play.original, play.token) == ("read", "complaint", True, None)  # type: ignore[attr-defined]
    assert "words read unmasked" in [row.what for row in clinic.all(EventRow)]  # type: ignore[attr-defined]


def test_who_asked_for_a_copy_is_not_left_behind_by_an_erasure(
    at_work: Carecall, clinic: Clinic, tmp_path: Path
) -> None:
    asked = f"{NAME}, {PHONE}, at the counter"
    assert at_work("patient", "export", MRN, "--reason", asked, "--out", str(tmp_path / "copy.zip")).code == 0
    reasons = [row.note for row in clinic.all(WorkItem) if row.why == "copy given"]  # type: ignore[attr-defined]
    assert len(reasons) == 1
    assert "at the counter" in reasons[0]
    assert NAME not in reasons[0]
    assert PHONE not in reasons[0]


# ---- the next file ---------------------------------------------------------------------------------------
def hospitals_file(folder: Path, *mrns: str) -> Path:
    """As it comes every night, the erased patient still in it."""
    lines = ["mrn,name,phone,procedure_id,surgery_end,consent_followup"]
    lines += [f"{mrn},{NAME},{PHONE},OP-{mrn},2020-03-07T08:00,yes" for mrn in mrns]
    path = folder / "patients.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def bundle(folder: Path, mrn: str) -> Path:
    patient = {
        "resourceType": "Patient", "id": "p", "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": mrn}],
        "name": [{"text": NAME}], "telecom": [{"system": "phone", "value": PHONE}],
    }  # fmt: skip
    path = folder / "patients.json"
    told = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


@pytest.mark.parametrize("after_the_law_s_time", [False, True])
def test_no_file_brings_an_erased_patient_back(
    at_work: Carecall, clinic: Clinic, tmp_path: Path, after_the_law_s_time: bool
) -> None:
    double = clinic._person(NAME, "+8619100000003", "PX-4712")
    with clinic.house.transaction() as session:
        merge.merge(session, "PX-4712", MRN, "the same person", "nurse", clinic.now)
        session.get_one(Ticket, clinic.open).status = "confirmed"
    assert at_work("patient", "erase", MRN, "--reason", "asked").code == 0
    if after_the_law_s_time:
        with clinic.house.transaction() as session:  # nothing of the record is left, not even its number
            session.execute(sa.update(Patient).values(mrn="erased", mrn_index=sa.func.uuid_send(Patient.id)))
    before = [row.name for row in clinic.all(Patient)]  # type: ignore[attr-defined]
    day = clinic.now.astimezone(clinic.house.settings.hospital.timezone).date()
    file = hospitals_file(tmp_path, MRN, "PX-4712", "PX-9000")
    for more in (["--dry-run"], []):
        told = at_work("import", "patients", str(file), "--json", *more)
        assert told.code == 1, told.err
        assert [row["result"] for row in told.rows] == ["refused", "refused", "created"]
        for row in told.rows[:2]:
            assert f"was erased on {day}" in row["detail"]
            assert f"已于 {day} 删除" in row["detail"]
            assert "patient readmit" in row["detail"]
    [told_one] = at_work("import", "patients", str(bundle(tmp_path, MRN)), "--json").rows
    assert (told_one["result"], "was erased on" in told_one["detail"]) == ("refused", True)
    assert sorted(row.name for row in clinic.all(Patient)) == sorted([*before, NAME])  # type: ignore[attr-defined]
    assert clinic.row(Patient, double).name == clinic.row(Patient, clinic.mine).name == ""  # type: ignore[attr-defined]
    refused = [row for row in clinic.all(EventRow) if row.what == "import refused"]  # type: ignore[attr-defined]
    assert [(row.kind, row.data) for row in refused] == [("erasure", {})] * 3, "the dry run wrote nothing"  # type: ignore[attr-defined]


def test_who_comes_back_is_let_back_by_a_person_with_a_reason(
    at_work: Carecall, clinic: Clinic, tmp_path: Path
) -> None:
    assert at_work("patient", "readmit", MRN, "--reason", "asked").code == 2, "nobody was erased"
    assert at_work("patient", "erase", MRN, "--reason", "asked").code == 0
    file = hospitals_file(tmp_path, MRN)
    assert at_work("import", "patients", str(file), "--json").rows[0]["result"] == "refused"
    assert at_work("patient", "readmit", MRN, "--reason", "  ").code == 2
    told = at_work("patient", "readmit", MRN, "--reason", f"operated on again, {MRN}", "--json")
    assert told.code == 0, told.err
    assert "let back" in [row.what for row in clinic.all(EventRow) if row.kind == "erasure"]  # type: ignore[attr-defined]
    [kept] = [row.note for row in clinic.all(WorkItem) if row.why == "let back after an erasure"]  # type: ignore[attr-defined]
    assert "operated on again" in kept
    assert MRN not in kept
    assert at_work("import", "patients", str(file), "--json").rows[0]["result"] == "updated"
    assert clinic.row(Patient, clinic.mine).name == NAME  # type: ignore[attr-defined]
    with clinic.house.transaction() as session:
        assert not people.has_consent(session, clinic.mine, "followup"), "a withdrawal stands till it is taken back"
    assert at_work("patient", "readmit", MRN, "--reason", "again").code == 2
    assert at_work("patient", "erase", MRN, "--reason", "asked again").code == 0
    assert at_work("import", "patients", str(file), "--json").rows[0]["result"] == "refused"


def test_a_held_chat_outlives_an_erasure(at_work: Carecall, clinic: Clinic) -> None:
    with clinic.house.transaction() as session:
        told = {"external_id": "c-1", "channel": "web", "mrn": MRN, "language": "en",
                "lines": [{"at": clinic.now - timedelta(hours=1), "who": "patient", "text": "hello"}]}  # fmt: skip
        [taken] = chats.take(session, [ChatIn.model_validate(told)], clinic.now, who="test")
    assert at_work("recordings", "hold", str(taken.id), "--reason", "a suit").code == 0
    told = at_work("patient", "erase", MRN, "--reason", "asked", "--json")
    assert [(row["rows"], row["what"], row["rule"]) for row in told.rows if row["table"] == "chats"] == [
        (1, "stays", "legal hold")
    ]
    assert clinic.row(Chat, taken.id).lines  # type: ignore[attr-defined]
    assert at_work("recordings", "release", str(taken.id), "--reason", "over").code == 0
    assert at_work("patient", "erase", MRN, "--reason", "asked").code == 0
    assert clinic.row(Chat, taken.id).lines is None  # type: ignore[attr-defined]
