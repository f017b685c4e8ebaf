"""What a process has loaded to speak: flows (with their questions) and prompts."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.flow import Flow
from ivr.prompts import Prompts
from ivr.questions import Questionnaire


@dataclass(frozen=True)
class Book:
    """The flows and prompts of a house, by name and language."""

    flows: dict[str, Flow]
    prompts: Prompts

    @property
    def questions(self) -> Questionnaire:
        """What patients may be asked; empty when no flow asks anything."""
        return next((flow.asked for flow in self.flows.values() if flow.asks()), Questionnaire())
