"""Why a follow-up, a reminder or a piece of work is as it is, in both languages of the staff. Pure.

Rows hold codes with values (core.said), several of them with "; " between; the sentences among the keys are codes, too,
of rows that are older than the short ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.said import APART, Table, both, told

REFUSED: Final[Table] = {
    # what the worklist refuses
    "note_needed": both("请填写结果。", "A note is needed: what came of it?"),
    "note_long": both("结果太长：有{has}个字，最多{most}个字。", "The note has {has} characters; {most} are the most."),
    "no_item": both("工作清单上没有这一项。", "There is no such item on the worklist."),
    "done_already": both("这一项已经完成。", "This item is done already."),
}
WHY: Final[Table] = {
    # how a ring ended, or why there was none
    "answered": both("已接听", "answered"),
    "no_answer": both("无人接听", "no answer"),
    "busy": both("占线", "busy"),
    "machine": both("机器接听", "a machine answered"),
    "failed_now": both("未接通", "not put through"),
    "failed_for_good": both("空号或停机", "no such number"),
    "not_placed": both("未拨出", "not placed"),
    "completed": both("已完成", "completed"),
    "handed_over": both("已转人工", "handed over to a person"),
    "partial": both("未答完", "broken off"),
    "identity_failed": both("身份未核对", "identity not shown"),
    "wrong_number": both("打错", "wrong number"),
    "not_patient": both("非本人接听", "not the patient"),
    "bad_time": both("不便接听", "a bad time"),
    "stop": both("不再接听自动来电", "no more calls"),
    "declined": both("拒绝", "declined"),
    "no_time_left": both("期限内已没有可拨打的时间", "no time left"),
    "no time left": both("期限内已没有可拨打的时间", "no time left"),
    "no_number": both("没有可以联系的号码", "there is no number to reach"),
    "there is no number to ring": both("没有可以拨打的号码", "there is no number to ring"),
    "there is no number to write to": both("没有可以发短信的号码", "there is no number to write to"),
    # the gate's (dialer.gate.REASONS)
    "not_live": both("系统未启用", "not live"),
    "bad_number": both("号码无效", "not a telephone number"),
    "premium_number": both("高资费号码", "a premium-rate number"),
    "paused": both("外呼已暂停", "calls are paused"),
    "no_line": both("没有空闲线路", "no line is free"),
    "number_in_use": both("号码正在使用", "the number is in use"),
    "deceased": both("患者已去世", "the patient has died"),
    "readmitted": both("患者已再次入院", "the patient is in the hospital again"),
    "merged": both("病历已合并", "the record was merged"),
    "no_patient": both("患者已不在档", "not on file any more"),
    "no_consent": both("患者未同意此类来电", "the patient has not agreed to such calls"),
    "do_not_call": both("该号码要求不再来电", "the number asked not to be called"),
    "not_their_number": both("号码已变更", "not their number any more"),
    "deadline_passed": both("已过期限", "its time has passed"),
    "outside_window": both("不在拨打时段", "outside calling hours"),
    "quiet_hours": both("夜间免打扰时段", "quiet hours"),
    "doctor_coming": both("患者正在等医生回电", "a doctor is on the way to them"),
    "alarm_open": both("有患者正在等医生", "somebody waits for a doctor"),
    "rings_per_day": both("当日拨打次数已满", "rung often enough today"),
    "off_duty": both("不在班", "off duty"),
    "not_signed_in": both("坐席未签入", "no agent is signed in"),
    # plans (scheduler.store)
    "the procedure was cancelled": both("手术已取消", "the procedure was cancelled"),
    "its time passed while it was cancelled": both("取消期间已过时间", "its time passed while it was cancelled"),
    "planned late: rung at the next allowed time": both(
        "导入较晚，顺延至下一可拨打时段", "planned late: rung at the next allowed time"
    ),
    "planned too late for this wave": both("导入太晚，已错过此次随访", "planned too late for this wave"),
    "imported too late": both("导入太晚，已错过此次随访", "imported too late"),
    "next": both("下一次为{wave}", "next is {wave}"),
    "the procedure has no such wave any more": both("该手术已无此次随访", "the procedure has no such wave any more"),
    "by a nurse": both("护士调整", "by a nurse"),
    "after a doctor's contact": both("医生联系之后", "after a doctor's contact"),
    "planned again": both("重新安排", "planned again"),
    "its ring was lost without a word": both("拨打记录丢失，重新安排", "its ring was lost without a word"),
    # what was said or keyed
    "score": both("疼痛评分", "the pain score"),
    "id_not_checked": both("两次核对未通过，或没有登记出生日期", "two tries, or no birth date on file"),
    "not_registered": both("未登记的亲属", "not registered"),
    "machine_heard": both("机器听到：{question}（未核实）", "{question} (a machine heard it, not confirmed)"),
    "machine_heard_no_number": both(
        "机器听到：{question}（未核实；没有可回拨的号码）",
        "{question} (a machine heard it, not confirmed; no number to ring back)",
    ),
    "machine_heard_after_doctor": both(
        "机器听到：{question}（未核实；此后医生已与患者通话）",
        "{question} (a machine heard it, not confirmed; a doctor has talked with them since)",
    ),
    "no_model": both("没有能识别该语言的语音模型", "no machine here understands this language"),
    "not_heard": both("机器未能听取", "the machine could not hear it"),
    "not_sure": both("机器不确定听到的内容", "the machine is not sure of the words it heard"),
    "absent": both("运营商没有这段录音", "the carrier has no sound of it"),
    "no_sound": both("录音无法取得或已损坏", "the sound could not be fetched, or is damaged"),
    "no_sign": both("机器没有发现警示内容", "the machine found no warning sign"),
    "no_words": both(
        "录音中有人说话，但机器一个词也没听懂", "somebody can be heard, and the machine understood no word"
    ),
    "no_number_shown": both("来电未显示号码", "no number shown"),
    # the doctor
    "doctor_later": both("医生稍后再拨", "the doctor rings later"),
    "promise_broken": both("已超过承诺时间", "the promise is broken"),
    "not_driven": both("系统处理出错", "it cannot be driven"),
    "nobody_took_it": both("第{round}轮呼叫无医生接诊", "nobody took it in round {round}"),
    "caller_not_on_file": both("来电者不在档", "the caller is not on file"),
    "no_operation": both("没有手术记录", "there is no operation on file"),
    "no_consent_to_calls": both("患者未同意接听我们的来电", "the patient has not agreed to calls of ours"),
    # messages
    "by_sms": both("通过短信", "by SMS"),
    "by_sms_staff": both(
        "通过短信；是工作人员的电话，以后收不到警报短信",
        "by SMS, from a telephone of our staff: it gets no more messages about alarms",
    ),
    "by_sms_reminded": both(
        "通过短信；此前刚发过就诊提醒，请问清是退订短信还是取消就诊",
        "by SMS, after a reminder of a visit: ask which of the two was meant",
    ),
    "urgent_words": both("含有紧急字样", "urgent words"),
    "staff_answered": both("工作人员回复了警报短信", "a member of staff answered a message about an alarm"),
    "with_media": both("附有图片等内容，系统不保存", "with a picture or the like, which is not kept"),
    "carrier_code": both("运营商错误码{code}", "carrier code {code}"),
    "not_in_list": both("运营商没有发送记录", "not in the carrier's list"),
    "failed": both("发送失败", "failed"),
    "undelivered": both("未送达", "undelivered"),
    # visits
    "keyed_hotline": both("患者在热线中按键提出", "keyed on the hotline"),
    "keyed_reminder": both("患者在提醒来电中按键提出", "keyed at the reminder"),
    "visit_reminder": both("就诊提醒未能送达", "a reminder of a visit"),
    "session_cancelled": both("医生停诊", "the doctor's session was cancelled"),
    "session_moved": both("医生出诊时间变动", "the doctor's session was moved"),
    # the nightly look
    "no_plan": both("手术没有随访计划", "an operation without a plan"),
    "forgotten": both("到期已超过一天，仍未拨打", "due for a day and not rung"),
    "stuck": both("拨打已结束，但没有收到结果", "its ring is over and nobody heard so"),
    "untold": both("已结束，但没有通知任何人", "ended, and nobody was told"),
    "unreached": both("未联系上", "not reached"),
    "expired": both("已过期", "its time ran out"),
    # corrections
    "answers_of_another": both("回答属于另一个人", "the answers were another person's"),
    "moved_from_record": both("从另一份病历移来", "moved from another record"),
    "two_records": both("同一人有两份病历", "two records of one person"),
    # the roster
    "gap": both("{department} {tier}：{start} 至 {end} 无人值班", "{department} {tier}: nobody from {start} to {end}"),
    "gaps_more": both("另有{count}处空档", "{count} more gaps"),
    "unreachable": both("{people}人的电话打不通", "people no ring would reach: {people}"),
}


def why(stored: str, language: str, question: Callable[[str], str]) -> str:
    """The reasons of a row in words; `question` names a line of flows/questions.yaml, and gives back what is none."""
    return told(stored, WHY, language, question)


__all__ = ["APART", "REFUSED", "WHY", "why"]
