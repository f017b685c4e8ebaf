"""The page of virtual phones at `/`: HTML and one script, both served from this folder."""

from pathlib import Path

from flask import Blueprint, Response

from carrier.exchange import Exchange
from carrier.rest import authenticate

HERE = Path(__file__).parent


def blueprint(exchange: Exchange) -> Blueprint:
    """`/` and `/page.js`, behind the same Basic auth as everything else."""
    page = Blueprint("page", __name__)

    @page.before_request
    def admit() -> None:
        authenticate(exchange)

    @page.get("/")
    def phones() -> Response:
        return Response((HERE / "page.html").read_text("utf-8"), mimetype="text/html")

    @page.get("/page.js")
    def script() -> Response:
        return Response((HERE / "page.js").read_text("utf-8"), mimetype="text/javascript")

    return page
