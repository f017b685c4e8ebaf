"""Signing in: who gets in, who is shut out, what a session is worth, and what every answer carries."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.routing import Rule

import app
from console import frame, users
from console.models import User
from core.house import House
from core.settings import Settings
from tests.console.desk_room import PASSWORD, DeskRoom
from tests.house import environment

FILLED = {"number": "00000142", "item_id": "00000000-0000-0000-0000-000000000001", "filename": "console.css"}
FILLED |= dict.fromkeys(("play_id", "recording_id", "review_id", "task_id", "veto_id"), FILLED["item_id"])
FILLED |= {"month": "2031-03"}


def pages(desk: DeskRoom) -> list[tuple[str, str, str]]:
    """(method, path, endpoint) of every page."""
    adapter = desk.app.url_map.bind("localhost")

    def path(rule: Rule, method: str) -> str:
        return str(adapter.build(rule.endpoint, {name: FILLED[name] for name in rule.arguments}, method=method))

    return [
        (method, path(rule, method), rule.endpoint)
        for rule in desk.app.url_map.iter_rules()
        if rule.endpoint.startswith("console.")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]  # fmt: skip


# ---- nobody is let in by chance ------------------------------------------------------------------------
def test_every_page_needs_a_sign_in(desk: DeskRoom) -> None:
    asked = [page for page in pages(desk) if page[2] not in frame.OPEN]
    assert len(asked) > 10
    client = desk.app.test_client()
    for method, path, _endpoint in asked:
        said = client.open(path, method=method)
        if method == "GET":
            assert said.status_code == 302, path
            assert said.location.startswith("/sign-in?next="), path
        else:
            assert said.status_code == 400, path  # a form from nowhere


def test_a_character_no_column_keeps_is_no_proper_request_and_breaks_nothing(desk: DeskRoom) -> None:
    number, outside = desk.ticket(), desk.screen()
    assert outside.sign_in("li\x00na").status_code == 400
    screen = desk.signed_in("supervisor")
    sent = [
        (f"/tickets/{number}", {"deed": "assign", "owner": "a\x00"}),
        (f"/tickets/{number}/show", {"reason": "other", "why": "a\x00b"}),
        ("/agents", {"login": "a\x00b", "state": "off"}),
    ]
    for path, form in sent:
        assert screen.post(path, on=f"/tickets/{number}", **form).status_code == 400, path
    assert "Nothing was changed." in screen.text
    assert (desk.row(number).status, desk.views()) == ("open", [])


def test_a_form_without_its_hidden_word_is_refused_on_every_page(desk: DeskRoom) -> None:
    screen = desk.signed_in("supervisor")
    number = desk.ticket()
    for method, path, endpoint in pages(desk):
        if method == "POST":
            said = screen.client.post(path.replace(FILLED["number"], number), data={"deed": "take", "state": "ready"})
            assert said.status_code == 400, endpoint
    assert desk.row(number).status == "open"
    assert "go back and try again" in screen.client.post("/sign-out").get_data(as_text=True)


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("agent", {"/", "/tickets", "/agents", "/account", "/my-reviews", "/my-vetoes", "/coaching"}),
        ("nurse", {"/", "/tickets", "/agents", "/account", "/worklist", "/my-reviews", "/my-vetoes", "/coaching"}),
        (
            "supervisor",
            {
                "/",
                "/tickets",
                "/agents",
                "/account",
                "/worklist",
                "/coaching",
                "/reviews",
                "/reviews/waiting",
                "/vault",
                "/agreement",
                "/disputes",
                "/figures",
                "/figures/day",
                "/exports",
                "/heard",
                "/vetoes",
            },
        ),
        ("qa", {"/account", "/reviews", "/vault", "/agreement"}),
        ("it", {"/", "/agents", "/account"}),
    ],
)
def test_a_role_sees_its_own_pages(desk: DeskRoom, role: str, seen: set[str]) -> None:
    screen = desk.signed_in(role)
    lists = [path for method, path, _ in pages(desk) if method == "GET" and not re.search(r"\d|assets|sign-in", path)]
    answers = {path: screen.get(path).status_code for path in lists}
    assert {path for path, code in answers.items() if code == 200} == seen
    assert {path for path, code in answers.items() if code == 302} == ({"/"} if role == "qa" else set())
    assert {code for path, code in answers.items() if path not in seen} <= {403, 302}


def test_the_quality_listener_has_no_board_and_begins_with_the_days_draw(desk: DeskRoom) -> None:
    desk.waiting()
    screen = desk.signed_in("qa", at="/reviews")
    assert "Nothing waits for you." in screen.text
    assert "appointment" not in screen.text


# ---- passwords -----------------------------------------------------------------------------------------
def test_five_wrong_passwords_lock_for_a_quarter_of_an_hour(desk: DeskRoom) -> None:
    login, screen = desk.user("li.na"), desk.screen()
    for _ in range(4):
        assert screen.sign_in(login, "wrong, but long enough").status_code == 401
    assert desk.ledger("user") == [("added", "tests")]
    assert screen.sign_in(login, "wrong, but long enough").status_code == 401
    assert desk.ledger("user")[-1] == ("locked", "service")
    assert screen.sign_in(login).status_code == 401, "the right one, too early"
    desk.forward(minutes=14, seconds=59)
    assert screen.sign_in(login).status_code == 401
    desk.forward(seconds=1)
    assert screen.sign_in(login).status_code == 200
    assert screen.at == "/"


def test_a_right_password_at_the_fifth_try_is_right(desk: DeskRoom) -> None:
    login, screen = desk.user("li.na"), desk.screen()
    for _ in range(4):
        screen.sign_in(login, "wrong, but long enough")
    assert screen.sign_in(login).status_code == 200
    screen.post("/sign-out", on="/account")
    for _ in range(4):
        screen.sign_in(login, "wrong, but long enough")
    assert screen.sign_in(login).status_code == 200, "the count began anew"


def test_who_does_not_exist_is_answered_as_who_mistyped(desk: DeskRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words, and the same work: one hash is checked either way."""
    checked: list[str] = []
    real = users._is_right

    def counted(known: str, password: str) -> bool:
        checked.append(known.split("$")[3])  # the parameters: memory, passes, lanes
        return real(known, password)

    monkeypatch.setattr(users, "_is_right", counted)
    login, screen = desk.user("li.na"), desk.screen()
    answers = []
    for who in (login, "nobody.such"):
        said = screen.sign_in(who, "wrong, but long enough")
        answers.append((said.status_code, screen.text))
    assert answers[0] == answers[1]
    assert len(checked) == 2
    assert checked[0] == checked[1], "the same cost"


