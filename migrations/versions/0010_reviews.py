"""quality review: scorecards, reviews with their marks, notes, coaching, vetoes

Revision: 0010, after 0009. Only adds: the code of 0005 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scorecards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorecards")),
        sa.UniqueConstraint("key", "version", name=op.f("uq_scorecards_key_version")),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("draw_id", sa.Uuid(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("rater", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispute_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disputed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=False),
        sa.Column("overturned", sa.Boolean(), nullable=False),
        sa.Column("final_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("points", sa.Float(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("failed_items", postgresql.JSONB(), nullable=False),
        sa.Column("na_share", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_reviews_agent_id")),
        sa.ForeignKeyConstraint(["card_id"], ["scorecards.id"], name=op.f("fk_reviews_card_id")),
        sa.ForeignKeyConstraint(["draw_id"], ["draws.id"], name=op.f("fk_reviews_draw_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "part", "seat", name=op.f("uq_reviews_subject_kind_subject_id_part_seat")
        ),
    )
    op.create_index("ix_reviews_agent", "reviews", ["agent_id", "happened_at"], unique=False)
    op.create_index("ix_reviews_day", "reviews", ["day"], unique=False)
    op.create_index(op.f("ix_reviews_draw_id"), "reviews", ["draw_id"], unique=False)
    op.create_index("ix_reviews_happened", "reviews", ["happened_at"], unique=False)
    op.create_index(
        "ix_reviews_rater",
        "reviews",
        ["rater"],
        unique=False,
        postgresql_where=sa.text("state IN ('drawn','draft','revealed')"),
    )
    op.create_index(
        "ix_reviews_timer", "reviews", ["dispute_until"], unique=False, postgresql_where=sa.text("state = 'submitted'")
    )
    op.create_table(
        "scorecard_uses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["scorecards.id"], name=op.f("fk_scorecard_uses_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorecard_uses")),
    )
    op.create_table(
        "vetoes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("upheld_by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("appeal_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_vetoes_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vetoes")),
        sa.UniqueConstraint("ticket", "agent_id", name=op.f("uq_vetoes_ticket_agent_id")),
    )
    op.create_index("ix_vetoes_month", "vetoes", ["month"], unique=False)
    op.create_index(
        "ix_vetoes_timer", "vetoes", ["appeal_until"], unique=False, postgresql_where=sa.text("state = 'upheld'")
    )
    op.create_table(
        "coaching_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("cause_key", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=True),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=True),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("start_s", sa.Float(), nullable=True),
        sa.Column("end_s", sa.Float(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("covers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("coached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("coached_by", sa.String(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_coaching_tasks_agent_id")),
        sa.ForeignKeyConstraint(["card_id"], ["scorecards.id"], name=op.f("fk_coaching_tasks_card_id")),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_coaching_tasks_review_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coaching_tasks")),
        sa.UniqueConstraint("cause_key", name=op.f("uq_coaching_tasks_cause_key")),
    )
    op.create_index("ix_coaching_tasks_agent", "coaching_tasks", ["agent_id", "cause", "covers_until"], unique=False)
    op.create_index(
        "ix_coaching_tasks_open",
        "coaching_tasks",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "review_marks",
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=True),
        sa.Column("end_s", sa.Float(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_review_marks_review_id")),
        sa.PrimaryKeyConstraint("review_id", "item", "settled", name=op.f("pk_review_marks")),
    )
    op.create_table(
        "coaching_rechecks",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_coaching_rechecks_review_id")),
        sa.ForeignKeyConstraint(["task_id"], ["coaching_tasks.id"], name=op.f("fk_coaching_rechecks_task_id")),
        sa.PrimaryKeyConstraint("task_id", "round", "position", name=op.f("pk_coaching_rechecks")),
        sa.UniqueConstraint("review_id", name=op.f("uq_coaching_rechecks_review_id")),
    )
    op.create_table(
        "qa_notes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("veto_id", sa.Uuid(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("chat_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_qa_notes_review_id")),
        sa.ForeignKeyConstraint(["task_id"], ["coaching_tasks.id"], name=op.f("fk_qa_notes_task_id")),
        sa.ForeignKeyConstraint(["veto_id"], ["vetoes.id"], name=op.f("fk_qa_notes_veto_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qa_notes")),
    )
    op.create_index("ix_qa_notes_chat", "qa_notes", ["chat_id"], unique=False)
    op.create_index("ix_qa_notes_recording", "qa_notes", ["recording_id"], unique=False)
    op.create_index("ix_qa_notes_review", "qa_notes", ["review_id", "id"], unique=False)
    op.create_index("ix_qa_notes_task", "qa_notes", ["task_id", "id"], unique=False)
