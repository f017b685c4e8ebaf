"""A storm at the desk: agents who answer as they like, callers who do as they like, and a carrier whose callbacks come
late, twice, out of order or never. Everything is drawn from a seed; nothing here knows how the line works."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from desk import agents
from tests.house import HOTLINE
from tests.stack import Stage, Step, imported

# the sentences people act upon, as in prompts/*.yaml
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "person": "A person, 0", "option": "{} press 1", "pain": "Rate your pain", "line": "You are in line",
        "back": "To be called back", "message": "To leave a message", "number": "Enter the number we should call",
        "joined": "A staff member is on the line", "talk": "To talk, press 1", "take": "To take it, press 1",
        "outcome": "What came of it",
    },
    "zh-CN": {
        "person": "人工请按0", "pain": "请给现在的疼痛打分", "line": "您已进入人工排队", "back": "等我们回电请按1",
        "message": "留言请按2", "number": "请输入给您回电的号码", "joined": "客服接通了", "talk": "要通话请按1",
        "take": "接听请按1，转给别人请按2", "outcome": "请登记结果",
    },
}  # fmt: skip
DEPARTMENTS = {"surgery": ("外科", "Surgery"), "eyes": ("眼科", "Eyes")}
PIN = "2468"


# ---- agents --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Staff:
    login: str
    phone: str
    languages: str
    skills: str
    pin: str = ""

    @property
    def words(self) -> dict[str, str]:
        return WORDS[self.languages.split()[0]]


STAFF = (
    Staff("kim", "+861055550131", "en zh-CN", "", PIN),
    Staff("li", "+861055550132", "zh-CN", "surgery"),
    Staff("max", "+861055550133", "en", "eyes"),
)
ACTS = {
    # what an agent does with a ring, and how often
    "accepts": 9, "accepts and hangs up first": 4, "accepts and is gone": 1, "says call again": 1, "passes on": 3,
    "does not answer": 2, "voicemail": 2, "no key": 1, "hangs up at once": 1,
}  # fmt: skip


def _act(name: str, words: dict[str, str], draw: random.Random) -> tuple[str, list[Step]]:
    """Behaviour and script of an agent's telephone for one ring."""
    take: Step = {"on": words["take"], "at": "start", "press": "1"}
    done: list[Step] = [{"on": words["outcome"], "press": draw.choice("12")}]
    scripts: dict[str, list[Step]] = {
        "accepts": [take, *done],
        "accepts and hangs up first": [take, {"after": draw.uniform(6, 40), "hangup": True}],
        "accepts and is gone": [take, {"after": draw.uniform(0.5, 3), "hangup": True}],
        "says call again": [take, {"on": words["outcome"], "press": "3"}],
        "passes on": [{"on": words["take"], "press": "2"}],
        "hangs up at once": [{"after": 2, "hangup": True}],
    }
    behaviour = {"does not answer": "no-answer", "voicemail": "machine"}.get(name, "answer")
    return behaviour, scripts.get(name, [])


def telephone_of(staff: Staff, draw: random.Random) -> dict[str, Any]:
    """What this agent's telephone does, ring by ring; at last they take whoever comes."""
    names = [*draw.choices(list(ACTS), list(ACTS.values()), k=20), "accepts"]
    acts = [_act(name, staff.words, draw) for name in names]
    return {
        "behaviours": [behaviour for behaviour, _ in acts],
        "scripts": [script for _, script in acts],
        "answer_after": draw.uniform(1, 5),
        "greeting_s": 4,
    }


# ---- callers -------------------------------------------------------------------------------------
KINDS = (
    "waits", "waits", "waits", "waits", "hangs up at once", "hangs up", "hangs up", "asks", "asks", "leaves a message",
    "leaves none", "comes again", "hidden waits", "hidden asks", "hidden hangs up",
)  # fmt: skip
"""Each is there at least so often; the rest are drawn from them."""
PICKS_UP = ("picks up", "picks up", "picks up", "never", "the second time", "voicemail", "no key")


