"""Calls that meet in a conference (docs/twilio.md 1.10, 2.10, 4.2 Conference), with the unmodified SDK."""

import itertools
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest.api.v2010.account.conference import ConferenceInstance
from werkzeug.wrappers import Response

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital, texts
from tests.carrier.test_recordings import channels, loud
from tests.carrier.test_twiml import wav

NUMBERS = itertools.count(1)
EVENTS = 'statusCallback="/events" statusCallbackEvent="start end join leave mute hold modify"'
RECORD = '<Start><Recording channels="dual" recordingStatusCallback="/recorded"/></Start>'


class Room:
    """A conference of its own, and the documents that lead into it and out of it."""

    def __init__(self, carrier: Carrier, hospital: Hospital) -> None:
        self.name = f"round {next(NUMBERS)}"
        self._carrier, self._hospital, self._doors = carrier, hospital, itertools.count(1)
        hospital.document("/after", "<Say>After the conference</Say>")

    def enter(self, *script: dict[str, Any], noun: str = "", dial: str = "", before: str = "") -> str:
        """A call into the room; its SID, when it is in it."""
        sid = self.call(*script, noun=noun, dial=dial, before=before)
        self._carrier.when(sid, "conference", "participant-join")
        return sid

    def call(self, *script: dict[str, Any], noun: str = "", dial: str = "", before: str = "") -> str:
        verbs = f'{before}<Dial action="/after" {dial}><Conference {noun}>{self.name}</Conference></Dial>'
        url = self._hospital.document(f"/door-{next(self._doors)}", verbs)
        return self._carrier.call(self._carrier.phone(*script), url)

    @property
    def resource(self) -> ConferenceInstance:
        (found,) = self._carrier.client.conferences.list(friendly_name=self.name)
        return found

    def people(self) -> set[str]:
        return {one.call_sid for one in self.resource.participants.list()}


@pytest.fixture
def room(carrier: Carrier, hospital: Hospital) -> Room:
    return Room(carrier, hospital)


def told(hospital: Hospital, *names: str) -> list[tuple[str, ...]]:
    """What the conference's callback said, in order."""
    return [tuple(form.get(name, "") for name in names) for form in hospital.at("/events")]


