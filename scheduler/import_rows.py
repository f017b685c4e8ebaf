"""What a row of patients says, pure: its cells read, and the rows of one file settled with each other.

Rows that tell of one patient, or of one operation, must not undo each other at every import: where two differ, the
last one counts for all of them, and the earlier one's report says so. An empty cell says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core import people, tables
from core.settings import Settings
from core.tables import RowProblem
from core.values import KNOWN_LANGUAGES

PURPOSES = ("followup", "recording", "night", "family", "reminder", "survey")
COLUMNS = (
    *("mrn", "name", "phone", "phone2", "relation2", "guardian", "birth_date", "sex", "language", "timezone"),
    *("allergies", "consent_followup", "consent_recording", "consent_night", "status"),
    *("procedure_id", "procedure", "department", "surgeon", "surgery_end", "discharged_at"),
    *("consent_family", "consent_reminder", "consent_survey", "consent_version", "consent_channel"),
)
REQUIRED = ("mrn", "name", "phone", "procedure_id", "surgery_end")
STATUSES = ("active", "cancelled", "deceased", "readmitted")
CHANNELS = ("paper", "keypad", "sms", "desk", "fhir")
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
OLDEST = date(1890, 1, 1)
FURTHEST = timedelta(days=366)
"""How far ahead an operation may lie; further is a slip of the keyboard, and its waves would never come."""
GUARDIANS = frozenset({"guardian", "legal guardian", "监护人"})
PARENTS = frozenset({"mother", "father", "parent", "母亲", "父亲", "妈妈", "爸爸", "家长", "父母"})

Number = tuple[str, str]
"""E.164 and relation: self | guardian | what the file says."""


@dataclass(frozen=True)
class Word:
    """What a file says about one consent. `at`: when it was said, None when the file does not know."""

    given: bool
    version: str = ""
    channel: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Operation:
    external_id: str
    status: str
    """active | cancelled"""
    ended_at: datetime | None
    """None only for a cancelled one that never took place."""
    name: str = ""
    department: str = ""
    surgeon: str = ""
    discharged_at: datetime | None = None


@dataclass(frozen=True)
class Row:
    """One row, read. Empty text and None: the row says nothing about it."""

    label: int | str
    mrn: str
    person: Mapping[str, str]
    """name, birth_date (ISO), sex, language, timezone, allergies"""
    own: Number | None
    others: tuple[Number, ...]
    family_unknown: bool
    """The row does not know the relatives: those on file stay. False: there are no others than these."""
    life: str | None
    """active | deceased | readmitted | alive (not dead, whatever else) | "" (an empty cell) | None (says nothing)"""
    consents: Mapping[str, Word] = field(default_factory=dict)
    operation: Operation | None = None
    notes: tuple[str, ...] = ()


# ---- one row -------------------------------------------------------------------------------------
def read(label: int | str, values: Mapping[str, str], settings: Settings, now: datetime) -> Row:
    """Raises RowProblem. Besides COLUMNS (all present), a bundle's rows may have `life`, `relatives` ("unknown"),
    `phone3`/`relation3` and on, and `consent_<purpose>_at|_version`."""
    cells = dict(values)
    tables.refuse_ragged(cells)
    status = tables.one_of(cells, "status", STATUSES, "active")
    _needed(cells, status)
    tables.refuse_long(cells)
    person = {
        "name": cells["name"],
        "birth_date": _birth_date(cells, now),
        "sex": cells["sex"],
        "language": cells["language"] and tables.one_of(cells, "language", KNOWN_LANGUAGES, ""),
        "timezone": _zone(cells),
        "allergies": cells["allergies"],
    }
    minor = _is_minor(person["birth_date"], settings, now)
    own, others = _numbers(cells, settings, minor)
    return Row(
        label=label,
        mrn=cells["mrn"],
        person=person,
        own=own,
        others=others,
        family_unknown=own is None or cells.get("relatives") == "unknown",
        life=_life(cells, status),
        consents=_consents(cells, settings, now),
        operation=_operation(cells, status, settings, now) if cells["procedure_id"] else None,
    )


def _needed(cells: dict[str, str], status: str) -> None:
    """A death counts without a number and an operation; a cancelled operation has no end; the rest is needed."""
    needed: tuple[str, ...] = REQUIRED
    if status == "deceased" or "life" in cells:
        needed = ("mrn",) if status == "deceased" else ("mrn", "name")
    if cells["procedure_id"] and "life" in cells and status != "cancelled":
        needed = (*needed, "surgery_end")
    if status == "cancelled":
        needed = tuple(name for name in needed if name != "surgery_end")
    tables.needed(cells, *needed)


def _birth_date(cells: dict[str, str], now: datetime) -> str:
    if not cells["birth_date"]:
        return ""
    born = tables.day(cells, "birth_date")
    if not OLDEST <= born <= (now + timedelta(days=1)).date():
        raise RowProblem(f"birth_date must lie between {OLDEST.year} and today, not {cells['birth_date']!r}")
    return born.isoformat()


def _is_minor(born: str, settings: Settings, now: datetime) -> bool:
    today = now.astimezone(settings.hospital.timezone).date()
    return bool(born) and people.years(date.fromisoformat(born), today) < settings.followup.guardian_age


def _zone(cells: dict[str, str]) -> str:
    if not cells["timezone"]:
        return ""
    try:
        return ZoneInfo(cells["timezone"]).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RowProblem(f"timezone must be a name such as Asia/Shanghai, not {cells['timezone']!r}") from None


def _life(cells: dict[str, str], status: str) -> str | None:
    if "life" in cells:
        return cells["life"] or None
    # A cancelled operation says nothing about the patient.
    return None if status == "cancelled" else status if cells["status"] else ""


def _numbers(cells: dict[str, str], settings: Settings, minor: bool) -> tuple[Number | None, tuple[Number, ...]]:
    """The patient's own number and the relatives'. `guardian` says that phone2, or without one phone, is the
    guardian's: yes, or the guardian's name. A child's parent is its guardian."""
    ours = settings.twilio_from
    guardian = cells["guardian"].lower() not in tables.NO
    own = (tables.phone(cells, "phone", ours), people.SELF) if cells["phone"] else None
    others: list[Number] = []
    for place in range(2, 10):
        if not cells.get(f"phone{place}"):
            continue
        relation = cells.get(f"relation{place}", "")
        is_guardian = relation.lower() in GUARDIANS or (minor and relation.lower() in PARENTS)
        named = people.GUARDIAN if is_guardian or (guardian and place == 2) else relation or "relative"
        others.append((tables.phone(cells, f"phone{place}", ours), named))
    if guardian and own and not others:
        own = (own[0], people.GUARDIAN)
    return own, tuple(others)


