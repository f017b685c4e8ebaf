"""the follow-up programme: consents in full, special days, reminders, work for a nurse

Revision: 0002, after 0001. Only adds (and lets escalations.score be empty): the code of 0001 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("title", name=op.f("uq_campaigns_title")),
    )
    op.create_table(
        "daily_runs",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name=op.f("pk_daily_runs")),
    )
    op.create_table(
        "special_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_special_days")),
    )
    op.create_table(
        "appointments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("fasting", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_appointments_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint("patient_id", "external_id", name=op.f("uq_appointments_patient_id_external_id")),
    )
    op.create_table(
        "inbound_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sid", sa.String(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("sender_index", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("meaning", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_inbound_messages_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_messages")),
        sa.UniqueConstraint("sid", name=op.f("uq_inbound_messages_sid")),
    )
    op.create_index(op.f("ix_inbound_messages_sender_index"), "inbound_messages", ["sender_index"], unique=False)
    op.create_table(
        "work_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_work_items_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
    )
    op.create_index(
        "ix_work_items_open", "work_items", ["due_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index("ix_work_items_patient", "work_items", ["patient_id"], unique=False)
    op.create_index(
        "uq_work_items_open_subject",
        "work_items",
        ["kind", "subject_id"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "reminders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("appointment_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("current_attempt_id", sa.Uuid(), nullable=True),
        sa.Column("interview", sa.String(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"], name=op.f("fk_reminders_appointment_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_reminders_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
        sa.UniqueConstraint("patient_id", "kind", "subject", name=op.f("uq_reminders_patient_id_kind_subject")),
    )
    op.create_index(
        "ix_reminders_next",
        "reminders",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('planned','waiting')"),
    )
    op.add_column("answers", sa.Column("respondent", sa.String(), server_default="self", nullable=False))
    op.add_column("answers", sa.Column("level", sa.String(), server_default="", nullable=False))
    op.add_column("answers", sa.Column("corrects_id", sa.Uuid(), nullable=True))
    op.add_column("answers", sa.Column("corrected_by", sa.String(), server_default="", nullable=False))
    op.add_column("answers", sa.Column("correction", sa.LargeBinary(), nullable=True))
    op.create_index("ix_answers_subject", "answers", ["subject_id", "keyed_at"], unique=False)
    op.create_foreign_key(op.f("fk_answers_corrects_id"), "answers", "answers", ["corrects_id"], ["id"])
    op.add_column("attempts", sa.Column("answered_by", sa.String(), nullable=True))
    op.create_index("ix_attempts_patient_day", "attempts", ["patient_id", "created_at"], unique=False)
    op.create_index(
        "ix_attempts_posted", "attempts", ["posted_at"], unique=False, postgresql_where=sa.text("via = 'api'")
    )
    op.add_column("consents", sa.Column("version", sa.String(), server_default="", nullable=False))
    op.add_column("consents", sa.Column("channel", sa.String(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("wrong_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("do_not_call", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "escalations",
        sa.Column(
            "flags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
    )
    op.alter_column("escalations", "score", existing_type=sa.INTEGER(), nullable=True)
    op.add_column("followups", sa.Column("current_attempt_id", sa.Uuid(), nullable=True))
    op.add_column("followups", sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("followups", sa.Column("score", sa.LargeBinary(), nullable=True))
    op.add_column("followups", sa.Column("turn", sa.Integer(), server_default="0", nullable=False))
    op.add_column("followups", sa.Column("begun", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("followups", sa.Column("note", sa.LargeBinary(), nullable=True))
    op.add_column("followups", sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("followups", sa.Column("origin", sa.String(), server_default="plan", nullable=False))
    op.add_column("followups", sa.Column("campaign_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_followups_ended_short",
        "followups",
        ["closed_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('unreached','partial','expired')"),
    )
    op.create_index("ix_procedures_discharged_at", "procedures", ["discharged_at"], unique=False)
    op.create_index("ix_procedures_ended_at", "procedures", ["ended_at"], unique=False)
    op.create_index(
        "ix_followups_calling", "followups", ["id"], unique=False, postgresql_where=sa.text("status = 'calling'")
    )
    op.create_index(
        "ix_followups_deadline",
        "followups",
        ["deadline_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('planned','due','waiting')"),
    )
    op.create_foreign_key(op.f("fk_followups_campaign_id"), "followups", "campaigns", ["campaign_id"], ["id"])
    op.add_column("messages", sa.Column("clinical", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("messages", sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("patients", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_patients_merged_into"), "patients", "patients", ["merged_into"], ["id"])