@dataclass
class Caller:
    number: str
    kind: str
    language: str
    way: str
    """operator | postop | a department"""
    at_s: float
    """So long after the beginning they ring."""
    picks_up: str
    talk_s: float
    hurry_s: float
    """So long they wait before they hang up."""
    rang: list[str] = field(default_factory=list)
    """SIDs of the calls they made."""

    @property
    def withheld(self) -> bool:
        return self.kind.startswith("hidden")

    def into_the_line(self) -> list[Step]:
        words = WORDS[self.language]
        steps: list[Step] = [{"on": "For English, press 8", "press": "8"}] if self.language == "en" else []
        if self.way == "operator":
            return [*steps, {"on": words["person"], "press": "0"}]
        if self.way == "postop":
            return [*steps, {"on": words["person"], "press": "2"}, {"on": words["pain"], "press": "*"}]
        spoken = DEPARTMENTS[self.way][self.language == "en"]
        key = str(list(DEPARTMENTS).index(self.way) + 1)
        return [*steps, {"on": words["person"], "press": "5"}, {"on": spoken, "press": key}]

    def script(self, *, again: bool = False) -> list[Step]:
        words = WORDS[self.language]
        kind = "waits" if again else self.kind.removeprefix("hidden ")
        waits: list[Step] = [{"on": words["joined"]}, {"after": self.talk_s, "hangup": True}]
        does: dict[str, list[Step]] = {
            "waits": waits,
            "hangs up at once": [{"on": words["line"], "at": "start", "after": 0.5, "hangup": True}],
            "hangs up": [{"on": words["line"], "after": self.hurry_s, "hangup": True}],
            "asks": [{"on": words["back"], "press": "1"}],
            "leaves a message": [
                {"on": words["message"], "press": "2"}, {"on": "beep", "say": "Please ring me."}, {"press": "#"},
            ],
            "leaves none": [{"on": words["message"], "press": "2"}, {"on": "beep", "after": 1, "hangup": True}],
        }  # fmt: skip
        does["comes again"] = does["hangs up"]
        keyed: list[Step] = [{"on": words["number"], "press": f"0{self.number[3:]}#"}] if self.withheld else []
        return [*self.into_the_line(), *does[kind], *(keyed if kind == "asks" else [])]

    def telephone(self) -> dict[str, Any]:
        """What it does when we ring."""
        words = WORDS[self.language]
        talks: list[Step] = [{"on": words["talk"], "press": "1"}, {"after": self.talk_s, "hangup": True}]
        behaviours = {
            "never": ["no-answer"], "the second time": ["no-answer", "answer"], "voicemail": ["machine"],
        }.get(self.picks_up, ["answer"])  # fmt: skip
        return {"behaviours": behaviours, "script": [] if self.picks_up == "no key" else talks, "answer_after": 3}


def callers(draw: random.Random, count: int) -> list[Caller]:
    kinds = [*KINDS, *draw.choices(KINDS, k=count - len(KINDS))]
    draw.shuffle(kinds)
    at, found = 0.0, []
    for number, kind in enumerate(kinds):
        found.append(
            Caller(
                f"+8610555504{number:02}", kind, draw.choice(("en", "zh-CN")),
                draw.choice(("operator", "operator", "postop", *DEPARTMENTS)), at,
                draw.choice(PICKS_UP), draw.uniform(8, 30), draw.uniform(10, 60),
            )
        )  # fmt: skip
        at += draw.uniform(0, 18)
    return found


# ---- the weather ---------------------------------------------------------------------------------
GUST_S = 15


@dataclass
class Weather:
    """What becomes of the carrier's callbacks; every few seconds something else."""

    draw: random.Random
    next_at: datetime | None = None

    def blows(self, stage: Stage) -> None:
        now = stage.now()
        if self.next_at is not None and now < self.next_at:
            return
        self.next_at = now + timedelta(seconds=GUST_S)
        some = self.draw.randint
        stage.chaos(
            drop_callbacks=some(0, 3), duplicate_callbacks=some(0, 4), reorder_callbacks=some(0, 4),
            delay_callbacks_s=self.draw.choice((2, 8, 45)), delay_callbacks=some(0, 3),
        )  # fmt: skip


