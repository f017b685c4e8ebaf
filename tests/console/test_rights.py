"""Every address of the application, asked for by every role, by nobody, and by programs with every scope: made from the
application's own map of addresses, so that one nobody has thought of here fails."""

from __future__ import annotations

import re
import uuid

from flask.testing import FlaskClient

from console import frame, tokens
from core import webhook
from tests.console.desk_room import DeskRoom

AGENT, NURSE, LEAD, QA, IT = "agent", "nurse", "supervisor", "qa", "it"
ALL = {AGENT, NURSE, LEAD, QA, IT}
STAFF = {AGENT, NURSE, LEAD}
WHO: dict[str, set[str]] = {
    # said here once more and not read from console.roles, which is what is tried
    view: roles
    for roles, views in (
        (ALL, "account account_change board sign_out sound"),
        ({*STAFF, IT}, "agents"),
        (STAFF, "agent_state tickets ticket ticket_deed ticket_show"),
        ({NURSE, LEAD}, "worklist worklist_done worklist_show worklist_sound worklist_hear"),
        ({QA, LEAD}, "recordings recording hear agreement reviews review review_draft review_read review_save"),
        ({AGENT, NURSE}, "my_reviews my_review my_review_dispute my_review_hear my_vetoes veto_appeal"),
        (STAFF, "coaching coaching_task coaching_deed coaching_hear"),
        ({LEAD}, "disputes dispute dispute_settle reviews_waiting review_moved vetoes veto_decide veto_uphold"),
        ({LEAD}, "figures figures_csv figures_day figures_pack"),
        ({LEAD}, "recording_words recording_keep exports export_deed heard"),
    )
    for view in views.split()
}
"""View -> roles that are let in."""
ANYBODY = {"sign_in", "sign_in_check", "static"}
SCOPE = {
    "take_feedback": "feedback", "list_tickets": "tickets", "one_ticket": "tickets", "queue": "agents",
    "agent_state": "agents", "take_chats": "chats",
}  # fmt: skip
OPEN_API = {"document"}
OPEN_ELSEWHERE = {"/healthz", "/readyz", "/static/<path:filename>", "/ivr/music.wav",
                  "/ivr/prompt/<language>/<digest>.wav"}  # fmt: skip
WORDS = {"uuid": str(uuid.UUID(int=1)), "int": "1", "month": "2031-03"}


def addresses(desk: DeskRoom) -> list[tuple[str, str, str, str]]:
    """(blueprint, view, method, path) of all there are."""
    found = []
    for rule in desk.app.url_map.iter_rules():
        room, _, view = rule.endpoint.rpartition(".")
        path = re.sub(r"<(?:(\w+):)?(\w+)>", lambda part: WORDS.get(part[1] or part[2], "x1"), rule.rule)
        found += [(room, view, method, path) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


def ask(client: FlaskClient, method: str, path: str, word: str = "", login: str = "") -> int:
    """`login`: an agent may move their own state, and nobody else's."""
    form = {"csrf_token": word, "login": login} if method == "POST" else None
    return client.open(path, method=method, data=form).status_code


def test_every_page_with_every_role_and_with_nobody(desk: DeskRoom) -> None:
    pages = [page for page in addresses(desk) if page[0] == "console"]
    assert {view for _, view, _, _ in pages} == WHO.keys() | ANYBODY, "say here who may see a new page"
    assert frame.BELOW.keys() | frame.BELOW.values() <= WHO.keys()
    nobody = desk.screen().client
    outside = _word(nobody.get("/sign-in").get_data(as_text=True))
    for _, view, method, path in pages:
        if view not in ANYBODY:
            assert ask(nobody, method, path, outside) == (302 if method == "GET" else 401), (view, "nobody")
    for role in sorted(ALL):
        client = desk.signed_in(role).client
        word = _word(client.get("/account").get_data(as_text=True))
        wrong = {
            (view, method): code
            for _, view, method, path in pages
            # asked last: whoever may sign out is out
            if view not in {*ANYBODY, "sign_out"}
            and ((code := ask(client, method, path, word, f"{role}1")) == 403) == (role in WHO[view])
        }
        assert wrong == {}, role
        assert ask(client, "GET", "/account") == 200, "nothing on the way has sent them away"
        assert ask(client, "POST", "/sign-out", word) == 302, role


def _word(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_every_address_of_the_api_with_every_scope_and_with_none(desk: DeskRoom) -> None:
    api = [page for page in addresses(desk) if page[0] == "api"]
    assert {view for _, view, _, _ in api} == SCOPE.keys() | OPEN_API, "say here which scope a new address asks for"
    client = desk.app.test_client()
    bearer = {scope: desk.token(scope) for scope in tokens.SCOPES}
    for _, view, method, path in api:
        if view in OPEN_API:
            assert client.open(path, method=method).status_code == 200
            continue
        assert client.open(path, method=method, json={}).status_code == 401, view
        for scope in tokens.SCOPES:
            said = client.open(path, method=method, json={}, headers=bearer[scope]).status_code
            assert (said == 403) == (scope != SCOPE[view]), (view, scope, said)
            assert said not in (401, 500), (view, scope)


def test_everything_else_is_the_carriers_and_signed_or_said_here_to_be_open(desk: DeskRoom) -> None:
    rules = {rule.rule for rule in desk.app.url_map.iter_rules()
             if rule.endpoint.partition(".")[0] not in ("console", "api")}  # fmt: skip
    signed = {rule.rule for rule in desk.app.url_map.iter_rules() if rule.endpoint.partition(".")[0] in webhook.SIGNED}
    assert rules - signed == OPEN_ELSEWHERE
    client = desk.app.test_client()
    doors = [page for page in addresses(desk) if page[0] in webhook.SIGNED]
    assert len(doors) > 5
    for room, view, method, path in doors:
        assert client.open(path, method=method).status_code == 403, (room, view)
