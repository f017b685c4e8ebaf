"""The shape of a chat as another system hands it in: the same for the API and for files."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from core.values import KNOWN_LANGUAGES
from dialer.machine import REASONS

CHANNELS: Final = ("wechat", "web", "app", "sms", "other")
WHO: Final = ("patient", "agent", "machine")
LONGEST_TEXT: Final = 4000
MOST_LINES: Final = 1000
MOST_CHATS: Final = 100
"""In one request."""


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold a NUL character")
    return value


Text = Annotated[str, AfterValidator(_no_nul)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChatLineIn(Shape):
    """One thing that was written."""

    at: AwareDatetime = Field(description="when; with an offset")
    who: Literal[WHO] = Field(description="machine: whatever answers by itself")  # type: ignore[valid-type]
    text: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]


class ChatIn(Shape):
    """One chat that is over."""

    external_id: Annotated[Text, Field(min_length=1, max_length=100, description="your own number of it: sent again, "
        "nothing is made anew. No name, no telephone number")]  # fmt: skip
    channel: Literal[CHANNELS]  # type: ignore[valid-type]
    lines: Annotated[list[ChatLineIn], Field(min_length=1, max_length=MOST_LINES, description="in order of time")]
    agent: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(
        None, description="login in the staff file; of several, who wrote most"
    )
    mrn: Annotated[Text, Field(min_length=1, max_length=64)] | None = Field(
        None, description="the patient's record number"
    )
    reason: Literal[REASONS] | None = Field(None, description="what it was about")  # type: ignore[valid-type]
    language: Literal[KNOWN_LANGUAGES] | None = Field(  # type: ignore[valid-type]
        None, description="default: the hospital's first"
    )
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None = Field(None, description="what they gave, 5 is best")
    transfers: Annotated[int, Field(ge=0, le=50)] = Field(0, description="how often it was passed on to another agent")
    complaint: bool = False
    escalated: bool = Field(False, description="a doctor or somebody in charge was called in")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(later.at < earlier.at for earlier, later in zip(self.lines, self.lines[1:], strict=False)):
            raise ValueError("lines must be in the order of time")
        if self.agent is None and any(line.who == "agent" for line in self.lines):
            raise ValueError("agent must say who the lines of an agent are from")
        return self


class ChatsIn(Shape):
    chats: Annotated[list[ChatIn], Field(min_length=1, max_length=MOST_CHATS)]


class ChatOut(Shape):
    external_id: str
    id: str
    result: Literal["created", "unchanged"]


class ChatsOut(Shape):
    """In the order in which they were sent."""

    chats: list[ChatOut]
