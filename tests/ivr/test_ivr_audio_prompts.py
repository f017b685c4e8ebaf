"""Prompts that are recorded: their files, the documents that play them, the route, and what the check says."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app
from carrier import sound
from core.house import House
from ivr import book as books
from ivr import fallback, sounds
from ivr.book import Book
from ivr.check import check_flows
from ivr.flow import FlowError
from ivr.interruption import voicemail
from ivr.lengths import lasts, warnings
from ivr.sounds import SoundProblem, Sounds
from tests.house import ROOT
from tests.ivr.ivr_line import Document, Line, Switch
from tests.ivr.test_ivr_books import EDITED, moved, written
from tests.scheduler.clinic import hospital

URL = "http://127.0.0.1:8000/ivr/prompt"


def wav(
    length_s: float, *, tag: int = 1, bits: int = 16, rate: int = 8000, channels: int = 1, level: int = 900
) -> bytes:
    """A tone as a WAV of any kind; tag 7 is mu-law."""
    count = round(length_s * rate) * channels
    block = channels * bits // 8
    if bits == 16:
        data = (level * np.sin(np.arange(count) / 3)).astype("<i2").tobytes()
    else:
        data = bytes([level % 256]) * count
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + (b"\0\0" if tag != 1 else b"")
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def recorded(
    root: Path, key: str, data: bytes, *, languages: tuple[str, ...] = ("zh-CN", "en"), says: str = ""
) -> Path:
    """One prompt of a written hospital becomes a recording."""
    for language in languages:
        path = root / "prompts" / f"{language}.yaml"
        voice = json.loads(path.read_text(encoding="utf-8"))
        old = voice["prompts"][key]
        words = says or (old if isinstance(old, str) else old["says"])
        voice["prompts"][key] = {"play": f"{key}.wav", "says": words}
        path.write_text(json.dumps(voice), encoding="utf-8")
        folder = root / "prompts" / "audio" / language
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.wav").write_bytes(data)
    return root


def plays(document: Document) -> list[str]:
    return [play.text or "" for play in document.root.iter("Play")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A hospital whose greeting is recorded in both languages."""
    return recorded(written(tmp_path / "files"), "hello", wav(2.0))


@pytest.fixture
def open_with(house: House) -> Iterator[Callable[[Path], Switch]]:
    """A process that has loaded the files of a folder; the copies of the sounds are the machine's."""
    hospital(house)
    opened: list[House] = []

    def another(root: Path) -> Switch:
        made = app.open_house(house.settings)
        made.clock = house.clock
        made.services[Book] = books.read(root, sounds=made.service(Sounds), url=URL)
        opened.append(made)
        return Switch(made)

    yield another
    for made in opened:
        made.engine.dispose()


# ---- files --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [{"tag": 1, "bits": 16}, {"tag": 7, "bits": 8}])
def test_what_is_allowed_is_measured_and_the_carrier_can_play_it(kind: dict[str, int]) -> None:
    data = wav(1.5, **kind)
    assert sounds.seconds(data) == pytest.approx(1.5)
    assert sound.seconds(sound.read_wav(data)) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"ID3 is not a WAV", "is not a WAV file"),
        (b"RIFF\4\0\0\0WAVE", "is not a WAV file"),
        (wav(1.0, rate=16000), "must be mono, 8000 samples a second, 16 bit PCM or 8 bit mu-law"),
        (wav(1.0, channels=2), "must be mono"),
        (wav(1.0, bits=8), "must be mono"),
        (wav(1.0, tag=6, bits=8), "must be mono"),
        (wav(0.0), "holds no sound"),
        (wav(0.1) + bytes(sounds.LARGEST), "is larger than 4 MB"),
    ],
    ids=["no RIFF", "empty", "16 kHz", "stereo", "8 bit PCM", "A-law", "silent", "huge"],
)
def test_what_is_not_allowed_says_why(data: bytes, why: str) -> None:
    with pytest.raises(SoundProblem, match=why):
        sounds.seconds(data)


