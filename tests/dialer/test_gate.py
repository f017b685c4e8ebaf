"""The gate: who may be rung now, who not, and that every no is written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from core import people
from core.models import Patient, Pause
from dialer import call as calls
from dialer import gate
from dialer.models import Attempt
from tests.dialer.ward import DOCTOR_PHONES, PATIENT_PHONE, Ward
from tests.house import MID_MORNING, OPERATOR

NIGHT = MID_MORNING.replace(hour=18)  # 02:00 in Shanghai
LUNCH = MID_MORNING.replace(hour=4, minute=30)  # 12:30
Case = Callable[[Ward, Patient], gate.Ring]


def may_dial(ward: Ward, ring: gate.Ring) -> gate.Refused | None:
    with ward.house.transaction() as session:
        return gate.may_dial(session, ring, ward.now)


def followup(ward: Ward, patient: Patient, to: str = PATIENT_PHONE) -> gate.Ring:
    return ward.ring("followup", to, patient_id=patient.id, deadline_at=ward.now + timedelta(hours=12))


def pause(ward: Ward, lane: str) -> None:
    with ward.house.transaction() as session:
        session.add(Pause(lane=lane, reason="a test", who="test", started_at=ward.now))


def _status(status: str) -> Case:
    def case(ward: Ward, patient: Patient) -> gate.Ring:
        with ward.house.transaction() as session:
            session.get_one(Patient, patient.id).status = status
        return followup(ward, patient)

    return case


def _not_live(ward: Ward, patient: Patient) -> gate.Ring:
    ward.settings("[hospital]\nlive = false")
    return followup(ward, patient)


def _paused(ward: Ward, patient: Patient) -> gate.Ring:
    pause(ward, "routine")
    return followup(ward, patient)


def _no_line(ward: Ward, patient: Patient) -> gate.Ring:
    ward.inbound("+861055550150")
    return followup(ward, patient)


def _in_use(ward: Ward, patient: Patient) -> gate.Ring:
    ward.inbound()
    return followup(ward, patient)


def _no_consent(ward: Ward, patient: Patient) -> gate.Ring:
    with ward.house.transaction() as session:
        people.set_consent(session, patient.id, "followup", False, "keypad", ward.now)
    return followup(ward, patient)


def _do_not_call(ward: Ward, patient: Patient) -> gate.Ring:
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PATIENT_PHONE, "a test", ward.now)
    return followup(ward, patient)


def _too_late(ward: Ward, patient: Patient) -> gate.Ring:
    return ward.ring("followup", PATIENT_PHONE, patient_id=patient.id, deadline_at=ward.now)


def _lunch(ward: Ward, patient: Patient) -> gate.Ring:
    ring = followup(ward, patient)
    ward.at(LUNCH)
    return ring


def _rung_twice(ward: Ward, patient: Patient) -> gate.Ring:
    for _ in range(2):
        ring_and_miss(ward, patient)
    return followup(ward, patient)


def ring_and_miss(ward: Ward, patient: Patient) -> None:
    attempt = ward.placed(followup(ward, patient))
    ward.work("place_routine")
    ward.says(attempt.id, "no_answer")
    ward.drop_jobs()
    ward.forward(minutes=1)


def _off_duty(ward: Ward, patient: Patient) -> gate.Ring:
    shift = ward.doctor(1, ends=timedelta(0))
    return ward.ring("doctor", shift.phone, shift_id=shift.id)


def _merged(ward: Ward, patient: Patient) -> gate.Ring:
    survivor = ward.patient(phone="+861055550178")
    with ward.house.transaction() as session:
        session.get_one(Patient, patient.id).merged_into = survivor.id
    return followup(ward, patient)


def _sms_at_night(ward: Ward, patient: Patient) -> gate.Ring:
    ward.at(NIGHT)
    return ward.ring("sms", PATIENT_PHONE, patient_id=patient.id)


def _waits_for_a_doctor(ward: Ward, patient: Patient) -> gate.Ring:
    call = ward.inbound(patient=patient)
    ward.score(9, call)
    with ward.house.transaction() as session:
        row = calls.locked(session, call.id)
        assert row is not None
        calls.carrier_says(session, row, "completed", ward.now)
    return followup(ward, patient)


def _tested_in_an_alarm(ward: Ward, patient: Patient) -> gate.Ring:
    _waits_for_a_doctor(ward, patient)
    return ward.ring("test", DOCTOR_PHONES[3])


CASES: dict[str, tuple[Case, timedelta | None]] = {
    # reason: (what makes it so, when asking again makes sense)
    "not_live": (_not_live, timedelta(seconds=30)),
    "bad_number": (lambda ward, patient: followup(ward, patient, "+8610"), None),
    "premium_number": (lambda ward, patient: followup(ward, patient, "+19005550123"), None),
    "paused": (_paused, timedelta(seconds=30)),
    "no_line": (_no_line, timedelta(seconds=2)),
    "number_in_use": (_in_use, timedelta(seconds=30)),
    "deceased": (_status("deceased"), None),
    "readmitted": (_status("readmitted"), None),
    "no_consent": (_no_consent, None),
    "do_not_call": (_do_not_call, None),
    "deadline_passed": (_too_late, None),
    "outside_window": (_lunch, timedelta(hours=1, minutes=30)),
    "rings_per_day": (_rung_twice, timedelta(hours=22, minutes=28)),  # half past eight the next morning
    "merged": (_merged, None),
    "not_their_number": (lambda ward, patient: followup(ward, patient, "+861055550177"), None),
    "doctor_coming": (_waits_for_a_doctor, timedelta(minutes=1)),
    "alarm_open": (_tested_in_an_alarm, timedelta(minutes=1)),
    "quiet_hours": (_sms_at_night, timedelta(hours=6)),
    "off_duty": (_off_duty, None),
    "not_signed_in": (lambda ward, patient: ward.ring("agent", DOCTOR_PHONES[4]), None),
    "no_patient": (lambda ward, patient: ward.ring("followup", PATIENT_PHONE), None),
}


def test_there_is_a_case_for_every_reason() -> None:
    assert CASES.keys() == gate.REASONS.keys()


@pytest.mark.parametrize("reason", CASES)
def test_each_reason_refuses_leaves_a_row_and_only_moves_it_the_second_time(ward: Ward, reason: str) -> None:
    make, again = CASES[reason]
    ring = make(ward, ward.patient())
    first = ward.now
    expected = gate.Refused(reason, None if again is None else first + again)
    assert may_dial(ward, ring) == expected
    ward.forward(seconds=1)
    assert may_dial(ward, ring) is not None
    (row,) = ward.refusals()
    assert (row.kind, row.subject_id, row.reason) == (ring.kind, ring.subject_id, reason)
    assert (row.first_at, row.last_at, row.times) == (first, first + timedelta(seconds=1), 2)


def test_another_reason_is_another_row_and_the_old_one_again_a_third(ward: Ward) -> None:
    patient = ward.patient()
    ring = followup(ward, patient)
    for moment in (LUNCH, MID_MORNING, LUNCH):
        ward.at(moment)
        if moment is MID_MORNING:
            call = ward.inbound()
        may_dial(ward, ring)
        if moment is MID_MORNING:
            with ward.house.transaction() as session:
                session.delete(session.merge(call))
    assert [row.reason for row in ward.refusals()] == ["outside_window", "number_in_use", "outside_window"]


def test_a_ring_that_may_be_made_leaves_no_row(ward: Ward) -> None:
    assert may_dial(ward, followup(ward, ward.patient())) is None
    assert ward.refusals() == []


@pytest.mark.parametrize(
    ("kind", "moment", "consents", "rung"),
    [
        ("followup", NIGHT, "followup", False),
        ("followup", NIGHT, "followup night", True),
        ("followup", LUNCH, "followup", False),
        ("sms", NIGHT, "followup", False),
        ("sms", LUNCH, "followup", True),
        ("sms", MID_MORNING, "reminder", True),
        ("reminder", MID_MORNING, "reminder", True),
        ("reminder", MID_MORNING, "followup", True),
        ("reminder", MID_MORNING, "", False),
        ("reminder", NIGHT, "followup night", False),
        ("followup", MID_MORNING, "reminder", False),
        ("sms", NIGHT, "followup night", False),
        ("sms", MID_MORNING, "followup", True),
        ("sms", MID_MORNING, "", False),
        ("doctor", NIGHT, "", True),
        ("patient", NIGHT, "", True),
        ("operator", NIGHT, "", True),
    ],
)
def test_who_is_rung_when(ward: Ward, kind: str, moment: datetime, consents: str, rung: bool) -> None:
    patient, shift = ward.patient(consents=consents), ward.doctor(1)
    ward.at(moment)
    to = {"doctor": shift.phone, "operator": OPERATOR}.get(kind, PATIENT_PHONE)
    ring = ward.ring(kind, to, patient_id=patient.id, shift_id=shift.id)
    assert (may_dial(ward, ring) is None) is rung


@pytest.mark.parametrize(
    ("lane", "stopped"),
    [("routine", {"followup", "sms"}), ("all", {"followup", "sms", "doctor", "patient", "operator"})],
)
def test_a_pause_of_the_routine_does_not_stop_doctors_but_a_pause_of_all_does(
    ward: Ward, lane: str, stopped: set[str]
) -> None:
    patient, shift = ward.patient(), ward.doctor(1)
    pause(ward, lane)
    kinds = {"followup", "sms", "doctor", "patient", "operator"}
    to = {"doctor": shift.phone, "operator": OPERATOR}
    refused = {
        kind: may_dial(ward, ward.ring(kind, to.get(kind, PATIENT_PHONE), patient_id=patient.id, shift_id=shift.id))
        for kind in kinds
    }
    assert {kind for kind, answer in refused.items() if answer and answer.reason == "paused"} == stopped
    with ward.house.transaction() as session:
        session.scalars(sa.select(Pause)).one().ended_at = ward.now
    assert may_dial(ward, followup(ward, patient)) is None


@pytest.mark.parametrize("kind", ["followup", "reminder", "sms", "doctor", "patient", "operator", "test"])
def test_until_it_is_live_only_the_allowed_numbers_are_rung_whatever_the_kind(ward: Ward, kind: str) -> None:
    patient, shift = ward.patient(), ward.doctor(1)
    colleague = ward.patient(DOCTOR_PHONES[5])
    ward.settings(f'[hospital]\nlive = false\nallow_numbers = ["{DOCTOR_PHONES[5]}"]')
    to = shift.phone if kind == "doctor" else PATIENT_PHONE
    ring = ward.ring(kind, to, patient_id=patient.id, shift_id=shift.id)
    assert may_dial(ward, ring) == gate.Refused("not_live", ward.now + timedelta(seconds=30))
    allowed = ward.ring(kind, DOCTOR_PHONES[5], patient_id=colleague.id, shift_id=ward.doctor(5).id)
    assert may_dial(ward, allowed) is None


@pytest.mark.parametrize(
    "number", ["", "120", "not a number", "+", "+86", "+8613", "+861381234567890123", "13800000000", "+999123456789"]
)
def test_what_cannot_be_a_number_is_not_rung(ward: Ward, number: str) -> None:
    assert may_dial(ward, ward.ring("operator", number)) == gate.Refused("bad_number")


@pytest.mark.parametrize("number", ["+19005550123", "+449098790000", "+8616812345"])
@pytest.mark.parametrize("kind", ["followup", "doctor", "operator"])
def test_a_premium_number_is_not_rung_for_anybody(ward: Ward, kind: str, number: str) -> None:
    assert may_dial(ward, ward.ring(kind, number)) == gate.Refused("premium_number")


@pytest.mark.parametrize(
    ("zone", "rung_at", "asked_at", "may"),
    [
        # 23:30 in New York and 00:30 there are two days, in Shanghai one; and the other way round
        ("America/New_York", "2031-03-07T23:30-05:00", "2031-03-08T00:30-05:00", True),
        ("America/New_York", "2031-03-07T12:30-05:00", "2031-03-07T14:30-05:00", False),
        ("Asia/Shanghai", "2031-03-07T23:30+08:00", "2031-03-08T00:30+08:00", True),
        ("Asia/Shanghai", "2031-03-07T07:30+08:00", "2031-03-07T08:30+08:00", False),
        # the day on which clocks are put forward has 23 hours, and still one midnight
        ("America/New_York", "2031-03-09T00:30-05:00", "2031-03-09T23:30-04:00", False),
        ("America/New_York", "2031-03-09T23:30-04:00", "2031-03-10T00:01-04:00", True),
    ],
)
def test_rings_are_counted_on_the_patients_own_day(
    ward: Ward, zone: str, rung_at: str, asked_at: str, may: bool
) -> None:
    ward.settings("[calling]\nrings_per_day = 1")
    patient = ward.patient(zone=zone, consents="followup night")
    ward.at(datetime.fromisoformat(rung_at).astimezone(UTC))
    ring_and_miss(ward, patient)
    ward.at(datetime.fromisoformat(asked_at).astimezone(UTC))
    refused = may_dial(ward, followup(ward, patient))
    assert (refused is None) is may
    if refused is not None:
        assert refused.reason == "rings_per_day"
        assert refused.again_at is not None
        again = refused.again_at.astimezone(ZoneInfo(zone))
        assert (again.hour, again.minute) == (8, 30)
        assert timedelta(0) < refused.again_at - ward.now <= timedelta(hours=24)


def test_only_rings_that_really_went_out_are_counted(ward: Ward) -> None:
    ward.settings("[calling]\nrings_per_day = 1")
    patient = ward.patient()
    with ward.house.transaction() as session:
        attempt = ward.place_in(session, followup(ward, patient))
        assert isinstance(attempt, Attempt)
        attempt.status, attempt.outcome, attempt.ended_at = "cancelled", "not_placed", ward.now
    ward.drop_jobs()
    ward.forward(minutes=1)
    assert may_dial(ward, followup(ward, patient)) is None
    ring_and_miss(ward, patient)
    assert may_dial(ward, followup(ward, patient)) == gate.Refused(
        "rings_per_day", MID_MORNING.replace(day=8, hour=0, minute=30)
    )


def test_a_doctor_is_not_capped_by_the_rings_of_a_day(ward: Ward) -> None:
    shift = ward.doctor(1)
    for _ in range(5):
        attempt = ward.placed(ward.ring("doctor", shift.phone, shift_id=shift.id))
        ward.work("place_escalation")
        ward.says(attempt.id, "busy")
        ward.forward(minutes=1)
    assert len(ward.carrier.calls) == 5


def test_a_number_is_in_use_while_we_ring_it_and_free_when_that_is_over(ward: Ward) -> None:
    patient, shift = ward.patient(phone=DOCTOR_PHONES[1]), ward.doctor(1)
    attempt = ward.placed(ward.ring("doctor", shift.phone, shift_id=shift.id))
    refused = may_dial(ward, ward.ring("patient", DOCTOR_PHONES[1], patient_id=patient.id))
    assert refused == gate.Refused("number_in_use", ward.now + timedelta(seconds=30))
    assert may_dial(ward, ward.ring("patient", DOCTOR_PHONES[1], attempt_id=attempt.id)) is None
    ward.work()
    ward.says(attempt.id, "busy")
    assert may_dial(ward, ward.ring("patient", DOCTOR_PHONES[1])) is None


def test_do_not_call_binds_the_routine_and_not_the_doctor_who_calls_back(ward: Ward) -> None:
    patient = ward.patient()
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PATIENT_PHONE, "a test", ward.now)
        people.add_do_not_call(session, PATIENT_PHONE, "said again", ward.now)
    assert may_dial(ward, ward.ring("sms", PATIENT_PHONE, patient_id=patient.id)) == gate.Refused("do_not_call")
    assert may_dial(ward, ward.ring("patient", PATIENT_PHONE, patient_id=patient.id)) is None


@pytest.mark.parametrize(("offset", "on_duty"), [(-1, False), (0, True), (3599, True), (3600, False)])
def test_a_shift_counts_from_its_first_second_to_before_its_last(ward: Ward, offset: int, on_duty: bool) -> None:
    shift = ward.doctor(1, starts=timedelta(0), ends=timedelta(hours=1))
    ward.forward(seconds=offset)
    refused = may_dial(ward, ward.ring("doctor", shift.phone, shift_id=shift.id))
    assert refused == (None if on_duty else gate.Refused("off_duty"))
