"""Every path a caller can take through the flows, found by walking them: what a proof of the whole tree is made from.

`explore` follows every event that means something at a node, through `continue` into other flows, and merges the
states that cannot be told apart from there on, so that it comes to an end. `cover` turns the graph into whole calls, of
which every edge is part of one. Pure: flows, prompts and facts are given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

from ivr import nodes, talk
from ivr.engine import BANDS, go_on, start, step
from ivr.flow import Flow
from ivr.nodes import GLOBAL_KEYS
from ivr.prompts import Prompts
from ivr.talk import Effect, Event, Fact, Keys, Line, Output, Session, Silence, Turn

Facts = Mapping[str, Fact]
RIGHT = {"month_day": "0506", "pin": "4711", "phone": "01055550171"}
"""What is keyed rightly where the engine itself judges it; the facts must agree."""
WRONG = {"pain": "11", "band": "9", "month_day": "1231", "birthday": "1231", "holder": "1231", "ticket": "12345678"}
WRONG |= {"phone": "12", "pin": "0000"}
SCORES = ("1", "3", "7", "10")
"""One with a read-back of its own at either end, one for nobody, one for the doctor."""


class Gain(IntEnum):
    """The best that a caller has had from a call so far."""

    NOTHING = 0
    TOLD = 1
    """Information was spoken, or what was keyed is kept."""
    OWED = 2
    """Somebody has it to do: a ticket, a message, a call back, an alarm."""
    PERSON = 3
    """They were joined with a person."""


INFORMS = frozenset(
    {"opening_hours", "insurance", "parking", "way", "emergency_room", "ask_a_person", "low", "apt_visit", "apt_kept"}
    | {"apt_visit_changing", "progress_with", "progress_received", "progress_assigned", "progress_working"}
    | {"progress_resolved", "progress_closed", "progress_late", "progress_keys"}
    | {"sign_ready", "sign_paused", "sign_off"}
)
"""Prompts that answer what a caller rang for."""
OWES = frozenset(
    {"ticket_wanted", "message_taken", "open_answer", "work_wanted", "red_flag", "number_given", "visit", "agent_said"}
    | {"no_key", "agent_no_key", "declined", "agent_declined", "doctor_said", "no_pin"}
)
"""Effects that leave somebody with something to do: the next ring of an alarm among them."""
KEEPS = frozenset({"outcome", "who", "reminder_answered", "satisfaction", "acknowledged", "test_confirmed", "accepted"})
"""Effects that keep an answer, so that the call was not for nothing."""


@dataclass(frozen=True)
class World:
    """What the house tells the flows. `tells` gives the facts of every mood the house may be in at a turn, from what
    has happened in the call (`noted`): one for a caller's own call, several where anything may have happened."""

    name: str
    tells: Callable[[frozenset[str]], Sequence[Facts]]
    keyed: Mapping[str, str | None] = field(default_factory=dict)
    """The digits that are found, by kind of number the house looks up; None: nothing is ever found."""


@dataclass(frozen=True)
class Move:
    """What happens at one turn: in words, as an event, and in which mood of the house."""

    label: str
    event: Event
    mood: int = 0


@dataclass(frozen=True)
class State:
    """Where a call stands, with nothing that makes no difference from here on."""

    session: Session
    noted: frozenset[str] = frozenset()
    gained: Gain = Gain.NOTHING

    @cached_property
    def at(self) -> str:
        return f"{self.session.flow}.{self.session.node}"

    @cached_property
    def _hash(self) -> int:
        return hash((self.session, self.noted, self.gained))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True)
class Edge:
    source: State | None
    """None: the call is answered."""
    move: Move
    target: State
    turn: Turn

    @cached_property
    def kind(self) -> Hashable:
        """Which edge of the flow this is, whatever else the session remembers."""
        return (self.source and (self.source.at, self.source.session.language), self.move.label, self.target.at)


Path = tuple[Edge, ...]


@dataclass
class Tree:
    begins: list[Edge] = field(default_factory=list)
    edges: dict[State, list[Edge]] = field(default_factory=dict)
    """Every state that is no end, and what leads on from it."""
    came: dict[State, Edge] = field(default_factory=dict)
    """The edge by which a state was found first."""

    def every(self) -> Iterator[Edge]:
        yield from self.begins
        for out in self.edges.values():
            yield from out

    def path_to(self, state: State) -> Path:
        """A shortest way from the beginning."""
        path: list[Edge] = []
        at: State | None = state
        while at is not None:
            path.append(self.came[at])
            at = path[-1].source
        return tuple(reversed(path))