# ---- the storm -----------------------------------------------------------------------------------
HOSPITAL_OF_THE_STORM = "\n[desk]\nring_s = 15\nwrap_up_s = 5\nlongest_wait_s = 120\ncallback_tries = 2\n" + (
    "[calling]\nlines = 60\nlines_reserved = 2\ncalls_per_second = 20.0\n"
    "[hotline]\nanswer_s = [3, 10, 15, 45, 120]\n"
) + "".join(
    f'[[hotline.departments]]\nname = "{name}"\nsay = {{ "zh-CN" = "{zh}", en = "{en}" }}\n'
    for name, (zh, en) in DEPARTMENTS.items()
)  # fmt: skip
CALLBACK_TRIES = 2
RESTS_S = 20


@dataclass
class Storm:
    stage: Stage
    people: Sequence[Caller]
    draw: random.Random
    weather: Weather
    began: datetime

    @classmethod
    def gathers(cls, stage: Stage, seed: int, count: int = 20) -> Storm:
        """Agents are signed in, telephones know what they do."""
        draw = random.Random(seed)
        file = stage.home / "staff.csv"
        rows = [
            f"{one.login},{one.login} Example,agent,{one.phone},{one.languages},{one.skills},{one.pin}" for one in STAFF
        ]
        file.write_text("\n".join(["login,name,role,phone,language,skills,pin", *rows, ""]), encoding="utf-8")
        imported(stage, "staff", file)
        people = callers(draw, count)
        for staff in STAFF:
            stage.carrier("PUT", f"/control/phones/{staff.phone}", json=telephone_of(staff, draw))
        for one in people:
            stage.carrier("PUT", f"/control/phones/{one.number}", json=one.telephone())
        first, *others = STAFF
        stage.phone(first.phone).rings(
            HOTLINE,
            {"on": "签到或签退请按1", "press": "1"},
            {"on": "请输入您的密码", "press": f"{first.pin}#"},
            {"on": "接听请按1，暂停请按2", "press": "1"},
        )
        for staff in others:
            with stage.house.transaction() as session:
                agents.sign(session, staff.login, "ready", "test", stage.now())
        return cls(stage, people, draw, Weather(draw), stage.now())

    def passes(self) -> None:
        """Everybody rings, one after the other; one agent goes for tea in the middle."""
        again: list[tuple[float, Caller]] = []
        calls = [(one.at_s, one, False) for one in self.people]
        for one in self.people:
            if one.kind == "comes again":
                again.append((one.at_s + one.hurry_s + 75, one))
        calls += [(at, one, True) for at, one in again]
        tea = self.draw.uniform(60, 150)
        for at_s, one, is_again in sorted(calls, key=lambda call: call[0]):
            self.stage.until(lambda at_s=at_s: self.is_past(at_s), "the next caller's moment")  # type: ignore[misc]
            if tea < at_s:
                with self.stage.house.transaction() as session:
                    agents.sign(session, self.draw.choice(STAFF).login, "paused", "test", self.stage.now())
                tea = float("inf")
            if is_again:
                self.stage.conversation(one.rang[0])  # one telephone, one call
            ring = self.stage.phone(one.number).starts_ringing
            one.rang.append(ring(HOTLINE, *one.script(again=is_again), withheld=one.withheld))

    def is_past(self, at_s: float) -> bool:
        self.goes_on()
        return self.stage.now() >= self.began + timedelta(seconds=at_s)

    def goes_on(self) -> None:
        """The weather changes, and whoever paused, or was paused, comes back after a while."""
        self.weather.blows(self.stage)
        now = self.stage.now()
        with self.stage.house.transaction() as session:
            for row in agents.board(session, now):
                if row.status == "paused" and now - row.since > timedelta(seconds=RESTS_S):
                    agents.sign(session, row.login, "ready", "test", now)


