"""What is left of a patient's data on a page nobody gave a reason for (docs/clinical.md section 3). Pure.

Enough to tell two people on one screen apart, too little to know either.
"""

from __future__ import annotations

HIDDEN = "…"
PHONE_DIGITS = 4
MRN_DIGITS = 3


def name(surname: str) -> str:
    """The initial of a family name: "E." for Example, 王** for 王 (one character is the whole of most)."""
    if not surname:
        return ""
    return f"{surname}**" if "\u4e00" <= surname[0] <= "\u9fff" else f"{surname[0]}."


def phone(e164: str) -> str:
    return _tail(e164, PHONE_DIGITS)


def mrn(number: str) -> str:
    return _tail(number, MRN_DIGITS)


def _tail(text: str, digits: int) -> str:
    """The last characters, but never more than half of them: a short number would be told whole."""
    shown = min(digits, len(text) // 2)
    return HIDDEN + text[len(text) - shown :] if text else ""
