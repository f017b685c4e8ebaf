"""The down-time sheet: everything a ward needs to go on without us, whole, private, and every hour."""

from __future__ import annotations

import logging
import os
import re
import stat
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import jobs
from core.models import new_id
from core.page import html
from dialer.models import Call, Escalation, Shift
from scheduler import downtime
from tests.house import HOTLINE, MID_MORNING, OPERATOR
from tests.scheduler.clinic import PHONE, Ward, hospital

NIGHT, DOCTOR = "+861055550177", "+861055550121"


def folder(ward: Ward) -> Path:
    return ward.house.service(downtime.Sheets).folder


def sheets(ward: Ward) -> list[str]:
    return sorted(path.name for path in folder(ward).iterdir())


def works(ward: Ward) -> int:
    """One firing of the tick, and what it asked for. Returns how many sheets were asked for."""
    with ward.house.transaction() as session:
        downtime.tick(session, ward.now)
        asked = session.execute(
            sa.text("DELETE FROM procrastinate_jobs WHERE task_name = 'downtime_sheet' RETURNING id")
        ).all()
    for _ in asked:
        jobs.handlers()["downtime_sheet"](ward.house)
    return len(asked)


def on_duty(ward: Ward, name: str, tier: str, *, starts: float = -1, hours: float = 48) -> None:
    with ward.house.transaction() as session:
        begin = ward.now + timedelta(hours=starts)
        session.add(
            Shift(
                id=new_id(), department="*", tier=tier, position=1, doctor=name, doctor_index=name.encode(),
                phone=DOCTOR, language="en", starts_at=begin, ends_at=begin + timedelta(hours=hours),
            )
        )  # fmt: skip


def waits(ward: Ward, patient_id: object, *, status: str = "ringing", minutes: int = 1) -> None:
    with ward.house.transaction() as session:
        call = Call(
            id=new_id(), kind="hotline", party=PHONE, party_index=b"p", status="completed", sid=f"CA{new_id().hex}",
            started_at=ward.now, deadline_at=ward.now,
        )  # fmt: skip
        session.add(call)
        session.flush()
        keyed = ward.now - timedelta(minutes=minutes)
        session.add(
            Escalation(
                id=new_id(), call_id=call.id, patient_id=patient_id, to=PHONE, to_index=b"p", language="en",
                department="surgery", score=7, flags=["bleeding"], record_on=False, status=status, chain=[],
                keyed_at=keyed, stored_at=keyed, promise_at=keyed + timedelta(minutes=5),
            )
        )  # fmt: skip


def page(ward: Ward) -> str:
    with ward.house.transaction() as session:
        return html(downtime.sheet(session, ward.now))


def rows(ward: Ward, title: str) -> list[str]:
    with ward.house.transaction() as session:
        made = downtime.sheet(session, ward.now)
    (section,) = [section for section in made.sections if section.title == downtime.label(title)]
    return [" | ".join(row.values()) for row in section.rows]


# ---- what is on it -------------------------------------------------------------------------------------
def test_it_says_who_waits_longest_first_and_with_a_number(ward: Ward) -> None:
    known = ward.patient()
    waits(ward, known, minutes=6)
    waits(ward, None, status="accepted")
    waits(ward, known, status="closed")
    first, second = rows(ward, "waits")
    for words in (
        "Ann Example (S-1, 69)",
        PHONE,
        "疼痛 / pain 7, bleeding",
        "surgery",
        "no doctor yet",
        "LATE",
        "09:54",
    ):
        assert words in first, words
    assert "a doctor has accepted" in second
    assert "LATE" not in second


def test_it_says_who_is_on_duty_by_tier_for_a_day(ward: Ward) -> None:
    on_duty(ward, "Dr Head", "head")
    on_duty(ward, "Dr Later", "1", starts=23, hours=8)
    on_duty(ward, "Dr Now", "1")
    on_duty(ward, "Dr Tomorrow", "1", starts=25)
    on_duty(ward, "Dr Yesterday", "1", starts=-30, hours=10)
    assert [re.findall("Dr [A-Z][a-z]+", row) for row in rows(ward, "duty")] == [["Dr Now"], ["Dr Later"], ["Dr Head"]]
    assert all(DOCTOR in row for row in rows(ward, "duty"))


def test_it_says_whom_to_ring(ward: Ward) -> None:
    hospital(ward.house, hospital={"night_target": NIGHT})
    told = "\n".join(rows(ward, "if_dead"))
    assert all(number in told for number in (NIGHT, OPERATOR, "120"))
    assert HOTLINE in page(ward)


def test_it_says_which_follow_ups_come_next(ward: Ward) -> None:
    ward.operation(ward.patient(), timedelta(hours=2))  # 6h is due in four hours
    ward.operation(ward.patient("+8613800000009", mrn="S-2"), timedelta(hours=10), external_id="OP-2")
    told = rows(ward, "followups")
    assert len(told) == 2
    assert "S-1" in told[1]
    assert "6h" in told[1]
    assert PHONE in told[1]


