"""Complaints found right, set against an agent's month: a supervisor upholds one, the agent may appeal, and another
supervisor decides (docs/clinical.md PERF21). An agent sees their own and nobody else's."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console.frame import language, me, now, page, say
from console.words import typed_day
from core.webhook import house
from desk.models import Ticket
from recordings.quality import vetoes as room
from recordings.quality.qa_words import ReviewProblem


@page("/vetoes", "settle")
def vetoes() -> str:
    return _all()


@page("/vetoes", "settle", methods=("POST",))
def veto_uphold() -> Response | tuple[str, int]:
    """Somebody has looked into the complaint of a ticket and finds it right."""
    ticket = request.form.get("ticket", "").strip()
    try:
        day = typed_day(request.form.get("day", ""))
    except ValueError:
        return _all(ReviewProblem("veto_day").said(language())), 422
    try:
        with house().transaction() as session:
            found = session.execute(
                sa.select(Ticket.id, Ticket.call_id).filter_by(number=ticket, nature="complaint")
            ).one_or_none()
            if found is None:
                raise ReviewProblem("veto_no_ticket", ticket=ticket)
            login, why = request.form.get("login", ""), request.form.get("why", "")
            complaint = room.Complaint(ticket, found.id, found.call_id)
            room.uphold(session, login, complaint, day, me().login, why, now())
    except ReviewProblem as problem:
        return _all(problem.said(language())), 422
    flash(say("veto.did.uphold"), "good")
    return redirect(url_for("console.vetoes"))


@page("/vetoes/<uuid:veto_id>", "settle", methods=("POST",))
def veto_decide(veto_id: uuid.UUID) -> Response | tuple[str, int]:
    deed = request.form.get("deed", "")
    if deed not in ("keep", "lift"):
        abort(400)
    try:
        with house().transaction() as session:
            room.decide(session, veto_id, me().login, request.form.get("why", ""), now(), lift=deed == "lift")
    except ReviewProblem as problem:
        return _all(problem.said(language()), veto_id), 422
    flash(say(f"veto.did.{deed}"), "good")
    return redirect(url_for("console.vetoes"))


def _all(problem: str = "", of: uuid.UUID | None = None) -> str:
    """The page, with what was typed and what is wrong with it; `of`: the one it was typed for, None for a new one."""
    with house().transaction() as session:
        return render_template(
            "vetoes.html", lines=room.lines(session, now()), agents=room.agents(session), problem=problem,
            typed=request.form, of=of,
        )  # fmt: skip


# ---- the agent's own ---------------------------------------------------------------------------------
@page("/my-vetoes", "mine")
def my_vetoes() -> str:
    return _mine()


@page("/my-vetoes/<uuid:veto_id>", "mine", methods=("POST",))
def veto_appeal(veto_id: uuid.UUID) -> Response | tuple[str, int]:
    try:
        with house().transaction() as session:
            if veto_id not in {one.veto_id for one in room.lines(session, now(), me().login)}:
                abort(404)
            room.appeal(session, veto_id, me().login, request.form.get("why", ""), now())
    except ReviewProblem as problem:
        return _mine(problem.said(language()), veto_id), 422
    flash(say("veto.did.appeal"), "good")
    return redirect(url_for("console.my_vetoes"))


def _mine(problem: str = "", of: uuid.UUID | None = None) -> str:
    with house().transaction() as session:
        lines = room.lines(session, now(), me().login)
        return render_template("my_vetoes.html", lines=lines, problem=problem, typed=request.form, of=of)