def told(path: Sequence[Edge]) -> str:
    """A path as somebody would tell it."""
    return " > ".join(f"{edge.move.label} [{edge.target.at}]" for edge in path)


# ---- what may happen at a node -------------------------------------------------------------------
def moves(flow: Flow, session: Session, output: Output, world: World, facts: Facts) -> Iterator[tuple[str, Event]]:
    """Everything that means something here, and one key that means nothing."""
    node = flow.nodes[session.node]
    match node:
        case nodes.Notice():
            yield from (("silence", Silence()), ("key *", Keys("*")), ("key 2", Keys("2")))
        case nodes.Menu():
            yield from _keys(node.keys, node.globals)
        case nodes.Questions():
            asked = flow.asked.questions.get(session.question)
            yield from _keys({**(asked.keys if asked else {}), **node.keys}, node.globals)
        case nodes.Pick():
            given = facts.get(f"{node.options}.{session.language}", facts.get(node.options, ()))
            listed = [str(number) for number in range(1, len(given if isinstance(given, tuple) else ()) + 1)]
            yield from _keys([*listed[: nodes.MOST_OPTIONS], *node.keys], node.globals)
        case nodes.Confirm():
            yield from (("silence", Silence()), *((f"key {key}", Keys(key)) for key in "12095"))
        case nodes.Number():
            yield from _numbers(node, world)
        case nodes.Take():
            yield from (("message", talk.Recorded("RE-tree", 5)), ("no message", talk.Recorded("RE-tree", 0)))
        case nodes.Connect():
            yield "talked", talk.Connected(60)
            yield from ((why, talk.NotConnected(why)) for why in ("no_answer", "busy", "failed", "declined", "refused"))
        case nodes.Hold():
            yield "later", talk.Resumed()
        case nodes.Wait():
            yield from ((why, talk.Left(why)) for why in ("bridged", "nurse", "closed", "error", "hung_up"))
        case nodes.Queue():
            left = ("bridged", "callback", "message", "overflow", "closed", "error", "hung_up", "again")
            yield from ((why, talk.Left(why)) for why in left)
        case _:
            raise AssertionError(f"nobody stands at {flow.name}.{session.node}, a {node.type}")
    if not isinstance(node, nodes.Hold):
        yield "stray", talk.Resumed()


def _keys(keys: Sequence[str] | Mapping[str, object], kept: Sequence[str]) -> Iterator[tuple[str, Event]]:
    yield "silence", Silence()
    means = [*keys, *(key for key, meaning in GLOBAL_KEYS.items() if meaning in kept)]
    yield from ((f"key {key}", Keys(key)) for key in means)
    yield "wrong key", Keys(next(key for key in "654321*" if key not in means))


def _numbers(node: nodes.Number, world: World) -> Iterator[tuple[str, Event]]:
    yield "silence", Silence()
    yield "wrong number", Keys(WRONG[node.kind])
    if node.kind != "pin":
        yield "key *", Keys("*")
    if node.kind == "pain":
        yield "zero first", Keys("05")
        yield from ((f"score {score}", Keys(score)) for score in SCORES)
    elif node.kind == "band":
        yield from ((f"band {key}", Keys(key)) for key in BANDS)
    elif node.kind in RIGHT:
        yield "right number", Keys(RIGHT[node.kind])
    elif world.keyed.get(node.kind, "") is not None:
        yield "right number", talk.Matched()


