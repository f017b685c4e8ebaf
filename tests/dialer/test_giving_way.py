"""Who gives way to a patient in pain: an agent's telephone that only rings leaves its line, and its number, to them."""

from __future__ import annotations

from datetime import timedelta

from core import events, people
from core.models import new_id
from dialer import attempt as attempts
from dialer import doctor as on_phone
from dialer import escalation_due, gate
from dialer.models import Agent, Attempt, Call, Shift
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward

AGENT = "+861055550301"
CALLERS = tuple(f"+86105555040{number}" for number in range(6))


def full(ward: Ward, lines: int) -> None:
    ward.settings(f"[calling]\nlines = {lines}\nlines_reserved = 1")


def agent(ward: Ward, phone: str = AGENT) -> str:
    with ward.house.transaction() as session:
        session.add(
            Agent(
                id=new_id(), login=phone[-4:], name="Agent", role="agent", phone=phone, status="ready",
                phone_index=people.phone_index(phone), languages=["en"], since=ward.now,
            )
        )  # fmt: skip
    return phone


def agent_rings(ward: Ward, phone: str = AGENT) -> Attempt:
    """The telephone of an agent rings; the carrier has it."""
    ring = ward.placed(gate.Ring("agent", agent(ward, phone), new_id()))
    ward.work("place_escalation")
    assert ward.attempt(ring.id).status == "placed"
    return ring


def alarm(ward: Ward, phone: str = PATIENT_PHONE) -> Call:
    """Somebody has keyed a seven and rung off."""
    call = ward.inbound(phone)
    with ward.house.transaction() as session:
        session.get_one(Call, call.id).status = "completed"
    ward.score(7, call)
    return call


def steps(ward: Ward) -> None:
    with ward.house.transaction() as session:
        escalation_due.overdue_steps(session, ward.now)


def hung_up(ward: Ward) -> set[str]:
    return set(ward.carrier.hung_up)


def told_of(ward: Ward, ring: Attempt) -> None:
    """The carrier tells that the ring it was asked to end is over."""
    if ward.attempt(ring.id).sid in hung_up(ward):
        ward.says(ring.id, "cancelled")


def test_a_doctor_without_a_line_gets_that_of_an_agent_whose_telephone_only_rings(ward: Ward) -> None:
    full(ward, 2)
    ward.doctor(1)
    ring = agent_rings(ward)
    ward.inbound(CALLERS[0])
    alarm(ward)
    assert ward.attempts(kind="doctor") == []
    ward.work()
    assert hung_up(ward) == {ward.attempt(ring.id).sid}
    told_of(ward, ring)
    ward.forward(seconds=2)
    steps(ward)
    assert [doctor.to for doctor in ward.attempts(kind="doctor")] == [DOCTOR_PHONES[1]]


def test_two_lines_are_made_free_for_the_two_who_are_to_talk_and_no_more(ward: Ward) -> None:
    full(ward, 3)
    ward.doctor(1)
    three = [agent_rings(ward, f"+86105555030{number}") for number in range(3)]
    alarm(ward)
    ward.work()
    assert len(hung_up(ward)) == 2
    # the youngest: the oldest has rung longest, and is the likeliest to be picked up
    assert hung_up(ward) == {ward.attempt(ring.id).sid for ring in three[1:]}
    ward.forward(seconds=2)
    steps(ward)  # the carrier has not told yet
    ward.work()
    assert len(hung_up(ward)) == 2


def test_an_agent_who_has_picked_up_is_not_cut_off(ward: Ward) -> None:
    full(ward, 2)
    ward.doctor(1)
    ring = agent_rings(ward)
    ward.inbound(CALLERS[0])
    alarm(ward)
    ward.answers(ring.id)  # between the wish and the job
    ward.work()
    assert hung_up(ward) == set()
    assert not ward.attempt(ring.id).unwanted
    ward.forward(seconds=2)
    steps(ward)
    ward.work()
    assert hung_up(ward) == set()


