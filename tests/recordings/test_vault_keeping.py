"""How long, what is held, what is gone and seen to be gone, here and at the carrier."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from commands import cli
from commands.joined import Joined
from core.events import ReasonGiven, TicketWanted
from core.models import EventRow
from dialer.models import Call
from recordings import jobs, store
from recordings.models import FindingRow, Hold, SegmentRow, Transcript
from recordings.vault import carrier_copy, retention
from recordings.vault.fetch import Broken, Denied, Media, NotYet
from recordings.vault.files import FileStore
from recordings.vault.retention import HoldProblem, PurgeProblem
from tests.house import ROOT
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, tone

SOUND = dual(tone(4), tone(4))


@pytest.fixture
def recording(room: Room) -> uuid.UUID:
    return kept(room, 1)


def kept(room: Room, number: int, purpose: str = "call", kind: str = "hotline") -> uuid.UUID:
    """A recording that is here, heard and kept."""
    made = room.announce(room.call(kind, call_sid=f"CA{number:032x}"), purpose)
    room.carrier.files[sid(number)] = Media(SOUND)
    room.speech.texts = ["I have a high fever."]
    room.done(made, RecordingDuration="4", RecordingSid=sid(number))
    room.work()
    assert room.row(made).state == "kept"
    return made


def purge(room: Room) -> int:
    with room.house.transaction() as session:
        found = retention.purge_due(session, room.now)
    room.work()
    return found


def days(room: Room) -> dict[str, int]:
    return room.house.settings.recordings.keep_days.model_dump()


def files(room: Room) -> FileStore:
    return room.house.service(FileStore)


# ---- classes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        lambda call: ReasonGiven(call, "complaint_medical"),
        lambda call: ReasonGiven(call, "complaint_other"),
        lambda call: TicketWanted("complaint_other", call, None),
    ],
    ids=["medical, by key", "other, by key", "a ticket"],
)
def test_a_call_with_a_complaint_is_kept_as_one(room: Room, event: Callable[[uuid.UUID], object]) -> None:
    call, other = room.call(), room.call(call_sid=None)
    before, elsewhere = room.announce(call), room.announce(other)
    room.publish(event(call))
    after = room.announce(call, "message")
    for recording in (before, after):
        row = room.row(recording)
        assert row.keep_class == "complaint"
        assert row.keep_until == row.announced_at + timedelta(days=days(room)["complaint"])
    assert room.row(elsewhere).keep_class == "ordinary"


def test_the_reason_of_the_call_is_remembered_for_what_is_recorded_later(room: Room) -> None:
    call = room.call()
    with room.house.transaction() as session:
        session.get_one(Call, call).reason = "complaint_medical"
    assert room.row(room.announce(call)).keep_class == "complaint"


def test_other_reasons_and_tickets_change_nothing(room: Room) -> None:
    call = room.call()
    recording = room.announce(call)
    room.publish(ReasonGiven(call, "directions"))
    room.publish(TicketWanted("message", call, None))
    room.publish(TicketWanted("complaint_other", None, None))
    assert room.row(recording).keep_class == "ordinary"


def test_spoken_answers_of_a_follow_up_belong_to_the_record_whatever_else_happens(room: Room) -> None:
    call = room.call("followup")
    answer, whole = room.announce(call, "open_answer"), room.announce(call)
    room.escalate(call)
    room.publish(TicketWanted("complaint_other", call, None))
    assert room.row(answer).keep_class == "record"
    assert room.row(answer).keep_until == room.row(answer).announced_at + timedelta(days=days(room)["record"])
    assert room.row(whole).keep_class == "complaint"


# ---- the purge ------------------------------------------------------------------------------------------


def words(room: Room) -> int:
    with room.house.transaction() as session:
        return sum(
            session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (Transcript, SegmentRow, FindingRow)
        )


def test_the_purge_proves_itself(room: Room, recording: uuid.UUID) -> None:
    assert words(room) > 2
    room.forward(days=179, hours=23)
    assert purge(room) == 0
    room.forward(hours=1)
    assert purge(room) == 1
    row = room.row(recording)
    assert (row.state, row.purged_at, row.levels) == ("purged", room.now, [])
    assert not files(room).exists(recording)
    assert words(room) == 0
    with room.house.transaction() as session:
        told = session.scalars(sa.select(EventRow).where(EventRow.what == "purged")).one()
    assert told.data == {"file_gone": True, "words_gone": True}
    assert retention.check(room.house) == []
    assert purge(room) == 0


def test_a_file_that_will_not_go_keeps_its_row_as_it_was(
    room: Room, recording: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.forward(days=180)
    monkeypatch.setattr(FileStore, "delete", lambda *_: False)
    with room.house.transaction() as session:
        retention.purge_due(session, room.now)
    with pytest.raises(PurgeProblem, match="still there"):
        room.work()
    assert room.row(recording).state == "kept"
    assert words(room) > 2
    monkeypatch.undo()
    assert purge(room) == 1
    assert room.row(recording).state == "purged"


def test_killed_between_the_file_and_the_words_the_next_run_ends_it(
    room: Room, recording: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.forward(days=180)

    class Killed(BaseException):
        pass

    def dies(*_: object) -> int:
        raise Killed

    monkeypatch.setattr(retention, "_words_left", dies)
    with pytest.raises(Killed):
        jobs.purge_recording(room.house, recording)
    monkeypatch.undo()
    assert not files(room).exists(recording)
    assert room.row(recording).state == "kept"
    assert [one.what for one in retention.check(room.house)] == ["no file"], "and until then it is told"
    assert purge(room) == 1
    assert (room.row(recording).state, words(room)) == ("purged", 0)


def test_a_file_in_use_is_deleted_all_the_same_and_the_row_of_an_unreadable_one_too(room: Room) -> None:
    made = room.announce(room.call())
    room.carrier.files[sid(1)] = Media(b"<html>")
    room.done(made)
    room.work()
    assert room.row(made).state == "unreadable"
    room.forward(days=180)
    with files(room).open(made):
        assert purge(room) == 1
    assert room.row(made).state == "purged"
    assert retention.check(room.house) == []


# ---- holds ----------------------------------------------------------------------------------------------


def test_what_is_held_is_never_purged_until_the_last_hold_ends(room: Room, recording: uuid.UUID) -> None:
    with room.house.transaction() as session:
        retention.hold(session, recording, "lawyer", "case 7: family Example", room.now)
    room.forward(days=5000)
    assert purge(room) == 0
    jobs.purge_recording(room.house, recording)  # a job that was asked for before
    assert room.row(recording).state == "kept"
    with room.house.transaction() as session, pytest.raises(HoldProblem, match="held and stays"):
        retention.end_now(session, recording, "officer", "erasure", room.now)
    with room.house.transaction() as session:
        retention.hold(session, recording, "auditor", "spring audit", room.now)
    with room.house.transaction() as session:
        assert retention.release(session, recording, "lawyer", "case closed", room.now) == 2
    assert purge(room) == 1
    assert room.ledger(recording)[-5:] == ["held", "held", "released", "released", "purged"]
    with room.house.transaction() as session:
        [first, _] = session.scalars(sa.select(Hold).order_by(Hold.held_at)).all()
        assert (first.reason, first.release_reason) == ("case 7: family Example", "case closed")
        both = "SELECT recording_holds::text, events::text FROM recording_holds, events"
        dump = str(session.execute(sa.text(both)).all())
    assert "family Example" not in dump
    assert "lawyer" in dump


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda s, one, now: retention.hold(s, one, "lawyer", " ", now), "needs a reason"),
        (lambda s, one, now: retention.hold(s, uuid.UUID(int=1), "lawyer", "x", now), "no such recording"),
        (lambda s, one, now: retention.release(s, one, "lawyer", "x", now), "is not held"),
        (lambda s, one, now: retention.release(s, one, "lawyer", "", now), "needs a reason"),
    ],
)
def test_a_hold_that_cannot_be(room: Room, recording: uuid.UUID, act: Callable[..., object], words: str) -> None:
    with room.house.transaction() as session, pytest.raises(HoldProblem, match=words):
        act(session, recording, room.now)


def test_what_is_gone_cannot_be_held(room: Room, recording: uuid.UUID) -> None:
    with room.house.transaction() as session:
        retention.end_now(session, recording, "officer", "erasure", room.now)
    assert purge(room) == 1
    with room.house.transaction() as session, pytest.raises(HoldProblem, match="nothing left"):
        retention.hold(session, recording, "lawyer", "too late", room.now)


# ---- the proof ------------------------------------------------------------------------------------------


def test_the_check_finds_orphans_both_ways_and_whatever_else_is_wrong(room: Room) -> None:
    good, lost, spoilt, gone = (kept(room, number) for number in (1, 2, 3, 4))
    assert retention.check(room.house, read=True) == []
    files(room).delete(lost)
    blob = bytearray(files(room).path(spoilt).read_bytes())
    blob[-1] ^= 1
    files(room).path(spoilt).write_bytes(blob)
    with room.house.transaction() as session:
        retention.end_now(session, gone, "officer", "erasure", room.now)
    assert purge(room) == 1
    files(room).put(gone, SOUND)  # somebody restored a back-up
    stranger = uuid.UUID(int=99)
    files(room).put(stranger, SOUND)
    (files(room).path(good).parent / ".new-half").write_bytes(b"x")
    wrong = {("no row", str(stranger)), ("purged but there", str(gone)), ("no file", str(lost)), ("stray", ".new-half")}
    assert {(one.what, one.recording) for one in retention.check(room.house)} == wrong
    read = {(one.what, one.recording) for one in retention.check(room.house, read=True)}
    assert read == wrong | {("bad file", str(spoilt))}


# ---- the carrier's copy ---------------------------------------------------------------------------------


@pytest.fixture
def deleting(room: Room, monkeypatch: pytest.MonkeyPatch) -> Room:
    switch_on(room)
    return room


def switch_on(room: Room) -> None:
    file = room.house.settings.file
    changed = file.recordings.model_copy(update={"delete_at_carrier": True})
    object.__setattr__(room.house.settings, "file", file.model_copy(update={"recordings": changed}))


def test_by_default_the_carriers_copy_stays(room: Room, recording: uuid.UUID) -> None:
    assert room.carrier.deleted == []
    assert room.row(recording).next_delete_at is None


def test_the_carriers_copy_goes_after_ours_was_read_back(deleting: Room) -> None:
    recording = kept(deleting, 1)
    row = deleting.row(recording)
    assert deleting.carrier.deleted == [sid(1)]
    assert (row.verified_at, row.carrier_deleted_at, row.next_delete_at) == (deleting.now, deleting.now, None)
    told = deleting.ledger(recording)
    assert told.index("fetched") < told.index("copy verified") < told.index("deleted at the carrier")
    jobs.delete_at_carrier(deleting.house, recording)
    assert deleting.carrier.deleted == [sid(1)], "once"


@pytest.mark.parametrize("answer", [Broken("status status=500"), Denied(401)])
def test_a_deletion_in_vain_comes_again_ever_more_seldom(deleting: Room, answer: Broken | Denied) -> None:
    deleting.carrier.deletes = [answer] * 3
    recording = kept(deleting, 1)
    for minutes in (1, 2, 4):
        assert deleting.row(recording).carrier_deleted_at is None
        deleting.forward(minutes=minutes, seconds=-1)
        assert "delete_at_carrier" not in deleting.tick()
        deleting.forward(seconds=1)
        assert "delete_at_carrier" in deleting.tick()
    assert deleting.row(recording).carrier_deleted_at == deleting.now
    assert deleting.ledger(recording).count("not deleted at the carrier") == 3


def test_a_bad_copy_of_ours_is_never_followed_by_a_deletion_and_is_mended(deleting: Room) -> None:
    deleting.carrier.deletes = [Denied(401)]
    recording = kept(deleting, 1)
    files(deleting).put(recording, SOUND[:-2])  # whole in itself, and not what came
    deleting.carrier.files[sid(1)] = [NotYet(), Media(b"something else"), Media(SOUND)]
    deleting.carrier.deleted.clear()
    for minutes in (1, 2, 4):
        deleting.forward(minutes=minutes)
        deleting.tick()
        assert deleting.carrier.deleted == [], "nothing is deleted on a copy that is not good"
    assert files(deleting).get(recording) == SOUND
    deleting.forward(minutes=8)
    deleting.tick()
    assert deleting.carrier.deleted == [sid(1)]
    assert "copy mended" in deleting.ledger(recording)


def test_what_is_not_readable_here_stays_at_the_carrier_until_it_is_purged(deleting: Room) -> None:
    made = deleting.announce(deleting.call())
    deleting.carrier.files[sid(1)] = Media(b"<html>")
    deleting.done(made)
    deleting.work()
    assert (deleting.row(made).state, deleting.carrier.deleted) == ("unreadable", [])
    deleting.forward(days=180)
    assert purge(deleting) == 1
    assert deleting.carrier.deleted == [sid(1)]


def test_a_worker_that_died_over_a_deletion_is_made_up_for(deleting: Room) -> None:
    made = deleting.announce(deleting.call())
    deleting.carrier.files[sid(1)] = Media(SOUND)
    deleting.done(made, RecordingDuration="4")
    jobs.fetch_recording(deleting.house, made)
    with deleting.house.transaction() as session:
        session.execute(sa.text("DELETE FROM procrastinate_jobs"))
        assert carrier_copy.begin(session, made, deleting.now) is not None
    deleting.forward(minutes=12)
    deleting.tick()
    assert deleting.row(made).carrier_deleted_at is not None


def test_the_setting_switched_on_later_takes_in_what_lies_there(room: Room) -> None:
    recording = kept(room, 1)
    with room.house.transaction() as session:
        assert carrier_copy.want_all_gone(session, room.now) == 0
    switch_on(room)
    with room.house.transaction() as session:
        assert carrier_copy.want_all_gone(session, room.now) == 1
    room.tick()
    assert room.row(recording).carrier_deleted_at is not None
    with room.house.transaction() as session:
        assert carrier_copy.want_all_gone(session, room.now) == 0


# ---- too long -------------------------------------------------------------------------------------------


def test_a_recording_longer_than_the_setting_is_not_taken_in(room: Room) -> None:
    announced, found = room.announce(room.call()), room.announce(room.call(call_sid="CA" + "2" * 32))
    file = room.house.settings.file
    changed = file.recordings.model_copy(update={"max_minutes": 1})
    object.__setattr__(room.house.settings, "file", file.model_copy(update={"recordings": changed}))
    room.done(announced, RecordingDuration="7201")
    room.work()
    assert room.row(announced).reason == "too_long minutes=120 most=1"
    assert room.carrier.asked == [], "what is announced as too long is not even asked for"
    room.carrier.files[sid(2)] = Media(dual(tone(70), tone(70)))
    room.done(found, RecordingSid=sid(2))
    room.work()
    assert room.row(found).state == "failed"
    assert not files(room).exists(found)
    object.__setattr__(room.house.settings, "file", file)
    with room.house.transaction() as session:
        assert store.fetch_by_hand(session, found, "IT", room.now)
    room.work()
    assert room.row(found).state == "kept"


# ---- the command line -----------------------------------------------------------------------------------


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def carecall(room: Room, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("commands.admin.settings.load", lambda **_: room.house.settings)

    def run(*said: str) -> tuple[int, str]:
        joined = Joined(ROOT, lambda _settings: room.house, [], lambda _house: None)  # type: ignore[arg-type, return-value]
        code = cli.run(list(said), joined)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_hold_release_and_purge_by_command(room: Room, carecall: Run) -> None:
    recording = str(kept(room, 1))
    assert carecall("recordings", "hold", recording)[0] == 2
    assert carecall("recordings", "hold", "nonsense", "--reason", "x")[0] == 2
    assert carecall("recordings", "hold", recording, "--reason", "case 7")[0] == 0
    [listed] = json.loads(carecall("recordings", "--json")[1])
    assert (listed["id"], listed["held"], listed["keep"]) == (recording, True, "ordinary")
    room.forward(days=180)
    assert carecall("purge") == (0, "0 recordings purged\n")
    assert carecall("recordings", "release", recording, "--reason", "over")[0] == 0
    assert carecall("purge") == (0, "1 recordings purged\n")
    assert carecall("purge", "--check", "--read") == (0, "store and rows agree\n")
    files(room).put(uuid.UUID(int=5), SOUND)
    code, said = carecall("purge", "--check")
    assert code == 1
    assert "no row" in said
    assert carecall("recordings", "fetch", recording)[0] == 1