# ---- one move ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Teller:
    """Plays moves in a world."""

    flows: Mapping[str, Flow]
    prompts: Prompts
    world: World
    asked: dict[tuple[str, frozenset[str]], list[Facts]] = field(default_factory=dict)

    def tells(self, flow: str, noted: frozenset[str], mood: int) -> Facts:
        """The facts `flow` declares, and no others: what it cannot read makes no difference."""
        if (flow, noted) not in self.asked:
            declared = self.flows[flow].facts
            self.asked[flow, noted] = [
                {key: fact for key, fact in facts.items() if _declared(key) in declared}
                for facts in self.world.tells(noted)
            ]
        return self.asked[flow, noted][mood]

    def begin(self, flow: str, language: str, mood: int = 0) -> Edge:
        facts = self.tells(flow, frozenset(), mood)
        turn = start(self.flows[flow], language, facts, self.prompts)
        return self._arrived(None, Move(f"answered in {language}", talk.Started(), mood), turn, frozenset())

    def play(self, state: State, move: Move) -> Edge:
        flow, known = self.flows[state.session.flow], state.noted
        if isinstance(move.event, talk.Matched):
            known |= self._noted(state, move.event, ())  # the facts are those of whatever was just found
        facts = self.tells(flow.name, known, move.mood)
        turn = step(flow, state.session, move.event, facts, self.prompts)
        return self._arrived(state, move, turn, state.noted)

    def _arrived(self, source: State | None, move: Move, turn: Turn, noted: frozenset[str]) -> Edge:
        """Where a turn comes to rest: a `continue` goes on with what the house tells then."""
        noted |= self._noted(source, move.event, turn.effects)
        for _ in range(20):
            if not isinstance(turn.output, talk.Continue):
                break
            facts = self.tells(turn.output.flow, noted, move.mood)
            on = go_on(self.flows[turn.output.flow], turn.session, turn.output.node, facts, self.prompts)
            lines = turn.output.lines + lines_of(on.output)
            record, stop = turn.start_recording or on.start_recording, turn.stop_recording or on.stop_recording
            turn = Turn(on.session, turn.effects + on.effects, talk.with_lines(on.output, lines), record, stop)
            noted |= self._noted(source, move.event, on.effects)
        else:
            raise AssertionError(f"one `continue` follows the other, at {turn.session.flow}.{turn.session.node}")
        had = source.gained if source else Gain.NOTHING
        gained = max(had, self._gained(move.event, turn, self.tells(turn.session.flow, noted, move.mood)))
        return Edge(source, move, State(turn.session, noted, gained), turn)

    def _noted(self, source: State | None, event: Event, effects: Sequence[Effect]) -> frozenset[str]:
        """What the house knows from then on."""
        found = {f"{effect.name} {effect.data.get('kind', '')}".strip() for effect in effects}
        if isinstance(event, talk.Matched) and source is not None:
            node = self.flows[source.session.flow].nodes[source.session.node]
            found.add(f"matched {node.kind if isinstance(node, nodes.Number) else ''}")
        return frozenset(found & REMEMBERED)

    def _gained(self, event: Event, turn: Turn, facts: Facts) -> Gain:
        joined = isinstance(event, talk.Connected) or (isinstance(event, talk.Left) and event.why == "bridged")
        if joined or isinstance(turn.output, talk.Join):
            return Gain.PERSON
        names = {effect.name for effect in turn.effects}
        asked_back = isinstance(event, talk.Left) and event.why == "callback"
        if names & OWES or asked_back or any(_alarms(effect, facts) for effect in turn.effects):
            return Gain.OWED
        informed = any(line.prompt in INFORMS for line in lines_of(turn.output))
        return Gain.TOLD if informed or names & KEEPS else Gain.NOTHING


REMEMBERED = frozenset(
    {"ticket_wanted complaint_medical", "ticket_wanted complaint_other", "number_given", "picked", "visit"}
    | {"matched holder", "matched ticket"}
)


def _alarms(effect: Effect, facts: Facts) -> bool:
    threshold, score = facts.get("threshold"), effect.data.get("score")
    return (
        effect.name == "score_confirmed"
        and isinstance(threshold, int)
        and isinstance(score, int)
        and score >= threshold
    )


def _declared(key: str) -> str:
    return key.partition(".")[0].removesuffix("_values")


def lines_of(output: Output) -> tuple[Line, ...]:
    return () if isinstance(output, talk.Join) else output.lines


def merged(state: State) -> State:
    """The state with nothing that makes no difference from here on: not how many turns it took, how slowly is spoken,
    who the house thinks has a person's request, nor which of many equal scores was keyed."""
    session = replace(state.session, turn=1, slow=False, person="")
    if session.score_confirmed and session.score is not None:
        session = replace(session, score=7 if session.score >= 4 else 3, score_raw="", band=False)
    return replace(state, session=session)


# ---- the whole graph, and calls that cover it ------------------------------------------------------
def explore(teller: Teller, flow: str, languages: Sequence[str] = ()) -> Tree:
    """Every state that can be come to from the beginning of `flow`, answered in each of `languages`."""
    tree, moods = Tree(), len(teller.world.tells(frozenset()))
    ahead: deque[tuple[State, Edge]] = deque()

    def found(edge: Edge) -> Edge:
        target = merged(edge.target)
        known = tree.came.get(target)
        edge = Edge(edge.source, edge.move, known.target if known else target, edge.turn)
        if edge.target not in tree.came:
            tree.came[edge.target] = edge
            if not edge.target.session.ended:
                ahead.append((edge.target, edge))
        return edge

    for language in languages or teller.prompts.languages:
        tree.begins += [found(teller.begin(flow, language, mood)) for mood in range(moods)]
    while ahead:
        state, edge = ahead.popleft()
        here = teller.flows[state.session.flow]
        out = tree.edges[state] = []
        for mood, facts in enumerate(teller.world.tells(state.noted)):
            happens = moves(here, state.session, edge.turn.output, teller.world, facts)
            out += [found(teller.play(state, Move(label, event, mood))) for label, event in happens]
    return tree


