"""The board: who waits now, who answers, and which promise runs out next. And the agents' page."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console import desk_view
from console.frame import language, me, now, page
from core.webhook import house
from scheduler.models import WorkItem

ON_THE_BOARD = 40
"""Tickets shown there; the rest are counted and one click away."""


@page("/", "account")
def board() -> str | Response:
    if me().may("review") and not me().may("board"):
        return redirect(url_for("console.reviews"))
    if not me().may("board"):
        return render_template("nothing.html")
    with house().transaction() as session:
        agents = desk_view.agent_lines(session, now())
        tickets = desk_view.lines(session, now(), limit=ON_THE_BOARD + 1)
        return render_template(
            "board.html",
            waiting=desk_view.waiting(session, now()),
            agents=agents,
            mine=next((line for line in agents if line.login == me().login), None),
            tickets=tickets[:ON_THE_BOARD],
            more=len(tickets) > ON_THE_BOARD,
            overdue=sum(line.overdue for line in tickets),
            work=_work(session, now()) if me().may("worklist") else None,
        )


def _work(session: Session, now: datetime) -> tuple[int, int]:
    """Open items of the nurses' worklist, and how many of them are late."""
    late = sa.func.count().filter(WorkItem.due_at < now)
    total, late_ones = session.execute(sa.select(sa.func.count(), late).where(WorkItem.status == "open")).one()
    return total, late_ones


@page("/agents", "board")
def agents() -> str:
    with house().transaction() as session:
        return render_template(
            "agents.html",
            agents=desk_view.agent_lines(session, now()),
            mine=desk_view.is_agent(session, me().login),
            states=desk_view.AGENT_STATES,
        )


@page("/agents", "answer", methods=("POST",))
def agent_state() -> Response:
    """Myself; somebody else only for a supervisor."""
    login, state = request.form.get("login", ""), request.form.get("state", "")
    if login != me().login and not me().may("others"):
        abort(403)
    if state not in desk_view.AGENT_STATES:
        abort(400)
    try:
        with house().transaction() as session:
            desk_view.sign(session, login, state, me().login, now())
    except desk_view.PROBLEMS as problem:
        flash(problem.said(language()), "problem")
    return redirect(url_for("console.board" if request.form.get("from") == "board" else "console.agents"))
