"""Findings: what a listener should look at first, line by line as it was said. Pure.

Hits are shown to a person and punish nobody (docs/clinical.md QA7, QA25 and section 4, Lexicon use). What our side says
is looked for on the line's channel only, words of warning on the patient's. On a recording of one channel nobody knows
who spoke: the finding says `mono` and weighs one less.

A phrase behind or before a negation ("we cannot guarantee"), or one the agent repeats from the patient ("you said it's
guaranteed"), is no finding; nor is one of severity 1. In strict mode both are shown, at severity 1, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from recordings.findings import flags
from recordings.findings.lexicon_file import load
from recordings.findings.lexicon_list import CATEGORIES, CUT, RED_FLAG, Lexicon, LexiconError, Phrase, Window, blotted
from recordings.sound.conversation import BOTH, LINE, PATIENT, Line

__all__ = ["CATEGORIES", "Finding", "Lexicon", "LexiconError", "find", "load", "screen_line"]

NEGATED: Final = "negated"
QUOTED: Final = "quoted"
MONO: Final = "mono"
FLAG_SEVERITY: Final = {"A": 3, "B": 3, "C": 2}


class Spoken(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def speaker(self) -> str: ...


@dataclass(frozen=True)
class Finding:
    """One hit. `phrase` is the list's wording, not the caller's."""

    category: str
    phrase: str
    start_s: float
    """The start of the line, in seconds from the start of the recording."""
    speaker: str
    severity: int
    group: str = ""
    """Of an advertising word: absolute | cure | safety | proof | lure."""
    end_s: float | None = None
    """Of the phrase where words have times, else of the line; None if neither is known."""
    word_at: float | None = None
    """The start of the phrase's first word; None where the engine gives words no times."""
    note: str = ""
    """Why it weighs less, words with blanks between: negated, quoted, if, before, others, mono."""


def find(lines: Iterable[Spoken], lexicon: Lexicon, *, strict: bool = False) -> list[Finding]:
    """All hits, by line and then by place in the text; a phrase inside a longer hit of its category counts once, as the
    longer one."""
    found: list[Finding] = []
    before: Spoken | None = None
    for line in lines:
        if line.speaker == PATIENT:
            if before is not None:
                found += _said_across(before, line, lexicon)
            before = line
        found += screen_line(line, lexicon, strict=strict)
    return found


def screen_line(line: Spoken, lexicon: Lexicon, *, strict: bool = False) -> list[Finding]:
    """The hits in one line, for whoever hears it as it is said; the seam for real-time use."""
    whole = lexicon.normal(line.text)
    text = lexicon.without_allowed(whole)
    found: list[tuple[int, Finding]] = []
    if line.speaker in (LINE, BOTH):
        found += _said_by_us(line, whole, text, lexicon, strict=strict)
    if line.speaker in (PATIENT, BOTH):
        found += _said_by_the_patient(line, whole, text, lexicon)
    return [finding for _, finding in sorted(found, key=lambda hit: hit[0])]


def _said_by_us(
    line: Spoken, whole: str, text: str, lexicon: Lexicon, *, strict: bool
) -> Iterable[tuple[int, Finding]]:
    for at, length, phrase in _hits(text, lexicon):
        notes = []
        if _near(text, at, at + length, lexicon.negation, lexicon):
            notes.append(NEGATED)
        if _near(text, at, at + length, lexicon.quotation, lexicon):
            notes.append(QUOTED)
        if strict or (phrase.severity > 1 and not notes):
            severity = 1 if notes else phrase.severity
            yield at, _finding(line, whole, (at, at + length), phrase, severity, notes, lexicon)


def _said_by_the_patient(line: Spoken, whole: str, text: str, lexicon: Lexicon) -> Iterable[tuple[int, Finding]]:
    """Shown in either mode, at severity 1 where it was negated: missing one is worse than a false alarm."""
    for hit in flags.in_text(text, lexicon):
        phrase, notes = _of_hit(hit)
        yield hit.start, _finding(line, whole, (hit.start, hit.end), phrase, phrase.severity, notes, lexicon)


