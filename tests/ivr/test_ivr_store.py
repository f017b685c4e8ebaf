"""What a flow's effects leave in the house."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core import people
from core.house import House
from core.models import EventRow
from dialer.models import Attempt, Call
from ivr import store
from ivr.models import Answer
from scheduler.models import FollowUp
from tests.ivr.ivr_line import Line, Switch
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward


class Care:
    """A due follow-up on a real house, rung, answered and heard through the webhooks."""

    def __init__(self, house: House) -> None:
        self.ward = Ward(house)
        self.switch = Switch(house)

    def due(self, *phones: str) -> None:
        self.procedure = self.ward.due_patient(*phones)

    @property
    def row(self) -> FollowUp:
        return self.ward.first(self.procedure)

    def rings(self) -> Line:
        attempt = self.ward.rung()
        self.ward.post(attempt)
        with self.ward.house.transaction() as session:
            placed = session.get_one(Attempt, attempt.id)
        line = self.switch.line_of(placed)
        line.answers(placed)
        return line

    def told(self) -> list[str]:
        with self.ward.house.transaction() as session:
            rows = session.scalars(sa.select(EventRow).where(EventRow.kind == "call").order_by(EventRow.id))
            return [row.what for row in rows]


@pytest.fixture
def care(house: House) -> Care:
    return Care(house)


def test_a_whole_interview_completes_the_wave(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("1", "0506", "2", "1")
    assert line.last is not None
    assert "Is blood coming through" in line.last.said
    heard = line.press("2", "2", "1", "2", "2")
    assert "Take your medicine" in heard.said
    assert heard.verbs[-1] == "Hangup", "no consent to recordings, so no open question"
    assert care.row.status == "calling"
    line.hangs_up()
    assert (care.row.status, care.row.tries) == ("completed", 1)
    assert [(m.kind, m.to) for m in care.ward.messages()] == [("recovery", PHONE)]
    answers = care.switch.all(Answer)
    assert {answer.subject_id for answer in answers} == {care.row.id}
    assert {answer.question: answer.value for answer in answers} == {
        "pain": "2", "bleeding": "no", "fluids": "no", "urine": "yes", "limb": "no", "doctor": "no",
    }  # fmt: skip
    assert {answer.respondent for answer in answers} == {"self"}


@pytest.mark.parametrize(
    ("keys", "status", "reason"),
    [
        ((), "waiting", "answered"),
        (("1",), "waiting", "partial"),
        (("1", "0506"), "waiting", "partial"),
        (("1", "0506", "3"), "waiting", "partial"),
        (("2",), "waiting", "not_patient"),
        (("4",), "waiting", "bad_time"),
        (("1", "0101", "0202"), "unreached", "identity_failed"),
        (("7", "2"), "waiting", "answered"),
    ],
)
def test_where_the_conversation_broke_off_decides_what_follows(
    care: Care, keys: tuple[str, ...], status: str, reason: str
) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press(*keys) if keys else None
    line.hangs_up()
    assert (care.row.status, care.row.reason) == (status, reason)


def test_a_machine_that_says_nothing_is_tried_again_later(care: Care) -> None:
    care.due()
    line = care.rings()
    for _ in range(8):
        if line.last is not None and line.last.verbs[-1] == "Hangup":
            break
        line.does()
    line.hangs_up()
    assert (care.row.status, care.row.reason) == ("waiting", "answered")


def test_a_wrong_number_is_never_rung_again_for_this_patient(care: Care) -> None:
    """Of the number nothing is said to others: it may be theirs rightly."""
    care.due(PHONE, SECOND_PHONE)
    line = care.rings()
    line.does()
    line.press("3")
    line.hangs_up()
    with care.ward.house.transaction() as session:
        assert not people.on_do_not_call(session, PHONE)
    care.ward.now = care.row.next_try_at
    assert care.ward.rung().to == SECOND_PHONE


def test_stop_ends_this_wave_and_all_that_follow(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("7", "1")
    line.hangs_up()
    assert care.row.status == "declined"
    with care.ward.house.transaction() as session:
        assert people.last_word(session, care.row.patient_id, "followup") == (False, "keypad")
    for wave, row in sorted(care.ward.waves(care.procedure).items(), key=lambda item: item[1].due_at):
        if wave != "6h":
            care.ward.now = row.due_at
            assert care.ward.tick() == 0
    assert {row.status for row in care.ward.waves(care.procedure).values()} == {"declined"}


def test_a_score_keyed_anew_closes_the_older_row(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("1", "0506", "3", "2", "8")
    rows = {row.value: row for row in care.switch.all(Answer)}
    assert rows["3"].replaced_at is not None
    assert rows["8"].replaced_at is None
    assert rows["8"].confirmed_at is None


def test_a_slow_one_and_zero_is_ten(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("1", "0506", "1", "0")
    assert care.switch.scores() == [("1", "replaced"), ("10", "zero_after_one")]
    assert care.switch.escalations() == [(10, PHONE)]


def test_what_callers_said_is_not_in_the_ledger(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("1", "0506", "2", "1")
    line.hangs_up()
    with care.ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow)).all()
        text = " ".join(f"{row.what} {row.why} {row.data}" for row in rows)
    for secret in ("Ann", "Example", PHONE, PHONE[3:], "0506", "1961"):
        assert secret not in text


def test_a_missed_ring_is_given_the_interview_when_the_patient_rings_back(care: Care) -> None:
    care.due()
    care.ward.ends(care.ward.rung(), "no_answer")
    line = care.switch.line()
    line.sid = f"CA{'9' * 32}"
    line.rings(PHONE)
    line.does()
    assert "We rang you earlier" in line.english().said
    assert "Rate your pain" in line.press("1", "0506").said
    line.press("2", "1", "2", "2", "1", "2", "2")
    line.hangs_up()
    assert (care.row.status, care.row.score) == ("completed", "2")
    assert len(care.switch.all(Answer)) == 6


# ---- numbers -------------------------------------------------------------------------------------------
KEYED = {
    "01055550100": None,  # our own
    "13800000001": "+8613800000001",
    "8613800000001": "+8613800000001",
    "008613800000001": "+8613800000001",
    "0012025550100": "+12025550100",
    "01055550111": "+861055550111",
    "12000": None,
    "07712": None,
    "0": None,
    "00": None,
    "1" * 20: None,
    "9" * 5000: None,
}


def test_a_keyed_number_as_the_house_rings_it(house: House) -> None:
    with house.transaction() as session:
        assert {keyed: store.callback_number(session, keyed) for keyed in KEYED} == KEYED


def test_an_ended_call_is_told_once(care: Care) -> None:
    care.due()
    line = care.rings()
    line.does()
    line.press("1", "0506", "7")
    for _ in range(3):
        line.hangs_up()
    assert care.switch.escalations() == [(7, PHONE)]
    assert care.row.tries == 1
    assert [call.status for call in care.switch.all(Call)] == ["completed"]
