"""The encrypted store: what is on the disk says nothing, and anything changed does not open."""

import os
import stat
import uuid
from pathlib import Path

import pytest

from core.crypto import Keyring
from recordings.vault.files import FileProblem, FileStore

SOUND = b"RIFF....WAVE the wound is bleeding" * 100


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "recordings", Keyring(os.urandom(32)))


def test_what_is_put_is_got(store: FileStore) -> None:
    recording = uuid.uuid4()
    stored = store.put(recording, SOUND)
    assert stored.size == len(SOUND)
    assert store.get(recording) == SOUND


def test_the_disk_shows_nothing_and_lets_nobody_in(store: FileStore) -> None:
    recording = uuid.uuid4()
    store.put(recording, SOUND)
    path = store.path(recording)
    assert b"bleeding" not in path.read_bytes()
    assert b"RIFF" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == [path.name], "no temporary file is left"


def test_the_same_sound_is_never_the_same_file(store: FileStore) -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    assert store.put(one, SOUND).sha256 == store.put(two, SOUND).sha256
    assert store.path(one).read_bytes()[40:] != store.path(two).read_bytes()[40:]


@pytest.mark.parametrize("at", [0, 7, 13, 30, 70, 140, -1])
def test_a_changed_byte_is_noticed(store: FileStore, at: int) -> None:
    recording = uuid.uuid4()
    store.put(recording, SOUND)
    blob = bytearray(store.path(recording).read_bytes())
    blob[at] ^= 1
    store.path(recording).write_bytes(blob)
    with pytest.raises(FileProblem, match=str(recording)):
        store.get(recording)


def test_a_file_in_anothers_place_does_not_open(store: FileStore) -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    store.put(one, SOUND)
    store.put(two, b"other")
    store.path(one).replace(store.path(two))
    with pytest.raises(FileProblem, match="moved from another recording"):
        store.get(two)


def test_a_cut_file_a_missing_file_and_another_key(store: FileStore, tmp_path: Path) -> None:
    recording = uuid.uuid4()
    with pytest.raises(FileProblem, match="not in the store"):
        store.get(recording)
    store.put(recording, SOUND)
    with pytest.raises(FileProblem, match="another DATA_KEY"):
        FileStore(tmp_path / "recordings", Keyring(os.urandom(32))).get(recording)
    store.path(recording).write_bytes(store.path(recording).read_bytes()[:50])
    with pytest.raises(FileProblem, match="cut off"):
        store.get(recording)


def test_put_again_replaces_and_delete_says_whether_there_was_one(store: FileStore) -> None:
    recording = uuid.uuid4()
    store.put(recording, SOUND)
    store.put(recording, b"again")
    assert store.get(recording) == b"again"
    assert store.delete(recording)
    assert not store.delete(recording)


def test_a_put_that_fails_leaves_the_old_file(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = uuid.uuid4()
    store.put(recording, SOUND)

    def full(descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("recordings.vault.files.os.fsync", full)
    with pytest.raises(OSError, match="full"):
        store.put(recording, b"new")
    monkeypatch.undo()
    assert store.get(recording) == SOUND
    assert len(list(store.path(recording).parent.iterdir())) == 1