def endless(tree: Tree) -> list[State]:
    """States from which no end can be reached."""
    sources: dict[State, list[State]] = {}
    for state, out in tree.edges.items():
        for edge in out:
            sources.setdefault(edge.target, []).append(state)
    reached = {state for state in tree.came if state.session.ended}
    ahead = deque(reached)
    while ahead:
        for source in sources.get(ahead.popleft(), ()):
            if source not in reached:
                reached.add(source)
                ahead.append(source)
    return [state for state in tree.edges if state not in reached]


def cover(
    tree: Tree,
    *,
    most: int = 14,
    playable: Callable[[Edge], bool] = lambda _edge: True,
    gone: Collection[Hashable] = (),
) -> list[Path]:
    """Calls from the answer to the end, of which one edge of every kind is part; about `most` moves each. Only edges
    that are `playable` are used, and kinds `gone` before are not looked for."""
    edges = {state: [edge for edge in out if playable(edge)] for state, out in tree.edges.items()}
    begins = [edge for edge in tree.begins if playable(edge)]
    after = _ways_to_an_end(edges)
    reachable = _reachable(begins, edges)
    ends_well = [edge for edge in reachable if edge.target.session.ended or edge.target in after]
    left = {edge.kind for edge in ends_well} - set(gone)
    paths: list[Path] = []
    while left:
        path: list[Edge] = []
        while (len(path) < most or not path) and (not path or not path[-1].target.session.ended):
            out = edges[path[-1].target] if path else begins
            on = _nearest(out, edges, after, left)
            if on is None:
                break
            path += on
            left -= {edge.kind for edge in on}
        assert path, f"{len(left)} edges are never come to"
        while not path[-1].target.session.ended:
            path.append(after[path[-1].target])
            left.discard(path[-1].kind)
        paths.append(tuple(path))
    return paths


def _reachable(begins: Sequence[Edge], edges: Mapping[State, list[Edge]]) -> list[Edge]:
    seen: set[State] = set()
    found: list[Edge] = []
    ahead = deque(begins)
    while ahead:
        edge = ahead.popleft()
        found.append(edge)
        if edge.target not in seen:
            seen.add(edge.target)
            ahead += edges.get(edge.target, [])
    return found


def _ways_to_an_end(edges: Mapping[State, list[Edge]]) -> dict[State, Edge]:
    """From each state the first edge of a shortest way to an end."""
    into: dict[State, list[Edge]] = {}
    for out in edges.values():
        for edge in out:
            into.setdefault(edge.target, []).append(edge)
    ahead = deque(target for target in into if target.session.ended)
    first: dict[State, Edge] = {}
    while ahead:
        for edge in into.get(ahead.popleft(), ()):
            if edge.source is not None and edge.source not in first:
                first[edge.source] = edge
                ahead.append(edge.source)
    return first


def _nearest(
    out: Sequence[Edge], edges: Mapping[State, list[Edge]], after: Mapping[State, Edge], wanted: Collection[Hashable]
) -> list[Edge] | None:
    """The shortest way that ends with an edge of a kind that is wanted and from which an end can be reached."""
    seen: set[State] = set()
    ahead: deque[tuple[Edge, Edge | None]] = deque((edge, None) for edge in out)
    before: dict[int, Edge | None] = {}
    while ahead:
        edge, previous = ahead.popleft()
        before.setdefault(id(edge), previous)
        ends = edge.target.session.ended
        if not ends and edge.target not in after:
            continue
        if edge.kind in wanted:
            way: list[Edge] = []
            at: Edge | None = edge
            while at is not None:
                way.append(at)
                at = before[id(at)]
            return way[::-1]
        if not ends and edge.target not in seen:
            seen.add(edge.target)
            ahead += [(on, edge) for on in edges[edge.target]]
    return None


def replayed(teller: Teller, flow: str, path: Path) -> list[Edge]:
    """The same call once more from its beginning, with nothing merged."""
    played = [teller.begin(flow, path[0].target.session.language, path[0].move.mood)]
    for edge in path[1:]:
        played.append(teller.play(played[-1].target, edge.move))
    return played
