"""The Recording resource and the making of its sound (docs/twilio.md 1.4, 2.5)."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from carrier.calls import API_VERSION, Call, new_sid, rfc2822
from carrier.chaos import Chaos
from carrier.leg import Leg
from carrier.sound import RATE, Clip, mix, seconds, trim, write_wav
from carrier.twiml import SILENT, RecordingCallback

RUNNING = ("in-progress", "paused")


@dataclass
class Pause:
    """A stretch that is not recorded: heard as silence, or left out (`skip`)."""

    start: float
    skip: bool
    end: float | None = None


@dataclass
class Recording:
    """One recording. Times are virtual seconds; `duration` is whole seconds, known from the end on."""

    call: Call
    source: str
    start: float
    channels: int = 1
    track: str = "both"
    trimmed: bool = False
    party_only: bool = False
    callback: RecordingCallback = SILENT
    sid: str = field(default_factory=lambda: new_sid("RE"))
    status: str = "in-progress"
    end: float | None = None
    duration: int | None = None
    updated: float = 0.0
    written: float | None = None
    pauses: list[Pause] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Not ended yet: it takes in sound, or pauses."""
        return self.status in RUNNING

    def to_json(self, base_url: str) -> dict[str, Any]:
        """The Recording resource; `media_url` stands on the carrier's own address."""
        path = f"/{API_VERSION}/Accounts/{self.call.account}/Recordings/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.call.account,
            "call_sid": self.call.sid,
            "conference_sid": None,
            "api_version": API_VERSION,
            "channels": self.channels,
            "date_created": rfc2822(self.start),
            "date_updated": rfc2822(self.updated or self.start),
            "start_time": rfc2822(self.start),
            "duration": None if self.duration is None else str(self.duration),
            "price": None,
            "price_unit": "USD",
            "status": self.status,
            "source": self.source,
            "track": self.track,
            "error_code": None,
            "encryption_details": None,
            "media_url": base_url + path,
            "uri": f"{path}.json",
            "subresource_uris": {
                "add_on_results": f"{path}/AddOnResults.json",
                "transcriptions": f"{path}/Transcriptions.json",
            },
        }

    def parameters(self, base_url: str, status: str) -> dict[str, str]:
        """The parameters of its status callback: no From, To or CallStatus (docs/twilio.md 2.5)."""
        parameters = {
            "AccountSid": self.call.account,
            "CallSid": self.call.sid,
            "RecordingSid": self.sid,
            "RecordingUrl": self.url(base_url),
            "RecordingStatus": status,
            "RecordingChannels": str(self.channels),
            "RecordingStartTime": rfc2822(self.start) or "",
            "RecordingSource": self.source,
            "RecordingTrack": self.track,
        }
        if status == "completed":
            parameters["RecordingDuration"] = str(self.duration)
        return parameters

    def url(self, base_url: str) -> str:
        """The address of its media, without extension."""
        return f"{base_url}/{API_VERSION}/Accounts/{self.call.account}/Recordings/{self.sid}"


def render(recording: Recording, leg: Leg) -> list[Clip]:
    """Its channels from the leg's timeline. Dual: 1 = the call's own party, 2 = what that party heard."""
    assert recording.end is not None
    said = _paused(recording, leg.timeline.render_said(recording.start, recording.end))
    if recording.party_only:
        return [trim(said)] if recording.trimmed else [said]
    heard = _paused(recording, leg.timeline.render_heard(recording.start, recording.end))
    if recording.track == "inbound":
        heard = heard * 0
    elif recording.track == "outbound":
        said = said * 0
    if recording.channels == 2:
        return [said, heard]
    both = mix([said, heard])
    return [trim(both)] if recording.trimmed else [both]


def _paused(recording: Recording, clip: Clip) -> Clip:
    """The clip without what sounded while the recording paused (docs/twilio.md 1.4, PauseBehavior)."""
    kept = np.ones(len(clip), dtype=bool)
    clip = clip.copy()
    for pause in recording.pauses:
        first, last = (
            max(0, round((at - recording.start) * RATE))
            for at in (pause.start, pause.end if pause.end is not None else recording.end or 0.0)
        )
        if pause.skip:
            kept[first:last] = False
        else:
            clip[first:last] = 0
    return clip[kept]


class RecordingStore:
    """All recordings and their files."""

    def __init__(self, directory: Path, chaos: Chaos) -> None:
        self._directory = directory
        self._chaos = chaos
        self._lock = threading.Lock()
        self._recordings: dict[str, Recording] = {}

    def add(self, recording: Recording) -> None:
        with self._lock:
            self._recordings[recording.sid] = recording

    def get(self, sid: str) -> Recording | None:
        with self._lock:
            return self._recordings.get(sid)

    def select(self, wanted: Callable[[Recording], bool]) -> list[Recording]:
        """The recordings that are wanted, newest first."""
        with self._lock:
            recordings = list(self._recordings.values())
        return [recording for recording in reversed(recordings) if wanted(recording)]

    def pause(self, recording: Recording, skip: bool, now: float) -> bool:
        """Take in nothing from now on; False if it pauses already, as it did before, or has ended."""
        with self._lock:
            if recording.status != "in-progress":
                return False
            recording.status, recording.updated = "paused", now
            recording.pauses.append(Pause(now, skip))
            return True

    def resume(self, recording: Recording, now: float) -> bool:
        """Take in sound again; False if it does not pause."""
        with self._lock:
            if recording.status != "paused":
                return False
            recording.status = "in-progress"
            recording.pauses[-1].end = recording.updated = now
            return True

    def close(self, recording: Recording, leg: Leg, end: float) -> list[Clip] | None:
        """End a recording and mix its sound; None if it had ended before. Its file is not written yet."""
        with self._lock:
            if not recording.running:
                return None
            recording.status = "processing"
            recording.end = recording.updated = end
        channels = render(recording, leg)
        recording.duration = round(seconds(channels[0]))
        return channels

    def write(self, recording: Recording, channels: list[Clip], now: float) -> None:
        """Put the file in its place whole, then call the recording completed."""
        data = b"" if self._chaos.take("empty_recordings") else write_wav(channels)
        part = self.path(recording).with_suffix(".part")
        part.write_bytes(data)
        os.replace(part, self.path(recording))
        with self._lock:
            if recording.status == "processing":
                recording.status = "completed"
            recording.written = recording.updated = now

    def media(self, recording: Recording, now: float) -> bytes | None:
        """The file's bytes; None while it is not there, was deleted, or chaos hides it."""
        hidden = self._chaos.seconds("recording_404_s")
        if recording.status != "completed" or recording.written is None or now < recording.written + hidden:
            return None
        return self.path(recording).read_bytes()

    def delete(self, recording: Recording, now: float) -> None:
        """Media are gone at once, the resource stays as `deleted` (docs/twilio.md 1.4)."""
        with self._lock:
            recording.status = "deleted"
            recording.updated = now
        self.path(recording).unlink(missing_ok=True)

    def path(self, recording: Recording) -> Path:
        return self._directory / f"{recording.sid}.wav"
