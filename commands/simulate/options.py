"""What `carecall simulate` may be told: one dataclass, each field with its default and the source of it."""

from __future__ import annotations

import argparse
from dataclasses import Field, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from commands.simulate.chaos import KINDS


def _rate(default: float, text: str) -> Any:
    return field(default=default, metadata={"rate": text})


@dataclass(frozen=True)
class Options:
    patients: int = 60
    days: int = 7
    lines: int = 4
    calls_per_second: float = 1.0
    seed: int = 1
    start: date = date(2026, 9, 24)
    """The first day; the default has the National Day holidays near."""
    chaos: tuple[str, ...] = ()
    chaos_rate: float = _rate(0.05, "share of requests that each kind of chaos befalls")
    # who is operated
    elderly: float = _rate(0.35, "patients of 65 and more")
    children: float = _rate(0.06, "patients under 14, with a guardian")
    english: float = _rate(0.05, "patients who speak English")
    abroad: float = _rate(0.03, "patients who live in another time zone")
    two_numbers: float = _rate(0.45, "patients with two numbers on file")
    shared: float = _rate(0.04, "patients on the number of somebody else in the family")
    wrong_number: float = _rate(0.015, "numbers that belong to a stranger")
    dead_number: float = _rate(0.01, "numbers that do not exist")
    no_consent: float = _rate(0.03, "patients who have not agreed to be rung")
    night_consent: float = _rate(0.08, "patients who may be rung at any hour")
    weekend: float = _rate(0.35, "operations on a weekend day, against a weekday's 1")
    evening: float = _rate(0.16, "operations that end after 18:00")
    night_operations: float = _rate(0.03, "operations that end after midnight")
    die: float = _rate(0.004, "patients who die within 80 days")
    readmitted: float = _rate(0.025, "patients who are in hospital again within 40 days")
    cancelled: float = _rate(0.01, "operations that are struck off within 3 days")
    # what happens on the telephone: docs/clinical.md section 2
    reach_old: float = _rate(0.843, "patients of 65 and more reached by a wave's rings [3]")
    reach_young: float = _rate(0.789, "younger patients reached by a wave's rings [3]")
    busy: float = _rate(0.06, "rings that find the line engaged")
    machine: float = _rate(0.03, "rings a machine picks up")
    engage: float = _rate(0.57, "of those who answer: the patient who goes through with it [4]")
    family: float = _rate(0.12, "of those who answer: somebody else at home [7]")
    bad_time: float = _rate(0.07, "of those who answer: not now")
    stop: float = _rate(0.01, "of those who answer: no more calls")
    mid_hang_up: float = _rate(0.07, "of those who answer: gone in the middle")
    wrong_keys: float = _rate(0.08, "conversations with a wrong key in them")
    pain_6h: float = _rate(0.60, "scores of 4 and more at 6 hours")
    pain_48h: float = _rate(0.55, "scores of 4 and more at 48 hours [15]")
    pain_7d: float = _rate(0.43, "scores of 4 and more at 7 days [15]")
    pain_30d: float = _rate(0.20, "scores of 4 and more at 30 days")
    pain_90d: float = _rate(0.12, "scores of 4 and more at 90 days")
    unwell: float = _rate(0.04, "questions besides pain answered with trouble")
    ring_back: float = _rate(0.08, "missed rings after which the patient rings the hotline")
    # doctors and operators
    doctor_answers: float = _rate(0.85, "rings a doctor on duty picks up")
    doctor_accepts: float = _rate(0.93, "of those: accepts")
    operator_answers: float = _rate(0.85, "rings the operator takes")
    expects_doctor: float = _rate(0.95, "patients who pick up when the promised doctor rings")


RATES: tuple[Field[Any], ...] = tuple(f for f in fields(Options) if "rate" in f.metadata)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=int, default=Options.patients, metavar="N", help="operations in all")
    parser.add_argument("--days", type=int, default=Options.days, metavar="D", help="days simulated")
    parser.add_argument("--lines", type=_lines, default=Options.lines, metavar="L", help="telephone lines, 2 or more")
    parser.add_argument("--calls-per-second", type=float, default=Options.calls_per_second, metavar="X")
    parser.add_argument("--seed", type=int, default=Options.seed, metavar="S", help="the same seed, the same figures")
    parser.add_argument("--start", type=date.fromisoformat, default=Options.start, metavar="DAY")
    kinds = [*KINDS, "all"]
    parser.add_argument("--chaos", nargs="+", choices=kinds, default=[], metavar="KIND", help=", ".join(kinds))
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures, one a line")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write a drawing (SVG)")
    parser.add_argument("--json", action="store_true")
    rates = parser.add_argument_group("rates, each from 0 to 1")
    for rate in RATES:
        flag = "--" + rate.name.replace("_", "-")
        rates.add_argument(flag, type=_share, default=rate.default, metavar="R", help=rate.metadata["rate"])


def read(args: argparse.Namespace) -> Options:
    chaos = KINDS if "all" in args.chaos else tuple(args.chaos)
    return Options(**{f.name: getattr(args, f.name) for f in fields(Options) if f.name != "chaos"}, chaos=chaos)


def _lines(text: str) -> int:
    """With one line a doctor and a patient can never be joined, and every alarm would go round for ever."""
    if int(text) < 2:
        raise argparse.ArgumentTypeError("2 lines at least: a doctor and a patient are one each")
    return int(text)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
