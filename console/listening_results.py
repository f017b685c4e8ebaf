"""What comes of a review: the agent's own results and disputes, settling them, and coaching.

An agent sees their own reviews and tasks and nobody else's: whoever asks for another's is told that there is no such
page. The sound of it is heard by a permit like any other, for that one recording.
"""

from __future__ import annotations

import uuid

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from console import listening_view, review_view, views
from console.frame import language, me, now, page, say
from console.listening import handed_over, open_permit, permit_for, refuse, seconds_of
from core.webhook import house
from recordings.quality import coaching as tasks
from recordings.quality import reviews as room
from recordings.quality.qa_shapes import AgentReview, Disputed, Mark, TaskLine
from recordings.quality.reviews import ReviewProblem

HEAR_ONLY = ("listen",)


def _let_hear(recording_id: uuid.UUID | None, reason: str, back: str) -> Response:
    """A permit for the one recording this page is about."""
    if recording_id is None:
        abort(404)
    try:
        with house().transaction() as session:
            permit = permit_for(session, recording_id, MultiDict({"reason": reason}), HEAR_ONLY)
    except (views.ViewProblem, *listening_view.PROBLEMS) as problem:
        refuse(problem)
        return redirect(back)
    return handed_over(permit, back)


# ---- an agent's own reviews --------------------------------------------------------------------------
@page("/my-reviews", "mine")
def my_reviews() -> str:
    with house().transaction() as session:
        return render_template("my_reviews.html", mine=room.of_agent(session, me().login, now()))


@page("/my-reviews/<uuid:review_id>", "mine", sound=True)
def my_review(review_id: uuid.UUID) -> str:
    with house().transaction() as session:
        mine = _mine(session, review_id)
        permit = open_permit(session, review_view.recording_of(mine.subject_kind, mine.subject_id))
        return render_template(
            "my_review.html", mine=mine, permit=permit, at=seconds_of(request.args.get("t")),
            heard=listening_view.heard(session, mine.subject_id, language()) if permit else None,
        )  # fmt: skip


@page("/my-reviews/<uuid:review_id>/hear", "mine", methods=("POST",))
def my_review_hear(review_id: uuid.UUID) -> Response:
    with house().transaction() as session:
        mine = _mine(session, review_id)
    back = url_for("console.my_review", review_id=review_id)
    return _let_hear(review_view.recording_of(mine.subject_kind, mine.subject_id), "dispute", back)


@page("/my-reviews/<uuid:review_id>", "mine", methods=("POST",), sound=True)
def my_review_dispute(review_id: uuid.UUID) -> Response | tuple[str, int]:
    """The agent says why the review is wrong; a supervisor settles it."""
    why = request.form.get("why", "").strip()
    try:
        with house().transaction() as session:
            mine = _mine(session, review_id)
            room.dispute(session, review_id, me().login, why, now())
    except ReviewProblem as problem:
        said = problem.said(language())
        return render_template(
            "my_review.html", mine=mine, permit=None, heard=None, at=None, why=why, problem=said
        ), 422
    flash(say("review.done.dispute"), "good")
    return redirect(url_for("console.my_review", review_id=review_id))


def _mine(session: Session, review_id: uuid.UUID) -> AgentReview:
    own = room.of_agent(session, me().login, now())
    found = next((one for one in own if one.review_id == review_id), None)
    if found is None:
        abort(404)
    return found


# ---- settling ----------------------------------------------------------------------------------------
@page("/disputes", "settle")
def disputes() -> str:
    with house().transaction() as session:
        return render_template("disputes.html", disputed=room.disputed(session))


@page("/disputes/<uuid:review_id>", "settle", sound=True)
def dispute(review_id: uuid.UUID) -> str | Response:
    with house().transaction() as session:
        one = _disputed(session, review_id)
        if room.rates_too(session, one.subject_kind, one.subject_id, me().login):
            # the page shows the other rater's marks
            flash(ReviewProblem("mark_first").said(language()), "problem")
            return redirect(url_for("console.disputes"))
        return _dispute_page(session, one)


@page("/disputes/<uuid:review_id>", "settle", methods=("POST",), sound=True)
def dispute_settle(review_id: uuid.UUID) -> Response | tuple[str, int]:
    """Only what is decided otherwise is sent; nothing at all: the review stands."""
    why = request.form.get("why", "").strip()
    marks = {
        name.removeprefix("mark."): review_view.DECISIONS[value]
        for name, value in request.form.items()
        if name.startswith("mark.") and value in review_view.DECISIONS
    }
    try:
        with house().transaction() as session:
            room.settle(session, review_id, me().login, marks, why, now())
    except ReviewProblem as problem:
        if problem.key == "mark_first":
            flash(problem.said(language()), "problem")
            return redirect(url_for("console.disputes"))
        with house().transaction() as session:
            disputed = _disputed(session, review_id)
            said = problem.said(language())
            return _dispute_page(session, disputed, problem=said, why=why, decided=marks), 422
    flash(say("review.done.settle"), "good")
    return redirect(url_for("console.disputes"))


