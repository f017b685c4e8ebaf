"""Queues and their members over REST (docs/twilio.md 1.6), with the unmodified SDK."""

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.carrier.conftest import Carrier, Hospital, texts
from tests.carrier.test_queue import Room

TAKEN = "<Say>You were taken out</Say>"


def waiting(carrier: Carrier, room: Room, count: int) -> list[str]:
    """Calls in the queue, one after the other."""
    found = []
    for _ in range(count):
        found.append(carrier.call(carrier.phone(), room.enqueue()))
        carrier.when(found[-1], "enqueued")
    return found


def test_a_queue_is_listed_and_fetched_with_those_who_wait(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    first, second = waiting(carrier, room, 2)
    carrier.control("POST", "/clock", {"forward_s": 10})
    (found,) = [queue for queue in carrier.client.queues.list() if queue.friendly_name == room.name]
    queue = carrier.client.queues(found.sid)
    assert (queue.fetch().current_size, queue.fetch().max_size) == (2, 1000)
    assert queue.fetch().average_wait_time >= 10
    members = queue.members.list()
    assert [(member.call_sid, member.position) for member in members] == [(first, 1), (second, 2)]
    assert all(member.wait_time >= 10 and member.queue_sid == found.sid for member in members)
    assert queue.members("Front").fetch().call_sid == first
    assert queue.members(second).fetch().position == 2
    for sid in (first, second):
        carrier.client.calls(sid).update(status="completed")
    for sid in (first, second):
        carrier.ended(sid)
    assert (queue.fetch().current_size, queue.fetch().average_wait_time, queue.members.list()) == (0, 0, [])


def test_the_front_and_a_chosen_one_are_taken_out_to_another_document(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    first, second, third = waiting(carrier, room, 3)
    hospital.document("/taken", TAKEN)
    (found,) = [queue for queue in carrier.client.queues.list() if queue.friendly_name == room.name]
    members = carrier.client.queues(found.sid).members
    assert members("Front").update(url=f"{hospital.url}/taken").call_sid == first
    assert members(third).update(url=f"{hospital.url}/taken", method="GET").position == 2
    for sid in (first, third):
        assert texts(carrier.over(sid))[-1] == "You were taken out"
    assert {form["QueueResult"] for form in hospital.at("/after-wait")} == {"redirected"}
    assert [member.call_sid for member in members.list()] == [second]
    assert sorted(asked.method for asked in hospital.asked if asked.path == "/taken") == ["GET", "POST"]
    carrier.client.calls(second).update(status="completed")
    carrier.ended(second)


def test_nobody_is_taken_out_twice_and_nobody_of_an_empty_queue(carrier: Carrier, hospital: Hospital) -> None:
    room = Room(hospital)
    (only,) = waiting(carrier, room, 1)
    hospital.document("/taken", TAKEN)
    (found,) = [queue for queue in carrier.client.queues.list() if queue.friendly_name == room.name]
    members = carrier.client.queues(found.sid).members
    with pytest.raises(TwilioRestException) as refused:
        members("Front").update(url="nowhere")
    assert refused.value.code == 21205
    members(only).update(url=f"{hospital.url}/taken")
    for who in (only, "Front"):
        with pytest.raises(TwilioRestException) as refused:
            members(who).update(url=f"{hospital.url}/taken")
        assert refused.value.code == 20404
    carrier.ended(only)
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.queues("QU" + "0" * 32).fetch()
    assert refused.value.code == 20404
