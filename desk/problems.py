"""What the desk refuses, and why: a key with its values (core.said), said in one sentence of either language. Pure.

A code of the tables stays a code.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.said import Said, Words, both

SENTENCES: Mapping[str, Words] = {
    # ---- tickets: what stands in the way of a step
    "no_ticket": both("没有这张工单。", "There is no such ticket."),
    "no_kind": both(
        "没有“{kind}”这种工单；可用的有：{allowed}。", "'{kind}' is no kind of ticket; known are {allowed}."
    ),
    "complaint_kind": both(
        "投诉须分医疗和非医疗：类型为 complaint_medical 或 complaint_other。",
        "A complaint is medical or not: its kind is complaint_medical or complaint_other.",
    ),
    "complaint_which": both("投诉须注明是否医疗投诉。", "A complaint is medical or not: say which."),
    "no_complaint": both("只有投诉才分医疗和非医疗。", "Only a complaint is medical or not."),
    "owner_needed": both("由谁处理？请填写登录名。", "Who sees to it? A login is needed."),
    "unknown_owner": both(
        "没有处理工单的“{login}”；可交给：{there}。",
        "Nobody with the login '{login}' sees to tickets; there are: {there}.",
    ),
    "same_call": both("同一通电话已有这种工单。", "The same call has such a ticket already."),
    "proposal_parts": both("方案须包括解决办法和补偿。", "A proposal has a solution and a compensation."),
    "open_again_first": both("工单{status}：请先重新打开。", "The ticket is {status} already: open it again first."),
    "how_told": both(
        "请注明如何告知：call、sms、in_person、letter 或 chat。",
        "There is somebody to be told: by call, sms, in_person, letter or chat.",
    ),
    "why_again": both("请说明为什么重新打开。", "A reason is needed: why is it opened again?"),
    "only_told": both(
        "工单{status}：解决之后才能告知结果。", "The ticket is {status}: only what came of it can be told."
    ),
    "no_place": both("工单{status}：不能{step}。", "The ticket is {status}: {step} has no place here."),
    "nobody_has_it": both("工单还没有人负责：请先分派。", "Nobody has the ticket yet: assign it first."),
    "nobody_saw": both("工单还没有人处理过。", "Nobody has seen to the ticket yet."),
    "not_resolved": both("工单还没有解决。", "The ticket is not resolved yet."),
    "closed_already": both("工单已经关闭。", "The ticket is closed already."),
    "resolved_already": both("工单已经解决。", "The ticket is resolved already."),
    "complaint_needs": both("投诉在解决前须有{missing}。", "A complaint needs {missing} before it is resolved."),
    "tell_first": both("须先把结果告知来访者。", "Whoever asked must be told first what came of it."),
    "calm_first": both(
        "安抚电话还没有打，时间还来得及。", "The calming call has not been made yet, and there is time for it."
    ),
    # ---- words that do not fit
    "code": both("{name} 只能是 {allowed}，不能是“{given}”。", "{name} must be one of {allowed}, not '{given}'."),
    "too_long": both("{what}有{has}个字符；最多{most}个。", "{what} has {has} characters; {most} are the most."),
    # ---- feedback
    "external_id": both(
        "external_id 须是来源系统自己的编号，1 至 {most} 个字符。",
        "external_id must be the sender's own number, 1 to {most} characters.",
    ),
    "words_empty": both("words 不能为空。", "words must not be empty."),
    "words_too_long": both("words 太长：最多 {most} 个字符。", "words are too long: {most} characters are the most."),
    "at_offset": both("at 须注明与 UTC 的时差。", "at must say its offset from UTC."),
    "at_future": both("at 是将来的时间。", "at lies in the future."),
    "mrn_unknown": both("mrn：没有这个病历号的患者。", "mrn: no patient with this record number is on file."),
    "phone_wrong": both(
        "phone 不是带国家代码的电话号码，例如 +861055550100。",
        "phone is not a telephone number with country code, such as +861055550100.",
    ),
    # ---- the line
    "no_telephone": both("{login} 在员工名单里没有电话。", "{login} has no telephone in the staff file."),
    "not_signed_in": both("{login} 没有签到。", "{login} is not signed in."),
    "no_contact": both("这张工单没有可以拨打的号码。", "The ticket has no number to ring."),
    "call_under_way": both("关于这张工单的电话正在进行。", "A call about this ticket is under way already."),
    # ---- agents
    "agent_state": both("坐席状态只能是 {allowed}，不能是“{given}”。", "An agent signs {allowed}, not '{given}'."),
    "no_agent": both("员工名单里没有坐席“{login}”。", "There is no agent '{login}' in the staff file."),
    "agent_telephone": both(
        "{login} 在员工名单里没有电话，来电无法接通。",
        "{login} has no telephone in the staff file, so no caller could be put through.",
    ),
}


class DeskProblem(Said):
    """It cannot be done. `key` is one of SENTENCES."""

    SENTENCES = SENTENCES


STEPS: Mapping[str, Words] = {
    "assign": both("分派", "giving it to somebody"),
    "start": both("开始处理", "starting it"),
    "resolve": both("标记为已解决", "resolving it"),
    "confirm": both("关闭", "closing it"),
    "reopen": both("重新打开", "opening it again"),
}
STATES: Mapping[str, Words] = {
    "open": both("待分派", "open"),
    "assigned": both("已分派", "assigned"),
    "in_progress": both("正在处理", "in progress"),
    "resolved": both("已解决", "resolved"),
    "confirmed": both("已关闭", "confirmed"),
    "reopened": both("已重新打开", "reopened"),
}
SOLUTION = both("解决办法", "a solution")
COMPENSATION = both("补偿", "a compensation")
SOLUTION_AND_COMPENSATION = both("解决办法和补偿", "a solution and a compensation")
WHAT: Mapping[str, Words] = {
    "said": both("所说的内容", "What was said"),
    "solution": both("解决办法", "The solution"),
    "compensation": both("补偿", "The compensation"),
    "reason": both("原因", "The reason"),
}
