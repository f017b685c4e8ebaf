"""The phrase lists: what lexicon/<language>.yaml may say, and the one form in which text and phrases are compared.

Pure; `lexicon_file` beside it reads them. What is done with them: `lexicon` (findings), `flags` (words of warning),
`nothing` (who has nothing to say), `required` (what has to be said).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from recordings.simplified import simplified

T = TypeVar("T")

SPOKEN: Final = ("impatience", "evasion", "over_promise", "unsafe_advice", "advertising")
"""Categories of what our side says."""
RED_FLAG: Final = "red_flag"
"""The category of what a patient says."""
MISSING: Final = "missing"
"""The category of what was not said."""
CATEGORIES: Final = (*SPOKEN, RED_FLAG, MISSING)
LEVELS: Final = ("A", "B", "C")
"""docs/clinical.md section 2: A emergency, B a doctor, C a nurse the same day."""
CUT: Final = "|"
"""Stands for any punctuation in normalised text: no phrase and no window reaches across it."""

_SOFT: Final = frozenset('"“”„‟«»「」『』《》‹›:：*')
"""Marks around what is quoted or announced: nothing ends at them."""
_DECIMAL: Final = re.compile(r"(?<=\d)[.．](?=\d)")


class LexiconError(Exception):
    """A phrase list cannot be used; the text says which part of which file."""


@dataclass(frozen=True)
class Phrase:
    """One phrase of one category, in the list's own wording."""

    text: str
    category: str
    severity: int
    """1 to 3; 1 is shown in strict mode only."""
    group: str = ""
    """absolute | cure | safety | proof | lure, in the category advertising."""


@dataclass(frozen=True)
class Flag:
    """One phrase of warning. `question` is a key of flows/questions.yaml, or one that has words `sign_<key>` in
    prompts/*.yaml."""

    text: str
    question: str
    level: str


@dataclass(frozen=True)
class FlagPair:
    """Two parts of a sign that stand near each other in either order ("my calf is all puffy", "a cramp in my calf"):
    one word of `of`, one of `with_`, and no more than `within` words (of Chinese: characters) between them."""

    question: str
    level: str
    of: tuple[str, ...]
    with_: tuple[str, ...]
    within: int


@dataclass(frozen=True)
class FlagRules:
    """What takes a phrase of warning back, or part of its weight (recordings.findings.flags)."""

    negations: tuple[str, ...]
    fillers: frozenset[str]
    """What may stand between a negation and the phrase; anything else, and it is no negation of the phrase."""
    neutral: tuple[str, ...]
    """Holds a negation and negates nothing: 是不是, not only."""
    carries: tuple[str, ...]
    """Joins a second phrase to a negated one: or."""
    after: tuple[str, ...]
    """Negates the phrase it follows, where a clause ends: 没有."""
    doubts: Mapping[str, tuple[str, ...]]
    """if | before | others: words before the phrase, within `window`."""
    window: int
    """Characters of Chinese, words of English."""
    clauses: tuple[str, ...] = ()
    """A phrase that holds one of these words is a sentence; a "no" before it answers something else."""
    but: tuple[str, ...] = ()
    """Ends a doubt: what follows is said of now."""
    breaks: tuple[str, ...] = ()
    """Between the two parts of a pair: they do not belong together (the chest is fine but the knee hurts)."""
    over: tuple[str, ...] = ()
    """Right behind the phrase: it was, and is not any more."""
    returns: tuple[str, ...] = ()
    """Later in the clause: but not for good (stopped and started again)."""


@dataclass(frozen=True)
class Nothing:
    """How somebody says that there is nothing to say (recordings.findings.nothing)."""

    answers: tuple[str, ...] = ()
    """One of these at least: no, thank you; I'm fine."""
    around: tuple[str, ...] = ()
    """What may stand about them: thanks, goodbyes, sounds of hesitation."""


