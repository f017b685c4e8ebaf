"""Two channels become one conversation."""

import pytest

from recordings.conversation import join, speakers
from recordings.stt import Segment


def test_lines_are_joined_by_time_the_patient_first() -> None:
    line = [Segment(0, 2, "how can we help", 0.9), Segment(5, 6, "goodbye", 0.9)]
    patient = [Segment(2.5, 4, "it hurts", 0.8), Segment(5, 5.5, "bye", 0.8)]
    told = [(said.speaker, said.text) for said in join({"line": line, "patient": patient})]
    assert told == [
        ("line", "how can we help"),
        ("patient", "it hurts"),
        ("patient", "bye"),
        ("line", "goodbye"),
    ]


@pytest.mark.parametrize(
    ("purpose", "kind", "channels", "expected"),
    [
        ("call", "hotline", 2, ("patient", "line")),
        ("bridge", "followup", 2, ("patient", "line")),
        ("call", "doctor", 2, ("line", "patient")),
        ("message", "hotline", 1, ("patient",)),
        ("open_answer", "followup", 1, ("patient",)),
        ("call", "hotline", 1, ("both",)),
        ("call", None, 2, ("patient", "line")),
    ],
)
def test_who_is_on_which_channel(purpose: str, kind: str | None, channels: int, expected: tuple[str, ...]) -> None:
    assert speakers(purpose, kind, channels) == expected
