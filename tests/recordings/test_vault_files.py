"""The store: any piece as if sliced from the whole, nothing changed goes unseen, and a new key at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.crypto import Keyring
from recordings.vault import files
from recordings.vault.files import CHUNK, FileProblem, FileStore
from tests.house import ROOT

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
ID, OTHER = uuid.UUID(int=7), uuid.UUID(int=8)
HEADER = files._CHUNKS_AT
SLOT = files._SLOT


def sound(size: int) -> bytes:
    """Bytes of which no two stretches are alike."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


def old_format(folder: Path, recording_id: uuid.UUID, data: bytes, key: bytes = OLD) -> None:
    """A file as CCREC1 wrote it."""
    bound, inner = b"CCREC1" + recording_id.bytes, os.urandom(32)
    one, two = os.urandom(12), os.urandom(12)
    wrapped = AESGCM(Keyring(key).derive("recordings")).encrypt(one, inner, bound)
    path = FileStore(folder, Keyring(key)).path(recording_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"CCREC1" + one + wrapped + two + AESGCM(inner).encrypt(two, data, bound))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


SIZES = st.one_of(
    st.integers(0, 40),
    st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5]),
    st.integers(0, 4 * CHUNK),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), size=SIZES, old=st.booleans())
def test_any_range_is_the_slice_of_the_whole(folder: Path, data: st.DataObject, size: int, old: bool) -> None:
    store, whole = FileStore(folder, Keyring(OLD)), sound(size)
    if old:
        old_format(folder, ID, whole)
    else:
        store.put(ID, whole)
    with store.open(ID) as reader:
        assert reader.size == size
        for _ in range(5):
            start = data.draw(st.integers(0, size + 10))
            stop = data.draw(st.integers(start, size + 20))
            assert reader.read(start, stop) == whole[start:stop]
    assert store.get(ID) == whole


def test_a_range_opens_only_the_chunks_it_needs(folder: Path) -> None:
    store, whole = FileStore(folder, Keyring(OLD)), sound(10 * CHUNK)
    store.put(ID, whole)
    blob = bytearray(store.path(ID).read_bytes())
    for number in (0, 1, 2, 3, 5, 6, 7, 8, 9):  # all but the fifth are spoilt
        blob[HEADER + number * (CHUNK + 16) + 9] ^= 1
    store.path(ID).write_bytes(blob)
    with store.open(ID) as reader:
        assert reader.read(4 * CHUNK + 10, 5 * CHUNK) == whole[4 * CHUNK + 10 : 5 * CHUNK]
        with pytest.raises(FileProblem, match="changed or moved"):
            reader.read(4 * CHUNK, 5 * CHUNK + 1)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4)])
def test_a_range_that_is_none(folder: Path, start: int, stop: int) -> None:
    store = FileStore(folder, Keyring(OLD))
    store.put(ID, sound(10))
    with store.open(ID) as reader, pytest.raises(ValueError, match="range"):
        reader.read(start, stop)


