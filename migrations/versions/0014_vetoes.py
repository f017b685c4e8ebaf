"""what people write of an upheld complaint is tied to its ticket and to the recording of the talk

Revision: 0014. Only adds: the code of 0012 runs on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("ticket_id", "recording_id"):
        op.add_column("vetoes", sa.Column(column, sa.Uuid(), nullable=True))
        op.create_index(f"ix_vetoes_{column}", "vetoes", [column])
    # what was upheld before is tied too; the talk comes before a message of the same call
    op.execute(
        "UPDATE vetoes SET ticket_id = tickets.id, recording_id = (SELECT recordings.id FROM recordings"
        " WHERE recordings.call_id = tickets.call_id AND recordings.state NOT IN ('purged', 'absent')"
        " ORDER BY recordings.purpose = 'call' DESC, recordings.announced_at DESC, recordings.id LIMIT 1)"
        " FROM tickets WHERE tickets.number = vetoes.ticket"
    )
    op.execute(
        "UPDATE qa_notes SET recording_id = vetoes.recording_id FROM vetoes WHERE qa_notes.veto_id = vetoes.id"
    )


def downgrade() -> None:
    for column in ("recording_id", "ticket_id"):
        op.drop_index(f"ix_vetoes_{column}", "vetoes")
        op.drop_column("vetoes", column)
