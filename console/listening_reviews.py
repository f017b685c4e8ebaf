"""A rater's day: the reviews that wait, one review beside its sound, drafts, and handing in.

Blind: the pages have no agent, no score, no satisfaction, and not why something was drawn (docs/clinical.md QA13 and
section 4). What was typed comes back with every answer that is a refusal.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import flash, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from console import listening_view, review_view, views, words
from console.frame import language, me, now, page, say
from console.listening import open_permit, seconds_of
from console.review_view import Filled
from core.webhook import house
from recordings.quality import qa_words
from recordings.quality import reviews as room
from recordings.quality.qa_shapes import Sheet, Suggestion
from recordings.quality.reviews import ReviewProblem


@page("/reviews", "review")
def reviews() -> str:
    with house().transaction() as session:
        waiting = room.waiting(session, me().login, now())
        return render_template(
            "reviews.html",
            waiting=waiting,
            progress=review_view.progress(session, me().login),
            disputed=len(room.disputed(session)) if me().may("settle") else 0,
        )


@page("/reviews/<uuid:review_id>", "review", sound=True)
def review(review_id: uuid.UUID) -> str | AnyResponse:
    try:
        with house().transaction() as session:
            sheet = room.sheet(session, review_id, me().login)
            return _page(session, sheet, review_view.as_kept(sheet))
    except ReviewProblem as problem:
        flash(problem.said(language()), "problem")
        return redirect(url_for("console.reviews"))


@page("/reviews/<uuid:review_id>", "review", methods=("POST",), sound=True)
def review_save(review_id: uuid.UUID) -> AnyResponse | tuple[str, int]:
    """Keep the draft; with deed "submit" hand it in; with "t" come back with the player at that second."""
    at = seconds_of(request.form.get("t"))
    kept = _keep(review_id)
    if kept.problem:
        return _again(review_id, kept)
    if request.form.get("deed") == "submit":
        return _hand_in(review_id, kept)
    if at is None:
        flash(say("review.done.save"), "good")
    return redirect(url_for("console.review", review_id=review_id, t=at, _anchor="player" if at is not None else None))


@page("/reviews/<uuid:review_id>/draft", "review", methods=("POST",))
def review_draft(review_id: uuid.UUID) -> AnyResponse:
    """The same for the script, which keeps what is typed every few seconds: the new version, or what is wrong."""
    kept = _keep(review_id)
    said = jsonify(version=kept.version, problem=kept.problem)
    said.status_code = 409 if kept.stale else 422 if kept.problem else 200
    return said


@page("/reviews/<uuid:review_id>/read", "review", methods=("POST",))
def review_read(review_id: uuid.UUID) -> AnyResponse:
    """The words of a chat, for a while, for whoever says why."""
    try:
        with house().transaction() as session:
            sheet = room.sheet(session, review_id, me().login)
            views.look(
                session, me().login, "chat", sheet.subject_id, request.form.get("reason", ""),
                request.form.get("why", ""), now(), listening_view.REASONS,
            )  # fmt: skip
    except (ReviewProblem, views.ViewProblem) as problem:
        flash(problem.said(language()), "problem")
    return redirect(url_for("console.review", review_id=review_id))


@dataclass(frozen=True)
class Kept:
    """What came of keeping a form. `problem`: words for a person, empty when it is kept."""

    version: int
    problem: str = ""
    stale: bool = False
    form: Filled | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def _keep(review_id: uuid.UUID) -> Kept:
    version = _version()
    form = None
    try:
        with house().transaction() as session:
            sheet = room.sheet(session, review_id, me().login)
            form = review_view.filled(sheet, request.form, review_view.length(session, sheet))
            if form.wrong:
                return Kept(version, say("review.look"), form=form)
            version = room.save(session, review_id, me().login, form.marks, form.comment, now(), version=version)
            return Kept(version, form=form, texts=_texts(sheet))
    except ReviewProblem as problem:
        return Kept(version, problem.said(language()), problem.key == "stale", form)


def _texts(sheet: Sheet) -> Mapping[str, str]:
    """The items as the page words them, with their numbers."""
    items = [item for part in sheet.parts for item in part.items]
    return {item.key: f"{number}. {item.text[language()]}" for number, item in enumerate(items, 1)}


def _said(problem: ReviewProblem, texts: Mapping[str, str]) -> str:
    """What the room refuses; items by their words, not by their keys."""
    if problem.key != "unmarked":
        return problem.said(language())
    keys = str(problem.values["items"]).split(", ")
    listed = say("list_comma").join(texts.get(key, key) for key in keys)
    return type(problem)(problem.key, count=len(keys), items=listed).said(language())


def _hand_in(review_id: uuid.UUID, kept: Kept) -> AnyResponse | tuple[str, int]:
    """After the draft is kept, in a transaction of its own: what cannot be handed in yet is not lost."""
    try:
        with house().transaction() as session:
            state = room.submit(session, review_id, me().login, now(), version=kept.version)
    except ReviewProblem as problem:
        return _again(review_id, replace(kept, problem=_said(problem, kept.texts), stale=problem.key == "stale"))
    if state == "revealed":
        flash(say("review.done.revealed"), "good")
        return redirect(url_for("console.review", review_id=review_id))
    flash(say("review.done.submit"), "good")
    return redirect(url_for("console.reviews"))


def _again(review_id: uuid.UUID, kept: Kept) -> AnyResponse | tuple[str, int]:
    """The page with what was typed and what is wrong with it."""
    try:
        with house().transaction() as session:
            sheet = room.sheet(session, review_id, me().login)
            form = kept.form or review_view.filled(sheet, request.form, review_view.length(session, sheet))
            return _page(session, sheet, form, kept.problem, conflict=kept.stale), 409 if kept.stale else 422
    except ReviewProblem as problem:
        flash(problem.said(language()), "problem")
        return redirect(url_for("console.reviews"))


def _page(session: Session, sheet: Sheet, form: Filled, problem: str = "", *, conflict: bool = False) -> str:
    recording_id = review_view.recording_of(sheet.subject_kind, sheet.subject_id)
    permit = open_permit(session, recording_id)
    reading = recording_id is None and views.is_open(session, me().login, "chat", sheet.subject_id, now())
    return render_template(
        "review.html",
        sheet=sheet,
        form=form,
        problem=problem,
        # what another window kept meanwhile, to be compared with what was typed here
        elsewhere=review_view.as_kept(sheet).typed if conflict else {},
        recording_id=recording_id,
        permit=permit,
        heard=listening_view.heard(session, recording_id, language()) if permit and recording_id else None,
        chat=review_view.chat_lines(session, sheet.subject_id, language()) if reading else None,
        at=seconds_of(request.values.get("t")),
        source=_source,
        reasons=listening_view.REASONS,
        values=review_view.VALUES,
        causes=review_view.CAUSES,
        number=words.short_id,
    )


def _source(suggestion: Suggestion) -> str:
    """Where a suggestion comes from, in words; its codes too."""
    kinds = {"category": "category", "phrase": "required"}
    values = {
        name: words.label(language(), kinds[name], str(value)) if name in kinds else value
        for name, value in suggestion.values.items()
    }
    return qa_words.source(language(), replace(suggestion, values=values))


def _version() -> int:
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
