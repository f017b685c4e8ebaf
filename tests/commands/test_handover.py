"""The hand-over: everything the next person has to know, on one page, in the staff's language, for nobody else."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

import app
from commands.handover_page import page, text_lines
from commands.handover_sheet import Alarm, Operation, Said, Sheet, WaveRow, sheet
from commands.handover_words import STATES, WORDS, Speech
from core import events, people, settings
from core.db import blind
from core.house import House
from core.models import EventRow, Patient
from core.page import Page, html
from core.values import KNOWN_LANGUAGES
from dialer.models import Call
from ivr import corrections
from ivr.flow import load_questions
from ivr.models import Answer
from ivr.prompts import load_prompts
from ivr.questions import Questionnaire
from scheduler.machine import OPEN, OVER
from scheduler.worklist import Item, Try
from tests.commands.conftest import Carecall
from tests.conftest import StandingClock
from tests.house import ROOT
from tests.scheduler.clinic import PHONE, SECOND_PHONE, Ward

NOW = datetime(2031, 3, 15, 2, 0, tzinfo=UTC)
OPERATED = NOW - timedelta(days=8)


def speech(language: str) -> Speech:
    asked = load_questions(ROOT / "flows")
    assert asked is not None
    return Speech(language, load_prompts(ROOT / "prompts", (language,)), asked)


def said(wave: str, hours: float, question: str, value: str, level: str = "", **more: object) -> Said:
    defaults: dict[str, object] = {"proxy": False, "spoken": question == "open"}
    return Said(wave, OPERATED + timedelta(hours=hours), question, value, level, **(defaults | more))  # type: ignore[arg-type]


def ordinary() -> Sheet:
    """Eight days after an operation: three waves asked in full, an alarm, a correction, a wave nobody answered."""
    first = [("pain", "5", ""), ("bleeding", "no", ""), ("fluids", "no", ""), ("urine", "yes", ""),
             ("limb", "numb", "C"), ("doctor", "no", "")]  # fmt: skip
    second = [("pain", "7", ""), ("pain_moving", "8", ""), ("chest", "no", ""), ("bleeding", "no", ""),
              ("wound", "yes", "B"), ("redness", "unsure", ""), ("fever", "from_38.0", "C"), ("fluids", "no", ""),
              ("urine", "yes", ""), ("bowel", "yes", ""), ("reaction", "no", ""), ("medicine", "no", "C"),
              ("relief", "yes", ""), ("walking", "yes", ""), ("instructions", "yes", ""),
              ("open", "RE1", "")]  # fmt: skip
    answers = [said("6h", 6, *one) for one in first] + [said("48h", 49, *one, proxy=True) for one in second]
    answers += [
        said("7d", 170, "pain", "2", was="3", corrected_by="nurse", corrected_at=NOW, reason="heard <b>two</b>"),
        said("7d", 170, "fever", "no"),
        said("", 175, "message", "RE2", spoken=True),
    ]
    pain = {one.wave: one for one in answers if one.question == "pain"}
    tries = [
        Try(OPERATED + timedelta(days=8), "ring", 1, "no_answer"),
        Try(OPERATED + timedelta(days=8, hours=3), "ring", None, "busy"),
        Try(OPERATED + timedelta(days=8, hours=9), "refused", None, "rings_per_day", 4),
    ]

    def wave(name: str, hours: int, state: str, **more: object) -> WaveRow:
        kept = {"held": False, "tries": 1, "reason": "", "pain": pain.get(name)} | more
        return WaveRow(name, "OP-1", state, due_at=OPERATED + timedelta(hours=hours), **kept)  # type: ignore[arg-type]

    return Sheet(
        made_at=NOW,
        zone=ZoneInfo("Asia/Shanghai"),
        name="Ann <script>alert(1)</script> Example",
        mrn="T-0001",
        sex="f",
        birth_date="1961-05-06",
        age=69,
        status="active",
        allergies="penicillin & latex",
        operations=[
            Operation("OP-1", "hernia repair", "surgery", "Dr One", OPERATED, 192, OPERATED + timedelta(days=2), False)
        ],
        waves=[
            wave("6h", 6, "completed"),
            wave("48h", 48, "completed", tries=2),
            wave("7d", 168, "completed"),
            wave("extra-1", 192, "unreached", tries=2, reason="no_answer", history=tries),
            wave("30d", 720, "planned", tries=0, held=True),
        ],
        answers=answers,
        alarms=[Alarm(OPERATED + timedelta(hours=49), 7, ["wound"], "closed", 4, 31, 62, 310, 248, True)],
        work=[
            Item(uuid.uuid4(), "red_flag", True, "T-0001", "48h", "medicine", "open", 1, NOW + timedelta(hours=3),
                 False, NOW, None, "", None)
        ],
    )  # fmt: skip


# ---- the page ------------------------------------------------------------------------------------------
def test_everything_is_on_it() -> None:
    lines = text_lines(page(ordinary(), speech("en")))
    text = " ".join(" ".join(lines).split())
    for expected in (
        "Record: T-0001", "Hours since 192", "hernia repair · surgery · Dr One", "5 (moderate pain)", "7 (severe pain)",
        "relative", "Is the wound bleeding", "yes [B]", "from 38.0 [C]", "2 (mild pain) *", "heard <b>two</b>",
        "score 7, Is the wound bleeding", "1:02", "LATE", "A warning sign for today", "planned (held)",
        "number 1 no answer", "number ? busy", "not rung: rung often enough today x4",
        "In their own words: recorded", "hotline",
        "penicillin & latex", "1961-05-06 (69 years)",
    ):  # fmt: skip
        assert expected in text, expected
    assert max(len(line) for line in lines) <= 130


def test_in_the_staffs_language() -> None:
    made = page(ordinary(), speech("zh-CN"))
    text = "\n".join(text_lines(made))
    for expected in (
        "术后随访交接单",
        "中度疼痛",
        "亲属",
        "警示症状",
        "未联系上",
        "无人接听",
        "38.0 度以上",
        "请当天回电",
    ):
        assert expected in text, expected
    words = re.findall(r"[a-z_]{4,}", " ".join(cell for s in made.sections for row in s.rows for cell in row.values()))
    assert set(words) <= {"nurse", "heard", "extra"}, "left in English"


def test_both_languages_say_the_same_things() -> None:
    assert set(WORDS) == set(KNOWN_LANGUAGES)
    chinese, english = (set(WORDS[language]) for language in KNOWN_LANGUAGES)
    assert chinese == english
    assert set(OPEN) | OVER <= set(STATES)


def test_the_gravest_first() -> None:
    made = page(ordinary(), speech("en"))
    assert [row["Level"] for row in made.sections[0].rows] == ["B", "C", "C", "C"]
    assert [section.title for section in made.sections if section.loud] == ["Warning signs", "Open work"]


def test_a_question_nobody_knows_is_its_key() -> None:
    plain = Speech("en", load_prompts(ROOT / "prompts", ("en",)), Questionnaire())
    assert plain.question("left_knee") == "left knee"
    assert plain.value("left_knee", "very_stiff", spoken=False) == "very stiff"


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_document_fetches_nothing_runs_nothing_and_escapes_everything() -> None:
    text = html(page(ordinary(), speech("en")))
    tags = _Tags(text).tags
    assert {"script", "img", "link", "iframe", "b"}.isdisjoint(tag for tag, _ in tags)
    assert not any({"src", "href", "style", "onload"} & set(attributes) for _, attributes in tags)
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert "Ann &lt;script&gt;alert(1)" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium, which prints the page")
@pytest.mark.parametrize("language", KNOWN_LANGUAGES)
def test_an_ordinary_patient_fits_one_page(tmp_path: Path, language: str) -> None:
    assert CHROMIUM is not None
    source, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    source.write_text(html(page(ordinary(), speech(language))), encoding="utf-8")
    subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--no-pdf-header-footer", f"--print-to-pdf={printed}", source.as_uri()],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())) == 1


# ---- from the tables -----------------------------------------------------------------------------------
@pytest.fixture
def ward(at_work: Carecall) -> Iterator[Ward]:
    house: House = app.open_house(settings.load())
    house.clock = StandingClock(datetime.now(UTC))
    yield Ward(house)
    house.engine.dispose()


def told(ward: Ward, mrn: str = "H-1") -> uuid.UUID:
    """One wave answered by key, corrected; an escalation on its way; the next wave planned."""
    patient = ward.patient(PHONE, SECOND_PHONE, mrn=mrn)
    with ward.house.transaction() as session:
        session.get_one(Patient, patient).mrn_index = blind(mrn, people.MRN)
        people.set_consent(session, patient, "night", True, "import", ward.now)
    procedure = ward.operation(patient, timedelta(hours=6), name="hernia repair")
    attempt = ward.rung()
    ward.post(attempt)
    call = ward.answer(attempt)
    row = ward.first(procedure)
    with ward.house.transaction() as session:
        session.get_one(Call, call).patient_id = patient
        score = Answer(
            call_id=call, patient_id=patient, subject_id=row.id, question="pain", value="3", keyed_at=ward.now,
            confirmed_at=ward.now,
        )  # fmt: skip
        session.add(score)
        session.flush()
        score_id = score.id
        events.publish(session, events.ScoreStands(call, 3, ward.now, "key"), ward.now)
    ward.interview(attempt, call, "completed")
    ward.hear(attempt, "completed")
    with ward.house.transaction() as session:
        corrections.correct(session, score_id, "7", "heard again", "nurse", ward.now)
    return patient


def made(ward: Ward, patient: uuid.UUID) -> Page:
    with ward.house.transaction() as session:
        read = sheet(session, session.get_one(Patient, patient), ZoneInfo("Asia/Shanghai"), ward.now)
    return page(read, speech("en"))


def test_the_sheet_is_what_the_tables_say(ward: Ward) -> None:
    sections = {section.title: section.rows for section in made(ward, told(ward)).sections}
    first, *others = sections["Follow-ups"]
    assert (first["Wave"], first["State"], first["Pain"], first["By"]) == (
        "6h",
        "completed",
        "7 (severe pain)",
        "patient",
    )
    assert [row["State"] for row in others] == ["planned"] * 4
    [correction] = sections["Corrections"]
    assert (correction["Was"], correction["Is"], correction["By"], correction["Reason"]) == (
        "3 (mild pain)", "7 (severe pain)", "nurse", "heard again",
    )  # fmt: skip
    [alarm] = sections["Doctor's call-backs"]
    assert alarm["Cause"] == "score 7"
    assert "Not reached" not in sections


def test_the_command_writes_for_its_owner_only_and_says_who_read(at_work: Carecall, ward: Ward, tmp_path: Path) -> None:
    patient = told(ward)
    target = tmp_path / "page.html"
    target.write_text("old")
    target.chmod(0o644)
    done = at_work("handover", "--patient", "H-1", "--html", str(target))
    assert (done.code, done.err) == (0, "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "Ann Example" in target.read_text(encoding="utf-8")
    assert "术后随访交接单" in target.read_text(encoding="utf-8")
    assert "Ann Example" in at_work("handover", "--patient", "H-1", "--language", "en").out
    with ward.house.transaction() as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.what == "handover read").order_by(EventRow.id)).all()
        assert [(row.subject_id, row.data["file"], bool(row.who)) for row in rows] == [
            (patient, True, True), (patient, False, True),
        ]  # fmt: skip


def test_where_it_cannot_be_written_and_who_is_not_on_file(at_work: Carecall, ward: Ward, tmp_path: Path) -> None:
    told(ward)
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "elsewhere.html")
    for target in (tmp_path / "no" / "page.html", link):
        done = at_work("handover", "--patient", "H-1", "--html", str(target))
        assert (done.code, done.out) == (2, "")
        assert "cannot be written" in done.err
    assert not (tmp_path / "elsewhere.html").exists()
    assert "no patient with this record number" in at_work("handover", "--patient", "H-9").err
