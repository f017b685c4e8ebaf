"""the green channel: who takes over from whom, what a doctor is offered, the night target, coded outcomes

Revision: 0003, after 0002. Only adds: the code of 0002 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "escalations",
        sa.Column(
            "policy", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.add_column("escalations", sa.Column("round_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("escalations", sa.Column("waiting_call_id", sa.Uuid(), nullable=True))
    op.add_column("escalations", sa.Column("outcome", sa.String(), nullable=True))
    op.add_column("escalations", sa.Column("outcome_by", sa.String(), server_default="", nullable=False))
    op.add_column("escalations", sa.Column("night_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("escalations", sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("escalations", sa.Column("night_step_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("escalations", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index("ix_escalations_keyed", "escalations", ["keyed_at"], unique=False)
    op.create_index(
        "ix_escalations_owner",
        "escalations",
        ["owner_attempt_id"],
        unique=False,
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.add_column("followups", sa.Column("escalation_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_followups_escalation_id"), "followups", "escalations", ["escalation_id"], ["id"])
    op.create_index(
        "uq_followups_escalation",
        "followups",
        ["escalation_id"],
        unique=True,
        postgresql_where=sa.text("escalation_id IS NOT NULL"),
    )
    op.create_index(
        "ix_escalations_night",
        "escalations",
        ["night_step_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_index("ix_shifts_doctor", "shifts", ["doctor_index", "ends_at"], unique=False)
    op.create_table(
        "offers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("escalation_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_offers_attempt_id")),
        sa.ForeignKeyConstraint(["escalation_id"], ["escalations.id"], name=op.f("fk_offers_escalation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
    )
    op.create_index("ix_offers_attempt", "offers", ["attempt_id", "id"], unique=False)
    op.create_index("ix_offers_escalation", "offers", ["escalation_id", "id"], unique=False)
    op.create_table(
        "covers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("doctor", sa.LargeBinary(), nullable=False),
        sa.Column("doctor_index", sa.LargeBinary(), nullable=False),
        sa.Column("by_doctor", sa.LargeBinary(), nullable=False),
        sa.Column("by_doctor_index", sa.LargeBinary(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("phone2", sa.LargeBinary(), nullable=False),
        sa.Column("pin", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_covers")),
    )
    op.create_index("ix_covers_doctor", "covers", ["doctor_index", "ends_at"], unique=False)
    op.create_table(
        "test_rings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_rings")),
    )
    op.create_index("ix_test_rings_number", "test_rings", ["phone_index", "asked_at"], unique=False)
    op.create_index(
        "ix_test_rings_open", "test_rings", ["asked_at"], unique=False, postgresql_where=sa.text("result IS NULL")
    )
