"""The ways through the flows, over the borders between them: does everybody who can be stranded somewhere reach a
person, a message, an end? Part of `carecall flows check`; each problem is one sentence. Pure.

A `continue` leads into another flow, at one of its nodes: a place is a flow and a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ivr.flow import Flow
from ivr.nodes import (
    Branch,
    Bye,
    Confirm,
    Connect,
    Continue,
    Join,
    Menu,
    Node,
    Notice,
    Number,
    Pick,
    Questions,
    Queue,
    Say,
    Take,
    Wait,
    edges,
    needs_operator,
)

ANSWERABLE = (Notice, Menu, Questions, Pick, Number, Confirm, Wait, Queue)
Place = tuple[str, str]
"""A flow and a node of it."""
Graph = Mapping[Place, set[Place]]


def problems(flow: Flow, flows: Mapping[str, Flow]) -> Iterator[str]:
    """What is wrong with the ways of `flow`, one of `flows`; their edges all lead somewhere."""
    yield from _stranded(flow, flows)
    yield from _rings(flow, flows)


def _graph(flows: Mapping[str, Flow], ways: Callable[[Flow, Node], set[str]]) -> Graph:
    """Which places lead where: within a flow by `ways`, into another by a `continue` to a place that exists."""
    places = {(flow.name, name): node for flow in flows.values() for name, node in flow.nodes.items()}
    return {
        place: {(place[0], target) for target in ways(flows[place[0]], node)} | (_goes_on(node) & places.keys())
        for place, node in places.items()
    }


def _goes_on(node: Node) -> set[Place]:
    return {(node.flow, node.node)} if isinstance(node, Continue) else set()


def _ways_out(flow: Flow, node: Node) -> set[str]:
    out = set(edges(node).values())
    return out | {flow.operator} if flow.operator and needs_operator(node) else out


# ---- who is stranded -----------------------------------------------------------------------------
def _stranded(flow: Flow, flows: Mapping[str, Flow]) -> Iterator[str]:
    graph = _graph(flows, _ways_out)
    reachable = _reachable(graph, flow, flows)
    ends = _reaching(graph, _places(flows, lambda node: isinstance(node, Bye | Join)))
    helps = _reaching(graph, _places(flows, _is_help))
    for name, node in flow.nodes.items():
        place = (flow.name, name)
        if place not in reachable:
            yield f"{flow.name}: {name}: is never reached"
        if place not in ends:
            yield f"{flow.name}: {name}: is a dead end, no goodbye can be reached from it"
        if flow.inbound and isinstance(node, ANSWERABLE) and place not in helps:
            yield f"{flow.name}: {name}: from here a caller reaches neither a person nor a message"


def _places(flows: Mapping[str, Flow], wanted: Callable[[Node], bool]) -> set[Place]:
    return {(flow.name, name) for flow in flows.values() for name, node in flow.nodes.items() if wanted(node)}


def _is_help(node: Node) -> bool:
    """A person, or a machine a person listens to later."""
    return isinstance(node, Take | Queue) or (isinstance(node, Connect) and node.target in ("operator", "theme"))


def _reaching(graph: Graph, goals: Iterable[Place]) -> set[Place]:
    """Every place from which one of `goals` can be reached."""
    reached = set(goals)
    while more := {place for place, out in graph.items() if place not in reached and out & reached}:
        reached |= more
    return reached


def _reachable(graph: Graph, flow: Flow, flows: Mapping[str, Flow]) -> set[Place]:
    """What can be come to: from the beginnings of the flow, and from wherever another flow goes on in it."""
    found: set[Place] = set()
    ahead = {(flow.name, name) for name in (flow.start, flow.lost, flow.over)}
    for other in flows.values():
        if other.name != flow.name:
            ahead |= {place for node in other.nodes.values() for place in _goes_on(node) & graph.keys()}
    while ahead:
        found |= ahead
        ahead = {place for one in ahead for place in graph[one]} - found
    return found


# ---- rings that never end ------------------------------------------------------------------------
def _rings(flow: Flow, flows: Mapping[str, Flow]) -> Iterator[str]:
    """Of silence (nobody presses anything), and of nodes that only pass by."""
    kinds = (
        ("a caller who presses nothing never gets out of", _silent_ways),
        ("sayings and branches lead in a ring at", _passing_ways),
    )
    for words, ways in kinds:
        for name in sorted(name for of, name in _on_a_ring(_graph(flows, ways)) if of == flow.name):
            yield f"{flow.name}: {name}: {words} this node"


def _silent_ways(_flow: Flow, node: Node) -> set[str]:
    match node:
        case Menu() | Number():
            return {node.failed.to}
        case Pick():
            return {node.failed.to, node.none}
        case Questions():
            return {node.failed.to, node.next}  # each question is left after its tries, so the list comes to its end
        case Confirm():
            return {node.next}
        case Take():
            return {node.empty or node.next}
        case Connect():
            return {node.exhausted.to}  # the ways to another try are counted, and end here
        case _:
            return set(edges(node).values())


def _passing_ways(_flow: Flow, node: Node) -> set[str]:
    return set(edges(node).values()) if isinstance(node, Say | Branch) else set()


def _on_a_ring(graph: Graph) -> set[Place]:
    """Places left when those that lead nowhere, or only out of the graph, are taken away again and again."""
    left = dict(graph)
    while gone := [place for place, out in left.items() if not out & left.keys()]:
        for place in gone:
            del left[place]
    return {place for place in left if _comes_back(place, left)}


def _comes_back(place: Place, graph: Graph) -> bool:
    seen: set[Place] = set()
    ahead = graph[place] & graph.keys()
    while ahead:
        seen |= ahead
        ahead = {target for one in ahead for target in graph[one] & graph.keys()} - seen
    return place in seen
