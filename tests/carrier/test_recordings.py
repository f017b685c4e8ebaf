"""Recordings are real sound, and come when they should (docs/twilio.md 1.4, 2.4, 2.5)."""

import io
import wave

import numpy as np
import numpy.typing as npt
import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from tests.carrier.conftest import ACCOUNT, Carrier, Hospital, texts

SENTENCE = "The wound is bleeding a little."


def channels(data: bytes) -> npt.NDArray[np.int16]:
    """The samples, one row per channel; the format is the carrier's only one."""
    with wave.open(io.BytesIO(data)) as source:
        assert (source.getframerate(), source.getsampwidth()) == (8000, 2)
        frames = source.readframes(source.getnframes())
        return np.frombuffer(frames, dtype="<i2").reshape(-1, source.getnchannels()).T


def loud(samples: npt.NDArray[np.int16]) -> float:
    """Seconds that are not silent."""
    return float((np.abs(samples.astype(int)) > 300).sum()) / 8000


def record(hospital: Hospital, attributes: str = "") -> str:
    hospital.document("/recorded", "<Say>Thank you</Say>")
    return hospital.document("/v", f'<Record action="/recorded" recordingStatusCallback="/done" {attributes}/>')


def test_record_ends_with_silence_and_is_trimmed(carrier: Carrier, hospital: Hospital) -> None:
    sid = carrier.call(carrier.phone({"on": "beep", "say": SENTENCE}), record(hospital, 'timeout="3"'))
    story = carrier.ended(sid)
    (form,) = hospital.at("/recorded")
    assert (form["Digits"], form["CallStatus"]) == ("", "in-progress")
    assert form["RecordingUrl"].endswith(f"/Recordings/{form['RecordingSid']}")
    (done,) = hospital.at("/done")
    assert (done["RecordingSource"], done["RecordingChannels"], done["RecordingStatus"]) == (
        "RecordVerb",
        "1",
        "completed",
    )
    assert "From" not in done
    (samples,) = channels(carrier.media(form["RecordingSid"]).content)
    assert abs(len(samples) / 8000 - int(form["RecordingDuration"])) <= 0.5
    assert 1 < len(samples) / 8000 < 3
    assert loud(samples) > 0.4
    assert story["recordings"] == [form["RecordingSid"]]
    assert texts(story)[-1] == "Thank you"


@pytest.mark.parametrize(
    ("attributes", "script", "digits", "length"),
    [
        ('trim="do-not-trim"', [{"on": "beep", "say": SENTENCE}, {"press": "#"}], "#", (2.0, 3.5)),
        ('trim="do-not-trim" finishOnKey="*"', [{"on": "beep", "press": "1*"}], "*", (0.3, 1.5)),
        ('trim="do-not-trim" maxLength="4" timeout="0"', [], "", (3.7, 4.5)),
        ('trim="do-not-trim"', [{"on": "beep", "say": SENTENCE}, {"hangup": True}], "hangup", (2.0, 3.5)),
    ],
    ids=["any key", "finishOnKey", "maxLength", "hangup"],
)
def test_record_ends(
    carrier: Carrier,
    hospital: Hospital,
    attributes: str,
    script: list[dict[str, object]],
    digits: str,
    length: tuple[float, float],
) -> None:
    story = carrier.ended(carrier.call(carrier.phone(*script), record(hospital, attributes)))
    (form,) = hospital.at("/recorded")
    assert form["Digits"] == digits
    assert form["CallStatus"] == ("completed" if digits == "hangup" else "in-progress")
    (samples,) = channels(carrier.media(form["RecordingSid"]).content)
    assert length[0] <= len(samples) / 8000 <= length[1]
    assert ("Thank you" in texts(story)) == (digits != "hangup")


