"""The pace at the carrier's door, with several workers, in real seconds: never above the limit, and all of it used."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import HOSPITAL_UNHEARD
from tests.people import PATIENT_COLUMNS
from tests.stack import Stage, no_errors, running

pytestmark = pytest.mark.alone

PATIENTS = 30
PER_SECOND = 5


def file_of(made: Stage, count: int) -> Path:
    path = made.home / "many.csv"
    ended = (made.now() - timedelta(hours=6)).isoformat()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(PATIENT_COLUMNS)
        for number in range(count):
            writer.writerow(
                [f"P-{number}", "Ann Example", f"+8610555504{number:02}", "1961-05-06", "f", "en", "yes", "yes", "",
                 "OP-1", "hernia repair", "surgery", ended]
            )  # fmt: skip
    return path


def test_three_workers_never_exceed_the_pace_and_use_it(tmp_path: Path, database_url: str) -> None:
    hospital = f"{HOSPITAL_UNHEARD}\n[calling]\nlines = 60\nlines_reserved = 2\ncalls_per_second = {PER_SECOND}.0\n"
    with running(tmp_path, database_url, hospital=hospital, speed=1.0) as made:
        for name in ("second worker", "third worker"):
            made.start_worker(name)
        done = made.carecall("import", "patients", str(file_of(made, PATIENTS)))
        assert done.returncode == 0, done.stderr
        made.until(lambda: len(created(made)) == PATIENTS, "everybody was rung")
        moments = created(made)
        no_errors(made)
    most = max(sum(start <= one < start + 1.0 for one in moments) for start in moments)
    assert most <= PER_SECOND
    assert len(moments) == len(set(moments)) == PATIENTS
    took = moments[-1] - moments[0]
    assert took <= 1.6 * PATIENTS / PER_SECOND, f"{PATIENTS} rings took {took:.1f} s: the pace is there to be used"


def created(made: Stage) -> list[float]:
    """When each create reached the carrier, in seconds, in order."""
    return sorted(call["created"] for call in made.carrier("GET", "/control/calls?direction=outbound-api"))
