"""The stage of commands/stage.py with what a test asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import app
from commands import stage
from commands.stage import Conversation, Phone, Stage, Step
from tests.house import HOSPITAL_UNHEARD, HOTLINE, MID_MORNING, ROOT

__all__ = ["Conversation", "Phone", "Stage", "Step", "hears", "no_errors", "running"]

SPEED = 20.0


@contextmanager
def running(
    home: Path, database_url: str, *, hospital: str = HOSPITAL_UNHEARD, speed: float = SPEED, at: datetime = MID_MORNING
) -> Iterator[Stage]:
    """Everything up, both clocks at `at`; everything down again at the end."""
    file = home / "hospital.toml"
    file.write_text(hospital, encoding="utf-8")
    environment = stage.environment(home, database_url, file, HOTLINE)
    with stage.standing(ROOT, home, environment, app.open_house, at=at, speed=speed) as made:
        yield made


def hears(conversation: Conversation, *texts: str) -> None:
    """Assert the texts were spoken to this phone, in this order."""
    missing = conversation.missing(*texts)
    heard = "\n".join(conversation.heard())
    assert missing is None, f"{missing!r} was not heard, or not in its place, in:\n{heard}"


def no_errors(made: Stage) -> None:
    """Nothing was logged as an error by any of our processes."""
    for name in ("web", "worker"):
        wrong = [line for line in made.log(name).splitlines() if '"level": "error"' in line]
        assert not wrong, f"{name} logged an error: {wrong[0][:2000]}"
