"""The control API: what stands behind the telephone network in tests, the demo and the page. JSON, Basic
auth."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from carrier.calls import Call
from carrier.check import E164
from carrier.errors import ApiError, bad, not_found
from carrier.events import iso
from carrier.exchange import Exchange
from carrier.numbers import OwnedNumber
from carrier.phoneleg import PhoneLeg
from carrier.phones import KEYS, Phone, ScriptError, read_script
from carrier.rest import authenticate
from carrier.switch import ring_hospital

LONGEST_WAIT_S = 120.0


def blueprint(exchange: Exchange) -> Blueprint:
    """All routes under `/control`."""
    api = Blueprint("control", __name__, url_prefix="/control")

    @api.before_request
    def admit() -> None:
        authenticate(exchange)

    @api.errorhandler(ScriptError)
    @api.errorhandler(ValueError)
    def refuse(error: ValueError) -> tuple[dict[str, Any], int]:
        return ApiError(400, 20422, str(error)).body(), 400

    _clock(api, exchange)
    _phones(api, exchange)
    _calls(api, exchange)
    _watch(api, exchange)
    return api


def _body() -> dict[str, Any]:
    data = request.get_json(silent=True)
    if not isinstance(data, dict):
        raise bad(20422, "a JSON object is expected")
    return data


def _timeout(default: float) -> float:
    return min(float(request.args.get("timeout", default)), LONGEST_WAIT_S)


def _e164(number: str) -> str:
    """A number from a path, where a `+` may have come as it is or escaped."""
    number = "+" + number.strip().removeprefix("+")
    if not E164.fullmatch(number):
        raise bad(21211, f"not an E.164 number: {number}")
    return number


def _clock(api: Blueprint, exchange: Exchange) -> None:
    def shown() -> dict[str, Any]:
        return {"now": iso(exchange.clock.seconds()), "speed": exchange.clock.speed}

    @api.get("/clock")
    def clock() -> dict[str, Any]:
        return shown()

    @api.post("/clock")
    def move_clock() -> dict[str, Any]:
        data = _body()
        to = datetime.fromisoformat(data["set"]) if "set" in data else None
        speed = float(data["speed"]) if "speed" in data else None
        exchange.clock.move(float(data.get("forward_s", 0)), speed, to)
        return shown()

    @api.route("/cps", methods=["GET", "PUT"])
    def cps() -> dict[str, float]:
        """How many calls start in a virtual second; 0 is no limit (docs/twilio.md 1.8)."""
        if request.method == "PUT":
            exchange.pacer.set(float(_body().get("cps", -1)))
        return exchange.pacer.show()

    @api.get("/idle")
    def idle() -> dict[str, Any]:
        return {"idle": exchange.work.idle(_timeout(30))}

    @api.route("/chaos", methods=["GET", "POST", "DELETE"])
    def chaos() -> dict[str, Any]:
        if request.method == "POST":
            exchange.chaos.set(_body())
        elif request.method == "DELETE":
            exchange.chaos.clear()
        return exchange.chaos.show()


def _phones(api: Blueprint, exchange: Exchange) -> None:
    @api.put("/numbers/<number>")
    def own(number: str) -> dict[str, Any]:
        data = _body()
        fields = ("voice_url", "voice_fallback_url", "status_callback", "sms_url", "sms_fallback_url")
        known = OwnedNumber(_e164(number), exchange.clock.seconds())
        given: dict[str, Any] = {name: data.get(name) or "" for name in fields}
        given["opt_out"] = bool(data.get("opt_out", False))
        return exchange.numbers.put(replace(known, **given)).to_json(exchange.account)

    @api.get("/numbers")
    def owned() -> Response:
        return jsonify([number.to_json(exchange.account) for number in exchange.numbers.all()])

    @api.put("/phones/<number>")
    def declare(number: str) -> dict[str, Any]:
        phone = Phone.read(_e164(number), _body())
        exchange.phones.put(phone)
        return phone_json(phone)

    @api.get("/phones")
    def phones() -> Response:
        return jsonify([phone_json(phone) for phone in exchange.phones.all()])

    @api.get("/phones/<number>")
    def phone(number: str) -> dict[str, Any]:
        return phone_json(_phone(exchange, number))

    @api.delete("/phones/<number>")
    def remove(number: str) -> Response:
        if not exchange.phones.remove(_e164(number)):
            raise not_found(request.path)
        return Response(status=204)

    @api.post("/phones/<number>/call")
    def ring(number: str) -> tuple[dict[str, Any], int]:
        """This phone rings the hospital."""
        data = _body()
        to = exchange.numbers.get(_e164(str(data.get("to", ""))))
        if to is None:
            raise bad(21211, "not a number of the hospital")
        script = read_script(data.get("script", []))
        call = ring_hospital(exchange, _e164(number), to, script, bool(data.get("withheld", False)))
        return {"call_sid": call.sid}, 201

    @api.post("/phones/<number>/message")
    def write(number: str) -> tuple[dict[str, Any], int]:
        """This phone writes to the hospital: `to`, `body`."""
        data = _body()
        to = exchange.numbers.get(_e164(str(data.get("to", ""))))
        if to is None:
            raise bad(21211, "not a number of the hospital")
        return {"message_sid": exchange.inbox.receive(_e164(number), to, str(data.get("body", ""))).sid}, 201

    @api.post("/phones/<number>/keys")
    def keys(number: str) -> tuple[dict[str, Any], int]:
        """A person acts on the phone's newest live call: `answer`, `press`, `say` (+ `language`),
        `hangup`."""
        leg = _live_leg(exchange, _e164(number))
        act(leg, _body())
        return {"call_sid": leg.sid}, 200


def act(leg: PhoneLeg, data: dict[str, Any]) -> None:
    """What a person does, in the order answer, press, say, hang up; it returns when the last of it is
    done."""
    if data.get("answer"):
        leg.pick_up()
    if data.get("press"):
        if set(data["press"]) - KEYS:
            raise ScriptError("press takes 0-9 * # A-D")
        leg.press(data["press"])
    if data.get("say"):
        leg.say(data["say"], data.get("language", "en"))
    if data.get("hangup"):
        leg.party_left()


def phone_json(phone: Phone) -> dict[str, Any]:
    """A phone with the calls it had."""
    return {
        "number": phone.number,
        "name": phone.name,
        "behaviours": phone.behaviours,
        "answer_after": phone.answer_after,
        "calls": list(phone.calls),
    }


def _phone(exchange: Exchange, number: str) -> Phone:
    phone = exchange.phones.get(_e164(number))
    if phone is None:
        raise not_found(request.path)
    return phone


def _live_leg(exchange: Exchange, number: str) -> PhoneLeg:
    """The line of the phone's newest call that is not over."""
    phone = _phone(exchange, number)
    for sid in reversed(phone.calls):
        call = exchange.calls.get(sid)
        if call is not None and not call.over and isinstance(call.leg, PhoneLeg):
            return call.leg
    raise not_found(request.path)


