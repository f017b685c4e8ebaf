"""The pure parts: masks, spans, moments, rights."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import masking, roles, words
from core.values import KNOWN_LANGUAGES
from desk import alarms
from desk import words as desk_words
from desk.kinds import KINDS
from scheduler import work_kinds
from tests.house import ROOT

SHANGHAI = ZoneInfo("Asia/Shanghai")


@given(st.text(alphabet="+0123456789T-", max_size=20))
def test_a_mask_never_tells_more_than_half(text: str) -> None:
    for mask, most in ((masking.phone, masking.PHONE_DIGITS), (masking.mrn, masking.MRN_DIGITS)):
        shown = mask(text).removeprefix(masking.HIDDEN)
        assert text.endswith(shown)
        assert len(shown) <= min(most, len(text) / 2)


@pytest.mark.parametrize(("surname", "shown"), [("Example", "E."), ("王", "王**"), ("欧阳", "欧阳**"), ("", "")])
def test_a_family_name_leaves_its_initial(surname: str, shown: str) -> None:
    assert masking.name(surname) == shown


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(0, "0 s", "0秒"), (119, "119 s", "119秒"), (120, "2 min", "2分钟"), (3599, "59 min", "59分钟"),
     (3600, "1 h", "1小时"), (4800, "1 h 20 min", "1小时20分"), (172799, "47 h 59 min", "47小时59分"),
     (176400, "2 d 1 h", "2天1小时"), (-5, "0 s", "0秒")],
)  # fmt: skip
def test_a_span_is_told_as_people_do(seconds: float, english: str, chinese: str) -> None:
    assert words.span("en", seconds) == english
    assert words.span("zh-CN", seconds) == chinese


def test_a_moment_is_told_with_as_much_date_as_it_needs() -> None:
    now = datetime(2031, 3, 7, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    assert words.moment(now, SHANGHAI, now) == "23:59"
    assert words.moment(now + timedelta(minutes=1), SHANGHAI, now) == "03-08 00:00"
    assert words.moment(now - timedelta(days=66), SHANGHAI, now) == "2030-12-31 23:59"


def test_a_code_without_words_is_shown_as_it_is() -> None:
    assert words.label("en", "status", "tomorrows_word") == "tomorrows_word"
    assert words.label("en", "status", "") == ""


def test_chinese_has_its_own_marks_wherever_staff_read_it() -> None:
    texts = [kind.words["zh-CN"] for kind in (*KINDS.values(), *work_kinds.KINDS.values())]
    texts += [text for name in ("STATUS", "COLOUR", "CLOCK", "CLOCK_STATE", "NEXT", "STEP")
              for text in getattr(desk_words, name)["zh-CN"].values()]  # fmt: skip
    texts += [said["zh-CN"] for said in words.catalogue().values()]
    assert [text for text in texts if re.search(r"[\u4e00-\u9fff}][,:;()!?]|[,:;()!?][\u4e00-\u9fff{]", text)] == []


def test_every_step_of_a_ticket_has_words() -> None:
    """Written down anywhere in the desk: else a Chinese page shows an English code."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "desk").glob("*.py"))
    steps = set(re.findall(r'record\(\s*session, "ticket", [\w.]+, "([a-z ]+)"', code))
    steps |= set(re.findall(r'_end\(session, alarm, "([a-z ]+)"', code)) | {alarms.NOBODY}
    steps |= set(re.findall(r'"(satisfaction [a-z]+(?: asked)?)"', code))
    assert len(steps) > 20
    for language in KNOWN_LANGUAGES:
        assert steps - set(desk_words.STEP[language]) == set()
    assert set(desk_words.STEP["en"]) == set(desk_words.STEP["zh-CN"])


def test_who_sees_patients() -> None:
    assert roles.MAY["tickets"] == {"agent", "nurse", "supervisor"}
    assert not any(roles.may("qa", right) for right in roles.MAY if right != "account")
    assert {right for right in roles.MAY if roles.may("it", right)} == {"account", "board"}
    with pytest.raises(KeyError):
        roles.may("supervisor", "burn")