def _of_hit(hit: flags.Hit) -> tuple[Phrase, list[str]]:
    severity = 1 if hit.negated else 2 if hit.doubt else FLAG_SEVERITY[hit.flag.level]
    notes = [NEGATED] if hit.negated else [hit.doubt] if hit.doubt else []
    return Phrase(hit.flag.text, RED_FLAG, severity, hit.flag.question), notes


def _said_across(first: Spoken, second: Spoken, lexicon: Lexicon) -> Iterable[Finding]:
    """Words of warning the patient began in one line and ended in the next, as they are alarmed for
    (recordings.findings.machine_flags): from the start of the first word to the end of the last."""
    if second.start_s - first.start_s > flags.ONE_BREATH_S:
        return
    across = flags.across(first.text, second.text, lexicon)
    first_whole, second_whole = across.joined[: across.cut], across.joined[across.cut :]
    for hit in across.hits:
        phrase, notes = _of_hit(hit)
        word_at, _ = _marks(first, first_whole, (hit.start, across.cut), lexicon)
        _, end_s = _marks(second, second_whole, (0, hit.end - across.cut), lexicon)
        note = " ".join(notes)
        yield Finding(
            RED_FLAG, phrase.text, first.start_s, first.speaker, phrase.severity, phrase.group, end_s, word_at, note
        )


def _hits(text: str, lexicon: Lexicon) -> Iterable[tuple[int, int, Phrase]]:
    """Where which phrase stands and how long it is; longer phrases first, nothing counted twice in its category."""
    texts: dict[str, str] = {}
    for wanted, phrase in lexicon.by_length:
        left = texts.get(phrase.category, text)
        at = left.find(wanted)
        while at >= 0:
            yield at, len(wanted), phrase
            left = texts[phrase.category] = left[:at] + blotted(wanted) + left[at + len(wanted) :]
            at = left.find(wanted)


def _near(text: str, start: int, end: int, window: Window, lexicon: Lexicon) -> bool:
    """Whether a word of the window stands before text[start:end], or one of its `after` words behind it, in the same
    clause."""
    before, behind = text[:start].rsplit(CUT, 1)[-1], text[end:].split(CUT, 1)[0]
    if lexicon.by_characters:
        near, next_ = before[-window.size :] if window.size else "", behind[: window.size]
        words = [lexicon.normal(word) for word in window.before]
        adjacent = tuple(lexicon.normal(word) for word in window.adjacent)
        after = [lexicon.normal(word) for word in window.after]
        return any(w in near for w in words) or before.endswith(adjacent) or any(w in next_ for w in after)
    near = f" {' '.join(before.split()[-window.size :] if window.size else [])} "
    next_ = f" {' '.join(behind.split()[: window.size])} "
    return any(f" {w} " in near for w in window.before) or any(f" {w} " in next_ for w in window.after)


def _finding(
    line: Spoken,
    whole: str,
    place: tuple[int, int],
    phrase: Phrase,
    severity: int,
    notes: list[str],
    lexicon: Lexicon,
) -> Finding:
    if line.speaker == BOTH:
        notes, severity = [*notes, MONO], max(1, severity - 1)
    word_at, end_s = _marks(line, whole, place, lexicon)
    note = " ".join(notes)
    return Finding(
        phrase.category, phrase.text, line.start_s, line.speaker, severity, phrase.group, end_s, word_at, note
    )


def _marks(line: Spoken, whole: str, place: tuple[int, int], lexicon: Lexicon) -> tuple[float | None, float | None]:
    """When the phrase begins and ends: by counting letters up to it in the line and in its words. An engine whose words
    are not those of its text (numbers written out) gives no mark."""
    if not isinstance(line, Line):
        return None, None
    if not line.words:
        return None, line.end_s
    spelled = [_letters(lexicon.normal(word.text)) for word in line.words]
    if sum(spelled) != _letters(whole):
        return None, line.end_s
    first, last = _letters(whole[: place[0]]), _letters(whole[: place[1]])
    passed, word_at, end_s = 0, None, line.end_s
    for word, letters in zip(line.words, spelled, strict=True):
        if word_at is None and passed + letters > first:
            word_at = word.start_s
        passed += letters
        if passed >= last:
            end_s = word.end_s
            break
    return word_at, end_s


def _letters(text: str) -> int:
    return sum(c not in (" ", CUT) for c in text)
