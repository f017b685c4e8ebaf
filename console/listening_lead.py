"""Reviews that lie still, for a supervisor: who has what in hand, another rater for it, or the end of what nobody can
judge. The page shows no mark, no score and no agent (docs/clinical.md section 4, Blind)."""

from __future__ import annotations

import uuid
from datetime import timedelta

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from console import words
from console.frame import language, me, now, page, say
from core.webhook import house
from recordings.quality import review_lead as room
from recordings.quality.qa_words import ReviewProblem
from recordings.quality.review_day import Assignment

SHOWN = timedelta(days=30)
"""How far back dropped reviews are listed."""


@page("/reviews/waiting", "settle")
def reviews_waiting() -> str:
    return _list()


@page("/reviews/waiting/<uuid:review_id>", "settle", methods=("POST",))
def review_moved(review_id: uuid.UUID) -> Response | tuple[str, int]:
    """Deed "hand_over" with `to` (empty: the least busy), or "drop"; each with a reason."""
    deed, why = request.form.get("deed", ""), request.form.get("why", "")
    if deed not in ("hand_over", "drop"):
        abort(400)
    try:
        with house().transaction() as session:
            if deed == "drop":
                said = say("lead.did.drop", count=room.drop(session, review_id, me().login, why, now()))
            else:
                to = room.hand_over(session, review_id, request.form.get("to", ""), me().login, why, now())
                said = say("lead.did.hand_over", login=to)
    except ReviewProblem as problem:
        return _list(problem.said(language()), review_id), 422
    flash(said, "good")
    return redirect(url_for("console.reviews_waiting"))


def _list(problem: str = "", of: uuid.UUID | None = None) -> str:
    """With what was typed for review `of`, and what is wrong with it."""
    with house().transaction() as session:
        return render_template(
            "reviews_waiting.html", lines=room.in_hand(session), dropped=room.dropped(session, now() - SHOWN),
            raters=sorted(Assignment(session).raters), problem=problem, typed=request.form, of=of,
            number=words.short_id,
        )  # fmt: skip
