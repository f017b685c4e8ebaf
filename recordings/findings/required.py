"""What has to be said and was not: the recording notice, the agent's own name (docs/clinical.md PERF12). Pure.

Who has to say what in which kind of call is data of the phrase list. A finding `missing` names the key of the phrase,
not a place: nobody can point at what is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recordings.findings.lexicon import MONO, Finding
from recordings.findings.lexicon_list import MISSING, Lexicon, Required
from recordings.sound.conversation import BOTH, LINE, Line


@dataclass(frozen=True)
class Circumstances:
    """What is known of a recording besides its words."""

    purpose: str
    call_kind: str
    announced: bool
    """A flow of ours began it, and has spoken the notice before."""
    agent: bool
    """An agent of ours talked in it."""
    names: tuple[str, ...] = ()
    """What this agent is called; any of them is their own name, said."""


def missing(lines: Sequence[Line], lexicon: Lexicon, of: Circumstances) -> list[Finding]:
    """A finding for each required phrase nobody on our side said. None where our side was not heard at all: that says
    something of the sound, not of a person."""
    ours = [line for line in lines if line.speaker in (LINE, BOTH)]
    if not ours:
        return []
    said = [lexicon.normal(line.text) for line in ours]
    mono = all(line.speaker == BOTH for line in ours)
    end_s = max(line.end_s for line in lines)
    return [
        Finding(
            category=MISSING,
            phrase=one.key,
            start_s=0.0,
            speaker=BOTH if mono else LINE,
            severity=max(1, one.severity - 1) if mono else one.severity,
            end_s=end_s,
            note=MONO if mono else "",
        )
        for one in lexicon.required
        if _asked_for(one, of) and not _said(one, said, lexicon, of.names if one.who == "agent" else ())
    ]


def _asked_for(one: Required, of: Circumstances) -> bool:
    if of.purpose not in one.purposes or of.call_kind not in one.kinds:
        return False
    if one.who == "agent" and not of.agent:
        return False
    return not (one.unless == "announced" and of.announced)


def _said(one: Required, said: Sequence[str], lexicon: Lexicon, names: Sequence[str]) -> bool:
    wanted = [lexicon.normal(text) for text in (*one.said_by, *names) if text.strip()]
    return any(words in line for line in said for words in wanted)
