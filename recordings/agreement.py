"""How far two raters agree. (Signatures; the bodies follow.)"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from recordings.qa_shapes import ItemAgreement


def report(session: Session, since: datetime, until: datetime | None = None) -> list[ItemAgreement]:
    raise NotImplementedError
