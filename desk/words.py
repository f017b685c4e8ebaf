"""What staff read of a ticket, in their language: states, clocks, what is next, the steps of its story. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Words = Mapping[str, Mapping[str, str]]
"""{language: {code: words}}"""

STATUS: Words = {
    "zh-CN": {
        "open": "待分派",
        "assigned": "已分派",
        "in_progress": "处理中",
        "resolved": "已解决",
        "confirmed": "已关闭",
        "reopened": "重新打开",
    },
    "en": {
        "open": "open",
        "assigned": "assigned",
        "in_progress": "in progress",
        "resolved": "resolved",
        "confirmed": "closed",
        "reopened": "opened again",
    },
}
COLOUR: Words = {
    "zh-CN": {"red": "红", "yellow": "黄", "blue": "蓝"},
    "en": {"red": "red", "yellow": "yellow", "blue": "blue"},
}
CLOCK: Words = {
    "zh-CN": {"assign": "分派", "respond": "首次答复", "propose": "解决和补偿", "solve": "办结", "calm": "安抚电话"},
    "en": {
        "assign": "assign",
        "respond": "first answer",
        "propose": "solution and compensation",
        "solve": "solve",
        "calm": "calming call",
    },
}
CLOCK_STATE: Words = {
    "zh-CN": {"runs": "计时中", "met": "按时", "missed": "超时", "late": "超时后完成"},
    "en": {"runs": "runs", "met": "kept", "missed": "missed", "late": "done late"},
}
NEXT: Words = {
    "zh-CN": {
        "assign": "请分派负责人",
        "start": "请开始处理",
        "propose": "请给出解决方案和补偿方案",
        "calm": "请致电安抚",
        "solve": "请解决",
        "tell": "请把结果告诉对方",
        "confirm": "请关闭",
    },
    "en": {
        "assign": "give it to somebody",
        "start": "start",
        "propose": "offer a solution and a compensation",
        "calm": "make the calming call",
        "solve": "solve it",
        "tell": "tell them what came of it",
        "confirm": "close it",
    },
}
STEP: Words = {
    "zh-CN": {
        "opened": "建单：{kind}",
        "assigned": "分派给 {owner}",
        "started": "开始处理",
        "responded": "已首次答复",
        "talked": "通话 {seconds} 秒",
        "classified": "分类：{link}/{problem}/{nature}",
        "proposed": "给出解决方案和补偿方案（{compensation}）",
        "resolved": "已解决",
        "told": "结果已告知（{how}）",
        "confirmed": "关闭",
        "reopened": "重新打开",
        "message": "来电者留言",
        "words": "补充了文字",
        "read": "被查阅",
        "clock began": "计时开始：{clock}",
        "clock met": "按时完成：{clock}",
        "clock met late": "超时后完成：{clock}",
        "clock taken back": "计时取消：{clock}",
        "calendar changed": "日历更改，期限重算：{clock}",
        "overdue": "超时：{clock}",
        "taken in": "已收录",
        "item done": "护士工作清单事项已完成",
        "not reached by the desk": "坐席未能联系上",
        "alarm wanted": "需通知负责人",
        "alarm rung": "已拨打负责人电话",
        "alarm not rung": "未能拨打负责人电话",
        "alarm acknowledged": "负责人已按键确认",
        "alarm over": "不再需要通知",
        "alarm in vain": "多次通知无人确认",
        "alarm goes to another department": "改为通知另一科室",
        "nobody on duty to be told": "无值班人员可通知",
        "survey wanted": "已安排满意度回访",
        "satisfaction": "满意度：{score}分",
        "satisfaction keyed late": "满意度（迟到）：{score}分",
        "satisfaction not asked": "不做满意度回访",
        "satisfaction unknown": "满意度回访未成功",
        "not closed by the score": "评分后仍需人工关闭",
    },
    "en": {
        "opened": "opened: {kind}",
        "assigned": "given to {owner}",
        "started": "started",
        "responded": "first answer given",
        "talked": "talked for {seconds} s",
        "classified": "classes: {link} / {problem} / {nature}",
        "proposed": "a solution and a compensation offered ({compensation})",
        "resolved": "resolved",
        "told": "outcome told ({how})",
        "confirmed": "closed",
        "reopened": "opened again",
        "message": "the caller left a message",
        "words": "words added",
        "read": "read",
        "clock began": "clock began: {clock}",
        "clock met": "kept: {clock}",
        "clock met late": "done late: {clock}",
        "clock taken back": "clock taken back: {clock}",
        "calendar changed": "the calendar changed, due anew: {clock}",
        "overdue": "run out: {clock}",
        "taken in": "taken in",
        "item done": "the item of the worklist is done",
        "not reached by the desk": "not reached by the desk",
        "alarm wanted": "somebody has to hear of it",
        "alarm rung": "the head is rung",
        "alarm not rung": "the head could not be rung",
        "alarm acknowledged": "the head pressed the key",
        "alarm over": "nobody has to hear of it any more",
        "alarm in vain": "rung in vain",
        "alarm goes to another department": "another department is told",
        "nobody on duty to be told": "nobody on duty to be told",
        "survey wanted": "satisfaction call planned",
        "satisfaction": "satisfaction: {score}",
        "satisfaction keyed late": "satisfaction, too late: {score}",
        "satisfaction not asked": "satisfaction not asked",
        "satisfaction unknown": "satisfaction unknown",
        "not closed by the score": "the score could not close it",
    },
}


def step(what: str, data: Mapping[str, Any], language: str) -> str:
    """One row of the ledger as a sentence; one nobody has words for as it stands."""
    key = "clock met late" if what == "clock met" and data.get("late") else what
    words = STEP[language].get(key)
    if words is None:
        clock = data.get("clock")
        return f"{what}: {_clock(clock, language)}" if clock else what
    told = {name: str(value) for name, value in data.items()}
    if "clock" in told:
        told["clock"] = _clock(told["clock"], language)
    return words.format_map(_Known(told))


def _clock(name: Any, language: str) -> str:
    return CLOCK[language].get(str(name), str(name))


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "-"
