"""A flow: what a flow file may say, and one clear sentence when a file is wrong.

A flow is data (`flows/*.yaml`). This module reads it; `engine.py` walks it and `check.py` judges whether a
caller can get lost in it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from ivr import questions
from ivr.nodes import Continue, Name, Node, Questions, Shape, edges, needs_operator
from ivr.questions import Questionnaire
from ivr.talk import Facts

FactKind = Literal["text", "number", "flag", "phone", "list", "text?", "number?", "flag?", "phone?", "list?", "secret?"]
"""A `secret?` is compared with what is keyed, and never spoken; a `list` is what a `pick` node reads out."""
FACT_TYPES: dict[str, type] = {"text": str, "number": int, "flag": bool, "phone": str, "list": tuple, "secret": str}


class FlowError(Exception):
    """A flow or prompt file is wrong, or the house forgot a fact; the message is one sentence."""


class Flow(Shape):
    name: Name
    version: str
    start: Name
    lost: Name
    """Where a stored node that no longer exists, or an impossible event, goes."""
    over: Name
    """The goodbye of a call that took more turns than any conversation."""
    operator: Name | None = None
    """Where key 0, and star inside a number, go."""
    inbound: bool = False
    facts: dict[Name, FactKind] = Field(default_factory=dict)
    nodes: dict[Name, Annotated[Node, Field(discriminator="type")]]
    asked: Questionnaire = Questionnaire()
    """What its `questions` nodes ask; not part of the flow's own file."""

    def asks(self) -> bool:
        return any(isinstance(node, Questions) for node in self.nodes.values())

    def fact_problems(self, facts: Facts) -> list[str]:
        """What the house forgot or gave in the wrong type; localised names (`sender.en`) are extra."""
        problems = []
        for name, kind in self.facts.items():
            plain = kind.rstrip("?")
            if name not in facts:
                if plain == kind:
                    problems.append(f"fact '{name}' is missing")
            elif type(facts[name]) is not FACT_TYPES[plain]:
                problems.append(f"fact '{name}' is not a {plain}")
        return problems


def broken_targets(flow: Flow) -> list[str]:
    """Targets that do not exist, as sentences."""
    problems = [
        f"{flow.name}: {label}: there is no node '{target}'"
        for label, target in (("start", flow.start), ("lost", flow.lost), ("over", flow.over))
        if target not in flow.nodes
    ]
    if flow.operator is not None and flow.operator not in flow.nodes:
        problems.append(f"{flow.name}: operator: there is no node '{flow.operator}'")
    for name, node in flow.nodes.items():
        problems += [
            f"{flow.name}: {name}: {label} leads to '{target}', which does not exist"
            for label, target in edges(node).items()
            if target not in flow.nodes
        ]
        if flow.operator is None and needs_operator(node):
            problems.append(f"{flow.name}: {name}: a caller can ask for a person, but the flow names no operator")
    return problems


# ---- loading ---------------------------------------------------------------------------------------
class _StrictLoader(yaml.CSafeLoader):
    """YAML keeps the last of two equal keys; a node silently lost is a caller silently lost. The parser in C: the one
    in Python takes a third of a second at the start of every process."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is defined twice", node.start_mark)
        return super().construct_mapping(node, deep)


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    """Of an unchanged file the same object: nobody writes into it. A reload reads only what was edited."""
    return yaml.load(text, Loader=_StrictLoader)


def read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        raw = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlowError(f"{path.name}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FlowError(f"{path.name}: is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise FlowError(f"{path.name}: is not a mapping of names")
    return raw


def first_sentence(file: str, error: ValidationError) -> str:
    """The first complaint of pydantic, said in the words of the file."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if place[:1] == ["nodes"] and len(place) > 1:
        # place[2] is the node's type, which pydantic adds and the reader of the file does not need
        place = [f"node '{place[1]}'", *place[3:]]
    message = first["msg"].removeprefix("Value error, ")
    return ": ".join([file, *([" ".join(place)] if place else []), message[:1].lower() + message[1:]])


def parse_flow(raw: Mapping[str, Any], file: str) -> Flow:
    """A flow from its parsed file; targets are not looked at here (see `broken_targets`)."""
    for written in ("version", "asked"):
        if written in raw:
            raise FlowError(f"{file}: {written}: is computed from the content, do not write it")
    # sorted JSON, so that a comment or a moved node is not a new version
    canonical = json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    version = hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:12]
    try:
        return Flow.model_validate({**raw, "version": version})
    except ValidationError as error:
        raise FlowError(first_sentence(file, error)) from error


def load_flows(directory: Path) -> dict[str, Flow]:
    """Every flow of a folder, those with a `questions` node together with questions.yaml."""
    files = read_flows(directory)
    if not files:
        raise FlowError(f"{directory}: holds no flow")
    return parse_flows(files, read_questions(directory))


def read_flows(directory: Path) -> dict[str, Mapping[str, Any]]:
    """What the flow files of a folder say, by flow."""
    paths = (path for path in sorted(directory.glob("*.yaml")) if path.name != questions.FILE)
    return {path.stem: read_yaml(path) for path in paths}


def read_questions(directory: Path) -> Mapping[str, Any] | None:
    """What `questions.yaml` of a folder of flows says; None when it has none."""
    path = directory / questions.FILE
    return read_yaml(path) if path.exists() else None


def parse_flows(files: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any] | None) -> dict[str, Flow]:
    """Flows that fit together, from what their files say."""
    flows: dict[str, Flow] = {}
    known = parse_questions(asked) if asked is not None else None
    for stem, raw in files.items():
        file = f"{stem}.yaml"
        flow = parse_flow(raw, file)
        if flow.name != stem:
            raise FlowError(f"{file}: name: is '{flow.name}', but must be the file's name")
        if flow.asks():
            flow = _with_questions(flow, known, file)
        for problem in broken_targets(flow):
            raise FlowError(problem.replace(f"{flow.name}:", f"{file}:", 1))
        flows[flow.name] = flow
    for problem in broken_continuations(flows):
        raise FlowError(problem)
    return flows


def parse_questions(raw: Mapping[str, Any]) -> Questionnaire:
    try:
        return questions.parse(raw)
    except ValidationError as error:
        raise FlowError(first_sentence(questions.FILE, error)) from error
    except ValueError as error:
        raise FlowError(str(error)) from error


def load_questions(directory: Path) -> Questionnaire | None:
    raw = read_questions(directory)
    return parse_questions(raw) if raw is not None else None


def _with_questions(flow: Flow, asked: Questionnaire | None, file: str) -> Flow:
    """The flow as it runs; another set of questions is another version of it."""
    if asked is None:
        raise FlowError(f"{file}: asks questions, but there is no {questions.FILE} beside it")
    version = hashlib.sha256(f"{flow.version} {asked.version}".encode()).hexdigest()[:12]
    return flow.model_copy(update={"asked": asked, "version": version})


def broken_continuations(flows: Mapping[str, Flow]) -> list[str]:
    """Places in other flows that do not exist, as sentences."""
    return [
        f"{flow.name}: {name}: goes on in {node.flow} at '{node.node}', which does not exist"
        for flow in flows.values()
        for name, node in flow.nodes.items()
        if isinstance(node, Continue) and (node.flow not in flows or node.node not in flows[node.flow].nodes)
    ]
