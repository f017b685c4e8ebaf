"""The masks: who and where people are is replaced by its kind, in the reader's language. Pure.

Lines are read together, those of one speaker as one text, so that a number broken over two of them is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from recordings.privacy import redact_dates, redact_known, redact_names, redact_numbers, redact_places
from recordings.privacy.redact_known import NOBODY, Known
from recordings.privacy.redact_lists import Span, Taken, lists, page

VERSION: Final[str] = lists()["version"]
KINDS: Final[tuple[str, ...]] = tuple(lists()["kinds"])


_UNSEEN: Final = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
"""Characters of no width: one between two digits would hide a number from the rules, and not from a reader."""


def masked(text: str, language: str, known: Known = NOBODY) -> str:
    """`text` with whoever and wherever masked; each mask says its kind in `language` (the reader's: zh-CN or en).
    Masked text stays as it is."""
    return masked_lines([("", text)], language, known)[0]


def masked_lines(lines: Sequence[tuple[str, str]], language: str, known: Known = NOBODY) -> list[str]:
    """The same of (speaker, text) in order; what began in one line and ends in the speaker's next is masked in both."""
    now = [_UNSEEN.sub("", text) for _, text in lines]
    # Again until nothing more is found: a mask may part what had stood together. Each time less is left to mask.
    while (after := _once([(who, text) for (who, _), text in zip(lines, now, strict=True)], language, known)) != now:
        now = after
    return now


def _once(lines: Sequence[tuple[str, str]], language: str, known: Known) -> list[str]:
    out = [text for _, text in lines]
    for speaker in dict.fromkeys(speaker for speaker, _ in lines):
        mine = [at for at, (who, _) in enumerate(lines) if who == speaker]
        whole = "\n".join(out[at] for at in mine)
        found = spans(whole, known)
        start = first = 0
        for at in mine:
            end = start + len(out[at])
            while first < len(found) and found[first].end <= start:
                first += 1
            after = first
            while after < len(found) and found[after].start < end:
                after += 1
            out[at] = _written(whole, start, end, found[first:after], language)
            start = end + 1
    return out


def spans(text: str, known: Known = NOBODY) -> list[Span]:
    """What is masked, in order and without overlap."""
    read = page(text)
    done = [Span(hit.start(), hit.end(), "done") for hit in _masks().finditer(text)]
    days = redact_dates.days(read)
    births = redact_dates.spans(read, days, known.births)
    dates = [Span(day.start, day.end, "date") for day in days]
    found = [
        *births,
        *redact_known.spans(read, redact_numbers.runs(read, dates), known),
        *redact_numbers.spans(read, [*dates, *done]),
        *redact_places.spans(read),
        *redact_names.spans(read),
    ]
    masks = Taken((span.start, span.end) for span in done)
    return _joined(span for span in found if not masks.touches(span.start, span.end))


def _joined(found: Iterable[Span]) -> list[Span]:
    """Overlapping places as one, of the longest one's kind: nothing of either stays."""
    out: list[Span] = []
    longest = 0
    for span in sorted(found):
        size = span.end - span.start
        if out and span.start < out[-1].end:
            kind = span.kind if size > longest else out[-1].kind
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end), kind)
            longest = max(longest, size)
        else:
            out.append(span)
            longest = size
    return out


def _written(whole: str, start: int, end: int, found: Iterable[Span], language: str) -> str:
    """`found`: what lies between `start` and `end`, or over one of them, in order."""
    parts: list[str] = []
    at = start
    for span in found:
        parts += [whole[at : max(at, span.start)], mask(span.kind, language)]
        at = min(end, span.end)
    return "".join([*parts, whole[at:end]])


def mask(kind: str, language: str) -> str:
    words = lists()["kinds"][kind]
    return f"【{words['zh-CN']}】" if language.startswith("zh") else f"[{words['en']}]"


@cache
def _masks() -> re.Pattern[str]:
    words = "|".join(re.escape(mask(kind, language)) for kind in KINDS for language in ("zh-CN", "en"))
    return re.compile(words)
