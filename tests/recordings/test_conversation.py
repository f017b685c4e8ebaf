"""Two channels become one conversation."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.sound.conversation import BOTH, LONGEST_S, Word, join, speakers
from recordings.speech.stt import Segment


def test_lines_are_joined_by_time_the_patient_first() -> None:
    line = [Segment(0, 2, "how can we help", 0.9), Segment(5, 6, "goodbye", 0.9)]
    patient = [Segment(2.5, 4, "it hurts", 0.8), Segment(5, 5.5, "bye", 0.8)]
    told = [(said.speaker, said.text) for said in join({"line": line, "patient": patient})]
    assert told == [
        ("line", "how can we help"),
        ("patient", "it hurts"),
        ("patient", "bye"),
        ("line", "goodbye"),
    ]


@pytest.mark.parametrize(
    ("purpose", "kind", "channels", "expected"),
    [
        ("call", "hotline", 2, ("patient", "line")),
        ("bridge", "followup", 2, ("patient", "line")),
        ("call", "doctor", 2, ("line", "patient")),
        ("message", "hotline", 1, ("patient",)),
        ("open_answer", "followup", 1, ("patient",)),
        ("call", "hotline", 1, ("both",)),
        ("call", None, 2, ("patient", "line")),
    ],
)
def test_who_is_on_which_channel(purpose: str, kind: str | None, channels: int, expected: tuple[str, ...]) -> None:
    assert speakers(purpose, kind, channels) == expected


def said(text: str, *times: tuple[float, float], language: str = "en") -> Segment:
    """A segment whose words have these times."""
    cut = list(text) if language == "zh-CN" else text.split()
    words = tuple(Word(start, end, word.strip(",.?"), 0.8) for word, (start, end) in zip(cut, times, strict=True))
    return Segment(times[0][0], times[-1][1], text, 0.5, words)


def test_a_segment_is_cut_where_its_speaker_pauses_and_the_other_speaks() -> None:
    line = said("Does it hurt? Then come today.", (0, 0.3), (0.3, 0.5), (0.5, 1), (6, 6.3), (6.3, 6.6), (6.6, 7))
    patient = said("Yes, a lot.", (1.5, 1.8), (2.2, 2.3), (2.3, 2.6))
    told = join({"line": [line], "patient": [patient]})
    assert [(one.speaker, one.text, one.start_s, one.end_s) for one in told] == [
        ("line", "Does it hurt?", 0, 1),
        ("patient", "Yes, a lot.", 1.5, 2.6),
        ("line", "Then come today.", 6, 7),
    ]
    assert told[0].confidence == pytest.approx(0.8)
    assert told[1].confidence == 0.5, "what is not cut stays as the engine gave it"


def test_a_breath_ends_a_line_only_if_the_other_speaks_in_it() -> None:
    line = said("one two three four", (0, 0.5), (0.9, 1.4), (1.8, 2.3), (2.7, 3.2))
    assert len(join({"line": [line]})) == 1
    told = join({"line": [line], "patient": [said("mhm", (1.45, 1.75))]})
    assert [(one.speaker, one.text) for one in told] == [
        ("line", "one two"),
        ("patient", "mhm"),
        ("line", "three four"),
    ]


def test_both_at_once_without_a_breath_stay_whole() -> None:
    line = said("I tell you what we do now", *((n * 0.4, n * 0.4 + 0.4) for n in range(7)))
    patient = said("no no listen", (1, 1.3), (1.3, 1.6), (1.6, 2))
    assert [one.text for one in join({"line": [line], "patient": [patient]})] == [line.text, patient.text]


def test_chinese_is_cut_without_spaces_and_keeps_its_stops() -> None:
    line = said("疼吗？来吧。", (0, 0.2), (0.2, 0.4), (0.4, 0.4), (3, 3.2), (3.2, 3.4), (3.4, 3.4), language="zh-CN")
    assert [one.text for one in join({"line": [line]})] == ["疼吗？", "来吧。"]
    spelt = Segment(0, 4, "疼嗎來吧", 0.5, (Word(0, 1, "疼吗", 0.9), Word(3, 4, "来吧", 0.9)))
    assert [one.text for one in join({"line": [spelt]})] == ["疼吗", "来吧"], "spelt otherwise than the text"


def test_a_long_line_is_cut_at_its_longest_breath() -> None:
    times = [(n * 0.5, n * 0.5 + 0.4 - 0.1 * (n == 29)) for n in range(60)]
    told = join({"both": [said(" ".join(f"w{n}" for n in range(60)), *times)]})
    assert [len(one.words) for one in told] == [30, 30]
    assert {one.speaker for one in told} == {BOTH}


def test_a_segment_without_words_stays_whole() -> None:
    long = Segment(0, 100, "a long story", 0.5)
    assert [one.text for one in join({"line": [long], "patient": [Segment(50, 51, "yes", 0.5)]})] == [
        "a long story",
        "yes",
    ]


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    made, at = [], 0.0
    for _ in range(draw(st.integers(0, 4))):
        times = []
        for _ in range(draw(st.integers(0, 12))):
            start = max(0.0, at + draw(st.sampled_from([-0.1, 0.0, 0.05, 0.4, 1.2, 15.0])))
            at = start + draw(st.sampled_from([0.0, 0.1, 0.5, 25.0]))
            times.append((start, at))
        text = draw(st.sampled_from(["w", "w, w", "对"]))
        words = tuple(Word(start, end, f"{text}{n}", 0.5) for n, (start, end) in enumerate(times))
        made.append(Segment(times[0][0] if times else at, at, " ".join(word.text for word in words), 0.5, words))
    return made


@given(line=segments(), patient=segments())
def test_no_word_is_lost_doubled_or_moved(line: list[Segment], patient: list[Segment]) -> None:
    told = join({"line": line, "patient": patient})
    assert all(a.start_s <= b.start_s for a, b in itertools.pairwise(told))
    for speaker, given_ in (("line", line), ("patient", patient)):
        mine = [one for one in told if one.speaker == speaker]
        for segment in (one for one in given_ if one.words):
            pieces = [one for one in mine if one.words and one.words[0] in segment.words]
            assert sorted(word.text for one in pieces for word in one.words)
        everything = [word for one in mine for word in one.words]
        assert sorted(everything, key=repr) == sorted((word for one in given_ for word in one.words), key=repr)
        assert "".join(sorted("".join(one.text for one in mine).replace(" ", ""))) == "".join(
            sorted("".join(one.text for one in given_).replace(" ", ""))
        )
        for one in mine:
            assert one.end_s - one.start_s <= LONGEST_S or not _has_breath(one.words)


def _has_breath(words: tuple[Word, ...]) -> bool:
    return any(b.start_s > a.end_s for a, b in itertools.pairwise(words))
