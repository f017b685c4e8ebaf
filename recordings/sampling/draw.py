"""The first algorithm of the day's sample for the listening room, by which old draws are replayed (new ones:
`draw_agents`), and what both share. Pure, and the same for the same seed and the same set of recordings.

A share is drawn at random, stratified, and may be averaged into scores; the rest is picked by risk and
never is (docs/clinical.md section 4, Sampling). The algorithm is part of the record, so that a draw can be
replayed years later:

- candidates are put in the order of their ids; all chance comes from `random.Random(seed).random()`, the
  one method whose sequence Python promises to keep, through our own Fisher-Yates shuffle;
- the random share is divided over the strata in proportion to their size by largest remainder, at least one
  each; with more strata than places, a shuffle of the strata decides which get one;
- within a stratum, the first of a shuffle;
- the risk share goes to the most risks first, ties in shuffled order; places no risky recording claims are
  filled at random from what is left;
- a day with no more recordings than places is drawn whole, all of it as random, and says so.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

SIZE: Final = 50
RANDOM_SHARE: Final = 0.6

Stratum = tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A recording or chat that may be drawn: the stratum it belongs to, and the risks it carries, by name."""

    id: str
    stratum: Stratum
    risk: frozenset[str] = frozenset()
    scored: bool = True
    """May feed scores; the first algorithm knows of no other."""


@dataclass(frozen=True)
class Pick:
    """A recording that was drawn. `part`: random | risk."""

    id: str
    part: Literal["random", "risk"]
    why: str


@dataclass(frozen=True)
class Draw:
    """The picks in the order they were drawn, and per stratum (recordings of the day, picked at random)."""

    picked: tuple[Pick, ...]
    strata: Mapping[Stratum, tuple[int, int]]
    whole_day: bool


def draw(candidates: Iterable[Candidate], seed: int, size: int = SIZE, random_share: float = RANDOM_SHARE) -> Draw:
    """Draw `size` recordings. Candidates with the same id are refused: which one would count?"""
    pool = sorted(candidates, key=lambda candidate: candidate.id)
    if len({candidate.id for candidate in pool}) != len(pool):
        raise ValueError("a recording stands twice among the candidates")
    if size < 0 or not 0 <= random_share <= 1:
        raise ValueError("the size of a draw is not negative and its random share is from 0 to 1")
    if len(pool) <= size:
        return _whole_day(pool, size)
    chance = random.Random(seed)
    at_random = _stratified(pool, chance, round_half_up(size * Fraction(str(random_share))))
    taken = {pick.id for pick in at_random}
    rest = [candidate for candidate in pool if candidate.id not in taken]
    others = _risky_first(rest, chance, size - len(at_random))
    return tallied([*at_random, *others], pool, whole_day=False)


def _whole_day(pool: Sequence[Candidate], size: int) -> Draw:
    why = f"the whole day: {len(pool)} recordings for {size} places"
    return tallied([Pick(candidate.id, "random", why) for candidate in pool], pool, whole_day=True)


def _stratified(pool: Sequence[Candidate], chance: random.Random, places: int) -> list[Pick]:
    strata: dict[Stratum, list[Candidate]] = {}
    for candidate in pool:
        strata.setdefault(candidate.stratum, []).append(candidate)
    picks = []
    for stratum, share in _shares(strata, chance, places).items():
        members = strata[stratum]
        shuffle(members, chance)
        name = " / ".join(stratum) or "all"
        why = f"{name}: {share} of {len(members)}"
        picks += [Pick(member.id, "random", why) for member in members[:share]]
    return picks


def _shares(strata: Mapping[Stratum, Sequence[Candidate]], chance: random.Random, places: int) -> dict[Stratum, int]:
    """Places per stratum, by largest remainder, at least one each while there is room."""
    names = sorted(strata)
    if len(names) >= places:
        shuffle(names, chance)
        return dict.fromkeys(sorted(names[:places]), 1)
    total = sum(len(members) for members in strata.values())
    ideal = {name: Fraction(places * len(strata[name]), total) for name in names}
    shares = {name: max(1, int(ideal[name])) for name in names}
    while sum(shares.values()) < places:
        open_names = [name for name in names if shares[name] < len(strata[name])]
        shares[max(open_names, key=lambda name: ideal[name] - shares[name])] += 1
    while sum(shares.values()) > places:
        shares[max((n for n in names if shares[n] > 1), key=lambda name: shares[name] - ideal[name])] -= 1
    return shares


def _risky_first(rest: list[Candidate], chance: random.Random, places: int) -> list[Pick]:
    shuffle(rest, chance)
    risky = sorted((candidate for candidate in rest if candidate.risk), key=lambda c: -len(c.risk))[:places]
    picks = [Pick(candidate.id, "risk", ", ".join(sorted(candidate.risk))) for candidate in risky]
    calm = [candidate for candidate in rest if not candidate.risk][: places - len(picks)]
    return picks + [Pick(candidate.id, "random", "a place no risky recording claimed") for candidate in calm]


def tallied(picks: Sequence[Pick], pool: Sequence[Candidate], *, whole_day: bool) -> Draw:
    """With the counts per stratum, of what may be scored."""
    stratum_of = {candidate.id: candidate.stratum for candidate in pool}
    scored = [candidate.stratum for candidate in pool if candidate.scored]
    counts = {stratum: [0, 0] for stratum in sorted(set(scored))}
    for stratum in scored:
        counts[stratum][0] += 1
    for pick in picks:
        if pick.part == "random":
            counts[stratum_of[pick.id]][1] += 1
    return Draw(tuple(picks), {stratum: (n, drawn) for stratum, (n, drawn) in counts.items()}, whole_day)


def shuffle(items: MutableSequence[Any], chance: random.Random) -> None:
    """Fisher-Yates on `random()` alone: `Random.shuffle` may change between Python versions, this may not."""
    for last in range(len(items) - 1, 0, -1):
        other = int(chance.random() * (last + 1))
        items[last], items[other] = items[other], items[last]


def round_half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))