def test_start_recording_runs_from_its_verb_to_the_end(carrier: Carrier, hospital: Hospital) -> None:
    start = '<Start><Recording channels="dual" recordingStatusCallback="/done"/></Start>'
    url = hospital.document("/v", f"{start}<Say>Please describe it</Say><Pause length='6'/>")
    phone = carrier.phone({"on": "describe", "say": SENTENCE})
    sid = carrier.call(phone, url, status_callback=f"{hospital.url}/status")
    story = carrier.ended(sid)
    (done,) = hospital.at("/done")
    paths = [asked.path for asked in hospital.asked]
    assert paths.index("/status") < paths.index("/done")
    at = {event["kind"]: event["t"] for event in story["events"]}
    party, heard = channels(carrier.media(done["RecordingSid"]).content)
    assert abs(len(party) / 8000 - (at["recording-stopped"] - at["recording-started"])) <= 0.3
    says_at, hears_at = at["said"] - at["recording-started"], at["heard"] - at["recording-started"]
    # The party's words are on the first channel only, the prompt on the second only, each where it was.
    assert loud(party[: int(says_at * 8000) - 800]) == 0
    assert loud(party[int(says_at * 8000) :]) > 0.4
    assert loud(heard[int(hears_at * 8000) : int(says_at * 8000)]) > 0.3
    assert loud(heard[int(says_at * 8000) + 800 :]) == 0
    fetched = carrier.client.recordings(done["RecordingSid"]).fetch()
    assert (fetched.status, fetched.channels, fetched.duration) == ("completed", 2, done["RecordingDuration"])
    assert [r.sid for r in carrier.client.calls(sid).recordings.list()] == [fetched.sid]
    assert [r.sid for r in carrier.client.recordings.list(call_sid=sid)] == [fetched.sid]
    url = f"{carrier.url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{fetched.sid}"
    assert channels(carrier.session.get(f"{url}.wav?RequestedChannels=2").content).shape[0] == 1
    assert carrier.session.get(url).headers["Content-Type"] == "audio/x-wav"


def test_a_bridged_recording_holds_the_other_party(carrier: Carrier, hospital: Hospital) -> None:
    doctor = carrier.phone({"say": SENTENCE, "after": 1}, {"hangup": True, "after": 1})
    start = '<Start><Recording channels="dual" recordingStatusCallback="/done"/></Start>'
    url = hospital.document("/v", f"{start}<Dial><Number>{doctor}</Number></Dial>")
    sid = carrier.call(carrier.phone(), url)
    carrier.ended(sid)
    (done,) = hospital.at("/done")
    assert done["CallSid"] == sid
    party, heard = channels(carrier.media(done["RecordingSid"]).content)
    assert loud(party) == 0
    assert loud(heard) > 0.4


def test_a_mono_recording_mixes_both_sides(carrier: Carrier, hospital: Hospital) -> None:
    attributes = 'recordingStatusCallback="/done" recordingStatusCallbackEvent="in-progress completed"'
    start = f"<Start><Recording {attributes}/></Start>"
    url = hospital.document("/v", f"{start}<Say>Please describe it</Say><Pause length='4'/>")
    carrier.ended(carrier.call(carrier.phone({"on": "describe", "say": SENTENCE}), url))
    first, done = hospital.at("/done")
    assert (first["RecordingStatus"], done["RecordingStatus"]) == ("in-progress", "completed")
    assert "RecordingDuration" not in first
    (samples,) = channels(carrier.media(done["RecordingSid"]).content)
    assert loud(samples) > 0.8


def test_a_running_recording_is_stopped_by_the_api(carrier: Carrier, hospital: Hospital) -> None:
    start = '<Start><Recording recordingStatusCallback="/done"/></Start>'
    sid = carrier.call(carrier.phone(), hospital.document("/v", f"{start}<Pause length='10'/>"))
    carrier.when(sid, "recording-started")
    assert carrier.client.calls(sid).recordings("Twilio.CURRENT").update(status="stopped").status in (
        "processing",
        "completed",
    )
    with pytest.raises(TwilioRestException) as refused:
        carrier.client.calls(sid).recordings("Twilio.CURRENT").update(status="stopped")
    assert refused.value.code == 20404
    carrier.ended(sid)
    assert int(hospital.at("/done")[0]["RecordingDuration"]) < 9