def test_a_mu_law_file_sounds_as_it_was_written() -> None:
    """G.711's own corners: the largest sizes of both signs, and the two zeros."""
    told = [sound.read_wav(wav(0.01, tag=7, bits=8, level=code))[0] for code in (0x00, 0x80, 0x7F, 0xFF, 0x8F)]
    assert told == [-32124, 32124, 0, 0, 16764]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"play": "hello.wav"}, "'hello' is recorded: it needs 'play', the file, and 'says', its words"),
        ({"play": "hello.wav", "says": "x", "rate": 1}, "it needs 'play', the file, and 'says'"),
        ({"play": "../../secret.wav", "says": "x"}, "'../../secret.wav' is not the name of a WAV file"),
        ({"play": "hello.mp3", "says": "x"}, "is not the name of a WAV file"),
        ({"play": "hello.wav", "says": "At {hospital}."}, "'hello' is recorded, and a recording cannot say {hospital}"),
        ({"play": "hello.wav", "says": " "}, "'hello' says nothing"),
    ],
)
def test_a_wrong_entry_is_one_sentence(tmp_path: Path, said: dict[str, Any], why: str) -> None:
    files = written(tmp_path)
    path = files / "prompts" / "en.yaml"
    voice = json.loads(path.read_text(encoding="utf-8"))
    voice["prompts"]["hello"] = said
    path.write_text(json.dumps(voice), encoding="utf-8")
    with pytest.raises(FlowError) as caught:
        books.read(files)
    assert str(caught.value).startswith("en.yaml: ")
    assert why in str(caught.value)


# ---- a call -------------------------------------------------------------------------------------------
def test_a_recorded_prompt_is_played_and_can_be_fetched(open_with: Callable[[Path], Switch], root: Path) -> None:
    switch = open_with(root)
    heard = switch.line().rings()
    digest = hashlib.sha256(wav(2.0)).hexdigest()
    assert plays(heard) == [f"{URL}/zh-CN/{digest}.wav"]
    assert heard.said == ""
    assert [verb.tag for verb in heard.find("Gather")] == ["Play"], "a key may be pressed into it"
    answer = switch.client.get(f"/ivr/prompt/zh-CN/{digest}.wav")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "audio/wav", wav(2.0))
    assert "max-age=31536000" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["0" * 64, "..%2F..%2Fhospital", "hello", "%2e%2e%2fhello", "*"])
def test_nothing_else_can_be_fetched(open_with: Callable[[Path], Switch], root: Path, name: str) -> None:
    assert open_with(root).client.get(f"/ivr/prompt/en/{name}.wav").status_code == 404


def test_what_is_not_recorded_is_spoken_beside_it(open_with: Callable[[Path], Switch], root: Path) -> None:
    line = open_with(root).line()
    line.rings()
    assert line.press("1").said == "These are the rooms."
    line = Line(line.switch, 9)
    line.rings()
    again = line.press("7")
    assert [verb.tag for verb in again.find("Gather")] == ["Say", "Play"]


def test_who_needs_it_slowly_hears_the_voice(open_with: Callable[[Path], Switch], root: Path) -> None:
    """A recording cannot be slowed; somebody silent gets the words at 85 % speed."""
    line = open_with(root).line()
    line.rings()
    slow = line.does()
    assert plays(slow) == []
    assert "Rooms one, aside two." in slow.said
    assert slow.root.find(".//prosody") is not None


def test_without_a_public_address_the_words_are_spoken(root: Path, tmp_path: Path) -> None:
    book = books.read(root, sounds=Sounds(tmp_path / "kept"))
    line = book.prompts.line("hello", "en", {})
    assert book.prompts.sound_url(line) == ""
    assert line.text == "Rooms one, aside two."


def test_a_missing_file_is_spoken_and_the_check_says_so(open_with: Callable[[Path], Switch], root: Path) -> None:
    (root / "prompts" / "audio" / "zh-CN" / "hello.wav").unlink()
    (root / "prompts" / "audio" / "en" / "hello.wav").write_bytes(b"not a sound")
    switch = open_with(root)
    heard = switch.line().rings()
    assert (plays(heard), heard.said) == ([], "Rooms one, aside two.")
    book = switch.house.service(Book)
    assert check_flows(book.flows, book.prompts)[:2] == [
        "zh-CN.yaml: hello: audio/zh-CN/hello.wav cannot be read or kept (No such file or directory)",
        "en.yaml: hello: audio/en/hello.wav is not a WAV file",
    ]


def test_the_documents_without_us_stay_speech(house: House, root: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "prompts", tmp_path / "real" / "prompts")
    shutil.copytree(ROOT / "flows", tmp_path / "real" / "flows")
    path = tmp_path / "real" / "prompts" / "en.yaml"
    text = path.read_text(encoding="utf-8")
    old = next(line for line in text.splitlines() if line.startswith("  fallback_operator: "))
    path.write_text(text.replace(old, "  fallback_operator: {play: f.wav, says: One moment.}"), encoding="utf-8")
    folder = tmp_path / "real" / "prompts" / "audio" / "en"
    folder.mkdir(parents=True)
    (folder / "f.wav").write_bytes(wav(1.0))
    book = books.read(tmp_path / "real", sounds=Sounds(tmp_path / "kept"), url=URL)
    assert book.prompts.sounds["en"]["fallback_operator"].url
    told = Document(fallback.document(house.settings, book.prompts))
    assert plays(told) == []
    assert "One moment." in told.said
    assert "Say" in voicemail(book.prompts, "en", {"hotline": "1", "sender": "A"})


