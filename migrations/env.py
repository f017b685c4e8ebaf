"""Alembic's entry: runs on the connection `carecall db upgrade` hands over, one process at a time."""

from importlib import import_module

import sqlalchemy as sa
from alembic import context

from core.db import AwareDateTime, Base, Encrypted

for module in (
    "console.models",
    "core.clock",
    "core.models",
    "desk.models",
    "dialer.models",
    "ivr.models",
    "recordings.chat_models",
    "recordings.models",
    "recordings.review_models",
    "recordings.screen_models",
    "scheduler.models",
):
    import_module(module)  # every table's module, so that a comparison with the models sees them all


def plain_type(kind, obj, autogen_context):
    """A migration names the database's types, not our classes, which may change after it."""
    if kind == "type" and isinstance(obj, AwareDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(obj, Encrypted):
        return "sa.LargeBinary()"
    return False


connection = context.config.attributes["connection"]
connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))"))
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_item=plain_type,
    include_object=lambda obj, name, kind, reflected, other: not str(name).startswith("procrastinate_"),
)
with context.begin_transaction():
    context.run_migrations()
