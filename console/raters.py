"""Who may review calls: the console's QA listeners and supervisors, and those of the staff file."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from console.models import User
from dialer.models import Agent
from recordings.quality.qa_shapes import Rater

ROLES = ("qa", "supervisor")


class ConsoleRaters:
    """recordings.quality.qa_shapes.Raters."""

    def now(self, session: Session) -> list[Rater]:
        """By login. Who is in the console and in the staff file has the console's role: they sign in with it."""
        found: dict[str, Rater] = {}
        for table in (Agent, User):
            rows = session.execute(sa.select(table.login, table.role, table.active)).all()
            for login, role, active in rows:
                found.pop(login, None)
                if active and role in ROLES:
                    found[login] = Rater(login, role)
        return sorted(found.values(), key=lambda rater: rater.login)
