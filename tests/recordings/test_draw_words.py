"""Every code of the draw has words in both languages; what is not known is shown as it is."""

from __future__ import annotations

import pytest

from core.values import KNOWN_LANGUAGES
from recordings.findings.lexicon import CATEGORIES
from recordings.sampling import draw_words, sample
from recordings.sampling.draw import Candidate
from recordings.sampling.draw_agents import draw


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_every_code_has_words(language: str) -> None:
    for catalogue in (draw_words.RISKS, draw_words.PHRASES, draw_words.PARTS, draw_words.LEFT_OUT):
        assert all(words[language].strip() for words in catalogue.values())
    assert tuple(draw_words.LEFT_OUT) == sample.LEFT_OUT
    assert set(CATEGORIES) <= set(draw_words.PHRASES)
    few = [
        Candidate(f"{n:03}", (f"a{n % 3}", "", "day", "web"), frozenset(["night"] * (n % 9 == 0))) for n in range(200)
    ]
    codes = {pick.why for seed in range(5) for pick in draw(few, seed, size=60).picked} | {"whole day: 7"}
    assert len({code.split(":")[0] for code in codes}) == 5
    for code in codes:
        told = draw_words.why(code, language)
        assert told != code or code == "night"
        assert "{" not in told


def test_the_words() -> None:
    assert draw_words.why("agent: 1 of 12", "en") == "one of each agent's, by chance (12 of this one's)"
    assert draw_words.why("complaint, phrase: evasion", "zh-CN") == "投诉、推诿用语"
    assert draw_words.why("phrase: something new", "en") == "something new"
    assert draw_words.why("hotline / call / en / day: 3 of 40", "zh-CN") == "hotline / call / en / day: 3 of 40"
    assert draw_words.left_out({"unheard": 2, "arriving": 3, "purged": 0}, "en") == [
        "3 recordings had not arrived and could not be drawn",
        "2 recordings were not transcribed yet: what is said in them did not count as a risk",
    ]