def test_a_disabled_user_is_out_at_once(desk: DeskRoom) -> None:
    screen = desk.signed_in(login="li.na")
    with desk.house.transaction() as session:
        users.disable(session, "li.na", "tests", desk.now)
    assert screen.get("/").status_code == 302
    assert screen.sign_in("li.na").status_code == 401


# ---- sessions ------------------------------------------------------------------------------------------
def test_half_an_hour_without_a_hand_on_it_ends_a_session(desk: DeskRoom) -> None:
    screen = desk.signed_in()
    for _ in range(3):
        desk.forward(minutes=29)
        assert screen.get("/agents").status_code == 200
    desk.forward(minutes=31)
    assert screen.get("/agents").status_code == 302


def test_a_board_that_reloads_itself_keeps_no_session_alive(desk: DeskRoom) -> None:
    screen = desk.signed_in()
    for _ in range(2):
        desk.forward(minutes=14)
        assert screen.get("/", headers={"X-Refresh": "1"}).status_code == 200
    desk.forward(minutes=14)
    assert screen.get("/", headers={"X-Refresh": "1"}).status_code == 401


def test_a_session_ends_after_twelve_hours_used_or_not(desk: DeskRoom) -> None:
    screen = desk.signed_in()
    for _ in range(24):
        assert screen.get("/agents").status_code == 200
        desk.forward(minutes=30)
    assert screen.get("/agents").status_code == 200
    desk.forward(seconds=1)
    assert screen.get("/agents").status_code == 302


