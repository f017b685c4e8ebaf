"""Doors without a signature: whether this process lives, and whether it can work."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from core.webhook import house

log = logging.getLogger(__name__)

blueprint = Blueprint("doors", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 when the database answers and carrier requests can be checked, 503 and the reason otherwise."""
    if not house().settings.webhooks_open:
        return Response("TWILIO_AUTH_TOKEN is not set: carrier requests are refused\n", 503, mimetype="text/plain")
    try:
        with house().engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except SQLAlchemyError as error:
        log.error("the database does not answer", extra={"error": type(error).__name__})
        return Response("the database does not answer\n", 503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")
