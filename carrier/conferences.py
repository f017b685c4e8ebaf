"""Conferences: who is in which, who hears whom, and what is told of it (docs/twilio.md 1.10, 2.10, 4.2 Conference).

Each participant's call runs on its own thread; what somebody else changes about it (the start, a hold, a kick) reaches
it as a summons, after which it looks at its participant again. One lock holds all conferences together.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from carrier.calls import API_VERSION, Call, Source, new_sid, rfc2822
from carrier.events import EventLog
from carrier.leg import Ended, Interrupted, Leg
from carrier.outbox import Outbox
from carrier.twiml import Conference as Noun

FULL, LABEL_TAKEN = 16020, 16025
HUNG_UP, BY_API, ADD_FAILED = "participant_hung_up", "participant_updated_via_api", "participant_add_failed"
MODERATOR_LEFT, ENDED_BY_API = "moderator_ended_conference", "conference_ended_via_api"
WORDS = {
    "conference-start": "start", "conference-end": "end", "participant-join": "join", "participant-leave": "leave",
    "participant-mute": "mute", "participant-unmute": "mute", "participant-hold": "hold", "participant-unhold": "hold",
    "participant-modify": "modify",
}  # fmt: skip
"""Which word of `statusCallbackEvent` asks for an event."""


class Changed(Interrupted):
    """Something is different for this participant: look again."""


@dataclass(eq=False)
class Participant:
    """One call in a conference. `waits` and `holds`: the documents heard before the start and on hold, None once they
    are played out. `left`: why it is not in the conference any more; empty while it is."""

    call: Call
    leg: Leg
    label: str
    starts: bool
    ends: bool
    muted: bool
    beep: str
    waits: Source | None
    since: float
    updated: float
    hold: bool = False
    holds: Source | None = None
    left: str = ""

    @property
    def sid(self) -> str:
        return self.call.sid

    def beeps(self, when: str) -> bool:
        return self.beep in ("true", when)


class Conference:
    """A room with its participants, in the order they came. Only the book calls what changes it."""

    def __init__(self, account: str, noun: Noun, callback: str, now: float) -> None:
        self.account, self.name, self.sid = account, noun.name, new_sid("CF")
        self.status = "init"
        self.created = self.updated = now
        self.reason: str | None = None
        self.ended_by: Participant | None = None
        self.participants: list[Participant] = []
        self.callback, self.method, self.events = callback, noun.status_callback_method, noun.events
        self.sequence = 0

    def plays(self, one: Participant) -> Source | None:
        """The document this participant hears now; None while it is to talk, or to hear silence."""
        if one.hold:
            return one.holds
        return one.waits if self.status == "init" else None

    def is_over(self) -> bool:
        return self.status == "completed"

    def mix(self) -> None:
        """Let everybody hear everybody who is not muted; nobody on hold hears or is heard, nor anybody before the
        start."""
        for one in self.participants:
            for speaker in self.participants:
                wanted = (
                    one is not speaker
                    and self.status == "in-progress"
                    and not (one.hold or speaker.hold or speaker.muted)
                )
                _hearing(one.leg, speaker.leg, wanted)

    def to_json(self) -> dict[str, Any]:
        path = f"/{API_VERSION}/Accounts/{self.account}/Conferences/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": API_VERSION,
            "friendly_name": self.name,
            "region": "us1",
            "status": self.status,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "reason_conference_ended": self.reason,
            "call_sid_ending_conference": self.ended_by.sid if self.ended_by else None,
            "uri": f"{path}.json",
            "subresource_uris": {"participants": f"{path}/Participants.json", "recordings": f"{path}/Recordings.json"},
        }

    def participant_json(self, one: Participant) -> dict[str, Any]:
        return {
            "account_sid": self.account,
            "call_sid": one.sid,
            "label": one.label or None,
            "call_sid_to_coach": None,
            "coaching": False,
            "conference_sid": self.sid,
            "date_created": rfc2822(one.since),
            "date_updated": rfc2822(one.updated),
            "end_conference_on_exit": one.ends,
            "muted": one.muted,
            "hold": one.hold,
            "start_conference_on_enter": one.starts,
            "status": "connected",
            "queue_time": None,
            "uri": f"/{API_VERSION}/Accounts/{self.account}/Conferences/{self.sid}/Participants/{one.sid}.json",
        }


class ConferenceBook:
    """All conferences of the account, those that are over too. A name belongs to one that is not over."""

    def __init__(
        self, account: str, clock: Callable[[], float], outbox: Callable[[str], Outbox], events: EventLog
    ) -> None:
        self._account, self._clock, self._outbox, self._events = account, clock, outbox, events
        self._lock = threading.RLock()
        self._conferences: dict[str, Conference] = {}
        self._outboxes: dict[str, Outbox] = {}

    def all(self) -> list[Conference]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._conferences.values()))

    def get(self, sid: str) -> Conference | None:
        with self._lock:
            return self._conferences.get(sid)

    def participants(self, conference: Conference) -> list[Participant]:
        with self._lock:
            return list(reversed(conference.participants))

    def join(self, noun: Noun, one: Participant, callback: str) -> Conference | int:
        """Into the room of this name, which the first one opens and whose callback that one sets; the debugger code of
        why not. It starts when two are in it and one of them starts it."""
        with self._lock:
            room = next((known for known in self.all() if known.name == noun.name and not known.is_over()), None)
            if room is None:
                room = Conference(self._account, noun, callback, self._clock())
                self._conferences[room.sid] = room
                self._outboxes[room.sid] = self._outbox(room.sid)
            if len(room.participants) >= noun.most:
                return FULL
            if one.label and any(other.label == one.label for other in room.participants):
                return LABEL_TAKEN
            room.participants.append(one)
            self._report(room, "participant-join", one)
            if room.status == "init" and len(room.participants) > 1 and any(x.starts for x in room.participants):
                self._move(room, "in-progress")
                self._report(room, "conference-start")
                for other in room.participants:
                    other.leg.summon(Changed())
            room.mix()
            if one.beeps("onEnter"):
                self._beep(room)
            return room

    def played_out(self, one: Participant, source: Source) -> None:
        """Its document has run out of verbs: silence until something changes (docs/twilio.md 4.2 Conference)."""
        with self._lock:
            if one.waits is source:
                one.waits = None
            if one.holds is source:
                one.holds = None

    def leave(self, room: Conference, one: Participant, why: str, *, kicked: bool = False) -> None:
        """Out of the room, once; who ends the conference takes everybody along, and so does the last one."""
        with self._lock:
            if one.left:
                return
            self._out(room, one, why)
            if one.beeps("onExit"):
                self._beep(room)
            how = "kicked" if kicked else "left"
            if one.ends:
                self._end(room, f"participant-with-end-conference-on-exit-{how}", MODERATOR_LEFT, one)
            elif not room.participants:
                self._end(room, f"last-participant-{how}", MODERATOR_LEFT, one)
            if kicked:
                one.leg.summon(Changed())

    def end(self, room: Conference) -> None:
        """By REST: it is over, and everybody in it is hung up on (docs/twilio.md 1.10)."""
        with self._lock:
            for one in room.participants:
                one.leg.interrupt(Ended())
            self._end(room, "conference-ended-via-api", ENDED_BY_API, None)

    def update(
        self,
        room: Conference,
        one: Participant,
        *,
        muted: bool | None,
        hold: bool | None,
        holds: Source | None,
        ends: bool | None,
        beeps: bool | None,
    ) -> None:
        """What REST changes about a participant; None: as it was."""
        with self._lock:
            if hold is not None and hold != one.hold:
                one.hold, one.holds = hold, holds if hold else None
                self._report(room, "participant-hold" if hold else "participant-unhold", one)
                one.leg.summon(Changed())
            if muted is not None and muted != one.muted:
                one.muted = muted
                self._report(room, "participant-mute" if muted else "participant-unmute", one)
            if ends is not None or beeps is not None:
                one.ends = one.ends if ends is None else ends
                if beeps is not None:
                    enters = one.beeps("onEnter")
                    one.beep = {(True, True): "true", (True, False): "onEnter", (False, True): "onExit"}.get(
                        (enters, beeps), "false"
                    )
                self._report(room, "participant-modify", one)
            one.updated = self._clock()
            room.mix()

    # With the lock held.

    def _out(self, room: Conference, one: Participant, why: str) -> None:
        room.participants.remove(one)
        one.left = why
        for other in room.participants:
            _hearing(one.leg, other.leg, False)
            _hearing(other.leg, one.leg, False)
        self._report(room, "participant-leave", one)

    def _end(self, room: Conference, reason: str, why: str, by: Participant | None) -> None:
        if room.is_over():
            return
        room.reason, room.ended_by = reason, by
        for one in list(room.participants):
            self._out(room, one, why)
            one.leg.summon(Changed())
        self._move(room, "completed")
        self._report(room, "conference-end")

    def _move(self, room: Conference, status: str) -> None:
        room.status, room.updated = status, self._clock()

    def _beep(self, room: Conference) -> None:
        for one in room.participants if room.status == "in-progress" else ():
            if not one.hold:
                one.leg.overhears_beep()

    def _report(self, room: Conference, event: str, one: Participant | None = None) -> None:
        """docs/twilio.md 2.10. Every event takes a number, asked for or not."""
        self._events.add("conference", one.sid if one else room.sid, text=event, conference=room.sid)
        room.sequence += 1
        if not room.callback or WORDS[event] not in room.events:
            return
        told = {
            "ConferenceSid": room.sid,
            "FriendlyName": room.name,
            "AccountSid": room.account,
            "Timestamp": rfc2822(self._clock()) or "",
            "SequenceNumber": str(room.sequence),
            "StatusCallbackEvent": event,
        }
        if one is not None:
            told |= _described(one)
        if event == "conference-end":
            told |= {"ReasonConferenceEnded": room.reason or "", "Reason": (room.reason or "").replace("-", " ")}
            if room.ended_by is not None:
                told["CallSidEndingConference"] = room.ended_by.sid
                if room.ended_by.label:
                    told["ParticipantLabelEndingConference"] = room.ended_by.label
        self._outboxes[room.sid].send(room.callback, room.method, told, "status")


def _hearing(leg: Leg, speaker: Leg, wanted: bool) -> None:
    if wanted != (leg in speaker.listeners):
        (leg.hears if wanted else leg.hears_no_more)(speaker)


def _described(one: Participant) -> dict[str, str]:
    def word(flag: bool) -> str:
        return "true" if flag else "false"

    told = {
        "CallSid": one.sid,
        "Muted": word(one.muted),
        "Hold": word(one.hold),
        "Coaching": "false",
        "EndConferenceOnExit": word(one.ends),
        "StartConferenceOnEnter": word(one.starts),
    }
    if one.label:
        told["ParticipantLabel"] = one.label
    if one.left:
        told["ReasonParticipantLeft"] = one.left
        told["ParticipantCallStatus"] = "completed" if one.left in (HUNG_UP, ENDED_BY_API) else one.call.status
    return told
