"""Words of warning in what a patient says, by level (docs/clinical.md section 2, Escalation besides pain). Pure.

A miss is worse than a false alarm, so a phrase is taken back by two things only:

- a negation whose way to the phrase holds nothing but fillers ("no bleeding", "没有看到出血"). Anything else between
  them ("hasn't stopped bleeding", "没有吃药伤口出血") and the phrase stands;
- a negation right behind it where the clause ends (出血没有，发烧也没有).

A phrase that is a sentence is never negated by what stands before: "no my chest hurts" is an answer, and then a sign.

A sign is a phrase, or a pair: two parts of it that stand near each other, in either order and with other words between
them ("my calf has gone all hard"). A negation right before the second part takes a pair back as well (胸口不疼).

What is over by the patient's own words ("the swelling went down") is a nurse's, of C nothing: somebody still asks.

What is said of earlier days, of other people, or of what might be ("what if it bleeds") is told by words before the
phrase, and weighs by level: A stays A, B becomes C, C is none; "but", "now" and their like end such a doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recordings.findings.lexicon_list import CUT, LEVELS, Flag, Lexicon, blotted

DOUBTED: Final[dict[str, str]] = {"A": "A", "B": "C", "C": ""}
"""The level that is left of one that was said of earlier days, of somebody else, or as an if."""
OVER: Final = "over"
OWNERS: Final = frozenset({"my"})
AFTER_IT: Final[dict[str, str]] = {"A": "C", "B": "C", "C": ""}
"""The level that is left of one that is over."""


@dataclass(frozen=True)
class Hit:
    """One phrase of warning at text[start:end] of the normal form."""

    flag: Flag
    start: int
    end: int
    negated: bool
    doubt: str
    """if | before | others | over, or empty."""

    @property
    def level(self) -> str:
        """A | B | C, or empty for none."""
        if self.negated:
            return ""
        if self.doubt == OVER:
            return AFTER_IT[self.flag.level]
        return DOUBTED[self.flag.level] if self.doubt else self.flag.level


def in_text(text: str, lexicon: Lexicon) -> list[Hit]:
    """All phrases of warning in a text in normal form, in its order; of two in one place the longer."""
    places: list[tuple[int, int, Flag]] = []
    left = text
    for wanted, flag in lexicon.flags_by_length:
        at = left.find(wanted)
        while at >= 0:
            places.append((at, at + len(wanted), flag))
            left = left[:at] + blotted(wanted) + left[at + len(wanted) :]
            at = left.find(wanted)
    signs = [(start, end, flag, False) for start, end, flag in places]
    signs += _pairs(text, places, lexicon)
    found: list[Hit] = []
    for start, end, flag, taken_back in sorted(signs, key=lambda sign: sign[:2]):
        negated = taken_back or _negated(text, start, end, found, lexicon)
        found.append(Hit(flag, start, end, negated, "" if negated else _doubt(text, start, end, lexicon)))
    return found


def _pairs(text: str, phrases: list[tuple[int, int, Flag]], lexicon: Lexicon) -> list[tuple[int, int, Flag, bool]]:
    """Signs told in two parts, and whether a negation stands right before the second; none where the same question has
    a sign as grave already, and of two in one place the graver, then the shorter."""
    near = [
        (match, pair)
        for pair, pattern in lexicon.flag_patterns_for(text)
        for match in pattern.finditer(text)
        if not lexicon.flag_breaks.search(match["gap"])
    ]
    taken, blank = list(phrases), 0 if lexicon.by_characters else 1
    found: list[tuple[int, int, Flag, bool]] = []
    for match, pair in sorted(
        near, key=lambda one: (LEVELS.index(one[1].level), one[0].end("second") - one[0].start())
    ):
        start, end = match.start() - blank, match.end("second") + blank  # as phrases have them, with the blanks around
        flag = Flag(f"{match['first']} … {match['second']}", pair.question, pair.level)
        if any(
            first < end and start < last and other.question == flag.question and other.level <= flag.level
            for first, last, other in taken
        ):
            continue
        taken.append((start, end, flag))
        # "can't keep nothing down": where the sign itself is a "not", a second one takes nothing back
        is_not = any(word in match["first"] for word in (*lexicon.flag_rules.negations, "n't", "cannot"))
        found.append((start, end, flag, not is_not and lexicon.flag_negation.search(match["gap"]) is not None))
    return found


ONE_BREATH_S: Final = 30.0
"""From the start of one line to that of the next (a line lasts at most 20 s): so far apart they may be one sentence."""


@dataclass(frozen=True)
class Across:
    """Phrases that begin in one line and end in the next, by their place in `joined`, the normal form of both lines, of
    which the first ends at `cut`."""

    joined: str
    cut: int
    hits: tuple[Hit, ...]


def across(first: str, second: str, lexicon: Lexicon) -> Across:
    """Phrases that begin in one line and end in the next of the same speaker, who stopped for breath. A line that is
    nothing but the beginning of the phrase is an answer ("no", and then "urine is fine") and no part of it."""
    start, end = lexicon.normal(first).rstrip(CUT + " "), lexicon.normal(second)
    joined = start + end
    text = lexicon.without_allowed(joined)
    answer = text[: len(start)].strip() in lexicon.flag_rules.negations
    hits = () if answer else tuple(
        hit for hit in in_text(text, lexicon) if hit.start < len(start) < hit.end - (not lexicon.by_characters)
    )  # fmt: skip
    return Across(joined, len(start), hits)


def _negated(text: str, start: int, end: int, earlier: list[Hit], lexicon: Lexicon) -> bool:
    """By what stands right before it, by a negated phrase it is joined to ("no fever or chills"), by what follows."""
    if not lexicon.by_characters and _is_sentence(f" {text[start:end].strip()} ", lexicon):
        return False
    if earlier and earlier[-1].negated and start >= earlier[-1].end:
        between = text[earlier[-1].end : start]
        # 没有胸痛胸闷: in Chinese a list needs no word between
        if lexicon.flag_carried.fullmatch(between) or (lexicon.by_characters and not between):
            return True
    before = text[:start]
    for words in lexicon.flag_neutral:
        before = before.replace(words, CUT)
    return bool(lexicon.flag_negation.search(before) or lexicon.flag_after.match(text[end:]))


def _is_sentence(phrase: str, lexicon: Lexicon) -> bool:
    """ "my chest hurts" is one, "pain in my chest" is none: who owns it makes a sentence only at its beginning."""
    clauses = lexicon.flag_rules.clauses
    return any(f" {word} " in phrase if word not in OWNERS else phrase.startswith(f" {word} ") for word in clauses)


def _doubt(text: str, start: int, end: int, lexicon: Lexicon) -> str:
    """Which words that take weight away stand before it in its clause, the first kind of the list; or that it is
    over, right behind it."""
    rules, clause = lexicon.flag_rules, text[:start].rsplit(CUT, 1)[-1]
    over = lexicon.flag_over.match(text, end)
    if over is not None:
        rest, gap = text[over.end() :].split(CUT, 1)[0], "" if lexicon.by_characters else " "
        if not any(f"{gap}{word}{gap}" in f"{gap}{rest}{gap}" for word in rules.returns):
            return OVER
    for word in rules.but:
        clause = clause.rsplit(word if lexicon.by_characters else f" {word} ", 1)[-1]
    if lexicon.by_characters:
        near = clause[-rules.window :]
        return next((kind for kind, words in rules.doubts.items() if any(word in near for word in words)), "")
    near = f" {' '.join(clause.split()[-rules.window :])} "
    return next((kind for kind, words in rules.doubts.items() if any(f" {word} " in near for word in words)), "")
