"""the draw by agents, and chats

Revision: 0009, after 0005 (chained by whoever joins the parts). Only adds, and widens the uniqueness of a draw by its
kind: the code of 0005 runs on it. Old draws keep algorithm 1 and replay with it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at = sa.DateTime(timezone=True)
    op.create_table(
        "chats",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("started_at", at, nullable=False),
        sa.Column("ended_at", at, nullable=False),
        sa.Column("taken_at", at, nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=True),
        sa.Column("answer_s", sa.Float(), nullable=True),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
        sa.Column("transfers", sa.Integer(), nullable=False),
        sa.Column("complaint", sa.Boolean(), nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.Column("lexicon", sa.String(), nullable=False),
        sa.Column("keep_class", sa.String(), nullable=False),
        sa.Column("keep_until", at, nullable=False),
        sa.Column("purged_at", at, nullable=True),
        sa.CheckConstraint("(purged_at IS NULL) = (lines IS NOT NULL)", name=op.f("ck_chats_purged_is_empty")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_chats_agent_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_chats_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chats")),
        sa.UniqueConstraint("external_id", name=op.f("uq_chats_external_id")),
    )
    op.create_index(op.f("ix_chats_taken_at"), "chats", ["taken_at"])
    op.create_index("ix_chats_keep", "chats", ["keep_until"], postgresql_where=sa.text("purged_at IS NULL"))
    op.create_index(
        "ix_chats_agent", "chats", ["agent_id", "started_at"], postgresql_where=sa.text("agent_id IS NOT NULL")
    )
    op.create_index("ix_chats_patient", "chats", ["patient_id"], postgresql_where=sa.text("patient_id IS NOT NULL"))
    op.create_table(
        "chat_findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("chat_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("phrase", sa.String(), nullable=False),
        sa.Column("speaker", sa.String(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("lexicon", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name=op.f("fk_chat_findings_chat_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_findings")),
    )
    op.create_index(op.f("ix_chat_findings_chat_id"), "chat_findings", ["chat_id"])

    op.add_column("draws", sa.Column("kind", sa.String(), server_default="calls", nullable=False))
    op.add_column("draws", sa.Column("algorithm", sa.Integer(), server_default="1", nullable=False))
    op.add_column("draws", sa.Column("left_out", postgresql.JSONB(), server_default="{}", nullable=False))
    op.create_unique_constraint(op.f("uq_draws_day_kind_seed"), "draws", ["day", "kind", "seed"])
    op.drop_constraint(op.f("uq_draws_day_seed"), "draws", type_="unique")
    op.add_column("draw_picks", sa.Column("subject_kind", sa.String(), server_default="call", nullable=False))
    op.add_column("draw_picks", sa.Column("chat_id", sa.Uuid(), nullable=True))
    op.add_column("draw_picks", sa.Column("conversation_id", sa.Uuid(), nullable=True))
    op.alter_column("draw_picks", "recording_id", nullable=True)
    op.create_foreign_key(op.f("fk_draw_picks_chat_id"), "draw_picks", "chats", ["chat_id"], ["id"])
    op.create_unique_constraint(op.f("uq_draw_picks_conversation_id"), "draw_picks", ["conversation_id"])
    op.create_check_constraint(
        op.f("ck_draw_picks_one_subject"), "draw_picks", "(recording_id IS NULL) <> (chat_id IS NULL)"
    )
    op.create_index(
        "ix_draw_picks_recording", "draw_picks", ["recording_id"], postgresql_where=sa.text("recording_id IS NOT NULL")
    )

    # what the desk is asked of ten thousand calls at once
    op.create_index(
        "ix_queue_entries_agent", "queue_entries", ["agent_id", "joined_at"],
        postgresql_where=sa.text("joined_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index("ix_attempts_parent", "attempts", ["parent_call_id"],
        postgresql_where=sa.text("parent_call_id IS NOT NULL"))  # fmt: skip
    op.create_index("ix_escalations_call", "escalations", ["call_id"])
    op.create_index("ix_surveys_scored", "surveys", ["closed_at"], postgresql_where=sa.text("score IS NOT NULL"))
