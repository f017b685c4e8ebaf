"""The nurses' worklist: what the machine could not finish, and the note of whoever has done it."""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console import masking, views
from console.frame import language, me, now, page, say
from core.webhook import house
from scheduler import worklist as work
from scheduler.models import WorkItem

MOST = 100
"""Items on one page, the most urgent first: the others move up as these are done."""


@page("/worklist", "worklist")
def worklist() -> str:
    with house().transaction() as session:
        shown = views.open_of(session, me().login, "worklist", now())
        items = [
            item if item.id in shown else replace(item, mrn=masking.mrn(item.mrn or ""))
            for item in work.open_items(session, now(), most=MOST)
        ]
        more = work.how_many(session) - len(items)
    return render_template("worklist.html", items=items, more=more, kinds=work.KINDS, reasons=views.REASONS)


@page("/worklist/<uuid:item_id>", "worklist", methods=("POST",))
def worklist_done(item_id: uuid.UUID) -> Response:
    try:
        with house().transaction() as session:
            work.done(session, item_id, me().login, request.form.get("note", ""), now())
    except work.WorkProblem as problem:
        flash(problem.said(language()), "problem")
    else:
        flash(say("done.work"), "good")
    return redirect(url_for("console.worklist"))


@page("/worklist/<uuid:item_id>/show", "worklist", methods=("POST",))
def worklist_show(item_id: uuid.UUID) -> Response:
    """The record number of one item, for whoever says why."""
    try:
        with house().transaction() as session:
            if session.get(WorkItem, item_id) is None:
                abort(404)
            given = request.form.get("reason", ""), request.form.get("why", "")
            views.look(session, me().login, "worklist", item_id, *given, now())
    except views.ViewProblem as problem:
        flash(problem.said(language()), "problem")
    return redirect(url_for("console.worklist"))
