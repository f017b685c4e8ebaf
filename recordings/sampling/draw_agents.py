"""The second algorithm of the draw: nobody is left out. Pure, and the same for the same seed and the same set of
candidates, in any order, in any process.

The first element of a candidate's stratum is its agent ("" for none): agent, reason, shift, channel (docs/clinical.md
section 4, Sampling). What `recordings.sampling.draw` says of order and chance holds here too; the rest is this:

- every agent with a candidate that may be scored gets one, by chance among all of theirs. Are there more agents than
  random places, the random part grows at the cost of the risk part; more than places at all, chance says who;
- the other random places are divided over the strata so that these first ones and they together come as near to the
  sizes of the strata as can be: whole places first, and what is left over by chance, in proportion to the remainder.
  With more strata than places the largest remainders alone would always be those of the same strata, and small ones
  would never be heard;
- the risk part goes to the most risks first, ties by chance, also to candidates that are not for scores;
- places no risk claims go by chance to any of those left that may be scored, risky or calm: were only calm ones taken,
  the average would be too good;
- what is not for scores and carries no risk comes last, for places nothing else claims;
- a day with no more candidates than places is drawn whole.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

from recordings.sampling.draw import RANDOM_SHARE, SIZE, Candidate, Draw, Pick, Stratum, round_half_up, shuffle, tallied


def draw(candidates: Iterable[Candidate], seed: int, size: int = SIZE, random_share: float = RANDOM_SHARE) -> Draw:
    """Draw `size` candidates. Those with the same id are refused: which one would count?"""
    pool = sorted(candidates, key=lambda candidate: candidate.id)
    if len({candidate.id for candidate in pool}) != len(pool):
        raise ValueError("a recording stands twice among the candidates")
    if size < 0 or not 0 <= random_share <= 1:
        raise ValueError("the size of a draw is not negative and its random share is from 0 to 1")
    if len(pool) <= size:
        why = f"whole day: {len(pool)}"
        return tallied([Pick(one.id, "random" if one.scored else "risk", why) for one in pool], pool, whole_day=True)
    chance = random.Random(seed)
    at_random = _at_random(pool, chance, size, round_half_up(size * Fraction(str(random_share))))
    taken = {pick.id for pick in at_random}
    others = _others([one for one in pool if one.id not in taken], chance, size - len(at_random))
    return tallied([*at_random, *others], pool, whole_day=False)


def _at_random(pool: Sequence[Candidate], chance: random.Random, size: int, places: int) -> list[Pick]:
    scored = [candidate for candidate in pool if candidate.scored]
    if not places or not scored:
        return []
    firsts = _one_each(scored, chance, size)
    places = min(max(places, len(firsts)), len(scored))
    return [*firsts, *_spread(scored, {pick.id for pick in firsts}, chance, places)]


def _one_each(scored: Sequence[Candidate], chance: random.Random, most: int) -> list[Pick]:
    """One of every agent's, by chance among all of theirs."""
    of_agent: dict[str, list[Candidate]] = {}
    for candidate in scored:
        if agent := agent_of(candidate.stratum):
            of_agent.setdefault(agent, []).append(candidate)
    agents = sorted(of_agent)
    if len(agents) > most:
        shuffle(agents, chance)
        agents = sorted(agents[:most])
    picks = []
    for agent in agents:
        theirs = of_agent[agent]
        shuffle(theirs, chance)
        picks.append(Pick(theirs[0].id, "random", f"agent: 1 of {len(theirs)}"))
    return picks


def _spread(scored: Sequence[Candidate], taken: Collection[str], chance: random.Random, places: int) -> list[Pick]:
    """The random picks besides those in `taken`, so that there are `places` of them together."""
    strata: dict[Stratum, list[Candidate]] = {}
    for candidate in scored:
        strata.setdefault(candidate.stratum, []).append(candidate)
    left = {name: [one for one in members if one.id not in taken] for name, members in strata.items()}
    sizes = {name: (len(strata[name]), len(strata[name]) - len(left[name])) for name in strata}
    shares = _shares(sizes, chance, places)
    picks = []
    for name in sorted(shares):
        shuffle(left[name], chance)
        why = f"stratum: {shares[name]} of {len(strata[name])}"
        picks += [Pick(one.id, "random", why) for one in left[name][: shares[name]]]
    return picks


def _shares(sizes: Mapping[Stratum, tuple[int, int]], chance: random.Random, places: int) -> dict[Stratum, int]:
    """How many more of each stratum, whose size and picks so far are given; whole numbers throughout, so that nothing
    hangs on how a machine rounds."""
    total = sum(size for size, _ in sizes.values())
    open_places = places - sum(got for _, got in sizes.values())
    # what a stratum lacks to its ideal share, times `total`
    lacks = {name: max(0, places * size - got * total) for name, (size, got) in sizes.items()}
    whole = sum(lacks.values())
    if not open_places or not whole:
        return {}
    names = sorted(lacks)
    shuffle(names, chance)
    start, before, shares = int(chance.random() * whole), 0, {}
    for name in names:
        share, rest = divmod(lacks[name] * open_places, whole)
        # the remainders lie end to end on a line, and every `whole` steps from `start` one is hit
        after = before + rest
        share += -((start - after) // whole) - -((start - before) // whole)
        before = after
        if share:
            shares[name] = share
    return shares


def _others(rest: list[Candidate], chance: random.Random, places: int) -> list[Pick]:
    shuffle(rest, chance)
    more: list[Candidate] = []
    risky = [candidate for candidate in rest if candidate.risk]
    at_risk = len(risky)
    for candidate in rest:
        if len(more) + at_risk >= places:
            break
        if candidate.scored:
            more.append(candidate)
            at_risk -= bool(candidate.risk)
    taken = {candidate.id for candidate in more}
    risky = sorted((one for one in risky if one.id not in taken), key=lambda one: -len(one.risk))
    risky = risky[: places - len(more)]
    calm = [one for one in rest if not one.scored and not one.risk][: places - len(more) - len(risky)]
    return [
        *(Pick(one.id, "random", "place left") for one in more),
        *(Pick(one.id, "risk", ", ".join(sorted(one.risk))) for one in risky),
        *(Pick(one.id, "risk", "place left") for one in calm),
    ]


def agent_of(stratum: Stratum) -> str:
    return stratum[0] if stratum else ""
