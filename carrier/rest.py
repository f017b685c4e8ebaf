"""Twilio's REST API, as far as Carecall and its SDK use it (docs/twilio.md 1)."""

import hmac
from typing import Any

from flask import Blueprint, Response, request

from carrier import check, rest_messages, rest_rooms
from carrier.answers import answer_created, drop_connection
from carrier.calls import API_VERSION, Call, new_sid, rfc2822
from carrier.errors import bad, not_found, not_in_progress, too_many, unauthorized
from carrier.exchange import Exchange
from carrier.leg import Redirected
from carrier.paging import page_of, within
from carrier.recording import Recording
from carrier.sound import SoundError, channel_of
from carrier.switch import place

# How long an update waits (real seconds) for the call to be really over before it answers.
SETTLE_S = 1.0


def authenticate(exchange: Exchange) -> None:
    """HTTP Basic with the account's SID and token, else 401/20003."""
    given = request.authorization
    user, password = (given.username or "", given.password or "") if given else ("", "")
    right = hmac.compare_digest(user.encode(), exchange.account.encode())
    if not (hmac.compare_digest(password.encode(), exchange.token.encode()) and right):
        raise unauthorized()


def blueprint(exchange: Exchange) -> Blueprint:
    """All routes under `/2010-04-01/Accounts/{AC}`."""
    api = Blueprint("rest", __name__, url_prefix=f"/{API_VERSION}/Accounts")

    @api.before_request
    def admit() -> None:
        authenticate(exchange)
        if request.view_args is None or request.view_args.get("account") != exchange.account:
            raise not_found(request.path)
        if exchange.chaos.take("too_many"):
            raise too_many()

    @api.after_request
    def mark(answer: Response) -> Response:
        answer.headers["Twilio-Request-Id"] = new_sid("RQ")
        return answer

    api.get("/<account>.json")(lambda account: account_json(exchange))
    _calls(api, exchange)
    _recordings(api, exchange)
    rest_messages.routes(api, exchange)
    rest_rooms.routes(api, exchange)
    return api


def account_json(exchange: Exchange) -> dict[str, Any]:
    """The Account resource: the credential check (docs/twilio.md 1.9)."""
    created = rfc2822(exchange.clock.seconds())
    return {
        "sid": exchange.account,
        "friendly_name": "Local carrier",
        "status": "active",
        "type": "Full",
        "owner_account_sid": exchange.account,
        "auth_token": exchange.token,
        "date_created": created,
        "date_updated": created,
        "uri": f"/{API_VERSION}/Accounts/{exchange.account}.json",
        "subresource_uris": {},
    }


# Calls.


def _calls(api: Blueprint, exchange: Exchange) -> None:
    @api.post("/<account>/Calls.json")
    def create_call(account: str) -> Response:
        call = check.call_of(exchange, request.form)
        ticket = exchange.pacer.join(call)
        exchange.admit(call)
        answer = answer_created(call.to_json())
        if exchange.chaos.take("lose_create"):
            place(exchange, call, ticket)
            drop_connection()
        elif exchange.chaos.seconds("hold_create_s"):
            place(exchange, call, ticket)
            exchange.chaos.hold("hold_create_s")
        else:
            # Dialling starts when the answer is on its way, never before (docs/twilio.md 5, checklist 1).
            answer.call_on_close(lambda: place(exchange, call, ticket))
        return answer

    @api.get("/<account>/Calls.json")
    def list_calls(account: str) -> dict[str, Any]:
        wanted = {name: request.args.get(name) for name in ("To", "From", "Status", "ParentCallSid")}
        started, ended = within("StartTime"), within("EndTime")
        newest = exchange.clock.seconds() - exchange.chaos.seconds("list_lag_s")

        def fits(call: Call) -> bool:
            parent = call.parent.sid if call.parent else None
            has = {"To": call.to, "From": call.from_, "Status": call.status, "ParentCallSid": parent}
            return (
                call.created <= newest
                and all(value is None or has[name] == value for name, value in wanted.items())
                and started(call.started or call.created)
                and ended(call.ended)
            )

        return page_of("calls", exchange.calls.select(fits), Call.to_json)

    @api.get("/<account>/Calls/<sid>.json")
    def fetch_call(account: str, sid: str) -> dict[str, Any]:
        return _call(exchange, sid).to_json()

    @api.post("/<account>/Calls/<sid>.json")
    def update_call(account: str, sid: str) -> dict[str, Any]:
        call = _call(exchange, sid)
        _update(exchange, call, request.form)
        return call.to_json()

    @api.delete("/<account>/Calls/<sid>.json")
    def delete_call(account: str, sid: str) -> Response:
        if not _call(exchange, sid).over:
            raise bad(20009, "Cannot delete a call that is not finished")
        exchange.calls.remove(sid)
        return Response(status=204)


