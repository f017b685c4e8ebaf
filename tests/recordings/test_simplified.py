"""Traditional characters become simplified ones, wherever the two would be two words to a list."""

from __future__ import annotations

import unicodedata

import pytest

from recordings.findings import lexicon
from recordings.privacy import redact_lists
from recordings.simplified import simplified, table
from recordings.sound.conversation import PATIENT, Line
from recordings.speech.stt_process import _segment

HEARD = "我發燒的,頭暈得厲害,傷口滲膿,喘不過氣"
"""As Whisper base wrote the first words here (docs/speech.md)."""
MEANT = "我发烧的,头晕得厉害,伤口渗脓,喘不过气"


def test_each_character_is_one_character_and_stays_so() -> None:
    assert len(table()) > 2900
    for old, new in table().items():
        assert len(new) == 1
        assert ord(new) not in table(), f"{chr(old)} {new}: once is enough"
        assert unicodedata.name(chr(old)).startswith("CJK UNIFIED")
        assert unicodedata.name(new).startswith("CJK UNIFIED")
    assert simplified(HEARD) == MEANT
    for same in (MEANT, "CT 38.5 ▁he llo", "乾隆", ""):
        assert simplified(same) == same


@pytest.mark.parametrize(("language", "told"), [("zh-CN", MEANT), ("en", HEARD)])
def test_what_an_engine_hears_in_mandarin_is_simplified(language: str, told: str) -> None:
    words = [[float(at), at + 0.5, character, 0.5] for at, character in enumerate(HEARD)]
    made = _segment({"start": 0.0, "end": 30.0, "text": HEARD, "confidence": 0.5, "words": words}, language)
    assert made.text == told
    assert "".join(word.text for word in made.words) == told
    assert [word.start_s for word in made.words] == [float(at) for at in range(len(HEARD))]


def test_lists_of_phrases_and_names_read_both_alike() -> None:
    zh = lexicon.load("zh-CN")
    for one, other in ((HEARD, MEANT), ("我嗓子乾,聽著,很難受", "我嗓子干,听着,很难受")):
        lines = [Line(PATIENT, 0.0, 1.0, text, None) for text in (one, other)]
        assert zh.normal(one) == zh.normal(other)
        found = [[(hit.category, hit.phrase) for hit in lexicon.find([line], zh)] for line in lines]
        assert found[0] == found[1]
    assert lexicon.find([Line(PATIENT, 0.0, 1.0, HEARD, None)], zh)
    assert redact_lists.page("歐陽娜在體檢").cased == "欧阳娜在体检"
