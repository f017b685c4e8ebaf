"""The people of the demo: obviously invented, on numbers nobody has, with what they say and press."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

from commands.stage import Step

HOTLINE = "+861055550100"
OPERATOR = "+861055550199"
UNKNOWN_CALLER = "+861055550181"
MESSAGE_CALLER = "+861055550182"
LOST_CALLER = "+861055550183"
ANN = "+861055550111"
"""Keys 7."""
BEN = "+861055550112"
"""Keys 2."""
DOCTOR_1, DOCTOR_2, HEAD = "+861055550121", "+861055550122", "+861055550123"

HOSPITAL_TOML = f"""
# The demo's hospital: live, because everybody on its carrier is a program on this machine.
[hospital]
operator = "{OPERATOR}"
live = true

# Room for three callers, two follow-ups and two doctors at once.
[calling]
lines = 9
lines_reserved = 4
# The demo's tomorrow is an ordinary day, whatever the calendar says: on holidays the hotline has another menu.
holidays = ""

# No model understands the offline voice's Mandarin; real recordings in Mandarin use "auto".
[speech."zh-CN"]
engine = "none"
"""

OPEN_ANSWER = (
    "Hello, I am a patient at the hospital. The wound is bleeding and I have a high fever. Please help me."
)
MESSAGE = "I am calling about my medicine. Please call me back in the morning."

UNKNOWN_CALLER_STEPS: list[Step] = [
    {"on": "For English, press 8", "press": "8"},
    {"on": "中文服务请按8", "press": "8"},
    {"on": "术后疼痛或不适请按2", "press": "2"},
    {"on": "给现在的疼痛打分", "press": "6#"},
    {"on": "您输入的是6分", "press": "1"},
]
MESSAGE_STEPS: list[Step] = [
    {"on": "For English, press 8", "press": "8"},
    {"on": "General information, 3", "press": "3"},
    {"on": "Leave a message, 5", "press": "5"},
    {"on": "beep", "say": MESSAGE},
    {"press": "#", "after": 0.6},
]
LOST_STEPS: list[Step] = [{"on": "按星号键", "press": "*"}, {"on": "For English, press 8", "press": "6"}]
"""Star at the notice, a key that is no choice, and then nothing."""

HOTLINE_CALLERS: dict[str, list[Step]] = {
    UNKNOWN_CALLER: UNKNOWN_CALLER_STEPS,
    MESSAGE_CALLER: MESSAGE_STEPS,
    LOST_CALLER: LOST_STEPS,
}

PICKED_UP: list[Step] = [{"on": ["按1", "press 1"], "press": "1"}]
OPERATOR_STEPS: list[Step] = [*PICKED_UP, {"say": "Good morning, what can I do for you?"}, {"after": 4, "hangup": True}]
DOCTOR_STEPS: list[Step] = [
    {"on": "Accept, press 1", "press": "1"},
    {"on": "Hello, doctor", "say": "Good morning, this is the doctor on duty. Tell me about the pain."},
    {"after": 14, "hangup": True},
]
ANN_STEPS: list[list[Step]] = [
    [
        {"on": "Am I speaking with", "press": "1"},
        {"on": "birth month and day", "press": "0506"},
        {"on": "Rate your pain", "press": "7#"},
        {"on": "You entered 7", "press": "1"},
        {"on": "beep", "say": OPEN_ANSWER},
        {"press": "#", "after": 0.6},
    ],
    [
        *PICKED_UP,
        {"after": 8, "say": "Hello, doctor."},
        {"on": "Tell me about the pain", "say": "It hurts a lot when I move. The wound is bleeding."},
    ],
]
BEN_STEPS: list[Step] = [
    {"on": "Am I speaking with", "press": "1"},
    {"on": "birth month and day", "press": "1130"},
    {"on": "Rate your pain", "press": "2#"},
    {"on": "You entered 2", "press": "1"},
    {"on": "Is blood coming through the dressing", "press": "2"},
    {"on": "unable to drink", "press": "2"},
    {"on": "passed urine", "press": "1"},
    {"on": "newly numb", "press": "2"},
    {"on": "want a doctor", "press": "2"},
    {"on": "beep", "hangup": True},
]

PATIENT_COLUMNS = (
    *("mrn", "name", "phone", "birth_date", "sex", "language", "consent_followup", "consent_recording"),
    *("allergies", "procedure_id", "procedure", "department", "surgery_end"),
)


def patients_csv(path: Path, now: datetime) -> Path:
    """Two patients operated on seven hours ago, and a row with a mistake in it."""
    ended = (now - timedelta(hours=7)).isoformat(timespec="minutes")
    def row(number: str, name: str, phone: str, born: str, sex: str, allergies: str, operation: str) -> list[str]:
        person = [f"DEMO-{number}", name, phone, born, sex, "en", "yes", "yes", allergies]
        return [*person, f"OP-{number}", operation, "surgery", ended]

    return _csv(
        path,
        list(PATIENT_COLUMNS),
        row("1", "Ann Example", ANN, "1961-05-06", "f", "penicillin", "hernia repair"),
        row("2", "Ben Sample", BEN, "1975-11-30", "m", "", "knee arthroscopy"),
        row("3", "Cora Mistake", "12", "1980-01-02", "f", "", "hernia repair"),
    )


def roster_csv(path: Path, now: datetime) -> Path:
    start, end = ((now + timedelta(days=days)).isoformat(timespec="minutes") for days in (-1, 7))
    return _csv(
        path,
        ["department", "tier", "doctor", "phone", "language", "start", "end"],
        ["*", "1", "Doctor One", DOCTOR_1, "en", start, end],
        ["*", "1", "Doctor Two", DOCTOR_2, "en", start, end],
        ["*", "head", "Doctor Head", HEAD, "en", start, end],
    )


def _csv(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path
