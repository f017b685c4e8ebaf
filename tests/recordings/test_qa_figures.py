"""Agent-months, the day's lists, vetoes, agreement, and the monthly pack, all from reviews that people made."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta

import openpyxl
import pytest
import sqlalchemy as sa

from core.house import House
from core.models import Patient, new_id
from dialer.models import Agent, Call
from recordings.models import Recording
from recordings.quality import agreement, qa_export, qa_figures, vetoes
from recordings.quality.qa_pack_words import CODES, HEADS, SHEETS, TITLES
from recordings.quality.qa_shapes import AgentMonth, Mark
from recordings.quality.qa_words import DAY_IS_NOISE
from recordings.quality.vetoes import Complaint
from recordings.review_models import Review
from tests.recordings import days
from tests.recordings.listeners import DAY, NO, YES, Office
from tests.recordings.test_reviews import refused, statements

MARCH = date(2031, 3, 1)


def month(office: Office, first: date = MARCH) -> dict[str, AgentMonth]:
    with office.transaction() as session:
        return {line.login: line for line in qa_figures.month(session, first)}


def judged(office: Office, agents: dict[str, list[dict[str, Mark]]], parts: dict[int, str] | None = None) -> None:
    """A day on which each agent had so many calls, each with such marks; all final. `parts` changes the part of the
    n-th review, before anybody marks it."""
    of = {office.record(login): marks for login, calls in agents.items() for marks in calls}
    office.opened()
    if parts:
        with office.transaction() as session:
            for number, recording in enumerate(of):
                if number in parts:
                    session.execute(sa.update(Review).where(Review.subject_id == recording).values(part=parts[number]))
    for recording, marks in of.items():
        office.judge(office.review_of(recording), **marks)
    office.forward(days=4)
    office.tick()


GOOD: dict[str, Mark] = {}
SENT_AWAY = {"need_met": NO}  # 87.5
NO_NOTICE = {"recording_notice": NO}


# ---- months -------------------------------------------------------------------------------------------------


def test_an_agents_month_has_means_shares_and_intervals(office: Office) -> None:
    judged(office, {"amy": [GOOD] * 4 + [SENT_AWAY] * 2, "ben": [GOOD]})
    found = month(office)
    amy = found["amy"]
    assert amy.points.value == pytest.approx((400 + 175) / 6)
    assert (amy.points.n, amy.points.method, amy.points.note) == (6, "t", "few")
    assert amy.points.low is not None
    assert amy.points.low < 95.8 < 100 == amy.points.high
    assert amy.passed.value == pytest.approx(4 / 6)
    assert amy.passed.method == "wilson"
    assert amy.dimensions["resolution"].value == pytest.approx((400 + 100) / 6)
    assert amy.dimensions["tone"].value == 100
    assert found["ben"].points.note == "one"


def test_only_the_random_part_is_averaged(office: Office) -> None:
    """The same calls and marks with and without what was drawn for a risk or a re-check: not one figure of the scores
    moves."""
    judged(
        office,
        {"amy": [GOOD, GOOD, SENT_AWAY], "ben": [GOOD, NO_NOTICE, SENT_AWAY]},
        parts={4: "risk", 5: "recheck"},
    )
    ben = month(office)["ben"]
    assert (ben.points.value, ben.points.n, ben.passed.value, ben.fails) == (100, 1, 1.0, 0)
    assert (ben.watched, ben.watched_fails) == (2, 1), "looked at, and counted beside"
    assert {key: one.n for key, one in ben.dimensions.items()} == dict.fromkeys(ben.dimensions, 1)
    with office.transaction() as session:
        session.execute(sa.delete(Review).where(Review.part != "random", Review.state == "none"))
        assert {row.login for row in qa_figures.lists(session, DAY).red} == {"ben"}


def test_what_is_not_final_waits_and_a_second_rating_counts_nowhere(office: Office) -> None:
    recording = office.record("amy")
    office.opened()
    office.judge(office.review_of(recording))
    assert month(office) == {}
    office.judge(office.review_of(recording, seat=2), need_met=NO, recording_notice=NO)
    office.forward(days=4)
    office.tick()
    amy = month(office)["amy"]
    assert (amy.points.value, amy.points.n, amy.fails) == (100, 1, 0)


def test_volume_counts_above_the_floor_only(office: Office) -> None:
    judged(office, {"amy": [GOOD, GOOD], "ben": [SENT_AWAY, SENT_AWAY]})
    office.desk.of_month = {office.agents["amy"]: 300, office.agents["ben"]: 500}
    found = month(office)
    assert (found["amy"].talks, found["amy"].volume) == (300, 300)
    assert (found["ben"].talks, found["ben"].volume) == (500, None)


def test_a_months_borders_are_the_hospitals(office: Office) -> None:
    shanghai = datetime(2031, 3, 31, 15, 59, tzinfo=office.now.tzinfo)  # 23:59 there
    office.house.clock.at = shanghai  # type: ignore[attr-defined]
    last = office.record("amy")
    office.opened(day=date(2031, 3, 31))
    office.judge(office.review_of(last))
    office.forward(days=4)
    office.tick()
    assert month(office)["amy"].points.n == 1
    assert month(office, date(2031, 4, 1)) == {}


def test_lowest_twice_is_told_to_a_manager(office: Office) -> None:
    judged(office, {"amy": [GOOD], "ben": [SENT_AWAY]})
    assert not month(office)["ben"].lowest_twice
    office.house.clock.at = datetime(2031, 4, 7, 2, tzinfo=office.now.tzinfo)  # type: ignore[attr-defined]
    recordings = {office.record("amy"): GOOD, office.record("ben"): SENT_AWAY}
    office.opened(day=date(2031, 4, 7))
    for recording, marks in recordings.items():
        office.judge(office.review_of(recording), **marks)
    office.forward(days=4)
    office.tick()
    april = month(office, date(2031, 4, 1))
    assert (april["ben"].lowest_twice, april["amy"].lowest_twice) == (True, False)


def test_a_month_takes_a_fixed_number_of_questions(office: Office) -> None:
    judged(office, {"amy": [GOOD]})
    with statements(office.house) as few:
        month(office)
    judged_more = {f"agent{number}": [GOOD] * 3 for number in range(5)}
    for login in judged_more:
        office.hire(login)
    recordings = [office.record(login) for login, calls in judged_more.items() for _ in calls]
    with office.transaction() as session:
        from recordings.quality import reviews

        day = office.now.date()
        days.draw_day(session, day, 1, office.now)
        reviews.open_day(session, day, office.now)
    for recording in recordings:
        office.judge(office.review_of(recording))
    office.forward(days=4)
    office.tick()
    with statements(office.house) as many:
        assert len(month(office)) == 6
    assert len(many) == len(few)


def test_only_a_fail_that_was_lifted_is_overturned(office: Office) -> None:
    """Amy disputes a review she had passed, and it stands; Ben's fail is lifted."""
    from recordings.quality import reviews

    object.__setattr__(office.house.settings.file.qa, "second_share", 0.0)
    of = {"amy": office.record("amy"), "ben": office.record("ben")}
    office.opened()
    office.judge(office.review_of(of["amy"]))
    office.judge(office.review_of(of["ben"]), recording_notice=NO)
    with office.transaction() as session:
        for login, marks in (("amy", {}), ("ben", {"recording_notice": YES})):
            review = office.review_of(of[login])
            reviews.dispute(session, review.id, login, "not so", office.now)
            reviews.settle(session, review.id, "boss", marks, "heard", office.now)
    found = month(office)
    assert {login: (line.disputes, line.overturned) for login, line in found.items()} == {"amy": (1, 0), "ben": (1, 1)}


