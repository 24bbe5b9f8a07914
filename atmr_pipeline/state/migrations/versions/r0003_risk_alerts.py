"""Risk alerts: once a level whichever model says so, with what was known and advised; the unsent ones counted."""

import sqlalchemy as sa
from alembic import op

from atmr_pipeline.state.types import UtcDateTime, json_column_type

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_KEY = "uq_risk_alert_assignment_id_level_model_version"
NEW_KEY = "uq_risk_alert_booking_id_alert_number"
NUMBER_ALERTS = """
    UPDATE risk_alert SET alert_number = (
        SELECT COUNT(*) FROM risk_alert AS earlier
        WHERE earlier.booking_id = risk_alert.booking_id AND earlier.id <= risk_alert.id
    )
"""
DELETE_WHAT_THE_OLD_KEY_FORBIDS = """
    DELETE FROM risk_alert WHERE EXISTS (
        SELECT 1 FROM risk_alert AS earlier
        WHERE earlier.assignment_id = risk_alert.assignment_id AND earlier.level = risk_alert.level
        AND earlier.model_version = risk_alert.model_version AND earlier.id < risk_alert.id
    )
"""


def upgrade() -> None:
    # Several models may have alerted the same level before: those rows stay, so the new key counts alerts instead.
    with op.batch_alter_table("risk_alert") as table:
        table.drop_constraint(OLD_KEY, type_="unique")
        table.alter_column("created_at", new_column_name="sent_at", existing_type=UtcDateTime, existing_nullable=False)
        table.add_column(sa.Column("alert_number", sa.Integer, comment="of the booking, from 1: nobody sends it twice"))
        table.add_column(sa.Column("driver_id", sa.BigInteger, comment="NULL where there is none, or it was not kept"))
        table.add_column(sa.Column("expected_delay_min", sa.Double, comment="NULL where it was not kept"))
        table.add_column(
            sa.Column("threshold", sa.Double, comment="P(late) from which alerts were sent; NULL where it was not kept")
        )
        table.add_column(
            sa.Column("threshold_source", sa.String(16), comment="model or company; NULL where it was not kept")
        )
        table.add_column(
            sa.Column("advice", json_column_type(), comment="codes with minutes, in order; NULL where it was not kept")
        )
    op.execute(NUMBER_ALERTS)
    with op.batch_alter_table("risk_alert") as table:
        table.alter_column("alert_number", existing_type=sa.Integer, nullable=False)
        table.create_unique_constraint(NEW_KEY, ["booking_id", "alert_number"])
    op.create_table(
        "risk_alert_suppressed",
        sa.Column("assignment_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False, comment="why it was not sent"),
        sa.Column("booking_id", sa.BigInteger, nullable=False),
        sa.Column("service_day", sa.Date, nullable=False, comment="of the last time, as all that follows"),
        sa.Column("level", sa.String(16), comment="NULL below every level"),
        sa.Column("p_late", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("threshold_source", sa.String(16), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("assignment_id", "reason", name="pk_risk_alert_suppressed"),
    )
    op.create_index("ix_risk_alert_suppressed_service_day", "risk_alert_suppressed", ["service_day"])


def downgrade() -> None:
    op.drop_table("risk_alert_suppressed")
    op.execute(DELETE_WHAT_THE_OLD_KEY_FORBIDS)
    with op.batch_alter_table("risk_alert") as table:
        table.drop_constraint(NEW_KEY, type_="unique")
        for name in ("alert_number", "driver_id", "expected_delay_min", "threshold", "threshold_source", "advice"):
            table.drop_column(name)
        table.alter_column("sent_at", new_column_name="created_at", existing_type=UtcDateTime, existing_nullable=False)
        table.create_unique_constraint(OLD_KEY, ["assignment_id", "level", "model_version"])
