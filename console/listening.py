"""The player: a reason first, then a permit, then the sound in ranges.

The permit's word is in no address, so that no log on the way can have it: it is a cookie that the browser sends to this
one sound's address and to no script. What it opens, it opens for the login it was given to
(recordings.vault.listening).
"""

from __future__ import annotations

import uuid

from flask import Response, abort, flash, redirect, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from console import listening_view, roles, views
from console.door import _inside
from console.frame import language, me, now, page
from core.said import Said
from core.webhook import house
from recordings.privacy.redact_text import masked
from recordings.vault import listening
from recordings.vault.listening import Permit

PERMIT = "permit"
"""The cookie of one sound; its path is the sound's address."""


@page("/sound/<uuid:play_id>", "account")
def sound(play_id: uuid.UUID) -> Response:
    """The bytes a player asks for. Whoever is signed in may ask; the permit says whether there is an answer."""
    given = listening.answer(
        house(),
        request.cookies.get(PERMIT, ""),
        me().login,
        request.headers.get("Range"),
        roles.with_a_permit(me().role),
        head=request.method == "HEAD",
    )
    return Response(given.body, given.status, given.headers)


@page("/hear/<uuid:recording_id>", "listen", methods=("POST",))
def hear(recording_id: uuid.UUID) -> AnyResponse:
    """A permit for whoever says why; back to the page that asked."""
    back = _inside(request.form.get("back", ""))
    try:
        with house().transaction() as session:
            permit = permit_for(session, recording_id, request.form)
    except (views.ViewProblem, *listening_view.PROBLEMS) as problem:
        refuse(problem)
        return redirect(back)
    return handed_over(permit, back)


def permit_for(
    session: Session,
    recording_id: uuid.UUID,
    form: MultiDict[str, str],
    rights: tuple[str, ...] | None = None,
) -> Permit:
    """Raises ViewProblem without a reason, ListeningProblem without a right."""
    return listening.play(
        session,
        recording_id,
        me().login,
        reason_of(form),
        now(),
        original=form.get("original") == "yes",
        rights=roles.in_the_room(me().role) if rights is None else rights,
    )


def reason_of(form: MultiDict[str, str]) -> str:
    """What is kept of a reason, names in it masked as in the view log: the row outlives an erasure. Raises
    ViewProblem."""
    kept = views.checked(form.get("reason", ""), form.get("why", ""), listening_view.REASONS)
    return masked(kept, house().settings.hospital.languages[0])


def handed_over(permit: Permit, to: str) -> AnyResponse:
    """The way on to `to`, with the permit's word in the cookie of its sound."""
    said = redirect(to, 303)
    https = (house().settings.public_url or "").startswith("https://")
    said.set_cookie(
        PERMIT,
        permit.token,
        max_age=max(1, int((permit.expires_at - now()).total_seconds())),
        path=f"/sound/{permit.play_id}",
        secure=https,
        httponly=True,
        samesite="Strict",
    )
    return said


def open_permit(session: Session, recording_id: uuid.UUID | None) -> listening_view.OpenPermit | None:
    """What lets the player of this page play now, for whoever is signed in."""
    if recording_id is None:
        return None
    return listening_view.open_permit(session, recording_id, me().login, roles.with_a_permit(me().role), now())


def refuse(problem: Said) -> None:
    """Said on the next page, in the words of whoever is signed in."""
    flash(problem.said(language()), "problem")


def seconds_of(text: str | None) -> float | None:
    """A second in an address or a form; None where there is none. 400 for what is no number."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        abort(400)
    if not 0 <= value < 100_000:
        abort(400)
    return value
