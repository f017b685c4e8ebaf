"""The simulated world behind the carrier: what each telephone does when it rings, and what is measured of it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from commands.simulate.answers import Caller, Mood, Staff, mood
from commands.simulate.carrier import Exchange
from commands.simulate.leg import Leg, Reaction
from commands.simulate.memory import MemoryMessage
from commands.simulate.observer import Observer
from commands.simulate.options import Options
from commands.simulate.people import HOSPITAL_ZONE, OPERATOR, Population, Telephone
from commands.simulate.words import Ear
from core.clock import Clock

RINGS_PER_WAVE = 3
"""Over so many rings the published reach is spread."""
NO_ANSWER = Reaction("no-answer")


class Meter:
    """Lines in use by the hour of the hospital's day: seconds, and the most at once."""

    def __init__(self) -> None:
        self.busy_s: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self._now = 0

    def begun(self, now: datetime) -> None:
        self._now += 1
        hour = now.astimezone(HOSPITAL_ZONE).hour
        self.most[hour] = max(self.most[hour], self._now)

    def ended(self, since: datetime, now: datetime) -> None:
        self._now -= 1
        at = since
        while at < now:
            local = at.astimezone(HOSPITAL_ZONE)
            following = at + timedelta(seconds=3600 - local.minute * 60 - local.second - local.microsecond / 1e6)
            until = min(now, max(following, at + timedelta(milliseconds=1)))
            self.busy_s[local.hour] += round((until - at).total_seconds())
            at = until


class Town:
    """Decides by number and count of rings alone, so that one call's luck does not depend on another's."""

    def __init__(self, population: Population, options: Options, clock: Clock, ear: Ear, observer: Observer) -> None:
        self._population, self._options, self._clock, self._ear = population, options, clock, ear
        self.telephones = population.telephones
        self.observer, self.meter = observer, Meter()
        self.came: Counter[str] = Counter()
        """Rings by what came of them: answer | busy | no-answer | dead | machine, and dialled, inbound."""
        self.rings_by_hour: Counter[int] = Counter()
        self.rung_numbers: Counter[str] = Counter()
        self.over = 0
        """Legs that have ended so far."""
        self.exchange: Exchange
        self.telephones[OPERATOR] = Telephone(OPERATOR, "operator")

    # ---- World ------------------------------------------------------------------------------------
    def begun(self, leg: Leg) -> None:
        now = self._clock.now()
        self.observer.begun(leg, now)
        self.meter.begun(now)
        if leg.direction == "outbound-api" and self.telephones[leg.number].kind == "patient":
            self.rings_by_hour[now.astimezone(HOSPITAL_ZONE).hour] += 1
            self.rung_numbers[leg.number] += 1
        elif leg.direction != "outbound-api":
            self.came["inbound" if leg.direction == "inbound" else "dialled"] += 1

    def ended(self, leg: Leg) -> None:
        self.over += 1
        now = self._clock.now()
        self.observer.ended(leg, now)
        self.meter.ended(leg.created, now)
        telephone = self.telephones[leg.number]
        if leg.direction == "outbound-api" and telephone.kind == "patient" and leg.answered_at is None:
            self._perhaps_rings_back(telephone)

    def rings(self, leg: Leg) -> Reaction:
        telephone = self.telephones[leg.number]
        telephone.rung += 1
        rng = random.Random(f"{self._options.seed} {leg.number} {telephone.rung}")
        if any(other is not leg and other.number == leg.number for other in self.exchange.live.values()):
            return Reaction("busy")
        if telephone.kind != "patient":
            return self._staff(telephone, rng)
        if leg.direction == "outbound-dial":
            return self._for_the_doctor(telephone, rng)
        reaction = self._routine(telephone, rng)
        self.came[reaction.kind] += 1
        return reaction

    def gets_message(self, message: MemoryMessage) -> bool:
        telephone = self.telephones[message.to]
        return not telephone.dead and random.Random(f"{self._options.seed} {message.sid}").random() > 0.01

    # ---- telephones ---------------------------------------------------------------------------------
    def _routine(self, telephone: Telephone, rng: random.Random) -> Reaction:
        options = self._options
        if telephone.dead:
            return Reaction("dead")
        luck = rng.random()
        if luck < options.busy:
            return Reaction("busy")
        if luck < options.busy + options.machine:
            return Reaction("answer", rng.uniform(12, 22), self._caller(telephone, Mood("machine", "silent"), rng))
        reach = options.reach_old if telephone.owners[-1].elderly else options.reach_young
        answers = 1 - (1 - reach) ** (1 / RINGS_PER_WAVE)
        if rng.random() >= answers / max(1 - options.busy - options.machine, 0.01):
            return NO_ANSWER
        return Reaction("answer", rng.uniform(3, 18), self._caller(telephone, mood(telephone, options, rng), rng))

    def _for_the_doctor(self, telephone: Telephone, rng: random.Random) -> Reaction:
        """The patient, called by the doctor who was promised."""
        until = telephone.expecting_until
        waits = until is not None and self._clock.now() <= until
        if telephone.dead or rng.random() >= (self._options.expects_doctor if waits else 0.6):
            return NO_ANSWER
        return Reaction("answer", rng.uniform(2, 9), self._caller(telephone, Mood("self", "engage"), rng))

    def _staff(self, telephone: Telephone, rng: random.Random) -> Reaction:
        doctor = telephone.kind == "doctor"
        if rng.random() >= (self._options.doctor_answers if doctor else self._options.operator_answers):
            return NO_ANSWER
        accepts = self._options.doctor_accepts if doctor else 0.97
        return Reaction("answer", rng.uniform(3, 14), Staff(self._ear, accepts, rng))

    def _caller(self, telephone: Telephone, mood: Mood, rng: random.Random) -> Caller:
        return Caller(self._ear, telephone, mood, self._options, self._clock.now, rng)

    def _perhaps_rings_back(self, telephone: Telephone) -> None:
        """Somebody sees the missed call and rings, by day and when nobody is on that line."""
        rng = random.Random(f"{self._options.seed} back {telephone.number} {telephone.rung}")
        if telephone.dead or telephone.stranger or rng.random() >= self._options.ring_back:
            return
        after_s = rng.uniform(120, 7200)

        def ring() -> None:
            local = self._clock.now().astimezone(ZoneInfo(telephone.owners[-1].zone))
            engaged = any(leg.number == telephone.number for leg in self.exchange.live.values())
            if 7 <= local.hour < 22 and not engaged:
                self.exchange.rings_us(telephone.number, self._caller(telephone, Mood("self", "engage"), rng))

        self.exchange.at(after_s, ring)
