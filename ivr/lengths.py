"""How long a prompt takes to say: a caller in pain, or an old one, does not listen for long (docs/clinical.md 5).

Reference speeds, slower than most voices: 150 English words a minute, 4.5 Chinese characters a second. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ivr.flow import Flow
from ivr.nodes import Confirm, InOther, Menu, Number, Questions, Spoken, When
from ivr.prompts import Prompts

WORDS_PER_S = 150 / 60
CHARACTERS_PER_S = 4.5
LONGEST_S = 8.0
LONGEST_MENU_S = 15.0
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
            if isinstance(node, Menu) or (isinstance(node, Number) and node.kind == "band"):
                found.update(_keys(node.speak))
            elif isinstance(node, Confirm):
                found.update(_keys((*node.speak, *node.one, *node.ten, *node.band)))
            elif isinstance(node, Questions):
                found.update(question.speak for question in flow.asked.questions.values() if question.speak)
    return frozenset(found)


def _keys(speech: tuple[Spoken, ...]) -> set[str]:
    found: set[str] = set()
    for item in speech:
        if isinstance(item, When):
            found.update((*item.then, *item.otherwise))
        else:
            found.add(item.other if isinstance(item, InOther) else item)
    return found


def warnings(flows: Mapping[str, Flow], prompts: Prompts) -> list[str]:
    """One sentence per prompt that takes too long; nothing is refused for it."""
    offered = menus(flows)
    told = []
    for language, voice in prompts.voices.items():
        for key, text in voice.prompts.items():
            filled = re.sub(r"\{\w+\}", VARIABLE["zh" if language.startswith("zh") else "en"], text)
            limit = LONGEST_MENU_S if key in offered else LONGEST_S
            taken = seconds(filled, language)
            if taken > limit:
                told.append(f"{language}.yaml: {key}: takes about {taken:.0f} s to say, more than {limit:.0f} s")
    return told
