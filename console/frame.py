"""The frame every page stands in: who is asking, in which language, with which rights, and the headers of the answer.

A page is made by `page(rule, may=…)`; there is no other way onto this blueprint, so none can be without a right. What
is open without signing in is listed in OPEN. Without SECRET_KEY no session can be signed: every page then says so.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Blueprint, Response, abort, g, redirect, render_template, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from console import roles, talk_bar, words
from console.models import User
from core.values import KNOWN_LANGUAGES
from core.webhook import house, tried_again

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
"""A session ends after a shift, used or not."""
REFRESH = "X-Refresh"
"""Sent by refresh.js: a board that reloads itself is nobody's hand on the mouse and keeps no session alive."""
OPEN = frozenset({"console.static", "console.sign_in", "console.sign_in_check"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: behind TLS the check against forged forms reads it
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
NO_KEY = (
    "SECRET_KEY is not set: nobody can sign in to the console. Make one with `carecall key`, set it and start again. "
    "Everything else works.\n"
    "控制台未启用：请用 `carecall key` 生成密钥并设置 SECRET_KEY，然后重新启动。其他功能不受影响。\n"
)

View = Callable[..., Any]
blueprint = Blueprint("console", __name__, template_folder="pages", static_folder="static", static_url_path="/assets")
_csrf = CSRFProtect()
RIGHTS: dict[str, str] = {}
"""Endpoint -> the right it asks for; "" for those in OPEN."""
SOUND: set[str] = set()
"""Endpoints of the pages with a player: only theirs may load sound, and only ours."""


@dataclass(frozen=True)
class Person:
    """Whoever is signed in, as Flask-Login wants to have it."""

    id: uuid.UUID
    login: str
    name: str
    role: str
    language: str
    session_key: str
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return f"{self.id}:{self.session_key}"

    def may(self, right: str) -> bool:
        return roles.may(self.role, right)


def page(rule: str, may: str, *, methods: tuple[str, ...] = ("GET",), sound: bool = False) -> Callable[[View], View]:
    """A page for whoever has the right `may` ("" only for those in OPEN). `sound`: it has a player."""

    def add(view: View) -> View:
        endpoint = f"{blueprint.name}.{view.__name__}"
        if (not may) != (endpoint in OPEN) or (may and may not in roles.MAY):
            raise ValueError(f"{endpoint}: {may!r} is no right of console.roles")
        RIGHTS[endpoint] = may
        SOUND.update({endpoint} if sound else ())
        blueprint.add_url_rule(rule, view.__name__, tried_again(view), methods=list(methods))
        return view

    return add


# ---- who is asking -------------------------------------------------------------------------------
def me() -> Person:
    """Whoever is signed in; only in pages that ask for a right."""
    person: Person = current_user._get_current_object()
    return person


def now() -> datetime:
    """One moment for the whole request."""
    if "now" not in g:
        g.now = house().clock.now()
    return g.now  # type: ignore[no-any-return]


def zone() -> ZoneInfo:
    return house().settings.hospital.timezone


def language() -> str:
    """Of the person; before they have signed in, what was chosen on the page or what the browser asks for."""
    if current_user.is_authenticated:
        return me().language
    offered = house().settings.hospital.languages
    chosen = request.args.get("language", "")
    return chosen if chosen in offered else words.best(offered, [tag for tag, _ in request.accept_languages])


def say(key: str, **values: object) -> str:
    return words.say(language(), key, **values)


def let_in(user: User) -> None:
    session.clear()
    session["since"] = session["seen"] = now().timestamp()
    login_user(_person(user))


def send_away() -> None:
    logout_user()
    session.clear()


def _person(user: User) -> Person:
    return Person(user.id, user.login, user.name, user.role, user.language, user.session_key)


def _load(session_id: str) -> Person | None:
    """The user of a cookie, as long as the cookie's key is theirs and neither time has run out."""
    user_id, _, key = session_id.partition(":")
    at = now().timestamp()
    seen, since = session.get("seen", 0.0), session.get("since", 0.0)
    if at - seen > IDLE.total_seconds() or at - since > LONGEST.total_seconds():
        return None
    with house().transaction() as store:
        user = store.scalar(sa.select(User).where(User.id == uuid.UUID(user_id), User.active.is_(True)))
        if user is None or not secrets.compare_digest(user.session_key, key):
            return None
        return _person(user)


# ---- around every page ---------------------------------------------------------------------------
@blueprint.before_request
def _admit() -> AnyResponse | None:
    if house().settings.secret_key is None:
        return Response(NO_KEY, 503, mimetype="text/plain")
    if request.endpoint == "console.static":
        return None
    if request.method == "POST":
        _csrf.protect()
        if any("\x00" in text for text in request.form.values()):
            abort(400)  # no keyboard has it, and no column of text keeps it
    if request.endpoint in OPEN:
        return None
    if not current_user.is_authenticated:
        if REFRESH in request.headers or request.method == "POST":
            abort(401)
        return redirect(url_for("console.sign_in", next=request.full_path.rstrip("?")))
    if REFRESH not in request.headers:
        session["seen"] = now().timestamp()
    if not me().may(RIGHTS[request.endpoint or ""]):
        abort(403)
    return None


@blueprint.after_request
def _headers(response: AnyResponse) -> AnyResponse:
    response.headers.update(HEADERS)
    if request.endpoint in SOUND:
        response.headers["Content-Security-Policy"] += "; media-src 'self'"
    if request.endpoint != "console.static":
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.context_processor
def _always() -> dict[str, Any]:
    def span(seconds: float) -> str:
        return words.span(language(), seconds)

    return {
        "say": say,
        "label": lambda kind, word: words.label(language(), kind, word),
        "reason": lambda kind, stored: words.reason(language(), kind, stored),
        "span": span,
        "moment": lambda at: words.moment(language(), at, zone(), now()),
        "department": lambda name: house().settings.hotline.spoken_department(name, language()),
        "day": lambda at: words.day(language(), at, zone(), now()),
        "clock": talk_bar.clock,
        "language": language,
        "now": now,
        "within": _within,
        "hospital": lambda: house().settings.hospital.spoken_name(language()),
    }


BELOW = {
    "disputes": "reviews", "dispute": "reviews", "review": "reviews", "reviews_waiting": "reviews",
    "review_moved": "reviews", "review_save": "reviews", "dispute_settle": "reviews", "my_review": "my_reviews",
    "my_review_dispute": "my_reviews", "my_vetoes": "my_reviews", "veto_appeal": "my_reviews",
    "coaching_task": "coaching", "coaching_deed": "coaching", "figures_day": "figures", "agreement": "figures",
    "vetoes": "figures", "veto_uphold": "figures", "veto_decide": "figures", "recording": "recordings",
    "ticket": "tickets",
}  # fmt: skip
"""View -> the view in the navigation under which it is found."""


def _within() -> str:
    return f"{blueprint.name}.{BELOW.get((request.endpoint or '').rpartition('.')[2], '')}"


@blueprint.errorhandler(CSRFError)
def _forged(error: CSRFError) -> tuple[str, int]:
    """No cookie at all is the browser's doing: most often http where PUBLIC_URL says https."""
    key = "error.forged" if request.cookies else "error.no_cookie"
    return _sorry(400, say(key, address=house().settings.public_url or "")), 400


@blueprint.errorhandler(HTTPException)
def _refused(error: HTTPException) -> AnyResponse | tuple[str, int]:
    code = error.code or 500
    if code < 400:
        return error.get_response()
    return _sorry(code, say(f"error.{code}" if code in (401, 403, 404, 413) else "error.other")), code


# said for each: the application's own handler of a code would come before ours of all codes
for _code in (404, 405):
    blueprint.register_error_handler(_code, _refused)


@blueprint.errorhandler(OperationalError)
def _no_database(error: OperationalError) -> Response:
    return plainly(503, "error.503")


def plainly(status: int, key: str) -> Response:
    """For whoever asks where no page of ours can be made: both languages, one under the other."""
    said = "".join(f"{words.say(language, key)}\n" for language in KNOWN_LANGUAGES)
    return Response(said, status, HEADERS, mimetype="text/plain")


def _sorry(code: int, sentence: str) -> str:
    return render_template("error.html", code=code, sentence=sentence)


@blueprint.record_once
def _join(state: BlueprintSetupState) -> None:
    """What Flask-Login and Flask-WTF want to be told of the application."""
    app = state.app
    here = app.extensions.get("carecall")
    public_url = here.settings.public_url if here else None
    https = bool(public_url and public_url.startswith("https://"))
    app.config.update(
        SESSION_COOKIE_NAME="__Host-carecall" if https else "carecall",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        WTF_CSRF_CHECK_DEFAULT=False,  # the carrier's forms are signed instead: `_admit` checks ours
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    manager = LoginManager()
    manager.session_protection = None  # addresses change behind proxies; the cookie's key is what counts
    manager.user_loader(_load)
    manager.init_app(app)
    _csrf.init_app(app)
