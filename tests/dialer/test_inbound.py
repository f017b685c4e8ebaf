"""SMS that somebody sends us: taken in once, stop and start carried out, everything else read by a person."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from flask import Flask
from twilio.request_validator import RequestValidator

import app
from core import events, people
from core.events import Bus
from core.models import Contact, DoNotCall, Patient, new_id
from dialer import inbound, sms
from dialer.inbound import meaning
from dialer.models import InboundMessage, Message
from tests.dialer.ward import PATIENT_PHONE, Ward
from tests.house import HOTLINE, TOKEN

PATH = "/dialer/sms"
told: list[events.WorkWanted] = []


@pytest.fixture
def web(ward: Ward) -> Iterator[Flask]:
    """The web application on the ward's house, whose wishes for work are `told`."""
    before, ward.house.bus = ward.house.bus, Bus()
    told.clear()
    ward.house.bus.subscribe(events.WorkWanted, lambda session, event, now: told.append(event))
    made = Flask("inbound")
    made.extensions["carecall"] = ward.house
    made.register_blueprint(inbound.blueprint)
    yield made
    ward.house.bus = before


def text(web: Flask, body: str, *, sid: str = "", sender: str = PATIENT_PHONE, token: str = TOKEN, **more: str) -> str:
    """One request of the carrier; the words of the answer, "" for none. A wrong signature raises."""
    sid = sid or f"SM{new_id().hex}"
    form = {"MessageSid": sid, "SmsSid": sid, "From": sender, "To": HOTLINE, "Body": body, "NumMedia": "0", **more}
    url = f"{web.extensions['carecall'].settings.public_url}{PATH}"
    signature = RequestValidator(token).compute_signature(url, form)
    answer = web.test_client().post(PATH, data=form, headers={"X-Twilio-Signature": signature})
    if answer.status_code != 200:
        raise PermissionError(answer.status_code)
    assert answer.mimetype == "text/xml"
    root = ElementTree.fromstring(answer.data)
    assert root.tag == "Response"
    assert len(root) <= 1
    return "".join(message.text or "" for message in root)


def stored(ward: Ward) -> list[InboundMessage]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(InboundMessage).order_by(InboundMessage.at, InboundMessage.sid)))


def left_alone(ward: Ward, number: str = PATIENT_PHONE) -> bool:
    with ward.house.transaction() as session:
        return people.on_do_not_call(session, number)


def message(ward: Ward, patient: Patient, *, kind: str = "recovery", posted: bool = False) -> uuid.UUID:
    with ward.house.transaction() as session:
        row = sms.plan(
            session, kind=kind, subject_id=new_id(), patient_id=patient.id, to=PATIENT_PHONE, body="Rest well.",
            due_at=ward.now + timedelta(hours=1), now=ward.now,
        )  # fmt: skip
        if posted:
            row.status, row.posted_at = "sent", ward.now
        return row.id


# ---- what a message means ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        *("STOP", "stop", "Stop", " stop \n", "STOP!", "“Stop.”", "ＳＴＯＰ", "stopall", "StopAll", "Unsubscribe"),
        *(
            "CANCEL",
            "End",
            "quit",
            "退订",
            " 退订。",
            "【退订】",
            "退訂",
            "TD",
            "td",
            "ＴＤ",
            "T",
            "t",
            "取消",
            "停止！",
        ),
        *("STOP 🙏", "\u200bSTOP\ufeff"),
    ],
)
def test_stop(body: str) -> None:
    assert meaning(body) == "stop"


@pytest.mark.parametrize("body", ["START", "start.", "Unstop", "YES", "yes!", "恢复", "恢復", "订阅", "訂閱", "恢复。"])
def test_start(body: str) -> None:
    assert meaning(body) == "start"


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            " ",
            "!!",
            "Please stop the bleeding",
            "stop it",
            "the pain won't stop",
            "I can't start walking",
            "yes I will",
        ),
        *("怎么退订", "取消预约", "不要停止用药", "恢复得很好", "7", "TDK", "ST OP", "stop\nplease"),
    ],
)
def test_anything_more_than_the_word_is_a_text(body: str) -> None:
    assert meaning(body) == "text"


