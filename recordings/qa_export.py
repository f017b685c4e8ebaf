"""The monthly pack. (Signatures; the bodies follow.)"""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session


def csv(session: Session, first: date) -> str:
    """Agent-months as CSV text with both languages in the header; begins with a byte-order mark."""
    raise NotImplementedError


def month_pack(session: Session, first: date, language: str) -> bytes:
    """The XLSX workbook with charts."""
    raise NotImplementedError
