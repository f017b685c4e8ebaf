"""One turn of a call: (flow, session, what the caller did) -> (session, effects, what the caller hears).

Pure: no clock, no database, no request. Whatever a caller does leads on: an event that cannot happen
here goes to the flow's `lost` node, never to an exception. What raises is a mistake of the house: a fact
the flow declares and did not get, a step on a call that has ended, a flow that `check.py` refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ivr import nodes, talk
from ivr.flow import Flow, FlowError
from ivr.nodes import GLOBAL_KEYS, Condition, Confirm, FlowEffect, Goto, InOther, Menu, Notice, Number, Spoken
from ivr.prompts import Prompts
from ivr.talk import Effect, Event, Fact, Facts, Keys, Line, Output, Session, Silence, Turn

MAX_TURNS = 60
"""No conversation is this long; a key stuck on "repeat" is."""
DIGITS = frozenset("0123456789")
SHAPES: dict[str, range] = {"month_day": range(4, 5), "phone": range(5, 21)}
MAX_KEYS = {"pain": 2, "month_day": 4, "phone": 20}


def start(flow: Flow, language: str, facts: Facts, prompts: Prompts) -> Turn:
    """The first turn of a call just answered; an unknown language becomes the hospital's first one."""
    spoken = language if language in prompts.languages else prompts.languages[0]
    session = Session(flow=flow.name, version=flow.version, node=flow.start, language=spoken)
    return _Walk(flow, session, facts, prompts).enter(flow.start)


def step(flow: Flow, session: Session, event: Event, facts: Facts, prompts: Prompts) -> Turn:
    if session.ended:
        raise ValueError(f"{type(event).__name__} came after the end, at {session.flow}.{session.node}")
    if session.flow != flow.name:
        raise ValueError(f"the session is of flow {session.flow}, not {flow.name}")
    if session.language not in prompts.languages:
        session = replace(session, language=prompts.languages[0])
    walk = _Walk(flow, session, facts, prompts)
    return walk.enter(flow.over) if session.turn >= MAX_TURNS else walk.hear(event)


