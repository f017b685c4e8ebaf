"""FHIR's words in ours, pure: one resource's elements as cells of `patients.csv`. Raises RowProblem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from core import people
from core.tables import RowProblem
from scheduler.fhir_shapes import (
    CodeableConcept,
    Consent,
    ContactPoint,
    HumanName,
    Identifier,
    Patient,
    Period,
    Procedure,
    RelatedPerson,
)
from scheduler.import_rows import PURPOSES

GUARDIAN_CODES: Final = frozenset({"GUARD"})
PARENT_CODES: Final = frozenset(
    {"PRN", "FTH", "MTH", "NFTH", "NMTH", "ADOPTP", "ADOPTF", "ADOPTM", "PRNFOST", "STPPRN"}
)
RELATIONS: Final = {
    **dict.fromkeys(("FTH", "NFTH"), "father"), **dict.fromkeys(("MTH", "NMTH"), "mother"), "PRN": "parent",
    **dict.fromkeys(("SPS", "HUSB", "WIFE", "DOMPART"), "spouse"),
    **dict.fromkeys(("CHILD", "SON", "DAU", "SONC", "DAUC", "NCHILD", "SONINLAW", "DAUINLAW"), "child"),
    **dict.fromkeys(("SIB", "BRO", "SIS", "NSIB"), "sibling"),
    **dict.fromkeys(("GRPRN", "GRMTH", "GRFTH"), "grandparent"),
}  # fmt: skip
SEXES: Final = {"male": "m", "female": "f", "other": "other"}
STATUSES: Final = {"completed": "active", "in-progress": "active", "stopped": "active",
                   "not-done": "cancelled", "entered-in-error": "cancelled"}  # fmt: skip
PURPOSE_CODES: Final = {purpose: purpose for purpose in PURPOSES} | {"follow-up": "followup"}
MOST_RELATIVES: Final = 6
LONGEST_VERSION: Final = 200


# ---- the patient ---------------------------------------------------------------------------------
def person(patient: Patient, now: datetime) -> dict[str, str]:
    """Cells of the patient; `life` and, for a second number of the patient's own, phone2 on."""
    own = _phones(patient.telecom, now)
    cells = {
        "mrn": _identifier(patient.identifier, medical_record=True),
        "name": _name(patient.name),
        "phone": own[0] if own else "",
        "birth_date": patient.birthDate,
        "sex": SEXES.get(patient.gender, ""),
        "language": _language(patient),
        "timezone": _timezone(patient),
        "life": _life(patient),
    }
    if not cells["mrn"]:
        raise RowProblem("the patient has no identifier: a record number is needed")
    if patient.birthDate and len(patient.birthDate) != len("2031-03-07"):
        cells["birth_date"] = ""  # FHIR allows a year or a month alone, which tells nobody's birthday
    for place, phone in enumerate(own[1:3], start=2):
        cells |= {f"phone{place}": phone, f"relation{place}": people.SELF}
    return cells


def _identifier(identifiers: Sequence[Identifier], *, medical_record: bool = False) -> str:
    """The one of type MR, else the first; none that is old."""
    valued = [one for one in identifiers if one.value.strip() and one.use != "old"]
    records = [one for one in valued if medical_record and "MR" in one.type.codes]
    return (records or valued)[0].value.strip() if valued else ""


def _name(names: Sequence[HumanName]) -> str:
    usable = [name for name in names if name.use not in ("old", "nickname", "anonymous")]
    for name in sorted(usable, key=lambda name: name.use != "official"):
        if name.text.strip():
            return name.text.strip()
        parts = [part.strip() for part in (*name.given, name.family) if part.strip()]
        if parts:
            chinese = "\u4e00" <= (name.family or parts[0])[0] <= "\u9fff"
            return name.family.strip() + "".join(p.strip() for p in name.given) if chinese else " ".join(parts)
    return ""


def _phones(telecom: Sequence[ContactPoint], now: datetime) -> list[str]:
    """Numbers that can be rung, mobile ones first, then by rank and place; each once."""
    usable = [
        point
        for point in telecom
        if point.value.strip() and point.system in ("phone", "sms") and point.use != "old" and _lasts(point.period, now)
    ]
    ordered = sorted(usable, key=lambda point: (point.use != "mobile", point.rank or 99))
    return list(dict.fromkeys(point.value.strip().removeprefix("tel:") for point in ordered))


def _lasts(period: Period, now: datetime) -> bool:
    """Whether it has not ended. A day without a time lasts to its end everywhere; what cannot be read has no end."""
    if len(period.end) < len("2031-03-07"):
        return True
    try:
        end = datetime.fromisoformat(period.end)
    except ValueError:
        return True
    return end.date() >= now.date() if end.tzinfo is None else end >= now


def _language(patient: Patient) -> str:
    """One of ours if the patient speaks it, the preferred first; else empty: the hospital's own."""
    for spoken in sorted(patient.communication, key=lambda one: not one.preferred):
        for code in spoken.language.codes:
            if code.lower().startswith("zh"):
                return "zh-CN"
            if code.lower().startswith("en"):
                return "en"
    return ""