# ---- the door ------------------------------------------------------------------------------------------
def test_an_unsigned_request_is_refused_and_keeps_nothing(ward: Ward, web: Flask) -> None:
    with pytest.raises(PermissionError, match="403"):
        text(web, "STOP", token="somebody else's")
    assert (stored(ward), told, left_alone(ward)) == ([], [], False)


def test_the_application_has_the_route_on_a_signed_blueprint() -> None:
    assert inbound.blueprint in app.BLUEPRINTS


def test_a_repeated_request_is_one_message_with_one_answer(ward: Ward, web: Flask) -> None:
    ward.patient()
    answers = [text(web, "I have a question", sid="SM" + "1" * 32) for _ in range(3)]
    assert [bool(answer) for answer in answers] == [True, False, False]
    assert (len(stored(ward)), len(told)) == (1, 1)


def test_the_body_and_the_sender_are_not_in_the_ledger(ward: Ward, web: Flask) -> None:
    ward.patient()
    text(web, "a very private sentence")
    with ward.house.transaction() as session:
        ledger = session.scalars(sa.text("SELECT events::text FROM events")).all()
    assert ledger
    assert not any("private" in row or PATIENT_PHONE[1:] in row for row in ledger)


# ---- stop ----------------------------------------------------------------------------------------------
def test_stop_is_carried_out_answered_once_and_told_to_a_person(ward: Ward, web: Flask) -> None:
    patient = ward.patient()
    waiting = message(ward, patient)
    answer = text(web, "退订")
    assert "no more messages" in answer  # in the patient's language, whatever the word's
    assert HOTLINE in answer
    [row] = stored(ward)
    assert (row.meaning, row.patient_id, left_alone(ward)) == ("stop", patient.id, True)
    assert told == [events.WorkWanted("sms_stop", patient.id, row.id, "by_sms")]
    with ward.house.transaction() as session:
        assert session.get_one(Message, waiting).status == "cancelled"
        assert session.get_one(DoNotCall, people.phone_index(PATIENT_PHONE)).source == "sms"
    assert text(web, "STOP") == ""
    assert len(told) == 1


def test_a_stop_after_a_reminder_may_have_meant_the_visit(ward: Ward, web: Flask) -> None:
    message(ward, ward.patient(), kind="reminder", posted=True)
    text(web, "取消")
    assert told[0].why == "by_sms_reminded"


def test_what_is_on_its_way_is_not_taken_back(ward: Ward, web: Flask) -> None:
    sent = message(ward, ward.patient(), posted=True)
    text(web, "STOP")
    with ward.house.transaction() as session:
        assert session.get_one(Message, sent).status == "sent"


def test_a_stop_from_nobody_on_file_counts_all_the_same(ward: Ward, web: Flask) -> None:
    answer = text(web, "STOP")
    assert "不再给这个号码" in answer  # the hospital's first language
    assert left_alone(ward)
    assert [(event.kind, event.patient_id) for event in told] == [("sms_stop", None)]


def test_a_number_of_two_patients_belongs_to_neither(ward: Ward, web: Flask) -> None:
    ward.patient(), ward.patient()
    answer = text(web, "STOP")
    assert "no more messages" in answer  # both speak English
    assert [event.patient_id for event in told] == [None]


def test_the_carrier_that_understood_it_itself_has_answered_already(ward: Ward, web: Flask) -> None:
    ward.patient()
    assert text(web, "Arrêt", OptOutType="STOP") == ""
    assert left_alone(ward)
    assert text(web, "anything", OptOutType="START") == ""
    assert not left_alone(ward)
    assert text(web, "HELP", OptOutType="HELP") == ""
    assert [event.kind for event in told] == ["sms_stop", "sms_reply"]