class _Walk:
    """The making of one turn: it gathers effects and lines until a node answers."""

    def __init__(self, flow: Flow, session: Session, facts: Facts, prompts: Prompts) -> None:
        if problems := flow.fact_problems(facts):
            raise FlowError(f"{flow.name}: {problems[0]}")
        self.flow, self.session, self.facts, self.prompts = flow, session, facts, prompts
        self.phones = frozenset(name for name, kind in flow.facts.items() if kind.startswith("phone"))
        self.effects: list[Effect] = []
        self.lines: list[Line] = []
        self.record = False

    # ---- saying and noting -----------------------------------------------------------------------
    def emit(self, name: str, **data: Fact) -> None:
        self.effects.append(Effect(name, data))

    def note(self, effect: FlowEffect | None) -> None:
        if effect is not None:
            self.emit(effect.name, **effect.data)

    def known(self, fact: str) -> bool:
        return self.facts.get(fact, "") != ""

    def holds(self, condition: Condition) -> bool:
        if condition.kind == "known":
            return self.known(condition.name)
        if condition.kind == "fact":
            return self.facts.get(condition.name) is True
        if condition.kind == "may_record":
            return self.session.recording != "declined" and self.facts.get("recording_on") is True
        score, threshold = self.session.score, self.facts.get("threshold")
        # no score where one is asked for: the careful way is the doctor's
        return score is None or not isinstance(threshold, int) or score >= threshold

    def speak(self, speech: Sequence[Spoken]) -> None:
        language = self.session.language
        for item in speech:
            if isinstance(item, str):
                self.say(item, language)
            elif isinstance(item, InOther):
                if other := self.prompts.other(language):
                    self.say(item.other, other)
            else:
                for key in item.then if self.holds(item.if_) else item.otherwise:
                    self.say(key, language)

    def say(self, key: str, language: str) -> None:
        values = self.prompts.values(language, self.facts, self.phones, self.session.score)
        self.lines.append(self.prompts.line(key, language, values))

    # ---- going somewhere -------------------------------------------------------------------------
    def go(self, edge: Goto) -> Turn:
        self.note(edge.effect)
        return self.enter(edge.to)

    def enter(self, name: str) -> Turn:
        """Walk on to the first node that answers; branches and sayings pass by on the way."""
        for _ in self.flow.nodes:
            node = self.flow.nodes[name]
            if isinstance(node, nodes.Say):
                self.speak(node.speak)
                self.note(node.effect)
                name = node.next
            elif isinstance(node, nodes.Branch):
                name = node.then if self.holds(node.if_) else node.otherwise
            elif edge := self.passed_by(node):
                self.note(edge.effect)
                name = edge.to
            else:
                self.session = replace(self.session, node=name, tries=0)
                return self.answer(node)
        raise FlowError(f"{self.flow.name}: {name}: sayings and branches lead in a ring")

    def passed_by(self, node: nodes.Node) -> Goto | None:
        """Nodes that cannot be stood on now: an identity nobody can prove, no score to confirm, a connect
        tried too often."""
        if isinstance(node, Number) and node.kind == "month_day" and not self.known("birth_mmdd"):
            self.emit("identity_failed")
            return node.failed
        if isinstance(node, Confirm) and self.session.score is None:
            return Goto(to=node.again)
        if isinstance(node, nodes.Connect) and self.session.connects >= node.limit:
            return node.exhausted
        return None

    def ask_person(self) -> Turn:
        self.emit("operator_wanted", reason="asked")
        return self.enter(self.flow.operator or self.flow.lost)

    def answer(self, node: nodes.Node, *, full: bool = True) -> Turn:
        """The node's output. With `full` False its own words are left out: they have just been replaced."""
        if full:
            self.speak(self.words(node))
        output = self.output(node)
        self.session = replace(self.session, turn=self.session.turn + 1, ended=isinstance(output, talk.Join | talk.Bye))
        return Turn(self.session, tuple(self.effects), output, self.record)

    def words(self, node: nodes.Node) -> Sequence[Spoken]:
        if isinstance(node, Confirm):
            return {1: node.one, 10: node.ten}.get(self.session.score or 0, node.speak)
        return () if isinstance(node, nodes.Join | nodes.Branch) else node.speak

    def output(self, node: nodes.Node) -> Output:
        match node:
            case Notice() | Menu() | Confirm():
                return talk.Ask(tuple(self.lines), max_digits=1, finish="", timeout_s=node.timeout_s)
            case Number():
                # who was too late once is given longer (docs/clinical.md 2, Elderly)
                timeout = node.slow_timeout_s if self.session.tries else node.timeout_s
                return talk.Ask(tuple(self.lines), MAX_KEYS[node.kind], finish="#", timeout_s=timeout)
            case nodes.Take():
                self.keep_score()
                purpose = node.question or node.purpose
                kind: Literal["message", "open_answer"] = "open_answer" if node.question else "message"
                return talk.Take(tuple(self.lines), node.max_s, node.silence_s, purpose, kind)
            case nodes.Connect():
                self.session = replace(self.session, connects=self.session.connects + 1)
                if node.record:
                    self.start_recording()
                return talk.Connect(tuple(self.lines), node.target)
            case nodes.Hold():
                return talk.Hold(tuple(self.lines), node.pause_s)
            case nodes.Join():
                return talk.Join()
            case nodes.Bye():
                self.keep_score()
                if node.outcome:
                    self.emit("outcome", outcome=node.outcome)
                return talk.Bye(tuple(self.lines), silent=node.silent)
            case nodes.Say() | nodes.Branch():
                raise AssertionError("walked past by enter()")

    def keep_score(self) -> None:
        """A score once keyed is never lost, and never waits behind a voice message or a goodbye."""
        if self.session.score is not None and not self.session.score_confirmed:
            self.confirm_score("unanswered")

    def start_recording(self) -> None:
        if self.session.recording == "off" and self.facts.get("recording_on") is True:
            self.session = replace(self.session, recording="on")
            self.record = True

    # ---- hearing ---------------------------------------------------------------------------------
    def hear(self, event: Event) -> Turn:
        node = self.flow.nodes.get(self.session.node)
        match node, event:
            case Notice(), Keys() | Silence():
                return self.hear_notice(node, event)
            case Menu(), Keys() | Silence():
                return self.hear_menu(node, event)
            case Number(), Keys() | Silence():
                return self.hear_number(node, event)
            case Confirm(), Keys() | Silence() if self.session.score is not None:
                return self.hear_confirm(node, event)
            case nodes.Take(), talk.Recorded() | Silence():
                return self.hear_take(node, event)
            case nodes.Connect(), talk.Connected():
                return self.go(node.connected)
            case nodes.Connect(), talk.NotConnected():
                return self.go(node.reasons.get(event.reason, node.not_connected))
            case nodes.Hold(), talk.Resumed():
                return self.enter(node.next)
            case Notice() | Menu() | Number(), talk.Started():
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

    def again(self, node: Menu | Number | Confirm, prompt: str, failed: Goto, *, full: bool) -> Turn:
        """One failure more: say what was wrong and ask again, or after the last one go where failures go."""
        self.session = replace(self.session, tries=self.session.tries + 1)
        if self.session.tries >= node.tries:
            return self.go(failed)
        self.say(prompt, self.session.language)
        return self.answer(node, full=full)

    def hear_menu(self, node: Menu, event: Keys | Silence) -> Turn:
        if isinstance(event, Silence):
            return self.again(node, node.silent, node.failed, full=True)
        key = event.digits
        if key in node.keys:
            return self.go(node.keys[key])
        if key == "#":  # the late pound of a number that was already complete (twilio.md 4.2 Gather)
            return self.answer(node)
        wanted = GLOBAL_KEYS.get(key)
        if wanted not in node.globals:
            return self.again(node, node.invalid, node.failed, full=True)
        if wanted == "operator":
            return self.ask_person()
        if wanted == "language" and (other := self.prompts.other(self.session.language)):
            self.session = replace(self.session, language=other)
            self.emit("language_chosen", language=other)
        return self.answer(node)

    def hear_number(self, node: Number, event: Keys | Silence) -> Turn:
        if isinstance(event, Silence):
            return self.again(node, node.silent, self.number_failed(node), full=False)
        digits = event.digits.removesuffix("#")
        if "*" in digits:
            return self.ask_person()
        if wrong := self.wrong_number(node, digits):
            return self.again(node, wrong, self.number_failed(node), full=False)
        if node.kind == "pain":
            self.key_score(int(digits), digits)
        elif node.kind == "month_day":
            self.emit("identity_confirmed")
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
        if len(digits) not in SHAPES[node.kind]:
            return node.wrong
        if node.kind == "month_day" and digits != self.facts.get("birth_mmdd"):
            return node.wrong
        return None

    def number_failed(self, node: Number) -> Goto:
        if node.kind != "month_day" or self.session.tries + 1 < node.tries:
            return node.failed
        self.emit("identity_failed")
        return node.failed

    def key_score(self, score: int, raw: str) -> None:
        self.emit("score_keyed", score=score, raw=raw, tries=self.session.tries + 1)
        self.session = replace(self.session, score=score, score_raw=raw, score_confirmed=False)

    def confirm_score(self, how: str) -> None:
        score, raw = self.session.score, self.session.score_raw
        assert score is not None
        self.session = replace(self.session, score_confirmed=True)
        self.emit("score_confirmed", score=score, raw=raw, how=how)

    def hear_confirm(self, node: Confirm, event: Keys | Silence) -> Turn:
        key = event.digits if isinstance(event, Keys) else ""
        if key == "1":
            self.confirm_score("key")
        elif key == "2":
            self.emit("score_withdrawn")
            self.session = replace(self.session, score=None, score_raw="")
            return self.enter(node.again)
        elif key == "0" and self.session.score == 1:  # a slow "1 0": severe must not become mild
            self.key_score(10, "1,0")
            self.confirm_score("zero_after_one")
        elif key in {"0", "*"}:
            return self.ask_person()
        elif key in {"9", "#"}:
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
            self.emit("message_taken", purpose=node.purpose, **kept)
        return self.enter(node.next)
