"""What a person on the telephone understands: which prompt of prompts/*.yaml was heard, and which keys it offers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from carrier.twiml import Say
from ivr.prompts import Prompts

_VARIABLE = re.compile(r"\{[a-z_0-9]+\}")
_KEY_ZH = re.compile(r"按\s*([0-9])")
_KEY_EN = re.compile(r"\bpress\s+([0-9])|,\s*([0-9])(?=[.,;]|$)|\b[a-z]+\s+([0-9])(?=[.,;]|$)", re.IGNORECASE)
_BENIGN_IS_YES = re.compile(
    r"able to|can you|normal|as told|booked|know when|healed|back (to|at)|clear|enough|better"
    r"|正常|能|按时|按医嘱|知道|愈合|恢复|预约|清楚|够|好转",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One sentence heard. `key` is the prompt's, or empty for words that are in no file."""

    key: str
    text: str
    options: tuple[str, ...]
    """The keys it offers, in the order spoken."""
    yes_is_good: bool
    """A question whose first option is the answer of somebody who is well."""


class Ear:
    """Tells prompts by their words, variables filled in with whatever."""

    def __init__(self, prompts: Prompts) -> None:
        self._shapes = [(key, _shape(text)) for voice in prompts.voices.values() for key, text in voice.prompts.items()]
        # the prompt with the most words of its own is the one meant
        self._shapes.sort(key=lambda shape: -len(shape[1].pattern))
        self.line = lru_cache(maxsize=4096)(self._line)

    def lines(self, heard: Iterable[Say]) -> list[Line]:
        return [self.line(say.text) for say in heard]

    def _line(self, text: str) -> Line:
        key = next((key for key, shape in self._shapes if shape.fullmatch(text)), "")
        return Line(key, text, _options(text), _BENIGN_IS_YES.search(text) is not None)


def _shape(text: str) -> re.Pattern[str]:
    plain = " ".join(text.split())
    return re.compile("(?:.*?)".join(re.escape(part) for part in _VARIABLE.split(plain)))


def _options(text: str) -> tuple[str, ...]:
    found = _KEY_ZH.findall(text) or [next(filter(None, keys)) for keys in _KEY_EN.findall(text)]
    return tuple(dict.fromkeys(found))


def last_of(lines: Sequence[Line], known: Mapping[str, object]) -> Line | None:
    """The sentence that asks for something: the last one somebody knows how to answer, else the last with keys."""
    asked = next((line for line in reversed(lines) if line.key in known), None)
    return asked or next((line for line in reversed(lines) if line.options), None)