def _timezone(patient: Patient) -> str:
    extensions = [*patient.extension, *(one for address in patient.address for one in address.extension)]
    zones = (one.valueCode or one.valueString for one in extensions if one.url.endswith(("/timezone", "/tz-code")))
    return next(iter(zone for zone in zones if zone), "")


def _life(patient: Patient) -> str:
    if patient.deceasedBoolean or patient.deceasedDateTime:
        return "deceased"
    return "" if patient.deceasedBoolean is None else "alive"


# ---- relatives -----------------------------------------------------------------------------------
def relatives(family: Iterable[RelatedPerson], cells: dict[str, str], now: datetime) -> dict[str, str]:
    """phoneN and relationN after the patient's own; `relatives` = unknown when the bundle has nobody."""
    found: dict[str, str] = {}
    known = {name: value for name, value in cells.items() if name.startswith("phone") and value}
    place = max(1, len(known)) + 1
    numbers = [
        (phone, _relation(one.relationship))
        for one in family
        if one.active and _lasts(one.period, now)
        for phone in _phones(one.telecom, now)[:2]
    ]
    for phone, relation in numbers[:MOST_RELATIVES]:
        found |= {f"phone{place}": phone, f"relation{place}": relation}
        place += 1
    return found if numbers else {"relatives": "unknown"}


def _relation(relationship: Sequence[CodeableConcept]) -> str:
    """guardian; parent (a child's is its guardian, which the row's reader decides); or the word that is there."""
    codes = [code for concept in relationship for code in concept.codes]
    if GUARDIAN_CODES & set(codes):
        return people.GUARDIAN
    named = [RELATIONS[code] for code in codes if code in RELATIONS]
    if named:
        return named[0]
    if PARENT_CODES & set(codes):
        return "parent"
    return next((concept.words for concept in relationship if concept.words), "relative")


# ---- the operation -------------------------------------------------------------------------------
def operation(procedure: Procedure) -> dict[str, str]:
    """Cells of the operation."""
    status = STATUSES.get(procedure.status)
    if status is None:
        raise RowProblem(f"an operation of status {procedure.status or '(none)'!r} is none that has taken place")
    external_id = _identifier(procedure.identifier)
    if not external_id:
        raise RowProblem("the operation has no identifier: its number is needed")
    performer = procedure.performer[0] if procedure.performer else None
    return {
        "procedure_id": external_id,
        "procedure": procedure.code.words,
        "surgeon": performer.actor.display if performer else "",
        "department": performer.onBehalfOf.display if performer else "",
        "surgery_end": _end(procedure, cancelled=status == "cancelled"),
        "status": "cancelled" if status == "cancelled" else "",
    }


def _end(procedure: Procedure, *, cancelled: bool) -> str:
    end = procedure.performedPeriod.end or procedure.performedDateTime
    if "T" in end:
        return end
    if cancelled:
        return ""
    if end:
        raise RowProblem("the operation's end is a day without a time: nobody can say when its waves are due")
    raise RowProblem("the operation has no end yet (performedPeriod.end or performedDateTime)")


# ---- consents ------------------------------------------------------------------------------------
def no_consent(consent: Consent) -> str:
    """Why this resource says nothing to us; empty if it does."""
    if consent.status not in ("active", "inactive", "rejected"):
        return f"a consent of status {consent.status or '(none)'!r} says neither yes nor no"
    if not _purposes(consent):
        return f"none of its codes is a purpose of ours: {', '.join(PURPOSES)}"
    return "" if not consent.dateTime or _moment(consent.dateTime) else "its dateTime is no time"


def _purposes(consent: Consent) -> list[str]:
    codings = [*consent.scope.coding, *consent.provision.purpose]
    for concept in (*consent.category, *consent.provision.code):
        codings += concept.coding
    codes = [PURPOSE_CODES.get(coding.code.lower()) for coding in codings]
    return list(dict.fromkeys(code for code in codes if code))


def consents(found: Iterable[Consent]) -> dict[str, str]:
    """consent_<purpose> with its time and version; of several to one purpose the latest counts."""
    cells: dict[str, str] = {}
    for consent in sorted(found, key=lambda one: _moment(one.dateTime)):
        given = consent.status == "active" and consent.provision.type != "deny"
        for purpose in _purposes(consent):
            name = f"consent_{purpose}"
            cells |= {
                name: "yes" if given else "no",
                f"{name}_at": consent.dateTime if len(consent.dateTime) >= len("2031-03-07") else "",
                f"{name}_version": _version(consent)[:LONGEST_VERSION],
            }
    return cells | {"consent_channel": "fhir"} if cells else {}


def _moment(text: str) -> float:
    """For the order only; without a readable time it is the oldest. FHIR also has a month or a year alone."""
    rest = {4: "-01-01", 7: "-01"}.get(len(text), "")
    try:
        return datetime.fromisoformat(text + rest).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _version(consent: Consent) -> str:
    source = consent.sourceReference
    policies = [policy.uri for policy in consent.policy if policy.uri]
    return consent.policyRule.words or source.display or source.reference or next(iter(policies), "")
