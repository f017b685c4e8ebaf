"""One turn of a call: (flow, session, what the caller did) -> (session, effects, what the caller hears).

Pure: no clock, no database, no request. Whatever a caller does leads on: an event that cannot happen
here goes to the flow's `lost` node, never to an exception. What raises is a mistake of the house: a fact
the flow declares and did not get, a step on a call that has ended, a flow that `check.py` refuses.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from ivr import nodes, talk
from ivr.flow import Flow
from ivr.nodes import GLOBAL_KEYS, Confirm, Goto, Menu, Notice, Number, Pick, Questions
from ivr.prompts import Prompts
from ivr.questions import Meaning
from ivr.talk import Event, Fact, Facts, Keys, Session, Silence, Turn
from ivr.walk import Walk

MAX_TURNS = 120
"""No conversation is this long; a key stuck on "repeat" is."""
DIGITS = frozenset("0123456789")
SHAPES: dict[str, range] = {"month_day": range(4, 5), "phone": range(5, 21)}
LOOKED_UP = ("birthday", "holder", "ticket")
"""Numbers only the house can judge: the right one comes as talk.Matched."""
BANDS = {"0": ("none", 0), "1": ("mild", 2), "2": ("moderate", 5), "3": ("severe", 8)}
"""Key -> its word and the score it counts as (docs/clinical.md 2, Scale)."""


def start(flow: Flow, language: str, facts: Facts, prompts: Prompts) -> Turn:
    """The first turn of a call just answered; an unknown language becomes the hospital's first one."""
    spoken = language if language in prompts.languages else prompts.languages[0]
    slow = facts.get("slow") is True
    session = Session(flow=flow.name, version=flow.version, node=flow.start, language=spoken, slow=slow)
    return _Hearing(flow, session, facts, prompts).enter(flow.start)


def go_on(flow: Flow, session: Session, node: str, facts: Facts, prompts: Prompts) -> Turn:
    """The turn after talk.Continue: the same call, now in `flow`."""
    slow = session.slow or facts.get("slow") is True
    moved = replace(session, flow=flow.name, version=flow.version, slow=slow)
    return _Hearing(flow, moved, facts, prompts).enter(node)


def step(flow: Flow, session: Session, event: Event, facts: Facts, prompts: Prompts) -> Turn:
    if session.ended:
        raise ValueError(f"{type(event).__name__} came after the end, at {session.flow}.{session.node}")
    if session.flow != flow.name:
        raise ValueError(f"the session is of flow {session.flow}, not {flow.name}")
    if session.language not in prompts.languages:
        session = replace(session, language=prompts.languages[0])
    hearing = _Hearing(flow, session, facts, prompts)
    return hearing.enter(flow.over) if session.turn >= MAX_TURNS else hearing.hear(event)


def while_waiting(flow: Flow, session: Session, facts: Facts, prompts: Prompts) -> talk.Wait | None:
    """What a caller hears who waits at a `wait` or `queue` node; None for a call that stands elsewhere."""
    node = flow.nodes.get(session.node)
    if session.ended or not isinstance(node, nodes.Wait | nodes.Queue):
        return None
    walk = Walk(flow, session, facts, prompts)
    whom: Literal["doctor", "agent"] = "doctor" if isinstance(node, nodes.Wait) else "agent"
    return talk.Wait((), walk.aside(node.speak), walk.aside(node.news), whom)


