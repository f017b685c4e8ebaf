"""A flow as a Mermaid flowchart: every node with its first words, every way out of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ivr.flow import Flow
from ivr.nodes import (
    GLOBAL_KEYS,
    Branch,
    Bye,
    Condition,
    Continue,
    Goto,
    InOther,
    Join,
    Menu,
    Node,
    Number,
    Questions,
    Say,
    Spoken,
    When,
    edges,
    needs_operator,
)
from ivr.prompts import Voice

SHAPES = {
    **{"menu": ("{{", "}}"), "confirm": ("{{", "}}"), "questions": ("[[", "]]"), "number": ("[/", "/]")},
    **{"branch": ("{", "}"), "bye": ("([", "])"), "join": ("([", "])"), "continue": ("([", "])")},
    **{"connect": ("[[", "]]"), "take": (">", "]")},
}
"""Which outline a kind of node has; the others are plain boxes."""
WORDS = 40
"""How many characters of a prompt are shown."""
GLOBAL_WORDS = {"operator": "person", "repeat": "again, slower", "language": "other language"}


def mermaid(flow: Flow, voice: Voice) -> str:
    """The whole flow; paste it where Mermaid is drawn. `voice` gives the words that are shown."""
    lines = ["flowchart TD", f"    %% flow {flow.name}, version {flow.version}, words in {voice.language}"]
    lines += [f'    start(("start")) --> {_id(flow.start)}']
    lines += [f'    lost(("anything impossible")) -.-> {_id(flow.lost)}']
    lines += [f'    over(("too many turns")) -.-> {_id(flow.over)}']
    for name, node in flow.nodes.items():
        first, last = SHAPES.get(node.type, ("[", "]"))
        label = "<br/>".join(_text(line) for line in _label(flow, name, node, voice))
        lines.append(f'    {_id(name)}{first}"{label}"{last}')
        lines += [f"    {line}" for line in _ways(flow, name, node)]
    return "\n".join(lines)


def _id(name: str) -> str:
    """`end` and the like are Mermaid's own words, so no node goes by its bare name."""
    return f"n_{name}"


ENTITIES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "{": "#123;", "}": "#125;"})


def _text(words: str) -> str:
    """Entities instead of the characters Mermaid reads as its own."""
    return words.translate(ENTITIES)


def _label(flow: Flow, name: str, node: Node, voice: Voice) -> Iterator[str]:
    yield f"{name} ({node.type})"
    words = first_words(node, voice)
    if words:
        yield words
    if isinstance(node, Branch):
        yield f"if {_condition(node.if_)}"
    if isinstance(node, Questions):
        yield "; ".join(f"{wave}: {' '.join(keys)}" for wave, keys in flow.asked.waves.items())
    if isinstance(node, Bye) and node.outcome:
        yield f"outcome: {node.outcome}"
    if isinstance(node, Menu | Questions) and node.globals:
        meaning = {wanted: key for key, wanted in GLOBAL_KEYS.items()}
        yield "global keys: " + ", ".join(f"{meaning[wanted]} {GLOBAL_WORDS[wanted]}" for wanted in node.globals)
    if isinstance(node, Number):
        yield f"{node.kind}, ended by pound, star for a person"
    if isinstance(node, Say) and node.effect:
        yield _effect(Goto(to=node.next, effect=node.effect))


def first_words(node: Node, voice: Voice) -> str:
    """The beginning of the first prompt a node always speaks, else of the first it may speak; empty when it says
    nothing."""
    match node:
        case Branch() | Questions() | Join() | Continue():
            return ""
        case _:
            speech = node.speak
    sometimes = [item for item in speech if isinstance(item, When) and not (item.then and item.otherwise)]
    for key in _prompts((*(item for item in speech if item not in sometimes), *sometimes)):
        text = voice.prompts.get(key, key)
        return text if len(text) <= WORDS else text[:WORDS] + "…"
    return ""


def _prompts(speech: tuple[Spoken, ...]) -> Iterator[str]:
    for item in speech:
        if isinstance(item, When):
            yield from (*item.then, *item.otherwise)
        elif isinstance(item, InOther):
            yield item.other
        else:
            yield item


def _ways(flow: Flow, name: str, node: Node) -> Iterator[str]:
    effects = _effects(node)
    for label, target in edges(node).items():
        said = f"{label}{effects.get(label, '')}"
        yield f'{_id(name)} -->|"{_text(said)}"| {_id(target)}'
    if needs_operator(node) and flow.operator:
        key = "star" if isinstance(node, Number) else "0"
        yield f'{_id(name)} -.->|"{key}"| {_id(flow.operator)}'
    if isinstance(node, Continue):
        yield f'{_id(name)} ==> {_id(name)}_on(("flow {node.flow}, node {node.node}"))'


def _effects(node: Node) -> dict[str, str]:
    found: dict[str, Goto] = {}
    if isinstance(node, Menu | Questions):
        found |= {f"key {key}": edge for key, edge in node.keys.items()}
    if isinstance(node, Menu | Questions | Number):
        found["failed"] = node.failed
    return {label: f" / {_effect(edge)}" for label, edge in found.items() if edge.effect}


def _effect(edge: Goto) -> str:
    if edge.effect is None:
        return ""
    values = ", ".join(str(value) for value in edge.effect.data.values())
    return f"{edge.effect.name}: {values}" if values else edge.effect.name


def _condition(condition: Condition) -> str:
    return f"{condition.kind} {condition.name}".replace("_", " ").strip()
