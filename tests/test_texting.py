"""A patient writes to the hospital: the real web application and the local carrier, over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import HOTLINE
from tests.people import PATIENT, file_of_patients
from tests.stack import Stage, no_errors, running

pytestmark = pytest.mark.alone


def write(stage: Stage, body: str) -> None:
    stage.carrier("POST", f"/control/phones/{PATIENT.phone}/message", json={"to": HOTLINE, "body": body})
    stage.quiet()


def answers(stage: Stage) -> list[str]:
    """What the patient's telephone received, the newest last."""
    received = [message for message in stage.messages() if message["to"] == PATIENT.phone]
    return [message["body"] for message in sorted(received, key=lambda message: message["at"])]


def test_a_patient_writes_stops_and_starts_again(tmp_path: Path, database_url: str) -> None:
    with running(tmp_path, database_url) as stage:
        stage.carecall("import", "patients", str(file_of_patients(stage, PATIENT, operated=timedelta(hours=1))))
        for body in ("May I shower?", "And swim?", "STOP", "stop", "START"):
            write(stage, body)
        words = answers(stage)
        assert ["passed on" in words[0], "no more messages" in words[1], "contact this number again" in words[2]] == [
            *(True, True, True),
        ]
        assert len(words) == 3
        work = json.loads(stage.carecall("worklist", "--json").stdout)
        assert sorted(item["kind"] for item in work) == ["sms_reply", "sms_reply", "sms_stop"]
        assert {item["mrn"] for item in work} == {PATIENT.mrn}
        no_errors(stage)
