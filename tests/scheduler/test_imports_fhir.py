"""FHIR R4 bundles: the same rows as a table's, entry by entry."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from core.house import House
from core.models import Consent, Patient, Procedure
from core.tables import FileProblem, RowProblem
from scheduler import fhir
from scheduler.imports import import_patients
from tests.house import MID_MORNING
from tests.scheduler.test_imports import Desk

TIMEZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
V3 = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
MINE, WORK, HERS = "+8613800000001", "+861055550121", "+8613800000002"


def patient(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": "p1",
        "identifier": [{"value": "SSN-1"}, {"type": MR, "value": "T-0001"}],
        "name": [{"use": "nickname", "text": "Annie"}, {"use": "official", "family": "Example", "given": ["Ann"]}],
        "telecom": [
            {"system": "email", "value": "ann@example.invalid"},
            {"system": "phone", "value": WORK, "use": "work"},
            {"system": "phone", "value": "+8613800000099", "use": "old"},
            {"system": "phone", "value": MINE, "use": "mobile"},
        ],
        "gender": "female", "birthDate": "1961-05-06", "maritalStatus": {"text": "not read"},
        "communication": [
            {"language": {"coding": [{"code": "zh-Hans"}]}},
            {"language": {"coding": [{"code": "en-GB"}]}, "preferred": True},
        ],
        "address": [{"extension": [{"url": TIMEZONE, "valueCode": "Europe/Berlin"}]}],
    } | more  # fmt: skip


def relative(code: str = "WIFE", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p1"},
        "relationship": [{"coding": [{"system": V3, "code": code}]}],
        "telecom": [{"system": "phone", "value": HERS}],
    } | more  # fmt: skip


def procedure(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Procedure", "id": "op1", "identifier": [{"value": "OP-1"}], "status": "completed",
        "code": {"text": "hernia repair"}, "subject": {"reference": "Patient/p1"},
        "performedPeriod": {"start": "2031-03-07T06:00:00+08:00", "end": "2031-03-07T08:00:00+08:00"},
        "performer": [{"actor": {"display": "Dr Knife"}, "onBehalfOf": {"display": "surgery"}}],
    } | more  # fmt: skip


def consent(code: str = "followup", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": f"c-{code}", "status": "active", "patient": {"reference": "Patient/p1"},
        "scope": {"coding": [{"code": "treatment"}]}, "category": [{"coding": [{"code": code}]}],
        "dateTime": "2031-03-06T09:00:00+08:00", "policyRule": {"text": "form 2031-01"},
        "provision": {"type": "permit"},
    } | more  # fmt: skip


class BundleDesk(Desk):
    """Where bundles are brought in."""

    def bundle(self, *resources: Any, dry_run: bool = False) -> list[tuple[int | str, str, str]]:
        self.path = self.path.with_suffix(".json")
        entries = [one if "resource" in one else {"resource": one} for one in resources]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        self.path.write_text(json.dumps(bundle), encoding="utf-8")
        reports = import_patients(self.house, self.path, self.now, dry_run=dry_run)
        return [(report.row, report.result, report.detail) for report in reports]

    def consents(self) -> list[tuple[str, bool, str, str, str]]:
        with self.house.transaction() as session:
            rows = session.scalars(sa.select(Consent).order_by(Consent.id))
            return [(row.purpose, row.given, row.version, row.channel, row.at.isoformat()) for row in rows]

    def operation(self) -> Procedure:
        with self.house.transaction() as session:
            return session.scalars(sa.select(Procedure)).one()


@pytest.fixture
def desk(house: House, tmp_path: Path) -> BundleDesk:
    return BundleDesk(house, tmp_path)


def test_a_bundle_is_a_patient_with_numbers_consents_and_an_operation(desk: BundleDesk) -> None:
    resources = (consent(), relative(), procedure(), {"resourceType": "Observation", "id": "x"}, patient())
    assert desk.bundle(*resources, dry_run=True) == [("Procedure/op1", "created", "5 follow-ups planned")]
    assert desk.bundle(*resources) == [("Procedure/op1", "created", "5 follow-ups planned")]
    who = desk.patient()
    assert (who.name, who.birth_date, who.sex, who.language, who.timezone, who.status) == (
        "Ann Example", "1961-05-06", "f", "en", "Europe/Berlin", "active",
    )  # fmt: skip
    assert desk.numbers() == [(MINE, "self"), (WORK, "self"), (HERS, "spouse")]
    assert desk.consents() == [("followup", True, "form 2031-01", "fhir", "2031-03-06T01:00:00+00:00")]
    done = desk.operation()
    assert (done.external_id, done.name, done.department, done.surgeon, done.ended_at.isoformat()) == (
        "OP-1", "hernia repair", "surgery", "Dr Knife", "2031-03-07T00:00:00+00:00",
    )  # fmt: skip
    before = desk.dump()
    assert desk.bundle(*resources) == [("Procedure/op1", "unchanged", "")]
    assert desk.dump() == before


def test_a_bundle_without_relatives_leaves_those_on_file(desk: BundleDesk) -> None:
    desk.bundle(patient(), relative(), procedure())
    assert desk.bundle(patient(), procedure()) == [("Procedure/op1", "unchanged", "")]
    desk.bundle(patient(), relative("SON", telecom=[{"system": "phone", "value": "+8613800000003"}]), procedure())
    assert desk.numbers()[2:] == [("+8613800000003", "child")]


@pytest.mark.parametrize("code", ["GUARD", "PRN", "MTH"])
def test_a_childs_guardian_or_parent_is_its_guardian(desk: BundleDesk, code: str) -> None:
    [(_, _, detail)] = desk.bundle(patient(birthDate="2025-05-06"), procedure(), relative(code))
    assert "nobody" not in detail
    assert desk.numbers()[-1] == (HERS, "guardian")


def test_the_same_rows_as_a_table_would_give(desk: BundleDesk) -> None:
    desk.patients({"phone2": HERS, "relation2": "spouse", "birth_date": "1961-05-06", "sex": "f", "language": "en",
                   "timezone": "Europe/Berlin", "procedure": "hernia repair", "department": "surgery",
                   "surgeon": "Dr Knife"})  # fmt: skip
    one_number = patient(telecom=[{"system": "phone", "value": MINE}])
    assert desk.bundle(one_number, relative(), procedure()) == [("Procedure/op1", "unchanged", "")]


STATUSES = [
    ("not-done", "cancelled", "5 follow-ups cancelled"), ("entered-in-error", "cancelled", "5 follow-ups cancelled"),
    ("in-progress", "active", ""), ("stopped", "active", ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "becomes", "told"), STATUSES)
def test_what_became_of_the_operation(desk: BundleDesk, status: str, becomes: str, told: str) -> None:
    desk.bundle(patient(), procedure())
    without_end = {} if becomes == "active" else {"performedPeriod": {}}
    [(_, _, detail)] = desk.bundle(patient(), procedure(status=status, **without_end))
    assert (desk.operation().status, detail) == (becomes, told)


def test_a_cancelled_operation_nobody_knows_is_no_fault(desk: BundleDesk) -> None:
    told = desk.bundle(patient(), procedure(status="not-done", performedPeriod={}))
    assert told == [("Procedure/op1", "created", "cancelled, and not on file: nothing to do")]


def test_a_death_and_its_correction(desk: BundleDesk) -> None:
    desk.bundle(patient(), procedure())
    desk.bundle(patient(deceasedDateTime="2031-03-07"))
    assert desk.patient().status == "deceased"
    desk.bundle(patient(), procedure())
    assert desk.patient().status == "deceased", "a bundle that says nothing of it"
    assert desk.bundle(patient(deceasedBoolean=False), procedure())[0][1] == "updated"
    assert desk.patient().status == "active"


def test_consents_are_settled_by_their_date(desk: BundleDesk) -> None:
    desk.bundle(patient(), procedure(), consent())
    later = consent(status="inactive", dateTime="2031-03-06T12:00:00+08:00")
    assert desk.bundle(patient(), procedure(), later)[0][1:] == ("updated", "")
    assert desk.consent() == (False, "import")
    told = desk.bundle(patient(), procedure(), consent())
    assert told[0][1:] == ("unchanged", "consent_followup stays no: another file said so since")


CONSENTS = [
    (consent("night"), [("night", True)]),
    (consent(provision={"type": "deny"}), [("followup", False)]),
    (consent(status="rejected"), [("followup", False)]),
    (consent("x", provision={"purpose": [{"code": "survey"}, {"code": "night"}]}), [("survey", True), ("night", True)]),
    (consent("x", scope={"coding": [{"code": "family"}]}), [("family", True)]),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "given"), CONSENTS)
def test_what_is_agreed_to(desk: BundleDesk, resource: dict[str, Any], given: list[tuple[str, bool]]) -> None:
    desk.bundle(patient(), procedure(), resource)
    assert sorted((purpose, word) for purpose, word, *_ in desk.consents()) == sorted(given)


NO_REFERENCE = {"subject": {"reference": "Patient/nobody"}}
BAD: list[tuple[dict[str, Any], str]] = [
    (procedure(id="b", **NO_REFERENCE), "its patient is not in the bundle"),
    (procedure(id="b", subject={}), "it names no patient"),
    (
        procedure(id="b", subject={"reference": "https://other.invalid/fhir/Patient/p2"}),
        "its patient is not in the bundle",
    ),
    (procedure(id="b", performedPeriod={}), "has no end yet"),
    (procedure(id="b", performedPeriod={}, performedDateTime="2031-03-07"), "a day without a time"),
    (procedure(id="b", performedPeriod={"end": "2031-03-07T99:00:00Z"}), "surgery_end must be a time"),
    (procedure(id="b", status="preparation"), "none that has taken place"),
    (procedure(id="b", identifier=[]), "the operation has no identifier"),
    (procedure(id="b", identifier="OP-1"), "not as FHIR R4 has it: identifier"),
    (procedure(id="b", status=["completed"]), "not as FHIR R4 has it: status"),
    (consent(id="b", patient={"reference": "Patient/nobody"}), "its patient is not in the bundle"),
    (consent("x", id="b"), "none of its codes is a purpose of ours"),
    (consent(id="b", status="draft"), "says neither yes nor no"),
    (consent(id="b", dateTime="yesterday"), "its dateTime is no time"),
    (relative(id="b", patient=None), "it names no patient"),
    (patient(id="p1"), "an entry before it has the same id"),
    (patient(id="b", identifier=[]), "a record number is needed"),
    (patient(id="b", identifier=[{"value": "T-2"}], telecom=[]), "phone must not be empty"),
    (patient(id="b", identifier=[{"value": "T-2"}], birthDate="1961-13-06"), "birth_date must be a date"),
]


def test_each_bad_entry_gets_its_sentence_and_the_others_are_imported(desk: BundleDesk) -> None:
    for bad, sentence in BAD:
        reports = desk.bundle(patient(), procedure(), bad)
        refused = [(row, detail) for row, result, detail in reports if result == "refused"]
        assert len(refused) == 1, bad
        assert str(refused[0][0]).startswith(f"{bad['resourceType']}/{bad['id']}")
        assert sentence in refused[0][1]
        assert "Procedure/op1" in {row for row, result, _ in reports if result != "refused"}
    with desk.house.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Patient)) == 1


REFERENCES = ["Patient/p1", "Patient/p1/_history/3", "urn:uuid:aa", "https://fhir.example.invalid/Patient/p1"]


@pytest.mark.parametrize("reference", REFERENCES)
def test_references_in_every_form(desk: BundleDesk, reference: str) -> None:
    resource = patient(id="p1")
    entry = {"fullUrl": reference, "resource": resource} if ":" in reference else {"resource": resource}
    told = desk.bundle(entry, procedure(subject={"reference": reference}))
    assert [row[1] for row in told] == ["created"]


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ({"family": "王", "given": ["小明"]}, "王小明"), ({"text": "欧阳 示例"}, "欧阳 示例"),
        ({"family": "van der Berg", "given": ["Ann", "B."]}, "Ann B. van der Berg"), ({"given": ["小明"]}, "小明"),
    ],
)  # fmt: skip
def test_names(desk: BundleDesk, name: dict[str, Any], spoken: str) -> None:
    desk.bundle(patient(name=[name]), procedure())
    assert desk.patient().name == spoken


DEEP = b"[" * 99_999


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"{}", b'{"resourceType": "Patient"}', b'{"resourceType": "Bundle", "entry": 3}', b"\xff{", DEEP],
)
def test_what_is_no_bundle_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bundle.json"
    path.write_bytes(content)
    with pytest.raises(FileProblem) as problem:
        fhir.read_bundle(path, MID_MORNING)
    assert "\n" not in str(problem.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["id", "value", "coding", "reference"]), inside)
    ),
    max_leaves=6,
)
ELEMENTS = ["identifier", "name", "telecom", "subject", "patient", "status", "performedPeriod", "category", "provision",
            "birthDate", "communication", "relationship", "deceasedBoolean", "dateTime"]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(put=st.dictionaries(st.sampled_from(ELEMENTS), JSON, max_size=4), entries=st.lists(JSON, max_size=3))
def test_no_resource_at_all_is_more_than_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, put: dict[str, Any], entries: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("fhir") / "bundle.json"
    resources = [{"resource": make() | put} for make in (patient, relative, procedure, consent)]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [*resources, *entries]}), encoding="utf-8")
    with contextlib.suppress(FileProblem):
        for label, row in fhir.read_bundle(path, MID_MORNING):
            assert label
            assert isinstance(row, RowProblem) or row["mrn"]