# ---- a file that is replaced --------------------------------------------------------------------------
def test_a_call_in_progress_goes_on_with_the_old_recording(
    open_with: Callable[[Path], Switch], root: Path, tmp_path: Path
) -> None:
    old = open_with(root)
    line = old.line()
    before = plays(line.rings())
    later = open_with(recorded(written(tmp_path / "later", hotline=EDITED), "hello", wav(3.0)))
    assert old.house.service(Book).version != later.house.service(Book).version
    assert plays(moved(line, later).press("3")) == before, "the same words, in the same voice"
    assert later.client.get(before[0].removeprefix("http://127.0.0.1:8000")).data == wav(2.0)
    assert plays(Line(later, 77).rings()) != before


def test_a_process_that_runs_on_under_the_old_files_finds_the_new_recording(
    open_with: Callable[[Path], Switch], root: Path, tmp_path: Path
) -> None:
    """While one process is replaced after the other, the carrier's request may reach either."""
    old = open_with(root)
    old.line().rings()
    later = open_with(recorded(written(tmp_path / "later"), "hello", wav(3.0)))
    (url,) = plays(Line(later, 77).rings())
    assert old.client.get(url.removeprefix("http://127.0.0.1:8000")).data == wav(3.0)


def test_where_the_old_recording_is_lost_its_words_are_spoken(
    open_with: Callable[[Path], Switch], root: Path, tmp_path: Path
) -> None:
    old = open_with(root)
    line = old.line()
    line.rings()
    for path in (old.house.settings.home / "prompts").iterdir():
        path.unlink()
    later = open_with(recorded(written(tmp_path / "later"), "hello", wav(3.0)))
    assert moved(line, later).press("3").said == "Rooms one, aside two."


# ---- the check ----------------------------------------------------------------------------------------
def test_its_real_length_counts(tmp_path: Path) -> None:
    book = books.read(recorded(written(tmp_path), "bye", wav(9.5)))
    assert lasts(book.prompts, "bye", "en") == pytest.approx(9.5)
    told = warnings(book.flows, book.prompts)
    assert "en.yaml: bye: takes about 10 s to say, more than 8 s" in told
    book = books.read(recorded(written(tmp_path / "short"), "bye", wav(1.0), says="word " * 60))
    assert [told for told in warnings(book.flows, book.prompts) if ": bye: " in told] == []


def test_all_words_of_a_choice_count_together(tmp_path: Path) -> None:
    hotline = EDITED.replace("speak: [hello]", "speak: [rooms, hello]")
    book = books.read(recorded(written(tmp_path, hotline=hotline), "hello", wav(14.9)))
    told = [told for told in warnings(book.flows, book.prompts) if "together" in told]
    assert told == [
        "hotline: hello: its words together take up to 15.8 s in zh-CN, more than 15 s",
        "hotline: hello: its words together take up to 16.5 s in en, more than 15 s",
    ]


def test_one_language_only_is_a_warning(tmp_path: Path) -> None:
    book = books.read(recorded(written(tmp_path), "bye", wav(1.0), languages=("en",)))
    assert book.prompts.faults == ()
    told = [told for told in warnings(book.flows, book.prompts) if ": bye: " in told]
    assert told == ["zh-CN.yaml: bye: is spoken here, and recorded in another language"]


def test_a_recording_may_say_what_the_other_language_has_as_a_variable(tmp_path: Path) -> None:
    files = written(tmp_path, hotline=EDITED.replace("lost: lost", "facts: {hospital: text}\nlost: lost", 1))
    files = recorded(files, "hello", wav(1.0), languages=("en",), says="This is Example Hospital.")
    path = files / "prompts" / "zh-CN.yaml"
    voice = json.loads(path.read_text(encoding="utf-8"))
    voice["prompts"]["hello"] = "This is {hospital}."
    path.write_text(json.dumps(voice), encoding="utf-8")
    book = books.read(files)
    assert [told for told in check_flows(book.flows, book.prompts) if "hello" in told and "differs" in told] == []
