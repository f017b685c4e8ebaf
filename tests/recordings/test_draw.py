"""The day's sample: replayable, stratified, and honest about short days."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.sampling.draw import Candidate, draw


def day(count: int, strata: int = 4, risky: int = 0) -> list[Candidate]:
    return [
        Candidate(f"r{n:04}", (f"s{n % strata}",), frozenset({"night"}) if n < risky else frozenset())
        for n in range(count)
    ]


def test_the_same_seed_gives_the_same_sample_whatever_the_order() -> None:
    candidates = day(300, risky=60)
    assert draw(candidates, 7) == draw(reversed(candidates), 7) == draw(set(candidates), 7)
    assert draw(candidates, 7) != draw(candidates, 8)


def test_the_algorithm_is_fixed_for_good() -> None:
    """A draw of years ago must come out the same: if this changes, stored draws cannot be replayed."""
    result = draw(day(20, strata=3, risky=4), seed=20261122, size=6)
    assert [(pick.id, pick.part) for pick in result.picked] == GOLDEN


def test_shares_are_sixty_to_forty() -> None:
    parts = Counter(pick.part for pick in draw(day(500, risky=200), 1).picked)
    assert parts == {"random": 30, "risk": 20}


def test_strata_are_proportional_with_at_least_one_each() -> None:
    candidates = [Candidate(f"a{n:03}", ("big",)) for n in range(290)]
    candidates += [Candidate(f"b{n:03}", ("small",)) for n in range(9)] + [Candidate("c", ("single",))]
    strata = draw(candidates, 3, size=50, random_share=0.6).strata
    assert strata[("single",)] == (1, 1)
    assert strata[("small",)][0] == 9
    assert strata[("small",)][1] >= 1
    assert strata[("big",)][1] >= 28


def test_most_risks_first() -> None:
    many = frozenset({"night", "escalation", "phrase: red_flag"})
    candidates = [*day(200), Candidate("x", ("s0",), many), Candidate("y", ("s1",), frozenset({"night"}))]
    result = draw(candidates, 5, size=5, random_share=0.2)
    assert [pick.id for pick in result.picked if pick.part == "risk"][:1] in (["x"], ["y"])
    drawn = {pick.id: pick for pick in result.picked}
    assert {"x", "y"} <= set(drawn)
    assert drawn["x"].part == "random" or drawn["x"].why == "escalation, night, phrase: red_flag"


def test_places_no_risk_claims_are_filled_and_say_so() -> None:
    result = draw(day(100), 1)
    assert len(result.picked) == 50
    assert Counter(pick.why.startswith("a place no risky") for pick in result.picked)[True] == 20


def test_a_short_day_is_drawn_whole_and_says_so() -> None:
    result = draw(day(12, risky=3), 9)
    assert result.whole_day
    assert [pick.id for pick in result.picked] == [candidate.id for candidate in day(12)]
    assert {pick.why for pick in result.picked} == {"the whole day: 12 recordings for 50 places"}


def test_an_empty_day() -> None:
    assert draw([], 1).picked == ()


def test_a_recording_cannot_stand_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        draw([Candidate("a", ("x",)), Candidate("a", ("y",))], 1)


@pytest.mark.parametrize(("size", "share"), [(-1, 0.5), (5, 1.5), (5, -0.1)])
def test_impossible_sizes(size: int, share: float) -> None:
    with pytest.raises(ValueError, match="not negative"):
        draw(day(3), 1, size, share)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=120),
    st.integers(0, 2**31),
    st.integers(0, 60),
    st.floats(0, 1),
)
def test_every_draw_is_full_without_doubles_and_covers_strata(
    kinds: list[tuple[int, bool]], seed: int, size: int, share: float
) -> None:
    candidates = [
        Candidate(str(n), (f"s{stratum}",), frozenset({"night"} if risky else ()))
        for n, (stratum, risky) in enumerate(kinds)
    ]
    result = draw(candidates, seed, size, share)
    ids = [pick.id for pick in result.picked]
    assert len(ids) == len(set(ids)) == min(size, len(candidates))
    assert sum(there for there, _ in result.strata.values()) == len(candidates)
    places = sum(pick.part == "random" for pick in result.picked)
    if not result.whole_day and int(size * share + 0.5) >= len(result.strata):
        assert all(drawn >= 1 for _, drawn in result.strata.values()), places


GOLDEN = [
    ("r0012", "random"),
    ("r0003", "random"),
    ("r0013", "random"),
    ("r0002", "random"),
    ("r0000", "risk"),
    ("r0001", "risk"),
]
