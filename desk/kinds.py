"""What a ticket can be about: each kind with its colour, its classes, and its sentence for whoever sees to it. Pure.

Colours and their minutes: docs/clinical.md WO2-4; the split of complaints CMP1; the classes WO14-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Colour = Literal["red", "yellow", "blue"]
COLOURS: tuple[Colour, ...] = ("red", "yellow", "blue")
LINKS = ("registration", "treatment", "admission", "billing", "other")
PROBLEMS = ("attitude", "process", "quality", "facilities", "other")
NATURES = ("request", "suggestion", "complaint", "praise")
CHANNELS = ("phone", "web", "wechat", "counter", "letter", "review", "chat", "system")


@dataclass(frozen=True)
class Kind:
    colour: Colour
    words: Mapping[str, str]
    """One sentence per language."""
    medical: bool | None = None
    link: str = "other"
    problem: str = "other"
    nature: str = "request"


def _kind(
    colour: Colour,
    zh: str,
    en: str,
    *,
    medical: bool | None = None,
    link: str = "other",
    problem: str = "other",
    nature: str = "request",
) -> Kind:
    return Kind(colour, {"zh-CN": zh, "en": en}, medical, link, problem, nature)


KINDS: dict[str, Kind] = {
    "complaint_medical": _kind(
        "red",
        "医疗投诉，请立即处理并在24小时内致电安抚。",
        "A complaint about treatment: at once, and a calming call within 24 h.",
        medical=True,
        link="treatment",
        problem="quality",
        nature="complaint",
    ),
    "complaint_other": _kind(
        "red",
        "非医疗投诉，请给出解决方案和补偿方案。",
        "A complaint that is not medical: a solution and a compensation.",
        medical=False,
        problem="process",
        nature="complaint",
    ),
    "appointment_new": _kind(
        "yellow", "来电者想预约，请回电。", "Somebody wants an appointment: ring.", link="registration"
    ),
    "appointment_change": _kind(
        "yellow", "来电者想改期或查询预约，请回电。", "Somebody wants to move a visit: ring.", link="registration"
    ),
    "appointment_cancel": _kind(
        "yellow", "来电者想取消预约，请处理。", "Somebody wants to cancel a visit.", link="registration"
    ),
    "theme": _kind(
        "yellow",
        "来电者对本期活动感兴趣，请回电。",
        "Somebody asks about the season's offer: ring.",
        link="registration",
    ),
    "message": _kind("blue", "来电者留了言，请听后处理。", "A caller left a message: listen and see to it."),
    "call_back": _kind("yellow", "多次回电未能接通，请人工联系。", "Rung back in vain: please reach this caller."),
    "agent_followup": _kind("blue", "坐席记录了后续事项。", "An agent noted something to follow up."),
    "nurse": _kind("blue", "护士工作清单上的事项。", "An item of the nurses' worklist."),
    "nurse_urgent": _kind("yellow", "护士工作清单上的紧急事项。", "An urgent item of the nurses' worklist."),
    "feedback": _kind("blue", "患者反馈，请处理。", "Feedback of a patient.", nature="suggestion"),
}
