"""The roster as a calendar file: zones, rules, exceptions, daylight saving; what is refused; the way there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from core.models import EventRow
from core.tables import FileProblem, RowReport
from dialer import roster, roster_calendar
from dialer.models import Attempt, Shift
from tests.dialer.ward import DOCTOR_PHONES, Ward

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
PHONE = DOCTOR_PHONES[1]
REACHED = f"X-CARECALL-PHONE:{PHONE}"
ONCE = ("SUMMARY:Dr Li", "DTSTART:20310310T200000", "DTEND:20310311T080000", REACHED)


def event(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def file(tmp_path: Path, *events: str, name: str = "roster.ics") -> Path:
    path = tmp_path / name
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN"]
    path.write_text("\r\n".join([*head, *events, "END:VCALENDAR", ""]), encoding="utf-8")
    return path


def bring(ward: Ward, path: Path, **words: object) -> list[RowReport]:
    told = {"department": "*", "tier": "1"} | words
    return roster_calendar.import_calendar(ward.house, path, ward.now, **told)  # type: ignore[arg-type]


def one(ward: Ward, tmp_path: Path, *lines: str) -> RowReport:
    [report] = bring(ward, file(tmp_path, event(*lines)))
    return report


def shifts(ward: Ward) -> list[Shift]:
    with ward.house.transaction() as session:
        return list(session.scalars(sa.select(Shift).order_by(Shift.starts_at, Shift.position)))


def walls(ward: Ward, zone: ZoneInfo = SHANGHAI) -> list[tuple[str, str]]:
    return [
        (f"{shift.starts_at.astimezone(zone):%m-%d %H:%M}", f"{shift.ends_at.astimezone(zone):%m-%d %H:%M}")
        for shift in shifts(ward)
    ]


# ---- when ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "end", "begins", "ends"),
    [
        ("DTSTART:20310310T200000", "DTEND:20310311T080000", "03-10 20:00", "03-11 08:00"),  # floating
        ("DTSTART:20310310T120000Z", "DTEND:20310311T000000Z", "03-10 20:00", "03-11 08:00"),
        ("DTSTART;TZID=Europe/Berlin:20310310T130000", "DTEND;TZID=Asia/Shanghai:20310311T080000",
         "03-10 20:00", "03-11 08:00"),
        ("DTSTART;TZID=China Standard Time:20310310T200000", "DURATION:PT12H", "03-10 20:00", "03-11 08:00"),
        ("DTSTART;VALUE=DATE:20310310", "DTEND;VALUE=DATE:20310312", "03-10 00:00", "03-12 00:00"),
        ("DTSTART;VALUE=DATE:20310310", "", "03-10 00:00", "03-11 00:00"),
        ("DTSTART:20310310T200000", "DURATION:P1D", "03-10 20:00", "03-11 20:00"),
    ],
)  # fmt: skip
def test_every_way_to_say_when(ward: Ward, tmp_path: Path, start: str, end: str, begins: str, ends: str) -> None:
    lines = [line for line in ("SUMMARY:Dr Li", start, end, REACHED) if line]
    assert one(ward, tmp_path, *lines) == RowReport(1, "created")
    assert walls(ward) == [(begins, ends)]


def test_a_zone_the_file_itself_describes(ward: Ward, tmp_path: Path) -> None:
    zone = "\r\n".join([
        "BEGIN:VTIMEZONE", "TZID:Our Own", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0800",
        "TZOFFSETTO:+0800", "TZNAME:OWN", "END:STANDARD", "END:VTIMEZONE",
    ])  # fmt: skip
    shift = event("SUMMARY:Dr Li", "DTSTART;TZID=Our Own:20310310T200000", "DURATION:PT12H", REACHED)
    bring(ward, file(tmp_path, zone, shift))
    assert walls(ward) == [("03-10 20:00", "03-11 08:00")]


def test_a_night_over_the_change_of_the_clocks_is_eleven_or_thirteen_hours_long(ward: Ward, tmp_path: Path) -> None:
    """Berlin, 2031: clocks go forward on 30 March and back on 26 October."""
    report = one(
        ward, tmp_path, "SUMMARY:Dr Li", "DTSTART;TZID=Europe/Berlin:20310308T200000",
        "DTEND;TZID=Europe/Berlin:20310309T080000", "RRULE:FREQ=WEEKLY;BYDAY=SA;UNTIL=20311101T000000Z", REACHED,
    )  # fmt: skip
    lengths = {
        f"{s.starts_at.astimezone(BERLIN):%m-%d}": (s.ends_at - s.starts_at) / timedelta(hours=1) for s in shifts(ward)
    }
    assert report.detail == "34 created"
    assert {day: length for day, length in lengths.items() if length != 12} == {"03-29": 11, "10-25": 13}
    assert {wall for begin, end in walls(ward, BERLIN) for wall in (begin[6:], end[6:])} == {"20:00", "08:00"}


def test_a_duration_in_hours_is_so_many_hours_whatever_the_clocks_show(ward: Ward, tmp_path: Path) -> None:
    one(ward, tmp_path, "SUMMARY:Dr Li", "DTSTART;TZID=Europe/Berlin:20310329T200000", "DURATION:PT12H", REACHED)
    assert walls(ward, BERLIN) == [("03-29 20:00", "03-30 09:00")]


def test_a_rule_with_days_taken_out_moved_and_added(ward: Ward, tmp_path: Path) -> None:
    zone = "TZID=Asia/Shanghai"
    rule = event(
        "UID:a", "SUMMARY:Dr Li", f"DTSTART;{zone}:20310310T200000", f"DTEND;{zone}:20310311T080000",
        "RRULE:FREQ=DAILY;COUNT=6", f"EXDATE;{zone}:20310311T200000", "EXDATE;VALUE=DATE:20310312",
        f"RDATE;{zone}:20310320T200000", REACHED,
    )  # fmt: skip
    moved = event(
        "UID:a", f"RECURRENCE-ID;{zone}:20310313T200000", "SUMMARY:Dr Wu", f"DTSTART;{zone}:20310313T220000",
        f"DTEND;{zone}:20310314T060000", f"X-CARECALL-PHONE:{DOCTOR_PHONES[2]}",
    )  # fmt: skip
    off = event("UID:a", "RECURRENCE-ID:20310314T120000Z", "STATUS:CANCELLED", f"DTSTART;{zone}:20310314T200000")
    [report] = bring(ward, file(tmp_path, rule, moved, off))
    assert (report.result, report.detail) == ("created", "4 created")
    assert walls(ward) == [
        ("03-10 20:00", "03-11 08:00"), ("03-13 22:00", "03-14 06:00"), ("03-15 20:00", "03-16 08:00"),
        ("03-20 20:00", "03-21 08:00"),
    ]  # fmt: skip
    assert [shift.doctor for shift in shifts(ward)] == ["Dr Li", "Dr Wu", "Dr Li", "Dr Li"]


def test_a_rule_without_an_end_is_followed_for_four_hundred_days_from_now(ward: Ward, tmp_path: Path) -> None:
    one(ward, tmp_path, "SUMMARY:Dr Li", "DTSTART:20200101T200000", "DURATION:PT12H", "RRULE:FREQ=DAILY", REACHED)
    rows = shifts(ward)
    assert len(rows) == 400
    assert all(row.ends_at > ward.now and row.starts_at < ward.now + roster_calendar.AHEAD for row in rows)


def test_what_is_over_is_left(ward: Ward, tmp_path: Path) -> None:
    report = one(ward, tmp_path, "SUMMARY:Dr Li", "DTSTART:20310101T200000", "DURATION:PT12H", REACHED)
    assert (report, shifts(ward)) == (RowReport(1, "unchanged", "no shift from now on"), [])


# ---- who -----------------------------------------------------------------------------------------------
def test_a_doctor_is_named_by_summary_attendee_or_organizer(ward: Ward, tmp_path: Path) -> None:
    when = ("DTSTART:20310310T200000", "DURATION:PT12H", REACHED)
    bring(
        ward,
        file(
            tmp_path,
            event("SUMMARY:  Dr   Li ", 'ATTENDEE;CN="Dr No":mailto:no@example.org', *when),
            event('ATTENDEE:mailto:x@example.org', 'ATTENDEE;CN="Dr Wu":mailto:wu@example.org', *when),
            event("SUMMARY:", "ORGANIZER;CN=Dr Xu:mailto:xu@example.org", *when),
        ),
    )  # fmt: skip
    assert [shift.doctor for shift in shifts(ward)] == ["Dr Li", "Dr Wu", "Dr Xu"]


def test_how_a_doctor_is_reached_is_known_from_the_roster_on_file(ward: Ward, tmp_path: Path) -> None:
    ward.doctor(3, name="Dr Li")
    assert bring(ward, file(tmp_path, event(*ONCE)))[0].result == "created"
    assert {shift.phone for shift in shifts(ward)} == {DOCTOR_PHONES[3]}, "not the event's own"


def test_an_event_may_say_all_there_is(ward: Ward, tmp_path: Path) -> None:
    assert one(
        ward, tmp_path, *ONCE, f"X-CARECALL-PHONE2:{DOCTOR_PHONES[2]}", "X-CARECALL-PIN:4711", "X-CARECALL-LANGUAGE:en",
        "X-CARECALL-TIER:head", "X-CARECALL-DEPARTMENT:eyes",
    ).result == "created"  # fmt: skip
    [shift] = shifts(ward)
    told = (shift.phone, shift.phone2, shift.pin, shift.language, shift.tier, shift.department)
    assert told == (PHONE, DOCTOR_PHONES[2], "4711", "en", "head", "eyes")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (ONCE[:3], "no number: the doctor is not on the roster"),
        (("X-CARECALL-PHONE:12",), "phone is not a telephone number"),
        (("X-CARECALL-LANGUAGE:xx",), "language must be one of"),
        (("X-CARECALL-TIER:first",), "tier must be 1, 2, …, head or president"),
        (("SUMMARY:",), "doctor must not be empty"),
        (("DTSTART:garbage",), "DTSTART cannot be read"),
        (("DTEND:garbage",), "DTEND cannot be read"),
        (("DTSTART;TZID=Nowhere/Land:20310310T200000",), "a time zone that is not known: Nowhere/Land"),
        (("DTSTART:20310311T080000",), "the end must be after the start"),
        (("DTEND:20310911T080000",), "a shift of more than 62 days"),
        (("RRULE:FREQ=MINUTELY",), "RRULE must repeat DAILY, WEEKLY, MONTHLY or YEARLY"),
        (("RRULE:FREQ=WEEKLY;BYDAY=XX",), "RRULE cannot be read"),
        (("RRULE:nonsense",), "RRULE"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_alone_with_its_reason(
    ward: Ward, tmp_path: Path, lines: tuple[str, ...], sentence: str
) -> None:
    names = {line.partition(":")[0].partition(";")[0] for line in lines}
    kept = () if lines == ONCE[:3] else tuple(line for line in ONCE if line.partition(":")[0] not in names)
    good = event("SUMMARY:Dr Wu", *ONCE[1:])
    reports = bring(ward, file(tmp_path, event(*kept, *lines), good))
    assert [report.result for report in reports] == ["refused", "created"]
    assert sentence in reports[0].detail
    assert [shift.doctor for shift in shifts(ward)] == ["Dr Wu"], "nothing half-done"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ((event("SUMMARY:Dr Li", "DTSTART:20310310T200000", REACHED),), "when does the shift end?"),
        ((event("SUMMARY:Dr Li", "DURATION:PT1H", REACHED),), "DTSTART is missing"),
        ((event("UID:a", *ONCE), event("UID:a", *ONCE)), "two events have the same UID"),
        ((event("UID:a", *ONCE), event("UID:b", *ONCE)), "the same doctor begins twice at the same time"),
        ((event("UID:a", "RECURRENCE-ID;RANGE=THISANDFUTURE:20310310T200000", *ONCE),), "RANGE is not understood"),
    ],
)
def test_events_that_do_not_make_a_shift(ward: Ward, tmp_path: Path, events: tuple[str, ...], sentence: str) -> None:
    assert sentence in bring(ward, file(tmp_path, *events))[-1].detail


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x00\xff\xfe", b"BEGIN:VCALENDAR\r\n", b"END:VCALENDAR", b"BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT",
     b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nDTSTART:2031"],
)  # fmt: skip
def test_a_file_that_is_no_calendar_is_one_sentence(ward: Ward, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.ics"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="this is n"):
        bring(ward, path)
    assert shifts(ward) == []


@pytest.mark.parametrize("inside", ["no colon at all", "BEGIN:VEVENT\r\nSUMMARY:x", "END:VEVENT", "BEGIN:\r\nEND:"])
def test_a_calendar_that_is_torn_inside_makes_no_shift(ward: Ward, tmp_path: Path, inside: str) -> None:
    path = file(tmp_path, inside)
    refused: list[str] = []
    try:
        refused = [report.result for report in bring(ward, path)]
    except FileProblem:
        refused = ["refused"]
    assert set(refused) <= {"refused"}
    assert shifts(ward) == []


def test_a_file_that_is_not_there_and_a_tier_that_is_none(ward: Ward, tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="cannot be read"):
        bring(ward, tmp_path / "none.ics")
    with pytest.raises(FileProblem, match="--tier: tier must be"):
        bring(ward, file(tmp_path), tier="first")


# ---- again ---------------------------------------------------------------------------------------------
def test_importing_again_changes_nothing_and_a_new_end_is_an_update(ward: Ward, tmp_path: Path) -> None:
    path = file(tmp_path, event("UID:a", *ONCE))
    bring(ward, path)
    before = [(shift.id, shift.position, shift.ends_at) for shift in shifts(ward)]
    assert bring(ward, path) == [RowReport(1, "unchanged")]
    assert [(shift.id, shift.position, shift.ends_at) for shift in shifts(ward)] == before
    longer = [line.replace("DTEND:20310311T080000", "DTEND:20310311T100000") for line in ONCE]
    assert one(ward, tmp_path, "UID:a", *longer) == RowReport(1, "updated")
    assert walls(ward) == [("03-10 20:00", "03-11 10:00")]


def test_a_dry_run_keeps_nothing(ward: Ward, tmp_path: Path) -> None:
    assert bring(ward, file(tmp_path, event(*ONCE)), dry_run=True) == [RowReport(1, "created")]
    assert shifts(ward) == []


def test_what_is_gone_from_the_calendar_is_told_and_deleted_only_when_asked(ward: Ward, tmp_path: Path) -> None:
    ward.doctor(3, tier="2")  # another tier: not this calendar's
    running = ward.doctor(4, ends=timedelta(hours=5))
    coming = ward.doctor(5, starts=timedelta(hours=5), ends=timedelta(hours=9))
    ward.placed(ward.ring("doctor", running.phone, shift_id=running.id))
    path = file(tmp_path, event(*ONCE))
    told = bring(ward, path)
    assert [report.result for report in told] == ["created", "gone", "gone"]
    assert told[1].detail == "Dr 4, * 1, 2031-03-06 10:00"
    assert len(shifts(ward)) == 4
    assert [report.result for report in bring(ward, path, replace=True)] == ["unchanged", "deleted", "deleted"]
    left = {shift.doctor: shift for shift in shifts(ward)}
    assert set(left) == {"Dr 3", "Dr 4", "Dr Li"}
    assert left["Dr 4"].ends_at == ward.now, "a shift that has begun ends now; a ring refers to it"
    with ward.house.transaction() as session:
        assert session.scalar(sa.select(Attempt.shift_id)) == running.id
        rows = session.scalars(sa.select(EventRow).where(EventRow.subject_id.in_([running.id, coming.id])))
        assert sorted((row.kind, row.what) for row in rows) == [("shift", "deleted"), ("shift", "ended")]


def test_nothing_is_deleted_when_an_event_was_refused(ward: Ward, tmp_path: Path) -> None:
    ward.doctor(5)
    reports = bring(ward, file(tmp_path, event(*ONCE), event("UID:bad", *ONCE[1:])), replace=True)
    assert [report.result for report in reports] == ["created", "refused", "gone", "unchanged"]
    assert len(shifts(ward)) == 2


# ---- out and in ----------------------------------------------------------------------------------------
FIELDS = ("department", "tier", "doctor", "phone", "phone2", "pin", "language", "starts_at", "ends_at")


def fields(ward: Ward) -> set[tuple[object, ...]]:
    return {tuple(getattr(shift, name) for name in FIELDS) for shift in shifts(ward)}


def exported(ward: Ward, **words: str) -> bytes:
    with ward.house.transaction() as session:
        return roster_calendar.exported(session, ward.now, **words)


def test_what_is_exported_comes_back_the_same_in_the_same_order(ward: Ward, tmp_path: Path) -> None:
    ward.doctor(2, name='李，医生; \\ "A"')
    ward.doctor(1, name="Dr One", department="eyes", tier="head")
    ward.doctor(3, name="Dr One", starts=timedelta(days=2))  # the same doctor with another number
    with ward.house.transaction() as session:
        first = session.scalars(sa.select(Shift).order_by(Shift.position)).first()
        assert first is not None
        first.phone2, first.pin, first.language = DOCTOR_PHONES[9], "0042", "zh-CN"
        order = roster.chain(session, "eyes", ("1", "head"), ward.now + timedelta(days=3))
    before, path = fields(ward), tmp_path / "out.ics"
    path.write_bytes(exported(ward))
    assert {report.result for report in bring(ward, path, department="", tier="")} == {"unchanged"}
    with ward.house.transaction() as session:
        session.execute(sa.delete(Shift))
    reports = bring(ward, path, department="", tier="", replace=True)
    assert [report.result for report in reports] == ["created"] * 3
    assert fields(ward) == before
    with ward.house.transaction() as session:
        again = roster.chain(session, "eyes", ("1", "head"), ward.now + timedelta(days=3))
    assert [step["tier"] for step in again] == [step["tier"] for step in order]


def test_a_part_of_it_is_exported_and_nothing_that_is_over(ward: Ward) -> None:
    ward.doctor(1, name="Dr A")
    ward.doctor(2, name="Dr B", tier="2", department="eyes")
    ward.doctor(3, name="Dr C", ends=timedelta())
    told = {
        words: exported(ward, **dict([words])).count(b"BEGIN:VEVENT")
        for words in (("department", "eyes"), ("tier", "1"), ("doctor", "Dr B"), ("doctor", "Dr C"))
    }
    assert list(told.values()) == [1, 1, 1, 0]
    assert exported(ward).count(b"BEGIN:VEVENT") == 2
    assert datetime.now(UTC).strftime("%Y").encode() not in exported(ward), "the clock of the house, not of the machine"
