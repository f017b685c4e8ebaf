"""`carecall forecast`: calls, lines and alarms to be expected from the plans on file, day by day."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commands import ask
from commands.admin import house_of
from commands.joined import Joined
from commands.show import table
from core import holidays
from core.house import House
from core.tables import FileProblem
from scheduler import forecast as reckon
from scheduler import forecast_rows
from scheduler.forecast import Day, Rates

MOST_DAYS = 366
NOTES = (
    "Only plans on file are counted: operations still to come add their own calls.",
    "A follow-up is counted with all its expected rings on the day of the next one.",
    "Scores: 48h and 7d from docs/clinical.md section 2, the others our own defaults, until this hospital has "
    f"{reckon.ENOUGH} ended follow-ups of a wave.",
    "Thresholds are those of the wave; other thresholds of single procedures are not reckoned with.",
)


def add_commands(
    add: Callable[[str, Callable[[argparse.Namespace, Joined], int], str], argparse.ArgumentParser],
) -> None:
    made = add("forecast", run, "Calls, lines and alarms to be expected, day by day.")
    made.add_argument("--days", type=int, default=28)
    made.add_argument("--from", dest="first", metavar="DATE", help="ISO date (default: today)")
    made.add_argument(
        "--reach",
        nargs="+",
        default=[],
        metavar="SHARE",
        help="share reached in the end: 0.8 for all, 48h=0.8 for one wave",
    )
    made.add_argument("--json", action="store_true")


@dataclass(frozen=True)
class Forecast:
    days: list[Day]
    rates: Mapping[str, Rates]
    lines: int


def run(args: argparse.Namespace, joined: Joined) -> int:
    if not 1 <= args.days <= MOST_DAYS:
        raise FileProblem(f"--days: a whole number from 1 to {MOST_DAYS}, not {args.days}.")
    reach = _reach(args.reach)
    house = house_of(joined)
    today = house.clock.now().astimezone(house.settings.hospital.timezone).date()
    first = ask.day("--from", args.first) if args.first else today
    if first < today:
        raise FileProblem("--from: a day that is over cannot be forecast.")
    made = make(house, first, args.days, reach)
    if args.json:
        print(json.dumps(as_json(made), ensure_ascii=False, indent=1))
        return 0
    for line in lines(made):
        print(line)
    return 0


def _reach(words: list[str]) -> dict[str, float]:
    """{"": 0.8, "48h": 0.7} of what was typed; "" is every other wave. Raises FileProblem."""
    found = {}
    for word in words:
        wave, _, share = word.rpartition("=")
        try:
            number = float(share)
        except ValueError:
            number = -1.0
        if not 0 < number <= 1:
            raise FileProblem(f"--reach: {word!r} is not a share such as 0.8 or 48h=0.8.")
        found[wave] = number
    return found


def make(house: House, first: date, days: int, reach: Mapping[str, float]) -> Forecast:
    calling, followup = house.settings.calling, house.settings.followup
    now = house.clock.now()
    with house.transaction() as session:
        loads = forecast_rows.loads(session, first, days, now)
        measured = forecast_rows.measured(session, now)
        lane = reckon.Lane(calling.lines - calling.lines_reserved, calling.ring_s)
        rates = {}
        waves = {wave.name for wave in followup.waves} | {load.wave for load in loads}
        for wave in waves:
            policy = followup.policy("", wave)
            rate = reckon.default_rates(wave, followup.tries, policy.threshold, policy.doctor_from)
            rate = reckon.with_measured(rate, measured.get(wave))
            given = reach.get(wave, reach.get(""))
            rates[wave] = rate if given is None else reckon.with_reach(rate, given, "given")
        found = reckon.expected(loads, first, days, rates, lane, holidays.hours(session))
    order = {wave.name: place for place, wave in enumerate(followup.waves)}
    rates = {wave: rates[wave] for wave in sorted(rates, key=lambda wave: (order.get(wave, len(order)), wave))}
    return Forecast(found, rates, lane.lines)


def as_json(made: Forecast) -> dict[str, Any]:
    return {
        "days": [_row(day, made.lines) for day in made.days],
        "total": _row(reckon.total(made.days), made.lines) | {"day": "total", "busiest": ""},
        "lines": made.lines,
        "assumptions": [_rate_row(wave, rate) for wave, rate in made.rates.items()],
        "notes": list(NOTES),
    }


def lines(made: Forecast) -> list[str]:
    told = as_json(made)
    text = table([*told["days"], told["total"]])
    over = sum(day.over for day in made.days)
    text.append(f"lines for routine calls: {made.lines}; days that cannot be done in their calling hours: {over}")
    return [*text, "", "Reckoned with:", *table(told["assumptions"]), *(f"- {note}" for note in NOTES)]


def _row(day: Day, lines: int) -> dict[str, Any]:
    return {
        "day": day.day.isoformat(),
        "open_h": round(day.open_s / 3600, 1),
        "followups": day.followups,
        "rings": round(day.rings, 1),
        "line_h": round(day.busy_s / 3600, 1),
        "busiest": day.busiest.strftime("%H:%M") if day.busiest is not None else "",
        "lines_needed": day.lines_needed,
        "doctor": round(day.doctor, 1),
        "nurse": round(day.nurse, 1),
        "over": "OVER" if day.over else "",
    }


def _rate_row(wave: str, rate: Rates) -> dict[str, Any]:
    return {
        "wave": wave,
        "reached_%": round(100 * rate.reach(0), 1),
        "rings": round(rate.rings(0), 2),
        "talk_s": round(rate.talk_s),
        "doctor_%": round(100 * rate.doctor, 1),
        "nurse_%": round(100 * rate.nurse, 1),
        "from": rate.source,
    }
