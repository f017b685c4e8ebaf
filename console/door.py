"""Signing in and out, and what somebody may change about themselves."""

from __future__ import annotations

import logging

from flask import abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from console import users
from console.frame import language, let_in, me, now, page, say, send_away
from console.users import UserProblem
from core.webhook import house

log = logging.getLogger(__name__)


@page("/sign-in", "")
def sign_in() -> str:
    return _form()


@page("/sign-in", "", methods=("POST",))
def sign_in_check() -> Response | tuple[str, int]:
    user = users.sign_in(house(), request.form.get("login", ""), request.form.get("password", ""))
    if user is None:
        log.warning("a sign-in was refused")
        return _form(wrong=True), 401
    let_in(user)
    return redirect(_inside(request.form.get("next", "")))


def _form(*, wrong: bool = False) -> str:
    offered = house().settings.hospital.languages
    return render_template(
        "sign_in.html", wrong=wrong, offered=offered, next=request.values.get("next", ""), chosen=language()
    )


def _inside(wanted: str) -> str:
    """Where they wanted to go, if it is a page of ours."""
    ours = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if ours else url_for("console.board")


@page("/sign-out", "account", methods=("POST",))
def sign_out() -> Response:
    send_away()
    return redirect(url_for("console.sign_in"))


@page("/account", "account")
def account() -> str:
    return render_template("account.html", languages=house().settings.hospital.languages)


@page("/account", "account", methods=("POST",))
def account_change() -> Response:
    person = me()
    match request.form.get("deed"):
        case "language":
            with house().transaction() as store:
                users.set_language(store, person.id, request.form.get("language", ""))
        case "password":
            return _new_password()
        case "everywhere":
            with house().transaction() as store:
                users.sign_out_everywhere(store, person.id, now())
            send_away()
            return redirect(url_for("console.sign_in"))
        case _:
            abort(400)
    return redirect(url_for("console.account"))


def _new_password() -> Response:
    """Everybody with this login is signed out by it, whoever set it too."""
    form = request.form
    try:
        if form.get("new", "") != form.get("again", ""):
            raise UserProblem("account.not_the_same")
        users.change_password(house(), me().id, form.get("old", ""), form.get("new", ""))
    except UserProblem as problem:
        flash(problem.said(language()), "problem")
        return redirect(url_for("console.account"))
    said = say("account.changed")
    send_away()
    session.pop("_flashes", None)
    flash(said, "good")
    return redirect(url_for("console.sign_in"))
