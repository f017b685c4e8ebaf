"""What a nurse may be asked to do: each kind with the time she has, its sentence, and how its due time is found. Pure.

The clock of a nurse's work runs in the hospital's calling hours: nobody can ring a patient outside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from core.calendar import LOOK_AHEAD, Hours, at_wall

Within = int | Literal["today", "next day"]
"""So many calling hours; or until the end of the calling day, today's or the next one's."""
LEAST = timedelta(hours=2)
"""What "today" is at least, in calling hours: what comes in at 20:00 is not late at 20:30."""


@dataclass(frozen=True)
class Kind:
    within: Within
    urgent: bool
    words: Mapping[str, str]
    """One sentence per language, for the person who has to do it."""


def _kind(within: Within, zh: str, en: str, *, urgent: bool = False) -> Kind:
    return Kind(within, urgent, {"zh-CN": zh, "en": en})


KINDS: dict[str, Kind] = {
    # a wave without a whole interview (docs/clinical.md section 2, Retries: then a human task)
    "unreached": _kind(
        "today", "多次拨打未能联系上，请人工随访。", "Not reached by any ring: please ring this patient."
    ),
    "partial": _kind("today", "随访没有答完，请补问。", "The interview was broken off: please ask the rest."),
    "expired": _kind(
        "today", "随访已过期限而没有打出，请人工随访。", "The time for this follow-up passed unused: please ring."
    ),
    "identity_failed": _kind(
        "next day",
        "接电话的人没有通过身份核对，请核对号码后人工随访。",
        "Whoever answered could not show who they are: please check the numbers and ring.",
    ),
    "wrong_number": _kind(
        "next day", "接电话的人说打错了，请核实号码。", "Somebody else answered: please find the right number."
    ),
    "no_number": _kind("today", "没有可以拨打的号码，请补登。", "There is no number to ring: please find one."),
    "proxy_wrong": _kind(
        "next day",
        "接电话的亲属没有登记，请核实并登记。",
        "A relative answered who is not registered: please check and register.",
    ),
    "guardian_missing": _kind(
        "today", "未成年患者没有登记监护人，请补登。", "A child without a registered guardian: please find one."
    ),
    # what was said (docs/clinical.md section 2, C: nurse the same day)
    "red_flag": _kind(
        "today",
        "患者报告了需要当天处理的情况，请当天回电。",
        "A warning sign for today: please ring back.",
        urgent=True,
    ),
    # nobody's machine heard it, and it may be an emergency (recordings/findings/machine_flags.py)
    "listen": _kind(
        2,
        "患者的语音回答或留言机器没能听懂，请听录音，必要时回电。",
        "The machine could not understand what a patient said: please listen, and ring if need be.",
        urgent=True,
    ),
    # no sign was found in it, which shows nothing (docs/quality.md): a person reads (recordings/findings)
    "read_answer": _kind(
        "today",
        "患者口头回答了问题，机器没有发现警示内容，请看文字或听录音，必要时回电。",
        "A patient said something in which the machine found no warning sign: please read it, and ring if need be.",
    ),
    # what was said is lost (recordings/findings/machine_flags.py)
    "not_recorded": _kind(
        2,
        "患者的语音回答或留言没有录下来，听不到内容，请回电询问。",
        "What a patient said was not recorded and cannot be heard: please ring and ask.",
        urgent=True,
    ),
    "nurse_score": _kind(
        1,
        "疼痛评分达到护士回电标准，请尽快回电。",
        "The pain score is one a nurse answers: please ring back.",
        urgent=True,
    ),
    # after a doctor's contact, where no call of ours may ask (scheduler/recheck.py)
    "recheck": _kind(
        4,
        "医生已与患者联系，请回电复评疼痛。",
        "A doctor has helped this patient: please ring and ask how strong the pain is now.",
    ),
    "call_wanted": _kind(
        2, "患者要求与工作人员通话，请回电。", "The patient asks to talk to somebody: please ring.", urgent=True
    ),
    # the doctor's call-back (docs/design.md section 5, escalation)
    "patient_unreached": _kind(
        1,
        "医生回电时患者没有接听，请继续联系。",
        "The patient did not answer the doctor: please go on trying.",
        urgent=True,
    ),
    "no_doctor": _kind(
        1,
        "有患者等候医生而无人接听，请立即处理。",
        "A patient waits for a doctor and nobody takes it: please see to it now.",
        urgent=True,
    ),
    # messages
    "sms_reply": _kind(2, "患者发来短信，请阅读并处理。", "The patient wrote an SMS: please read it.", urgent=True),
    "sms_failed": _kind(
        "today", "诊疗短信没有送达，请改用电话。", "A message of the treatment did not arrive: please ring."
    ),
    "sms_stop": _kind(
        "next day",
        "患者退订了短信，请确认随访方式。",
        "The patient wants no more messages: please settle how to go on.",
    ),
    # visits
    "move_visit": _kind("next day", "患者要求改期，请另约时间。", "The patient wants another day for the visit."),
    "cancel_visit": _kind(
        "next day", "患者要求取消预约，请确认。", "The patient wants to cancel the visit: please confirm."
    ),
    # what the nightly look found (scheduler/reconcile.py)
    "no_plan": _kind(
        "today",
        "手术没有随访计划，现已补上，请核对是否漏打。",
        "An operation had no follow-up plan; it has one now: please check what was missed.",
    ),
    "no_call": _kind(
        "today",
        "系统不会再拨打这次随访，请人工随访。",
        "Nothing was going to ring for this follow-up: please ring this patient.",
        urgent=True,
    ),
    # corrections (ivr/corrections.py, scheduler/merge.py)
    "wrong_patient": _kind(
        "today",
        "别人的回答曾记在该患者名下，现已移走，请重新随访。",
        "Another person's answers were taken for this patient's and have been moved: please ask again.",
        urgent=True,
    ),
    "answers_moved": _kind(
        "today",
        "有回答从别人名下移到该患者，请核对并决定是否回电。",
        "Answers were moved to this patient from another record: please read them and decide.",
        urgent=True,
    ),
    "merged": _kind("next day", "两份病历已合并，请核对。", "Two records were made one: please check."),
    # the roster (scheduler/roster_alarm.py)
    "roster_gap": _kind(
        "today",
        "值班表有空档，或有值班人员的电话打不通，请今天安排好。",
        "The roster has gaps, or people whom no ring would reach: please settle it today.",
        urgent=True,
    ),
    "other": _kind("today", "请查看原因并处理。", "Please read the reason and act."),
}

HEARD: Final = ("listen", "read_answer")
"""Kinds whose subject is a recording that whoever does the work has to hear or read."""


def due_at(kind: str, now: datetime, zone: str, hours: Hours) -> datetime:
    """By when the work must be done, UTC. With no calling hours for two months: `now` and the bare time."""
    within = KINDS[kind].within
    if isinstance(within, int):
        return _after(now, timedelta(hours=within), zone, hours)
    later = 0 if within == "today" else 1
    end = _end_of_day(now, zone, hours, later)
    return max(end, _after(now, LEAST, zone, hours)) if end is not None else now + timedelta(days=1 + later)


def _after(now: datetime, wanted: timedelta, zone: str, hours: Hours) -> datetime:
    """`now` plus `wanted`, counted in calling hours only."""
    left = wanted
    for start, end in _spans(now, zone, hours):
        start = max(start, now)
        if end - start >= left:
            return start + left
        left -= end - start
    return now + wanted


def _end_of_day(now: datetime, zone: str, hours: Hours, days_later: int) -> datetime | None:
    """The end of the first calling day that is not over at `now`, from `days_later` days on."""
    today = now.astimezone(ZoneInfo(zone)).date()
    day, last = None, None
    for _, end in _spans(now, zone, hours):
        end_day = end.astimezone(ZoneInfo(zone)).date()
        if (end_day - today).days < days_later:
            continue
        if day is not None and end_day != day:
            break
        day, last = end_day, end
    return last


def _spans(now: datetime, zone: str, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
    """The calling hours that are not over at `now`, in order, UTC."""
    today = now.astimezone(ZoneInfo(zone)).date()
    for ahead in range(LOOK_AHEAD.days):
        day = today + timedelta(days=ahead)
        for first, last in sorted(hours(day)):
            start, end = at_wall(day, first, zone), at_wall(day, last, zone)
            if end > now:
                yield start, end
