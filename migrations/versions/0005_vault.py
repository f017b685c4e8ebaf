"""the vault: holds, plays, pauses, and when a recording was verified, deleted at the carrier, and purged

Revision: 0005, after 0004. Only adds: the code of 0004 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at = sa.DateTime(timezone=True)
    for name in ("verified_at", "next_delete_at", "carrier_deleted_at", "purged_at"):
        op.add_column("recordings", sa.Column(name, at, nullable=True))
    op.add_column("recordings", sa.Column("delete_tries", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "ix_recordings_delete", "recordings", ["next_delete_at"], postgresql_where=sa.text("next_delete_at IS NOT NULL")
    )
    op.create_table(
        "recording_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("held_by", sa.String(), nullable=False),
        sa.Column("held_at", at, nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("released_by", sa.String(), server_default="", nullable=False),
        sa.Column("released_at", at, nullable=True),
        sa.Column("release_reason", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name=op.f("fk_recording_holds_recording_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_holds")),
    )
    op.create_index(op.f("ix_recording_holds_recording_id"), "recording_holds", ["recording_id"])
    op.create_index(
        "ix_recording_holds_open", "recording_holds", ["recording_id"], postgresql_where=sa.text("released_at IS NULL")
    )
    op.create_table(
        "plays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("why", sa.LargeBinary(), nullable=False),
        sa.Column("at", at, nullable=False),
        sa.Column("original", sa.Boolean(), nullable=False),
        sa.Column("approved_by", sa.String(), server_default="", nullable=False),
        sa.Column("approved_at", at, nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", at, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("heard", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name=op.f("fk_plays_recording_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plays")),
        sa.UniqueConstraint("token", name=op.f("uq_plays_token")),
    )
    op.create_index(op.f("ix_plays_at"), "plays", ["at"])
    op.create_index(op.f("ix_plays_recording_id"), "plays", ["recording_id"])
    op.create_table(
        "recording_pauses",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=True),
        sa.Column("since", at, nullable=False),
        sa.Column("confirmed_at", at, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", at, nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_recording_pauses_call_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_recording_pauses")),
    )
    op.create_index(
        "ix_recording_pauses_due", "recording_pauses", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.add_column("segments", sa.Column("words", sa.LargeBinary(), nullable=True))
