"""The nodes a flow is built from, their small parts, and the edges between them. Shapes only."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from ivr.talk import EFFECTS, Fact

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Key = Annotated[str, StringConstraints(pattern=r"^[0-9*]$")]
GlobalKey = Literal["operator", "repeat", "language"]
GLOBAL_KEYS: dict[str, GlobalKey] = {"0": "operator", "9": "repeat", "8": "language"}


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ---- the small parts of a node -------------------------------------------------------------------
class Condition(Shape):
    """`score_at_threshold` (the doctor's), `score_for_nurse` (below it, but a nurse's), `nurse_wanted` (such a score,
    or a warning sign of level C), `may_record` (recording is on and was not declined), `proxy` (a relative answers),
    `fact withheld` (true now), or `known age` (given and not blank)."""

    kind: Literal["score_at_threshold", "score_for_nurse", "nurse_wanted", "may_record", "proxy", "fact", "known"]
    name: str = ""


ALONE = ("score_at_threshold", "score_for_nurse", "nurse_wanted", "may_record", "proxy")
"""Conditions without a name."""


def _condition(raw: Any) -> Any:
    if not isinstance(raw, str):
        return raw
    kind, _, name = raw.partition(" ")
    if kind in ALONE and not name:
        return {"kind": kind}
    if kind in {"fact", "known"} and name.isidentifier():
        return {"kind": kind, "name": name}
    raise ValueError(f"'{raw}' is not a condition ({' | '.join(ALONE)} | fact NAME | known NAME)")


If = Annotated[Condition, BeforeValidator(_condition)]


def _listed(raw: Any) -> Any:
    return [raw] if isinstance(raw, str | dict) else raw


def _goto(raw: Any) -> Any:
    return {"to": raw} if isinstance(raw, str) else raw


class When(Shape):
    """One prompt or another, by a condition."""

    if_: If = Field(alias="if")
    then: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    otherwise: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = Field(default=(), alias="else")


class InOther(Shape):
    """A prompt spoken in the other language ("For English, press 8" within Mandarin)."""

    other: Name


def _spoken_tag(raw: Any) -> str:
    if isinstance(raw, InOther) or (isinstance(raw, dict) and "other" in raw):
        return "other"
    return "prompt" if isinstance(raw, str) else "if"


Spoken = Annotated[
    Annotated[Name, Tag("prompt")] | Annotated[When, Tag("if")] | Annotated[InOther, Tag("other")],
    Discriminator(_spoken_tag),
]
Speech = Annotated[tuple[Spoken, ...], BeforeValidator(_listed)]


class FlowEffect(Shape):
    name: str
    data: dict[str, Fact] = {}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in EFFECTS:
            raise ValueError(f"'{self.name}' is not an effect the house knows")
        return self


class Goto(Shape):
    to: Name
    effect: FlowEffect | None = None


Edge = Annotated[Goto, BeforeValidator(_goto)]
Reason = Literal["busy", "no_answer", "failed", "declined", "refused"]


# ---- the nodes -------------------------------------------------------------------------------------
class Notice(Shape):
    """The opening words and the recording notice; star declines (docs/clinical.md 3, Recording)."""

    type: Literal["notice"]
    speak: Speech
    declined: Speech
    next: Name
    timeout_s: int = Field(default=1, ge=1)


class Menu(Shape):
    """One key, `tries` chances; the first time-out is 8 s for elderly callers (docs/clinical.md 2)."""

    type: Literal["menu"]
    speak: Speech
    keys: dict[Key, Edge] = Field(min_length=1)
    globals: tuple[GlobalKey, ...] = ()
    tries: int = Field(default=3, ge=1)
    timeout_s: int = Field(default=8, ge=1)
    slow_timeout_s: int = Field(default=11, ge=1)
    invalid: Name = "invalid"
    silent: Name = "timeout"
    failed: Edge

    @model_validator(mode="after")
    def _keys_are_free(self) -> Self:
        for key, meaning in GLOBAL_KEYS.items():
            if key in self.keys and meaning in self.globals:
                raise ValueError(f"key {key} is both a choice and the global key for {meaning}")
        return self


class Questions(Shape):
    """The closed questions of flows/questions.yaml that are still open, one after the other (docs/clinical.md 2)."""

    type: Literal["questions"]
    next: Name
    """Every question was answered, or left after `tries`."""
    emergency: Name
    """An answer of level A: nothing else is asked."""
    doctor: Name
    """An answer of level B: no further closed question is asked."""
    failed: Edge
    """Two questions running were left unanswered."""
    scores: dict[Name, Name] = {}
    """Which node asks a question that is a pain score; that node leads back here."""
    keys: dict[Key, Edge] = {}
    """Keys that mean the same at every question, besides the global ones."""
    globals: tuple[GlobalKey, ...] = ("operator", "repeat", "language")
    passed: Speech = ()
    """Said when a question is left unanswered and the next one follows."""
    tries: int = Field(default=3, ge=1)
    timeout_s: int = Field(default=8, ge=1)
    slow_timeout_s: int = Field(default=11, ge=1)
    invalid: Name = "invalid"
    silent: Name = "timeout"


class Number(Shape):
    """Digits ended by `#`: a pain score, a band of pain (0 to 3), a birth month and day, a telephone number; a
    `birthday` the house looks up, because nobody knows yet who rings (`holder`: of whoever is on file with this
    number); a `ticket` with its check digits, looked up as well; a `pin`, once per call, if there is one."""

    type: Literal["number"]
    kind: Literal["pain", "band", "month_day", "birthday", "holder", "ticket", "phone", "pin"]
    question: Name = "pain"
    """The question a score answers."""
    speak: Speech
    wrong: Name
    zero: Name | None = None
    silent: Name
    next: Name
    failed: Edge
    tries: int = Field(default=3, ge=1)
    timeout_s: int = Field(default=4, ge=1)
    slow_timeout_s: int = Field(default=7, ge=1)


class Confirm(Shape):
    """The read-back of a pain score, always (docs/clinical.md 2, "10 vs 1 on a keypad")."""

    type: Literal["confirm"]
    speak: Speech
    one: Speech
    ten: Speech
    band: Speech = ()
    """For a score that was given as a band."""
    next: Name
    again: Name
    tries: int = Field(default=3, ge=1)
    timeout_s: int = Field(default=8, ge=1)
    slow_timeout_s: int = Field(default=11, ge=1)
    invalid: Name = "invalid"
    silent: Name = "timeout"


class Branch(Shape):
    type: Literal["branch"]
    if_: If = Field(alias="if")
    then: Name
    otherwise: Name = Field(alias="else")


class Say(Shape):
    """Lines put before the next output; no turn of its own."""

    type: Literal["say"]
    speak: Speech
    effect: FlowEffect | None = None
    next: Name


class Take(Shape):
    """A recorded message, or with `question` an open answer."""

    type: Literal["take"]
    speak: Speech
    purpose: Name
    question: Name | None = None
    next: Name
    empty: Name | None = None
    max_s: int = Field(default=120, ge=2)
    silence_s: int = Field(default=5, ge=1)


class Connect(Shape):
    """Join this leg with somebody; `limit` counts every connect of the call, and from the beginning again after the
    effects `try_again` and `next_wanted`."""

    type: Literal["connect"]
    target: Literal["patient", "operator", "theme", "caller"]
    speak: Speech
    connected: Edge
    not_connected: Edge
    reasons: dict[Reason, Edge] = {}
    limit: int = Field(default=3, ge=1)
    exhausted: Edge
    record: bool = False


class Hold(Shape):
    type: Literal["hold"]
    speak: Speech = ()
    pause_s: int = Field(ge=1, le=60)
    next: Name


class Wait(Shape):
    """The caller stays on the line for the doctor who is being called: music, `speak` at once and `news` now and then.
    Key 0 leads to a person at any time."""

    type: Literal["wait"]
    speak: Speech = Field(min_length=1)
    news: Speech = Field(min_length=1)
    joined: Name
    """The talk with the doctor is over."""
    closed: Name
    """No doctor is on the way to this caller."""
    lost: Name
    """The wait broke off; the caller is rung back."""


class Queue(Shape):
    """The caller waits in line for an agent: music, `speak` at once and `news` now and then, with the caller's place.
    Key 1 leads to a call back that keeps the place, key 2 to a message."""

    type: Literal["queue"]
    speak: Speech = Field(min_length=1)
    news: Speech = Field(min_length=1)
    served: Name
    """The talk with the agent is over."""
    callback: Name
    """The caller wants to be rung back; the house knows."""
    message: Name
    """The caller wants to leave a message, or has waited as long as anybody should."""
    closed: Name
    """No agent is there (any more), or there is no line to wait in."""
    lost: Name
    """The wait broke off."""


class Pick(Shape):
    """One of a list the house gives (a fact of kind `list`, up to seven): key 1 is the first. Noted as effect
    `picked` with the item's value from the fact `NAME_values`, or its number if there is none."""

    type: Literal["pick"]
    options: Name
    speak: Speech = ()
    option: Name
    """The prompt said for each: `{option}` and `{key}`."""
    after: Speech = ()
    next: Name
    none: Name
    """There is nothing to pick from."""
    keys: dict[Key, Edge] = {}
    """Keys besides those of the list."""
    globals: tuple[GlobalKey, ...] = ("operator", "repeat", "language")
    tries: int = Field(default=3, ge=1)
    timeout_s: int = Field(default=8, ge=1)
    slow_timeout_s: int = Field(default=11, ge=1)
    invalid: Name = "invalid"
    silent: Name = "timeout"
    failed: Edge

    @model_validator(mode="after")
    def _keys_are_free(self) -> Self:
        taken = sorted(set(self.keys) & {str(key) for key in range(1, MOST_OPTIONS + 1)})
        if taken:
            raise ValueError(f"key {taken[0]} is one of the list's")
        return self


