"""A FHIR R4 bundle (Patient, RelatedPerson, Procedure, Consent) as the rows of `patients.csv`, so that there is one
importer. A row is one Procedure of the bundle, or a Patient without one.

Only what is read is described here (docs/dependencies.md says why not by `fhir.resources`); everything else in a
resource is left alone. What one entry has wrong is said of that entry; the others are imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from core import tables
from core.tables import FileProblem, RowProblem
from scheduler import fhir_words as words
from scheduler.fhir_shapes import Consent, Patient, Procedure, Reference, RelatedPerson, Resource
from scheduler.import_rows import COLUMNS

KINDS: dict[str, type[Resource]] = {
    "Patient": Patient,
    "RelatedPerson": RelatedPerson,
    "Procedure": Procedure,
    "Consent": Consent,
}
Given = tuple[str, dict[str, str] | RowProblem]
R = TypeVar("R", bound=Resource)


def is_json(path: Path) -> bool:
    """Whether the file is meant as JSON: by its name, or because it begins with a brace, as no table does."""
    if path.suffix.lower() == ".json":
        return True
    return tables.content(path)[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read_bundle(path: Path, now: datetime) -> list[Given]:
    """The rows by their entry ("Procedure/xyz"), and for each entry that is none the reason. Raises FileProblem."""
    bundle = _Bundle(_entries(path))
    given: list[Given] = [*bundle.problems]
    consents: dict[str, list[Consent]] = {}
    for consent in bundle.of(Consent):
        given += _sorted(bundle, consent, consent.patient, consents)
    family: dict[str, list[RelatedPerson]] = {}
    for relative in bundle.of(RelatedPerson):
        given += _sorted(bundle, relative, relative.patient, family)
    operated: set[str] = set()
    for procedure in bundle.of(Procedure):
        patient = bundle.patient(procedure.subject)
        if patient is None:
            given.append((procedure.label, _absent(procedure.subject)))
            continue
        try:
            cells = words.operation(procedure)
            given.append((procedure.label, _person(patient, family, consents, now) | cells))
            operated.add(patient.label)
        except RowProblem as problem:
            given.append((procedure.label, problem))
    for patient in bundle.of(Patient):
        if patient.label not in operated:
            # A death or a consent counts also without an operation that can be used.
            try:
                given.append((patient.label, _person(patient, family, consents, now)))
            except RowProblem as problem:
                given.append((patient.label, problem))
    return given


def _person(
    patient: Patient, family: dict[str, list[RelatedPerson]], consents: dict[str, list[Consent]], now: datetime
) -> dict[str, str]:
    """Raises RowProblem."""
    cells = dict.fromkeys(COLUMNS, "") | words.person(patient, now)
    cells |= words.relatives(family.get(patient.label, []), cells, now)
    return cells | words.consents(consents.get(patient.label, []))


def _sorted(bundle: _Bundle, resource: R, reference: Reference | None, into: dict[str, list[R]]) -> list[Given]:
    """Put the resource to its patient; the reason if that cannot be done."""
    patient = bundle.patient(reference)
    if patient is None:
        return [(resource.label, _absent(reference))]
    if isinstance(resource, Consent) and (why := words.no_consent(resource)):
        return [(resource.label, RowProblem(why))]
    into.setdefault(patient.label, []).append(resource)
    return []


def _absent(reference: Reference | None) -> RowProblem:
    if reference is None or not reference.reference:
        return RowProblem("it names no patient")
    return RowProblem("its patient is not in the bundle")


# ---- the bundle ----------------------------------------------------------------------------------
def _entries(path: Path) -> Sequence[Any]:
    try:
        bundle = json.loads(tables.content(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FileProblem(f"{path}: this is not readable JSON ({type(error).__name__}).") from None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise FileProblem(f"{path}: this is no FHIR bundle: its resourceType must be Bundle.")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise FileProblem(f"{path}: this is no FHIR R4 bundle: entry must be a list.")
    if len(entries) > tables.MAX_ROWS:
        raise FileProblem(f"{path}: the bundle has more than {tables.MAX_ROWS} entries; split it.")
    return entries


class _Bundle:
    """The resources we read, by label ("Patient/12") and by every address a reference may use."""

    def __init__(self, entries: Iterable[Any]) -> None:
        self.problems: list[Given] = []
        self._resources: dict[str, Resource] = {}
        self._by_label: dict[str, Patient] = {}
        self._by_url: dict[str, Patient] = {}
        self._elsewhere: set[str] = set()
        """Labels of those that have an address of their own."""
        for number, entry in enumerate(entries, start=1):
            self._take(number, entry)

    def _take(self, number: int, entry: Any) -> None:
        raw = entry.get("resource") if isinstance(entry, dict) else None
        kind = raw.get("resourceType") if isinstance(raw, dict) else None
        if kind not in KINDS or not isinstance(raw, dict):
            return  # other resources are none of ours
        label = f"{kind}/{raw['id']}" if isinstance(raw.get("id"), str) and raw["id"] else f"{kind} in entry {number}"
        if label in self._resources or any(label == known for known, _ in self.problems):
            self.problems.append((f"{label} in entry {number}", RowProblem("an entry before it has the same id")))
            return
        try:
            resource = KINDS[kind].model_validate(raw)
        except ValidationError as error:
            self.problems.append((label, RowProblem(_sentence(error))))
            return
        resource.label = label
        self._resources[label] = resource
        if isinstance(resource, Patient):
            self._by_label[label] = resource
            if isinstance(url := entry.get("fullUrl"), str):
                self._by_url[_unversioned(url)] = resource
                self._elsewhere.add(label)

    def of(self, kind: type[R]) -> Iterator[R]:
        return (resource for resource in self._resources.values() if isinstance(resource, kind))

    def patient(self, reference: Reference | None) -> Patient | None:
        if reference is None or not reference.reference:
            return None
        address = _unversioned(reference.reference)
        if address in self._by_url or address in self._by_label:
            return self._by_url.get(address) or self._by_label[address]
        # An address of some server: the patient of that number, unless this one is of another server.
        found = self._by_label.get("/".join(address.split("/")[-2:])) if "://" in address else None
        return None if found is None or found.label in self._elsewhere else found


def _unversioned(address: str) -> str:
    return address.split("/_history/")[0]


def _sentence(error: ValidationError) -> str:
    """Which element is wrong, never what stands in it."""
    places = {".".join(str(part) for part in one["loc"]) for one in error.errors(include_url=False)}
    return f"not as FHIR R4 has it: {', '.join(sorted(places)[:5])}"