@dataclass(frozen=True)
class Window:
    """Words near a phrase that change what it means."""

    size: int
    before: tuple[str, ...]
    adjacent: tuple[str, ...] = ()
    """Count only right before the phrase."""
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Required:
    """A phrase that has to be said. `unless` = announced: not asked for where our own flow has said it before it began
    to record; `who` = agent: only where an agent of ours talked."""

    key: str
    kinds: frozenset[str]
    """Kinds of call (dialer.models.Call.kind)."""
    purposes: frozenset[str]
    who: str
    """line | agent"""
    unless: str
    severity: int
    said_by: tuple[str, ...]
    """Any of these is enough."""
    words: Mapping[str, str]
    """What it is called, by language."""


@dataclass(frozen=True)
class Lexicon:
    """One language's list."""

    language: str
    version: str
    phrases: tuple[Phrase, ...]
    negation: Window
    quotation: Window
    flags: tuple[Flag, ...]
    flag_pairs: tuple[FlagPair, ...]
    flag_rules: FlagRules
    nothing: Nothing
    required: tuple[Required, ...]
    allowed: tuple[str, ...]
    """Terms that hold a phrase but mean something else: 无痛胃镜."""
    variants: Mapping[str, str]
    """Characters that a model or a person may write, to those of the list, before traditional ones become simplified
    (recordings.simplified)."""
    instead: Mapping[str, str]
    """What to say instead of an advertising word, by group."""

    @cached_property
    def by_characters(self) -> bool:
        return self.language.startswith("zh")

    def normal(self, text: str) -> str:
        """One form for text and phrases: no case, no width, no traditional forms, punctuation as a cut. English comes
        with a blank at either end, so that a phrase is found only as whole words."""
        plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'").replace("\u2018", "'")
        plain = simplified(plain.translate(self._variants))
        if self.by_characters:
            # a list of signs is one clause: 没有出血、发烧
            plain = plain.replace("、", "和")
        plain = _DECIMAL.sub("点" if self.by_characters else " point ", plain)
        kept = (c if c.isalnum() or c == "'" else " " if c.isspace() or c == "-" or c in _SOFT else CUT for c in plain)
        words = (word.strip("'") for word in "".join(kept).replace(CUT, f" {CUT} ").split())
        return "".join(words) if self.by_characters else f" {' '.join(word for word in words if word)} "

    @cached_property
    def _variants(self) -> dict[int, str]:
        return {ord(old): new for old, new in self.variants.items()}

    @cached_property
    def by_length(self) -> tuple[tuple[str, Phrase], ...]:
        """Every phrase in normal form, the longest first."""
        return _longest_first([(self.normal(phrase.text), phrase) for phrase in self.phrases])

    @cached_property
    def flags_by_length(self) -> tuple[tuple[str, Flag], ...]:
        return _longest_first([(self.normal(flag.text), flag) for flag in self.flags])

    @cached_property
    def nothing_forms(self) -> tuple[tuple[str, bool], ...]:
        """Each form in normal form, and whether it is an answer."""
        answers, around = self.nothing.answers, self.nothing.around
        return tuple((self.normal(text), text in answers) for text in (*answers, *around))

    # ---- how a phrase of warning is taken back, as patterns over the normal form
    @cached_property
    def flag_neutral(self) -> tuple[str, ...]:
        return tuple(self.normal(words).rstrip() for words in self.flag_rules.neutral)

    @cached_property
    def flag_negation(self) -> re.Pattern[str]:
        """Ends right before the phrase: a negation, and nothing but fillers after it."""
        fillers = f"(?:{self._gap}{_any_of(self.flag_rules.fillers)})*"
        return re.compile(f"(?:^|{self._gap}){_any_of(self.flag_rules.negations)}{fillers}$")

    @cached_property
    def flag_carried(self) -> re.Pattern[str]:
        """All that may stand between a negated phrase and another that is negated with it."""
        fillers = f"(?:{self._gap}{_any_of(self.flag_rules.fillers)})*"
        return re.compile(_any_of(self.flag_rules.carries) + fillers)

    @cached_property
    def flag_after(self) -> re.Pattern[str]:
        """Begins right behind the phrase and ends with its clause."""
        return re.compile(f"{_any_of(self.flag_rules.after)} ?(?:$|{re.escape(CUT)})")

    @cached_property
    def flag_over(self) -> re.Pattern[str]:
        """Begins right behind the phrase: it is over."""
        return re.compile(_any_of(self.flag_rules.over) + ("" if self.by_characters else r"(?: |$)"))

    @cached_property
    def flag_patterns(self) -> tuple[tuple[FlagPair, re.Pattern[str]], ...]:
        """Each pair as its two orders: groups `first`, `gap` and `second`. They look ahead and take nothing, so that a
        first part with a break behind it hides no nearer one ("a towel on it and the towel is red")."""
        patterns = []
        for pair, *sides in self._flag_sides:
            of, with_ = (_any_of(words) for words in sides)
            for first, second in ((of, with_), (with_, of)):
                if self.by_characters:
                    near = f"(?=(?P<first>{first})(?P<gap>[^|]{{0,{pair.within}}}?)(?P<second>{second}))"
                else:
                    between = f"(?P<gap>(?: [^ |]+){{0,{pair.within}}}?)"
                    near = f"(?<= )(?=(?P<first>{first}){between} (?P<second>{second}) )"
                patterns.append((pair, re.compile(near)))
        return tuple(patterns)

    def flag_patterns_for(self, text: str) -> Iterator[tuple[FlagPair, re.Pattern[str]]]:
        """Those that may fit: both sides have a word in the text. To look for each word once costs less than to try
        each pattern at every place."""
        here = {word for word in self._flag_words if word in text}
        for number, (_, of, with_) in enumerate(self._flag_sides):
            if not here.isdisjoint(of) and not here.isdisjoint(with_):
                yield from self.flag_patterns[2 * number : 2 * number + 2]

    @cached_property
    def _flag_sides(self) -> tuple[tuple[FlagPair, frozenset[str], frozenset[str]], ...]:
        """Each pair with its words in normal form."""
        return tuple((pair, self._normals(pair.of), self._normals(pair.with_)) for pair in self.flag_pairs)

    def _normals(self, words: Iterable[str]) -> frozenset[str]:
        return frozenset(self.normal(word).strip() for word in words)

    @cached_property
    def _flag_words(self) -> frozenset[str]:
        return frozenset().union(*(of | with_ for _, of, with_ in self._flag_sides))

    @cached_property
    def flag_breaks(self) -> re.Pattern[str]:
        return re.compile(f"(?:^|{self._gap}){_any_of(self.flag_rules.breaks)}(?:{self._gap}|$)")

    @property
    def _gap(self) -> str:
        return "" if self.by_characters else " "

    def without_allowed(self, text: str) -> str:
        """`text` (in normal form) with the allowed terms cut out; every other character stands where it stood."""
        for wanted in self._allowed:
            at = text.find(wanted)
            while at >= 0:
                text = text[:at] + blotted(wanted) + text[at + len(wanted) :]
                at = text.find(wanted)
        return text

    @cached_property
    def _allowed(self) -> tuple[str, ...]:
        return tuple(sorted((self.normal(term) for term in self.allowed), key=len, reverse=True))


def _any_of(words: Iterable[str]) -> str:
    """A pattern for one of the words, the longest first; one that never fits if there are none."""
    by_length = sorted(words, key=len, reverse=True)
    return f"(?:{'|'.join(re.escape(word) for word in by_length)})" if by_length else "(?!)"


def blotted(text: str) -> str:
    """As many cuts as there are characters; blanks stay, two neighbouring phrases share one."""
    return "".join(c if c == " " else CUT for c in text)


def _longest_first(phrases: Sequence[tuple[str, T]]) -> tuple[tuple[str, T], ...]:
    return tuple(sorted(phrases, key=lambda one: -len(one[0])))
