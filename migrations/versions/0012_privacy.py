"""who was erased, so that no import brings them back; a legal hold on a chat; the vault's list by state

Revision: 0012, after 0011. Only adds: the code of 0011 runs on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    at = sa.DateTime(timezone=True)
    op.create_table(
        "erasures",
        sa.Column("mrn_index", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", at, nullable=False),
        sa.Column("ended_at", at, nullable=True),
        sa.Column("ended_by", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("mrn_index", name=op.f("pk_erasures")),
        sa.UniqueConstraint("id", name=op.f("uq_erasures_id")),
    )
    # who was erased before there was this table, as far as their record number is still known
    op.execute(
        "INSERT INTO erasures (mrn_index, id, at) SELECT p.mrn_index, gen_random_uuid(), max(e.at) FROM patients p"
        " JOIN events e ON e.kind = 'patient' AND e.what = 'erased' AND e.subject_id IN (p.id, p.merged_into)"
        " GROUP BY p.mrn_index"
    )
    op.add_column("recording_holds", sa.Column("chat_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_recording_holds_chat_id"), "recording_holds", "chats", ["chat_id"], ["id"])
    op.alter_column("recording_holds", "recording_id", nullable=True)
    op.create_check_constraint(
        op.f("ck_recording_holds_one_subject"), "recording_holds", "(recording_id IS NULL) <> (chat_id IS NULL)"
    )
    op.create_index(
        "ix_recording_holds_chat", "recording_holds", ["chat_id"], postgresql_where=sa.text("released_at IS NULL")
    )
    for column in ("state", "purpose", "language"):
        op.create_index(f"ix_recordings_{column}_day", "recordings", [column, "announced_at"])
    op.create_index("ix_plays_login_at", "plays", ["login", "at"])
    op.create_index("ix_plays_export", "plays", ["at"], postgresql_where=sa.text("kind = 'export'"))