PIECE = CHUNK + 16
SPOILT: dict[str, Callable[[bytes, bytes], bytes]] = {
    # (this file, another with the same key ring) -> what lies in its place
    "cut by a byte": lambda blob, _: blob[:-1],
    "cut by the last chunk": lambda blob, _: blob[: HEADER + 2 * PIECE],
    "cut in the header": lambda blob, _: blob[:60],
    "a byte more": lambda blob, _: blob + b"x",
    "a chunk twice": lambda blob, _: (
        blob[: HEADER + PIECE] + blob[HEADER : HEADER + PIECE] + blob[HEADER + 2 * PIECE :]
    ),
    "two chunks swapped": lambda blob, _: (
        blob[:HEADER] + blob[HEADER + PIECE : HEADER + 2 * PIECE] + blob[HEADER : HEADER + PIECE]
        + blob[HEADER + 2 * PIECE :]
    ),
    "a chunk of another file": lambda blob, other: (
        blob[: HEADER + PIECE] + other[HEADER + PIECE : HEADER + 2 * PIECE] + blob[HEADER + 2 * PIECE :]
    ),
    "the whole of another file": lambda _, other: other,
    "the header of another file": lambda blob, other: other[:HEADER] + blob[HEADER:],
    "a smaller size, and the end cut to fit": lambda blob, _: (
        blob[:6] + (2 * CHUNK).to_bytes(8, "big") + blob[14 : HEADER + 2 * PIECE]
    ),
    "no bytes": lambda blob, other: b"",
    "called by the old name": lambda blob, _: b"CCREC1" + blob[6:],
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
def test_a_file_that_was_tampered_with_does_not_open(folder: Path, how: str) -> None:
    store = FileStore(folder, Keyring(OLD))
    store.put(ID, sound(2 * CHUNK + 100))
    store.put(OTHER, sound(2 * CHUNK + 100))
    blob, other = (store.path(one).read_bytes() for one in (ID, OTHER))
    store.path(ID).write_bytes(SPOILT[how](blob, other))
    with pytest.raises(FileProblem, match=str(ID)):
        store.get(ID)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), size=st.sampled_from([0, 1, 1000, CHUNK, CHUNK + 1, 2 * CHUNK + 7]), bit=st.integers(0, 7))
def test_any_flipped_bit_that_matters_is_refused(folder: Path, data: st.DataObject, size: int, bit: int) -> None:
    """All but the bits of the empty slot, which hold nothing."""
    store = FileStore(folder, Keyring(OLD))
    store.put(ID, sound(size))
    blob = bytearray(store.path(ID).read_bytes())
    empty = range(HEADER - SLOT, HEADER)
    at = data.draw(st.integers(0, len(blob) - 1).filter(lambda at: at not in empty))
    blob[at] ^= 1 << bit
    store.path(ID).write_bytes(blob)
    with pytest.raises(FileProblem, match=str(ID)):
        store.get(ID)


# ---- another key ----------------------------------------------------------------------------------------

BOTH = Keyring(NEW, previous=OLD, lookup=OLD)


def opens(folder: Path, keyring: Keyring, whole: bytes) -> bool:
    try:
        return FileStore(folder, keyring).get(ID) == whole
    except FileProblem:
        return False


@pytest.mark.parametrize("old", [False, True], ids=["CCREC2", "CCREC1"])
def test_a_new_key_opens_what_was_wrapped_anew_and_the_old_one_does_not(folder: Path, old: bool) -> None:
    whole = sound(CHUNK + 9)
    if old:
        old_format(folder, ID, whole)
    else:
        FileStore(folder, Keyring(OLD)).put(ID, whole)
    store = FileStore(folder, BOTH)
    assert store.get(ID) == whole, "while both are given it opens before"
    assert not store.is_current(ID)
    sealed = store.path(ID).read_bytes()[HEADER:]
    assert store.rewrap(ID)
    assert store.is_current(ID)
    assert not store.rewrap(ID), "a second time there is nothing to do"
    assert opens(folder, BOTH, whole)
    assert opens(folder, Keyring(NEW), whole)
    assert not opens(folder, Keyring(OLD), whole)
    assert old or store.path(ID).read_bytes()[HEADER:] == sealed, "the sound itself was not written"


def test_a_listener_in_the_middle_of_a_file_hears_on_while_it_is_wrapped_anew(folder: Path) -> None:
    whole = sound(5 * CHUNK)
    FileStore(folder, Keyring(OLD)).put(ID, whole)
    with FileStore(folder, Keyring(OLD)).open(ID) as reader:
        heard = reader.read(0, CHUNK)
        assert FileStore(folder, BOTH).rewrap(ID)
        assert heard + reader.read(CHUNK, reader.size) == whole


