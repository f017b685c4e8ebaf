"""Logs: numbers never come through, ids and times always do, unknown keys leave only their name."""

import io
import json
import logging
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged while the test runs; the set-up of before is put back."""
    root, stream, shown = logging.getLogger(), io.StringIO(), warnings.showwarning
    before, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.LEVELS}
    logs.configure(stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    warnings.showwarning = shown
    root.handlers[:] = before
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        "5550100",
        "+8613800000001",
        "+86 138 0000 0001",
        "138-0000-0001",
        "(010) 5555 0100",
        "+1 (555) 555-0100",
        "+1.555.555.0100",
        "tel:+15555550100",
        "To=%2B8613800000001&From=x",
        "“13800000001”",
        "＋８６１３８００００００００１",
        "0001234567",
        "AC5550100",
        "1" * 32,
    ],
)
def test_a_number_is_masked(text: str) -> None:
    masked = logs.mask(text)
    assert logs.MASK in masked
    assert sum(char.isdigit() for char in masked.replace("%2B", "")) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "CA" + "0123456789abcdef" * 2,
        "RE" + "0" * 32,
        "SM" + "f" * 32,
        "0" * 8 + "-1234-1234-1234-" + "0" * 12,
        "2026-11-22",
        "2026-11-22T03:13:05Z",
        "2026-11-22T03:13:05.147123+08:00",
        "2026-11-22 03:13:05,147",
        "127.0.0.1:8000",
        "attempt 3 of 12 after 300 s, 123456 bytes",
        "3d7c" + "0123456789ab" * 5,
        "PostgreSQL 18.4",
    ],
)
def test_what_is_not_a_number_stays(text: str) -> None:
    assert logs.mask(text) == text


@given(st.uuids())
def test_every_uuid_stays(value: uuid.UUID) -> None:
    assert logs.mask(f"attempt {value} ended") == f"attempt {value} ended"


@given(st.from_regex(r"(CA|RE|SM|AC|MM|CF)[0-9a-f]{32}", fullmatch=True))
def test_every_carrier_id_stays(sid: str) -> None:
    assert logs.mask(f"{sid}:") == f"{sid}:"


@given(
    st.integers(0, 4_000_000_000_000_000),
    st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-9, minutes=-30))]),
)
def test_every_time_stays(microseconds: int, zone: timezone) -> None:
    text = datetime.fromtimestamp(microseconds / 1e6, zone).isoformat()
    assert logs.mask(f"due {text}") == f"due {text}"


@given(st.from_regex(r"\+?[1-9]([ .-]?[0-9]){6,14}", fullmatch=True))
def test_no_long_run_of_digits_is_left(number: str) -> None:
    """Whatever its spacing, a number alone is masked, unless it is written as a date or an address."""
    looks_otherwise = logs.mask(number) == number
    if looks_otherwise:
        assert "-" in number or "." in number
    else:
        assert logs.MASK in logs.mask(number)


def test_our_own_logs_keep_ids_and_drop_the_rest(written: io.StringIO) -> None:
    sid, attempt = "CA" + "1" * 32, str(uuid.uuid4())
    structlog.get_logger("dialer").info(
        "call_placed", sid=sid, attempt_id=attempt, phone="+15555550100", name="Ann", late_s=3
    )
    (line,) = lines(written)
    assert line["event"] == "call_placed"
    assert (line["sid"], line["attempt_id"], line["late_s"]) == (sid, attempt, 3)
    assert line["dropped"] == ["name", "phone"]
    assert (line["level"], line["logger"]) == ("info", "dialer")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)
    assert "Ann" not in written.getvalue()


def test_numbers_are_masked_wherever_they_hide(written: io.StringIO) -> None:
    structlog.get_logger().warning(
        "ringing +15555550100",
        reason={"detail": "13800000001", "step": ["138 0000 0001"]},
        row_id=8613800000001,
    )
    assert "0000" not in written.getvalue()
    assert "5555" not in written.getvalue()
    (line,) = lines(written)
    assert line["reason"] == {"step": [logs.MASK], "dropped": ["detail"]}


def test_exceptions_are_written_and_masked(written: io.StringIO) -> None:
    number = "+86 138 " + "0000 0001"
    try:
        raise ValueError(f"cannot ring {number}")
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("y").exception("failed too")
    for line in lines(written):
        assert f"ValueError: cannot ring {logs.MASK}" in line["exception"]
        assert line["level"] == "error"


def test_libraries_go_the_same_way(written: io.StringIO) -> None:
    number = "+15555550100"
    for name in ("procrastinate.worker", "apscheduler.scheduler", "sqlalchemy.engine", "werkzeug", "any"):
        logging.getLogger(name).error("%s rang", number, extra={"action": "ring", "phone": number})
    for line in lines(written):
        assert line["event"] == f"{logs.MASK} rang"
        assert line["action"] == "ring"
        assert line["dropped"] == ["phone"]
    assert len(lines(written)) == 5


def test_chatty_libraries_stay_quiet_even_when_we_debug(written: io.StringIO) -> None:
    logs.configure(stream=written, level="DEBUG")
    logging.getLogger("twilio.http_client").info("Body: To=+15555550100")
    for name in ("twilio", "urllib3.connectionpool", "requests"):
        logging.getLogger(name).debug("a request")
    logging.getLogger("sqlalchemy.engine.Engine").info("SELECT 1")
    assert lines(written) == []
    logging.getLogger("dialer").debug("ours")
    assert [line["event"] for line in lines(written)] == ["ours"]


def test_warnings_are_logged(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old number +15555550100", UserWarning, stacklevel=1)
    assert logs.MASK in written.getvalue()


def test_configuring_twice_writes_once(written: io.StringIO) -> None:
    logs.configure(stream=written)
    logging.getLogger("x").error("once")
    assert len(lines(written)) == 1


def test_a_terminal_gets_readable_text(written: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    logs.configure(stream=terminal)
    structlog.get_logger("x").info("call_placed", lane="routine", phone="+15555550100")
    text = terminal.getvalue()
    assert "call_placed" in text
    assert "routine" in text
    assert "15555550100" not in text


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        logs.configure(level="LOUD", stream=io.StringIO())
