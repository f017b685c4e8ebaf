"""Stored recordings wrapped anew with today's DATA_KEY, while the service runs. The sound itself is not touched."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.house import House
from recordings.rows import locked
from recordings.vault.files import FileProblem, FileStore


@dataclass
class Wrapped:
    """What was found in the store."""

    files: int = 0
    anew: int = 0
    """Wrapped anew, or (looking only) still to be."""
    problems: list[str] = field(default_factory=list)
    """Files that open with neither key."""


def rewrap_all(house: House, *, look_only: bool = False) -> Wrapped:
    """Each file once. Killed at any moment nothing is lost; run again, it goes on where something is still to do."""
    store, done = house.service(FileStore), Wrapped()
    for recording_id in store.ids():
        with house.transaction() as session:
            locked(session, recording_id)  # a purge waits: what it deleted must not come back
            if not store.exists(recording_id):
                continue
            done.files += 1
            try:
                changed = not store.is_current(recording_id) if look_only else store.rewrap(recording_id)
            except FileProblem as problem:
                done.problems.append(str(problem))
                continue
            done.anew += changed
    return done
