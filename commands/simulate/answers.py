"""How the people on the telephone answer: patients and their families, machines, strangers, doctors, operators.

They go by the prompt they hear (commands.simulate.words), never by where the flow stands; a question nobody here
has heard of is answered by the keys it offers.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carrier.twiml import Say
from commands.simulate.leg import Act
from commands.simulate.options import Options
from commands.simulate.people import Patient, Telephone
from commands.simulate.words import Ear, Line, last_of

SILENCE = Act()
NOTICES = ("fu_open", "fu_open_plain", "greet")
SHORT_MENUS = ("night", "short_menu")
"""The hotline at night and on holidays."""
WHO = ("fu_who", "fu_who_unnamed")
PROMISES = frozenset({"escalate", "escalate_wait", "doctor_coming"})
PATIENCE = timedelta(minutes=45)
"""How long a promised call keeps somebody by the telephone."""
PAIN_BY_HOURS = (0.0, 6.0, 48.0, 168.0, 720.0, 2160.0)


@dataclass
class Mood:
    """What one person means to do in one call, drawn when the telephone is picked up."""

    role: str
    """self | family | stranger | machine | nobody"""
    plan: str
    """engage | bad_time | stop | leave | silent"""
    leaves_at: int = 0
    """Hangs up at this many prompts."""
    wrong_keys: int = 0


def mood(telephone: Telephone, options: Options, rng: random.Random) -> Mood:
    """Who picks up a routine ring, and what comes of it (docs/clinical.md section 2)."""
    wrong = rng.randint(1, 2) if rng.random() < options.wrong_keys else 0
    if telephone.stranger:
        return Mood("stranger", "engage", wrong_keys=wrong)
    luck = rng.random()
    for share, made in (
        (options.engage, Mood("self", "engage", wrong_keys=wrong)),
        (options.family, Mood("family", "engage", wrong_keys=wrong)),
        (options.bad_time, Mood("self", "bad_time")),
        (options.stop, Mood("self", "stop")),
        (options.mid_hang_up, Mood("self", "leave", leaves_at=rng.randint(2, 9), wrong_keys=wrong)),
        (0.06, Mood("self", "leave", leaves_at=1)),
    ):
        if luck < share:
            return made
        luck -= share
    return Mood("nobody", "silent")


def pain_share(options: Options, hours: float) -> float:
    """The share of scores of 4 and more so long after the operation, between the published points."""
    shares = (options.pain_6h, options.pain_6h, options.pain_48h, options.pain_7d, options.pain_30d, options.pain_90d)
    points = list(zip(PAIN_BY_HOURS, shares, strict=True))
    for (h0, s0), (h1, s1) in itertools.pairwise(points):
        if hours <= h1:
            return s0 + (s1 - s0) * (hours - h0) / (h1 - h0)
    return shares[-1]


class Caller:
    """Somebody on a patient's telephone."""

    def __init__(
        self, ear: Ear, telephone: Telephone, mood: Mood, options: Options, now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:  # fmt: skip
        self.talk_s = rng.uniform(40, 240)
        self.sounds_like = {"machine": "machine", "nobody": "silent"}.get(mood.role, "human")
        self._ear, self._telephone, self._mood, self._options = ear, telephone, mood, options
        self._now, self._rng = now, rng
        self._patient = max(telephone.owners, key=lambda one: (one.ended_at <= now(), one.ended_at))
        self._named = telephone.owners
        self._prompts = self._births = 0
        self._score: int | None = None

    # ---- what the carrier asks ----------------------------------------------------------------------
    def hears(self, heard: Sequence[Say]) -> None:
        self._take_in(self._ear.lines(heard))

    def speaks(self, heard: Sequence[Say]) -> float:
        self._take_in(self._ear.lines(heard))
        if self._mood.plan == "silent" or self._rng.random() < 0.5:
            return 0.0
        return self._rng.uniform(4, 30) * (-1 if self._rng.random() < 0.15 else 1)

    def keys(self, heard: Sequence[Say]) -> Act:
        lines = self._ear.lines(heard)
        self._take_in(lines)
        self._prompts += 1
        asked = last_of(lines, HANDLERS)
        if self._mood.plan == "silent" or asked is None:
            return SILENCE
        if self._mood.leaves_at and self._prompts > self._mood.leaves_at:
            return Act(hangs_up=True, after_s=self._rng.uniform(-2, 2))
        if asked.key not in NOTICES and self._mood.wrong_keys and self._rng.random() < 0.4:
            self._mood.wrong_keys -= 1
            return Act(self._rng.choice(["6", "05#", "*", "99#", ""]), self._reaction())
        handler = HANDLERS.get(asked.key, Caller._anything)
        return handler(self, asked)

    # ---- what is said to them -----------------------------------------------------------------------
    def _take_in(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.key in PROMISES:
                self._telephone.expecting_until = self._now() + PATIENCE
            if line.key in WHO:
                owners = self._telephone.owners
                self._named = [one for one in owners if one.surname in line.text] if len(owners) > 1 else owners
                self._patient = max(self._named, key=lambda one: one.ended_at, default=self._patient)

    def _reaction(self) -> float:
        slow = 2.0 if self._patient.elderly else 1.0
        return self._rng.uniform(-1.0, 2.5) * slow

    def _press(self, keys: str, then: Callable[[], None] | None = None) -> Act:
        return Act(keys, self._reaction(), then=then)

    # ---- one answer per prompt ------------------------------------------------------------------------
    def _notice(self, line: Line) -> Act:
        return self._press("*") if self._rng.random() < 0.03 else SILENCE

    def _who(self, line: Line) -> Act:
        if self._mood.role == "stranger":
            return self._press("3", self._wrong_number_said)
        if self._mood.role == "family":
            return self._press("2")
        if self._mood.plan == "bad_time":
            return self._press("4")
        if self._mood.plan == "stop":
            return self._press("7")
        return self._press("1")

    def _wrong_number_said(self) -> None:
        for patient in self._meant():
            patient.wrong.add(self._telephone.number)

    def _opt_out(self, line: Line) -> Act:
        return self._press("1", self._stopped) if self._mood.plan == "stop" else self._press("2")

    def _stopped(self) -> None:
        for patient in self._meant():
            patient.stopped_at = self._now()

    def _meant(self) -> list[Patient]:
        """Whom the call is for; nobody, where two of a family have the name that was said."""
        return self._named if len(self._named) == 1 else []

    def _birthday(self, line: Line) -> Act:
        """The patient's own; where a telephone serves several, the next one's after a refusal."""
        self._births += 1
        owners = [self._patient, *(one for one in self._telephone.owners if one is not self._patient)]
        return self._press(owners[(self._births - 1) % len(owners)].mmdd)

    def _pain(self, line: Line) -> Act:
        if self._score is None:
            self._score = self._felt()
        return self._press(f"{self._score}#" if self._rng.random() < 0.9 else str(self._score))

    def _felt(self) -> int:
        hours = (self._now() - self._patient.ended_at).total_seconds() / 3600
        if self._rng.random() < pain_share(self._options, hours):
            return self._rng.choices(range(4, 11), (34, 24, 16, 12, 8, 4, 2))[0]
        return self._rng.choices(range(4), (30, 28, 24, 18))[0]

    def _pain_right(self, line: Line) -> Act:
        if self._rng.random() < 0.04:
            self._score = None
            return self._press("2")
        return self._press("1")

    def _pain_one(self, line: Line) -> Act:
        return self._press("0" if self._score == 10 else "1")

    def _pain_band(self, line: Line) -> Act:
        score = self._felt() if self._score is None else self._score
        return self._press("0" if score == 0 else "1" if score <= 3 else "2" if score <= 6 else "3")

    def _main(self, line: Line) -> Act:
        """A patient who rings after a missed call and is offered nothing better than the menu."""
        luck = self._rng.random()
        if luck < 0.5:
            return Act(hangs_up=True, after_s=1.0)
        pain = "1" if line.key in SHORT_MENUS else "2"
        return self._press(pain if luck < 0.7 else "3" if luck < 0.9 else "0")

    def _wait_offer(self, line: Line) -> Act:
        return self._press("1") if self._rng.random() < 0.4 else Act(hangs_up=True, after_s=1.0)

    def _while_waiting(self, line: Line) -> Act:
        """Most have patience; nobody for ever."""
        luck = self._rng.random()
        if luck < 0.03:
            return self._press("0")
        return Act(hangs_up=True, after_s=1.0) if luck < 0.08 else SILENCE

    def _join(self, line: Line) -> Act:
        return self._press("1")

    def _anything(self, line: Line) -> Act:
        """A question of the follow-up: mostly well. Anything else with keys: the first offer."""
        options = line.options or ("1",)
        if len(options) >= 5:
            return self._press(self._rng.choices(options[:5], (2, 3, 10, 40, 45))[0])
        well, trouble = (0, 1) if line.yes_is_good else (1, 0)
        if not line.key.startswith("q_") or len(options) < 2:
            return self._press(options[0])
        luck = self._rng.random()
        if len(options) > 2 and luck > 0.97:
            return self._press(options[2])
        return self._press(options[trouble if luck < self._options.unwell else well])


HANDLERS: dict[str, Callable[[Caller, Line], Act]] = {
    **dict.fromkeys(NOTICES, Caller._notice),
    **dict.fromkeys(WHO, Caller._who),
    "opt_out": Caller._opt_out,
    **dict.fromkeys(("id_check", "id_again", "id_silent"), Caller._birthday),
    **dict.fromkeys(("pain", "number_range", "number_zero", "timeout_num"), Caller._pain),
    **dict.fromkeys(("pain_confirm", "pain_confirm_ten"), Caller._pain_right),
    "pain_confirm_one": Caller._pain_one,
    "pain_band": Caller._pain_band,
    **dict.fromkeys(("main", "main_pain", *SHORT_MENUS), Caller._main),
    "ring_back": Caller._anything,  # by name: the last keys in the menu are those of another language
    "wait_offer": Caller._wait_offer,
    **dict.fromkeys(("wait_first", "wait_news", "wait_person"), Caller._while_waiting),
    "join_key": Caller._join,
}


class Staff:
    """A doctor or an operator: hears the reason, and presses a key."""

    def __init__(self, ear: Ear, accepts: float, rng: random.Random) -> None:
        self.talk_s = rng.uniform(45, 240)
        self.sounds_like = "human"
        self._ear, self._accepts, self._rng = ear, accepts, rng

    def hears(self, heard: Sequence[Say]) -> None:
        return None

    def speaks(self, heard: Sequence[Say]) -> float:
        return 0.0

    def keys(self, heard: Sequence[Say]) -> Act:
        if self._rng.random() < self._accepts:
            return Act("1", self._rng.uniform(-0.5, 2.5))
        return Act("2", 1.0) if self._rng.random() < 0.7 else SILENCE
