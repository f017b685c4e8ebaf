"""The making of one turn: going from node to node, gathering effects and words until a node answers.

Pure, like `engine.py`, which says what an event means at a node and uses this to go on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ivr import nodes, talk
from ivr.flow import Flow, FlowError
from ivr.nodes import Condition, Confirm, FlowEffect, Goto, InOther, Menu, Notice, Number, Pick, Questions, Spoken
from ivr.prompts import Prompts
from ivr.questions import Question
from ivr.talk import Effect, Fact, Facts, Line, Output, Session, Turn

MAX_KEYS = {"pain": 2, "band": 1, "month_day": 4, "birthday": 4, "holder": 4, "ticket": 12, "phone": 20, "pin": 12}


class Walk:
    def __init__(self, flow: Flow, session: Session, facts: Facts, prompts: Prompts) -> None:
        if problems := flow.fact_problems(facts):
            raise FlowError(f"{flow.name}: {problems[0]}")
        self.flow, self.session, self.facts, self.prompts = flow, session, facts, prompts
        self.speakable = {name: fact for name, fact in facts.items() if flow.facts.get(name) != "secret?"}
        self.phones = frozenset(name for name, kind in flow.facts.items() if kind.startswith("phone"))
        self.effects: list[Effect] = []
        self.lines: list[Line] = []
        self.record = self.stop = False

    # ---- saying and noting -----------------------------------------------------------------------
    def emit(self, name: str, **data: Fact) -> None:
        self.effects.append(Effect(name, data))

    def note(self, effect: FlowEffect | None) -> None:
        """An effect the flow file names; some of them the session remembers as well."""
        if effect is None:
            return
        self.emit(effect.name, **effect.data)
        if effect.name == "respondent":
            who: Literal["self", "proxy"] = "proxy" if effect.data.get("respondent") == "proxy" else "self"
            self.session = replace(self.session, respondent=who)
        elif effect.name == "operator_wanted":
            self.session = replace(self.session, person="wanted")
        elif effect.name == "question_skipped":
            self.session = replace(self.session, passed=self.session.passed + 1)
        elif effect.name == "try_again":
            self.session = replace(self.session, connects=0)
        elif effect.name == "next_wanted":
            self.session = replace(self.session, connects=0)
            self.stop_recording()

    def known(self, fact: str) -> bool:
        """Given and not blank, in the language that is spoken."""
        return self.facts.get(f"{fact}.{self.session.language}", self.facts.get(fact, "")) != ""

    def holds(self, condition: Condition) -> bool:
        match condition.kind:
            case "known":
                return self.known(condition.name)
            case "fact":
                return self.facts.get(condition.name) is True
            case "may_record":
                return self.session.recording != "declined" and self.facts.get("recording_on") is True
            case "proxy":
                return self.session.respondent == "proxy"
            case "nurse_wanted":
                return self.session.nurse or self.facts.get("nurse_due") is True
            case "score_for_nurse":
                return self.session.score is not None and self.is_for_nurse(self.session.score)
            case "score_at_threshold":
                score, threshold = self.session.score, self.facts.get("threshold")
                # no score where one is asked for: the careful way is the doctor's
                return score is None or not isinstance(threshold, int) or score >= threshold

    def is_for_nurse(self, score: int) -> bool:
        threshold, nurse_from = self.facts.get("threshold"), self.facts.get("nurse_from")
        return isinstance(threshold, int) and isinstance(nurse_from, int) and nurse_from <= score < threshold

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

    def aside(self, speech: Sequence[Spoken]) -> tuple[Line, ...]:
        """Words for another document than this turn's."""
        kept, self.lines = self.lines, []
        self.speak(speech)
        said, self.lines = tuple(self.lines), kept
        return said

    def say(self, key: str, language: str) -> None:
        values = self.prompts.values(language, self.speakable, self.phones, self.session.score)
        self.lines.append(replace(self.prompts.line(key, language, values), slow=self.session.slow))

    def slowly(self) -> None:
        """From now on slower, and with more time to press (docs/clinical.md 2, Elderly)."""
        self.session = replace(self.session, slow=True)

    # ---- going somewhere -------------------------------------------------------------------------
    def go(self, edge: Goto) -> Turn:
        self.note(edge.effect)
        return self.enter(edge.to)

    def enter(self, name: str) -> Turn:
        """Walk on to the first node that answers; branches and sayings pass by on the way."""
        for _ in range(2 * len(self.flow.nodes)):
            node = self.flow.nodes[name]
            if isinstance(node, nodes.Say):
                self.speak(node.speak)
                self.note(node.effect)
                name = node.next
            elif isinstance(node, nodes.Branch):
                name = node.then if self.holds(node.if_) else node.otherwise
            elif isinstance(node, Questions) and (on := self.past_questions(node)) is not None:
                name = on
            elif edge := self.passed_by(node):
                self.note(edge.effect)
                name = edge.to
            else:
                self.session = replace(self.session, node=name, tries=0)
                return self.answer(node)
        raise FlowError(f"{self.flow.name}: {name}: sayings and branches lead in a ring")

    def passed_by(self, node: nodes.Node) -> Goto | None:
        """Nodes that cannot be stood on now: an identity nobody can prove, a PIN nobody has or that was right, no score
        to confirm, a connect tried too often, questions with too many left unanswered."""
        if isinstance(node, Number) and node.kind == "month_day" and not self.known("birth_mmdd"):
            self.emit("identity_failed")
            return node.failed
        if isinstance(node, Number) and node.kind == "pin" and (self.session.proved or not self.known("pin")):
            return Goto(to=node.next)
        if isinstance(node, Confirm) and self.session.score is None:
            return Goto(to=node.again)
        if isinstance(node, nodes.Connect) and self.session.connects >= node.limit:
            return node.exhausted
        if isinstance(node, Questions) and self.session.passed >= 2:
            return node.failed
        if isinstance(node, Pick) and not self.options(node):
            return Goto(to=node.none)
        return None

    def options(self, node: Pick) -> tuple[str, ...]:
        """What is read out, in the language that is spoken."""
        given = self.facts.get(f"{node.options}.{self.session.language}", self.facts.get(node.options, ()))
        return given[: nodes.MOST_OPTIONS] if isinstance(given, tuple) else ()

    # ---- the questions ---------------------------------------------------------------------------
    def open_questions(self) -> list[str]:
        """What is still to be asked, in order. A question the file no longer has is none."""
        listed, answered = (str(self.facts.get(name, "")).split() for name in ("questions", "answered"))
        over = {*answered, *self.session.done}
        return [key for key in listed if key in self.flow.asked.questions and key not in over]

    def past_questions(self, node: Questions) -> str | None:
        """Where to instead of asking here: on, when nothing is open, or to the node that asks for a score."""
        if self.session.passed >= 2:
            return None
        waiting = self.open_questions()
        if not waiting:
            return node.next
        key = waiting[0]
        self.session = replace(self.session, question=key)
        if key not in node.scores:
            return None
        # the score of before must not be taken for this one
        done = (*self.session.done, key)
        self.session = replace(self.session, done=done, score=None, score_raw="", score_confirmed=False, band=False)
        return node.scores[key]

    def asked(self) -> Question | None:
        return self.flow.asked.questions.get(self.session.question)

    # ---- answering -------------------------------------------------------------------------------
    def ask_person(self) -> Turn:
        self.emit("operator_wanted", reason="asked")
        self.session = replace(self.session, person="wanted")
        return self.enter(self.flow.operator or self.flow.lost)

    def answer(self, node: nodes.Node, *, full: bool = True) -> Turn:
        """The node's output. With `full` False its own words are left out: they have just been replaced."""
        if full:
            self.speak(self.words(node))
            if isinstance(node, Pick):
                self.read_out(node)
        output = self.output(node)
        self.session = replace(self.session, turn=self.session.turn + 1, ended=isinstance(output, talk.Join | talk.Bye))
        return Turn(self.session, tuple(self.effects), output, self.record, self.stop)

    def read_out(self, node: Pick) -> None:
        for number, option in enumerate(self.options(node), start=1):
            values = {**self.speakable, "option": option, "key": number}
            spoken = self.prompts.values(self.session.language, values, self.phones, self.session.score)
            line = self.prompts.line(node.option, self.session.language, spoken)
            self.lines.append(replace(line, slow=self.session.slow))
        self.speak(node.after)

    def words(self, node: nodes.Node) -> Sequence[Spoken]:
        if isinstance(node, Questions):
            asked = self.asked()
            return (asked.speak,) if asked and asked.speak else ()
        if isinstance(node, Confirm):
            if self.session.band and node.band:
                return node.band
            return {1: node.one, 10: node.ten}.get(self.session.score or 0, node.speak)
        wordless = nodes.Join | nodes.Branch | nodes.Continue | nodes.Wait | nodes.Queue
        return () if isinstance(node, wordless) else node.speak

    def output(self, node: nodes.Node) -> Output:
        match node:
            case Notice():
                return talk.Ask(tuple(self.lines), max_digits=1, finish="", timeout_s=node.timeout_s)
            case Menu() | Confirm() | Questions() | Pick():
                return talk.Ask(tuple(self.lines), max_digits=1, finish="", timeout_s=self.patience(node))
            case Number():
                return talk.Ask(tuple(self.lines), MAX_KEYS[node.kind], finish="#", timeout_s=self.patience(node))
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
            case nodes.Wait():
                return talk.Wait(tuple(self.lines), self.aside(node.speak), self.aside(node.news))
            case nodes.Queue():
                return talk.Wait(tuple(self.lines), self.aside(node.speak), self.aside(node.news), whom="agent")
            case nodes.Join():
                return talk.Join()
            case nodes.Continue():
                return talk.Continue(tuple(self.lines), node.flow, node.node)
            case nodes.Bye():
                self.keep_score()
                if node.outcome:
                    self.emit("outcome", outcome=node.outcome)
                return talk.Bye(tuple(self.lines), silent=node.silent)
            case nodes.Say() | nodes.Branch():
                raise AssertionError("walked past by enter()")

    def patience(self, node: Menu | Confirm | Questions | Pick | Number) -> int:
        """Seconds to wait for a key; who was too late once is given longer (docs/clinical.md 2, Elderly)."""
        late = self.session.slow or (isinstance(node, Number) and self.session.tries > 0)
        return node.slow_timeout_s if late else node.timeout_s

    # ---- the score -------------------------------------------------------------------------------
    def key_score(self, question: str, score: int, raw: str, *, band: bool = False) -> None:
        self.emit("score_keyed", question=question, score=score, raw=raw, tries=self.session.tries + 1)
        self.session = replace(
            self.session, score=score, score_raw=raw, score_confirmed=False, scored=question, band=band
        )

    def confirm_score(self, how: str) -> None:
        score, raw, scored = self.session.score, self.session.score_raw, self.session.scored
        assert score is not None
        nurse = self.session.nurse or self.is_for_nurse(score)
        self.session = replace(self.session, score_confirmed=True, nurse=nurse, passed=0)
        self.emit("score_confirmed", question=scored, score=score, raw=raw, how=how)

    def keep_score(self) -> None:
        """A score once keyed is never lost, and never waits behind a voice message or a goodbye."""
        if self.session.score is not None and not self.session.score_confirmed:
            self.confirm_score("unanswered")

    def start_recording(self) -> None:
        if self.session.recording == "off" and self.facts.get("recording_on") is True:
            self.session = replace(self.session, recording="on")
            self.record = True

    def stop_recording(self) -> None:
        """What comes next is another patient's, who is asked anew whether it may be recorded."""
        self.stop = self.session.recording == "on"
        self.session = replace(self.session, recording="off")
