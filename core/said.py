"""What the house says to a person in either language, kept as a key with values: what cannot be done (`Said`), and
reasons that rows hold (`kept`, `parts`). Pure; the sentences stand with whoever says them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import quote, unquote

Words = Mapping[str, str]
"""{language: words}"""
Table = Mapping[str, Words]
"""{key: {language: words}}, with the values' names in braces"""
ENGLISH = "en"
APART = "; "
"""Between the reasons of a row that has several."""
BETWEEN: Words = {"zh-CN": "；", "en": "; "}
_PLAIN = "/:,.+-_–*()"


def both(zh: str, en: str) -> Words:
    return {"zh-CN": zh, "en": en}


class Said(Exception):
    """It cannot be done: `key` is one of the class's SENTENCES. Pages say it in the reader's language (`said`),
    commands and the API in English (`str()`). A value that has words of its own is {language: words}."""

    SENTENCES: ClassVar[Table]

    def __init__(self, key: str, **values: object) -> None:
        self.key, self.values = key, values
        super().__init__(self.said(ENGLISH))

    def said(self, language: str) -> str:
        """The sentence in a language of KNOWN_LANGUAGES. KeyError for another one, or for an unknown key."""
        told = {name: one[language] if isinstance(one, Mapping) else one for name, one in self.values.items()}
        return self.SENTENCES[self.key][language].format(**told)


def kept(key: str, **values: str | int) -> str:
    """A reason as a row holds it: `cut_off there=10 size=20`."""
    return " ".join([key, *(f"{name}={quote(str(value), safe=_PLAIN)}" for name, value in values.items())])


def told(stored: str, table: Table, language: str, question: Callable[[str], str] = str) -> str:
    """The reasons of a row in words. What has none in `table` is told as it is: rows older than their code hold
    sentences. `question` names what stands alone or as the value `question`."""
    parts = stored.split(APART) if stored else []
    return BETWEEN[language].join(_one(part, table, language, question) for part in parts)


def _one(part: str, table: Table, language: str, question: Callable[[str], str]) -> str:
    key, *pairs = part.split(" ")
    if part in table:
        return table[part][language]
    if key not in table or not all("=" in pair for pair in pairs):
        return question(part)
    values = {name: unquote(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    if "question" in values:
        values["question"] = question(values["question"])
    return table[key][language].format(**values)