# ---- a day --------------------------------------------------------------------------------------------------


def test_red_and_black_with_the_warning_and_without_money(office: Office) -> None:
    for login in ("cat", "dan", "eve"):
        office.hire(login)
    judged(
        office,
        {
            "amy": [GOOD], "ben": [SENT_AWAY], "cat": [NO_NOTICE, GOOD], "dan": [GOOD], "eve": [{"own_name": NO}],
        },
    )  # fmt: skip
    with office.transaction() as session:
        told = qa_figures.lists(session, DAY)
    assert [line.login for line in told.red] == ["amy", "dan", "eve"]
    assert [line.login for line in told.black] == ["ben", "cat"]
    assert {line.money for line in (*told.red, *told.black)} == {0}
    assert told.warning == DAY_IS_NOISE
    assert set(told.warning) == {"zh-CN", "en"}
    assert all(line.points.low is None for line in told.red), "one call: no interval"


def test_money_is_a_setting(office: Office) -> None:
    judged(office, {"amy": [GOOD], "ben": [SENT_AWAY]})
    qa = office.house.settings.file.qa
    object.__setattr__(qa, "money", 50)
    with office.transaction() as session:
        told = qa_figures.lists(session, DAY)
    assert ([line.money for line in told.red], [line.money for line in told.black]) == ([50], [-50])


def test_a_disputed_review_is_on_no_list(office: Office) -> None:
    from recordings.quality import reviews

    recording = office.record("amy")
    office.opened()
    review = office.review_of(recording)
    office.judge(review, need_met=NO)
    with office.transaction() as session:
        assert [line.login for line in qa_figures.lists(session, DAY).black] == ["amy"]
        reviews.dispute(session, review.id, "amy", "agreed for four", office.now)
        told = qa_figures.lists(session, DAY)
    assert (told.red, told.black) == ((), ())


