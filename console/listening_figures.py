"""Figures of quality review: agent-months with their intervals, a day's red and black list, how far raters agree."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta

from flask import Response, abort, render_template, request, send_file
from sqlalchemy.orm import Session

from console.frame import language, me, now, page, zone
from console.words import typed_day
from core.models import record
from core.webhook import house
from recordings.quality import agreement as raters
from recordings.quality import kappa, qa_export, qa_figures, qa_words
from recordings.quality.qa_shapes import Estimate

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LOOK_BACK = timedelta(days=90)
"""How far back agreement is counted: fewer days have too few pairs to say anything."""


@page("/figures", "settle")
def figures() -> str:
    first = _month(request.args.get("month", ""))
    with house().transaction() as session:
        return render_template(
            "figures.html",
            first=first,
            months=qa_figures.month(session, first),
            note=_note,
            before=_first(first - timedelta(days=1)),
            after=_first(first + timedelta(days=31)),
        )


@page("/figures/<month>.csv", "settle")
def figures_csv(month: str) -> Response:
    first = _month(month)
    with house().transaction() as session:
        text = qa_export.csv(session, first)
        _noted(session, "csv", first)
    said = Response(text, mimetype="text/csv")
    said.headers["Content-Disposition"] = f'attachment; filename="quality-{first:%Y-%m}.csv"'
    return said


@page("/figures/<month>.xlsx", "settle")
def figures_pack(month: str) -> Response:
    first = _month(month)
    with house().transaction() as session:
        pack = qa_export.month_pack(session, first, language())
        _noted(session, "xlsx", first)
    return send_file(io.BytesIO(pack), XLSX, as_attachment=True, download_name=f"quality-{first:%Y-%m}.xlsx")


@page("/figures/day", "settle")
def figures_day() -> str:
    today = now().astimezone(zone()).date()
    try:
        day = typed_day(request.args["day"]) if request.args.get("day") else today - timedelta(days=1)
    except ValueError:
        abort(400)
    with house().transaction() as session:
        return render_template("figures_day.html", lists=qa_figures.lists(session, day), note=_note)


@page("/agreement", "review")
def agreement() -> str:
    since = now() - LOOK_BACK
    with house().transaction() as session:
        return render_template("agreement.html", items=raters.report(session, since), since=since, gate=_gate)


def _note(one: Estimate) -> str:
    """What has to be said beside a figure of few calls."""
    return qa_words.note(language(), one.note, one.n)


def _gate(name: str) -> str:
    return qa_words.gate(language(), name, kappa.LEAST)


def _month(text: str) -> date:
    """The first day of "2031-03"; of this month where nothing is said; 404 for anything else."""
    if not text:
        return _first(now().astimezone(zone()).date())
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text, re.ASCII) or not "1970" <= text <= "9000":
        abort(404)
    return date.fromisoformat(f"{text}-01")


def _first(day: date) -> date:
    return day.replace(day=1)


def _noted(session: Session, form: str, first: date) -> None:
    """Figures with names have left the house: who took them."""
    record(session, "figures", None, "taken away", now(), who=me().login, form=form, month=f"{first:%Y-%m}")
