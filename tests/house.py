"""A hospital for tests: settings, people and numbers that are obviously invented."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from core import crypto
from core.settings import Settings, load

ROOT = Path(__file__).resolve().parent.parent
MID_MORNING = datetime(2031, 3, 7, 2, 0, tzinfo=UTC)
"""A Friday, 10:00 in Shanghai: inside the default calling hours. Years ahead, because the carrier's clock only
moves forward."""

ACCOUNT = "AC" + "0" * 31 + "9"
TOKEN = "a-token-for-tests-only"
HOTLINE = "+861055550100"
OPERATOR = "+861055550199"

HOSPITAL = f"""
[hospital]
operator = "{OPERATOR}"
live = true
"""

HOSPITAL_UNHEARD = f"""{HOSPITAL}
[speech.en]
engine = "none"

[speech."zh-CN"]
engine = "none"
"""
"""No speech to text: it would take the two processors from the calls under test."""


def variables(home: Path, database_url: str, **more: str) -> dict[str, str]:
    """The environment of a Carecall process under test."""
    hospital = home / "hospital.toml"
    if not hospital.exists():
        hospital.write_text(HOSPITAL, encoding="utf-8")
    return {
        "CARECALL_HOME": str(home / "var"),
        "DATABASE_URL": database_url,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": HOTLINE,
        "CARRIER_URL": "http://127.0.0.1:9",
        "HOSPITAL_FILE": str(hospital),
        "SECRET_KEY": "k" * 48,
        "DATA_KEY": crypto.new_data_key(),
        **more,
    }


def environment(home: Path, database_url: str, **more: str) -> Settings:
    return load(variables(home, database_url, **more))
