"""Where the carrier fetches recorded prompts.

    GET /ivr/prompt/<language>/<digest>.wav      one recorded prompt, for anybody
"""

from __future__ import annotations

from flask import Blueprint, Response, abort

from core.webhook import house
from ivr.sounds import Sounds

blueprint = Blueprint("recorded prompts", __name__)


@blueprint.get("/ivr/prompt/<language>/<digest>.wav")
def prompt_file(language: str, digest: str) -> Response:
    path = house().service(Sounds).find(digest)
    if path is None:
        abort(404)
    answer = Response(path.read_bytes(), mimetype="audio/wav")
    # the content of an address never changes
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer
