"""Telephone conversations, end to end: real carrier, real web, real worker, over HTTP on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.models import EventRow
from dialer import reports
from dialer.models import Attempt, Message
from ivr.models import Answer
from recordings.models import Recording
from scheduler.models import FollowUp
from tests.house import HOTLINE, OPERATOR
from tests.people import DOCTORS, PATIENT, SECOND_PATIENT, file_of_doctors, file_of_patients
from tests.stack import LOGGING, Conversation, Stage, Step, begin_again, hears, imported, no_errors, running

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def shared(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(tmp_path_factory.mktemp("stage"), module_database_url) as made:
        yield made


@pytest.fixture
def stack(shared: Stage) -> Iterator[Stage]:
    """The shared processes as if they had just been started: nothing in the database, no telephone known."""
    begin_again(shared)
    imported(shared, "roster", file_of_doctors(shared))
    written = {name: len(shared.log(name)) for name in LOGGING}
    yield shared
    no_errors(shared, since=written)


def interview(*pain: Step, mmdd: str = PATIENT.mmdd) -> list[Step]:
    """A patient who says who they are, proves it, and then goes on with `pain`."""
    return [{"on": "Am I speaking with", "press": "1"}, {"on": "birth month", "press": mmdd}, *pain]


def operated(stack: Stage, *people: Any, hours: float) -> None:
    """Bring patients in who were operated on so long ago."""
    file = file_of_patients(stack, *people, operated=timedelta(hours=hours))
    imported(stack, "patients", file)


def test_a_patient_keys_seven_and_the_second_doctor_is_joined(stack: Stage) -> None:
    """The walking line: import, follow-up, identity, pain 7, doctor 1 silent, doctor 2 accepts, joined."""
    first, second, head = (stack.phone(doctor.phone) for doctor in DOCTORS)
    first.does_not_answer()
    head.does_not_answer()
    second.answers(
        {"on": "press 1", "press": "1"},
        {"on": "Hello, doctor", "say": "Good morning, how are you feeling?"},
        {"after": 20, "hangup": True},
    )
    patient = stack.phone(PATIENT.phone).in_turn(
        interview(
            {"on": "Rate your pain", "press": "7#"},
            {"on": "You entered 7", "press": "1"},
            {"on": "beep", "say": "The wound is bleeding a little."},
            {"press": "#"},
        ),
        [{"on": "press 1", "press": "1"}, {"say": "Hello, doctor. It hurts a lot.", "after": 8}],
    )
    operated(stack, PATIENT, hours=7)
    escalation: dict[str, Any] = stack.until(lambda: the_closed_one(stack), "an escalation is closed")

    followup, joined = (stack.conversation(sid) for sid in patient.calls())
    hears(followup, "automated voice", "Am I speaking with", "You entered 7", "duty doctor will call", "after the beep")
    assert "surgery" not in before(followup, "To protect your privacy"), "health was mentioned before identity"
    hears(joined, "the duty doctor is on the line")
    [silent] = first.calls()
    assert stack.conversation(silent).status == "no-answer"
    [accepted] = second.calls()
    doctor = stack.conversation(accepted)
    hears(doctor, "pain 7", "7 hours", "press 1", "Example", "penicillin")
    assert PATIENT.surname not in before(doctor, "Accept, press 1"), "the name was said before the doctor accepted"
    assert head.calls() == []
    assert 0 < escalation["first_ring_s"] < escalation["accepted_s"] < escalation["bridged_s"] < 300
    assert escalation["talk_s"] >= 15
    with stack.house.transaction() as session:
        assert session.scalar(sa.select(FollowUp.status).where(FollowUp.wave == "6h")) == "completed"
        assert session.scalars(sa.select(Answer.question)).all() == ["pain", "open"]


def test_a_patient_with_little_pain_gets_no_doctor_but_an_sms_next_morning(stack: Stage) -> None:
    before_this = len(stack.messages())

    def sent_now() -> list[dict[str, Any]]:
        return stack.messages()[before_this:]

    patient = stack.phone(SECOND_PATIENT.phone).in_turn(
        interview(
            {"on": "Rate your pain", "press": "2#"},
            {"on": "You entered 2", "press": "1"},
            {"on": "Is blood coming through the dressing", "press": "2"},
            {"on": "unable to drink", "press": "2"},
            {"on": "passed urine", "press": "1"},
            {"on": "newly numb", "press": "2"},
            {"on": "want a doctor", "press": "2"},
            {"on": "beep", "hangup": True},
            mmdd=SECOND_PATIENT.mmdd,
        )
    )
    operated(stack, SECOND_PATIENT, hours=7)
    message = stack.until(lambda: rows(stack, Message), "a message is planned")[0]
    stack.quiet()
    assert message.status == "planned"
    assert message.due_at.astimezone(stack.house.settings.hospital.timezone).hour == 10
    assert sent_now() == []
    stack.forward(timedelta(hours=24))
    [sent] = stack.until(sent_now, "the SMS is sent")
    assert sent["to"] == SECOND_PATIENT.phone
    assert all(word not in sent["body"] for word in (SECOND_PATIENT.surname, "hernia", "surgery", "pain"))
    stack.until(lambda: rows(stack, Message)[0].status == "delivered", "the SMS is delivered")
    assert len(patient.calls()) == 1
    with stack.house.transaction() as session:
        assert reports.escalations(session) == []


def test_a_doctor_who_accepts_while_the_patient_still_talks_with_the_machine_is_joined(stack: Stage) -> None:
    """The machine says the doctor is coming and hangs up; the doctor waits a moment and is joined."""
    # The doctor waits some 18 telephone seconds for the line: too few at twenty times life on a busy machine.
    stack.set_clock(stack.now() + timedelta(seconds=5), speed=6)
    stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"}, after=2)
    patient = stack.phone(PATIENT.phone).in_turn(
        interview(
            {"on": "Rate your pain", "press": "7#"},
            {"on": "You entered 7", "press": "1"},
            {"on": "beep", "say": "I want to tell you all about my day. " * 20},
        ),
        [{"on": "press 1", "press": "1"}, {"after": 30, "hangup": True}],
    )
    operated(stack, PATIENT, hours=7)
    stack.until(lambda: the_closed_one(stack), "the escalation is closed")
    first, second = (stack.conversation(sid) for sid in patient.calls())
    hears(first, "after the beep", "The doctor is on the phone for you now")
    hears(second, "the duty doctor is on the line")
    assert len(stack.phone(DOCTORS[0].phone).calls()) == 1
    assert stack.phone(DOCTORS[1].phone).calls() == []


def test_a_worker_killed_between_the_score_and_the_ring_still_rings_the_doctor_once(stack: Stage) -> None:
    doctor = stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"})
    stack.phone(PATIENT.phone).answers({"on": "press 1", "press": "1"}, {"after": 60, "hangup": True})
    stack.kill("worker")
    stack.phone(PATIENT.phone).rings(HOTLINE, *hotline_pain("8"))
    assert doctor.calls() == []
    with stack.house.transaction() as session:
        [attempt] = session.scalars(sa.select(Attempt).where(Attempt.kind == "doctor"))
        assert (attempt.status, attempt.posted_at) == ("placing", None)
    stack.start_worker()
    stack.until(lambda: the_closed_one(stack), "the escalation is closed")
    assert len(doctor.calls()) == 1


def test_a_worker_killed_while_the_carrier_answers_the_post_rings_the_doctor_once(stack: Stage) -> None:
    """The POST was accepted and the worker died before it knew: the call is found again, not made again."""
    doctor = stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"}, after=8)
    stack.phone(PATIENT.phone).answers({"on": "press 1", "press": "1"}, {"after": 60, "hangup": True})
    stack.chaos(hold_create_s=5)
    stack.phone(PATIENT.phone).rings(HOTLINE, *hotline_pain("8"))
    stack.until(doctor.calls, "the carrier has the doctor's call")
    stack.kill("worker")
    stack.chaos(hold_create_s=0)
    stack.start_worker()
    stack.until(lambda: the_closed_one(stack), "the escalation is closed")
    stack.quiet()
    assert len(doctor.calls()) == 1
    assert "found" in events_of(stack, "attempt") or "answered" in events_of(stack, "attempt")


def test_who_hangs_up_after_keying_nine_is_rung_by_a_doctor(stack: Stage) -> None:
    doctor = stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"})
    caller = stack.phone(PATIENT.phone).answers({"on": "press 1", "press": "1"}, {"after": 40, "hangup": True})
    caller.rings(HOTLINE, *hotline_pain("9")[:-1], {"on": "You entered 9", "hangup": True})
    stack.until(lambda: the_closed_one(stack), "the escalation is closed")
    hears(stack.conversation(doctor.calls()[0]), "pain 9")


def test_a_caller_with_a_withheld_number_keys_one_and_is_rung_back_there(stack: Stage) -> None:
    stack.phone(DOCTORS[0].phone).answers({"on": "press 1", "press": "1"})
    caller = stack.phone("+861055550170")
    elsewhere = stack.phone("+861055550171").answers({"on": "press 1", "press": "1"}, {"after": 40, "hangup": True})
    heard = caller.rings(
        HOTLINE, *hotline_pain("6", read_back="1"), {"on": "number", "press": "01055550171#"}, withheld=True
    )
    hears(heard, "You entered 6", "number", "duty doctor will call")
    stack.until(lambda: the_closed_one(stack), "the escalation is closed")
    assert len(elsewhere.calls()) == 1
    assert caller.calls() == [], "a withheld number cannot be rung back"


HOTLINE_STORIES: dict[str, tuple[list[Step], tuple[str, ...]]] = {
    "star, a wrong key, then nothing: the operator": (
        [{"on": "按星号键", "press": "*"}, {"on": "For English, press 8", "press": "6"}],
        ("智能语音", "本次不录音", "没有这个选项", "没有听到按键", "转人工"),
    ),
    "nothing at all: the operator": ([], ("录音", "没有听到按键", "没有听到按键", "转人工")),
    "zero: the operator, in English": (
        [{"on": "For English, press 8", "press": "8"}, {"on": "A person, 0", "press": "0"}],
        ("Appointments, press 1", "Connecting you"),
    ),
}


@pytest.mark.parametrize("story", HOTLINE_STORIES, ids=str)
def test_whatever_a_caller_does_they_reach_the_operator(stack: Stage, story: str) -> None:
    """Never silence, never a bare hang-up (docs/clinical.md section 2)."""
    steps, heard = HOTLINE_STORIES[story]
    operator = stack.phone(OPERATOR).answers({"on": ["按1", "press 1"], "press": "1"}, {"after": 5, "hangup": True})
    call = stack.phone("+861055550183").rings(HOTLINE, *steps)
    hears(call, *heard)
    assert len(operator.calls()) == 1
    assert "bridged" in [event["kind"] for event in call.events]
    recorded = "star" not in story
    assert bool(call.recordings) is recorded
    stack.quiet()
    assert len(rows(stack, Recording)) == int(recorded)
    assert len(rows(stack, Attempt)) == 1, "something else was rung"


def test_a_message_is_taken_when_the_operator_does_not_answer(stack: Stage) -> None:
    stack.phone(OPERATOR).does_not_answer()
    call = stack.phone("+861055550182").rings(
        HOTLINE,
        {"on": "For English, press 8", "press": "8"},
        {"on": "A person, 0", "press": "0"},
        {"on": "beep", "say": "Please call me back in the morning."},
        {"press": "#", "after": 0.6},
    )
    hears(call, "Connecting you", "Nobody can take your call", "After the beep", "We have your message")
    settled = ("kept", "waiting_for_model")
    kept = stack.until(
        lambda: [row for row in rows(stack, Recording) if row.state in settled and row.purpose == "message"],
        "the message is kept",
    )
    assert kept[0].seconds > 1
    with stack.house.transaction() as session:
        assert session.scalars(sa.select(Answer.question)).all() == ["message"]


def test_a_recording_that_is_not_there_yet_is_waited_for_and_an_empty_one_is_named(stack: Stage) -> None:
    stack.phone(OPERATOR).does_not_answer()
    stack.chaos(recording_404_s=20)
    steps: list[Step] = [
        {"on": "For English, press 8", "press": "8"},
        {"on": "General information, 3", "press": "3"},
        {"on": "Leave a message, 5", "press": "5"},
        {"on": "beep", "say": "Please call me back in the morning."},
        {"press": "#", "after": 0.6},
    ]
    stack.phone("+861055550182").rings(HOTLINE, *steps)
    stack.until(
        lambda: [row.state for row in rows(stack, Recording)] == ["waiting_for_model"] * 2, "both files arrived"
    )
    assert max(row.fetch_tries for row in rows(stack, Recording)) > 1
    stack.chaos(recording_404_s=0, empty_recordings=2)
    stack.phone("+861055550184").rings(HOTLINE, *steps)
    stack.until(
        lambda: sorted(row.state for row in rows(stack, Recording)) == ["unreadable"] * 2 + ["waiting_for_model"] * 2,
        "the empty files are called unreadable",
    )
    assert "empty" in next(row.reason for row in rows(stack, Recording) if row.state == "unreadable")


# ---- helpers ------------------------------------------------------------------------------------
def hotline_pain(score: str, read_back: str = "1") -> list[Step]:
    """English, post-op pain, the score, confirmed."""
    return [
        {"on": "For English, press 8", "press": "8"},
        {"on": "Pain or problems after surgery", "press": "2"},
        {"on": "Rate your pain", "press": f"{score}#"},
        {"on": f"You entered {score}", "press": read_back},
    ]


def the_closed_one(stack: Stage) -> dict[str, Any] | None:
    with stack.house.transaction() as session:
        return next((row for row in reports.escalations(session) if row["status"] == "closed"), None)


def rows(stack: Stage, table: Any) -> list[Any]:
    with stack.house.transaction() as session:
        return list(session.scalars(sa.select(table)))


def before(conversation: Conversation, text: str) -> str:
    heard = "\n".join(conversation.heard())
    return heard[: heard.index(text)]


def events_of(stack: Stage, kind: str) -> list[str]:
    with stack.house.transaction() as session:
        return list(session.scalars(sa.select(EventRow.what).where(EventRow.kind == kind).order_by(EventRow.id)))
