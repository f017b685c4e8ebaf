"""The REST API's messages and the numbers the hospital owns (docs/twilio.md 1.5, 1.9)."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request

from carrier import check
from carrier.answers import answer_created, drop_connection
from carrier.errors import not_found
from carrier.exchange import Exchange
from carrier.paging import page_of, within


def routes(api: Blueprint, exchange: Exchange) -> None:
    """All of them."""
    _messages(api, exchange)
    _numbers(api, exchange)


def _messages(api: Blueprint, exchange: Exchange) -> None:
    @api.post("/<account>/Messages.json")
    def create_message(account: str) -> Response:
        message = check.message_of(exchange, request.form)
        exchange.messages.add(message)
        answer = answer_created(message.to_json())
        if exchange.chaos.take("lose_message"):
            exchange.messages.send(message)
            drop_connection()
        elif exchange.chaos.seconds("hold_message_s"):
            exchange.messages.send(message)
            exchange.chaos.hold("hold_message_s")
        else:
            answer.call_on_close(lambda: exchange.messages.send(message))
        return answer

    @api.get("/<account>/Messages.json")
    def list_messages(account: str) -> dict[str, Any]:
        to, from_, sent = request.args.get("To"), request.args.get("From"), within("DateSent")
        newest = exchange.clock.seconds() - exchange.chaos.seconds("list_lag_s")
        found = exchange.messages.select(
            lambda m: (
                m.created <= newest and to in (None, m.to) and from_ in (None, m.from_) and sent(m.sent or m.created)
            )
        )
        return page_of("messages", found, lambda message: message.to_json())

    @api.get("/<account>/Messages/<sid>.json")
    def fetch_message(account: str, sid: str) -> dict[str, Any]:
        message = exchange.messages.get(sid)
        if message is None:
            raise not_found(request.path)
        return message.to_json()


def _numbers(api: Blueprint, exchange: Exchange) -> None:
    @api.get("/<account>/IncomingPhoneNumbers.json")
    def list_numbers(account: str) -> dict[str, Any]:
        wanted = request.args.get("PhoneNumber")
        found = [number for number in exchange.numbers.all() if wanted in (None, number.number)]
        return page_of("incoming_phone_numbers", found, lambda number: number.to_json(exchange.account))

    @api.route("/<account>/IncomingPhoneNumbers/<sid>.json", methods=["GET", "POST"])
    def number(account: str, sid: str) -> dict[str, Any]:
        """Fetch, or give it other addresses (docs/twilio.md 1.9)."""
        known = exchange.numbers.by_sid(sid)
        if known is None:
            raise not_found(request.path)
        names = {"VoiceUrl": "voice_url", "VoiceFallbackUrl": "voice_fallback_url", "SmsUrl": "sms_url"}
        names |= {"StatusCallback": "status_callback", "SmsFallbackUrl": "sms_fallback_url"}
        given: dict[str, Any] = {
            field: check.url_of(request.form, name, 21402) for name, field in names.items() if name in request.form
        }
        methods = {"VoiceMethod": "voice_method", "VoiceFallbackMethod": "voice_fallback_method"}
        methods |= {"StatusCallbackMethod": "status_callback_method", "SmsMethod": "sms_method"}
        methods |= {"SmsFallbackMethod": "sms_fallback_method"}
        given |= {field: check.method_of(request.form, name) for name, field in methods.items() if name in request.form}
        return exchange.numbers.put(replace(known, **given)).to_json(exchange.account)
