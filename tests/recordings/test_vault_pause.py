"""No sound of what proves who somebody is, and none at all of who does not want it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import jobs
from core.house import House
from core.models import EventRow
from dialer.carrier import CarrierClient, CarrierRefused, InDoubt
from dialer.models import Call
from ivr import hidden
from ivr.book import Book
from ivr.nodes import Number
from ivr.talk import Session as Told
from recordings.models import Recording, RecordingPause
from recordings.vault import pausing
from tests.carrier.conftest import ACCOUNT, HOSPITAL, TOKEN, Hospital, start_carrier, stop_carrier
from tests.dialer.fakes import FakeCall, FakeCarrier
from tests.ivr.ivr_line import Line, Switch


class Asked(FakeCarrier):
    """The carrier in memory; `meanwhile` happens while an order is on its way, `answers` are what comes back."""

    meanwhile: Callable[[], None] | None = None
    answers: list[Exception | bool]
    orders: list[bool]

    def pause_recording(self, sid: str, *, paused: bool) -> bool:
        self.orders.append(paused)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def switch(house: House) -> Switch:
    return Switch(house)


@pytest.fixture
def carrier(house: House) -> Asked:
    made = Asked(house.clock)
    made.answers, made.orders = [], []
    house.services[CarrierClient] = made
    return made


def at_identity(switch: Switch, *consents: str) -> Line:
    """A follow-up call whose patient is asked for the birthday; nothing deferred so far is left over."""
    line = switch.line_of(attempt := switch.followup_ring(switch.patient("followup", *consents)))
    line.answers(attempt)
    line.does()
    with switch.house.transaction() as session:
        session.execute(sa.text("DELETE FROM procrastinate_jobs"))
    line.press("1")
    return line


def deferred(switch: Switch) -> list[uuid.UUID]:
    with switch.house.transaction() as session:
        query = "SELECT args->>'call_id' FROM procrastinate_jobs WHERE task_name = 'pause_recording' ORDER BY id"
        return [uuid.UUID(one) for one in session.scalars(sa.text(query))]


def work(switch: Switch) -> None:
    """Do the pauses that are deferred."""
    with switch.house.transaction() as session:
        query = "DELETE FROM procrastinate_jobs WHERE task_name = 'pause_recording' RETURNING args->>'call_id'"
        found = session.scalars(sa.text(query)).all()
    for one in found:
        pausing.pause_recording(switch.house, uuid.UUID(one))


def row(switch: Switch) -> RecordingPause:
    [found] = switch.all(RecordingPause)
    assert isinstance(found, RecordingPause)
    return found


def tick(switch: Switch, seconds: float) -> None:
    switch.house.clock.at += timedelta(seconds=seconds)  # type: ignore[attr-defined]
    with switch.house.transaction() as session:
        pausing.due(session, switch.house.clock.now())
    work(switch)


def told(switch: Switch) -> list[str]:
    with switch.house.transaction() as session:
        words = session.scalars(sa.select(EventRow.what).order_by(EventRow.id)).all()
    return [word for word in words if word.startswith("recording ")]


# ---- while identity is keyed ----------------------------------------------------------------------------


def test_the_recording_is_silenced_for_the_birthday_and_then_goes_on(switch: Switch, carrier: Asked) -> None:
    line = at_identity(switch, "recording")
    assert carrier.orders == [], "the webhook itself asks nobody"
    work(switch)
    assert carrier.orders == [True]
    line.press("0506")
    work(switch)
    assert carrier.orders == [True, False]
    assert told(switch) == ["recording silenced", "recording goes on"]
    assert row(switch).due_at is None
    line.press("7", "1")
    work(switch)
    assert carrier.orders == [True, False], "what is said about pain is recorded"


def test_a_second_try_stays_silent(switch: Switch, carrier: Asked) -> None:
    line = at_identity(switch, "recording")
    line.press("0101")
    assert len(deferred(switch)) == 1
    work(switch)
    line.press("0506")
    work(switch)
    assert carrier.orders == [True, False]


def test_without_a_recording_there_is_nothing_to_silence(switch: Switch, carrier: Asked) -> None:
    line = at_identity(switch)
    line.press("0506")
    assert deferred(switch) == []
    assert switch.all(RecordingPause) == []


def test_a_house_that_does_not_want_it(switch: Switch, carrier: Asked) -> None:
    file = switch.house.settings.file
    changed = file.recordings.model_copy(update={"pause_identity": False})
    object.__setattr__(switch.house.settings, "file", file.model_copy(update={"recordings": changed}))
    at_identity(switch, "recording")
    assert deferred(switch) == []


def test_an_order_before_the_recording_has_begun_comes_again_within_seconds(switch: Switch, carrier: Asked) -> None:
    at_identity(switch, "recording")
    carrier.answers = [False, InDoubt("Timeout"), CarrierRefused(20429, 429)]
    work(switch)
    for seconds in (1, 2, 3):
        tick(switch, seconds - 0.1)
        tick(switch, 0.1)
    assert carrier.orders == [True] * 4
    assert row(switch).ordered is True
    tick(switch, 60)
    assert len(carrier.orders) == 4


def test_a_lost_pause_is_undone_all_the_same_once_identity_is_proven(switch: Switch, carrier: Asked) -> None:
    """Its answer was lost: nobody knows whether the recording is silent, so it is told to go on."""
    line = at_identity(switch, "recording")
    carrier.answers = [InDoubt("Timeout")]
    work(switch)
    line.press("0506")
    work(switch)
    assert carrier.orders == [True, False]


def test_a_pause_that_is_not_needed_any_more_is_never_ordered(switch: Switch, carrier: Asked) -> None:
    at_identity(switch, "recording").press("0506")
    work(switch)
    assert carrier.orders == []


def test_orders_that_cross_end_with_the_last_word_of_the_flow(switch: Switch, carrier: Asked) -> None:
    """The pause is slow: meanwhile the caller is through, and another worker orders to go on. The pause reaches the
    carrier last."""
    line = at_identity(switch, "recording")
    [call] = deferred(switch)
    with switch.house.transaction() as session:
        session.execute(sa.text("DELETE FROM procrastinate_jobs"))

    def through() -> None:
        line.press("0506")
        work(switch)

    carrier.meanwhile = through
    pausing.pause_recording(switch.house, call)
    assert carrier.orders == [True, False, False]
    assert (row(switch).wanted, row(switch).ordered, row(switch).due_at) == (False, False, None)


def test_a_worker_that_died_over_an_order_is_made_up_for(switch: Switch, carrier: Asked) -> None:
    line = at_identity(switch, "recording")

    class Killed(BaseException):
        pass

    def dies() -> None:
        raise Killed

    carrier.meanwhile = dies
    with pytest.raises(Killed):
        work(switch)
    line.press("0506")
    with switch.house.transaction() as session:
        session.execute(sa.text("DELETE FROM procrastinate_jobs"))
    tick(switch, 12)
    assert carrier.orders == [True, False], "it may have been silenced"


def test_the_end_of_the_call_ends_it(switch: Switch, carrier: Asked) -> None:
    line = at_identity(switch, "recording")
    carrier.answers = [False]
    work(switch)
    line.hangs_up()
    tick(switch, 60)
    assert carrier.orders == [True]
    assert row(switch).due_at is None


def test_what_cannot_be_silenced_is_left_and_said(
    switch: Switch, carrier: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    at_identity(switch, "recording")
    carrier.answers = [InDoubt("Timeout")] * 20
    work(switch)
    for _ in range(20):
        tick(switch, 5)
    assert len(carrier.orders) == 10
    assert told(switch) == ["recording not silenced"]
    assert "could not be silenced" in caplog.text


def test_every_place_where_a_proof_is_keyed_is_unheard_and_no_other(house: House) -> None:
    flows = house.service(Book).flows
    found = {}
    for flow in flows.values():
        for name, node in flow.nodes.items():
            if isinstance(node, Number):
                said = Told(flow=flow.name, version=flow.version, node=name, language="en", recording="on")
                found[node.kind] = hidden.is_keyed_unheard(flow, said)
    assert found.pop("month_day")
    assert found.pop("pin")
    assert found.pop("birthday")
    assert found == {kind: kind in hidden.PROOFS for kind in found}
    assert not found["pain"]


# ---- no recording at all --------------------------------------------------------------------------------


def follow_up(switch: Switch, *consents: str, first: str = "") -> list[str]:
    """A follow-up call from the notice to the end, star or not; every document."""
    switch.doctor_on_duty()
    line = switch.line_of(attempt := switch.followup_ring(switch.patient("followup", *consents)))
    heard = [line.answers(attempt).text]
    heard.append((line.press(first) if first else line.does()).text)
    for key in ("1", "0506", "7", "1"):
        heard.append(line.press(key).text)
    return heard


@pytest.mark.parametrize(
    ("consents", "first"), [((), ""), (("recording",), "*")], ids=["no consent", "star at the notice"]
)
def test_without_consent_or_with_star_no_sound_of_the_call_is_owed_kept_or_paused(
    switch: Switch, carrier: Asked, consents: tuple[str, ...], first: str
) -> None:
    heard = follow_up(switch, *consents, first=first)
    assert not any("<Recording" in document or "<Record" in document for document in heard)
    assert switch.all(Recording) == []
    assert switch.all(RecordingPause) == []
    assert [call.recording_on for call in switch.all(Call)] == [False]
    with switch.house.transaction() as session:
        names = set(session.scalars(sa.text("SELECT task_name FROM procrastinate_jobs")))
    assert not names & {job.name for job in jobs.JOBS.values() if job.queue == "recordings"}
    assert "pause_recording" not in names


def test_the_same_call_with_consent_and_without_star_is_recorded(switch: Switch, carrier: Asked) -> None:
    assert any("<Recording" in document for document in follow_up(switch, "recording"))
    assert {one.purpose for one in switch.all(Recording)} == {"call", "open_answer"}


def test_the_carrier_in_memory_knows_what_runs(carrier: Asked) -> None:
    now = carrier.clock.now()
    carrier.calls.append(FakeCall("CA1", "+861055550100", "", "", 30, now, status="in-progress"))
    assert FakeCarrier.pause_recording(carrier, "CA1", paused=True) is False
    carrier.recorded.add("CA1")
    assert FakeCarrier.pause_recording(carrier, "CA1", paused=True) is True
    assert carrier.paused == [("CA1", True)]


def test_our_client_silences_a_recording_of_the_local_carrier() -> None:
    carrier = start_carrier("--speed", "20")
    hospital = Hospital()
    ours = CarrierClient(ACCOUNT, TOKEN, HOSPITAL, carrier.url, hospital.url)
    try:
        carrier.control("PUT", f"/numbers/{HOSPITAL}", {"voice_url": f"{hospital.url}/voice"})
        document = hospital.document("/v", '<Start><Recording channels="dual"/></Start><Pause length="300"/>')
        call = carrier.call(carrier.phone(), document)
        carrier.when(call, "recording-started")

        def status() -> str:
            [recording] = carrier.client.calls(call).recordings.list()
            return str(recording.status)

        assert ours.pause_recording(call, paused=True)
        assert status() == "paused"
        assert ours.pause_recording(call, paused=False)
        assert status() == "in-progress"
        ours.hang_up(call)
        carrier.ended(call)
        assert ours.pause_recording(call, paused=True) is False
    finally:
        ours._client.http_client.session.close()
        stop_carrier(carrier)
        hospital.close()
