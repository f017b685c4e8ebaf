"""The words of our SMS, as files."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core import crypto
from core.hospital import HospitalFile
from core.settings import Settings, SettingsError, load
from core.values import KNOWN_LANGUAGES
from ivr.prompts import load_prompts
from scheduler import texts
from tests.house import ACCOUNT, HOTLINE, ROOT, TOKEN

GOOD = "".join(f"{key}: 'Rest well, or ring {{hotline}}.'\n" for key in texts.KEYS)
VALUES = {
    **{"alias": "ALIAS", "hotline": "+861055550100", "emergency": "120"},
    **{"day": "DAY", "time": "09:30", "place": "PLACE", "way": "WAY"},
    **{"about": "ABOUT", "minutes": "6"},
    **{"gaps": "2", "people": "3", "more": "4"},
}
TO_STAFF = {"doctor_alert", "night_alert", "alert_reply"}
TELLING = {
    # what nobody who picks up a patient's telephone may read; the hospital is told by its alias alone
    "zh-CN": re.compile("疼|痛|手术|术后|伤口|医生|科|评分|分数|住院|出院|病|诊断|检查|化验|抽血|医院|姓名"),
    "en": re.compile(
        "pain|surg|operation|wound|doctor|department|score|discharge|disease|diagnos|blood|test|hospital", re.IGNORECASE
    ),
}


def folder(tmp_path: Path, **changed: str | None) -> Path:
    for language in KNOWN_LANGUAGES:
        words = changed.get(language.replace("-", "_"), GOOD)
        if words is not None:
            (tmp_path / f"{language}.yaml").write_text(words, encoding="utf-8")
    return tmp_path


def settings(**tables: Any) -> Settings:
    keys = {"DATA_KEY": crypto.new_data_key(), "SECRET_KEY": "k" * 48}
    number = {"TWILIO_FROM": HOTLINE, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    return dataclasses.replace(load(keys | number), file=HospitalFile.model_validate(tables))


def sentence_of(tmp_path: Path, **tables: Any) -> str:
    with pytest.raises(SettingsError) as told:
        texts.check(settings(**tables), folder(tmp_path))
    return str(told.value)


# ---- the shipped texts ---------------------------------------------------------------------------------
def test_the_shipped_texts_are_in_order_in_every_language() -> None:
    shipped = texts.load()
    assert set(shipped) == set(KNOWN_LANGUAGES)
    assert all(set(of_language) == set(texts.KEYS) for of_language in shipped.values())
    texts.check(settings())


def test_the_prompts_of_the_flows_do_not_read_them() -> None:
    assert not {"recovery"} & set(load_prompts(ROOT / "prompts").voices["en"].prompts)
    assert texts.FOLDER != ROOT / "prompts"


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
@pytest.mark.parametrize("key", texts.KEYS)
def test_a_text_is_one_signed_line_with_its_variables_filled_in(key: str, language: str) -> None:
    words = texts.text(key, language, VALUES)
    assert words.startswith("【ALIAS】" if language == "zh-CN" else "ALIAS: ")
    assert "\n" not in words
    assert "{" not in words
    assert "  " not in words


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
@pytest.mark.parametrize("key", sorted(texts.KEYS.keys() - TO_STAFF))
def test_a_neighbour_may_read_it(key: str, language: str) -> None:
    assert TELLING[language].findall(texts.text(key, language, VALUES)) == []


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
@pytest.mark.parametrize("key", ["reminder_visit", "reminder_visit_fasting", "reminder_child"])
def test_a_reminder_says_when_and_where_and_how_to_come_by(key: str, language: str) -> None:
    words = texts.text(key, language, VALUES)
    assert all(VALUES[name] in words for name in ("day", "time", "place", "way", "hotline"))
    assert ("空腹" in words or "without breakfast" in words) is (key == "reminder_visit_fasting")


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
@pytest.mark.parametrize("key", ["night_notice", "missed", "sms_passed_on"])
def test_what_may_come_at_a_bad_moment_names_the_emergency_number(key: str, language: str) -> None:
    assert "120" in texts.text(key, language, VALUES)


# ---- what the hospital sets ----------------------------------------------------------------------------
def test_the_hospital_signs_as_it_wishes() -> None:
    own = settings(sms={"signature": {"zh-CN": "【示例医院】", "en": "Example:"}})
    assert texts.written(own, "missed", "zh-CN").startswith("【示例医院】您好")
    assert texts.written(own, "missed", "en").startswith("Example: We have rung")


def test_without_a_signature_it_is_the_alias() -> None:
    one = settings(sms={"signature": {"en": "Example:"}}, hospital={"alias": "your health line"})
    assert texts.written(one, "missed", "zh-CN").startswith("【your health line】")
    assert texts.written(settings(), "missed", "en").startswith("The health service centre: ")


def test_the_way_to_come_by_is_the_hospitals_own() -> None:
    visit = {"day": "Saturday 8 March", "time": "09:30", "place": "Building 2"}
    own = settings(reminders={"way": {"en": "Take the east gate.", "zh-CN": "请走东门。"}})
    assert "Building 2. Take the east gate. To move" in texts.written(own, "reminder_visit", "en", **visit)
    assert "Building 2. To move" in texts.written(settings(), "reminder_visit", "en", **visit)


def test_a_day_as_people_write_it() -> None:
    assert texts.day_words(date(2031, 3, 8), "zh-CN") == "3月8日周六"
    assert texts.day_words(date(2031, 3, 9), "zh-CN") == "3月9日周日"
    assert texts.day_words(date(2031, 12, 1), "en") == "Monday 1 December"
    longest = max(len(texts.day_words(date(2031, month, day), "en")) for month in range(1, 13) for day in range(20, 28))
    assert longest <= texts.LONGEST_VALUE["day"]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            {"followup": {"procedure": {"knee": {"recovery": "recovery_knee"}}}},
            "[followup.procedure.\"knee\"] recovery is 'recovery_knee': no such text is in",
        ),
        ({"followup": {"procedure": {"knee": {"recovery": "missed"}}}}, "its name must begin with recovery_."),
        ({"hospital": {"alias": "a" * 61}}, "[hospital] alias for en has 61 characters: an SMS has room for 60."),
        ({"sms": {"signature": {"en": "a" * 65}}}, "[sms] signature for en has 65 characters"),
        ({"reminders": {"way": {"zh-CN": "走" * 201}}}, "[reminders] way for zh-CN has 201 characters"),
    ],
)
def test_a_setting_that_does_not_fit_stops_the_start_with_a_sentence(
    tmp_path: Path, tables: dict[str, Any], sentence: str
) -> None:
    assert sentence in sentence_of(tmp_path, **tables)


def test_a_missing_recovery_text_is_told_for_every_language(tmp_path: Path) -> None:
    told = sentence_of(tmp_path, followup={"procedure": {"knee": {"recovery": "recovery_knee"}}})
    assert all(f"{language}.yaml" in told for language in KNOWN_LANGUAGES)


def test_a_procedure_may_have_a_recovery_text_of_its_own(tmp_path: Path) -> None:
    words = GOOD + "recovery_knee: 'Keep it up, or ring {hotline}.'\n"
    mine = folder(tmp_path, en=words, zh_CN=words)
    texts.check(settings(followup={"procedure": {"knee": {"recovery": "recovery_knee"}}}), mine)


# ---- the files -----------------------------------------------------------------------------------------
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
        ("recovery: 'Dear {name}'\n", "'recovery' uses {name}, which is not one of alias, emergency, hotline."),
        ("recovery: 'At {place}'\n", "'recovery' uses {place}, which is not one of alias, emergency, hotline."),
        ("recovery_knee: '{name}'\n", "'recovery_knee' uses {name}, which is not one of"),
        ("recovery: '{alias!r}'\n", "'recovery' uses {alias}, which is not one of"),
        ("recovery: '{alias.__class__}'\n", "'recovery' uses {alias.__class__}, which is not one of"),
        ("recovery: '{alias'\n", "'recovery' uses a single brace"),
        ("recovery: '" + "a" * 937 + "'\n", "'recovery' can be 1001 characters long, and 1000 are the most."),
        ("medicine: '" + "a" * 900 + "{day} {alias}'\n", "'medicine' can be 1049 characters long"),
    ],
)
def test_a_wrong_file_stops_the_start_with_a_sentence(tmp_path: Path, en: str | None, sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        texts.load(folder(tmp_path, en=en))
    assert sentence in str(told.value)
    assert "en.yaml" in str(told.value)


def test_a_good_folder_is_taken(tmp_path: Path) -> None:
    assert texts.load(folder(tmp_path))["en"]["recovery"].startswith("Rest well")


@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_the_longest_message_is_one_the_carrier_takes(language: str) -> None:
    """docs/twilio.md 1.7: 1600 characters (21617)."""
    longest = {name: "x" * length for name, length in texts.LONGEST_VALUE.items()}
    signed = longest | {"signature": "s" * texts.LONGEST_SIGNATURE}
    assert all(len(texts.text(key, language, signed)) <= texts.LONGEST + 1 < 1600 for key in texts.KEYS)
