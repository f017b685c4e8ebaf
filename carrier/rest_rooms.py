"""The REST API's conferences with their participants, and its queues with their members (docs/twilio.md 1.6, 1.10)."""

from typing import Any

from flask import Blueprint, Response, request

from carrier import check
from carrier.calls import Source
from carrier.conferences import BY_API, Conference, Participant
from carrier.errors import bad, not_found
from carrier.exchange import Exchange
from carrier.leg import Redirected
from carrier.paging import page_of, within
from carrier.queues import Queue

NOT_HERE = ("AnnounceUrl", "WaitUrl", "Coaching", "CallSidToCoach")
"""What else an update may ask for at Twilio."""


def routes(api: Blueprint, exchange: Exchange) -> None:
    """All of them."""
    _conferences(api, exchange)
    _participants(api, exchange)
    _queues(api, exchange)


def _conferences(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/<account>/Conferences.json")
    def list_conferences(account: str) -> dict[str, Any]:
        name, status = request.args.get("FriendlyName"), request.args.get("Status")
        created, updated = within("DateCreated"), within("DateUpdated")
        found = [
            room
            for room in exchange.conferences.all()
            if name in (None, room.name) and status in (None, room.status)
            and created(room.created) and updated(room.updated)
        ]  # fmt: skip
        return page_of("conferences", found, Conference.to_json)

    @api.get("/<account>/Conferences/<sid>.json")
    def fetch_conference(account: str, sid: str) -> dict[str, Any]:
        return _room(exchange, sid).to_json()

    @api.post("/<account>/Conferences/<sid>.json")
    def update_conference(account: str, sid: str) -> dict[str, Any]:
        room = _room(exchange, sid)
        if request.form.get("Status") != "completed" or "AnnounceUrl" in request.form:
            raise bad(20422, "Invalid Parameter: this carrier only ends conferences")
        exchange.conferences.end(room)
        return room.to_json()


def _participants(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/<account>/Conferences/<sid>/Participants.json")
    def list_participants(account: str, sid: str) -> dict[str, Any]:
        room = _room(exchange, sid)
        wanted = {field: _flag(request.args, name) for name, field in (("Muted", "muted"), ("Hold", "hold"))}
        found = [
            one
            for one in exchange.conferences.participants(room)
            if all(flag in (None, getattr(one, field)) for field, flag in wanted.items())
        ]
        return page_of("participants", found, room.participant_json)

    @api.get("/<account>/Conferences/<sid>/Participants/<who>.json")
    def fetch_participant(account: str, sid: str, who: str) -> dict[str, Any]:
        room = _room(exchange, sid)
        return room.participant_json(_participant(exchange, room, who))

    @api.post("/<account>/Conferences/<sid>/Participants/<who>.json")
    def update_participant(account: str, sid: str, who: str) -> dict[str, Any]:
        room, form = _room(exchange, sid), request.form
        one = _participant(exchange, room, who)
        for name in NOT_HERE:
            if name in form:
                raise bad(20422, f"Invalid Parameter: this carrier knows no {name}")
        url = check.url_of(form, "HoldUrl", 21205)
        holds = Source(url, check.method_of(form, "HoldMethod", "GET")) if url else None
        exchange.conferences.update(
            room,
            one,
            muted=_flag(form, "Muted"),
            hold=_flag(form, "Hold"),
            holds=holds,
            ends=_flag(form, "EndConferenceOnExit"),
            beeps=_flag(form, "BeepOnExit"),
        )
        return room.participant_json(one)

    @api.delete("/<account>/Conferences/<sid>/Participants/<who>.json")
    def kick(account: str, sid: str, who: str) -> Response:
        room = _room(exchange, sid)
        exchange.conferences.leave(room, _participant(exchange, room, who), BY_API, kicked=True)
        return Response(status=204)


def _room(exchange: Exchange, sid: str) -> Conference:
    room = exchange.conferences.get(sid)
    if room is None:
        raise not_found(request.path)
    return room


def _participant(exchange: Exchange, room: Conference, who: str) -> Participant:
    """By the SID of its call, or its label; one that has left is not found (docs/twilio.md 1.10)."""
    for one in exchange.conferences.participants(room):
        if who in (one.sid, one.label):
            return one
    raise not_found(request.path)


def _flag(form: check.Form, name: str) -> bool | None:
    """Anything that is not `true` is false; None when it is not said."""
    return None if name not in form else form[name].lower() == "true"


def _queues(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/<account>/Queues.json")
    def list_queues(account: str) -> dict[str, Any]:
        return page_of("queues", exchange.queues.all(), lambda queue: queue.to_json(account))

    @api.get("/<account>/Queues/<sid>.json")
    def fetch_queue(account: str, sid: str) -> dict[str, Any]:
        return _queue(exchange, sid).to_json(account)

    @api.get("/<account>/Queues/<sid>/Members.json")
    def list_members(account: str, sid: str) -> dict[str, Any]:
        queue = _queue(exchange, sid)
        return page_of("queue_members", queue.members(), lambda member: queue.member_json(member, account))

    @api.route("/<account>/Queues/<sid>/Members/<who>.json", methods=["GET", "POST"])
    def member(account: str, sid: str, who: str) -> dict[str, Any]:
        """Look at one, or take it out of the queue to run another document; `Front` is whoever waits longest."""
        queue = _queue(exchange, sid)
        member = queue.member(who)
        if member is None:
            raise not_found(request.path)
        shown = queue.member_json(member, account)
        if request.method == "POST":
            url = check.url_of(request.form, "Url", 21205)
            if not url:
                raise bad(21205, "Url parameter is required.")
            order = Redirected(Source(url, check.method_of(request.form, "Method")))
            if not queue.take_out(member):
                raise not_found(request.path)
            member.leg.interrupt(order)
        return shown


def _queue(exchange: Exchange, sid: str) -> Queue:
    queue = exchange.queues.by_sid(sid)
    if queue is None:
        raise not_found(request.path)
    return queue