# ---- meeting ------------------------------------------------------------------------------------------
def test_two_meet_and_hear_each_other_after_the_music(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    hospital.pages["/music.wav"] = lambda form: Response(wav(30.0), mimetype="audio/wav")
    hospital.document("/wait", "<Say>You are the first</Say><Play loop='0'>/music.wav</Play>")
    first = room.enter({"on": "hello there", "say": "I hear you well"}, noun='waitUrl="/wait"')
    carrier.when(first, "heard", "/music.wav")
    assert (room.resource.status, room.resource.region) == ("init", "us1")
    second = room.enter({"say": "Hello there", "after": 1}, {"on": "hear you well", "hangup": True, "after": 1})
    carrier.when(second, "hangup")
    # one is left, in silence; it leaves by its own hand
    assert (room.resource.status, room.people()) == ("in-progress", {first})
    carrier.client.conferences(room.resource.sid).participants(first).delete()
    story = carrier.ended(first)
    carrier.ended(second)
    assert texts(story) == ["You are the first", "/music.wav", "After the conference"]
    (waited,) = hospital.at("/wait")
    assert (waited["CallSid"], waited["FriendlyName"], waited["CallStatus"]) == (first, room.name, "in-progress")
    after = {form["CallSid"]: form for form in hospital.at("/after")}
    assert (after[first]["DialCallStatus"], after[first]["CallStatus"]) == ("answered", "in-progress")
    assert (after[second]["DialCallStatus"], after[second]["CallStatus"]) == ("answered", "completed")
    assert "DialCallDuration" not in after[first]


def recorded(carrier: Carrier, hospital: Hospital, sid: str) -> tuple[Any, Any]:
    """What the party of a call that ended said, and what it heard."""
    carrier.ended(sid)
    (done,) = [form for form in hospital.at("/recorded") if form["CallSid"] == sid]
    said, heard = channels(carrier.media(done["RecordingSid"]).content)
    return said, heard


def test_three_voices_are_mixed_and_nobody_hears_himself(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    quiet = room.enter(before=RECORD, noun='beep="false"')
    answers = {"on": "number one", "say": "And I am voice number two, who answers", "after": 1}
    second = room.enter(answers, before=RECORD, noun='beep="false"')
    first = room.enter({"say": "This is voice number one", "after": 2}, before=RECORD, noun='beep="false"')
    carrier.when(second, "said")
    carrier.control("POST", "/clock", {"forward_s": 6})
    carrier.client.conferences(room.resource.sid).update(status="completed")
    silence, both = recorded(carrier, hospital, quiet)
    one, heard_by_one = (loud(sound) for sound in recorded(carrier, hospital, first))
    two, heard_by_two = (loud(sound) for sound in recorded(carrier, hospital, second))
    assert min(one, two) > 0.3
    assert loud(silence) == 0
    assert loud(both) == pytest.approx(one + two, abs=0.02)
    assert (heard_by_one, heard_by_two) == (pytest.approx(two, abs=0.02), pytest.approx(one, abs=0.02))


def test_a_conference_waits_for_the_one_who_starts_it(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    patients = [room.enter(noun='startConferenceOnEnter="false"') for _ in range(2)]
    assert (room.resource.status, room.people()) == ("init", set(patients))
    nurse = room.enter(noun='endConferenceOnExit="true"')
    assert room.resource.status == "in-progress"
    carrier.control("POST", f"/phones/{number_of(carrier, nurse)}/keys", {"hangup": True})
    for sid in patients:
        assert texts(carrier.ended(sid), "beep") == ["beep", "beep"], "one at the start, one when she left"
        assert texts(carrier.ended(sid)) == ["After the conference"]
    ended = room.resource
    assert (ended.status, ended.reason_conference_ended) == (
        "completed", "participant-with-end-conference-on-exit-left"
    )  # fmt: skip
    assert ended.call_sid_ending_conference == nurse
    assert ended.participants.list() == []


def number_of(carrier: Carrier, sid: str) -> str:
    return str(carrier.client.calls(sid).fetch().to)


def test_before_the_start_nobody_hears_anybody(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    listener = room.enter(noun='startConferenceOnEnter="false"', before=RECORD)
    talker = room.enter({"say": "Is anybody there at all"}, noun='startConferenceOnEnter="false"')
    carrier.when(talker, "said")
    carrier.control("POST", "/clock", {"forward_s": 5})
    carrier.client.conferences(room.resource.sid).update(status="completed")
    carrier.ended(listener)
    assert loud(recorded(carrier, hospital, listener)[1]) == 0


def test_a_wait_document_is_heard_once_and_then_there_is_silence(
    carrier: Carrier, hospital: Hospital, room: Room
) -> None:
    hospital.document("/wait", "<Say>Please wait</Say>")
    sid = room.enter({"after": 12, "hangup": True}, noun='waitUrl="/wait"')
    story = carrier.ended(sid)
    assert texts(story) == ["Please wait"]
    assert len(hospital.at("/wait")) == 1
    assert room.resource.reason_conference_ended == "last-participant-left"


def test_a_wait_document_may_redirect_to_itself(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    hospital.document("/wait", "<Say>Please wait</Say><Redirect/>")
    sid = room.enter({"on": "please wait"}, {"on": "please wait", "hangup": True}, noun='waitUrl="/wait"')
    assert texts(carrier.ended(sid)).count("Please wait") >= 2


@pytest.mark.parametrize(
    ("wait", "code"),
    [(lambda form: Response("no", status=500), 11200), ("<Dial>+8613900000001</Dial>", 12200)],
    ids=["no document", "a verb that has no place there"],
)
def test_a_wait_document_that_cannot_run_leads_to_the_action(
    carrier: Carrier, hospital: Hospital, room: Room, wait: Any, code: int
) -> None:
    hospital.document("/wait", wait)
    story = carrier.ended(room.enter(noun=f'waitUrl="/wait" {EVENTS}'))
    assert [event["code"] for event in story["events"] if event["kind"] == "error"] == [code]
    assert texts(story) == ["After the conference"]
    assert hospital.at("/after")[0]["DialCallStatus"] == "failed"
    assert told(hospital, "StatusCallbackEvent", "ReasonParticipantLeft")[1] == (
        "participant-leave", "participant_add_failed"
    )  # fmt: skip


def test_a_full_conference_and_a_taken_label_let_nobody_in(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    first = room.enter(noun='participantLabel="nurse"')
    for noun, code in (('maxParticipants="1"', 16020), ('participantLabel="nurse"', 16025)):
        story = carrier.over(room.call(noun=noun))
        assert [event["code"] for event in story["events"] if event["kind"] == "error"] == [code]
        assert texts(story) == ["After the conference"]
    assert [form["DialCallStatus"] for form in hospital.at("/after")] == ["failed", "failed"]
    assert room.people() == {first}
    carrier.client.conferences(room.resource.sid).update(status="completed")
    carrier.ended(first)


@pytest.mark.parametrize(
    ("noun", "name", "code"),
    [
        ('beep="loud"', "room", 16002),
        ('maxParticipants="251"', "room", 16002),
        ('statusCallbackEvent="start never"', "room", 16002),
        ("", "", 16002),
        ('participantLabel="a/b"', "room", 16023),
    ],
)
def test_attributes_that_cannot_be_are_refused(
    carrier: Carrier, hospital: Hospital, noun: str, name: str, code: int
) -> None:
    url = hospital.document("/v", f"<Dial><Conference {noun}>{name}</Conference></Dial>")
    story = carrier.ended(carrier.call(carrier.phone(), url))
    assert [event["code"] for event in story["events"] if event["kind"] == "error"] == [code]


def test_a_star_leads_out_and_the_next_verb_follows(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    first = room.enter()
    verbs = f'<Dial hangupOnStar="true"><Conference>{room.name}</Conference></Dial><Say>The next verb</Say>'
    sid = carrier.call(carrier.phone({"after": 3, "press": "*"}), hospital.document("/star", verbs))
    assert texts(carrier.over(sid)) == ["The next verb"]
    carrier.client.conferences(room.resource.sid).update(status="completed")
    assert texts(carrier.ended(first)) == [], "who is hung up on hears no more"


def test_an_inbound_caller_is_answered_by_the_conference(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    hospital.document("/voice", f'<Dial action="/after"><Conference>{room.name}</Conference></Dial>')
    call = {"to": HOSPITAL, "script": [{"after": 3, "hangup": True}]}
    sid = carrier.control("POST", f"/phones/{carrier.phone()}/call", call)["call_sid"]
    assert carrier.ended(sid)["status"] == "completed"
    assert "answered" in [event["kind"] for event in carrier.ended(sid)["events"]]


def test_a_name_is_a_new_conference_when_the_old_one_is_over(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    carrier.ended(room.enter({"after": 2, "hangup": True}))
    first = room.resource
    carrier.ended(room.enter({"after": 2, "hangup": True}))
    both = carrier.client.conferences.list(friendly_name=room.name)
    assert len({one.sid for one in both}) == 2
    assert both[1].sid == first.sid, "newest first"
    assert carrier.client.conferences.list(friendly_name=room.name, status="in-progress") == []


# ---- by REST ------------------------------------------------------------------------------------------
def test_who_is_muted_is_not_heard_and_hears(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    listener = room.enter({"on": "loud and clear", "say": "Thank you"}, noun='beep="false"', before=RECORD)
    muted = room.enter(
        {"say": "Nobody can hear me now", "after": 2}, {"after": 6, "say": "Now loud and clear"},
        noun='muted="true" beep="false" participantLabel="quiet"',
    )  # fmt: skip
    rest = carrier.client.conferences(room.resource.sid)
    assert rest.participants("quiet").fetch().muted is True
    assert [one.call_sid for one in rest.participants.list(muted=True)] == [muted]
    carrier.when(muted, "said", "Nobody")
    assert rest.participants(muted).update(muted=False).muted is False
    carrier.when(listener, "said", "Thank you")
    rest.update(status="completed")
    _said, heard = recorded(carrier, hospital, listener)
    since = at(carrier.ended(listener), "recording-started")
    until = int((at(carrier.ended(muted), "conference", "participant-unmute") - since) * 8000)
    assert loud(heard[:until]) == 0
    assert loud(heard[until:]) > 0.4


def at(story: dict[str, Any], kind: str, text: str = "") -> float:
    """The moment something happened on a call."""
    event = next(event for event in story["events"] if event["kind"] == kind and text in event.get("text", ""))
    return float(story["created"] + event["t"])


def test_on_hold_one_hears_the_music_and_nobody_else(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    hospital.pages["/hold.wav"] = lambda form: Response(wav(60.0), mimetype="audio/wav")
    talker = room.enter({"after": 6, "say": "Only the ledger hears this"}, noun='beep="false"')
    held = room.enter({"on": "only the ledger", "hangup": True}, noun='beep="false"')
    one = carrier.client.conferences(room.resource.sid).participants(held)
    assert one.update(hold=True, hold_url=f"{hospital.url}/hold.wav").hold is True
    carrier.when(held, "heard", "/hold.wav")
    assert {asked.method for asked in hospital.asked if asked.path == "/hold.wav"} == {"GET"}
    carrier.when(talker, "said")
    assert one.update(hold=False).hold is False
    carrier.client.conferences(room.resource.sid).update(status="completed")
    carrier.ended(talker)
    story = carrier.ended(held)
    assert texts(story) == ["/hold.wav"]
    assert [event["by"] for event in story["events"] if event["kind"] == "hangup"] == ["carrier"]
    kinds = [event["text"] for event in story["events"] if event["kind"] == "conference"]
    assert kinds == ["participant-join", "participant-hold", "participant-unhold", "participant-leave"]


def test_who_is_kicked_goes_on_with_the_action_and_may_take_all_along(
    carrier: Carrier, hospital: Hospital, room: Room
) -> None:
    others = [room.enter() for _ in range(2)]
    chair = room.enter(noun='endConferenceOnExit="true"')
    sid = room.resource.sid
    assert carrier.client.conferences(sid).participants(others[0]).delete() is True
    assert texts(carrier.over(others[0])) == ["After the conference"]
    assert room.resource.status == "in-progress"
    carrier.client.conferences(sid).participants(chair).delete()
    for one in (others[1], chair):
        assert texts(carrier.ended(one)) == ["After the conference"]
    assert room.resource.reason_conference_ended == "participant-with-end-conference-on-exit-kicked"


def test_its_end_by_rest_hangs_everybody_up(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    inside = [room.enter() for _ in range(2)]
    ended = carrier.client.conferences(room.resource.sid).update(status="completed")
    assert (ended.status, ended.reason_conference_ended) == ("completed", "conference-ended-via-api")
    for sid in inside:
        story = carrier.ended(sid)
        assert (story["status"], texts(story)) == ("completed", [])
    assert {form["CallStatus"] for form in hospital.at("/after")} == {"completed"}


def test_a_new_document_by_rest_takes_one_out(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    stays, goes = room.enter(), room.enter()
    carrier.client.calls(goes).update(twiml="<Response><Say>Something else</Say></Response>")
    assert texts(carrier.over(goes)) == ["Something else"]
    assert room.people() == {stays}
    carrier.client.conferences(room.resource.sid).update(status="completed")
    carrier.ended(stays)


def test_what_is_not_there_is_not_found_and_what_is_not_kept_is_refused(
    carrier: Carrier, hospital: Hospital, room: Room
) -> None:
    sid = room.enter()
    rest = carrier.client.conferences(room.resource.sid)
    refusals = [
        (lambda: carrier.client.conferences("CF" + "0" * 32).fetch(), 20404),
        (lambda: rest.participants("CA" + "0" * 32).fetch(), 20404),
        (lambda: rest.participants(sid).update(announce_url=f"{hospital.url}/hear"), 20422),
        (lambda: rest.participants(sid).update(hold=True, hold_url="nowhere"), 21205),
        (lambda: rest.update(announce_url=f"{hospital.url}/hear"), 20422),
    ]
    for order, code in refusals:
        with pytest.raises(TwilioRestException) as refused:
            order()
        assert refused.value.code == code
    assert rest.participants(sid).fetch().hold is False
    carrier.client.calls(sid).update(status="completed")
    carrier.ended(sid)
    with pytest.raises(TwilioRestException):
        rest.participants(sid).fetch()


# ---- what is told of it -------------------------------------------------------------------------------
def test_the_first_one_says_where_all_of_it_is_told(carrier: Carrier, hospital: Hospital, room: Room) -> None:
    first = room.enter(noun=f'{EVENTS} participantLabel="first" endConferenceOnExit="true"')
    second = room.enter(noun='muted="true" statusCallback="/other" statusCallbackEvent="join"')
    rest = carrier.client.conferences(room.resource.sid)
    rest.participants(second).update(muted=False)
    rest.participants(second).update(muted=False)
    rest.participants(second).update(hold=True)
    rest.participants(second).update(hold=False, end_conference_on_exit=False, beep_on_exit=False)
    carrier.control("POST", f"/phones/{number_of(carrier, first)}/keys", {"hangup": True})
    for sid in (first, second):
        carrier.ended(sid)
    assert hospital.at("/other") == []
    assert told(hospital, "StatusCallbackEvent", "CallSid", "Muted", "Hold") == [
        ("participant-join", first, "false", "false"),
        ("participant-join", second, "true", "false"),
        ("conference-start", "", "", ""),
        ("participant-unmute", second, "false", "false"),
        ("participant-hold", second, "false", "true"),
        ("participant-unhold", second, "false", "false"),
        ("participant-modify", second, "false", "false"),
        ("participant-leave", first, "false", "false"),
        ("participant-leave", second, "false", "false"),
        ("conference-end", "", "", ""),
    ]
    forms = hospital.at("/events")
    assert [form["SequenceNumber"] for form in forms] == [str(number) for number in range(1, 11)]
    assert {form["ConferenceSid"] for form in forms} == {room.resource.sid}
    assert {form["FriendlyName"] for form in forms} == {room.name}
    assert (forms[0]["ParticipantLabel"], forms[0]["EndConferenceOnExit"]) == ("first", "true")
    left = [(form["ReasonParticipantLeft"], form["ParticipantCallStatus"]) for form in forms[7:9]]
    assert left == [("participant_hung_up", "completed"), ("moderator_ended_conference", "in-progress")]
    end = forms[-1]
    assert end["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    assert (end["CallSidEndingConference"], end["ParticipantLabelEndingConference"]) == (first, "first")


def test_only_what_was_asked_for_is_told_and_nothing_by_default(
    carrier: Carrier, hospital: Hospital, room: Room
) -> None:
    carrier.ended(room.enter({"after": 2, "hangup": True}, noun='statusCallback="/events"'))
    assert hospital.at("/events") == []
    noun = 'statusCallback="/events" statusCallbackEvent="end leave"'
    carrier.ended(room.enter({"after": 2, "hangup": True}, noun=noun))
    numbered = told(hospital, "StatusCallbackEvent", "SequenceNumber")
    assert numbered == [("participant-leave", "2"), ("conference-end", "3")]
