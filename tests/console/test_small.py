"""The pure parts: masks, spans, moments, rights."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import masking, roles, talk_bar, words
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
    for language, tomorrow, last_year in (
        ("en", "03-08 00:00", "2030-12-31 23:59"),
        ("zh-CN", "3月8日 00:00", "2030年12月31日 23:59"),
    ):
        assert words.moment(language, now, SHANGHAI, now) == "23:59"
        assert words.moment(language, now + timedelta(minutes=1), SHANGHAI, now) == tomorrow
        assert words.moment(language, now - timedelta(days=66), SHANGHAI, now) == last_year
    assert words.day("zh-CN", now, SHANGHAI, now) == "3月7日"


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


def test_the_talk_bar_tells_who_spoke_when() -> None:
    bar = talk_bar.talk_bar(100.0, {"line": [(50, 60), (60.2, 70)], "patient": [(0, 10), (99.99, 100)]}, [5.0, 50.0])
    assert bar is not None
    assert [lane.speaker for lane in bar.lanes] == ["patient", "line"]
    assert bar.lanes[1].bars == (talk_bar.Bar(500.0, 200.0),), "a breath is no silence"
    assert bar.lanes[0].bars == (talk_bar.Bar(0.0, 100.0), talk_bar.Bar(998.0, 2.0)), "never too narrow to be seen"
    assert [(mark.number, mark.x) for mark in bar.marks] == [(1, 50.0), (2, 500.0)]
    assert [tick.second for tick in bar.ticks] == list(range(0, 101, 15))
    assert talk_bar.talk_bar(0.0, {"line": []}) is None


@given(st.floats(0.1, 8000), st.lists(st.tuples(st.floats(-5, 9000), st.floats(0, 500))))
def test_no_shape_of_the_talk_bar_lies_outside(seconds: float, given: list[tuple[float, float]]) -> None:
    bar = talk_bar.talk_bar(seconds, {"both": [(start, start + long) for start, long in given]}, [9000.0])
    assert bar is not None
    assert all(one.x >= 0 and one.x + one.width <= talk_bar.WIDTH + 0.1 for one in bar.lanes[0].bars)
    assert all(one.width >= talk_bar.LEAST for one in bar.lanes[0].bars)
    assert bar.marks[0].x == talk_bar.WIDTH
    assert len(bar.ticks) <= talk_bar.MOST_TICKS + 1


def test_who_sees_patients() -> None:
    assert roles.MAY["tickets"] == {"agent", "nurse", "supervisor"}
    assert {right for right in roles.MAY if roles.may("qa", right)} == {"account", "listen", "review"}
    assert {right for right in roles.MAY if roles.may("it", right)} == {"account", "board"}
    assert {role: roles.in_the_room(role) for role in roles.ROLES} == {
        "agent": (), "nurse": (), "qa": ("listen",), "it": (),
        "supervisor": ("listen", "original", "held", "export", "approve"),
    }  # fmt: skip
    with pytest.raises(KeyError):
        roles.may("supervisor", "burn")
