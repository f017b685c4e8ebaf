"""`carecall handover`: what the next person has to know of one patient, on one page (docs/clinical.md FUP19)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from commands import ask
from commands.admin import house_of, login
from commands.handover_page import page, text_lines
from commands.handover_sheet import sheet
from commands.handover_words import Speech
from commands.joined import Joined
from core.models import record
from core.page import html
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES
from ivr.flow import load_questions
from ivr.prompts import load_prompts
from ivr.questions import Questionnaire


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("handover", run, "What the next person has to know of one patient, on one page.")
    made.add_argument("--patient", metavar="MRN", required=True)
    made.add_argument("--html", metavar="FILE", type=Path, help="a page to print, instead of text here")
    made.add_argument("--language", choices=KNOWN_LANGUAGES, help="default: the hospital's first")


def run(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    hospital = house.settings.hospital
    language = args.language or hospital.languages[0]
    asked = load_questions(joined.root / "flows") or Questionnaire()
    say = Speech(language, load_prompts(joined.root / "prompts", (language,)), asked)
    now = house.clock.now()
    with house.transaction() as session:
        who = ask.patient(session, args.patient)
        made = page(sheet(session, who, hospital.timezone, now), say)
        # Written down before it is shown: nobody reads a hand-over unseen.
        record(session, "patient", who.id, "handover read", now, who=login(), data={"file": args.html is not None})
    if args.html is None:
        for line in text_lines(made):
            print(line)
        return 0
    write_private(args.html, html(made), "--html")
    print(f"{args.html} is written; only you can read it")
    return 0


def write_private(path: Path, text: str, option: str) -> None:
    """Only the owner may read it, from its first byte on. Raises FileProblem."""
    try:
        # No link is followed: a page with a patient's name goes where it was meant to go or nowhere.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o600)
            file.write(text)
    except OSError as error:
        raise FileProblem(f"{option}: {path} cannot be written: {error.strerror}.") from error
