"""`carecall qa waiting|hand-over|drop`: reviews that lie still, as a lead settles them."""

from __future__ import annotations

import argparse
import uuid
from typing import Final

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import rows_out
from core.tables import FileProblem
from recordings.quality import review_lead
from recordings.quality.qa_words import ReviewProblem

WORDS: Final = ("waiting", "hand-over", "drop")


def add_arguments(sample: argparse.ArgumentParser) -> None:
    sample.add_argument("--to", metavar="LOGIN", default="", help="hand-over: who takes it (default: the least busy)")


def run(args: argparse.Namespace, joined: Joined) -> int:
    """Raises FileProblem in the words of whoever typed it."""
    if args.what == "waiting":
        return _waiting(args, joined)
    if len(args.words) != 1:
        raise FileProblem(f"qa {args.what}: say which, by the id that `carecall qa waiting` shows.")
    if not args.who.strip() or not args.reason.strip():
        raise FileProblem(f"qa {args.what}: say who does it and why: --who LOGIN --reason WORDS.")
    try:
        return (_hand_over if args.what == "hand-over" else _drop)(args, joined)
    except ReviewProblem as problem:
        raise FileProblem(str(problem)) from None


def _waiting(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        lines = review_lead.in_hand(session)
    rows: list[dict[str, object]] = [
        {
            "review": str(one.review_id),
            "of": one.subject_kind,
            "day": one.day.isoformat(),
            "state": one.state,
            "rater": one.rater or "nobody",
            "may review": not one.gone,
            "opened": one.opened_at,
        }
        for one in lines
    ]
    rows_out(rows, as_json=args.json, zone=house.settings.hospital.timezone)
    if not rows and not args.json:
        print("no review waits")
    return 0


def _hand_over(args: argparse.Namespace, joined: Joined) -> int:
    """One review by its id, or all that somebody has in hand by their login."""
    house, (which,) = house_of(joined), args.words
    now = house.clock.now()
    with house.transaction() as session:
        try:
            review_id = uuid.UUID(which)
        except ValueError:
            given, left = review_lead.hand_over_all(session, which, args.to, args.who, args.reason, now)
            if not given + left:
                raise FileProblem(f"{which} has no review in hand.") from None
            print(f"{given} reviews of {which} were handed over, {left} could not be: nobody else may review them")
            return 0
        to = review_lead.hand_over(session, review_id, args.to, args.who, args.reason, now)
    print(f"{to} has it now; what was marked is gone, so that nobody sees another's marks")
    return 0


def _drop(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    with house.transaction() as session:
        count = review_lead.drop(session, ask.row_id(args.words[0]), args.who, args.reason, house.clock.now())
    print(f"{count} ratings of it are dropped; nothing is drawn in its place")
    return 0