def test_a_file_of_neither_key_is_told_of_and_left_alone(folder: Path) -> None:
    FileStore(folder, Keyring(b"z" * 16 + b"y" * 16)).put(ID, b"x")
    before = FileStore(folder, BOTH).path(ID).read_bytes()
    for act in (FileStore(folder, BOTH).rewrap, FileStore(folder, BOTH).is_current):
        with pytest.raises(FileProblem, match="another DATA_KEY"):
            act(ID)
    assert FileStore(folder, BOTH).path(ID).read_bytes() == before


class Killed(BaseException):
    """The process ends here: nothing of ours runs any more."""


class Fatal:
    """Ends the process at the `step`-th thing it does to the disk; with `torn` half of what is written arrives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, torn: bool) -> None:
        self.left, self.torn = step, torn
        for name in ("pwrite", "fsync", "replace"):
            real = getattr(os, name)
            monkeypatch.setattr(f"recordings.vault.files.os.{name}", self.guarded(name, real))
        # a killed process tidies nothing up either
        monkeypatch.setattr("recordings.vault.files.Path.unlink", lambda *_, **__: None)

    def guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                if self.torn and name == "pwrite":
                    handle, data, at = args
                    real(handle, data[: len(data) // 2], at)
                raise Killed
            return real(*args)

        return act


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("old", [False, True], ids=["CCREC2", "CCREC1"])
def test_killed_at_any_step_nothing_is_lost_and_the_next_run_ends_it(tmp_path: Path, old: bool, torn: bool) -> None:
    whole, step, finished = sound(CHUNK + 9), 0, False
    while not finished:
        step += 1
        if old:
            old_format(tmp_path, ID, whole)
        else:
            FileStore(tmp_path, Keyring(OLD)).put(ID, whole)
        with pytest.MonkeyPatch.context() as patch:
            Fatal(patch, step, torn)
            try:
                FileStore(tmp_path, BOTH).rewrap(ID)
                finished = True
            except Killed:
                pass
        assert opens(tmp_path, BOTH, whole), f"lost at step {step}"
        store = FileStore(tmp_path, BOTH)
        store.rewrap(ID)
        assert store.is_current(ID), f"not ended after step {step}"
        assert opens(tmp_path, Keyring(NEW), whole)
    assert step > 3, "it was killed in earnest"


REWRAP = """
import sys, uuid
from pathlib import Path
from core.crypto import Keyring
from recordings.vault.files import FileStore
store = FileStore(Path(sys.argv[1]), Keyring(bytes(range(1, 33)), previous=bytes(range(32)), lookup=bytes(range(32))))
print("begun", flush=True)
for one in sorted(store.ids()):
    store.rewrap(one)
    print("one", flush=True)
"""


def test_a_real_kill_in_the_middle_of_many_files(tmp_path: Path) -> None:
    keep = FileStore(tmp_path, Keyring(OLD))
    whole = {uuid.UUID(int=number): sound(100 + number) for number in range(60)}
    for one, data in whole.items():
        keep.put(one, data)
    for after in (1, 7, 30):
        run = subprocess.Popen(
            [sys.executable, "-c", REWRAP, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        with run.stdout:
            for _ in range(after):
                run.stdout.readline()
            run.send_signal(signal.SIGKILL)
        run.wait()
        store = FileStore(tmp_path, BOTH)
        assert all(store.get(one) == data for one, data in whole.items())
    assert {store.is_current(one) for one in whole} == {True, False}, "it was in the middle"
    for one in whole:
        store.rewrap(one)
    assert all(FileStore(tmp_path, Keyring(NEW)).get(one) == data for one, data in whole.items())


def test_what_a_killed_writer_left_behind_is_a_stray(tmp_path: Path) -> None:
    store = FileStore(tmp_path, Keyring(OLD))
    store.put(ID, b"x")
    (store.path(ID).parent / ".new-half").write_bytes(b"CCREC2")
    (tmp_path / "notes.txt").write_text("not ours")
    assert [path.name for path in store.strays()] == [".new-half", "notes.txt"]
    assert list(store.ids()) == [ID]
