"""Hearing a recording: permits, ranges, what is written down, and two people for a copy to take away."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.models import Play
from recordings.sound import audio, masking
from recordings.sound.audio import Samples
from recordings.vault import listening, retention
from recordings.vault.fetch import Media
from recordings.vault.listening import Answer, ListeningProblem, Permit
from recordings.vault.sounding import BLOCK_S, MARGIN_S, Mask, NoSound, Sounding
from tests.recordings.room import Room, sid
from tests.recordings.sounds import dual, mono, wav

WHY = "complaint 12: what was promised"


class InMemory:
    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.data[start:stop]


def noise(seconds: float, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.random.default_rng(seed).integers(-9000, 9000, int(seconds * 8000)).astype("<i2")


# ---- the sound ------------------------------------------------------------------------------------------


def halved(samples: Samples, rate: int) -> Samples:
    """A mask that can be told from none, and that looks at its surroundings."""
    around = np.convolve(np.abs(samples), np.ones(800, np.float32) / 800, mode="same")
    return np.where(around > 0.1, samples / 2, samples).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_without_a_mask_it_is_the_same_sound(channels: int) -> None:
    data = mono(noise(33.3)) if channels == 1 else dual(noise(33.3), noise(33.3, 2))
    heard = Sounding(InMemory(data), None)
    assert heard.read(0, heard.size) == data
    assert heard.seconds == pytest.approx(33.3)


@pytest.mark.parametrize(("codec", "bits"), [(7, 8), (6, 8), (1, 8)], ids=["mu-law", "A-law", "8 bits"])
def test_other_codecs_are_heard_as_plain_sixteen_bits(codec: int, bits: int) -> None:
    body = bytes(np.random.default_rng(3).integers(0, 256, 16_000 * 20, dtype=np.uint8))
    data = wav(body, codec=codec, bits=bits, channels=2)
    heard = Sounding(InMemory(data), None)
    whole = heard.read(0, heard.size)
    assert isinstance(audio.check_wav(whole, 20), audio.Sound)
    for mine, theirs in zip(audio.channels(whole)[1], audio.channels(data)[1], strict=True):
        assert np.abs(mine - theirs).max() <= 1 / 32768


LONG = dual(noise(2 * BLOCK_S + 7.5), noise(2 * BLOCK_S + 7.5, 2))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), mask=st.sampled_from([None, halved]))
def test_any_piece_is_the_slice_of_the_whole(data: st.DataObject, mask: Mask | None) -> None:
    heard = Sounding(InMemory(LONG), mask)
    whole = heard.read(0, heard.size)
    assert len(whole) == heard.size
    start = data.draw(st.integers(0, heard.size))
    stop = data.draw(st.integers(start, heard.size + 5))
    assert heard.read(start, stop) == whole[start:stop]


def test_a_mask_that_looks_around_is_the_same_across_the_seams() -> None:
    heard = Sounding(InMemory(LONG), halved)
    rate, whole = audio.channels(LONG)
    expected = [halved(channel, rate) for channel in whole]
    for mine, theirs in zip(audio.channels(heard.read(0, heard.size))[1], expected, strict=True):
        assert np.abs(mine - theirs).max() <= 1 / 32768


def test_a_piece_of_a_long_recording_reads_only_what_lies_around_it() -> None:
    source = InMemory(mono(noise(300)))
    heard = Sounding(source, halved)
    source.asked.clear()
    heard.read(100 * 16_000, 101 * 16_000)
    assert sum(stop - start for start, stop in source.asked) <= (BLOCK_S + 2 * MARGIN_S) * 16_000


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"<html>", wav(b""), wav(b"x" * 99, bits=12), wav(b"x" * 99, channels=7), mono(noise(1))[:30],
     b"RIFF" + b"\0" * 200_000],
    ids=["empty", "short", "html", "no sound", "12 bits", "7 channels", "cut header", "zeros"],
)  # fmt: skip
def test_what_is_no_sound(data: bytes) -> None:
    with pytest.raises(NoSound):
        Sounding(InMemory(data), None)


# ---- permits --------------------------------------------------------------------------------------------

SOUND = dual(noise(90), noise(90, 2))


@pytest.fixture
def recording(room: Room) -> uuid.UUID:
    made = room.announce(room.call())
    room.carrier.files[sid(1)] = Media(SOUND)
    room.done(made, RecordingDuration="90")
    room.work()
    return made


def allow(room: Room, recording: uuid.UUID, login: str = "qa1", **more: object) -> Permit:
    with room.house.transaction() as session:
        return listening.play(session, recording, login, WHY, room.now, **more)  # type: ignore[arg-type]


def ask(
    room: Room,
    permit: Permit,
    wanted: str | None = None,
    login: str = "qa1",
    rights: Collection[str] = listening.RIGHTS,
) -> tuple[Answer, bytes]:
    given = listening.answer(room.house, permit.token, login, wanted, rights)
    return given, b"".join(given.body)


def plays(room: Room) -> list[Play]:
    with room.house.transaction() as session:
        return list(session.scalars(sa.select(Play).order_by(Play.at, Play.id)))


def test_a_player_hears_the_recording_and_it_is_written_down(room: Room, recording: uuid.UUID) -> None:
    permit = allow(room, recording)
    given, body = ask(room, permit, "bytes=0-")
    assert given.status == 206
    assert given.headers["Content-Range"] == f"bytes 0-{len(body) - 1}/{len(SOUND)}"
    assert given.headers["Content-Type"] == "audio/wav"
    assert given.headers["Cache-Control"] == "no-store"
    assert body == SOUND[: len(body)]
    assert len(body) / 32_000 == pytest.approx(listening.MOST_S, abs=1)
    [row] = plays(room)
    assert (row.login, row.why, row.kind, row.recording_id) == ("qa1", WHY, "listen", recording)
    assert row.heard == [[0.0, pytest.approx(60, abs=1)]]
    _, more = ask(room, permit, f"bytes={len(body)}-")
    assert body + more == SOUND
    assert plays(room)[0].heard == [[0.0, 90.0]]
    assert "permit to listen" in room.ledger(recording)


def test_what_was_not_asked_for_is_not_written_down_as_heard(room: Room, recording: uuid.UUID) -> None:
    permit = allow(room, recording)
    for second in (10, 40, 11):
        start = 44 + second * 32_000
        ask(room, permit, f"bytes={start}-{start + 31_999}")
    assert plays(room)[0].heard == [[10.0, 12.0], [40.0, 41.0]]
    listening.answer(room.house, permit.token, "qa1", "bytes=44-", ("listen",), head=True)
    assert ask(room, permit, "bytes=99999999-")[0].status == 416
    assert plays(room)[0].heard == [[10.0, 12.0], [40.0, 41.0]]


def test_the_whole_without_a_range(room: Room, recording: uuid.UUID) -> None:
    given, body = ask(room, allow(room, recording))
    assert (given.status, body) == (200, SOUND)
    assert given.headers["Content-Length"] == str(len(SOUND))
    assert "Content-Range" not in given.headers


def test_a_permit_is_for_one_login_one_recording_and_some_minutes(room: Room, recording: uuid.UUID) -> None:
    permit = allow(room, recording)
    assert ask(room, permit, login="qa2")[0].status == 404
    assert listening.answer(room.house, "x" * 43, "qa1", None, listening.RIGHTS).status == 404
    assert str(recording) not in permit.token
    assert len(permit.token) == 43
    assert permit.expires_at - room.now == timedelta(minutes=13)
    room.forward(minutes=12, seconds=59)
    assert ask(room, permit)[0].status == 200
    room.forward(seconds=1)
    assert ask(room, permit)[0].status == 404
    with pytest.raises(ListeningProblem, match="over"):
        listening.stream(room.house, permit, 0, 10, listening.RIGHTS)
    forged = Permit(**(vars(permit) | {"token": "x" * 43}))
    with pytest.raises(ListeningProblem, match="over"):
        listening.stream(room.house, forged, 0, 10, listening.RIGHTS)


def test_two_permits_are_two_words_and_the_database_holds_neither(room: Room, recording: uuid.UUID) -> None:
    one, two = allow(room, recording), allow(room, recording)
    assert one.token != two.token
    with room.house.transaction() as session:
        dump = str(session.execute(sa.text("SELECT plays::text FROM plays")).all())
        dump += str(session.execute(sa.text("SELECT events::text FROM events")).all())
    assert one.token not in dump
    assert one.token.encode().hex() not in dump
    assert WHY not in dump


def test_what_qa_hears_is_masked_and_the_original_needs_a_right(
    room: Room, recording: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "masked", lambda samples, rate: samples * 0)
    heard = ask(room, allow(room, recording))[1]
    assert heard[:44] == SOUND[:44]
    assert not any(heard[44:])
    with pytest.raises(ListeningProblem, match="unmasked"):
        allow(room, recording, original=True)
    permit = allow(room, recording, original=True, rights=("original",))
    assert ask(room, permit)[1] == SOUND
    assert [row.original for row in plays(room)] == [False, True]


@pytest.mark.parametrize(
    ("why", "rights", "words"),
    [(" ", ("listen",), "Say why"), (WHY, ("export",), "no right to listen"), (WHY, (), "no right to listen")],
)
def test_who_may_not_hear_is_told_so(
    room: Room, recording: uuid.UUID, why: str, rights: tuple[str, ...], words: str
) -> None:
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match=words):
        listening.play(session, recording, "qa1", why, room.now, rights=rights)
    assert plays(room) == []


def test_a_recording_nobody_knows_cannot_be_heard(room: Room) -> None:
    with pytest.raises(ListeningProblem, match="no such recording"):
        allow(room, uuid.uuid4())


def test_what_is_not_there_cannot_be_heard(room: Room, recording: uuid.UUID) -> None:
    absent = room.announce(room.call(call_sid=None))
    with pytest.raises(ListeningProblem, match="announced"):
        allow(room, absent)
    permit = allow(room, recording)
    room.forward(days=200)
    with room.house.transaction() as session:
        assert retention.purge_due(session, room.now) == 1
    room.work()
    with pytest.raises(ListeningProblem, match="deleted at the end"):
        allow(room, recording)
    room.forward(days=-200)  # even where a permit would still run
    assert ask(room, permit)[0].status == 404
    assert len(plays(room)) == 1, "who heard it is known after it is gone"


def test_what_is_held_needs_a_right_of_its_own(room: Room, recording: uuid.UUID) -> None:
    with room.house.transaction() as session:
        retention.hold(session, recording, "lawyer", "case 7", room.now)
    with pytest.raises(ListeningProblem, match="legal hold"):
        allow(room, recording)
    assert ask(room, allow(room, recording, rights=("listen", "held")))[0].status == 200


def test_a_permit_ends_with_a_hold_and_goes_on_with_its_release(room: Room, recording: uuid.UUID) -> None:
    permit = allow(room, recording)
    assert ask(room, permit, "bytes=44-99", rights=("listen",))[0].status == 206
    with room.house.transaction() as session:
        retention.hold(session, recording, "lawyer", "case 7", room.now)
    given, body = ask(room, permit, "bytes=100-199", rights=("listen",))
    assert (given.status, body) == (404, b"")
    with pytest.raises(ListeningProblem, match="legal hold"):
        listening.stream(room.house, permit, 100, 200, ("listen",))
    assert ask(room, permit, "bytes=100-199", rights=("listen", "held"))[0].status == 206
    with room.house.transaction() as session:
        retention.release(session, recording, "lawyer", "over", room.now)
    assert ask(room, permit, "bytes=200-299", rights=("listen",))[0].status == 206


@pytest.mark.parametrize(
    ("kind", "had", "left"),
    [
        ("listen", ("listen",), ()),
        ("listen", ("listen",), ("original",)),
        ("original", ("original",), ("listen",)),
        ("export", ("export",), ("listen", "original", "held", "approve")),
        ("original export", ("export", "original"), ("export",)),
    ],
)
def test_a_permit_ends_with_the_right_it_was_given_for(
    room: Room, recording: uuid.UUID, kind: str, had: tuple[str, ...], left: tuple[str, ...]
) -> None:
    original = "original" in kind
    if "export" in kind:
        with room.house.transaction() as session:
            asked = listening.ask_export(session, recording, "qa1", WHY, room.now, original=original, rights=had)
            listening.approve_export(session, asked, "officer", room.now)
        if original:
            with room.house.transaction() as session, pytest.raises(ListeningProblem, match="unmasked"):
                listening.export(session, asked, "qa1", room.now, rights=left)
        with room.house.transaction() as session:
            permit = listening.export(session, asked, "qa1", room.now, rights=had)
    else:
        permit = allow(room, recording, original=original, rights=had)
    assert ask(room, permit, rights=had)[0].status == 200
    assert ask(room, permit, rights=left)[0].status == 404


def test_a_file_that_was_changed_gives_no_permit(room: Room, recording: uuid.UUID) -> None:
    from recordings.vault.files import FileStore

    room.house.service(FileStore).path(recording).write_bytes(b"CCREC2" + b"x" * 500)
    with pytest.raises(ListeningProblem, match="cannot be read"):
        allow(room, recording)


# ---- a copy to take away --------------------------------------------------------------------------------


def test_a_copy_needs_two_people_and_is_taken_once(room: Room, recording: uuid.UUID) -> None:
    with room.house.transaction() as session:
        asked = listening.ask_export(session, recording, "qa1", WHY, room.now)

    def refused(words: str, act: Callable[..., object], *given: object) -> None:
        with room.house.transaction() as session, pytest.raises(ListeningProblem, match=words):
            act(session, *given)

    refused("second person", listening.export, asked, "qa1", room.now)
    refused("Somebody else", listening.approve_export, asked, "qa1", room.now)
    with room.house.transaction() as session:
        listening.approve_export(session, asked, "officer", room.now)
    refused("approved already", listening.approve_export, asked, "head", room.now)
    refused("Only who asked", listening.export, asked, "officer", room.now)
    with room.house.transaction() as session:
        permit = listening.export(session, asked, "qa1", room.now)
    refused("taken already", listening.export, asked, "qa1", room.now)
    given, body = ask(room, permit)
    assert (given.status, body) == (200, SOUND)
    assert given.headers["Content-Disposition"] == 'attachment; filename="recording.wav"'
    [row] = plays(room)
    assert (row.kind, row.login, row.approved_by, row.heard) == ("export", "qa1", "officer", [[0.0, 90.0]])
    assert [what for what in room.ledger(recording) if "export" in what] == [
        "export asked", "export approved", "permit to export",
    ]  # fmt: skip
    room.forward(minutes=10)
    assert ask(room, permit)[0].status == 404


def test_a_copy_is_asked_for_and_approved_only_with_the_right_to_and_not_for_ever(
    room: Room, recording: uuid.UUID
) -> None:
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match="take recordings away"):
        listening.ask_export(session, recording, "qa1", WHY, room.now, rights=("listen",))
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match="unmasked"):
        listening.ask_export(session, recording, "qa1", WHY, room.now, original=True)
    with room.house.transaction() as session:
        asked = listening.ask_export(session, recording, "qa1", WHY, room.now)
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match="approve exports"):
        listening.approve_export(session, asked, "head", room.now, rights=("listen", "export"))
    room.forward(days=3)
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match="too old"):
        listening.approve_export(session, asked, "head", room.now)


def test_the_permit_of_a_listener_is_no_request_for_a_copy(room: Room, recording: uuid.UUID) -> None:
    permit = allow(room, recording)
    with room.house.transaction() as session, pytest.raises(ListeningProblem, match="no such request"):
        listening.approve_export(session, permit.play_id, "head", room.now)
