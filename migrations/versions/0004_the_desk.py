"""the desk: agents, the line in front of them, tickets and their clocks, the calendar of visits, console users, books

Revision: 0004, after 0003. Only adds: the code of 0003 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(), nullable=True),
        sa.Column("languages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("skills", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pin", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("login", name=op.f("uq_agents_login")),
    )
    op.create_index("ix_agents_phone", "agents", ["phone_index"], unique=False)
    op.create_index(
        "ix_agents_ready", "agents", ["idle_since"], unique=False, postgresql_where=sa.text("status = 'ready'")
    )
    op.create_index("ix_agents_until", "agents", ["until"], unique=False, postgresql_where=sa.text("until IS NOT NULL"))
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
        sa.UniqueConstraint("title", name=op.f("uq_api_tokens_title")),
    )
    op.create_table(
        "clinic_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("doctor", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clinic_sessions")),
        sa.UniqueConstraint("external_id", name=op.f("uq_clinic_sessions_external_id")),
    )
    op.create_index("ix_clinic_sessions_department", "clinic_sessions", ["department", "starts_at"], unique=False)
    op.create_index("ix_clinic_sessions_starts", "clinic_sessions", ["starts_at"], unique=False)
    op.create_table(
        "flow_books",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_flow_books")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_key", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("login", name=op.f("uq_users_login")),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_views")),
    )
    op.create_index(op.f("ix_views_at"), "views", ["at"], unique=False)
    op.create_index("ix_views_subject", "views", ["subject_id", "id"], unique=False)
    op.create_table(
        "booked_slots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"], name=op.f("fk_booked_slots_appointment_id")),
        sa.ForeignKeyConstraint(["session_id"], ["clinic_sessions.id"], name=op.f("fk_booked_slots_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booked_slots")),
        sa.UniqueConstraint("appointment_id", name=op.f("uq_booked_slots_appointment_id")),
        sa.UniqueConstraint("session_id", "slot", name=op.f("uq_booked_slots_session_id_slot")),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("medical", sa.Boolean(), nullable=True),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("nature", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("work_item_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("contact_index", sa.LargeBinary(), nullable=True),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("first_owner", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("solution", sa.LargeBinary(), nullable=True),
        sa.Column("compensation", sa.LargeBinary(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_how", sa.String(), nullable=False),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("preset", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_tickets_call_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_tickets_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("external_id", name=op.f("uq_tickets_external_id")),
        sa.UniqueConstraint("number", name=op.f("uq_tickets_number")),
        sa.UniqueConstraint("serial", name=op.f("uq_tickets_serial")),
        sa.UniqueConstraint("work_item_id", name=op.f("uq_tickets_work_item_id")),
    )
    op.create_index(
        "ix_tickets_open", "tickets", ["due_at"], unique=False, postgresql_where=sa.text("status <> 'confirmed'")
    )
    op.create_index("ix_tickets_opened", "tickets", ["opened_at"], unique=False)
    op.create_index(
        "ix_tickets_call", "tickets", ["call_id"], unique=False, postgresql_where=sa.text("call_id IS NOT NULL")
    )
    op.create_index(
        "ix_tickets_subject",
        "tickets",
        ["subject_id"],
        unique=False,
        postgresql_where=sa.text("subject_id IS NOT NULL"),
    )
    op.create_index("ix_tickets_patient", "tickets", ["patient_id"], unique=False)
    op.create_index(
        "uq_tickets_open_call", "tickets", ["kind", "call_id"], unique=True, postgresql_where=sa.text("status = 'open'")
    )
    op.create_table(
        "visit_drafts",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("appointment_id", sa.Uuid(), nullable=True),
        sa.Column("offered", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"], name=op.f("fk_visit_drafts_appointment_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_visit_drafts_call_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_visit_drafts_patient_id")),
        sa.ForeignKeyConstraint(["session_id"], ["clinic_sessions.id"], name=op.f("fk_visit_drafts_session_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_visit_drafts")),
    )
    op.create_table(
        "queue_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("party_index", sa.LargeBinary(), nullable=True),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("wanted_agent_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_step_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_s", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_queue_entries_agent_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_queue_entries_call_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_queue_entries_patient_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_queue_entries_ticket_id")),
        sa.ForeignKeyConstraint(["wanted_agent_id"], ["agents.id"], name=op.f("fk_queue_entries_wanted_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_entries")),
    )
    op.create_index("ix_queue_entries_call", "queue_entries", ["call_id"], unique=False)
    op.create_index("ix_queue_entries_entered", "queue_entries", ["entered_at"], unique=False)
    op.create_index(
        "ix_queue_entries_line",
        "queue_entries",
        [sa.literal_column("priority DESC"), "entered_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('waiting','offered')"),
    )
    op.create_index(
        "ix_queue_entries_step",
        "queue_entries",
        ["next_step_at"],
        unique=False,
        postgresql_where=sa.text("next_step_at IS NOT NULL"),
    )
    op.create_index("ix_queue_entries_ticket", "queue_entries", ["ticket_id"], unique=False)
    op.create_index(
        "uq_queue_entries_call_in_line",
        "queue_entries",
        ["call_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('waiting','offered') AND mode = 'line'"),
    )
    op.create_table(
        "surveys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_surveys_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
        sa.UniqueConstraint("ticket_id", "round", name=op.f("uq_surveys_ticket_id_round")),
    )
    op.create_index(
        "ix_surveys_next",
        "surveys",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('planned','waiting')"),
    )
    op.create_table(
        "ticket_alarms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("any_hour", sa.Boolean(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_alarms_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_alarms")),
        sa.UniqueConstraint("ticket_id", "why", name=op.f("uq_ticket_alarms_ticket_id_why")),
    )
    op.create_index(
        "ix_ticket_alarms_due",
        "ticket_alarms",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index("ix_ticket_alarms_attempt", "ticket_alarms", ["attempt_id"], unique=False)
    op.create_table(
        "ticket_clocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("rule", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calendar", sa.String(), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_clocks_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_clocks")),
        sa.UniqueConstraint("ticket_id", "name", "round", name=op.f("uq_ticket_clocks_ticket_id_name_round")),
    )
    op.create_index(
        "ix_ticket_clocks_due",
        "ticket_clocks",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("met_at IS NULL AND missed_at IS NULL"),
    )
    op.create_table(
        "ticket_watchers",
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_watchers_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", "login", name=op.f("pk_ticket_watchers")),
    )
    op.create_table(
        "queue_offers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_queue_offers_agent_id")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_queue_offers_attempt_id")),
        sa.ForeignKeyConstraint(["entry_id"], ["queue_entries.id"], name=op.f("fk_queue_offers_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_offers")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_queue_offers_attempt_id")),
    )
    op.create_index("ix_queue_offers_entry", "queue_offers", ["entry_id", "id"], unique=False)
    for who in ("agent", "entry"):
        op.create_index(
            f"uq_queue_offers_open_{who}",
            "queue_offers",
            [f"{who}_id"],
            unique=True,
            postgresql_where=sa.text("decision IS NULL"),
        )
    op.add_column("calls", sa.Column("reason", sa.String(), server_default="", nullable=False))
    op.add_column("calls", sa.Column("department", sa.String(), server_default="", nullable=False))
    op.add_column("calls", sa.Column("book", sa.String(), server_default="", nullable=False))
