"""The page of virtual phones, and what it stands on in the control API."""

import requests

from tests.carrier.conftest import HOSPITAL, Carrier, Hospital


def test_the_page_comes_with_its_script_and_needs_credentials(carrier: Carrier) -> None:
    assert requests.get(f"{carrier.url}/", timeout=5).status_code == 401
    page = carrier.session.get(f"{carrier.url}/", timeout=5)
    assert page.headers["Content-Type"].startswith("text/html")
    assert '<script src="page.js">' in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    script = carrier.session.get(f"{carrier.url}/page.js", timeout=5)
    assert script.headers["Content-Type"].startswith("text/javascript")


def test_a_person_rings_the_hospital_and_hears_the_recording(carrier: Carrier, hospital: Hospital) -> None:
    hospital.document("/voice", "<Start><Recording/></Start><Say>Welcome</Say><Pause length='60'/>")
    person = carrier.phone(behaviour="person", name="Zhang")
    assert person in [phone["number"] for phone in carrier.control("GET", "/phones")]
    assert HOSPITAL in [number["phone_number"] for number in carrier.control("GET", "/numbers")]
    before = carrier.control("GET", "/events?after=0&timeout=0")["last"]
    sid = carrier.control("POST", f"/phones/{person}/call", {"to": HOSPITAL})["call_sid"]
    carrier.when(sid, "heard")
    carrier.control("POST", f"/phones/{person}/keys", {"hangup": True})
    (recording,) = carrier.ended(sid)["recordings"]
    log = carrier.control("GET", f"/events?after={before}&timeout=0")["events"]
    assert [event["n"] for event in log] == list(range(before + 1, before + len(log) + 1))
    created = next(event for event in log if event["kind"] == "call-created" and event["leg"] == sid)
    assert (created["from"], created["to"]) == (person, HOSPITAL)
    webhook = next(event for event in log if event["kind"] == "webhook" and event["leg"] == sid)
    assert (webhook["path"], webhook["http_status"]) == ("/voice", 200)
    assert carrier.session.get(f"{carrier.url}/control/recordings/{recording}.wav").content[:4] == b"RIFF"
