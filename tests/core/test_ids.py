"""Ids: in the order of their making, and the seed's in a simulation."""

from __future__ import annotations

import uuid
from random import Random

from core.models import ids_from, new_id


def test_ids_are_in_the_order_of_their_making_and_none_twice() -> None:
    made = [new_id() for _ in range(2000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}


def test_ids_are_the_seeds_while_it_is_asked_for_and_nobody_elses_after() -> None:
    with ids_from(Random(5)):
        first = [new_id() for _ in range(3)]
    with ids_from(Random(5)):
        again = [new_id() for _ in range(3)]
    assert first == again
    assert new_id() not in first
    assert new_id().version == 7