# ---- upheld complaints --------------------------------------------------------------------------------------


def test_a_complaint_vetoes_only_when_upheld_and_can_be_appealed(office: Office) -> None:
    judged(office, {"amy": [GOOD], "ben": [GOOD]})
    assert month(office)["amy"].veto == "", "that somebody complained is no veto"
    with office.transaction() as session:
        with refused("no_comment"):
            vetoes.uphold(session, "amy", Complaint("1234-56"), DAY, "boss", "", office.now)
        with refused("no_agent"):
            vetoes.uphold(session, "nobody", Complaint("1234-56"), DAY, "boss", "rude", office.now)
        veto = vetoes.uphold(session, "amy", Complaint("1234-56"), DAY, "boss", "rude, heard at 1:10", office.now)
        with refused("veto_twice"):
            vetoes.uphold(session, "amy", Complaint("1234-56"), DAY, "boss", "rude", office.now)
    assert month(office)["amy"].veto == "upheld"
    with office.transaction() as session:
        with refused("not_agents"):
            vetoes.appeal(session, veto, "ben", "not so", office.now)
        vetoes.appeal(session, veto, "amy", "it was another caller", office.now)
        with refused("own_veto"):
            vetoes.decide(session, veto, "boss", "no", office.now, lift=False)
        vetoes.decide(session, veto, "chief", "another caller indeed", office.now, lift=True)
        with refused("veto_state"):
            vetoes.decide(session, veto, "chief", "again", office.now, lift=False)
    assert month(office)["amy"].veto == ""


def test_without_an_appeal_it_stands(office: Office) -> None:
    with office.transaction() as session:
        veto = vetoes.uphold(session, "ben", Complaint("1234-57"), DAY, "boss", "no call back", office.now)
    office.forward(days=3)
    with office.transaction() as session:
        with refused("too_late"):
            vetoes.appeal(session, veto, "ben", "late", office.now)
        assert vetoes.due(session, office.now) == 1
        assert vetoes.due(session, office.now) == 0
    assert month(office)["ben"].veto == "stands"


# ---- agreement ----------------------------------------------------------------------------------------------


def doubly(office: Office, other: int, count: int = 30) -> None:
    """`count` calls rated by two people, who disagree about own_name on `other` of them, half of which are a no."""
    object.__setattr__(office.house.settings.file.qa, "second_share", 1.0)
    recordings = [office.record("amy") for _ in range(count)]
    office.opened()
    for number, recording in enumerate(recordings):
        mark = NO if number % 2 else YES
        flipped = {NO: YES, YES: NO}[mark]
        office.judge(office.review_of(recording), own_name=mark)
        office.judge(office.review_of(recording, seat=2), own_name=flipped if number < other else mark)


@pytest.mark.parametrize(
    ("other", "kappa", "gate"), [(3, 0.8, "good"), (7, 16 / 30, "not_for_pay"), (15, 0, "rewrite")]
)
def test_agreement_of_two_raters(office: Office, other: int, kappa: float, gate: str) -> None:
    doubly(office, other)
    with office.transaction() as session:
        found = {line.item: line for line in agreement.report(session, office.now - timedelta(days=1))}
        assert agreement.report(session, office.now + timedelta(days=1)) == []
    own_name = found["own_name"]
    assert (own_name.n, own_name.agreed) == (30, pytest.approx((30 - other) / 30))
    assert own_name.kappa == pytest.approx(kappa, abs=0.01)
    assert own_name.gate == gate
    assert (found["patient_tone"].kappa, found["patient_tone"].gate) == (None, "same"), "all yes: not defined"
    assert found["caller_content"].gate == "measured"


# ---- the pack -----------------------------------------------------------------------------------------------


