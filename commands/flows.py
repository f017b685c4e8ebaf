"""`carecall flows`: check what callers hear, draw a flow, walk through one at the terminal, or list
the versions there were."""

from __future__ import annotations

import argparse
import json
import sys

from commands.joined import Joined
from commands.show import rows_out
from core import settings
from ivr import book as books
from ivr import engine, rehearsal, shelf, talk
from ivr.book import Book
from ivr.check import check_flows
from ivr.draw import mermaid
from ivr.flow import Flow, FlowError
from ivr.lengths import warnings
from ivr.nodes import Questions

HANG_UP = "h"


def add_arguments(words: argparse.ArgumentParser) -> None:
    words.add_argument("what", choices=["check", "show", "walk", "versions"])
    words.add_argument("name", nargs="?", help="the flow: the name of a file in flows/, without .yaml")
    words.add_argument("--language", help="the language of the words (default: the first one)")
    words.add_argument("--fact", action="append", default=[], metavar="NAME=VALUE", help="walk: what the flow is told")
    words.add_argument("--json", action="store_true", help="check, versions: for programs")


def run(args: argparse.Namespace, joined: Joined) -> int:
    """0 in order, 1 something is wrong; a wrong name or file is one sentence and 2."""
    if args.what == "check":
        return _check(joined, as_json=args.json)
    if args.what == "versions":
        return _versions(joined, as_json=args.json)
    book = books.read(joined.root)
    flow = _flow(book, args.name)
    language = args.language or book.prompts.languages[0]
    if language not in book.prompts.voices:
        raise FlowError(f"--language {language}: the languages are {', '.join(book.prompts.languages)}")
    if args.what == "show":
        print(mermaid(flow, book.prompts.voices[language]))
        return 0
    return _walk(book, flow, language, args.fact)


def _check(joined: Joined, *, as_json: bool) -> int:
    """1 for problems; warnings alone are 0."""
    told: list[str] = []
    version = ""
    try:
        book = books.read(joined.root)
        problems, told = check_flows(book.flows, book.prompts), warnings(book.flows, book.prompts)
        version = book.version
    except FlowError as error:
        problems = [str(error)]
    if as_json:
        found = {"ok": not problems, "version": version, "problems": problems, "warnings": told}
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 1 if problems else 0
    for problem in problems:
        print(problem)
    for warning in told:
        print(f"warning: {warning}")
    if not problems:
        print("flows and prompts are in order")
    return 1 if problems else 0


def _versions(joined: Joined, *, as_json: bool) -> int:
    """Every version that was ever spoken, and which of them is spoken now."""
    house = joined.open_house(settings.load())
    present = house.service(Book).version
    with house.transaction() as session:
        rows = [
            {
                "version": kept.version,
                "since": kept.at,
                "flows": kept.flows,
                "prompts": kept.prompts,
                "calls now": kept.calls,
                "present": "yes" if kept.version == present else "",
            }
            for kept in shelf.versions(session)
        ]
    rows_out(rows, as_json=as_json, zone=house.settings.hospital.timezone)
    return 0


def _flow(book: Book, name: str | None) -> Flow:
    if name is None or name not in book.flows:
        found = f"there is no flow {name!r}" if name else "which flow?"
        raise FlowError(f"{found}: the flows are {', '.join(book.flows)}")
    return book.flows[name]


# ---- walking ------------------------------------------------------------------------------------
def _walk(book: Book, flow: Flow, language: str, given: list[str]) -> int:
    """Until the call ends or is hung up. What is typed is pressed; an empty line is silence."""
    print(f"flow {flow.name}, version {flow.version}. Keys and Enter; Enter alone is silence; h hangs up.")
    facts = rehearsal.facts(flow, given)
    turn = engine.start(flow, language, facts, book.prompts)
    while True:
        _show(flow, turn)
        if turn.session.ended:
            print("the call is over")
            return 0
        if isinstance(turn.output, talk.Continue):
            if turn.output.flow != flow.name:
                flow = book.flows[turn.output.flow]
                facts = rehearsal.facts(flow, [word for word in given if word.partition("=")[0] in flow.facts])
            turn = engine.go_on(flow, turn.session, turn.output.node, facts, book.prompts)
            continue
        typed = _typed(turn.output)
        if typed is None or typed == HANG_UP:
            print("hung up")
            return 0
        event = rehearsal.event(flow, turn.session, turn.output, typed)
        turn = engine.step(flow, turn.session, event, facts, book.prompts)


def _show(flow: Flow, turn: talk.Turn) -> None:
    for effect in turn.effects:
        values = ", ".join(f"{name} {value}" for name, value in effect.data.items() if value != "")
        print(f"    * {effect.name}{': ' + values if values else ''}")
    if turn.start_recording:
        print("    * the recording starts")
    asking = isinstance(flow.nodes[turn.session.node], Questions)
    where = f"{turn.session.node}: {turn.session.question}" if asking else turn.session.node
    print(f"[{where}]{' slowly' if turn.session.slow else ''}")
    for line in getattr(turn.output, "lines", ()):
        print(f"  {line.language}: {line.text}")
    if isinstance(turn.output, talk.Wait):
        for line in (*turn.output.first, *turn.output.news):
            print(f"  {line.language}: (music) {line.text}")
    if isinstance(turn.output, talk.Join):
        print("  the two are joined")


def _typed(output: talk.Output) -> str | None:
    """A line from the terminal or a pipe; None at its end."""
    question = rehearsal.asks_for(output)
    if not question:
        return ""
    print(f"{question}> ", end="", flush=True)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        print(line.rstrip("\n"))  # a pipe echoes nothing
    return line.strip() if line else None