def _calls(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/calls")
    def calls() -> Response:
        """All calls, oldest first, with their virtual moments; `direction` filters."""
        wanted = request.args.get("direction")
        found = reversed(exchange.calls.select(lambda c: wanted in (None, c.direction)))
        return jsonify([call_brief(call) for call in found])

    @api.get("/calls/<sid>")
    def call(sid: str) -> dict[str, Any]:
        known = exchange.calls.get(sid)
        if known is None:
            raise not_found(request.path)
        if request.args.get("wait") == "ended":
            exchange.events.wait_for(lambda: known.over, _timeout(30))
        return call_json(exchange, known)


def call_brief(call: Call) -> dict[str, Any]:
    """A call by itself; its moments are virtual seconds since the epoch."""
    return {
        "sid": call.sid,
        "parent_sid": call.parent.sid if call.parent else None,
        "from": call.from_,
        "to": call.to,
        "direction": call.direction,
        "status": call.status,
        "answered_by": call.answered_by,
        "queue_ms": call.queue_ms,
        "created_at": iso(call.created),
        **call.moments(),
    }


def call_json(exchange: Exchange, call: Call) -> dict[str, Any]:
    """A call with all that happened on it and on the calls it dialled."""
    family = exchange.calls.family(call)
    legs = {member.sid for member in family}
    return call_brief(call) | {
        "legs": [member.sid for member in family],
        "events": exchange.events.of(legs, call.created),
        "recordings": [r.sid for r in reversed(exchange.recordings.select(lambda r: r.call.sid in legs))],
    }


def _watch(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/events")
    def events() -> dict[str, Any]:
        after = int(request.args.get("after", 0))
        found = exchange.events.after(after, _timeout(5))
        return {"events": found, "last": found[-1]["n"] if found else after}

    @api.get("/recordings/<sid>.wav")
    def recording(sid: str) -> Response:
        """Its sound for the page, which stands at the carrier's side: chaos does not hide it."""
        known = exchange.recordings.get(sid)
        if known is None or known.status != "completed":
            raise not_found(request.path)
        return Response(exchange.recordings.path(known).read_bytes(), mimetype="audio/x-wav")

    @api.get("/messages")
    def messages() -> Response:
        return jsonify([message.brief() for message in reversed(exchange.messages.select(lambda m: True))])