def _consents(cells: dict[str, str], settings: Settings, now: datetime) -> dict[str, Word]:
    channel = cells["consent_channel"] and tables.one_of(cells, "consent_channel", CHANNELS, "")
    words = {}
    for purpose in PURPOSES:
        name = f"consent_{purpose}"
        if not cells[name]:
            continue  # a missing consent is no consent, and an empty cell takes nothing back
        given = tables.yes_no(cells, name)
        at = tables.moment(cells, f"{name}_at", settings.hospital.timezone) if cells.get(f"{name}_at") else None
        if at is not None and not EARLIEST <= at <= now + timedelta(days=1):
            raise RowProblem(f"the time of the consent to {purpose} must lie between {EARLIEST.year} and now")
        version = cells.get(f"{name}_version", "") or cells["consent_version"]
        words[purpose] = Word(given, version, channel, at)
    return words


def _operation(cells: dict[str, str], status: str, settings: Settings, now: datetime) -> Operation | None:
    ended_at = _moment(cells, "surgery_end", settings.hospital.timezone, now)
    if ended_at is None and status != "cancelled":
        return None  # a death without its operation's end
    return Operation(
        external_id=cells["procedure_id"],
        status="cancelled" if status == "cancelled" else "active",
        ended_at=ended_at,
        name=cells["procedure"],
        department=cells["department"],
        surgeon=cells["surgeon"],
        discharged_at=_moment(cells, "discharged_at", settings.hospital.timezone, now),
    )


