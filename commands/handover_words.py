"""The words of a hand-over in both languages of the staff, and how answers are put into words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ivr.prompts import Prompts
from ivr.questions import SCORED, Questionnaire
from scheduler import work_words

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {
        "title": "术后随访交接单",
        "mrn": "病历号",
        "born": "出生日期",
        "years": "岁",
        "allergies": "过敏史",
        "status": "状态",
        "made": "打印时间",
        "operation": "手术",
        "department": "科室",
        "surgeon": "术者",
        "ended": "手术结束",
        "hours": "术后小时",
        "discharged": "出院",
        "cancelled": "已取消",
        "waves": "随访",
        "wave": "节点",
        "state": "结果",
        "due": "应打",
        "until": "期限",
        "tries": "次数",
        "pain": "疼痛评分",
        "at": "时间",
        "by": "回答人",
        "self": "本人",
        "proxy": "亲属",
        "note": "说明",
        "flags": "警示症状",
        "by_machine": "机器听到，未核实",
        "question": "问题",
        "answer": "回答",
        "answers": "回答",
        "level": "级别",
        "alarms": "医生回电",
        "cause": "原因",
        "first_ring": "首次振铃",
        "accepted": "接单",
        "bridged": "通话",
        "closed": "结束",
        "late": "超时",
        "corrections": "更正",
        "was": "原值",
        "now": "更正为",
        "who": "更正人",
        "why": "原因",
        "work": "待办",
        "task": "事项",
        "missed": "未接通记录",
        "tried": "拨打",
        "held": "暂停",
        "hotline": "热线",
        "recorded": "有录音",
        "number": "号码",
        "not_rung": "未拨:",
        "none": "无",
        "score": "评分",
    },
    "en": {
        "title": "Follow-up hand-over",
        "mrn": "Record",
        "born": "Born",
        "years": "years",
        "allergies": "Allergies",
        "status": "Status",
        "made": "Made",
        "operation": "Operation",
        "department": "Department",
        "surgeon": "Surgeon",
        "ended": "Ended",
        "hours": "Hours since",
        "discharged": "Discharged",
        "cancelled": "cancelled",
        "waves": "Follow-ups",
        "wave": "Wave",
        "state": "State",
        "due": "Due",
        "until": "Until",
        "tries": "Rings",
        "pain": "Pain",
        "at": "At",
        "by": "By",
        "self": "patient",
        "proxy": "relative",
        "note": "Note",
        "flags": "Warning signs",
        "by_machine": "heard by a machine, not confirmed",
        "question": "Question",
        "answer": "Answer",
        "answers": "Answers",
        "level": "Level",
        "alarms": "Doctor's call-backs",
        "cause": "Cause",
        "first_ring": "First ring",
        "accepted": "Accepted",
        "bridged": "Talking",
        "closed": "Closed",
        "late": "LATE",
        "corrections": "Corrections",
        "was": "Was",
        "now": "Is",
        "who": "By",
        "why": "Reason",
        "work": "Open work",
        "task": "What",
        "missed": "Not reached",
        "tried": "Rings",
        "held": "held",
        "hotline": "hotline",
        "recorded": "recorded",
        "number": "number",
        "not_rung": "not rung:",
        "none": "none",
        "score": "score",
    },
}
STATES: Final[Mapping[str, str]] = {
    "planned": "待打",
    "due": "到时",
    "calling": "正在拨打",
    "waiting": "待重拨",
    "completed": "已完成",
    "partial": "未答完",
    "unreached": "未联系上",
    "declined": "拒绝",
    "cancelled": "取消",
    "expired": "过期",
    "open": "处理中",
    "ringing": "呼叫医生中",
    "accepted": "医生已接单",
    "bridged": "通话中",
    "overdue": "超时无人",
    "closed": "已结束",
    "active": "在册",
    "readmitted": "再入院",
    "deceased": "已故",
}
VALUES: Final[Mapping[str, str]] = {
    "yes": "是",
    "no": "否",
    "unsure": "不清楚",
    "not_measured": "没量",
    "from_38.0": "38.0 度以上",
    "from_38.5": "38.5 度以上或寒战",
    "numb": "麻木",
    "cold_or_blue": "发凉或发紫",
    "stops": "能止住",
    "does_not_stop": "止不住",
    "not_yet": "还没有",
    "open": "裂开",
    "none_taken": "没吃药",
    "none_to_take_out": "不用拆线",
    "none_needed": "不需要",
    "none_due": "没有安排",
    "not_working": "不上班",
    "none": "没有",
    "mild": "轻",
    "moderate": "中",
    "severe": "重",
}
"""Values of flows/questions.yaml in Chinese; in English they are their own words."""
OURS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {
        "pain": "疼痛评分",
        "pain_moving": "活动时疼痛",
        "pain_band": "疼痛程度",
        "open": "患者的话",
        "message": "留言",
    },
    "en": {
        "pain": "Pain",
        "pain_moving": "Pain when moving",
        "pain_band": "Pain in words",
        "open": "In their own words",
        "message": "Message",
    },
}
"""Questions that are a step of a flow and not a line of questions.yaml."""
SHORT: Final = 48
"""A question's words are cut here: the hand-over is one page."""
_SENTENCE: Final = re.compile(r"^(.+?)(?:[?？。!！:：]|\.\s|\.$|$)", re.DOTALL)


class Speech:
    """Answers in the words of one language: a question as the caller hears it, because what a yes means is only
    there."""

    def __init__(self, language: str, prompts: Prompts, asked: Questionnaire) -> None:
        self.words = WORDS[language]
        self.language = language
        self._voice = prompts.voices[language]
        self._asked = asked

    def __getitem__(self, key: str) -> str:
        return self.words[key]

    def state(self, state: str) -> str:
        return STATES.get(state, state) if self.language == "zh-CN" else state.replace("_", " ")

    def why(self, why: str) -> str:
        """The reason of a piece of work: a question, one of our words, or a sentence as it is; several of them."""
        return work_words.why(why, self.language, self._named)

    def _named(self, part: str) -> str:
        return self.question(part) if part in self._asked.questions or part in OURS[self.language] else part

    def question(self, key: str) -> str:
        """The first sentence of what is asked, or the key itself."""
        if key in OURS[self.language]:
            return OURS[self.language][key]
        question = self._asked.questions.get(key)
        text = self._voice.prompts.get((question.speak if question else None) or f"q_{key}", "")
        found = _SENTENCE.match(" ".join(text.split()))
        if not text or found is None or "{" in found[1]:
            return key.replace("_", " ")
        return found[1] if len(found[1]) <= SHORT else found[1][: SHORT - 1] + "…"

    def value(self, question: str, value: str, *, spoken: bool) -> str:
        if spoken:
            return self["recorded"]
        if question in SCORED and value.isdigit():
            return f"{value} ({self._voice.bands.of(int(value))})"
        words = value.replace("_", " ")
        return VALUES.get(value, words) if self.language == "zh-CN" else words
