"""The tree of a caller's paths, played as real calls: carrier, web and worker, over HTTP on loopback.

What is pressed and what must be heard comes from the same paths that tests/ivr/test_ivr_tree.py proves; no path is
written down here. A call is right when it hears the last words of every turn in their order, ends with words, and has
met a person or left a row in a table where the path says so.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from carrier.executor import APOLOGY
from desk import ticket_opening
from desk.models import QueueEntry, Ticket
from dialer.models import Call, Escalation
from ivr import lengths, nodes, talk
from ivr.models import Answer
from tests import tree
from tests.house import HOSPITAL_UNHEARD, HOTLINE, OPERATOR
from tests.ivr.ivr_call import ALL_FACTS, FLOWS, PROMPTS
from tests.stack import Conversation, Stage, Step, imported, no_errors, running
from tests.tree import Edge, Facts, Gain, Path, Teller, Tree, World, lines_of, told

pytestmark = [pytest.mark.alone]

SPEED = 25.0
AT_ONCE = 6
TALK_S = 25
"""Long enough that two telephones are joined before one hangs up, at this speed and on a busy machine."""
DEPARTMENT = "+861055550104"
HOSPITAL = f"""{HOSPITAL_UNHEARD}
[calling]
lines = 20

[hotline]
opening_hours = {{ "zh-CN" = "周一至周五，八点到十七点。", en = "Monday to Friday, eight to five." }}

[[hotline.departments]]
name = "orthopaedics"
say = {{ "zh-CN" = "骨科", en = "Orthopaedics" }}
target = "{DEPARTMENT}"

[[hotline.departments]]
name = "eyes"
say = {{ "zh-CN" = "眼科", en = "Eyes" }}
target = "{DEPARTMENT}"
"""
MODES: dict[str, tuple[timedelta, dict[str, talk.Fact]]] = {
    "day": (timedelta(0), {}),
    "night": (timedelta(hours=12), {"night": True}),
    "holiday": (timedelta(days=1), {"holiday": True}),
}
"""How long after the beginning, a Friday at ten in the morning; and what is different in the facts."""
ANSWERED, UNANSWERED = "talked", "no_answer"


@pytest.fixture(scope="module")
def stack(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("stage")
    with running(home, module_database_url, hospital=HOSPITAL, speed=SPEED) as made:
        days = made.home / "holidays.csv"
        days.write_text(f"day,kind,note\n{made.now() + timedelta(days=1):%Y-%m-%d},holiday,\n", encoding="utf-8")
        imported(made, "holidays", days)
        yield made
        no_errors(made)


# ---- the paths ---------------------------------------------------------------------------------------
def world(mode: str, ticket: str) -> World:
    """The hospital on the stage: nobody on the roster or at the desk, an operator's telephone, callers in no file."""
    facts: dict[str, talk.Fact] = {}
    for flow in ("progress", "complaints", "appointments", "hotline"):
        facts |= ALL_FACTS[flow]
    facts |= {"roster_on": False, "known": False, "known_number": False, **MODES[mode][1]}

    def tells(noted: frozenset[str]) -> Sequence[Facts]:
        return [{**facts, "department_number": "picked" in noted}]

    return World(mode, tells, {"ticket": ticket, "birthday": None, "holder": None})


@dataclass(frozen=True)
class Played:
    """Paths that can be played at the same hour, and what telephones called by us do meanwhile."""

    picked_up: bool
    paths: list[Path]


def plans(mode: str, ticket: str, most: int) -> list[Played]:
    """Every kind of edge in the mode: first as far as it goes while all answer, then the rest while nobody does."""
    teller = Teller(FLOWS, PROMPTS, world(mode, ticket))
    found: Tree = tree.explore(teller, "hotline", PROMPTS.languages[:1])
    gone: set[Hashable] = set()
    made = []
    for picked_up in (True, False):
        paths = tree.cover(found, most=most, gone=gone, playable=lambda edge, up=picked_up: playable(edge, up))
        gone |= {edge.kind for path in paths for edge in path}
        made.append(Played(picked_up, paths))
    return made


def playable(edge: Edge, picked_up: bool) -> bool:
    if edge.source is None:
        return True
    node = FLOWS[edge.source.session.flow].nodes[edge.source.session.node]
    if isinstance(node, nodes.Connect):
        return edge.move.label == (ANSWERED if picked_up else UNANSWERED)
    # this carrier keeps a silence as a message (docs/twilio.md 4.2 Record): it gives back an empty one to nobody
    return edge.move.label not in ("stray", "no message")


def chosen(paths: Sequence[Path], calls: int, ringing: int) -> list[Path]:
    """Those that show most in the least time: each time the one with the most that has not been seen yet for its
    length. At most `ringing` of them ring a person: these are played one after the other."""
    left, seen, picked = list(paths), set[Hashable](), list[Path]()
    while left and len(picked) < calls:
        best = max(left, key=lambda path: len({edge.kind for edge in path} - seen) / lasts(path))
        left.remove(best)
        seen |= {edge.kind for edge in best}
        picked.append(best)
        if sum(rings(path) for path in picked) >= ringing:
            left = [path for path in left if not rings(path)]
    return picked


def rings(path: Path) -> bool:
    return any(isinstance(edge.turn.output, talk.Connect) for edge in path)


def lasts(path: Path) -> float:
    """About how many seconds the call takes."""
    said = sum(lengths.seconds(line.text, line.language) for edge in path for line in lines_of(edge.turn.output))
    waited = 8 * sum(isinstance(edge.move.event, talk.Silence) for edge in path)
    return said + waited + TALK_S * rings(path)