# ---- start ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", ["sms", "keypad"])
def test_start_takes_back_what_the_same_person_said(ward: Ward, web: Flask, source: str) -> None:
    ward.patient()
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PATIENT_PHONE, source, ward.now)
    assert "contact this number again" in text(web, "START")
    assert not left_alone(ward)
    assert (stored(ward)[0].meaning, told) == ("start", [])


@pytest.mark.parametrize("source", ["wrong number, by key", "staff"])
def test_start_does_not_undo_what_others_decided(ward: Ward, web: Flask, source: str) -> None:
    ward.patient()
    with ward.house.transaction() as session:
        people.add_do_not_call(session, PATIENT_PHONE, source, ward.now)
    assert "passed on" in text(web, "START")
    assert left_alone(ward)
    assert [event.kind for event in told] == ["sms_reply"]


def test_a_yes_with_nothing_to_take_back_is_a_message_like_any_other(ward: Ward, web: Flask) -> None:
    ward.patient()
    text(web, "YES")
    assert [(row.meaning) for row in stored(ward)] == ["text"]
    assert [event.kind for event in told] == ["sms_reply"]


def test_stop_start_and_stop_again(ward: Ward, web: Flask) -> None:
    ward.patient()
    answers = [text(web, word) for word in ("STOP", "START", "STOP")]
    assert ["Done." in answer for answer in answers] == [True, True, True]
    assert left_alone(ward)


# ---- everything else -----------------------------------------------------------------------------------
def test_a_text_is_work_and_answered_once_a_day(ward: Ward, web: Flask) -> None:
    patient = ward.patient()
    answers = [text(web, "Can I shower now?"), text(web, "And swim?")]
    assert "120" in answers[0]
    assert answers[1] == ""
    assert [(event.kind, event.patient_id, event.why) for event in told] == [("sms_reply", patient.id, "")] * 2
    assert {event.subject_id for event in told} == {row.id for row in stored(ward)}
    ward.forward(days=1)
    assert "120" in text(web, "Good morning")


def test_the_day_is_the_hospitals(ward: Ward, web: Flask) -> None:
    ward.patient()
    ward.at(ward.now.replace(hour=15, minute=59))  # 23:59 in Shanghai
    text(web, "one")
    ward.forward(minutes=2)
    assert text(web, "two") != ""


@pytest.mark.parametrize("body", ["I have CHEST PAIN", "he can hardly breathe", "伤口大出血", "她晕倒了", "胸痛得厉害"])
def test_urgent_words_are_told(ward: Ward, web: Flask, body: str) -> None:
    ward.patient()
    assert "120" in text(web, body)
    assert told[0].why == "urgent_words"


def test_a_picture_is_told_and_not_kept(ward: Ward, web: Flask) -> None:
    ward.patient()
    text(web, "", NumMedia="1", MediaUrl0="http://127.0.0.1:9/x", MediaContentType0="image/jpeg")
    assert told[0].why == "with_media"


@pytest.mark.parametrize("sender", ["10086", "HOSPITAL", "", "+12", HOTLINE])
def test_a_machine_is_neither_answered_nor_work(ward: Ward, web: Flask, sender: str) -> None:
    for body in ("Your code is 1234", "STOP"):
        assert text(web, body, sender=sender) == ""
    assert (len(stored(ward)), told) == (2, [])


def test_a_number_that_is_not_the_patients_any_more_is_nobodys(ward: Ward, web: Flask) -> None:
    patient = ward.patient()
    with ward.house.transaction() as session:
        session.scalars(sa.select(Contact).where(Contact.patient_id == patient.id)).one().wrong_at = ward.now
    text(web, "who are you?")
    assert told[0].patient_id is None


def test_a_request_without_a_name_is_answered_and_left_alone(ward: Ward, web: Flask) -> None:
    assert text(web, "hello", MessageSid="", SmsSid="") == ""
    assert stored(ward) == []
