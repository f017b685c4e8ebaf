"""Every call goes on in the book it began with: editing a flow or a prompt never changes a call in progress.

The first call under new files stores them (`flow_books`), in a transaction of its own, so that no two calls wait for
each other with rows locked; from then on this process knows, and no turn asks the database. A call that began under
other files, before a deploy, has them read once per process. Books are never deleted: they are the record of what
was said.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.house import House, of
from dialer.models import LIVE_CALL, Call
from ivr import sounds
from ivr.book import Book, rebuilt, with_words_of
from ivr.flow import FlowError
from ivr.models import FlowBook
from ivr.sounds import Sounds

log = logging.getLogger(__name__)

MOST_BOOKS = 8
"""Older books a process keeps at hand: calls last minutes, deploys are rarer."""


class Shelf:
    """What this process knows of books: which are stored, and the older ones it has read."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.older: dict[str, Book] = {}


def kept(here: House, now: datetime) -> Book:
    """The present book, for a call that begins; it is stored when this returns."""
    book, shelf = here.service(Book), _shelf(here)
    if book.version and book.version not in shelf.stored:
        with here.transaction() as session:
            row = {"version": book.version, "content": book.content, "at": now}
            session.execute(insert(FlowBook).values(row).on_conflict_do_nothing())
        shelf.stored.add(book.version)
    return book


def of_call(session: Session, call: Call) -> Book:
    """The book this call began with. A call from before books were kept goes on in the present one, and so does one
    whose book this release cannot read."""
    here = of(session)
    present = here.service(Book)
    if call.book in ("", present.version):
        return present
    older = _shelf(here).older
    book = older.get(call.book)
    if book is None:
        book = older[call.book] = _read(here, session, call.book) or present
        if len(older) > MOST_BOOKS:
            older.pop(next(iter(older)), None)
    return book


def _read(here: House, session: Session, version: str) -> Book | None:
    content = session.scalar(sa.select(FlowBook.content).where(FlowBook.version == version))
    if content is None:
        log.error("a call began with a book that was never stored", extra={"book": version})
        return None
    try:
        found = rebuilt(version, content, here.services.get(Sounds), sounds.address(here.settings.public_url))
        return with_words_of(found, here.service(Book))
    except FlowError:
        log.exception("the book a call began with cannot be read any more", extra={"book": version})
        return None


def _shelf(here: House) -> Shelf:
    found: Shelf = here.services.setdefault(Shelf, Shelf())
    return found


# ---- for people -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Kept:
    """One version: since when it is kept, how many flows and prompts it holds, how many calls go on in it now."""

    version: str
    at: datetime
    flows: int
    prompts: int
    calls: int


def versions(session: Session) -> list[Kept]:
    """Every version there was, the newest first."""
    live = sa.select(Call.book, sa.func.count().label("calls")).where(Call.status.in_(LIVE_CALL)).group_by(Call.book)
    now = live.subquery()
    rows = session.execute(
        sa.select(FlowBook.version, FlowBook.at, FlowBook.content, sa.func.coalesce(now.c.calls, 0))
        .outerjoin(now, now.c.book == FlowBook.version)
        .order_by(FlowBook.at.desc(), FlowBook.version)
    )
    return [
        Kept(version, at, len(content["flows"]), sum(len(said["prompts"]) for said in content["prompts"].values()), n)
        for version, at, content, n in rows
    ]
