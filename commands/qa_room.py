"""`carecall qa open|scorecard|export`: reviews of a day's draw, scorecards, and what a QA lead takes away."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.house import House
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES
from recordings.quality import qa_export, reviews, scorecard_rows, scorecards
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.scorecards import Card, ScorecardError

WORDS: Final = ("open", "scorecard", "export")


def add_arguments(sample: argparse.ArgumentParser) -> None:
    sample.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="scorecard: check [FILE …], show [CARD], use CARD (from --date on); hand-over: REVIEW, or the LOGIN of who"
        " has them; drop: REVIEW",
    )
    sample.add_argument("--month", help="export: such as 2026-11")
    sample.add_argument("--out", type=Path, help="export: an .xlsx workbook with charts, or a .csv table")
    sample.add_argument("--table", choices=["agents", "reviews"], default="agents", help="export: which .csv")
    sample.add_argument("--language", choices=list(KNOWN_LANGUAGES), help="export: of the workbook")


def run(args: argparse.Namespace, joined: Joined) -> int:
    """Raises FileProblem in the words of whoever typed it."""
    try:
        match args.what:
            case "open":
                return _open(args, joined)
            case "scorecard":
                return _scorecard(args, joined)
            case _:
                return _export(args, joined)
    except (ScorecardError, ReviewProblem) as problem:
        raise FileProblem(str(problem)) from None


def _open(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    now = house.clock.now()
    day = _day(args.date, "--date") if args.date else _today(house, now) - timedelta(days=1)
    with house.transaction() as session:
        opened = reviews.open_day(session, day, now, "chats" if args.chats else "calls")
    row = {"day": day.isoformat(), **opened._asdict()}
    if args.json:
        rows_out([row], as_json=True)
        return 0
    print(f"{opened.opened} reviews opened for {day}, {opened.second} to be rated by a second person")
    if opened.without_second:
        print(
            f"{opened.without_second} should have had a second rater, and nobody else may review: agreement between"
            " raters cannot be known with one person (`carecall user add … --role supervisor`)."
        )
    return 0


# ---- scorecards ---------------------------------------------------------------------------------------------


def _scorecard(args: argparse.Namespace, joined: Joined) -> int:
    what, *rest = args.words or ["show"]
    if what == "check":
        return _check(rest)
    if what == "show" and rest:
        return _show(_card(joined, rest[0]))
    if what == "show":
        return _list(args, joined)
    if what == "use" and len(rest) == 1:
        return _use(args, joined, rest[0])
    raise FileProblem("qa scorecard: say check [FILE …], show [CARD], or use CARD [--date DAY].")


def _check(files: Sequence[str]) -> int:
    """Without a house: a card is checked where it is written."""
    cards = [scorecards.read(Path(file)) for file in files] if files else scorecards.folder()
    for card in cards:
        weights = ", ".join(f"{part.key} {part.weight}" for part in card.dimensions)
        fails = sum(item.fails for item in card.items.values())
        print(f"{card.title} is good: {weights}; {len(card.items)} items, {fails} of them automatic fails")
    return 0


def _show(card: Card) -> int:
    print(f"{card.title}: {card.name['zh-CN']} / {card.name['en']}, from {card.valid_from}")
    for part in card.dimensions:
        print(f"{part.weight:4d} %  {part.key}: {part.name['zh-CN']} / {part.name['en']}")
        for item in part.items:
            marks = [f"{item.points} of {sum(one.points for one in part.items)}"]
            marks += ["automatic fail"] * item.fails + ["hidden until the rest is closed"] * item.hidden
            print(f"        {item.key} ({', '.join(marks)})")
            for language in scorecards.LANGUAGES:
                print(f"          {item.text[language]}")
                print(f"            {item.example[language]}")
    return 0


def _list(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        uses = scorecard_rows.uses(session)
    rows: list[dict[str, object]] = [
        {"card": card, "from": day.isoformat(), "by": by, "said": at} for day, card, by, at in uses
    ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    if not rows and not args.json:
        print(f"no card has been put into use: the newest version of {scorecard_rows.FIRST} in scorecards/ is used")
    return 0


def _use(args: argparse.Namespace, joined: Joined, name: str) -> int:
    house = house_of(joined)
    now = house.clock.now()
    today = _today(house, now)
    card = _card(joined, name)
    day = _day(args.date, "--date") if args.date else max(today, card.valid_from)
    with house.transaction() as session:
        scorecard_rows.use(session, card, day, today, login(), now)
    print(f"calls from {day} on are reviewed with {card.title}; reviews made before keep theirs")
    return 0


def _card(joined: Joined, name: str) -> Card:
    """By name such as A-1, or a file."""
    if name.endswith((".yaml", ".yml")):
        return scorecards.read(Path(name))
    cards = {card.title: card for card in scorecards.folder(joined.root / "scorecards")}
    if name not in cards:
        raise FileProblem(f"There is no scorecard {name}; there are {', '.join(cards)} in scorecards/, or give a file.")
    return cards[name]


# ---- export -------------------------------------------------------------------------------------------------


def _export(args: argparse.Namespace, joined: Joined) -> int:
    if not args.month or not args.out:
        raise FileProblem("qa export: say --month such as 2026-11, and --out with a file that ends in .xlsx or .csv.")
    first = _month(args.month)
    kind = args.out.suffix.lower()
    if kind not in (".xlsx", ".csv"):
        raise FileProblem(f"--out: {args.out} must end in .xlsx or .csv.")
    house = house_of(joined)
    with house.transaction() as session:
        if kind == ".xlsx":
            data = qa_export.month_pack(session, first, args.language or house.settings.hospital.languages[0])
        else:
            table = qa_export.csv if args.table == "agents" else qa_export.reviews_csv
            data = table(session, first).encode()
    _write(args.out, data)
    print(f"{args.out} is written; only you can read it")
    return 0


def _write(path: Path, data: bytes) -> None:
    """Only the owner may read it, from its first byte on."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o600)
            file.write(data)
    except OSError as error:
        raise FileProblem(f"--out: {path} cannot be written: {error.strerror}.") from error


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no zone
    except ValueError:
        raise FileProblem(f"--month: {text!r} is not a month such as 2026-11.") from None


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FileProblem(f"{option}: {text!r} is not a date such as 2026-11-20.") from None


def _today(house: House, now: datetime) -> date:
    return now.astimezone(house.settings.hospital.timezone).date()
