"""What a process has loaded to speak: flows (with their questions) and prompts, together one version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr import flow, prompts
from ivr.flow import Flow
from ivr.prompts import Prompts
from ivr.questions import Questionnaire


@dataclass(frozen=True)
class Book:
    """The flows and prompts of a house, by name and language."""

    flows: dict[str, Flow]
    prompts: Prompts
    version: str = ""
    """The same for the same words and ways, whatever the order and the comments in the files; empty for a book that
    was not read from files."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """All its files say, as plain JSON: `flows` by name, `questions` or null, `prompts` by language, and the
    `languages` in the hospital's order."""

    @property
    def questions(self) -> Questionnaire:
        """What patients may be asked; empty when no flow asks anything."""
        return next((flow.asked for flow in self.flows.values() if flow.asks()), Questionnaire())


def read(root: Path, languages: Sequence[str] = ("zh-CN", "en")) -> Book:
    """The book of the files under `root`/flows and `root`/prompts. Raises FlowError."""
    flows, asked = flow.read_flows(root / "flows"), flow.read_questions(root / "flows")
    if not flows:
        raise flow.FlowError(f"{root / 'flows'}: holds no flow")
    spoken = prompts.read_prompts(root / "prompts", languages)
    said = {"flows": flows, "questions": asked, "prompts": spoken, "languages": list(languages)}
    made = Book(flow.parse_flows(flows, asked), prompts.parse_prompts(spoken))
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
    version = hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:16]
    return Book(made.flows, made.prompts, version, json.loads(canonical))


def rebuilt(version: str, content: Mapping[str, Any]) -> Book:
    """The book that once had this content. Raises FlowError when this release cannot read it any more."""
    flows = flow.parse_flows(content["flows"], content["questions"])
    spoken = {language: content["prompts"][language] for language in content["languages"]}
    return Book(flows, prompts.parse_prompts(spoken), version, content)
