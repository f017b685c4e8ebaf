"""the sound of a recording in numbers: who spoke how long, pauses, interruptions, and the gain of what is played

Revision: 0007, after 0005. Only adds: the code of 0005 runs on it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sound_measures",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("overlap_s", sa.Float(), nullable=True),
        sa.Column("silence_s", sa.Float(), nullable=False),
        sa.Column("longest_pause_s", sa.Float(), nullable=False),
        sa.Column("interruptions", postgresql.JSONB(), nullable=False),
        sa.Column("channels", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name=op.f("fk_sound_measures_recording_id")),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_sound_measures")),
    )