def eventful(office: Office) -> None:
    judged(office, {"amy": [GOOD] * 3 + [SENT_AWAY] * 2, "ben": [NO_NOTICE, GOOD, SENT_AWAY]})
    with office.transaction() as session:
        one = session.scalars(sa.select(Recording.id).limit(1)).one()
    for category in ("impatience", "impatience", "evasion", "red_flag"):
        office.hit(one, category)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_pack_opens_again_with_its_charts(office: Office, language: str) -> None:
    eventful(office)
    with office.transaction() as session:
        data = qa_export.month_pack(session, MARCH, language)
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == [words[language] for words in SHEETS.values()]
    charts = {sheet.title: sheet._charts for sheet in book.worksheets}
    with_chart = [SHEETS[key][language] for key in ("agents", "dimensions", "findings")]
    assert {title for title, found in charts.items() if found} == set(with_chart)
    agents = book[SHEETS["agents"][language]]
    heads = [cell.value for cell in agents[1]]
    amy = dict(zip(heads, [cell.value for cell in agents[2]], strict=True))
    assert amy[HEADS["login"][language]] == "amy"
    assert amy[HEADS["points"][language]] == 95.0
    (chart,) = charts[agents.title]
    bars = chart.series[0].errBars
    assert bars.errValType == "cust"
    assert bars.plus.numRef.f.endswith("$H$2:$H$3")
    up, down = amy[HEADS["up"][language]], amy[HEADS["down"][language]]
    assert amy[HEADS["points"][language]] + up == pytest.approx(amy[HEADS["points_high"][language]], abs=0.11)
    assert amy[HEADS["points"][language]] - down == pytest.approx(amy[HEADS["points_low"][language]], abs=0.11)
    assert "".join(run.t for p in chart.title.tx.rich.p for run in p.r) == TITLES["points"][language]
    findings = book[SHEETS["findings"][language]]
    table = [[cell.value for cell in row] for row in findings.iter_rows()]
    assert table[0][1:] == [CODES["evasion"][language], CODES["impatience"][language]], "not what patients said"
    assert [1, 2] in [row[1:] for row in table]
    assert len(table) == 7, "every week of the month, also the quiet ones"
    about = [cell.value for (cell, *_) in book[SHEETS["about"][language]].iter_rows()]
    assert DAY_IS_NOISE[language] in about


def test_agreement_has_its_chart(office: Office) -> None:
    doubly(office, 3, count=6)
    with office.transaction() as session:
        book = openpyxl.load_workbook(io.BytesIO(qa_export.month_pack(session, MARCH, "en")))
    sheet = book["Agreement"]
    assert len(sheet._charts) == 1
    rows = {row[0].value: row[5].value for row in sheet.iter_rows(min_row=2)}
    assert rows["own_name"] == "fewer than 30 pairs: nothing can be said yet"


def test_an_empty_month_is_a_workbook_too(office: Office) -> None:
    with office.transaction() as session:
        book = openpyxl.load_workbook(io.BytesIO(qa_export.month_pack(session, date(2030, 2, 9), "en")))
        assert len(qa_export.csv(session, date(2030, 2, 9)).splitlines()) == 1
        assert len(qa_export.reviews_csv(session, date(2030, 2, 9)).splitlines()) == 1
    assert all(not sheet._charts for sheet in book.worksheets)


def test_csv_is_for_spreadsheets_and_safe(office: Office) -> None:
    eventful(office)
    with office.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.login == "amy").values(name='=HYPERLINK("http://x")'))
        text, rows = qa_export.csv(session, MARCH), qa_export.reviews_csv(session, MARCH)
        book = openpyxl.load_workbook(io.BytesIO(qa_export.month_pack(session, MARCH, "en")))
    assert text.startswith("\ufeff登录名 login,姓名 name,")
    amy, ben = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert amy["姓名 name"].startswith("'=HYPERLINK")
    assert (amy["平均分 mean points"], ben["一票否决 automatic fails"]) == ("95.0", "1")
    assert "只有 5 通" in amy["提示 note"]
    assert "5 calls only" in amy["提示 note"]
    assert len(list(csv.DictReader(io.StringIO(rows.lstrip("\ufeff"))))) == 8
    cell = book["Agents"]["B2"]
    assert (cell.data_type, str(cell.value)[0]) == ("s", "'")


def test_nothing_of_a_patient_is_in_any_export(office: Office, house: House) -> None:
    eventful(office)
    with office.transaction() as session:
        patient = Patient(
            id=new_id(), mrn="MRN-PLANTED-77", mrn_index=b"planted", name="Planted Name", language="en",
            timezone="Asia/Shanghai", created_at=office.now,
        )  # fmt: skip
        session.add(patient)
        session.flush()
        session.execute(sa.update(Call).values(patient_id=patient.id))
        exports = [
            qa_export.csv(session, MARCH).encode(),
            qa_export.reviews_csv(session, MARCH).encode(),
        ]
        pack = openpyxl.load_workbook(io.BytesIO(qa_export.month_pack(session, MARCH, "en")))
        for sheet in pack.worksheets:
            exports += [str(cell.value).encode() for row in sheet.iter_rows() for cell in row]
        secrets = [b"PLANTED", b"Planted", str(patient.id).encode()]
        secrets += [str(one).encode() for one in session.scalars(sa.select(Call.id))]
        secrets += [str(one).encode() for one in session.scalars(sa.select(Recording.id))]
    for export in exports:
        assert not [secret for secret in secrets if secret in export]
