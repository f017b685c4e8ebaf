"""`carecall keys`: changing DATA_KEY while the service runs."""

from __future__ import annotations

import argparse

from commands.admin import house_of, login
from commands.joined import Joined
from commands.show import rows_out
from core.models import record
from core.reseal import reseal
from core.settings import SettingsError
from recordings.vault import rotation


def add_arguments(made: argparse.ArgumentParser) -> None:
    made.add_argument("what", choices=["check", "rotate"])
    made.add_argument("--json", action="store_true")


def run(args: argparse.Namespace, joined: Joined) -> int:
    """`check` counts what is still sealed with DATA_KEY_PREVIOUS; `rotate` seals it with DATA_KEY. Exit 1: something
    opens with neither, or is still to be done."""
    house = house_of(joined)
    keyring, look_only = house.settings.keyring, args.what == "check"
    if not keyring.rotates and not look_only:
        raise SettingsError(["DATA_KEY_PREVIOUS is not set: there is no other key to rotate from."])
    files = rotation.rewrap_all(house, look_only=look_only)
    rows = [{"what": "recordings", "sealed": files.files, "anew": files.anew, "do not open": len(files.problems)}]
    for table in reseal(house, keyring, look_only=look_only):
        rows.append(
            {"what": table.table, "sealed": table.values, "anew": table.anew, "do not open": table.closed}
        )
    closed, anew = (sum(int(str(row[name])) for row in rows) for name in ("do not open", "anew"))
    if not look_only:
        with house.transaction() as session:
            now = house.clock.now()
            record(session, "keys", None, "rotated", now, who=login(), anew=anew, closed=closed)
    if look_only:
        rows = [{"to do" if name == "anew" else name: value for name, value in row.items()} for row in rows]
    rows_out(rows, as_json=args.json)
    if not args.json:
        print(_verdict(keyring.rotates, look_only, anew, closed))
    return 1 if closed or (look_only and anew) else 0


def _verdict(rotates: bool, look_only: bool, anew: int, closed: int) -> str:
    if closed:
        return f"{closed} values open with neither key: leave every key where it is, and ask for help."
    if look_only and anew:
        return f"{anew} values still need DATA_KEY_PREVIOUS: run `carecall keys rotate`."
    if look_only:
        return "DATA_KEY alone opens everything" + (": DATA_KEY_PREVIOUS can go." if rotates else ".")
    return "done. When every process runs with the new key, `carecall keys check` tells whether the old one can go."
