"""The vault's pages: recordings by day and kind, one recording, holds, copies for two people, and who heard what."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console import listening_view, roles, views
from console.frame import language, me, now, page, say, zone
from console.listening import handed_over, open_permit, reason_of, refuse, seconds_of
from console.listening_view import HeardLine, SoundLine
from core.values import KNOWN_LANGUAGES
from core.webhook import house
from recordings.machine import STATES
from recordings.privacy import redact
from recordings.privacy.spoken import Spoken
from recordings.vault import listening, retention

REFUSED = (views.ViewProblem, *listening_view.PROBLEMS)


@page("/vault", "listen")
def recordings() -> str:
    try:
        search, before = listening_view.search_of(request.args), _moment(request.args.get("before"))
    except ValueError:
        abort(400)
    with house().transaction() as session:
        found = listening_view.found(session, search, zone(), before)
    return render_template(
        "recordings.html",
        found=found[: listening_view.MOST],
        older=_older(found[: listening_view.MOST], found),
        search=search,
        wanted={name: value for name, value in request.args.items() if name != "before"},
        purposes=listening_view.PURPOSES,
        states=STATES,
        languages=KNOWN_LANGUAGES,
    )


@page("/vault/<uuid:recording_id>", "listen", sound=True)
def recording(recording_id: uuid.UUID) -> str:
    return _sheet(recording_id)


@page("/vault/<uuid:recording_id>/words", "original", methods=("POST",), sound=True)
def recording_words(recording_id: uuid.UUID) -> Response | str:
    """The words as they were said, once, for whoever says why: each look is a line of the log."""
    try:
        with house().transaction() as session:
            rights = roles.in_the_room(me().role)
            lines = redact.read_original(session, recording_id, me().login, reason_of(request.form), now(), rights)
    except REFUSED as problem:
        refuse(problem)
        return redirect(url_for("console.recording", recording_id=recording_id))
    return _sheet(recording_id, lines)


def _sheet(recording_id: uuid.UUID, words: list[Spoken] | None = None) -> str:
    with house().transaction() as session:
        line = listening_view.line(session, recording_id)
        if line is None:
            abort(404)
        permit = open_permit(session, recording_id)
        keeper = me().may("vault")
        return render_template(
            "recording.html",
            line=line,
            permit=permit,
            heard=listening_view.heard(session, recording_id, language(), words)
            if permit or words is not None
            else None,
            at=seconds_of(request.args.get("t")),
            reasons=listening_view.REASONS,
            holds=listening_view.holds(session, recording_id) if keeper else (),
            log=listening_view.log(session, now(), recording_id=recording_id, limit=20) if keeper else (),
        )


@page("/vault/<uuid:recording_id>/keep", "vault", methods=("POST",))
def recording_keep(recording_id: uuid.UUID) -> Response:
    """Hold it, release it, or ask for a copy to take away."""
    deed, why = request.form.get("deed", ""), request.form.get("why", "")
    if deed not in ("hold", "release", "export"):
        abort(400)
    try:
        with house().transaction() as session:
            _keep(session, recording_id, deed, why)
    except REFUSED as problem:
        refuse(problem)
    else:
        flash(say(f"vault.done.{deed}"), "good")
    return redirect(url_for("console.recording", recording_id=recording_id))


def _keep(session: Session, recording_id: uuid.UUID, deed: str, why: str) -> None:
    if deed == "hold":
        retention.hold(session, recording_id, me().login, why, now())
    elif deed == "release":
        retention.release(session, recording_id, me().login, why, now())
    else:
        listening.ask_export(
            session, recording_id, me().login, reason_of(request.form), now(),
            original=request.form.get("original") == "yes", rights=roles.in_the_room(me().role),
        )  # fmt: skip


# ---- copies to take away -----------------------------------------------------------------------------
@page("/exports", "vault")
def exports() -> str:
    with house().transaction() as session:
        return render_template("exports.html", asked=listening_view.log(session, now(), kind="export"))


@page("/exports/<uuid:play_id>", "vault", methods=("POST",))
def export_deed(play_id: uuid.UUID) -> Response:
    """The second person's yes; or the copy itself, for who asked."""
    deed, rights = request.form.get("deed", ""), roles.in_the_room(me().role)
    if deed not in ("approve", "take"):
        abort(400)
    try:
        with house().transaction() as session:
            if deed == "take":
                permit = listening.export(session, play_id, me().login, now(), rights=rights)
                return handed_over(permit, url_for("console.sound", play_id=play_id))
            listening.approve_export(session, play_id, me().login, now(), rights=rights)
    except REFUSED as problem:
        refuse(problem)
    else:
        flash(say("vault.done.approve"), "good")
    return redirect(url_for("console.exports"))


# ---- who heard what ----------------------------------------------------------------------------------
@page("/heard", "vault")
def heard() -> str:
    try:
        before = _moment(request.args.get("before"))
    except ValueError:
        abort(400)
    login = request.args.get("login", "").strip()
    with house().transaction() as session:
        found = listening_view.log(session, now(), login=login, before=before)
    shown = found[: listening_view.MOST]
    return render_template("heard.html", log=shown, older=_older(shown, found), login=login)


def _moment(text: str | None) -> datetime | None:
    """A time of an address of ours; ValueError for anything else."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def _older(shown: Sequence[SoundLine | HeardLine], found: Sequence[SoundLine | HeardLine]) -> str | None:
    """The address's word for what is older than this page, if anything is."""
    return shown[-1].at.isoformat() if len(found) > len(shown) else None