def test_more_follow_ups_than_fit_are_counted(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downtime, "MOST_FOLLOWUPS", 2)
    patient = ward.patient()
    for number in range(5):
        ward.operation(patient, timedelta(hours=6), external_id=f"OP-{number}")
    told = rows(ward, "followups")
    assert len(told) == 3
    assert "3 其余未列 / more, not listed" in told[-1]


def test_an_empty_hospital_has_a_sheet_too(ward: Ward) -> None:
    assert rows(ward, "waits") == rows(ward, "duty") == rows(ward, "followups") == ["无 / nobody"]


def test_the_page_is_one_file_in_both_languages_for_paper_and_telephone(ward: Ward) -> None:
    on_duty(ward, "<script>alert(1)</script>", "1")
    told = page(ward)
    assert "停机备用单 / Down-time sheet" in told
    assert "size: A4" in told
    assert 'name="viewport"' in told
    assert "default-src 'none'" in told
    assert "<script>" not in told
    assert all(zh and en and zh != en for zh, en in downtime.LABELS.values())


# ---- the file ------------------------------------------------------------------------------------------
def test_only_the_owner_may_read_it_and_its_name_tells_nothing(ward: Ward) -> None:
    path = downtime.write(ward.house)
    assert path.name == "downtime-20310307T02Z.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sheets(ward) == [path.name]


def test_it_is_written_at_the_start_and_then_every_hour(ward: Ward) -> None:
    ward.forward(minutes=20)
    assert works(ward) == 1
    assert works(ward) == 0
    ward.forward(minutes=39)
    assert works(ward) == 0
    ward.forward(minutes=1)
    assert works(ward) == 1
    assert sheets(ward) == ["downtime-20310307T02Z.html", "downtime-20310307T03Z.html"]


def test_a_process_that_starts_within_the_hour_writes_it_anew(ward: Ward) -> None:
    works(ward)
    waits(ward, ward.patient())
    ward.house.services[downtime.Sheets] = downtime.Sheets(ward.house.settings)
    works(ward)
    (name,) = sheets(ward)
    assert "Ann Example" in (folder(ward) / name).read_text(encoding="utf-8")


def test_the_last_three_are_kept_and_what_is_not_ours_is_left_alone(ward: Ward) -> None:
    works(ward)
    (folder(ward) / "menu.html").write_text("soup", encoding="utf-8")
    for _ in range(5):
        ward.forward(hours=1)
        works(ward)
    assert sheets(ward) == [*(f"downtime-20310307T0{hour}Z.html" for hour in (5, 6, 7)), "menu.html"]


def test_what_a_killed_process_left_behind_goes(ward: Ward) -> None:
    works(ward)
    left = folder(ward) / f".downtime-{'a' * 16}.tmp"
    left.write_text("half", encoding="utf-8")
    os.utime(left, (1, 1))
    downtime.write(ward.house)
    assert not left.exists()


def test_a_reader_never_finds_half_a_sheet(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    path = downtime.write(ward.house)
    before = path.read_text(encoding="utf-8")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    waits(ward, ward.patient())
    with pytest.raises(OSError, match="No space"):
        downtime.write(ward.house)
    assert path.read_text(encoding="utf-8") == before
    assert sheets(ward) == [path.name]


def test_a_folder_that_cannot_be_written_is_an_error_in_the_log_and_tried_again(
    ward: Ward, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("in the way", encoding="utf-8")
    ward.house.service(downtime.Sheets).folder = blocked / "sheets"
    assert works(ward) == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    problem = downtime.problem(ward.house, ward.now)
    assert problem is not None
    assert "cannot be used" in problem
    blocked.unlink()
    assert works(ward) == 1
    assert sheets(ward) == ["downtime-20310307T02Z.html"]
    assert downtime.problem(ward.house, ward.now) is None


def test_a_sheet_that_grows_old_is_a_fault_and_none_at_all_before_the_start_is_not(ward: Ward) -> None:
    assert downtime.problem(ward.house, ward.now) is None
    works(ward)
    ward.forward(hours=2)
    assert downtime.problem(ward.house, ward.now) is None
    ward.forward(hours=1)
    assert downtime.problem(ward.house, ward.now) == "the last one is 3 hours old: is a worker running?"


def test_one_that_hangs_does_not_pile_up(ward: Ward) -> None:
    for _ in range(4):
        with ward.house.transaction() as session:
            downtime.tick(session, ward.now)
        ward.forward(hours=1)
    with ward.house.transaction() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM procrastinate_jobs")) == 1


def test_the_folder_is_the_hospitals(ward: Ward, tmp_path: Path) -> None:
    assert folder(ward) == ward.house.settings.home / "downtime"
    hospital(ward.house, escalation={"downtime_dir": str(tmp_path / "shared")})
    assert downtime.Sheets(ward.house.settings).folder == tmp_path / "shared"
    assert ward.now == MID_MORNING
