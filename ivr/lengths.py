"""How long a prompt takes to say: a caller in pain, or an old one, does not listen for long (docs/clinical.md 5).

Reference speeds, slower than most voices: 150 English words a minute, 4.5 Chinese characters a second. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ivr.flow import Flow
from ivr.nodes import Confirm, InOther, Menu, Node, Notice, Number, Pick, Questions, Queue, Spoken, Wait, When
from ivr.prompts import Prompts

WORDS_PER_S = 150 / 60
CHARACTERS_PER_S = 4.5
LONGEST_S = 8.0
LONGEST_MENU_S = 15.0
OPTIONS = 4
"""How many of a list that is read out count here; how long it is only the hospital knows."""
VARIABLE = {"zh": "某某", "en": "so and so"}
"""What stands in for a name, a number or a time."""


def seconds(text: str, language: str) -> float:
    """Rough speaking time of a finished text; punctuation counts as nothing, a digit as a syllable."""
    if language.startswith("zh"):
        return len(re.findall(r"[\u4e00-\u9fff]|\d|[A-Za-z]+", text)) / CHARACTERS_PER_S
    return len(re.findall(r"[A-Za-z0-9'.]*[A-Za-z0-9]", text)) / WORDS_PER_S


def menus(flows: Mapping[str, Flow]) -> frozenset[str]:
    """Prompts that offer keys to choose from: they may take longer."""
    found: set[str] = set()
    for flow in flows.values():
        for node in flow.nodes.values():
            if isinstance(node, Menu | Pick | Wait | Queue) or (isinstance(node, Number) and node.kind == "band"):
                found.update(*(_keys(speech) for speech in _together(flow, node)))
            elif isinstance(node, Confirm):
                found.update(_keys((*node.speak, *node.one, *node.ten, *node.band)))
            elif isinstance(node, Questions):
                found.update(question.speak for question in flow.asked.questions.values() if question.speak)
    return frozenset(found)


def _keys(speech: Sequence[Spoken]) -> set[str]:
    found: set[str] = set()
    for item in speech:
        if isinstance(item, When):
            found.update((*item.then, *item.otherwise))
        else:
            found.add(item.other if isinstance(item, InOther) else item)
    return found


def warnings(flows: Mapping[str, Flow], prompts: Prompts) -> list[str]:
    """One sentence per prompt that takes too long, per choice that does with all its words, and per prompt that is
    recorded in some languages only; nothing is refused for it."""
    return [*_long_prompts(flows, prompts), *_long_choices(flows, prompts), *_half_recorded(prompts)]


def _long_prompts(flows: Mapping[str, Flow], prompts: Prompts) -> Iterator[str]:
    offered = menus(flows)
    for language, voice in prompts.voices.items():
        for key in voice.prompts:
            limit = LONGEST_MENU_S if key in offered else LONGEST_S
            taken = lasts(prompts, key, language)
            if taken > limit:
                yield f"{language}.yaml: {key}: takes about {taken:.0f} s to say, more than {limit:.0f} s"


def _long_choices(flows: Mapping[str, Flow], prompts: Prompts) -> Iterator[str]:
    """Whoever is to choose hears all of it before they know their key."""
    for flow in flows.values():
        for name, node in flow.nodes.items():
            for language in prompts.languages:
                taken = max((_whole(speech, prompts, language) for speech in _together(flow, node)), default=0)
                if taken > LONGEST_MENU_S:
                    yield (
                        f"{flow.name}: {name}: its words together take up to {taken:.1f} s in {language}, "
                        f"more than {LONGEST_MENU_S:.0f} s"
                    )


def _half_recorded(prompts: Prompts) -> Iterator[str]:
    recorded = {language: set(voice.played) for language, voice in prompts.voices.items()}
    for key in sorted(set().union(*recorded.values())):
        lacking = [language for language, keys in recorded.items() if key not in keys]
        if lacking:
            yield f"{lacking[0]}.yaml: {key}: is spoken here, and recorded in another language"


def lasts(prompts: Prompts, key: str, language: str) -> float:
    """Seconds of one prompt: of its recording, else of its words with something in place of each variable."""
    if sound := prompts.sounds.get(language, {}).get(key):
        return sound.seconds
    text = prompts.voices[language].prompts.get(key, "")
    return seconds(re.sub(r"\{\w+\}", VARIABLE["zh" if language.startswith("zh") else "en"], text), language)


def _together(flow: Flow, node: Node) -> list[tuple[Spoken, ...]]:
    """What is said in one go where a key is waited for; several where there are several such moments."""
    match node:
        case Notice() | Menu() | Number():
            return [node.speak]
        case Confirm():
            return [node.speak, node.one, node.ten, node.band]
        case Wait() | Queue():
            return [node.speak, node.news]
        case Pick():
            return [(*node.speak, *[node.option] * OPTIONS, *node.after)]
        case Questions():
            asked = flow.asked.questions.values()
            return [(*node.passed, question.speak) for question in asked if question.speak]
        case _:
            return []


def _whole(speech: Sequence[Spoken], prompts: Prompts, language: str) -> float:
    """The seconds of all of it; of two ways to say something, the longer one."""

    def of(keys: Sequence[str]) -> float:
        return sum(lasts(prompts, key, language) for key in keys)

    taken = 0.0
    for item in speech:
        if isinstance(item, When):
            taken += max(of(item.then), of(item.otherwise))
        elif isinstance(item, InOther):
            other = prompts.other(language)
            taken += lasts(prompts, item.other, other) if other else 0
        else:
            taken += of((item,))
    return taken
