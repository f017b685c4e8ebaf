"""The shapes of the API: what it takes and gives. The OpenAPI document is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from core.values import e164
from desk.kinds import CHANNELS, LINKS, NATURES, PROBLEMS
from desk.tickets import LONGEST_WORDS


def _number(value: str) -> str:
    try:
        return e164(value)
    except ValueError:
        raise ValueError("must be a telephone number with + and the country code, such as +861055550100") from None


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold a NUL character")
    return value


Text = Annotated[str, AfterValidator(_no_nul)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeedbackIn(Shape):
    """One piece of feedback that did not come by telephone."""

    channel: Literal[CHANNELS] = Field(description="how it came")  # type: ignore[valid-type]
    external_id: Annotated[Text, Field(min_length=1, max_length=100, description="your own number of it, unique per "
        "channel: sent again, nothing is made anew. No name, no telephone number")]  # fmt: skip
    words: Annotated[Text, Field(min_length=1, max_length=LONGEST_WORDS, description="what they wrote or said")]
    phone: Annotated[str, Field(max_length=32), AfterValidator(_number)] | None = Field(
        None, description="where they can be rung, E.164"
    )
    mrn: Annotated[Text, Field(max_length=64)] | None = Field(None, description="the patient's record number")
    link: Literal[LINKS] | None = None  # type: ignore[valid-type]
    problem: Literal[PROBLEMS] | None = None  # type: ignore[valid-type]
    nature: Literal[NATURES] | None = None  # type: ignore[valid-type]
    department: Annotated[Text, Field(max_length=100)] | None = None
    at: AwareDatetime | None = Field(None, description="when it was said; with an offset. Default: now")


class AgentStateIn(Shape):
    state: Literal["ready", "paused", "off"]


class PatientOut(Shape):
    name: str = Field(description="initial of the family name")
    mrn: str = Field(description="last characters")


class TicketOut(Shape):
    """A ticket without anybody's name, number or words."""

    number: str
    kind: str
    colour: str
    status: str
    channel: str
    language: str
    department: str
    owner: str
    link: str
    problem: str
    nature: str
    medical: bool | None
    opened_at: datetime
    due_at: datetime | None
    overdue: bool
    resolved_at: datetime | None
    confirmed_at: datetime | None
    satisfaction: int | None
    contact: str = Field(description="last digits")
    patient: PatientOut | None


class TicketsOut(Shape):
    tickets: list[TicketOut]


class AgentOut(Shape):
    login: str
    status: str
    since: datetime
    department: str
    languages: list[str]
    skills: list[str]


class WaiterOut(Shape):
    place: int
    mode: str
    reason: str
    department: str
    language: str
    waited_s: float
    status: str
    agent: str


class QueueOut(Shape):
    waiting: list[WaiterOut]
    agents: list[AgentOut]


class TicketsQuery(Shape):
    """What `GET /tickets` understands."""

    number: Annotated[Text, Field(max_length=32)] | None = None
    state: Literal["open", "assigned", "in_progress", "reopened", "resolved", "confirmed"] | None = Field(
        None, description="only these; default: everything that is still owed"
    )
    due: AwareDatetime | None = Field(None, description="only what runs out before this moment")
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class FieldProblem(Shape):
    where: str
    what: str


class Problem(Shape):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