def _disputed(session: Session, review_id: uuid.UUID) -> Disputed:
    found = next((one for one in room.disputed(session) if one.review_id == review_id), None)
    if found is None:
        abort(404)
    return found


def _dispute_page(
    session: Session, one: Disputed, *, problem: str = "", why: str = "", decided: dict[str, Mark] | None = None
) -> str:
    recording_id = review_view.recording_of(one.subject_kind, one.subject_id)
    permit = open_permit(session, recording_id)
    return render_template(
        "dispute.html",
        one=one,
        sheet=room.sheet(session, one.review_id, one.rater),
        problem=problem,
        why=why,
        decided=decided or {},
        recording_id=recording_id,
        permit=permit,
        heard=listening_view.heard(session, recording_id, language()) if permit and recording_id else None,
        at=seconds_of(request.args.get("t")),
        reasons=listening_view.REASONS,
        decisions=review_view.DECISIONS,
    )


# ---- coaching ----------------------------------------------------------------------------------------
@page("/coaching", "coach")
def coaching() -> str:
    with house().transaction() as session:
        return render_template("coaching.html", tasks=_tasks(session), all_of_them=me().may("settle"))


@page("/coaching/<uuid:task_id>", "coach", sound=True)
def coaching_task(task_id: uuid.UUID) -> str:
    with house().transaction() as session:
        return _task_page(session, _task(session, task_id))


@page("/coaching/<uuid:task_id>/hear", "coach", methods=("POST",))
def coaching_hear(task_id: uuid.UUID) -> Response:
    with house().transaction() as session:
        task = _task(session, task_id)
    back = url_for("console.coaching_task", task_id=task_id)
    return _let_hear(review_view.recording_of(task.subject_kind, task.subject_id), "coaching", back)


@page("/coaching/<uuid:task_id>", "coach", methods=("POST",), sound=True)
def coaching_deed(task_id: uuid.UUID) -> Response | tuple[str, int]:
    """Confirm or dismiss what the machine proposed; or the talk was held (the process mended)."""
    deed, note = request.form.get("deed", ""), request.form.get("note", "").strip()
    if deed not in ("confirm", "dismiss", "done"):
        abort(400)
    with house().transaction() as session:
        task = _task(session, task_id)
        if deed not in _deeds(task):
            abort(403)
    try:
        with house().transaction() as session:
            if deed == "confirm":
                tasks.confirm(session, task_id, me().login, now())
            elif deed == "dismiss":
                tasks.dismiss(session, task_id, me().login, note, now())
            else:
                tasks.done(session, task_id, me().login, note, now())
    except ReviewProblem as problem:
        with house().transaction() as session:
            return _task_page(session, _task(session, task_id), problem.said(language()), note), 422
    mended = deed == "done" and task.cause == "process"
    flash(say("coaching.did.mended" if mended else f"coaching.did.{deed}"), "good")
    return redirect(url_for("console.coaching"))


def _tasks(session: Session) -> list[TaskLine]:
    """All for a supervisor; else one's own."""
    return tasks.open_tasks(session, None if me().may("settle") else me().login, now=now())


def _task(session: Session, task_id: uuid.UUID) -> TaskLine:
    found = next((one for one in _tasks(session) if one.task_id == task_id), None)
    if found is None:
        abort(404)
    return found


def _deeds(task: TaskLine) -> tuple[str, ...]:
    """What this person may do with it: nobody signs off their own coaching."""
    if not me().may("settle"):
        return ("done",) if task.cause == "process" and task.owner == me().login and task.state == "open" else ()
    return {"proposed": ("confirm", "dismiss"), "open": ("done",)}.get(task.state, ())


def _task_page(session: Session, task: TaskLine, problem: str = "", note: str = "") -> str:
    recording_id = review_view.recording_of(task.subject_kind, task.subject_id)
    return render_template(
        "coaching_task.html",
        task=task,
        deeds=_deeds(task),
        problem=problem,
        note=note,
        recording_id=recording_id,
        permit=open_permit(session, recording_id),
        at=seconds_of(request.args.get("t")),
    )
