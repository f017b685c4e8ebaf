"""The words of our SMS, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import SettingsError
from core.values import KNOWN_LANGUAGES
from ivr.prompts import load_prompts
from scheduler import texts
from tests.house import ROOT

GOOD = "recovery: '{alias}: rest well, or ring {hotline}.'\n"


def folder(tmp_path: Path, **changed: str | None) -> Path:
    for language in KNOWN_LANGUAGES:
        words = changed.get(language.replace("-", "_"), GOOD)
        if words is not None:
            (tmp_path / f"{language}.yaml").write_text(words, encoding="utf-8")
    return tmp_path


def test_the_shipped_texts_are_in_order_in_every_language() -> None:
    shipped = texts.load()
    assert set(shipped) == set(KNOWN_LANGUAGES)
    assert all(set(of_language) == set(texts.KEYS) for of_language in shipped.values())


def test_the_prompts_of_the_flows_do_not_read_them() -> None:
    assert not {"recovery"} & set(load_prompts(ROOT / "prompts").voices["en"].prompts)
    assert texts.FOLDER != ROOT / "prompts"


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_a_text_is_one_line_with_its_variables_filled_in(language: str) -> None:
    words = texts.text("recovery", language, {"alias": "ALIAS", "hotline": "+861055550100"})
    assert "ALIAS" in words
    assert "+861055550100" in words
    assert "\n" not in words
    assert "{" not in words


@pytest.mark.parametrize(
    ("en", "sentence"),
    [
        (None, "cannot be read: No such file or directory."),
        ("", "every line must be a name and a text."),
        ("- recovery\n", "every line must be a name and a text."),
        ("recovery: 7\n", "every line must be a name and a text."),
        ("recovery: [a\n", "is not readable YAML"),
        ("{}\n", "en.yaml: there is no text 'recovery'."),
        ("recovery: '  '\n", "'recovery' says nothing."),
        (GOOD + "birthday: Happy birthday.\n", "nobody sends a text 'birthday'."),
        ("recovery: 'Dear {name}'\n", "'recovery' uses {name}, which is not one of alias, hotline."),
        ("recovery: '{alias!r}'\n", "'recovery' uses {alias}, which is not one of"),
        ("recovery: '{alias.__class__}'\n", "'recovery' uses {alias.__class__}, which is not one of"),
        ("recovery: '{alias'\n", "'recovery' uses a single brace"),
        ("recovery: '" + "a" * 1001 + "'\n", "'recovery' is longer than 1000 characters."),
    ],
)
def test_a_wrong_file_stops_the_start_with_a_sentence(tmp_path: Path, en: str | None, sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        texts.load(folder(tmp_path, en=en))
    assert sentence in str(told.value)
    assert "en.yaml" in str(told.value)


def test_a_good_folder_is_taken(tmp_path: Path) -> None:
    assert texts.load(folder(tmp_path))["en"]["recovery"].startswith("{alias}")
