"""The closed loop: how long an alarm lasted, what was told to whom, predictions that did not act."""

import sqlalchemy as sa
from alembic import op

from atmr_pipeline.state.types import UtcDateTime, row_id_type

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("drift_event") as table:
        table.add_column(
            sa.Column("last_seen_on", sa.Date, comment="last service day of a look that still saw it; NULL unknown")
        )
    with op.batch_alter_table("ml_prediction") as table:
        table.add_column(
            sa.Column("role", sa.String(16), nullable=False, server_default="served", comment="served or shadow")
        )
        table.add_column(
            sa.Column("arm", sa.String(16), comment="champion or challenger while an A/B test is on, else NULL")
        )
    op.create_table(
        "notification",
        sa.Column("id", row_id_type(), primary_key=True),
        sa.Column("subject_id", sa.String(128), nullable=False, comment="what it is about: told once a channel"),
        sa.Column("channel", sa.String(16), nullable=False, comment="log, webhook or smtp"),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_at", UtcDateTime, comment="NULL until it was delivered"),
        sa.Column("error", sa.String(64), comment="kind of the last failure"),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("subject_id", "channel", name="uq_notification_subject_id_channel"),
    )


def downgrade() -> None:
    op.drop_table("notification")
    with op.batch_alter_table("ml_prediction") as table:
        table.drop_column("arm")
        table.drop_column("role")
    with op.batch_alter_table("drift_event") as table:
        table.drop_column("last_seen_on")
