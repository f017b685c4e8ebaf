"""Reading the phrase lists: lexicon/<language>.yaml into recordings.findings.lexicon_list.Lexicon, or LexiconError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from recordings.findings.lexicon_list import (
    CUT,
    LEVELS,
    RED_FLAG,
    SPOKEN,
    Flag,
    FlagPair,
    FlagRules,
    Lexicon,
    LexiconError,
    Nothing,
    Phrase,
    Required,
    Window,
)

FOLDER: Final = Path(__file__).resolve().parents[2] / "lexicon"
CLASS: Final = "@"
"""Before the name of a class of words, in the two parts of a pair."""


def load(language: str, folder: Path = FOLDER) -> Lexicon:
    """The list of a language, `lexicon/<language>.yaml`; LexiconError if there is none or it is not right."""
    path = folder / f"{language}.yaml"
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _lexicon(body, language)
    except FileNotFoundError:
        raise LexiconError(f"{path}: there is no phrase list for {language}") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LexiconError(f"{path}: the phrase list cannot be used: {error}") from error


def _lexicon(body: Any, language: str) -> Lexicon:
    if body["language"] != language:
        raise ValueError(f"it says language {body['language']}")
    negation, quotation = body["negation"], body.get("quotation", {"window": 0, "words": []})
    groups = body["categories"].get("advertising", {}).get("groups", {})
    lexicon = Lexicon(
        language=language,
        version=str(body["version"]),
        phrases=tuple(phrase for name, part in body["categories"].items() for phrase in _category(name, part)),
        negation=Window(
            int(negation["window"]),
            _texts(negation["words"]),
            _texts(negation.get("adjacent", [])),
            _texts(negation.get("after", [])),
        ),
        quotation=Window(int(quotation["window"]), _texts(quotation["words"])),
        flags=_flags(body.get("flags", {})),
        flag_pairs=tuple(_flag_pair(part, _classes(body)) for part in body.get("flag_pairs", [])),
        flag_rules=_flag_rules(body.get("flag_rules", {})),
        nothing=_nothing(body.get("nothing", {})),
        required=tuple(_required(key, part) for key, part in body.get("required", {}).items()),
        allowed=_texts(body.get("allow", [])),
        variants={old: new for pair in body.get("variants", "").split() for old, new in [pair]},
        instead={name: str(group["instead"]) for name, group in groups.items()},
    )
    for text in [*(phrase.text for phrase in lexicon.phrases), *(flag.text for flag in lexicon.flags)]:
        if not lexicon.normal(text).strip() or CUT in lexicon.normal(text):
            raise ValueError(f"{text!r} is empty or holds punctuation")
    _no_twins([(phrase.category, wanted) for wanted, phrase in lexicon.by_length])
    _no_twins([(RED_FLAG, wanted) for wanted, _ in lexicon.flags_by_length])
    return lexicon


def _category(name: str, part: Mapping[str, Any]) -> list[Phrase]:
    if name not in SPOKEN:
        raise ValueError(f"there is no category {name}")
    severity = part["severity"]
    if severity not in (1, 2, 3):
        raise ValueError(f"{name}: severity is 1, 2 or 3")
    found = _of_group(name, "", part, severity)
    for group, of_group in part.get("groups", {}).items():
        found += _of_group(name, str(group), of_group, severity)
    return found


def _of_group(name: str, group: str, part: Mapping[str, Any], severity: int) -> list[Phrase]:
    """`phrases` have the severity of their category, `mild` 1, `grave` 3."""
    graded = (("phrases", severity), ("mild", 1), ("grave", 3))
    return [Phrase(text, name, how, group) for key, how in graded for text in _texts(part.get(key, []))]


def _flags(part: Mapping[str, Any]) -> tuple[Flag, ...]:
    found = [
        Flag(text, str(question), str(level))
        for question, levels in part.items()
        for level, phrases in levels.items()
        for text in _texts(phrases)
    ]
    for flag in found:
        if flag.level not in LEVELS:
            raise ValueError(f"flags, {flag.question}: a level is A, B or C")
    return tuple(found)


def _classes(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {CLASS + str(name): _texts(words) for name, words in body.get("flag_classes", {}).items()}


def _in_full(words: Iterable[str], classes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Words, with those of a class in the place of its name (`@limb`); each once."""
    found: dict[str, None] = {}
    for word in words:
        if word.startswith(CLASS) and word not in classes:
            raise ValueError(f"flag_pairs: there is no class {word}")
        found |= dict.fromkeys(classes.get(word, (word,)))
    return tuple(found)


def _flag_pair(part: Mapping[str, Any], classes: Mapping[str, tuple[str, ...]]) -> FlagPair:
    question, level, within = str(part["question"]), str(part["level"]), int(part["within"])
    if level not in LEVELS or within < 0:
        raise ValueError(f"flag_pairs, {question}: a level is A, B or C, and within 0 or more")
    of, with_ = (_in_full(_texts(part[side]), classes) for side in ("of", "with"))
    return FlagPair(question, level, of, with_, within)


def _flag_rules(part: Mapping[str, Any]) -> FlagRules:
    doubts = {str(kind): _texts(words) for kind, words in part.get("doubts", {}).items()}
    if unknown := set(doubts) - {"if", "before", "others"}:
        raise ValueError(f"flag_rules: there is no doubt {', '.join(sorted(unknown))}")
    return FlagRules(
        negations=_texts(part.get("negations", [])),
        fillers=frozenset(_texts(part.get("fillers", []))),
        neutral=_texts(part.get("neutral", [])),
        carries=_texts(part.get("carries", [])),
        after=_texts(part.get("after", [])),
        doubts=doubts,
        window=int(part.get("window", 0)),
        clauses=_texts(part.get("clauses", [])),
        but=_texts(part.get("but", [])),
        breaks=_texts(part.get("breaks", [])),
        over=_texts(part.get("over", [])),
        returns=_texts(part.get("returns", [])),
    )


def _nothing(part: Mapping[str, Any]) -> Nothing:
    if unknown := set(part) - {"answers", "around"}:
        raise ValueError(f"nothing: there is no {', '.join(sorted(unknown))}")
    return Nothing(_texts(part.get("answers", [])), _texts(part.get("around", [])))


def _required(key: str, part: Mapping[str, Any]) -> Required:
    if part["who"] not in ("line", "agent") or part.get("unless", "") not in ("", "announced"):
        raise ValueError(f"required, {key}: who is line or agent, and unless is announced or left out")
    if part["severity"] not in (1, 2, 3):
        raise ValueError(f"required, {key}: severity is 1, 2 or 3")
    said_by = _texts(part["said_by"])
    if not said_by:
        raise ValueError(f"required, {key}: said_by is empty")
    return Required(
        key,
        frozenset(_texts(part["kinds"])),
        frozenset(_texts(part["purposes"])),
        part["who"],
        part.get("unless", ""),
        part["severity"],
        said_by,
        {str(language): str(text) for language, text in part["words"].items()},
    )


def _no_twins(phrases: Sequence[tuple[str, str]]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in phrases:
        if one in seen:
            raise ValueError(f"{one[0]}: {one[1].strip()!r} stands twice")
        seen.add(one)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        # An unquoted `no` or `100` in YAML is not a text.
        raise ValueError(f"{values!r} is not a list of texts (quote numbers and words such as 'no')")
    return tuple(values)
