"""The nurses' worklist: what the machine could not finish, and the note of whoever has done it."""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console import listening_view, masking, views
from console.frame import language, me, now, page, say
from console.listening import handed_over, open_permit, permit_for, refuse, seconds_of
from console.listening_results import HEAR_ONLY
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
    return render_template(
        "worklist.html", items=items, more=more, kinds=work.KINDS, reasons=views.REASONS, heard=work.HEARD
    )


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


@page("/worklist/<uuid:item_id>/hear", "worklist", sound=True)
def worklist_sound(item_id: uuid.UUID) -> str:
    """The words and the player of the recording an open item asks somebody to hear: a nurse has the right to listen to
    no other."""
    with house().transaction() as session:
        recording_id = _to_hear(session, item_id)
        line = listening_view.line(session, recording_id)
        if line is None:
            abort(404)
        permit = open_permit(session, recording_id)
        return render_template(
            "worklist_hear.html",
            item_id=item_id,
            line=line,
            permit=permit,
            heard=listening_view.heard(session, recording_id, language()) if permit else None,
            at=seconds_of(request.args.get("t")),
            reasons=listening_view.REASONS,
        )


@page("/worklist/<uuid:item_id>/hear", "worklist", methods=("POST",), sound=True)
def worklist_hear(item_id: uuid.UUID) -> Response:
    """A permit for whoever says why."""
    back = url_for("console.worklist_sound", item_id=item_id)
    try:
        with house().transaction() as session:
            permit = permit_for(session, _to_hear(session, item_id), request.form, HEAR_ONLY)
    except (views.ViewProblem, *listening_view.PROBLEMS) as problem:
        refuse(problem)
        return redirect(back)
    return handed_over(permit, back)


def _to_hear(session: Session, item_id: uuid.UUID) -> uuid.UUID:
    """404 for an item that is done, or that is about no recording."""
    item = session.get(WorkItem, item_id)
    if item is None or item.status != "open" or item.kind not in work.HEARD or item.subject_id is None:
        abort(404)
    return item.subject_id
