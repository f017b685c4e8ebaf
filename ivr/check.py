"""What can strand a caller or leave a prompt unsaid, found before a call: `carecall flows check`.

Every problem is one sentence: file: node: what. An empty list is the proof `engine.py` relies on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ivr import ways
from ivr.briefing import SIGNS, prompt_of
from ivr.flow import Flow, broken_continuations, broken_targets
from ivr.nodes import (
    Branch,
    Bye,
    Condition,
    Confirm,
    Continue,
    InOther,
    Join,
    Menu,
    Node,
    Notice,
    Number,
    Pick,
    Questions,
    Queue,
    Spoken,
    Take,
    Wait,
    When,
)
from ivr.prompts import DERIVED, Prompts, variables

ANSWERABLE = (Notice, Menu, Questions, Pick, Number, Confirm, Wait, Queue)
FACTS_OF = {
    "score_at_threshold": ("threshold",),
    "score_for_nurse": ("threshold", "nurse_from"),
    "may_record": ("recording_on",),
    "nurse_wanted": (),
    "proxy": (),
}
"""Which facts a condition without a name looks at."""


LISTED = {"option", "key"}


@dataclass(frozen=True)
class _Use:
    """A prompt a node may speak; `known` is the fact its condition has made sure of."""

    prompt: str
    known: str = ""
    listed: bool = False
    """Said for each item of a list, with `option` and `key`."""


def check_flows(flows: Mapping[str, Flow], prompts: Prompts) -> list[str]:
    problems = [*prompts.faults, *_language_problems(prompts)]
    problems += [*broken_continuations(flows), *_sign_problems(flows, prompts)]
    # the graph can only be walked where every edge leads somewhere
    walked = {name: flow for name, flow in flows.items() if not broken_targets(flow)}
    for flow in flows.values():
        found = broken_targets(flow)
        if not found:
            found = [*ways.problems(flow, walked), *_key_problems(flow)]
        for name, node in flow.nodes.items():
            found += [f"{flow.name}: {name}: {what}" for what in _node_problems(flow, node, prompts)]
        problems += found
    return problems


# ---- prompts -----------------------------------------------------------------------------------------
def _language_problems(prompts: Prompts) -> list[str]:
    """Both languages must have the same prompts with the same variables."""
    problems = []
    first, *others = prompts.voices.values()
    for other in others:
        for key in sorted(first.prompts.keys() ^ other.prompts.keys()):
            lacking = other if key in first.prompts else first
            problems.append(f"{lacking.language}.yaml: {key}: the prompt is missing")
        # a recording may name the hospital without a variable
        recorded = first.played.keys() | other.played.keys()
        for key in sorted((first.prompts.keys() & other.prompts.keys()) - recorded):
            one, two = variables(first.prompts[key]), variables(other.prompts[key])
            if one != two:
                names = ", ".join(sorted(one ^ two))
                problems.append(f"{other.language}.yaml: {key}: differs from {first.language} in using {names}")
    return problems


def _sign_problems(flows: Mapping[str, Flow], prompts: Prompts) -> Iterator[str]:
    """What a doctor is rung for, and what a nurse must act on, must have a doctor's words."""
    asked = next((flow.asked.questions for flow in flows.values() if flow.asks()), {})
    for key, question in asked.items():
        wanted = {
            f"sign_{key}" if meaning.level in SIGNS else prompt_of(key, meaning.value)
            for meaning in question.keys.values()
            if meaning.level
        }
        for voice in prompts.voices.values():
            for word in sorted(wanted - voice.prompts.keys()):
                yield f"{voice.language}.yaml: {word}: the doctor's word for the question is missing"


KEPT = {"0", "7", "8", "9", "*"}
"""Keys that mean the same everywhere (docs/clinical.md 2): they are no part of what a menu counts through."""


def _key_problems(flow: Flow) -> Iterator[str]:
    """Menus never skip a number: who hears 1, 2 and 4 wonders what 3 is (docs/clinical.md 5)."""
    for name, node in flow.nodes.items():
        if not isinstance(node, Menu):
            continue
        counted = sorted(set(node.keys) - KEPT)
        missing = [str(key) for key in range(1, len(counted) + 1) if str(key) not in counted]
        if missing:
            yield f"{flow.name}: {name}: skips key {missing[0]} and goes on with {counted[-1]}"