def _moment(cells: dict[str, str], name: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    if not cells[name]:
        return None
    moment = tables.moment(cells, name, zone)
    if not EARLIEST <= moment <= now + FURTHEST:
        raise RowProblem(f"{name} must lie between {EARLIEST.year} and a year from now, not {cells[name]!r}")
    return moment


# ---- the rows of one file ------------------------------------------------------------------------
def settle(rows: Sequence[Row]) -> list[Row]:
    """The same rows in the same order, those of one patient and those of one operation of one mind."""
    settled = {row.label: row for row in rows}
    for group in _groups(rows, lambda row: row.mrn):
        for row in _settled_person(group):
            settled[row.label] = row
    operations = [row for row in settled.values() if row.operation is not None]
    for group in _groups(operations, lambda row: (row.mrn, row.operation and row.operation.external_id)):
        for row in _settled_operation(group):
            settled[row.label] = row
    return [settled[row.label] for row in rows]


def _groups(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _last(group: Sequence[Row], says: Callable[[Row], Any]) -> tuple[Any, Row]:
    """The last thing said that is not nothing, and who says it."""
    told = next((row for row in reversed(group) if says(row)), group[-1])
    return says(told), told


def _settled_person(group: Sequence[Row]) -> list[Row]:
    readers: dict[str, Callable[[Row], Any]] = {"phone": lambda row: row.own, "phone2": lambda row: row.others}
    readers |= {name: partial(_of_person, name) for name in group[0].person}
    readers |= {f"consent_{purpose}": partial(_consent_to, purpose) for purpose in PURPOSES}
    counts = {name: _last(group, says) for name, says in readers.items()}
    life, teller = _settled_life(group)
    settled = []
    for row in group:
        other = {name: told for name, (value, told) in counts.items() if readers[name](row) not in (value, *_NOTHING)}
        if row.life not in (life, *_NOTHING):
            other["status"] = teller
        settled.append(
            replace(
                row,
                person={name: counts[name][0] for name in row.person},
                own=counts["phone"][0],
                others=counts["phone2"][0],
                family_unknown=all(one.family_unknown for one in group),
                life=life,
                consents={p: word for p in PURPOSES if (word := counts[f"consent_{p}"][0]) is not None},
                notes=(*row.notes, *_superseded(other)),
            )
        )
    return settled


def _of_person(name: str, row: Row) -> str:
    return row.person[name]


def _consent_to(purpose: str, row: Row) -> Word | None:
    return row.consents.get(purpose)


_NOTHING: tuple[Any, ...] = (None, "", ())


def _settled_life(group: Sequence[Row]) -> tuple[str | None, Row]:
    """A death in any row is a death: the family is not rung because another row says nothing of it, or otherwise."""
    words: list[tuple[str | None, Row]] = [(row.life, row) for row in group if row.life is not None]
    dead = next((word for word in words if word[0] == "deceased"), None)
    told = [word for word in words if word[0]]
    return dead or (told or words or [(None, group[-1])])[-1]


def _superseded(other: Mapping[str, Row]) -> list[str]:
    tellers = {told.label: [name for name, by in other.items() if by is told] for told in other.values()}
    return [f"{_row(label)} says otherwise about {', '.join(names)}: it counts" for label, names in tellers.items()]


def _settled_operation(group: Sequence[Row]) -> list[Row]:
    last = group[-1]
    return [
        row
        if row.operation == last.operation
        else replace(
            row,
            operation=last.operation,
            notes=(*row.notes, f"{_row(last.label)} says otherwise about this operation: it counts"),
        )
        for row in group
    ]


def _row(label: int | str) -> str:
    return f"row {label}" if isinstance(label, int) else label
