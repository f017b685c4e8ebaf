"""A doctor's call through the real webhooks: what he decides, hears and says, and what becomes of his patients."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.house import House
from core.models import EventRow, new_id
from dialer.escalation import OUTCOMES
from dialer.models import Attempt, Call, Escalation, Offer
from scheduler.models import WorkItem
from tests.ivr.ivr_line import CALLER, Document, Line, Switch
from tests.scheduler.clinic import hospital

PIN = "2468"


@pytest.fixture
def switch(house: House) -> Switch:
    hospital(house)
    return Switch(house)


def alarm(switch: Switch, score: str = "7", caller: str = CALLER) -> None:
    """A caller of the hotline keys a score and hangs up."""
    line = switch.line()
    line.rings(caller)
    line.does()
    line.english()
    line.press("2", score, "1")
    line.hangs_up()


def doctor(switch: Switch) -> Line:
    """The doctor who is rung has answered."""
    attempt = switch.doctor_ring()
    line = switch.line_of(attempt)
    line.answers(attempt)
    return line


def known_patient(switch: Switch, pin: str = "") -> Line:
    switch.patient("followup")
    switch.doctor_on_duty(pin)
    alarm(switch)
    return doctor(switch)


def raised(switch: Switch) -> Escalation:
    [escalation] = switch.all(Escalation)
    assert isinstance(escalation, Escalation)
    return escalation


def decisions(switch: Switch) -> list[str | None]:
    return [offer.decision for offer in sorted(switch.all(Offer), key=lambda offer: offer.id)]


def legs(switch: Switch) -> list[Attempt]:
    found: list[Attempt] = [row for row in switch.all(Attempt) if row.kind == "patient"]
    return sorted(found, key=lambda row: row.created_at)


def talks(switch: Switch, line: Line, seconds: int) -> Document:
    """The patient who is rung takes the call, talks and hangs up."""
    patient = switch.line()
    patient.answers(legs(switch)[-1])
    patient.press("1")
    switch.house.clock.at += timedelta(seconds=seconds)  # type: ignore[attr-defined]
    patient.hangs_up()
    return line.does(DialCallStatus="completed", DialBridged="true", DialCallDuration=str(seconds))


def does_not_answer(switch: Switch, line: Line) -> Document:
    leg = legs(switch)[-1]
    form = {"CallSid": f"CA{leg.id.hex}", "CallStatus": "no-answer", "SequenceNumber": "3"}
    assert switch.post(f"/dialer/attempt/{leg.id}", form).status_code == 204
    return line.does(DialCallStatus="no-answer", DialBridged="false")


def goodbye(document: Document) -> bool:
    return document.verbs[-1] == "Hangup" and document.said.endswith("Goodbye.")


# ---- accept, pass on -----------------------------------------------------------------------------
def test_accept_and_then_the_name_and_the_patient(switch: Switch) -> None:
    line = known_patient(switch)
    assert line.last is not None
    assert "pain 7" in line.last.said
    assert "Example" not in line.last.said
    joined = line.press("1")
    assert "Example" in joined.said
    assert "penicillin" in joined.said
    assert joined.find("Number").text == CALLER
    assert (raised(switch).status, decisions(switch)) == ("accepted", ["accepted"])


def test_pass_on(switch: Switch) -> None:
    line = known_patient(switch)
    heard = line.press("2")
    assert "passing on" in heard.said
    assert goodbye(heard)
    assert decisions(switch) == ["declined"]
    assert raised(switch).owner_attempt_id is None


def test_somebody_else_was_quicker(switch: Switch) -> None:
    line = known_patient(switch)
    with switch.house.transaction() as session:
        session.execute(sa.update(Escalation).values(status="accepted", owner_attempt_id=new_id()))
    heard = line.press("1")
    assert "somebody else is helping" in heard.said
    assert "Example" not in heard.said
    assert goodbye(heard)
    assert decisions(switch) == ["taken"]


# ---- the PIN -------------------------------------------------------------------------------------
def test_the_right_pin_opens_the_file_and_is_kept_nowhere(switch: Switch) -> None:
    line = known_patient(switch, PIN)
    asked = line.press("1")
    assert "enter your PIN" in asked.said
    assert "Example" not in asked.said
    assert asked.find("Gather").attrib["finishOnKey"] == "#"
    assert raised(switch).status == "accepted", "his from the key on, while he looks for his PIN"
    assert "Example" in line.press(PIN).said
    kept = [(call.session, call.last_twiml) for call in switch.all(Call)]
    assert PIN not in str([*kept, *(row.data for row in switch.all(EventRow))])
    assert PIN not in str([row.brief for row in switch.all(Attempt)])


def test_three_wrong_pins_leave_the_patient_to_the_next(switch: Switch) -> None:
    line = known_patient(switch, PIN)
    line.press("1", "1111")
    line.does()  # nothing
    heard = line.press("8642")
    assert "could not be confirmed" in heard.said
    assert goodbye(heard)
    assert decisions(switch) == ["no_pin"]
    assert raised(switch).owner_attempt_id is None
    assert raised(switch).status != "accepted"


# ---- the patient ---------------------------------------------------------------------------------
def test_too_short_and_then_a_talk_with_its_outcome(switch: Switch) -> None:
    line = known_patient(switch)
    line.press("1")
    heard = talks(switch, line, 3)
    assert "That was short" in heard.said
    assert raised(switch).status == "accepted"
    assert line.press("1").find("Number").text == CALLER
    assert "What came of it" in talks(switch, line, 45).said
    assert (raised(switch).status, raised(switch).outcome) == ("closed", None)
    assert goodbye(line.press("1"))
    assert (raised(switch).outcome, raised(switch).outcome_by) == ("advice", "doctor")


def unreached(switch: Switch) -> Line:
    line = known_patient(switch)
    line.press("1")
    assert does_not_answer(switch, line).verbs[-1] == "Dial"
    heard = does_not_answer(switch, line)
    assert "could not be reached" in heard.said
    assert len(legs(switch)) == 2
    return line


def test_a_patient_who_is_not_reached_is_rung_again_on_one(switch: Switch) -> None:
    line = unreached(switch)
    assert line.press("1").verbs[-1] == "Dial"
    assert len(legs(switch)) == 3
    assert "What came of it" in talks(switch, line, 40).said


def test_a_patient_who_is_not_reached_may_be_left_for_later(switch: Switch) -> None:
    line = unreached(switch)
    heard = line.press("2")
    assert "in about 2 minutes" in heard.said
    assert goodbye(heard)
    later = raised(switch)
    assert (later.status, later.owner_attempt_id) == ("open", None)
    assert later.round_at == switch.house.clock.now() + timedelta(seconds=120)
    assert [item.kind for item in switch.all(WorkItem)] == ["patient_unreached"]


@pytest.mark.parametrize(("key", "what"), list(zip("123456", OUTCOMES, strict=True)))
def test_a_patient_who_is_not_reached_may_be_closed_with_a_word(switch: Switch, key: str, what: str) -> None:
    line = unreached(switch)
    assert "Advice given, press 1" in line.press("3").said
    assert goodbye(line.press(key))
    assert (raised(switch).status, raised(switch).outcome) == ("closed", what)


def test_silence_after_a_patient_who_is_not_reached_passes_on(switch: Switch) -> None:
    line = unreached(switch)
    for _ in range(3):
        heard = line.does()
    assert "next doctor" in heard.said
    assert goodbye(heard)
    line.hangs_up()
    assert raised(switch).owner_attempt_id is None


def test_a_patient_who_pressed_the_key_and_was_not_joined_has_not_talked(switch: Switch) -> None:
    line = known_patient(switch)
    line.press("1")
    patient = switch.line()
    patient.answers(legs(switch)[-1])
    patient.press("1")
    assert raised(switch).status == "bridged"
    patient.hangs_up()
    line.does(DialCallStatus="completed", DialBridged="false")
    switch.house.clock.at += timedelta(seconds=60)  # type: ignore[attr-defined]
    line.hangs_up()
    assert raised(switch).status not in ("bridged", "closed")


# ---- several patients ----------------------------------------------------------------------------
def test_patients_are_offered_by_score_and_then_by_age(switch: Switch) -> None:
    switch.doctor_on_duty()
    callers = {"+8613800000001": "5", "+8613800000002": "9", "+8613800000003": "5"}
    for number, score in callers.items():
        alarm(switch, score, number)
        switch.house.clock.at += timedelta(seconds=1)  # type: ignore[attr-defined]
    attempt = next(row for row in switch.all(Attempt) if row.kind == "doctor")
    with switch.house.transaction() as session:
        attempt = switch.posted(session, session.get_one(Attempt, attempt.id))
    line = switch.line_of(attempt)
    assert "pain 9" in line.answers(attempt).said
    line.press("1")
    heard = talks(switch, line, 40)
    assert "What came of it" in heard.said
    second = line.press("1")
    assert "Another patient is waiting" in second.said
    assert "pain 5" in second.said
    assert second.verbs[0] == "Stop", "the next patient's talk is not on this one's recording"
    third = line.press("2")
    assert "pain 5" in third.said
    assert goodbye(line.press("2"))
    with switch.house.transaction() as session:
        asked = sa.select(Escalation.to).join(Offer, Offer.escalation_id == Escalation.id).order_by(Offer.id)
        assert session.scalars(asked).all() == ["+8613800000002", "+8613800000001", "+8613800000003"]
    assert decisions(switch) == ["accepted", "declined", "declined"]
