"""What app.py hands to the commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from core.house import House
from core.settings import Settings
from scheduler.timetable import Tick


@dataclass(frozen=True)
class Joined:
    """Where the data files are, how a house is opened, what the timetable looks at, the web application of a house."""

    root: Path
    open_house: Callable[[Settings], House]
    ticks: Sequence[Tick]
    web: Callable[[House], Flask]
