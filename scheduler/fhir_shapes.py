"""The elements of FHIR R4 resources that we read, as they stand in the standard; all others are ignored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Text = Annotated[StrictStr, Field(max_length=2000)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=False)


class Coding(Shape):
    system: Text = ""
    code: Text = ""
    display: Text = ""


class CodeableConcept(Shape):
    coding: list[Coding] = []
    text: Text = ""

    @property
    def codes(self) -> list[str]:
        return [coding.code for coding in self.coding if coding.code]

    @property
    def words(self) -> str:
        """What a person reads: the text, else the first display, else the first code."""
        displays = [coding.display for coding in self.coding if coding.display]
        return self.text or next(iter([*displays, *self.codes]), "")


class Period(Shape):
    start: Text = ""
    end: Text = ""


class Identifier(Shape):
    use: Text = ""
    type: CodeableConcept = CodeableConcept()
    system: Text = ""
    value: Text = ""


class Reference(Shape):
    reference: Text = ""
    display: Text = ""


class Extension(Shape):
    url: Text = ""
    valueCode: Text = ""
    valueString: Text = ""


class HumanName(Shape):
    use: Text = ""
    text: Text = ""
    family: Text = ""
    given: list[Text] = []


class ContactPoint(Shape):
    system: Text = ""
    value: Text = ""
    use: Text = ""
    rank: StrictInt | None = None
    period: Period = Period()


class Address(Shape):
    extension: list[Extension] = []


class Communication(Shape):
    language: CodeableConcept = CodeableConcept()
    preferred: StrictBool = False


class Resource(Shape):
    label: str = Field("", exclude=True)
    """"Patient/12", set by whoever read it; no element of FHIR."""


class Patient(Resource):
    identifier: list[Identifier] = []
    name: list[HumanName] = []
    telecom: list[ContactPoint] = []
    gender: Text = ""
    birthDate: Text = ""
    deceasedBoolean: StrictBool | None = None
    deceasedDateTime: Text = ""
    address: list[Address] = []
    extension: list[Extension] = []
    communication: list[Communication] = []


class RelatedPerson(Resource):
    active: StrictBool = True
    patient: Reference | None = None
    relationship: list[CodeableConcept] = []
    telecom: list[ContactPoint] = []
    period: Period = Period()


class Performer(Shape):
    actor: Reference = Reference()
    onBehalfOf: Reference = Reference()


class Procedure(Resource):
    identifier: list[Identifier] = []
    status: Text = ""
    code: CodeableConcept = CodeableConcept()
    subject: Reference | None = None
    performedDateTime: Text = ""
    performedPeriod: Period = Period()
    performer: list[Performer] = []


class Provision(Shape):
    type: Text = ""
    purpose: list[Coding] = []
    code: list[CodeableConcept] = []


class ConsentPolicy(Shape):
    uri: Text = ""


class Consent(Resource):
    status: Text = ""
    scope: CodeableConcept = CodeableConcept()
    category: list[CodeableConcept] = []
    patient: Reference | None = None
    dateTime: Text = ""
    policyRule: CodeableConcept = CodeableConcept()
    policy: list[ConsentPolicy] = []
    sourceReference: Reference = Reference()
    provision: Provision = Provision()
