"""What quality review says to people, in both languages: why something cannot be done, where a suggestion comes from,
what an interval or an agreement is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.said import Said, Table
from recordings.quality.qa_shapes import Suggestion

PROBLEMS: Final[Table] = {
    "no_review": {"zh-CN": "没有这条质检记录。", "en": "There is no such review."},
    "no_draw": {
        "zh-CN": "{day} 还没有抽样，请先运行 `carecall qa draw --date {day}`。",
        "en": "Nothing has been drawn for {day} yet: `carecall qa draw --date {day}`.",
    },
    "other_draw": {
        "zh-CN": "{day} 已按另一次抽样开始质检：一天只按一次抽样评分。",
        "en": "The reviews of {day} were opened from another draw: only one draw a day is reviewed.",
    },
    "not_yours": {"zh-CN": "这条质检记录不是分给您的。", "en": "This review is not given to you."},
    "stale": {
        "zh-CN": "您打开之后，这条记录已被另存过一次，您的修改没有保存。请重新打开后再改。",
        "en": "This was saved elsewhere after you opened it, so your marks were not kept. Open it again.",
    },
    "closed": {
        "zh-CN": "这条记录现在是“{state}”，不能再改。",
        "en": "This review is {state} and cannot be changed any more.",
    },
    "no_item": {"zh-CN": "评分表上没有“{item}”这一项。", "en": "The scorecard has no item {item}."},
    "not_now": {
        "zh-CN": "“{item}”现在不能打分：满意度在其他各项封存后才显示。",
        "en": "{item} cannot be marked now: what the patient thought is shown when all other items are closed.",
    },
    "value": {
        "zh-CN": "“{item}”只能是：是、否、不适用，不能是“{value}”。",
        "en": "{item} is yes, no or na, not {value!r}.",
    },
    "cause": {
        "zh-CN": "“{item}”的原因只能是 agent（客服）或 process（流程），且只在打“否”时填写。",
        "en": "The cause of {item} is agent or process, and process only for a no.",
    },
    "clip": {
        "zh-CN": "“{item}”的时间段不对：开始要早于结束，并在录音之内。",
        "en": "The seconds of {item} are not right: the start comes before the end, and both are inside the recording.",
    },
    "long": {"zh-CN": "文字太长：最多 {most} 个字。", "en": "That is too long: {most} characters are the most."},
    "unmarked": {
        "zh-CN": "还有 {count} 项没有打分：{items}。建议值不算打分，须由您确认。",
        "en": "{count} items are not marked yet: {items}. A suggestion is no mark until you have confirmed it.",
    },
    "no_comment": {"zh-CN": "请写明理由。", "en": "Say why."},
    "not_agents": {"zh-CN": "只有被评的客服本人可以申诉。", "en": "Only the agent it is about may dispute it."},
    "not_disputable": {
        "zh-CN": "这条记录现在是“{state}”，不能申诉。",
        "en": "This review is {state}; it cannot be disputed.",
    },
    "too_late": {
        "zh-CN": "申诉期限已过（{until}）。",
        "en": "The time for it ended at {until}.",
    },
    "not_disputed": {"zh-CN": "这条记录没有在申诉中。", "en": "This review is not disputed."},
    "own_judge": {
        "zh-CN": "评分人和被评的客服不能裁定这次申诉，请另一位主管处理。",
        "en": "Neither who rated it nor the agent it is about can settle it: another supervisor has to.",
    },
    "no_rater": {
        "zh-CN": "{login} 不是在岗的质检员或主管。",
        "en": "{login} is not a QA listener or supervisor who is there.",
    },
    "same_person": {
        "zh-CN": "{login} 不能评这条：本人的通话，或已评过同一条。",
        "en": "{login} cannot review it: it is their own talk, or they review it already.",
    },
    "own_talk": {
        "zh-CN": "这是您本人的通话，请另一位主管处理。",
        "en": "It is your own talk: another supervisor has to.",
    },
    "nobody_else": {
        "zh-CN": "没有其他人可以评这条：请先添加一位质检员或主管。",
        "en": "There is nobody else who could review it: add a QA listener or a supervisor first.",
    },
    "no_task": {"zh-CN": "没有这项辅导任务。", "en": "There is no such coaching task."},
    "task_state": {
        "zh-CN": "这项任务现在是“{state}”，这一步不适用。",
        "en": "This task is {state}: that step has no place here.",
    },
    "own_coach": {"zh-CN": "不能自己辅导自己。", "en": "Nobody coaches themselves."},
    "no_agent": {"zh-CN": "没有登录名为 {login} 的客服。", "en": "There is no agent {login}."},
    "no_veto": {"zh-CN": "没有这条记录。", "en": "There is no such entry."},
    "veto_twice": {
        "zh-CN": "工单 {ticket} 对 {login} 已记过一次。",
        "en": "Ticket {ticket} is set against {login} already.",
    },
    "veto_no_ticket": {
        "zh-CN": "没有编号为 {ticket} 的投诉工单。",
        "en": "There is no complaint with the number {ticket}.",
    },
    "veto_day": {"zh-CN": "请填写今天或以前的日期。", "en": "Give the day: today or before."},
    "own_veto": {
        "zh-CN": "本人和认定人都不能处理，请另一位主管处理。",
        "en": "Neither the agent it is about nor who upheld it: another supervisor has to.",
    },
    "mark_first": {
        "zh-CN": "您自己也在评同一条：请先提交您的评分，再看申诉。",
        "en": "You are rating the same one yourself: hand in your own marks before you look at the dispute.",
    },
    "veto_state": {"zh-CN": "现在是“{state}”，这一步不适用。", "en": "It is {state}: that step has no place here."},
}

STATES: Final[Table] = {
    "drawn": {"zh-CN": "待评", "en": "drawn"},
    "draft": {"zh-CN": "草稿", "en": "a draft"},
    "revealed": {"zh-CN": "待确认满意度", "en": "waiting for the last items"},
    "submitted": {"zh-CN": "已提交", "en": "submitted"},
    "disputed": {"zh-CN": "申诉中", "en": "disputed"},
    "final": {"zh-CN": "已定", "en": "final"},
    "dropped": {"zh-CN": "已撤", "en": "dropped"},
    "proposed": {"zh-CN": "待确认", "en": "proposed"},
    "open": {"zh-CN": "待辅导", "en": "open"},
    "coached": {"zh-CN": "已辅导，待复查", "en": "coached"},
    "rechecking": {"zh-CN": "复查中", "en": "being re-checked"},
    "held": {"zh-CN": "已达成", "en": "closed with success"},
    "cancelled": {"zh-CN": "已取消", "en": "cancelled"},
    "upheld": {"zh-CN": "已认定", "en": "upheld"},
    "appealed": {"zh-CN": "申诉中", "en": "appealed"},
    "stands": {"zh-CN": "维持", "en": "final"},
    "lifted": {"zh-CN": "已撤销", "en": "lifted"},
}


class ReviewProblem(Said):
    """What cannot be done; `state` among the values is a key of STATES, and said in the same language."""

    SENTENCES = PROBLEMS

    def __init__(self, key: str, **values: object) -> None:
        if "state" in values:
            values["state"] = STATES[str(values["state"])]
        super().__init__(key, **values)


SOURCES: Final[Table] = {
    "answer_time": {
        "zh-CN": "系统测得：{answer_s:.0f} 秒接听（标准 {within_s} 秒）",
        "en": "measured: answered after {answer_s:.0f} s (the standard is {within_s} s)",
    },
    "findings": {
        "zh-CN": "词库命中 {count} 处（{category}），从 {start_s:.0f} 秒起，请听后判断",
        "en": "{count} hits of the phrase list ({category}), the first at {start_s:.0f} s: listen and decide",
    },
    "missing": {
        "zh-CN": "文字稿中没有听到应说的话（{phrase}），请听后判断",
        "en": "a required phrase was not heard in the transcript ({phrase}): listen and decide",
    },
    "satisfaction": {
        "zh-CN": "患者按键评分 {score} 分",
        "en": "the patient keyed {score}",
    },
    "no_satisfaction": {"zh-CN": "患者没有评分", "en": "the patient keyed nothing"},
}

NOTES: Final[Table] = {
    "": {"zh-CN": "", "en": ""},
    "empty": {"zh-CN": "没有抽到", "en": "nothing drawn"},
    "one": {"zh-CN": "只有 1 通，算不出区间", "en": "one call only: no interval"},
    "same": {
        "zh-CN": "{n} 通得分都相同，样本看不出波动，算不出区间",
        "en": "all {n} came out the same: the sample says nothing of the spread, so there is no interval",
    },
    "few": {
        "zh-CN": "只有 {n} 通，区间很宽，不宜比较",
        "en": "{n} calls only: a wide interval, not to compare people by",
    },
}

GATES: Final[Table] = {
    "rewrite": {"zh-CN": "κ<0.4：改写该项", "en": "kappa below 0.4: rewrite the item"},
    "not_for_pay": {"zh-CN": "κ<0.6：不用于薪酬", "en": "kappa below 0.6: not for pay"},
    "not_for_fails": {
        "zh-CN": "κ<0.8：不能单独作为一票否决",
        "en": "kappa below 0.8: too low for an automatic fail",
    },
    "good": {"zh-CN": "可用", "en": "good"},
    "few": {"zh-CN": "双评不足 {least} 对，还不能判断", "en": "fewer than {least} pairs: nothing can be said yet"},
    "same": {
        "zh-CN": "所有评分都相同：κ 无定义，看不出评分人能否区分",
        "en": "every mark was the same: kappa is not defined, and nothing shows that raters can tell a yes from a no",
    },
    "measured": {"zh-CN": "由测量值确认，不是盲评", "en": "confirmed from a measure, not rated blind"},
}

DAY_IS_NOISE: Final[Mapping[str, str]] = {
    "zh-CN": "一天的红黑榜基本是偶然：每人只有几通，区间常达 ±20 分以上。请以月为准，不要据此奖罚。",
    "en": "A day's list is mostly chance: a few calls each, with intervals of often 20 points up and down. Go by the"
    " month, and reward or punish nobody for a day.",
}


def state(language: str, name: str) -> str:
    return STATES[name][language]


def source(language: str, suggestion: Suggestion) -> str:
    """Where a suggestion comes from, as a sentence beside it."""
    return SOURCES[suggestion.source][language].format(**suggestion.values)


def note(language: str, key: str, n: int) -> str:
    return NOTES[key][language].format(n=n)


def gate(language: str, key: str, least: int) -> str:
    return GATES[key][language].format(least=least)
