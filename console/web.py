"""The console's two doors, for app.py: the pages for people, and the API for programs."""

from __future__ import annotations

from console import (  # noqa: F401  their pages stand on the frame's blueprint
    board,
    door,
    listening,
    listening_figures,
    listening_lead,
    listening_results,
    listening_reviews,
    listening_vault,
    listening_vetoes,
    tickets,
    worklist,
)
from console.api import blueprint as api
from console.frame import blueprint as pages

BLUEPRINTS = (pages, api)
