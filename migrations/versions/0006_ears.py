"""the ears: since when a recording is heard, which engine heard it, and how long that took

Revision: 0006, after 0005. Only adds: the code of 0005 runs on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("speech_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("transcripts", sa.Column("engine", sa.String(), server_default="", nullable=False))
    op.add_column("transcripts", sa.Column("took_s", sa.Float(), nullable=True))
    op.create_index("ix_transcripts_made_at", "transcripts", ["made_at", "id"])