def _node_problems(flow: Flow, node: Node, prompts: Prompts) -> Iterator[str]:
    for use in _uses(flow, node):
        for voice in prompts.voices.values():
            if use.prompt not in voice.prompts:
                yield f"speaks '{use.prompt}', which {voice.language}.yaml does not have"
                continue
            for name in sorted(variables(voice.prompts[use.prompt]) - (LISTED if use.listed else set())):
                if why := _variable_problem(flow, name, use.known):
                    yield f"speaks '{use.prompt}' with {{{name}}} ({voice.language}), {why}"
    for condition in _conditions(node):
        for fact in FACTS_OF.get(condition.kind, (condition.name,)):
            if fact not in flow.facts:
                yield f"asks about the fact '{fact}', which the flow does not declare"
    if isinstance(node, Questions):
        yield from _questions_problems(flow, node)
    if isinstance(node, Number) and node.kind == "month_day" and "birth_mmdd" not in flow.facts:
        yield "asks for the birthday, but the flow does not declare the fact 'birth_mmdd'"
    if isinstance(node, Pick) and flow.facts.get(node.options) not in ("list", "list?"):
        yield f"reads out the fact '{node.options}', which the flow does not declare as a list"
    if isinstance(node, Number) and node.kind == "pin" and flow.facts.get("pin") != "secret?":
        yield "asks for the PIN, but the flow does not declare the fact 'pin' as 'secret?'"
    if isinstance(node, Notice | Menu | Number | Confirm) and not node.speak:
        yield "asks for keys without a word"
    elif isinstance(node, Take) and not node.speak:
        yield "beeps without a word"
    elif isinstance(node, Bye) and not node.speak and not node.silent:
        yield "hangs up without a word"


def _questions_problems(flow: Flow, node: Questions) -> Iterator[str]:
    for fact in ("questions", "answered"):
        if fact not in flow.facts:
            yield f"asks what is in the fact '{fact}', which the flow does not declare"
    for key, question in flow.asked.questions.items():
        if question.scored and key not in node.scores:
            yield f"has no node under 'scores' for '{key}', which is answered by a score"
        for taken in sorted(node.keys.keys() & question.keys.keys()):
            yield f"key {taken} means something else at the question '{key}'"


def _variable_problem(flow: Flow, name: str, known: str) -> str | None:
    """A variable must be a fact that is always there, or spoken only `if: known` it."""
    if name in DERIVED:
        scored = "score" in flow.facts or any(isinstance(node, Confirm) for node in flow.nodes.values())
        declared = "sex" in flow.facts if name == "title" else scored
        return None if declared else "which this flow cannot know"
    if name not in flow.facts:
        return "which is not a declared fact"
    if flow.facts[name] == "secret?":
        return "which is never spoken"
    if flow.facts[name].endswith("?") and known != name:
        return f"which may be unknown: speak it under 'if: known {name}'"
    return None


def _uses(flow: Flow, node: Node) -> Iterator[_Use]:
    if isinstance(node, Join | Branch | Continue | Questions):
        speeches: list[Sequence[Spoken]] = []
    else:
        speeches = [node.speak]
    if isinstance(node, Questions):
        asked = flow.asked.questions.values()
        speeches += [node.passed, tuple(question.speak for question in asked if question.speak)]
    if isinstance(node, Notice):
        speeches.append(node.declined)
    if isinstance(node, Wait | Queue):
        speeches.append(node.news)
    if isinstance(node, Pick):
        speeches.append(node.after)
        yield _Use(node.option, listed=True)
    if isinstance(node, Confirm):
        speeches += [node.one, node.ten, node.band]
    for item in (item for speech in speeches for item in speech):
        if isinstance(item, When):
            known = item.if_.name if item.if_.kind == "known" else ""
            yield from (_Use(key, known) for key in item.then)
            yield from (_Use(key) for key in item.otherwise)
        elif isinstance(item, InOther):
            yield _Use(item.other)
        else:
            yield _Use(item)
    if isinstance(node, Menu | Confirm | Questions | Pick):
        yield from (_Use(node.invalid), _Use(node.silent))
    if isinstance(node, Number):
        yield from (_Use(key) for key in (node.wrong, node.silent, node.zero) if key)


def _conditions(node: Node) -> Iterator[Condition]:
    if isinstance(node, Branch):
        yield node.if_
    elif not isinstance(node, Join | Continue | Questions):
        spoken = (*node.speak, *node.news) if isinstance(node, Wait | Queue) else node.speak
        yield from (item.if_ for item in spoken if isinstance(item, When))