class _Hearing(Walk):
    """What an event means at the node the caller stands on."""

    def hear(self, event: Event) -> Turn:
        node = self.flow.nodes.get(self.session.node)
        match node, event:
            case Notice(), Keys() | Silence():
                return self.hear_notice(node, event)
            case Menu(), Keys() | Silence():
                return self.hear_choice(node, event, node.keys)
            case Questions(), Keys() | Silence():
                return self.hear_question(node, event)
            case Pick(), Keys() | Silence():
                return self.hear_pick(node, event)
            case Number(), talk.Matched() if node.kind in LOOKED_UP:
                if node.kind != "ticket":
                    self.emit("identity_confirmed")
                return self.enter(node.next)
            case Number(), Keys() | Silence():
                return self.hear_number(node, event)
            case Confirm(), Keys() | Silence() if self.session.score is not None:
                return self.hear_confirm(node, event)
            case nodes.Take(), talk.Recorded() | Silence():
                return self.hear_take(node, event)
            case nodes.Connect(), talk.Connected():
                if node.target == "operator":
                    self.session = replace(self.session, person="served")
                return self.go(node.connected)
            case nodes.Connect(), talk.NotConnected():
                return self.go(node.reasons.get(event.reason, node.not_connected))
            case nodes.Hold(), talk.Resumed():
                return self.enter(node.next)
            case nodes.Wait(), talk.Left():
                if event.why == "nurse":
                    return self.ask_person()
                return self.enter({"bridged": node.joined, "closed": node.closed}.get(event.why, node.lost))
            case nodes.Queue(), talk.Left("again"):
                return self.enter(self.session.node)
            case nodes.Queue(), talk.Left():
                ends = {"bridged": node.served, "callback": node.callback, "message": node.message}
                ends |= {"overflow": node.message, "closed": node.closed}
                return self.enter(ends.get(event.why, node.lost))
            case Notice() | Menu() | Questions() | Pick() | Number(), talk.Started():
                return self.answer(node)
            case Confirm(), talk.Started() if self.session.score is not None:
                return self.answer(node)
            case _:
                return self.enter(self.flow.lost)

    def hear_notice(self, node: Notice, event: Keys | Silence) -> Turn:
        key = event.digits if isinstance(event, Keys) else ""
        if key == "*":
            if self.facts.get("recording_on") is True:
                self.session = replace(self.session, recording="declined")
                self.emit("recording_declined")
                self.speak(node.declined)
            return self.enter(node.next)
        self.start_recording()
        arrived = self.enter(node.next)
        if not key or not isinstance(arrived.output, talk.Ask):
            return arrived
        # a hurried caller who pressed his choice into the notice has pressed it at the menu
        self.session, self.lines = replace(arrived.session, turn=arrived.session.turn - 1), []
        return self.hear(Keys(key))

    def again(self, node: Menu | Questions | Pick | Number | Confirm, prompt: str, failed: Goto, *, full: bool) -> Turn:
        """One failure more: say what was wrong and ask again, or after the last one go where failures go."""
        self.session = replace(self.session, tries=self.session.tries + 1)
        if self.session.tries >= node.tries:
            return self.pass_question(node) if isinstance(node, Questions) else self.go(failed)
        self.say(prompt, self.session.language)
        return self.answer(node, full=full)

    def hear_choice(self, node: Menu | Questions | Pick, event: Keys | Silence, keys: Mapping[str, Goto]) -> Turn:
        if isinstance(event, Silence):
            self.slowly()
            return self.again(node, node.silent, node.failed, full=True)
        key = event.digits
        if key in keys:
            return self.go(keys[key])
        if key == "#":  # the late pound of a number that was already complete (twilio.md 4.2 Gather)
            return self.answer(node)
        wanted = GLOBAL_KEYS.get(key)
        if wanted not in node.globals:
            return self.again(node, node.invalid, node.failed, full=True)
        if wanted == "operator":
            return self.ask_person()
        if wanted == "repeat":
            self.slowly()
        elif other := self.prompts.other(self.session.language):
            self.session = replace(self.session, language=other)
            self.emit("language_chosen", language=other)
        return self.answer(node)

    def hear_pick(self, node: Pick, event: Keys | Silence) -> Turn:
        options = self.options(node)
        key = event.digits if isinstance(event, Keys) else ""
        if not (key.isdigit() and 1 <= int(key) <= len(options)):
            return self.hear_choice(node, event, node.keys)
        values = self.facts.get(f"{node.options}_values")
        value = values[int(key) - 1] if isinstance(values, tuple) and len(values) >= int(key) else key
        self.emit("picked", what=node.options, value=value)
        return self.enter(node.next)

    # ---- closed questions ------------------------------------------------------------------------
    def hear_question(self, node: Questions, event: Keys | Silence) -> Turn:
        asked = self.asked()
        if asked is None:  # taken out of the file while the call was on
            return self.enter(self.session.node)
        if isinstance(event, Keys) and event.digits in asked.keys:
            return self.answered(node, asked.keys[event.digits], asked.consent)
        return self.hear_choice(node, event, node.keys)

    def answered(self, node: Questions, meaning: Meaning, consent: str | None) -> Turn:
        key, level = self.session.question, meaning.level
        self.emit("answer", question=key, value=meaning.value, level=level)
        if consent is not None and self.session.respondent == "self":
            self.emit("consent", purpose=consent, given=meaning.value == "yes")
        if meaning.work is not None:
            self.emit("work_wanted", kind=meaning.work, why=key)
        if level:
            self.emit("red_flag", question=key, level=level)
        nurse = self.session.nurse or level == "C"
        self.session = replace(self.session, done=(*self.session.done, key), passed=0, nurse=nurse)
        if level == "A":
            return self.enter(node.emergency)
        return self.enter(node.doctor if level == "B" else self.session.node)

    def pass_question(self, node: Questions) -> Turn:
        """Three failures: the question is left, and the next one asked; after two running, not even that."""
        key = self.session.question
        self.emit("question_skipped", question=key)
        self.session = replace(self.session, done=(*self.session.done, key), passed=self.session.passed + 1)
        if self.session.passed < 2 and self.open_questions():
            self.speak(node.passed)
        return self.enter(self.session.node)

    # ---- numbers ---------------------------------------------------------------------------------
    def hear_number(self, node: Number, event: Keys | Silence) -> Turn:
        if isinstance(event, Silence):
            self.slowly()
            return self.again(node, node.silent, self.number_failed(node), full=False)
        digits = event.digits.removesuffix("#")
        if "*" in digits and node.kind != "pin":
            return self.ask_person()
        if wrong := self.wrong_number(node, digits):
            if node.kind == "pin" and digits:
                self.emit("pin_wrong")
            return self.again(node, wrong, self.number_failed(node), full=False)
        if node.kind == "pain":
            self.key_score(node.question, int(digits), digits)
        elif node.kind == "band":
            word, score = BANDS[digits]
            self.emit("answer", question=f"{node.question}_band", value=word, level="")
            self.key_score(node.question, score, digits, band=True)
        elif node.kind == "month_day":
            self.emit("identity_confirmed")
        elif node.kind == "pin":
            self.session = replace(self.session, proved=True)
        else:
            self.emit("number_given", number=digits)
        return self.enter(node.next)

    def wrong_number(self, node: Number, digits: str) -> str | None:
        """The prompt that says what is wrong; never a guess (docs/clinical.md 2, "10 vs 1 on a keypad")."""
        if not digits or not DIGITS.issuperset(digits):
            return node.wrong
        if node.kind == "pain":
            if len(digits) > 1 and digits[0] == "0":
                return node.zero or node.wrong
            return node.wrong if int(digits) > 10 else None
        if node.kind == "band":
            return None if digits in BANDS else node.wrong
        if node.kind == "pin":
            right = hmac.compare_digest(digits.encode(), str(self.facts.get("pin", "")).encode())
            return None if right else node.wrong
        if node.kind in LOOKED_UP or len(digits) not in SHAPES[node.kind]:
            return node.wrong
        if node.kind == "month_day" and digits != self.facts.get("birth_mmdd"):
            return node.wrong
        return None

    def number_failed(self, node: Number) -> Goto:
        if node.kind != "month_day" or self.session.tries + 1 < node.tries:
            return node.failed
        self.emit("identity_failed")
        return node.failed

    def hear_confirm(self, node: Confirm, event: Keys | Silence) -> Turn:
        key = event.digits if isinstance(event, Keys) else ""
        if not key:
            self.slowly()
        if key == "1":
            self.confirm_score("band" if self.session.band else "key")
        elif key == "2":
            self.emit("score_withdrawn")
            self.session = replace(self.session, score=None, score_raw="", band=False)
            return self.enter(node.again)
        elif key == "0" and self.session.score == 1:  # a slow "1 0": severe must not become mild
            self.key_score(self.session.scored, 10, "1,0")
            self.confirm_score("zero_after_one")
        elif key in {"0", "*"}:
            return self.ask_person()
        elif key in {"9", "#"}:
            if key == "9":
                self.slowly()
            return self.answer(node)
        elif self.session.tries + 1 < node.tries:
            return self.again(node, node.invalid if key else node.silent, Goto(to=node.next), full=True)
        else:
            self.confirm_score("unanswered")
        return self.enter(node.next)

    def hear_take(self, node: nodes.Take, event: talk.Recorded | Silence) -> Turn:
        if isinstance(event, Silence) or event.seconds == 0:
            return self.enter(node.empty or node.next)
        kept: dict[str, Fact] = {"recording_sid": event.recording_sid, "seconds": event.seconds}
        if node.question:
            self.emit("open_answer", question=node.question, **kept)
        else:
            self.session = replace(self.session, person="served" if self.session.person else "")
            self.emit("message_taken", purpose=node.purpose, **kept)
        return self.enter(node.next)
