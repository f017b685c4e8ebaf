"""findings with time marks and modes, words of warning a machine heard, strict periods, screening again

Revision: 0011, after 0005. Only adds: the code of 0005 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at = sa.DateTime(timezone=True)
    word = {"server_default": "", "nullable": False}
    op.add_column("findings", sa.Column("group", sa.String(), **word))
    op.add_column("findings", sa.Column("word_at", sa.Float(), nullable=True))
    op.add_column("findings", sa.Column("end_s", sa.Float(), nullable=True))
    op.add_column("findings", sa.Column("note", sa.String(), **word))
    op.add_column("findings", sa.Column("mode", sa.String(), server_default="normal", nullable=False))
    op.add_column("transcripts", sa.Column("mode", sa.String(), server_default="normal", nullable=False))
    op.create_index("ix_transcripts_made_at", "transcripts", ["made_at", "id"])
    op.add_column("escalations", sa.Column("made_by", sa.String(), server_default="key", nullable=False))
    op.add_column(
        "escalations",
        sa.Column("heard", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
    )
    op.add_column("escalations", sa.Column("said_at", at, nullable=True))
    op.create_table(
        "machine_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("said_at", at, nullable=False),
        sa.Column("found_at", at, nullable=False),
        sa.Column("due_at", at, nullable=True),
        sa.Column("told_at", at, nullable=True),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name=op.f("fk_machine_flags_recording_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_machine_flags_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_flags")),
        sa.UniqueConstraint("recording_id", "question", name=op.f("uq_machine_flags_recording_id_question")),
    )
    op.create_index(
        "ix_machine_flags_due", "machine_flags", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "strict_periods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", at, nullable=False),
        sa.Column("ends_at", at, nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("set_at", at, nullable=False),
        sa.Column("ended_by", sa.String(), **word),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strict_periods")),
    )
    op.create_table(
        "rescreens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("since", at, nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", at, nullable=False),
        sa.Column("after_at", at, nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("due_at", at, nullable=True),
        sa.Column("done_at", at, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescreens")),
    )
    op.create_index("ix_rescreens_due", "rescreens", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