def test_signing_out_everywhere_reaches_the_other_screen_and_a_stolen_cookie(desk: DeskRoom) -> None:
    here = desk.signed_in(login="li.na")
    there = desk.screen()
    there.sign_in("li.na")
    assert here.post("/account", deed="everywhere").status_code == 200
    assert here.at == "/sign-in"
    assert there.get("/").status_code == 302


def test_a_new_password_needs_the_old_one_and_signs_out_everywhere(desk: DeskRoom) -> None:
    screen, new = desk.signed_in(login="li.na"), "seven telephones in a row"
    screen.post("/account", deed="password", old="not the old one", new=new, again=new)
    assert "The old password is wrong." in screen.text
    screen.post("/account", deed="password", old=PASSWORD, new=new, again=new + "!")
    assert "not the same both times" in screen.text
    screen.post("/account", deed="password", old=PASSWORD, new="short", again="short")
    assert "at least 12 characters" in screen.text
    screen.post("/account", deed="password", old=PASSWORD, new=new, again=new)
    assert screen.at == "/sign-in"
    assert "The password is changed." in screen.text
    assert screen.sign_in("li.na").status_code == 401
    assert screen.sign_in("li.na", new).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [("/tickets", "/tickets"), ("https://elsewhere.example/", "/"), ("//elsewhere.example/", "/"),
     ("/\\elsewhere.example", "/"), ("", "/")],
)  # fmt: skip
def test_signing_in_leads_to_the_page_that_was_wanted_and_never_elsewhere(
    desk: DeskRoom, wanted: str, goes: str
) -> None:
    screen = desk.screen()
    screen.post("/sign-in", login=desk.user("li.na"), password=PASSWORD, next=wanted)
    assert screen.at == goes


# ---- what goes with every answer -----------------------------------------------------------------------
def test_the_headers_of_every_page(desk: DeskRoom) -> None:
    screen = desk.signed_in("supervisor")
    number = desk.ticket()
    for path in ("/", "/tickets", f"/tickets/{number}", "/agents", "/worklist", "/account", "/tickets/1", "/sign-in"):
        said = screen.get(path)
        policy = said.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert said.headers["Cache-Control"] == "no-store"
        assert said.headers["X-Content-Type-Options"] == "nosniff"
        page = said.get_data(as_text=True)
        assert "style=" not in page, "the policy would not let it"
        assert " onclick" not in page
        assert "<script>" not in page


def cookie(house: House, folder: Path, public_url: str) -> str:
    house.settings = environment(
        folder, str(house.engine.url.render_as_string(hide_password=False)), PUBLIC_URL=public_url
    )
    return app.web(house).test_client().get("/sign-in").headers["Set-Cookie"]


def test_the_cookie_is_shut_away_and_secure_where_it_can_be(house: House, tmp_path: Path) -> None:
    plain = cookie(house, tmp_path, "http://127.0.0.1:8000")
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    safe = cookie(house, tmp_path, "https://hospital.example")
    assert safe.startswith("__Host-carecall=")
    assert "Secure" in safe
    assert "HttpOnly" in safe


def without_key(settings: Settings) -> Settings:
    return replace(settings, environment=settings.environment.model_copy(update={"secret_key": None}))


def test_without_the_key_the_pages_say_so_and_the_rest_works(desk: DeskRoom) -> None:
    headers = desk.token("agents")
    desk.house.settings = without_key(desk.house.settings)
    client = app.web(desk.house).test_client()
    for path in ("/", "/sign-in", "/tickets", "/assets/console.css"):
        said = client.get(path)
        assert said.status_code == 503, path
        assert "SECRET_KEY is not set" in said.get_data(as_text=True)
    assert client.get("/healthz").status_code == 200
    assert client.post("/ivr/voice").status_code == 403
    assert client.get("/api/v1/queue", headers=headers).status_code == 200


def test_no_password_and_no_name_is_readable_in_the_store(desk: DeskRoom) -> None:
    desk.user("li.na")
    (user,) = desk.every(User)
    assert user.password.startswith("$argon2id$")
    assert PASSWORD not in user.password
