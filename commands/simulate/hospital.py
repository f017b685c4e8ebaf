"""The hospital's side of the simulated world: its settings, its roster, its files of patients, hour by hour."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from commands.simulate.options import Options
from commands.simulate.people import HOSPITAL_ZONE, HOTLINE, OPERATOR, Patient, Telephone
from core import crypto
from core.house import House
from core.tables import RowReport
from dialer import roster_import
from scheduler import imports

TOKEN = "the-simulated-carrier-signs-with-this"
ACCOUNT = "AC" + "5" * 32
PUBLIC_URL = "http://127.0.0.1:8000"
DOCTORS = 6
PROMPTLY = timedelta(minutes=5)
"""After the full hour the file of what has happened in it arrives."""
COLUMNS = (
    *("mrn", "name", "phone", "phone2", "relation2", "guardian", "birth_date", "sex", "language", "timezone"),
    *("allergies", "consent_followup", "consent_recording", "consent_night", "status"),
    *("procedure_id", "procedure", "department", "surgeon", "surgery_end", "discharged_at"),
)


class Refused(Exception):
    """The service would not take the hospital's own file."""


def environment(home: Path, database_url: str, options: Options) -> dict[str, str]:
    """What the simulated house is opened with; the hospital file is written into `home`."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "hospital.toml"
    file.write_text(
        f'[hospital]\noperator = "{OPERATOR}"\nlive = true\n\n'
        f"[calling]\nlines = {options.lines}\nlines_reserved = {min(2, options.lines - 1)}\n"
        f"calls_per_second = {options.calls_per_second:.6f}\n",
        encoding="utf-8",
    )
    return {
        "CARECALL_HOME": str(home / "var"),
        "DATABASE_URL": database_url,
        "PUBLIC_URL": PUBLIC_URL,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": HOTLINE,
        "CARRIER_URL": "http://127.0.0.1:9",
        "HOSPITAL_FILE": str(file),
        "SECRET_KEY": crypto.new_data_key(),
        "DATA_KEY": crypto.new_data_key(),
    }


class Hospital:
    """Hands its files to the real importers, as the night's export of a hospital system would."""

    def __init__(self, house: House, home: Path, options: Options, patients: Sequence[Patient]) -> None:
        self._house, self._home, self._options, self._patients = house, home, options, patients

    def opens(self, telephones: dict[str, Telephone], until: datetime) -> None:
        """The roster: two doctors of the first tier by day and by night, one of the second, a head, a president."""
        rows = []
        for number in range(1, DOCTORS + 3):
            phone = f"+861370000{number:04d}"
            telephones[phone] = Telephone(phone, "doctor")
        day = datetime.combine(self._options.start, time(0), HOSPITAL_ZONE)
        n = 0
        while day.astimezone(UTC) < until:
            for shift, (begin, hours) in enumerate(((8, 12), (20, 12))):
                start = day + timedelta(hours=begin)
                for tier, count in (("1", 2), ("2", 1)):
                    for _ in range(count):
                        rows.append(_shift(tier, 1 + n % DOCTORS, start, start + timedelta(hours=hours)))
                        n += 1
                if shift == 0 and day.date() == self._options.start:
                    rows += [_shift("1", 1, day, start), _shift("2", 2, day, start)]
            day += timedelta(days=1)
        whole = datetime.combine(self._options.start, time(0), HOSPITAL_ZONE)
        rows += [_shift("head", DOCTORS + 1, whole, day), _shift("president", DOCTORS + 2, whole, day)]
        path = self._write("roster.csv", tuple(rows[0]), rows)
        _taken(roster_import.import_roster(self._house, path, self._house.clock.now()))

    def plans(self, at_time: Callable[[datetime, Callable[[], None]], None]) -> None:
        """Every hour in which something happened to patients ends with a file."""
        told: dict[datetime, list[tuple[Patient, str]]] = defaultdict(list)
        for patient in self._patients:
            told[_hour_after(patient.ended_at)].append((patient, "active"))
            for status, moment in (
                ("cancelled", patient.cancelled_at),
                ("readmitted", patient.readmitted_at),
                ("deceased", patient.dies_at),
            ):
                if moment is not None:
                    told[_hour_after(moment)].append((patient, status))
        for moment, news in sorted(told.items(), key=lambda one: one[0]):
            at_time(moment, lambda news=news: self._import(news))  # type: ignore[misc]

    def _import(self, news: Sequence[tuple[Patient, str]]) -> None:
        now = self._house.clock.now()
        rows = []
        for patient, status in news:
            if patient.status in ("deceased", "cancelled"):
                continue
            patient.status = status
            rows.append(_row(patient, status))
        if rows:
            path = self._write("patients.csv", COLUMNS, rows)
            _taken(imports.import_patients(self._house, path, now))

    def _write(self, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Path:
        path = self._home / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        return path


def _taken(reports: Sequence[RowReport]) -> None:
    refused = [report for report in reports if report.result == "refused"]
    if refused:
        raise Refused(f"{len(refused)} rows of the hospital's own file were refused: {refused[0].detail}")


def _hour_after(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) + PROMPTLY


def _shift(tier: str, doctor: int, start: datetime, end: datetime) -> dict[str, str]:
    return {
        "department": "*", "tier": tier, "doctor": f"Doctor {doctor}", "phone": f"+861370000{doctor:04d}",
        "language": "zh-CN", "start": start.isoformat(), "end": end.isoformat(),
    }  # fmt: skip


def _row(patient: Patient, status: str) -> dict[str, str]:
    second = patient.numbers[1] if len(patient.numbers) > 1 else ""
    return {
        "mrn": patient.mrn,
        "name": patient.name,
        "phone": patient.numbers[0],
        "phone2": second,
        "relation2": "relative" if second and not patient.guardian else "",
        "guardian": patient.guardian if second else "",
        "birth_date": patient.birth.isoformat(),
        "sex": patient.sex,
        "language": patient.language,
        "timezone": patient.zone,
        "allergies": "",
        "consent_followup": "yes" if patient.consent else "no",
        "consent_recording": "yes" if patient.recording else "no",
        "consent_night": "yes" if patient.night else "no",
        "status": status,
        "procedure_id": f"OP-{patient.mrn}",
        "procedure": patient.procedure,
        "department": patient.department,
        "surgeon": "",
        "surgery_end": patient.ended_at.isoformat(),
        "discharged_at": "",
    }
