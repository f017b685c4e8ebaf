"""Tickets: the list, one ticket's page, and what is done there."""

from __future__ import annotations

import uuid

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console import desk_view, views, words
from console.frame import language, me, now, page, say
from core.webhook import house
from desk import kinds
from desk import words as desk_words

LISTS: dict[str, tuple[str, ...] | None] = {
    "open": None,
    "mine": None,
    "resolved": ("resolved",),
    "confirmed": ("confirmed",),
}
"""The states in each; None is whatever is still owed."""


@page("/tickets", "tickets")
def tickets() -> str | Response:
    if number := request.args.get("number", "").strip():
        return redirect(url_for("console.ticket", number=number))
    which = request.args.get("list", "open")
    if which not in LISTS:
        abort(404)
    with house().transaction() as session:
        found = desk_view.lines(session, now(), states=LISTS[which], owner=me().login if which == "mine" else None)
    return render_template("tickets.html", tickets=found, which=which, lists=list(LISTS), most=desk_view.MOST)


@page("/tickets/<number>", "tickets")
def ticket(number: str) -> str:
    with house().transaction() as session:

        def shown(ticket_id: uuid.UUID) -> bool:
            return views.is_open(session, me().login, "ticket", ticket_id, now())

        sheet = desk_view.sheet(session, number, now(), shown=shown)
        if sheet is None:
            abort(404)
        return render_template(
            "ticket.html",
            sheet=sheet,
            line=sheet.line,
            deeds=desk_view.offered(sheet, me().login, others=me().may("others")),
            agents=desk_view.agent_lines(session, now()) if me().may("others") else [],
            told_how=desk_view.TOLD_HOW,
            kinds=kinds,
            step=_step,
            reasons=views.REASONS,
            shown_minutes=int(views.SHOWN_FOR.total_seconds() // 60),
        )


def _step(told: desk_view.Told) -> str:
    """A line of the ledger in the reader's language, its codes too."""
    kinds_of = {"link": "link", "problem": "problem", "nature": "nature", "how": "told"}
    data = {
        name: words.label(language(), kinds_of[name], str(value)) if name in kinds_of else value
        for name, value in told.data.items()
    }
    if data.get("kind") in kinds.KINDS:
        data["kind"] = kinds.KINDS[data["kind"]].words[language()]
    return desk_words.step(told.what, data, language())


@page("/tickets/<number>", "tickets", methods=("POST",))
def ticket_deed(number: str) -> Response:
    deed = request.form.get("deed", "")
    if deed == "assign" and not me().may("others"):
        abort(403)
    if deed not in desk_view.DEEDS or not all(field in request.form for field in desk_view.FIELDS.get(deed, ())):
        abort(400)
    try:
        with house().transaction() as session:
            if not desk_view.do(session, number, deed, request.form, me().login, now()):
                abort(404)
    except desk_view.PROBLEMS as problem:
        flash(problem.said(language()), "problem")
    else:
        flash(say(f"done.{deed}"), "good")
    return redirect(url_for("console.ticket", number=number))


@page("/tickets/<number>/show", "tickets", methods=("POST",))
def ticket_show(number: str) -> Response:
    """The patient's data, for whoever says why."""
    try:
        with house().transaction() as session:
            line = desk_view.line(session, number, now())
            if line is None:
                abort(404)
            given = request.form.get("reason", ""), request.form.get("why", "")
            views.look(session, me().login, "ticket", line.id, *given, now())
    except views.ViewProblem as problem:
        flash(problem.said(language()), "problem")
    return redirect(url_for("console.ticket", number=number))