MOST_OPTIONS = 7
"""More is not remembered; 8, 9 and 0 are the global keys."""


class Join(Shape):
    type: Literal["join"]


class Continue(Shape):
    """The call goes on in another flow, at one of its nodes."""

    type: Literal["continue"]
    flow: Name
    node: Name


Outcome = Literal[
    "completed", "handed_over", "partial", "not_patient", "wrong_number", "bad_time", "declined", "identity_failed"
]


class Bye(Shape):
    type: Literal["bye"]
    speak: Speech = ()
    outcome: Outcome | None = None
    silent: bool = False


Node = (
    Notice | Menu | Questions | Pick | Number | Confirm | Branch | Say | Take | Connect | Hold | Wait | Queue | Join
    | Continue | Bye
)  # fmt: skip


# ---- edges -----------------------------------------------------------------------------------------
def edges(node: Node) -> dict[str, str]:
    """Every way out of a node, except the global keys: what leads there -> node name."""
    match node:
        case Menu():
            out = {f"key {key}": edge.to for key, edge in node.keys.items()}
            return out | {"failed": node.failed.to}
        case Questions():
            out = {f"key {key}": edge.to for key, edge in node.keys.items()}
            out |= {f"question {name}": target for name, target in node.scores.items()}
            ends = {"level A": node.emergency, "level B": node.doctor, "failed": node.failed.to}
            return out | ends | {"next": node.next}
        case Pick():
            out = {f"key {key}": edge.to for key, edge in node.keys.items()}
            return out | {"next": node.next, "none": node.none, "failed": node.failed.to}
        case Number():
            return {"next": node.next, "failed": node.failed.to}
        case Confirm():
            return {"next": node.next, "again": node.again}
        case Branch():
            return {"then": node.then, "else": node.otherwise}
        case Take():
            return {"next": node.next} | ({"empty": node.empty} if node.empty else {})
        case Connect():
            out = {f"reason {reason}": edge.to for reason, edge in node.reasons.items()}
            reached = {"connected": node.connected, "not_connected": node.not_connected, "exhausted": node.exhausted}
            return out | {label: edge.to for label, edge in reached.items()}
        case Wait():
            return {"joined": node.joined, "closed": node.closed, "lost": node.lost}
        case Queue():
            ends = {"served": node.served, "callback": node.callback, "message": node.message}
            return ends | {"closed": node.closed, "lost": node.lost}
        case Notice() | Say() | Hold():
            return {"next": node.next}
        case Join() | Continue() | Bye():
            return {}


def needs_operator(node: Node) -> bool:
    if isinstance(node, Number):
        return node.kind != "pin"
    if isinstance(node, Menu | Questions | Pick):
        return "operator" in node.globals
    return isinstance(node, Confirm | Wait)
