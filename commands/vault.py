"""`carecall recordings` and `carecall purge`: what is kept, what is held, and the proof of what is gone."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from dataclasses import asdict

from commands import reports
from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.tables import FileProblem
from core.values import KNOWN_LANGUAGES
from recordings import reports as recording_reports
from recordings import store
from recordings.privacy import redact
from recordings.vault import carrier_copy, retention
from recordings.vault.files import FileStore

Add = Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser]
BATCH = 100


def add_commands(add: Add) -> None:
    made = add("recordings", recordings, "Recordings and their states; hold, release, fetch, read one; progress.")
    whats = ["list", "progress", "hold", "release", "fetch", "transcript"]
    made.add_argument("what", nargs="?", default="list", choices=whats)
    of_what = "of the recording, for all but list and progress; hold and release take a chat's, too"
    made.add_argument("id", nargs="?", help=of_what)
    made.add_argument("--reason", help="why it is held or released, or read unmasked")
    made.add_argument("--original", action="store_true", help="with transcript: unmasked; who and why is kept")
    made.add_argument("--language", choices=KNOWN_LANGUAGES, help="of the masks (default: the call's)")
    made.add_argument("--patient", metavar="MRN")
    made.add_argument("--since", metavar="TIME", help="ISO 8601")
    made.add_argument("--json", action="store_true")
    gone = add("purge", purge, "Delete now what is past its keeping time; or prove that store and rows agree.")
    gone.add_argument("--check", action="store_true", help="delete nothing: look for files without row and the reverse")
    gone.add_argument("--read", action="store_true", help="with --check: open every file and compare its hash")
    gone.add_argument("--json", action="store_true")


def recordings(args: argparse.Namespace, joined: Joined) -> int:
    if args.what == "list":
        return reports.recordings(args, joined)
    if args.what == "progress":
        return reports.progress(args, joined)
    recording_id = _id(args.id)
    if args.what == "transcript":
        return _transcript(args, joined, recording_id)
    if args.what != "fetch" and not (args.reason or "").strip():
        raise FileProblem(f"recordings {args.what}: say why, with --reason.")
    house = house_of(joined)
    now, who = house.clock.now(), login()
    try:
        with house.transaction() as session:
            if args.what == "hold":
                retention.hold(session, recording_id, who, args.reason, now)
                print("held: it is kept until it is released")
            elif args.what == "release":
                count = retention.release(session, recording_id, who, args.reason, now)
                print(f"released ({count} {'hold' if count == 1 else 'holds'}): its keeping time counts again")
            elif store.fetch_by_hand(session, recording_id, who, now):
                print("it is fetched again")
            else:
                print("there is nothing to fetch: it is here, was purged, or is being fetched")
                return 1
    except retention.HoldProblem as problem:
        raise FileProblem(str(problem)) from None
    return 0


def _transcript(args: argparse.Namespace, joined: Joined, recording_id: uuid.UUID) -> int:
    """Masked; the original for who says why. Whoever runs commands on this machine holds its DATA_KEY: that is the
    right, and the login at the terminal is what is written down."""
    house = house_of(joined)
    try:
        with house.transaction() as session:
            if args.original:
                rights = ("listen", "original", "held")
                said = redact.read_original(
                    session, recording_id, login(), args.reason or "", house.clock.now(), rights
                )
            else:
                said = recording_reports.transcript(session, recording_id, language=args.language)
    except redact.ListeningProblem as problem:
        raise FileProblem(str(problem)) from None
    if args.json:
        rows_out([asdict(line) for line in said], as_json=True)
        return 0
    for line in said:
        print(f"{line.start_s:6.1f}s {line.speaker:>7}: {line.text}")
    if not said:
        print("there are no words of this recording")
    return 0


def _id(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        raise FileProblem("Which recording? Give its id, as `carecall recordings` lists it.") from None


def purge(args: argparse.Namespace, joined: Joined) -> int:
    house = house_of(joined)
    if args.check:
        found = retention.check(house, read=args.read)
        if found or args.json:
            rows_out([asdict(one) for one in found], as_json=args.json)
        if not args.json:
            print(f"{len(found)} disagreements" if found else "store and rows agree")
        return 1 if found else 0
    files, count = house.service(FileStore), 0
    while True:
        now = house.clock.now()
        with house.transaction() as session:
            batch = retention.over(session, now, BATCH)
        before = count
        for recording_id in batch:
            with house.transaction() as session:
                count += retention.purge(session, files, recording_id, now)
        if count == before:  # nothing is left, or somebody else is at it
            break
    with house.transaction() as session:
        asked = carrier_copy.want_all_gone(session, house.clock.now())
    if args.json:
        rows_out([{"purged": count, "asked_at_carrier": asked}], as_json=True)
    else:
        print(f"{count} recordings purged" + (f", {asked} more to be deleted at the carrier" if asked else ""))
    return 0
