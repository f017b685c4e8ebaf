"""Why a conversation was drawn, and what of a day could not be, in words for a person. Pure.

Stored are codes (`draw_agents`); draws of the first algorithm hold sentences, and are shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

Words = Mapping[str, str]

RISKS: Final[Mapping[str, Words]] = {
    "escalation": {"zh-CN": "升级处理", "en": "escalated"},
    "complaint": {"zh-CN": "投诉", "en": "a complaint"},
    "low satisfaction": {"zh-CN": "满意度低", "en": "low satisfaction"},
    "transferred": {"zh-CN": "多次转接", "en": "transferred twice or more"},
    "night": {"zh-CN": "夜间", "en": "at night"},
    "new agent": {"zh-CN": "新坐席", "en": "a new agent"},
    "very short": {"zh-CN": "时长很短", "en": "very short"},
    "very long": {"zh-CN": "时长很长", "en": "very long"},
}
PHRASES: Final[Mapping[str, Words]] = {
    # lexicon categories
    "impatience": {"zh-CN": "不耐烦用语", "en": "words of impatience"},
    "evasion": {"zh-CN": "推诿用语", "en": "words of evasion"},
    "over_promise": {"zh-CN": "过度承诺", "en": "a promise too many"},
    "unsafe_advice": {"zh-CN": "不安全的建议", "en": "unsafe advice"},
    "red_flag": {"zh-CN": "危险信号", "en": "a red flag"},
    "advertising": {"zh-CN": "广告禁用语", "en": "banned advertising words"},
    "missing": {"zh-CN": "缺少规定用语", "en": "a required phrase is missing"},
}
PARTS: Final[Mapping[str, Words]] = {
    "random": {"zh-CN": "随机", "en": "random"},
    "risk": {"zh-CN": "风险", "en": "risk"},
}
LEFT_OUT: Final[Mapping[str, Words]] = {
    # recordings.sampling.sample.LEFT_OUT; {n} of them
    "arriving": {
        "zh-CN": "{n} 条录音尚未到达，未参加抽取",
        "en": "{n} recordings had not arrived and could not be drawn",
    },
    "never came": {
        "zh-CN": "{n} 条录音无法播放，未参加抽取",
        "en": "{n} recordings cannot be played and could not be drawn",
    },
    "unheard": {
        "zh-CN": "{n} 条录音尚未转写，其中的用语未计入风险",
        "en": "{n} recordings were not transcribed yet: what is said in them did not count as a risk",
    },
    "no model": {
        "zh-CN": "{n} 条录音没有可用的语音模型，其中的用语未计入风险",
        "en": "{n} recordings wait for a speech model: what is said in them did not count as a risk",
    },
    "drawn before": {
        "zh-CN": "{n} 通此前已抽取，不再抽取",
        "en": "{n} conversations were drawn before and are not drawn again",
    },
    "purged": {"zh-CN": "{n} 条已到保存期限并清除", "en": "{n} were purged at the end of their keeping time"},
    "day not over": {
        "zh-CN": "抽取时当天尚未结束，之后的通话未参加抽取",
        "en": "the day was not over: what came later could not be drawn",
    },
}
_WHYS: Final[tuple[tuple[re.Pattern[str], Words], ...]] = (
    (
        re.compile(r"agent: 1 of (?P<n>\d+)"),
        {"zh-CN": "每位坐席至少一通（该坐席共 {n} 通）", "en": "one of each agent's, by chance ({n} of this one's)"},
    ),
    (
        re.compile(r"stratum: (?P<k>\d+) of (?P<n>\d+)"),
        {"zh-CN": "分层随机（该层 {n} 通中抽 {k} 通）", "en": "by chance, {k} of {n} of their kind"},
    ),
    (
        re.compile(r"whole day: (?P<n>\d+)"),
        {"zh-CN": "当天共 {n} 通，全部抽取", "en": "the whole day, all {n} of it"},
    ),
    (
        re.compile(r"place left"),
        {"zh-CN": "名额有余，随机补足", "en": "by chance, for a place nothing else claimed"},
    ),
)
_BETWEEN: Final[Words] = {"zh-CN": "、", "en": ", "}


def why(code: str, language: str) -> str:
    """Why a pick was drawn."""
    for pattern, words in _WHYS:
        if told := pattern.fullmatch(code):
            return words[language].format(**told.groupdict())
    names = code.split(", ")
    if all(name in RISKS or name.startswith("phrase: ") for name in names):
        return _BETWEEN[language].join(risk(name, language) for name in names)
    return code


def risk(code: str, language: str) -> str:
    """One risk; a category of phrases that has no words here is shown by its name."""
    if code in RISKS:
        return RISKS[code][language]
    category = code.removeprefix("phrase: ")
    return PHRASES[category][language] if category in PHRASES else category


def part(code: str, language: str) -> str:
    return PARTS[code][language]


def left_out(counts: Mapping[str, int], language: str) -> list[str]:
    """A sentence for each."""
    return [LEFT_OUT[code][language].format(n=counts[code]) for code in LEFT_OUT if counts.get(code)]
