"""What the desk refuses is said in both languages."""

from __future__ import annotations

import string

import pytest

from core.values import KNOWN_LANGUAGES
from desk import problems, ticket_machine
from desk.ticket_machine import MOVES, STATUSES, Standing, refusal


@pytest.mark.parametrize("key", problems.SENTENCES)
def test_each_sentence_has_both_languages_and_the_same_values(key: str) -> None:
    said = problems.SENTENCES[key]
    assert set(said) == set(KNOWN_LANGUAGES)
    named = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in said.values()]
    assert named[0] == named[1]
    assert said["zh-CN"] != said["en"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("event", [*sorted({event for _, event in MOVES}), "tell"])
@pytest.mark.parametrize("medical", [True, False, None])
def test_every_step_that_cannot_be_is_refused_in_both_languages(status: str, event: str, medical: bool | None) -> None:
    standing = Standing(
        status=status, medical=medical, owner="li", solution=False, compensation=False, told=False, calm_runs=True
    )
    why_not = refusal(standing, event)
    if why_not is None:
        assert event == "tell" or ticket_machine.after(status, event) is not None
        return
    problem = problems.DeskProblem(why_not.key, **why_not.values)
    assert problem.said("en") == str(problem)
    assert "{" not in problem.said("zh-CN") + str(problem)
    assert str(problem).isascii()
    assert not problem.said("zh-CN").isascii()


def test_a_value_with_words_of_its_own_is_said_in_the_same_language() -> None:
    problem = problems.DeskProblem("open_again_first", status=problems.STATES["resolved"])
    assert problem.said("zh-CN") == "工单已解决：请先重新打开。"
    assert str(problem) == "The ticket is resolved already: open it again first."
