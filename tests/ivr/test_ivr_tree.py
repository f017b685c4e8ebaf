"""Every path of every shipped flow, in both languages, by day, at night and on a holiday: none ends in silence.

The tree is walked by tests/tree.py; tests/test_caller_tree.py plays the same paths on the local carrier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle

import pytest
from ivr_call import ALL_FACTS, FLOWS, PROMPTS

from ivr import nodes, talk
from ivr.engine import MAX_TURNS
from ivr.twiml import DialPlan, WaitPlan, render
from tests import tree
from tests.tree import Edge, Facts, Gain, State, Teller, Tree, World, lines_of, told

LONGEST_SILENCE_S = 11
"""No key is waited for any longer without a word: it is the time an old caller is given (docs/clinical.md 2)."""
LONGEST_PAUSE_S = 5
"""A beep is over after so much silence, and a pause between two words lasts no longer."""
MOST_FAILURES = 3
MOST_SILENT_TURNS = 12
"""Whoever never does anything is let go, or is with a person, after so many turns."""
MODES = {"day": {}, "night": {"night": True}, "holiday": {"holiday": True, "holiday_words": "明天照常门诊。"}}
HOTLINE = ("followup", "agent_sign", "progress", "complaints", "appointments", "hotline")
"""What a call to the hotline goes on in; what the later one is told counts."""
CALLED = [*sorted(FLOWS.keys() - set(HOTLINE)), "followup"]
PLAN = DialPlan("+861055550199", "+861055550100", "https://h/screen", "https://h/status")
PLANS = {talk.Connect: {"dial": PLAN}, talk.Wait: {"wait": WaitPlan("e-1", "https://h/wait")}}


# ---- the worlds ------------------------------------------------------------------------------------
def flags_of(*flows: str) -> list[str]:
    return sorted({name for flow in flows for name, kind in FLOWS[flow].facts.items() if kind.startswith("flag")})


def optional_of(*flows: str) -> list[str]:
    facts = [(name, kind) for flow in flows for name, kind in FLOWS[flow].facts.items()]
    return sorted({name for name, kind in facts if kind.endswith("?") and not kind.startswith("flag")})


def without(facts: Facts, *names: str) -> Facts:
    return {key: fact for key, fact in facts.items() if key.partition(".")[0] not in names}


SETTLED = {"night", "holiday", "person_on", "next_up", "callback_on", "withheld", "known_number", "identified"} | {
    "visit_done", "visit_noted", "visit_taken", "department_number", "guardian", "agent_known"
}  # fmt: skip
"""Flags that follow from others, or from what the caller did, or are set by the mode and by `seed`."""


def hotline_world(mode: str, seed: int) -> World:
    """One caller's hospital: every flag is up in half of the seeds, and every two of them differ in half (the rows of a
    Hadamard matrix)."""
    free = [name for name in flags_of(*HOTLINE) if name not in SETTLED]
    bit = {name: bin(seed & place).count("1") % 2 == 1 for place, name in enumerate(free, start=1)}
    facts: dict[str, talk.Fact] = {}
    for flow in HOTLINE:
        facts |= ALL_FACTS[flow]
    for place, name in enumerate(optional_of(*HOTLINE), start=len(free) + 1):
        if name == "ticket" or name == "birth_mmdd":
            continue
        if bin(seed & place).count("1") % 2 == 1:
            facts = dict(without(facts, name))
    facts |= {"questions": "fever bleeding pain_moving", "birth_mmdd": "0506", **bit, **MODES[mode]}
    facts |= {"pin": "4711"} if seed % 2 else {}
    if seed % 5 == 4:
        facts |= {key: () for key in facts if key.startswith(("slots", "visits", "departments"))}
    booking = ("visit_done", "visit_noted", "visit_taken", "")[seed % 4]
    withheld, agent = seed % 3 == 1, seed % 7 == 3
    facts |= {"person_on": bool(facts["operator_on"] or facts["agents_on"])}
    facts |= {"ahead": seed % 2, "next_up": seed % 2 == 0}
    facts |= {"withheld": withheld, "known_number": not withheld, "identified": False, "agent_known": agent}
    facts |= {"ring_back": seed % 3 == 2, "known": facts["known"] and not withheld, "guardian": False}

    @lru_cache
    def tells(noted: frozenset[str]) -> Sequence[Facts]:
        now = {**facts, "callback_on": not withheld or "number_given" in noted}
        now["identified"] = "matched holder" in noted
        now["department_number"] = "picked" in noted and seed % 2 == 0
        if booking and "visit" in noted:
            now[booking] = True
        if not any(word.startswith("ticket_wanted") for word in noted):
            return [without(now, "ticket", "ticket_minutes", "ticket_hours", "ticket_days")]
        return [now]

    return World(f"{mode}, seed {seed}", tells)


def any_mood(flow: str) -> World:
    """A house that may tell anything at any turn: each flag turned over, and each fact that may be missing left out,
    from all as usual, from all flags down and from all up."""
    usual: Facts = {**ALL_FACTS[flow], **({"pin": "4711"} if "pin" in FLOWS[flow].facts else {})}
    if "questions" in FLOWS[flow].facts:
        usual = {**usual, "questions": "fever bleeding pain_moving"}
    flags = flags_of(flow)
    moods: list[Facts] = []
    for base in (usual, {**usual, **dict.fromkeys(flags, False)}, {**usual, **dict.fromkeys(flags, True)}):
        moods += [base, without(base, *optional_of(flow))]
        moods += [{**base, name: not base.get(name, False)} for name in flags]
    distinct = [mood for place, mood in enumerate(moods) if mood not in moods[:place]]
    return World(flow, lambda _noted: distinct)


def steady(flow: str) -> Iterator[World]:
    """Houses that tell the same from beginning to end: what a long interview is told does not change between turns."""
    for place, facts in enumerate(any_mood(flow).tells(frozenset())):
        yield World(f"{flow}, {place}", lambda _noted, facts=facts: [facts])


# ---- what every turn and every end must be -----------------------------------------------------------
@dataclass
class Proof:
    """Looks at every edge once; remembers which nodes it has seen."""

    tree: Tree
    world: str

    def __post_init__(self) -> None:
        self.rendered: set[talk.Output] = set()

    def all_of_it(self) -> None:
        for edge in self.tree.every():
            self.speaks(edge)
            if edge.target.session.ended:
                self.ends(edge)
        stuck = tree.endless(self.tree)
        assert not stuck, self.path(stuck[0], "from here no end can be reached")
        for state, out in self.tree.edges.items():
            self.hands_over(state, out)
            self.ends_in_silence(state)

    def path(self, at: Edge | State, what: str) -> str:
        before = at.source if isinstance(at, Edge) else at
        way = [*(self.tree.path_to(before) if before else ()), *([at] if isinstance(at, Edge) else [])]
        return f"{what}; {self.world}: {told(way)}"

    def speaks(self, edge: Edge) -> None:
        output, turn = edge.turn.output, edge.turn
        if output in self.rendered:
            return
        self.rendered.add(output)
        document = render(
            output,
            "https://h/turn",
            prompts=PROMPTS,
            start_recording=turn.start_recording,
            start_callback_url="https://h/rec",
            take_callback_url="https://h/message",
            **PLANS.get(type(output), {}),
        )
        assert "{" not in document, self.path(edge, "a variable was left unfilled")
        words = [line for line in lines_of(output) if line.text.strip()]
        heard = words or (isinstance(output, talk.Wait) and output.first and output.news)
        # a document of a conversation about to be joined, and a doctor's phone dialled again after a pause with words
        silent = isinstance(output, talk.Join | talk.Connect) or (isinstance(output, talk.Bye) and output.silent)
        assert heard or silent, self.path(edge, "nothing is said")
        if isinstance(output, talk.Ask):
            assert output.timeout_s <= LONGEST_SILENCE_S, self.path(edge, f"{output.timeout_s} s of silence")
        pause = {talk.Hold: "pause_s", talk.Take: "silence_s"}.get(type(output))
        if pause:
            assert getattr(output, pause) <= LONGEST_PAUSE_S, self.path(edge, "a long silence")

    def ends(self, edge: Edge) -> None:
        """At a person, with something owed, with information, or with a goodbye in words."""
        output, flow = edge.turn.output, FLOWS[edge.target.session.flow]
        gained = edge.target.gained
        if isinstance(output, talk.Join):
            return
        assert isinstance(output, talk.Bye), self.path(edge, "the call ends without a word")
        assert output.lines, self.path(edge, "a bare hang-up")
        if gained == Gain.NOTHING and flow.inbound:
            # only who was asked twice for a message and said nothing goes with no more than a goodbye
            was_asked = edge.source and isinstance(flow.nodes.get(edge.source.session.node), nodes.Take)
            assert was_asked, self.path(edge, "a caller goes with nothing, and was offered nothing")

    def hands_over(self, state: State, out: Sequence[Edge]) -> None:
        """Three failures, and the next thing is another one than the same question again."""
        at, edge = state, None
        for _ in range(MOST_FAILURES):
            edge = next((edge for edge in self.out_of(at) if edge.move.label in ("silence", "wrong key")), None)
            if edge is None or edge.target.session.ended:
                return
            at = edge.target
        same = (at.at, at.session.question) == (state.at, state.session.question)
        assert not same, self.path(state, f"asked a {MOST_FAILURES + 1}th time")

    def ends_in_silence(self, state: State) -> None:
        at = state
        for _ in range(MOST_SILENT_TURNS + len(FLOWS[state.session.flow].asked.questions) * MOST_FAILURES):
            if at.session.ended:
                return
            at = next(edge for edge in self.out_of(at) if edge.move.label in NOBODY).target
        raise AssertionError(self.path(state, "who does nothing from here on is never let go"))

    def out_of(self, state: State) -> Sequence[Edge]:
        return self.tree.edges.get(state, ())


NOBODY = ("silence", "no message", "no_answer", "later", "error")
"""What happens where nobody does anything."""


def proven(flow: str, world: World, seen: set[str]) -> Tree:
    found = tree.explore(Teller(FLOWS, PROMPTS, world), flow)
    Proof(found, world.name).all_of_it()
    seen.update(state.at for state in found.came)
    return found


# ---- the proofs --------------------------------------------------------------------------------------
LONG = ("followup", "reminder", "doctor")
"""Too many paths to tell anything at any turn; these are told the same from beginning to end."""


@pytest.mark.parametrize("flow", sorted(set(CALLED) - set(LONG)))
def test_every_path_of_a_call_of_ours_ends_in_words(flow: str) -> None:
    seen: set[str] = set()
    proven(flow, any_mood(flow), seen)
    assert not unseen([flow], seen)


@pytest.mark.parametrize("flow", LONG)
def test_every_path_of_a_long_call_of_ours_ends_in_words(flow: str) -> None:
    """The house of every day; in all the others it is proven by the slow test."""
    proven(flow, next(steady(flow)), set())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("flow", LONG)
def test_every_path_of_a_long_call_of_ours_in_every_house_ends_in_words(flow: str) -> None:
    seen: set[str] = set()
    for world in steady(flow):
        proven(flow, world, seen)
    assert not unseen([flow], seen)


def unseen(flows: Sequence[str], seen: set[str]) -> list[str]:
    """Nodes where a call can rest and never did; `over` is where only a hundred turns lead."""
    passing = nodes.Branch | nodes.Say | nodes.Continue
    rest = [
        (flow, name)
        for flow in flows
        for name, node in FLOWS[flow].nodes.items()
        if not isinstance(node, passing) and name != FLOWS[flow].over
    ]
    return sorted(f"{flow}.{name}" for flow, name in rest if f"{flow}.{name}" not in seen)


@pytest.mark.parametrize(("mode", "seed"), [("day", 0), ("day", 9), ("night", 1), ("night", 3), ("holiday", 0)])
def test_every_path_of_the_hotline_ends_well(mode: str, seed: int) -> None:
    proven("hotline", hotline_world(mode, seed), set())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_path_of_the_hotline_in_every_hospital_ends_well() -> None:
    """Every flag up and down with every other; and every node of every flow is come to. The interview begins here with
    somebody who is known already: its first words are come to when we ring (the long calls of ours)."""
    seen: set[str] = set()
    for seed, mode in zip(range(SEEDS), cycle(MODES), strict=False):
        proven("hotline", hotline_world(mode, seed), seen)
    assert not unseen([flow for flow in HOTLINE if flow != "followup"], seen)


SEEDS = 64


@pytest.mark.parametrize("flow", sorted(FLOWS.keys() - {"complaints", "progress", "appointments"}))
@pytest.mark.parametrize("language", PROMPTS.languages)
def test_a_call_of_too_many_turns_ends_with_words(flow: str, language: str) -> None:
    world = next(steady(flow)) if flow not in HOTLINE else hotline_world("day", 0)
    teller = Teller(FLOWS, PROMPTS, world)
    first = teller.begin(flow, language)
    worn = replace(first.target, session=replace(first.target.session, turn=MAX_TURNS))
    last = teller.play(worn, tree.Move("repeat", talk.Keys("9")))
    assert isinstance(last.turn.output, talk.Bye)
    assert last.turn.output.lines


@pytest.mark.parametrize("mode", MODES)
def test_the_calls_that_cover_the_tree_are_walked_again_with_nothing_merged(mode: str) -> None:
    """What is merged makes no difference: played from the beginning, each call comes to the same places."""
    teller = Teller(FLOWS, PROMPTS, hotline_world(mode, 0))
    found = tree.explore(teller, "hotline")
    paths = tree.cover(found)
    gone = {edge.kind for path in paths for edge in path}
    assert gone == {edge.kind for edge in found.every()}
    for path in paths:
        assert path[-1].target.session.ended
        again = tree.replayed(teller, "hotline", path)
        assert [edge.target.at for edge in again] == [edge.target.at for edge in path], told(path)
        assert [words_of(edge) for edge in again] == [words_of(edge) for edge in path], told(path)


def words_of(edge: Edge) -> list[tuple[str, str]]:
    return [(line.language, line.text) for line in lines_of(edge.turn.output)]