def test_the_patient_of_a_doctor_who_waits_gets_a_line_too(ward: Ward) -> None:
    full(ward, 3)
    ward.doctor(1)
    alarm(ward)
    ward.work("place_escalation")
    [doctor] = ward.attempts(kind="doctor")
    call = ward.answers(doctor.id)
    assert call is not None
    with ward.house.transaction() as session:
        attempt = session.get_one(Attempt, doctor.id)
        on_phone.picked_up(session, attempt, ward.now)
        events.publish(session, events.DoctorDecided(doctor.id, "accepted"), ward.now)
    for number in CALLERS[:2]:
        ward.inbound(number)
    late = _agent_in_spite_of_the_alarm(ward)
    with ward.house.transaction() as session:
        leg = on_phone.connect_patient(session, session.get_one(Call, call.id), ward.now)
    assert isinstance(leg, gate.Refused)
    assert leg.reason == "no_line"
    ward.work()
    assert hung_up(ward) == {late.sid}


def _agent_in_spite_of_the_alarm(ward: Ward) -> Attempt:
    """One who was rung when there still were lines."""
    with ward.house.transaction() as session:
        ring = attempts._new(
            session, gate.Ring("agent", AGENT, new_id()), "api", "agent", "en", {}, 20, ward.now,
            deadline_at=ward.now, posted_at=ward.now,
        )  # fmt: skip
        attempts.learn_sid(session, ring, f"CA{new_id().hex}")
        attempts.carrier_says(session, ring, "ringing", ward.now)
    return ring


def test_a_refusal_in_the_last_moment_before_the_post_makes_room_as_well(ward: Ward) -> None:
    full(ward, 2)
    ward.doctor(1)
    alarm(ward)
    [doctor] = ward.attempts(kind="doctor")
    late = _agent_in_spite_of_the_alarm(ward)
    ward.inbound(CALLERS[0])
    ward.work()
    assert ward.attempt(doctor.id).why == "no_line"
    assert late.sid in hung_up(ward)


def test_a_ring_about_anything_else_makes_nobody_give_way(ward: Ward) -> None:
    full(ward, 2)
    agent_rings(ward)
    agent(ward, "+861055550302")
    ward.inbound(CALLERS[0])
    refused = ward.place(gate.Ring("agent", "+861055550302", new_id()))
    assert isinstance(refused, gate.Refused)
    assert refused.reason == "no_line"
    ward.work()
    assert hung_up(ward) == set()


# ---- one telephone ------------------------------------------------------------------------------
def test_a_doctor_who_is_an_agent_too_is_rung_and_their_other_ring_ends(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 9")
    ward.doctor(1)
    ring = agent_rings(ward, DOCTOR_PHONES[1])
    alarm(ward)
    [doctor] = ward.attempts(kind="doctor")
    assert doctor.to == DOCTOR_PHONES[1]
    ward.work()
    assert hung_up(ward) == {ward.attempt(ring.id).sid}
    assert ward.attempt(doctor.id).status == "placed"


def test_at_their_second_number_too_and_in_every_round(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 9")
    shift = ward.doctor(1)
    with ward.house.transaction() as session:
        session.get_one(Shift, shift.id).phone2 = DOCTOR_PHONES[9]
    ring = agent_rings(ward, DOCTOR_PHONES[9])
    alarm(ward)
    ward.work()
    [first] = ward.attempts(kind="doctor")
    assert hung_up(ward) == set()  # at another telephone of theirs: it may ring on
    ward.says(first.id, "no_answer")
    while len(ward.attempts(kind="doctor")) < 2:
        ward.forward(seconds=2)
        steps(ward)
        assert ward.now < first.created_at + timedelta(minutes=3)
    assert ward.attempts(kind="doctor")[1].to == DOCTOR_PHONES[9]
    ward.work()
    assert ward.attempt(ring.id).sid in hung_up(ward)


def test_who_talks_with_a_caller_is_engaged_for_the_alarm(ward: Ward) -> None:
    """The next doctor is rung: a talk is not cut off, and their telephone would be engaged."""
    ward.settings("[calling]\nlines = 9")
    ward.doctor(1)
    ward.doctor(2, tier="2")
    ring = agent_rings(ward, DOCTOR_PHONES[1])
    ward.answers(ring.id)
    alarm(ward)
    assert [doctor.to for doctor in ward.attempts(kind="doctor")] == [DOCTOR_PHONES[2]]
    ward.work()
    assert hung_up(ward) == set()


def test_the_night_target_who_is_an_agent_is_rung_as_well(ward: Ward) -> None:
    ward.settings("[calling]\nlines = 9")
    ring = agent_rings(ward)
    assert isinstance(ward.place(gate.Ring("night", AGENT, new_id())), Attempt)
    ward.work()
    assert hung_up(ward) == {ward.attempt(ring.id).sid}