def _update(exchange: Exchange, call: Call, form: check.Form) -> None:
    """Change a live call (docs/twilio.md 1.3): its end, its document, or only where it reports."""
    status, moves = form.get("Status"), bool(form.get("Url") or form.get("Twiml"))
    if status and status not in ("canceled", "completed"):
        raise bad(20422, f"Invalid Parameter: Status {status}")
    callback, fallback = check.url_of(form, "StatusCallback", 21609), check.fallback_of(form)
    if call.over and (moves or callback or fallback):
        raise not_in_progress()
    if callback:
        call.status_callback = callback
        call.status_callback_method = check.method_of(form, "StatusCallbackMethod")
    if fallback is not None:
        call.fallback = fallback
    if form.get("TimeLimit") and call.leg is not None and call.answered is not None:
        call.leg.limit(call.answered + check.seconds_of(form, "TimeLimit", 14400, 20422))
    if status:
        if not exchange.end(call, status):
            raise not_in_progress()
        if status == "completed" or call.answered is None:
            exchange.events.wait_for(lambda: call.over, SETTLE_S)
    elif moves:
        source = check.source_of(form)
        if call.status != "in-progress" or call.leg is None:
            raise not_in_progress()
        call.leg.interrupt(Redirected(source))


def _call(exchange: Exchange, sid: str) -> Call:
    call = exchange.calls.get(sid)
    if call is None:
        raise not_found(request.path)
    return call


# Recordings.


def _recordings(api: Blueprint, exchange: Exchange) -> None:
    def shown(recording: Recording) -> dict[str, Any]:
        return recording.to_json(exchange.base_url)

    @api.get("/<account>/Recordings.json")
    def list_recordings(account: str) -> dict[str, Any]:
        call_sid, created = request.args.get("CallSid"), within("DateCreated")
        deleted = request.args.get("IncludeSoftDeleted", "").lower() == "true"
        found = exchange.recordings.select(
            lambda r: (call_sid in (None, r.call.sid)) and created(r.start) and (deleted or r.status != "deleted")
        )
        return page_of("recordings", found, shown)

    @api.get("/<account>/Calls/<sid>/Recordings.json")
    def list_call_recordings(account: str, sid: str) -> dict[str, Any]:
        call = _call(exchange, sid)
        found = exchange.recordings.select(lambda r: r.call is call and r.status != "deleted")
        return page_of("recordings", found, shown)

    @api.post("/<account>/Calls/<sid>/Recordings.json")
    def start_recording(account: str, sid: str) -> Response:
        call = _call(exchange, sid)
        if call.status != "in-progress":
            raise not_in_progress()
        recording = Recording(
            call,
            "StartCallRecordingAPI",
            exchange.clock.seconds(),
            2 if request.form.get("RecordingChannels") == "dual" else 1,
            request.form.get("RecordingTrack", "both"),
            callback=check.recording_callback_of(request.form),
        )
        exchange.start_recording(recording)
        return answer_created(shown(recording))

    @api.post("/<account>/Calls/<sid>/Recordings/<name>.json")
    def update_recording(account: str, sid: str, name: str) -> dict[str, Any]:
        """Pause, go on with or stop one, or with `Twilio.CURRENT` the one that runs (docs/twilio.md 1.4)."""
        call, now = _call(exchange, sid), exchange.clock.seconds()
        running = exchange.recordings.select(
            lambda r: r.call is call and r.running and name in ("Twilio.CURRENT", r.sid)
        )
        if not running:
            raise not_found(request.path)
        status, behaviour = request.form.get("Status"), request.form.get("PauseBehavior", "silence")
        if behaviour not in ("skip", "silence"):
            raise bad(20422, f"Invalid Parameter: PauseBehavior {behaviour}")
        if status == "paused":
            if exchange.recordings.pause(running[0], behaviour == "skip", now):
                exchange.events.add("recording-paused", call.sid, recording=running[0].sid)
        elif status == "in-progress":
            if exchange.recordings.resume(running[0], now):
                exchange.events.add("recording-resumed", call.sid, recording=running[0].sid)
        elif status == "stopped":
            exchange.stop_recording(running[0])
        else:
            raise bad(20422, "Invalid Parameter: Status is paused, in-progress or stopped")
        return shown(running[0])

    @api.get("/<account>/Recordings/<sid>.json")
    def fetch_recording(account: str, sid: str) -> dict[str, Any]:
        return shown(_recording(exchange, sid))

    @api.delete("/<account>/Recordings/<sid>.json")
    def delete_recording(account: str, sid: str) -> Response:
        exchange.recordings.delete(_recording(exchange, sid), exchange.clock.seconds())
        return Response(status=204)

    @api.get("/<account>/Recordings/<sid>.wav")
    @api.get("/<account>/Recordings/<sid>")
    def media(account: str, sid: str) -> Response:
        data = exchange.recordings.media(_recording(exchange, sid), exchange.clock.seconds())
        if data is None:
            raise not_found(request.path)
        channel = request.args.get("RequestedChannels")
        if channel in ("1", "2") and data:
            try:
                data = channel_of(data, int(channel))
            except SoundError as error:
                raise bad(20422, f"Invalid Parameter: {error}") from error
        return Response(data, mimetype="audio/x-wav")


def _recording(exchange: Exchange, sid: str) -> Recording:
    recording = exchange.recordings.get(sid)
    if recording is None or recording.status == "deleted":
        raise not_found(request.path)
    return recording