# ---- a path as a script --------------------------------------------------------------------------------
def script(path: Path, ticket: str) -> list[Step]:
    """What the telephone does: at the last words of a turn, what the path does there."""
    steps: list[Step] = []
    for before, edge in pairwise(path):
        steps += does(before.turn.output, edge, ticket)
    return steps


def does(output: talk.Output, edge: Edge, ticket: str) -> list[Step]:
    assert edge.source is not None
    here = {"on": last_words(output)}
    if isinstance(output, talk.Take):
        return [{"on": "beep", "say": "Please call me back."}, {"press": "#", "after": 0.6}]
    if isinstance(edge.move.event, talk.Silence) or not isinstance(output, talk.Ask):
        return [here]
    digits = edge.move.event.digits if isinstance(edge.move.event, talk.Keys) else ticket
    return [{**here, "press": digits + (output.finish if output.max_digits != 1 else "")}]


def last_words(output: talk.Output) -> str:
    """The longest piece of a turn's last line that holds no variable: what must be heard before anything is done."""
    line = lines_of(output)[-1]
    written = " ".join(PROMPTS.voices[line.language].prompts[line.prompt].split())
    return max(re.split(r"\{\w+\}", written), key=len).strip()


# ---- playing -----------------------------------------------------------------------------------------
@pytest.fixture
def ticket(stack: Stage) -> str:
    """A ticket somebody may ask about."""
    with stack.house.transaction() as session:
        return ticket_opening.open_(session, "message", stack.now(), contact="+861055550190").number


def at_mode(stack: Stage, mode: str) -> None:
    """The hour of the mode, counted from the next Friday at ten; the holiday is only the first Saturday."""
    first = stack.home / "begun"
    if not first.exists():
        first.write_text(stack.now().isoformat(), encoding="utf-8")
    begun = stack.now().fromisoformat(first.read_text(encoding="utf-8"))
    hour = begun + MODES[mode][0]
    if hour > stack.now():  # to set it to now is to set it back: the clock runs on while the order is under way
        stack.set_clock(hour, SPEED)


def play(stack: Stage, played: Played, ticket: str) -> None:
    """All paths as calls, some at once; each from a telephone of its own."""
    for number in (OPERATOR, DEPARTMENT):
        phone = stack.phone(number)
        if played.picked_up:
            phone.answers({"on": ["按1", "press 1"], "press": "1"}, {"after": TALK_S, "hangup": True})
        else:
            phone.does_not_answer()
    for batch in batches(played.paths):
        sids = [
            stack.phone(f"+8610555503{place:02d}").starts_ringing(HOTLINE, *script(path, ticket))
            for place, path in enumerate(batch)
        ]
        for sid, path in zip(sids, batch, strict=True):
            ends_well(stack, stack.conversation(sid), path)
        stack.quiet()


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Some calls at once, of which one rings a person: a telephone that is in use is not rung."""
    ringing = [path for path in paths if rings(path)]
    others = [path for path in paths if not rings(path)]
    while ringing or others:
        batch = [ringing.pop()] if ringing else []
        while others and len(batch) < AT_ONCE:
            batch.append(others.pop())
        yield batch


def ends_well(stack: Stage, call: Conversation, path: Path) -> None:
    way, heard = told(path), call.heard()
    missing = call.missing(*[last_words(edge.turn.output) for edge in path])
    story = "\n".join([*heard, stack.ledger()])
    assert missing is None, f"{missing!r} was not heard, or not in its place, on {way}:\n{story}"
    assert call.status == "completed", f"{call.status}: {way}"
    wrong = [event for event in call.events if event["kind"] == "error"]
    assert not wrong, f"{wrong[0]} on {way}"
    assert APOLOGY not in heard, way
    assert last_words(path[-1].turn.output).lower() in heard[-1].lower(), f"{heard[-1]!r} were the last words: {way}"
    gained = path[-1].target.gained
    if gained == Gain.PERSON:
        assert any(event["kind"] == "bridged" for event in call.events), f"nobody was joined: {way}"
    elif gained == Gain.OWED:
        assert owed(stack, call.sid), f"nothing is kept that somebody would see to: {way}"


def owed(stack: Stage, sid: str) -> bool:
    """A ticket, a place in the line, an alarm or a message of this call."""
    with stack.house.transaction() as session:
        here = sa.select(Call.id).where(Call.sid == sid).scalar_subquery()
        kept = (Ticket, QueueEntry, Escalation, Answer)
        return any(session.scalar(sa.select(sa.exists().where(table.call_id == here))) for table in kept)


SLICE = {True: (8, 1), False: (2, 1)}
"""Calls, and those of them that ring a person, while telephones are answered and while nobody answers."""


@pytest.mark.parametrize("mode", MODES)
def test_ten_of_a_callers_paths_end_well_on_the_carrier(stack: Stage, ticket: str, mode: str) -> None:
    at_mode(stack, mode)
    for played in plans(mode, ticket, most=9):
        play(stack, Played(played.picked_up, chosen(played.paths, *SLICE[played.picked_up])), ticket)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
def test_every_path_of_a_caller_ends_well_on_the_carrier(stack: Stage, ticket: str, mode: str) -> None:
    at_mode(stack, mode)
    for played in plans(mode, ticket, most=12):
        play(stack, played, ticket)
