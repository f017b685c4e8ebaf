"""A flow walked by hand, without a telephone: invented facts, and what a typed line means as an event. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ivr import talk
from ivr.flow import Flow, FlowError
from ivr.nodes import Number
from ivr.talk import Event, Fact

BIRTHDAY = "0506"
KNOWN = {"birthday": BIRTHDAY, "holder": BIRTHDAY, "ticket": "10000112"}
"""What the house would find, by kind of number."""
INVENTED: dict[str, Fact] = {
    **{"hospital": "安和医院", "hospital.en": "Anhe Hospital"},
    **{"sender": "安和服务中心", "sender.en": "Anhe Service Centre"},
    **{"hotline": "01055550100", "emergency": "120", "minutes": 5, "threshold": 4, "nurse_from": 4},
    **{"surname": "王", "surname.en": "Example", "sex": "female", "birth_mmdd": BIRTHDAY, "age": 52},
    **{"recording_on": True, "roster_on": True, "operator_on": True, "known": True, "withheld": False},
    **{
        "score": 7,
        "hours": 6,
        "dept": "骨科",
        "dept.en": "orthopaedics",
        "allergy": "青霉素",
        "allergy.en": "penicillin",
    },
    **{"day": "3月8日星期六", "day.en": "Saturday, March 8", "time": "上午9点", "time.en": "9 a.m."},
    **{"place": "门诊二楼", "place.en": "second floor"},
    **{"waits": True, "mine": True, "talked": True, "later": 2, "number": "01055550111"},
    **{"answers": "没有发热", "answers.en": "no fever"},
    **{"person_on": True, "next_up": True, "callback_on": True},
    **{"theme": "就诊指南", "theme.en": "General information"},
    **{"departments": ("骨科", "眼科"), "departments.en": ("Orthopaedics", "Eyes")},
    **{"opening_hours": "周一至周五，八点到十七点。", "opening_hours.en": "Monday to Friday, eight to five."},
    **{"known_number": True, "visit_own": True, "visit_stands": True, "visit_done": True, "reminded": True},
    **{"departments": ("骨科", "妇科"), "departments.en": ("orthopaedics", "gynaecology")},
    **{"slots": ("3月8日星期六上午9点",), "slots.en": ("Saturday, March 8, 9 a.m.",)},
    **{"visits": ("3月8日星期六上午9点",), "visits.en": ("Saturday, March 8, 9 a.m.",)},
    **{"slot": "3月8日星期六上午9点", "slot.en": "Saturday, March 8, 9 a.m."},
    **{"when": "3月8日星期六上午9点", "when.en": "Saturday, March 8, 9 a.m."},
    **{"ticket": "10000112", "ticket_minutes": 30, "progress_working": True, "progress_hours": 3},
    **{"progress_department": "骨科", "progress_department.en": "orthopaedics"},
}
"""Obviously invented people and places."""
NOTHING: Mapping[str, Fact] = {"flag": False, "number": 0, "list": ()}
"""What stands for a fact nobody has invented, by its kind; a text is empty."""
WAVE = "6h"
LEFT_THE_LINE: dict[str, Literal["bridged", "callback", "message"]] = {"y": "bridged", "1": "callback", "2": "message"}


def facts(flow: Flow, given: list[str]) -> dict[str, Fact]:
    """Everything the flow declares, with `given` ("name=value") in place of what is invented. "wave=48h" chooses the
    questions of another wave. Raises FlowError with one sentence."""
    told: dict[str, Fact] = {name: value for name, value in INVENTED.items() if name.split(".")[0] in flow.facts}
    for name, kind in flow.facts.items():
        if name not in told and not kind.endswith("?"):
            told[name] = NOTHING.get(kind, "")
    wave = WAVE
    for word in given:
        name, equals, value = word.partition("=")
        if name == "wave" and equals:
            wave = value
        elif name in flow.facts and equals:
            told[name] = _typed(name, flow.facts[name].rstrip("?"), value)
            for other in [key for key in told if key.startswith(f"{name}.")]:
                del told[other]  # one text for every language
        else:
            raise FlowError(f"--fact {word}: not name=value with a fact of the flow {flow.name}: {_names(flow)}")
    if "questions" in flow.facts and not any(word.startswith("questions=") for word in given):
        told["questions"] = " ".join(flow.asked.of_wave(wave))
    return told


def _names(flow: Flow) -> str:
    return ", ".join([*flow.facts, *(["wave"] if "questions" in flow.facts else [])])


def _typed(name: str, kind: str, value: str) -> Fact:
    if kind == "number":
        if not value.lstrip("-").isdigit():
            raise FlowError(f"--fact {name}={value}: is a number")
        return int(value)
    if kind == "flag":
        words: Mapping[str, bool] = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        if value.lower() not in words:
            raise FlowError(f"--fact {name}={value}: is yes or no")
        return words[value.lower()]
    return value


def asks_for(output: talk.Output) -> str:
    """What a person at the terminal is told to type."""
    match output:
        case talk.Ask():
            return "keys"
        case talk.Take():
            return "say something"
        case talk.Connect():
            return f"does the {output.target} answer (y)"
        case talk.Wait(whom="agent"):
            return "the caller waits in line: y an agent talks with him, 1 call back, 2 message, nothing it breaks off"
        case talk.Wait():
            return "the caller waits: y the doctor talks with him, 0 a person, nothing the wait breaks off"
    return ""


def event(flow: Flow, session: talk.Session, output: talk.Output, typed: str) -> Event:
    """What the line does that was typed where `output` was heard; an empty line is silence."""
    match output:
        case talk.Take():
            return talk.Recorded("RE-rehearsal", max(1, len(typed.split()))) if typed else talk.Silence()
        case talk.Connect():
            return talk.Connected(60) if typed.lower().startswith("y") else talk.NotConnected("no_answer")
        case talk.Hold():
            return talk.Resumed()
        case talk.Wait():
            if output.whom == "agent":
                return talk.Left(LEFT_THE_LINE.get(typed.lower()[:1], "error"))
            return talk.Left("nurse" if typed == "0" else "bridged" if typed.lower().startswith("y") else "error")
    node = flow.nodes.get(session.node)
    if isinstance(node, Number) and typed.removesuffix("#") == KNOWN.get(node.kind):
        return talk.Matched()
    # a pound alone ends an entry that has no digits; at a menu it is a key of its own
    return talk.Keys(typed.removesuffix("#") or typed) if typed else talk.Silence()
