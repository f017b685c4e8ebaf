"""The pages: what is masked, who looked and why, what is done and by whom, in both languages."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from console import desk_view, listening_view, roles, tokens, users, views, words
from console.review_view import CAUSES, VALUES
from core.models import new_id
from core.values import KNOWN_LANGUAGES
from desk.kinds import CHANNELS, KINDS, LINKS, NATURES, PROBLEMS
from dialer.machine import REASONS
from recordings.findings import lexicon_file
from recordings.findings.lexicon_list import CATEGORIES
from recordings.machine import STATES
from recordings.quality import qa_words, scorecards
from recordings.quality.review_machine import COACHING, REVIEW
from scheduler import worklist
from tests.console.desk_room import MRN, NAME, PHONE, WORDS, DeskRoom, Screen
from tests.house import ROOT

SECRETS = (NAME, "Ann", MRN, PHONE, PHONE.removeprefix("+86"), WORDS)


# ---- masked, shown, written down -----------------------------------------------------------------------
def test_no_list_and_no_ticket_shows_a_patient_unasked(desk: DeskRoom) -> None:
    number = desk.ticket(patient_id=desk.patient())
    desk.work(desk.patient("Ben Sample", "T-000999"))
    desk.waiting()
    screen = desk.signed_in("supervisor")
    for path in ("/", "/tickets", f"/tickets/{number}", "/worklist", "/agents"):
        page = screen.get(path).get_data(as_text=True)
        assert not [word for word in (*SECRETS, "T-000999") if word in page], path
    assert "E. …123" in (screen.get("/tickets"), screen.text)[1]
    assert "…0111" in (screen.get(f"/tickets/{number}"), screen.text)[1]
    assert desk.views() == []


def test_a_reason_shows_the_ticket_for_a_while_and_is_written_down(desk: DeskRoom) -> None:
    number = desk.ticket(patient_id=desk.patient())
    screen, other = desk.signed_in(login="li.na"), desk.signed_in("nurse")
    page, show = f"/tickets/{number}", f"/tickets/{number}/show"
    screen.post(show, on=page, reason="handle")
    assert all(word in screen.text for word in (NAME, MRN, PHONE, WORDS))
    assert desk.views() == [("li.na", "ticket", desk.row(number).id, "handle")]
    assert NAME not in other.get(page).get_data(as_text=True), "nobody else's reason counts"
    desk.forward(minutes=9, seconds=59)
    assert NAME in screen.get(page).get_data(as_text=True)
    assert len(desk.views()) == 1
    desk.forward(seconds=1)
    assert NAME not in screen.get(page).get_data(as_text=True)


@pytest.mark.parametrize(
    ("reason", "why", "answer"),
    [
        ("", "", "Please choose a reason."),
        ("curious", "", "Please choose a reason."),
        ("other", "  ", "For another reason, please say which."),
        ("other", "ring 1055 550111 back", "Please write no number"),
        ("other", "x" * 201, "That reason is too long."),
    ],
)
def test_without_a_proper_reason_nothing_is_shown(desk: DeskRoom, reason: str, why: str, answer: str) -> None:
    number = desk.ticket(patient_id=desk.patient())
    screen = desk.signed_in()
    screen.post(f"/tickets/{number}/show", on=f"/tickets/{number}", reason=reason, why=why)
    assert answer in screen.text
    assert WORDS not in screen.text
    assert desk.views() == []


def test_the_it_person_sees_the_board_without_any_patient(desk: DeskRoom) -> None:
    number = desk.ticket(patient_id=desk.patient())
    screen = desk.signed_in("it")
    board = screen.get("/").get_data(as_text=True)
    assert number in board
    assert f"/tickets/{number}" not in board
    assert "…123" not in board
    assert screen.get(f"/tickets/{number}").status_code == 403
    assert screen.get("/", headers={"X-Refresh": "1"}).status_code == 200


def test_a_worklist_item_is_shown_one_at_a_time(desk: DeskRoom) -> None:
    first, second = desk.work(desk.patient()), desk.work(desk.patient("Ben Sample", "T-000999"))
    screen = desk.signed_in("nurse", login="nurse.wu")
    screen.post(f"/worklist/{first}/show", on="/worklist", reason="ring")
    assert MRN in screen.text
    assert "T-000999" not in screen.text
    screen.post(f"/worklist/{second}", on="/worklist", note=" ")
    assert "A note is needed" in screen.text
    screen.post(f"/worklist/{second}", on="/worklist", note="rang, all is well")
    assert {(item.status, item.closed_by) for item in desk.worklist()} == {("open", ""), ("done", "nurse.wu")}


# ---- what is done --------------------------------------------------------------------------------------
def test_a_complaint_from_taken_to_closed_and_opened_again(desk: DeskRoom) -> None:
    number = desk.ticket(patient_id=desk.patient())
    screen, page = desk.signed_in(login="li.na"), f"/tickets/{number}"
    screen.post(page, deed="take")
    assert "It is yours." in screen.text
    screen.post(page, deed="start")
    screen.post(page, deed="propose", solution="a new bill", compensation="no fee")
    assert "a new bill" not in screen.text, "nobody has said why they want to see it"
    screen.post(page, deed="resolve", solution="", compensation="")
    screen.post(page, deed="confirm")
    assert "told" in screen.text, "the desk's own words: not before they are told"
    assert desk.row(number).status == "resolved"
    screen.post(page, deed="tell", how="call")
    screen.post(page, deed="confirm")
    ticket = desk.row(number)
    assert (ticket.status, ticket.owner, ticket.solution, ticket.compensation, ticket.told_how) == (
        "confirmed", "li.na", "a new bill", "no fee", "call",
    )  # fmt: skip
    screen.post(page, deed="reopen", why="it was wrong again")
    assert desk.row(number).status == "reopened"
    deeds = ("assigned", "started", "proposed", "resolved", "told", "confirmed", "reopened")
    assert [(what, who) for what, who in desk.ledger("ticket") if what in deeds] == [(what, "li.na") for what in deeds]


def test_the_class_of_a_complaint_is_changed_and_an_empty_field_leaves_it(desk: DeskRoom) -> None:
    number = desk.ticket()
    screen = desk.signed_in()
    screen.post(f"/tickets/{number}", deed="classify", link="billing", problem="attitude", nature="", medical="yes")
    ticket = desk.row(number)
    assert (ticket.link, ticket.problem, ticket.nature, ticket.medical) == ("billing", "attitude", "complaint", True)


@pytest.mark.parametrize(
    ("kind", "nature", "medical", "becomes"),
    [("message", "complaint", "yes", ("complaint", True)), ("message", "complaint", "no", ("complaint", False)),
     ("message", "praise", "", ("praise", None)), ("complaint_other", "suggestion", "no", ("suggestion", None)),
     ("complaint_medical", "request", "yes", ("request", None))],
)  # fmt: skip
def test_a_message_can_turn_out_a_complaint_and_a_complaint_none(
    desk: DeskRoom, kind: str, nature: str, medical: str, becomes: tuple[str, bool | None]
) -> None:
    """With the fields the page has, as they stand there."""
    number = desk.ticket(kind)
    screen, page = desk.signed_in(), f"/tickets/{number}"
    assert 'name="medical"' in screen.get(page).get_data(as_text=True)
    screen.post(page, deed="classify", link="billing", problem="attitude", nature=nature, medical=medical)
    assert (desk.row(number).nature, desk.row(number).medical) == becomes


def test_a_complaint_must_be_said_to_be_medical_or_not(desk: DeskRoom) -> None:
    number = desk.ticket("message")
    screen = desk.signed_in()
    screen.post(f"/tickets/{number}", deed="classify", link="other", problem="other", nature="complaint", medical="")
    assert "say which" in screen.text
    assert desk.row(number).nature == "request"


def test_what_the_desk_refuses_is_shown_in_its_words(desk: DeskRoom) -> None:
    number = desk.ticket()
    screen = desk.signed_in(login="li.na")
    screen.post(f"/tickets/{number}", deed="ring")
    assert screen.said is not None
    (refusal,) = re.findall(r'class="flash problem"[^>]*>([^<]+)<', screen.said.get_data(as_text=True))
    assert refusal.endswith(".")
    assert desk.row(number).status == "open"


def test_only_a_supervisor_gives_tickets_away(desk: DeskRoom) -> None:
    number = desk.ticket()
    agent, supervisor = desk.signed_in(), desk.signed_in("supervisor")
    desk.agent("li.na")
    assert agent.post(f"/tickets/{number}", deed="assign", owner="li.na").status_code == 403
    assert desk.row(number).owner == ""
    supervisor.post(f"/tickets/{number}", deed="assign", owner="li.na")
    assert desk.row(number).owner == "li.na"


@pytest.mark.parametrize("owner", ["wnag.wu", "it1", ""])
def test_a_ticket_is_not_given_to_nobody(desk: DeskRoom, owner: str) -> None:
    number = desk.ticket()
    desk.user("it1", "it")
    supervisor = desk.signed_in("supervisor")
    supervisor.post(f"/tickets/{number}", deed="assign", owner=owner)
    assert 'class="flash problem"' in supervisor.said.get_data(as_text=True)  # type: ignore[union-attr]
    assert (desk.row(number).owner, desk.row(number).status) == ("", "open")
    supervisor.post(f"/tickets/{number}", deed="assign", owner="supervisor1")
    assert desk.row(number).owner == "supervisor1"


@pytest.mark.parametrize("form", [{}, {"deed": "burn"}, {"deed": "reopen"}, {"deed": "tell"}])
def test_a_form_that_no_page_has_changes_nothing(desk: DeskRoom, form: dict[str, str]) -> None:
    number = desk.ticket()
    before = desk.ledger("ticket")
    assert desk.signed_in().post(f"/tickets/{number}", **form).status_code == 400
    assert desk.ledger("ticket") == before


def test_a_ticket_that_is_not_there(desk: DeskRoom) -> None:
    screen = desk.signed_in()
    assert screen.get("/tickets/99999999").status_code == 404
    assert "no such page or ticket" in screen.text
    assert screen.get("/tickets?number=99999999", follow_redirects=True).status_code == 404


def test_agents_sign_themselves_and_a_supervisor_signs_others(desk: DeskRoom) -> None:
    desk.agent("li.na")
    desk.agent("wang.wu", "ready")
    agent, supervisor = desk.signed_in(login="li.na"), desk.signed_in("supervisor")
    agent.post("/agents", login="li.na", state="ready")
    assert "The line" not in agent.text
    assert agent.post("/agents", login="wang.wu", state="off").status_code == 403
    assert agent.post("/agents", login="li.na", state="talking").status_code == 400
    supervisor.post("/agents", login="wang.wu", state="paused")
    with desk.house.transaction() as session:
        states = {line.login: line.status for line in desk_view.agent_lines(session, desk.now)}
    assert states == {"li.na": "ready", "wang.wu": "paused"}
    assert {who for _what, who in desk.ledger("agent")} == {"li.na", "supervisor1"}


def test_the_board_puts_first_what_runs_out_first(desk: DeskRoom) -> None:
    late = desk.ticket()
    blue = desk.ticket("message")
    desk.forward(minutes=40)
    red = desk.ticket("complaint_medical")
    desk.waiting(reason="appointment")
    desk.forward(minutes=2)
    screen = desk.signed_in()
    page = screen.get("/").get_data(as_text=True)
    assert page.index(late) < page.index(red) < page.index(blue)
    assert "12 min overdue" in screen.text
    assert "appointment call back" in screen.text
    assert "longest 2 min" in screen.text


def test_mine_are_mine(desk: DeskRoom) -> None:
    mine, other = desk.ticket(), desk.ticket("message")
    screen = desk.signed_in(login="li.na")
    screen.post(f"/tickets/{mine}", deed="take")
    page = screen.get("/tickets?list=mine").get_data(as_text=True)
    assert mine in page
    assert other not in page
    assert screen.get("/tickets?list=everything").status_code == 404


def test_closed_tickets_are_not_sorted_every_time_somebody_looks(desk: DeskRoom) -> None:
    """After some years that was a second for each look."""
    for _ in range(3):
        desk.ticket()
        desk.forward(minutes=1)
    with desk.house.transaction() as session:
        session.execute(sa.text("UPDATE tickets SET status = 'confirmed'"))
        asked: list[str] = []
        sa.event.listen(session.connection(), "before_cursor_execute", lambda *words: asked.append(words[2] % words[3]))
        found = desk_view.lines(session, desk.now, states=("confirmed",))
        assert [line.opened_at for line in found] == sorted((line.opened_at for line in found), reverse=True)
        assert "ORDER BY tickets.opened_at DESC" in asked[0]


def test_who_had_it_first_keeps_it_in_sight(desk: DeskRoom) -> None:
    """docs/clinical.md WO10, CMP6."""
    number = desk.ticket()
    desk.agent("wang.wu")
    first, supervisor = desk.signed_in(login="li.na"), desk.signed_in("supervisor")
    first.post(f"/tickets/{number}", deed="take")
    supervisor.post(f"/tickets/{number}", deed="assign", owner="wang.wu")
    assert number in first.get("/tickets?list=mine").get_data(as_text=True)
    assert number not in supervisor.get("/tickets?list=mine").get_data(as_text=True)


def test_what_nobody_was_told_of_stays_on_the_board(desk: DeskRoom) -> None:
    """Its promise still runs, and the head is rung about it (docs/clinical.md WO4)."""
    number = desk.ticket()
    screen, page = desk.signed_in(login="li.na"), f"/tickets/{number}"
    screen.post(page, deed="take")
    screen.post(page, deed="resolve", solution="a new bill", compensation="no fee")
    desk.forward(minutes=29)
    for path in ("/", "/tickets", "/tickets?list=mine", "/tickets?list=resolved"):
        assert number in screen.get(path).get_data(as_text=True), path
    screen.post(page, deed="tell", how="call")
    for path in ("/", "/tickets", "/tickets?list=mine"):
        assert number not in screen.get(path).get_data(as_text=True), path


# ---- both languages ------------------------------------------------------------------------------------
def test_the_pages_speak_the_language_of_whoever_is_signed_in(desk: DeskRoom) -> None:
    number = desk.ticket(department="外科")
    desk.agent("li.na", "ready")
    screen = desk.signed_in("supervisor", "zh-CN", login="li.na")
    for path in ("/", "/tickets", f"/tickets/{number}", "/agents", "/worklist", "/account"):
        said = screen.get(path)
        assert '<html lang="zh-CN">' in said.get_data(as_text=True), path
        english = re.findall(r"[A-Za-z]{3,}", screen.text.replace("Name of li.na", "").replace("The supervisor", ""))
        assert set(english) <= {"English"}, path
    screen.post("/account", deed="language", language="en")
    assert "My account" in (screen.get("/account"), screen.text)[1] or "Sign out" in screen.text


@pytest.mark.parametrize(
    ("asked", "query", "button"),
    [("en-GB,en", "", "Sign in"), ("zh-TW", "", "登录"), ("fr", "", "登录"), ("zh", "?language=en", "Sign in")],
)
def test_the_door_speaks_what_the_browser_asks_for_or_was_chosen(
    desk: DeskRoom, asked: str, query: str, button: str
) -> None:
    page = desk.app.test_client().get(f"/sign-in{query}", headers={"Accept-Language": asked}).get_data(as_text=True)
    assert f"<button>{button}</button>" in page


def test_every_word_a_page_asks_for_is_in_the_catalogue() -> None:
    asked: set[str] = set()
    for path in [*(ROOT / "console").glob("*.py"), *(ROOT / "console" / "pages").glob("*.html")]:
        asked |= set(re.findall(r'\bsay\(\s*["\']([a-z_.]+)["\']', Path(path).read_text(encoding="utf-8")))
        asked |= set(re.findall(r'"((?:nav|view|error)\.[a-z_]+)"', Path(path).read_text(encoding="utf-8")))
    begun = {key for key in asked if key.endswith(".")}  # the rest of the key is a code: tested below
    of_the_room = {"coaching.do.", "coaching.note.", "review.", "vault.", "vault.do.", "vault.why."}
    assert begun == {"deed.", "clock.", "list.", "sign.", "col."} | of_the_room
    assert asked - begun - {"en", "error.html"} <= set(words.catalogue())
    assert len(asked) > 80


def test_every_code_the_desk_knows_has_words() -> None:
    codes = {
        "channel": CHANNELS, "link": LINKS, "problem": PROBLEMS, "nature": NATURES,
        "reason": REASONS, "role": roles.ROLES, "language": KNOWN_LANGUAGES, "view_reason": views.REASONS,
        "told": desk_view.TOLD_HOW, "deed": desk_view.DEEDS, "done": desk_view.DEEDS, "sign": desk_view.AGENT_STATES,
        "agent": ("off", "ready", "ringing", "talking", "wrap_up", "paused"),
        "clock": ("met", "missed", "late"), "entry": ("waiting", "offered"),
        # the listening room
        "hear_reason": listening_view.REASONS, "heard_kind": ("listen", "export", "read"),
        "purpose": listening_view.PURPOSES, "sound_state": STATES, "keep": listening_view.KEEP,
        "call": listening_view.CALL_KINDS, "speaker": ("patient", "line", "both"), "severity": ("1", "2", "3"),
        "category": CATEGORIES, "required": [one.key for one in lexicon_file.load("en").required],
        "hint_note": ("negated", "quoted", "mono"), "mark": VALUES, "cause": CAUSES, "subject": ("call", "chat"),
        "coaching_cause": ("score", "auto_fail", "phrases", "satisfaction", "process"),
        "recheck": ("passed", "failed", "waiting"), "veto": ("upheld", "appealed", "stands"),
        "dimension": [part.key for card in scorecards.folder() for part in card.dimensions],
        "coaching.do": ("confirm", "dismiss", "done"), "coaching.did": ("confirm", "dismiss", "done"),
        "coaching.note": ("confirm", "dismiss", "done"), "vault.do": ("hold", "release", "export"),
        "vault.done": ("hold", "release", "export", "approve"), "vault.why": ("hold", "release"),
        "vault": ("purpose", "state", "language"), "review": ("from", "to"),
    }  # fmt: skip
    assert set(qa_words.STATES) >= {*dict(REVIEW).values(), *dict(COACHING).values()}
    missing = [f"{kind}.{code}" for kind, all_of in codes.items() for code in all_of
               if f"{kind}.{code}" not in words.catalogue()]  # fmt: skip
    assert missing == []
    assert set(tokens.SCOPES) == {"feedback", "tickets", "agents", "chats"}
    assert all(set(kind.words) == set(KNOWN_LANGUAGES) for kind in KINDS.values())


def test_what_the_desk_refuses_is_said_in_the_language_of_the_page(desk: DeskRoom) -> None:
    number = desk.ticket("message")
    chinese, english = desk.signed_in("supervisor", "zh-CN", "li"), desk.signed_in("supervisor", "en", "max")
    for screen, sentence in ((chinese, "工单还没有解决。"), (english, "The ticket is not resolved yet.")):
        screen.post(f"/tickets/{number}", deed="take")
        screen.post(f"/tickets/{number}", deed="confirm", on=f"/tickets/{number}")
        assert sentence in screen.text


def test_a_ticket_is_given_only_to_somebody_who_can_open_it(desk: DeskRoom) -> None:
    number = desk.ticket("message")
    screen = desk.signed_in("supervisor", "zh-CN", "li.na")
    gone = desk.user("old.user")
    with desk.house.transaction() as session:
        users.disable(session, gone, "it", desk.now)
    for login in ("nobody", gone):
        screen.post(f"/tickets/{number}", deed="assign", owner=login, on=f"/tickets/{number}")
        assert f"没有处理工单的“{login}”；可交给：li.na。" in screen.text
        assert desk.row(number).owner == ""


def test_a_long_worklist_is_one_page_with_the_most_urgent_and_asks_no_more_than_a_short_one(
    desk: DeskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = desk.signed_in("nurse")
    for _ in range(2):
        _wanted(desk)
    short = _asked(desk, screen)
    for _ in range(9):
        _wanted(desk)
    assert _asked(desk, screen) == short
    monkeypatch.setattr("console.worklist.MOST", 5)
    desk.forward(minutes=1)
    urgent = _wanted(desk, next(name for name, kind in worklist.KINDS.items() if kind.urgent))
    screen.get("/worklist")
    assert screen.said is not None
    page = screen.said.get_data(as_text=True)
    assert page.count('class="card item') == 5
    assert str(urgent) in page, "the newest, and before all others"
    assert "7 more" in screen.text


def _wanted(desk: DeskRoom, kind: str = "unreached") -> uuid.UUID:
    with desk.house.transaction() as session:
        return worklist.want(session, kind, None, new_id(), "three rings in vain", desk.now).id


def _asked(desk: DeskRoom, screen: Screen) -> int:
    """How many statements the page takes."""
    asked: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    sa.event.listen(desk.house.engine, "before_cursor_execute", hear)
    try:
        screen.get("/worklist")
    finally:
        sa.event.remove(desk.house.engine, "before_cursor_execute", hear)
    return len(asked)
