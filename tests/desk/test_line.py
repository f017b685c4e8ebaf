"""Who is rung for whom: pure rules."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from desk.line import ANYBODY, SAME_LANGUAGE, Caller, Free, fit, in_order, pairs

NOW = datetime(2031, 3, 7, 2, 0, tzinfo=UTC)
WORDS = ("postop", "surgery", "theme")
IDS = [uuid.UUID(int=number) for number in range(1, 9)]


def caller(
    waited: float = 0,
    *,
    reason: str = "",
    department: str = "",
    language: str = "en",
    priority: int = 0,
    **more: object,
) -> Caller:
    entered = NOW - timedelta(seconds=waited)
    return Caller(uuid.uuid4(), priority, entered, reason, department, language, **more)  # type: ignore[arg-type]


def agent(*skills: str, languages: str = "en", idle: float = 0) -> Free:
    return Free(uuid.uuid4(), frozenset(languages.split()), frozenset(skills), NOW - timedelta(seconds=idle))


def test_the_agent_idle_longest_is_rung() -> None:
    short, long = agent(idle=5), agent(idle=50)
    [(_, rung)] = pairs([caller()], [short, long], NOW)
    assert rung == long


def test_the_more_urgent_caller_comes_first_then_who_came_first() -> None:
    old, older, urgent = caller(20), caller(30), caller(1, reason="postop", priority=2)
    assert in_order([old, older, urgent]) == [urgent, older, old]
    [(first, _)] = pairs([old, older, urgent], [agent()], NOW)
    assert first == urgent


def test_a_skill_is_a_department_or_a_reason_and_none_is_all() -> None:
    wanted = caller(reason="theme", department="surgery")
    assert fit(wanted, agent("surgery"), NOW) == 0
    assert fit(wanted, agent("theme"), NOW) == 0
    assert fit(wanted, agent(), NOW) == 0
    assert fit(wanted, agent("postop"), NOW) is None


def test_who_only_asked_for_a_person_may_go_to_any_skill() -> None:
    assert fit(caller(), agent("postop"), NOW) == 0
    assert fit(caller(reason="operator"), agent("postop"), NOW) == 0


def test_after_half_a_minute_the_language_is_enough_and_after_a_minute_anybody() -> None:
    stranger, other = agent("postop"), agent(languages="zh-CN")
    for waited, same, any_ in ((29, None, None), (30, 1, None), (59, 1, None), (60, 1, 2)):
        wanted = caller(waited, reason="theme")
        assert (fit(wanted, stranger, NOW), fit(wanted, other, NOW)) == (same, any_), waited
    assert (SAME_LANGUAGE.total_seconds(), ANYBODY.total_seconds()) == (30, 60)


def test_a_fitting_agent_is_rung_before_one_who_is_idle_longer() -> None:
    fitting, idle = agent("theme", idle=1), agent("postop", idle=100)
    [(_, rung)] = pairs([caller(90, reason="theme")], [idle, fitting], NOW)
    assert rung == fitting


def test_an_agent_who_passed_on_is_left_out_and_a_wanted_one_alone_is_rung() -> None:
    one, two = agent(idle=9), agent()
    [(_, rung)] = pairs([caller(passed=frozenset({one.id}))], [one, two], NOW)
    assert rung == two
    assert pairs([caller(99, wanted=two.id)], [one], NOW) == []
    assert pairs([caller(wanted=two.id, language="zh-CN")], [one, two], NOW)[0][1] == two


seconds = st.integers(0, 120)
callers = st.builds(
    lambda key, waited, reason, priority, language, passed: Caller(
        key, priority, NOW - timedelta(seconds=waited), reason, "", language, None, frozenset(passed)
    ),
    st.uuids(), seconds, st.sampled_from(("", *WORDS)), st.integers(0, 2), st.sampled_from(("en", "zh-CN")),
    st.sets(st.sampled_from(IDS), max_size=2),
)  # fmt: skip
free = st.builds(
    lambda key, languages, skills, idle: Free(
        key, frozenset(languages), frozenset(skills), NOW - timedelta(seconds=idle)
    ),
    st.sampled_from(IDS),
    st.sets(st.sampled_from(("en", "zh-CN")), min_size=1),
    st.sets(st.sampled_from(WORDS)),
    seconds,
)


@given(
    st.lists(callers, max_size=8, unique_by=lambda one: one.id),
    st.lists(free, max_size=6, unique_by=lambda one: one.id),
)
def test_nobody_twice_nobody_overtaken_nobody_forgotten(waiting: list[Caller], agents: list[Free]) -> None:
    found = pairs(waiting, agents, NOW)
    assert len({c.id for c, _ in found}) == len({a.id for _, a in found}) == len(found)
    taken = {c.id: a for c, a in found}
    order = in_order(waiting)
    for place, one in enumerate(order):
        mine = taken.get(one.id)
        left = [a for a in agents if a.id not in {t.id for t in taken.values()}]
        if mine is None:
            assert all(fit(one, a, NOW) is None for a in left), "an agent is idle whom this caller could have"
        for later in order[place + 1 :]:
            theirs = taken.get(later.id)
            if theirs is not None and mine is None:
                assert fit(one, theirs, NOW) is None, "somebody behind this caller got an agent who would do"
        if mine is not None:
            assert fit(one, mine, NOW) is not None
