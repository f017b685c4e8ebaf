"""`carecall user` and `carecall token`, as the IT person types them."""

from __future__ import annotations

import io

import pytest

from tests.commands.conftest import Carecall

PASSWORD = "a horse that rings twice"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    return monkeypatch


def add(at_work: Carecall, *more: str) -> str:
    told = at_work("user", "add", "li.na", "--role", "nurse", "--name", "Li Na", "--password-stdin", *more)
    assert told.code in (0, 2)
    return told.out + told.err


def test_a_user_from_added_to_shut_out(at_work: Carecall, typed: pytest.MonkeyPatch) -> None:
    assert add(at_work) == "li.na may sign in as nurse\n"
    (row,) = at_work("user", "list", "--json").rows
    assert (row["login"], row["name"], row["role"], row["language"], row["state"]) == (
        "li.na", "Li Na", "nurse", "zh-CN", "active",
    )  # fmt: skip
    assert at_work("user", "disable", "li.na").code == 0
    assert at_work("user", "list", "--json").rows[0]["state"] == "disabled"
    typed.setattr("sys.stdin", io.StringIO(f"{PASSWORD} again\n"))
    assert at_work("user", "password", "li.na", "--password-stdin").code == 0
    assert at_work("user", "list", "--json").rows[0]["state"] == "active"


def test_what_cannot_be_added_is_one_sentence(at_work: Carecall, typed: pytest.MonkeyPatch) -> None:
    add(at_work, "--language", "en")
    typed.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert add(at_work) == "There is a user 'li.na' already.\n"
    typed.setattr("sys.stdin", io.StringIO("short\n"))
    told = at_work("user", "password", "li.na", "--password-stdin")
    assert (told.code, told.err) == (2, "A password needs at least 12 characters; this one has 5.\n")
    typed.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert at_work("user", "password", "li.na").err.startswith("There is no terminal to ask")
    assert at_work("user", "disable", "nobody").err == "There is no user 'nobody'.\n"


def test_a_password_is_never_an_argument(at_work: Carecall) -> None:
    told = at_work("user", "add", "li.na", "--role", "it", "--name", "x", "--password", PASSWORD)
    assert told.code == 2
    assert at_work("user", "list", "--json").rows == []


def test_a_token_is_shown_once(at_work: Carecall) -> None:
    told = at_work("token", "add", "wechat form", "--scopes", "feedback", "tickets")
    token = told.out.strip()
    assert told.code == 0
    assert token.startswith("carecall_")
    listed = at_work("token", "list", "--json")
    assert token not in listed.out
    assert (listed.rows[0]["title"], listed.rows[0]["scopes"]) == ("wechat form", "feedback tickets")
    assert at_work("token", "add", "wechat form", "--scopes", "agents").code == 2
    assert at_work("token", "revoke", "wechat form").code == 0
    assert at_work("token", "list", "--json").rows[0]["revoked_at"]
    assert "revoked already" in at_work("token", "revoke", "wechat form").err
    assert at_work("token", "add", "x", "--scopes", "everything").code == 2


def test_check_says_that_nobody_can_sign_in(at_work: Carecall, environment: pytest.MonkeyPatch) -> None:
    def console() -> str:
        [line] = [row for row in at_work("check", "--json").rows if row["what"] == "console"]
        return f"{line['ok']}: {line['detail']}"

    assert console() == "ok: sessions are signed"
    environment.delenv("SECRET_KEY")
    assert console() == "ok: SECRET_KEY is not set: nobody can sign in to the pages"
