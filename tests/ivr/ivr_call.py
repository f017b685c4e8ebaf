"""A caller for tests: presses, keeps silent, and remembers everything heard and every effect."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ivr.engine import go_on, start, step
from ivr.flow import Flow, load_flows
from ivr.prompts import Prompts, load_prompts
from ivr.talk import Continue, Event, Fact, Facts, Join, Keys, Output, Session, Silence, Turn, with_lines

ROOT = Path(__file__).parents[2]
FLOWS: dict[str, Flow] = load_flows(ROOT / "flows")
PROMPTS: Prompts = load_prompts(ROOT / "prompts")
"""Flows a call begins with; the others are gone on in."""

ALL_FACTS: dict[str, dict[str, Fact]] = {
    "hotline": {
        "hospital": "安和医院",
        "hospital.en": "Anhe Hospital",
        "emergency": "120",
        "recording_on": True,
        "threshold": 4,
        "roster_on": True,
        "minutes": 5,
        "withheld": False,
        "known": True,
        "operator_on": True,
        "ring_back": False,
        "slow": False,
        "agents_on": False,
        "person_on": True,
        "ahead": 0,
        "next_up": True,
        "callback_on": True,
        "agent_known": False,
        "agent_ready": False,
        "agent_paused": False,
        "night": False,
        "holiday": False,
        "postop_first": False,
        "theme": "就诊指南",
        "theme.en": "General information",
        "theme_on": False,
        "theme_number": False,
        "departments": ("骨科", "眼科"),
        "departments.en": ("Orthopaedics", "Eyes"),
        "departments_values": ("orthopaedics", "eyes"),
        "department_number": False,
        "opening_hours": "周一至周五，上午八点到下午五点。",
        "opening_hours.en": "Monday to Friday, eight to five.",
    },
    # flows the hotline goes on in: they are told what it is told
    "followup": {
        "sender": "安和服务中心",
        "hotline": "02155550100",
        "emergency": "120",
        "surname": "王",
        "sex": "female",
        "birth_mmdd": "0506",
        "recording_on": True,
        "threshold": 4,
        "nurse_from": 4,
        "roster_on": True,
        "minutes": 5,
        "operator_on": True,
        "guardian": False,
        "relative_ok": False,
        "slow": False,
        "questions": "",
        "answered": "",
        "pain_known": False,
        "nurse_due": False,
        "resumed": False,
    },
    "reminder": {
        "sender": "安和服务中心",
        "hotline": "02155550100",
        "emergency": "120",
        "surname": "王",
        "sex": "female",
        "birth_mmdd": "0506",
        "recording_on": True,
        "operator_on": True,
        "guardian": False,
        "slow": False,
        "day": "3月8日星期六",
        "day.en": "Saturday, March 8",
        "time": "上午9点05分",
        "time.en": "9:05 a.m.",
        "dept": "骨科",
        "place": "二楼",
        "fasting": True,
    },
    "doctor": {
        "known": True,
        "score": 7,
        "signs": "胸痛",
        "hours": 6,
        "dept": "骨科",
        "surname": "王",
        "sex": "female",
        "age": 52,
        "allergy": "青霉素",
        "recording_on": True,
        "waits": True,
        "mine": True,
        "talked": True,
        "more": False,
        "later": 2,
        "moving": 8,
        "answers": "体温38度以上",
        "answers.en": "38 degrees or more",
    },
    "night": {
        "known": True,
        "score": 7,
        "dept": "骨科",
        "minutes": 6,
        "waits": True,
        "number": "13800001111",
        "surname": "王",
        "sex": "female",
        "age": 52,
    },
    "patient_join": {"sender": "安和服务中心", "known": True, "recording_on": True},
    "operator_join": {"recording_on": True},
    "appointments": {
        "emergency": "120",
        "known_number": True,
        "identified": False,
        "departments": ("骨科", "妇科"),
        "departments.en": ("orthopaedics", "gynaecology"),
        "slots": ("3月8日星期六上午9点", "3月10日星期一下午2点"),
        "slots.en": ("Saturday, March 8, 9 a.m.", "Monday, March 10, 2 p.m."),
        "visits": ("3月8日星期六上午9点",),
        "visits.en": ("Saturday, March 8, 9 a.m.",),
        "slot": "3月8日星期六上午9点",
        "slot.en": "Saturday, March 8, 9 a.m.",
        "when": "3月8日星期六上午9点",
        "when.en": "Saturday, March 8, 9 a.m.",
        "doctor": "李一",
        "place": "二楼",
        "visit_own": True,
        "visit_stands": True,
        "visit_done": False,
        "visit_noted": False,
        "visit_taken": False,
        "reminded": True,
    },
    "test_ring": {"hospital": "安和医院", "hospital.en": "Anhe Hospital"},
    "complaints": {"callback_on": True, "ticket": "00001234", "ticket_minutes": 30},
    "progress": {
        "progress_working": True,
        "progress_department": "骨科",
        "progress_department.en": "orthopaedics",
        "progress_hours": 3,
    },
    "satisfaction": {
        "sender": "安和服务中心",
        "hotline": "02155550100",
        "operator_on": True,
        "day": "3月8日星期六",
        "day.en": "Saturday, March 8",
        "low": False,
    },
    "ticket_alarm": {
        "waits": True,
        "medical": False,
        "red": True,
        "yellow": False,
        "blue": False,
        "dept": "骨科",
        "dept.en": "orthopaedics",
        "ticket": "00001234",
        "late_minutes": 12,
        "more_on": True,
        "more": 2,
    },
    "agent": {
        "waits": True,
        "mine": True,
        "talked": True,
        "back": False,
        "minutes": 2,
        "reason": "预约",
        "reason.en": "an appointment",
        "dept": "骨科",
        "tongue": "普通话",
        "tongue.en": "Mandarin",
        "recording_on": True,
        "surname": "王",
        "sex": "female",
    },
    "agent_sign": {"agent_ready": True, "agent_paused": False, "pin": "4711"},
    "caller_join": {"sender": "安和服务中心", "asked": True, "recording_on": True},
}


GONE_ON_IN = frozenset({"appointments", "complaints", "progress", "agent_sign"})
"""Flows in which a call goes on that the hotline has begun: they do not greet anybody."""


def lines_of(output: Output) -> tuple[str, ...]:
    return () if isinstance(output, Join) else tuple(line.prompt for line in output.lines)


def names_of(turn: Turn) -> list[str]:
    return [effect.name for effect in turn.effects]


def within(turn: Turn, facts: Facts) -> Turn:
    """What is heard when a `continue` of a flow leads on in the same flow."""
    return onward(turn, facts, {turn.session.flow})


def onward(turn: Turn, facts: Facts, into: Collection[str] = FLOWS) -> Turn:
    """What is heard when a `continue` leads on in one of these flows; `facts` are those of all of them."""
    while isinstance(turn.output, Continue) and turn.output.flow in into:
        on = go_on(FLOWS[turn.output.flow], turn.session, turn.output.node, facts, PROMPTS)
        lines = turn.output.lines + getattr(on.output, "lines", ())
        effects, stop = turn.effects + on.effects, turn.stop_recording or on.stop_recording
        turn = Turn(on.session, effects, with_lines(on.output, lines), on.start_recording, stop)
    return turn


class Call:
    def __init__(self, flow: str, language: str = "zh-CN", /, **changed: Fact) -> None:
        facts = {**ALL_FACTS[flow], **changed}
        if flow == "hotline" and "person_on" not in changed:
            facts["person_on"] = facts["operator_on"] or facts["agents_on"]
        self.begin(flow, language, facts)

    @classmethod
    def told(cls, flow: str, facts: dict[str, Fact]) -> Call:
        """A call whose house knows these facts and no others."""
        call = cls.__new__(cls)
        call.begin(flow, "zh-CN", facts)
        return call

    def begin(self, flow: str, language: str, facts: dict[str, Fact]) -> None:
        self.flow, self.facts = FLOWS[flow], facts
        self.turns = [start(self.flow, language, facts, PROMPTS)]

    def does(self, event: Event) -> Call:
        self.turns.append(within(step(self.flow, self.session, event, self.facts, PROMPTS), self.facts))
        return self

    def press(self, *keys: str) -> Call:
        for key in keys:
            self.does(Keys(key) if key else Silence())
        return self

    def silent(self, times: int = 1) -> Call:
        return self.press(*[""] * times)

    @property
    def turn(self) -> Turn:
        return self.turns[-1]

    @property
    def session(self) -> Session:
        return self.turn.session

    @property
    def node(self) -> str:
        return self.session.node

    @property
    def heard(self) -> tuple[str, ...]:
        return lines_of(self.turn.output)

    @property
    def text(self) -> str:
        return "" if isinstance(self.turn.output, Join) else " ".join(line.text for line in self.turn.output.lines)

    @property
    def effects(self) -> list[tuple[str, dict[str, Fact]]]:
        """Of the last turn."""
        return [(effect.name, dict(effect.data)) for effect in self.turn.effects]

    @property
    def all_effects(self) -> list[tuple[str, dict[str, Fact]]]:
        return [(effect.name, dict(effect.data)) for turn in self.turns for effect in turn.effects]
