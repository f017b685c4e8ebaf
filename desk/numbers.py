"""Ticket numbers: six digits or more and two check digits that nobody can work out who has not the hospital's key, so
that a caller who keys a number at random does not hear of somebody else's ticket (docs/clinical.md WO12)."""

from __future__ import annotations

from core.db import blind

DIGITS, CHECK = 6, 2
LONGEST = 18


def number_of(serial: int) -> str:
    """`NNNNNNCC` of the ticket with this serial number, 1 or more."""
    check = int.from_bytes(blind(str(serial), "ticket number")) % 10**CHECK
    return f"{serial:0{DIGITS}d}{check:0{CHECK}d}"


def is_right(number: str) -> bool:
    """Whether these digits are a number of ours; it says nothing about whether the ticket exists."""
    if not (number.isascii() and number.isdigit() and DIGITS + CHECK <= len(number) <= LONGEST):
        return False
    return number_of(int(number[:-CHECK])) == number