def test_media_need_credentials_and_go_when_deleted(carrier: Carrier, hospital: Hospital) -> None:
    carrier.ended(carrier.call(carrier.phone(), record(hospital, 'timeout="1"')))
    sid = hospital.at("/recorded")[0]["RecordingSid"]
    url = f"{carrier.url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{sid}.wav"
    assert requests.get(url, timeout=5).status_code == 401
    assert carrier.media(sid).status_code == 200
    assert carrier.client.recordings(sid).delete()
    assert carrier.media(sid).status_code == 404


def test_new_media_may_be_missing_for_a_while_or_empty(carrier: Carrier, hospital: Hospital) -> None:
    carrier.control("POST", "/chaos", {"recording_404_s": 900, "empty_recordings": 1})
    carrier.ended(carrier.call(carrier.phone(), record(hospital, 'timeout="1"')))
    sid = hospital.at("/recorded")[0]["RecordingSid"]
    assert carrier.media(sid).status_code == 404
    carrier.control("POST", "/clock", {"forward_s": 901})
    media = carrier.media(sid)
    assert (media.status_code, media.content) == (200, b"")


def quiet_parts(samples: npt.NDArray[np.int16], start: float, end: float) -> float:
    return loud(samples[int(start * 8000) : int(end * 8000)])


@pytest.mark.parametrize("behaviour", ["silence", "skip"])
def test_a_pause_is_not_recorded_not_even_the_tones_of_keys(
    carrier: Carrier, hospital: Hospital, behaviour: str
) -> None:
    start = '<Start><Recording channels="dual" recordingStatusCallback="/done"/></Start>'
    hospital.document("/keyed", "<Say>Thank you</Say><Pause length='60'/>")
    gather = '<Gather input="dtmf" numDigits="4" action="/keyed" timeout="300"><Say>Please key it</Say></Gather>'
    phone = carrier.phone({"say": SENTENCE}, {"after": 60, "press": "0506"})
    sid = carrier.call(phone, hospital.document("/v", f"{start}<Pause length='5'/>{gather}"))
    running = carrier.client.calls(sid).recordings("Twilio.CURRENT")
    carrier.when(sid, "heard")
    assert running.update(status="paused", pause_behavior=behaviour).status == "paused"
    assert running.update(status="paused", pause_behavior=behaviour).status == "paused", "twice is once"
    carrier.when(sid, "pressed")
    carrier.when(sid, "heard", text="Thank you")
    assert running.update(status="in-progress").status == "in-progress"
    story = carrier.ended(sid)
    (done,) = hospital.at("/done")
    party, heard = channels(carrier.media(done["RecordingSid"]).content)
    at = {event["kind"]: event["t"] for event in story["events"]}
    begun, paused, resumed, stopped = (
        at[f"recording-{what}"] for what in ("started", "paused", "resumed", "stopped")
    )
    length = stopped - begun - (resumed - paused if behaviour == "skip" else 0)
    assert len(party) / 8000 == pytest.approx(length, abs=2)  # a tenth of a real second
    assert int(done["RecordingDuration"]) == round(len(party) / 8000)
    assert loud(party) > 0.4, "what was said before it is there"
    assert paused < at["pressed"] < resumed
    if behaviour == "silence":
        assert quiet_parts(party, paused - begun + 2, resumed - begun - 2) == 0
        assert quiet_parts(heard, paused - begun + 2, resumed - begun - 2) == 0
    else:
        assert quiet_parts(party, paused - begun + 2, len(party) / 8000) == 0, "the keys are left out"


def test_what_is_wrong_about_an_order_is_said(carrier: Carrier, hospital: Hospital) -> None:
    start = '<Start><Recording recordingStatusCallback="/done"/></Start>'
    sid = carrier.call(carrier.phone(), hospital.document("/v", f"{start}<Pause length='60'/>"))
    carrier.when(sid, "recording-started")
    running = carrier.client.calls(sid).recordings("Twilio.CURRENT")
    with pytest.raises(TwilioRestException) as refused:
        running.update(status="deleted")
    assert refused.value.code == 20422
    with pytest.raises(TwilioRestException) as refused:
        running.update(status="paused", pause_behavior="beep")
    assert refused.value.code == 20422
    running.update(status="paused")
    assert running.update(status="stopped").status in ("processing", "completed"), "a pause is no hindrance"
    carrier.client.calls(sid).update(status="completed")
    carrier.ended(sid)
