"""First tables: caches, predictions, drift events, the model registry, alerts."""

import sqlalchemy as sa
from alembic import op

from atmr_pipeline.state.types import UtcDateTime, json_column_type, row_id_type

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "pipeline_state",
    "risk_alert",
    "model_event",
    "model_alias",
    "model_version",
    "drift_event",
    "ml_prediction",
    "extraction_watermark",
    "workbook_file",
    "geocode_cache",
)


def upgrade() -> None:
    _create_import_tables()
    _create_feedback_tables()
    _create_registry_tables()
    op.create_table(
        "pipeline_state",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", json_column_type(), nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_pipeline_state"),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _create_import_tables() -> None:
    op.create_table(
        "geocode_cache",
        sa.Column("address_key", sa.String(64), nullable=False, comment="keyed hash; the address itself is not stored"),
        sa.Column("lat", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
        sa.Column("lon", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
        sa.Column("precision", sa.String(16), nullable=False),
        sa.Column("source", sa.String(64), comment="who answered"),
        sa.Column("score", sa.Double, comment="match quality 0..1"),
        sa.Column("reason", sa.String(64), comment="reason code when unresolved"),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, comment="ask again after this; NULL never"),
        sa.PrimaryKeyConstraint("address_key", name="pk_geocode_cache"),
    )
    op.create_table(
        "workbook_file",
        sa.Column("content_hash", sa.String(64), nullable=False, comment="SHA-256 of the file"),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("rows_read", sa.Integer, nullable=False),
        sa.Column("rows_accepted", sa.Integer, nullable=False),
        sa.Column("rows_quarantined", sa.Integer, nullable=False),
        sa.Column("rows_duplicate", sa.Integer, nullable=False),
        sa.Column("rows_ignored", sa.Integer, nullable=False, comment="headers, totals and blank rows"),
        sa.Column("imported_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name="pk_workbook_file"),
    )
    op.create_table(
        "extraction_watermark",
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("watermark", UtcDateTime, nullable=False, comment="everything changed up to here has been read"),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_extraction_watermark"),
    )


def _create_feedback_tables() -> None:
    op.create_table(
        "ml_prediction",
        sa.Column("id", row_id_type(), nullable=False),
        sa.Column("assignment_id", sa.BigInteger, nullable=False),
        sa.Column("booking_id", sa.BigInteger, nullable=False),
        sa.Column("driver_id", sa.BigInteger),
        sa.Column("company_id", sa.BigInteger, nullable=False),
        sa.Column("service_day", sa.Date, nullable=False, comment="local calendar day"),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False, comment="features use nothing later"),
        sa.Column("predicted_at", UtcDateTime, nullable=False, comment="when the row was computed"),
        sa.Column("expected_delay_min", sa.Double, nullable=False),
        sa.Column("low_min", sa.Double, nullable=False),
        sa.Column("high_min", sa.Double, nullable=False),
        sa.Column("p_late", sa.Double, nullable=False),
        sa.Column("actual_delay_min", sa.Double, comment="NULL until the pickup happened"),
        sa.Column("actual_recorded_at", UtcDateTime, comment="when the actual delay was known"),
        sa.PrimaryKeyConstraint("id", name="pk_ml_prediction"),
        sa.UniqueConstraint("assignment_id", "model_version", name="uq_ml_prediction_assignment_id_model_version"),
    )
    op.create_index("ix_ml_prediction_service_day_company_id", "ml_prediction", ["service_day", "company_id"])
    op.create_table(
        "drift_event",
        sa.Column("event_id", sa.String(128), nullable=False, comment="stable: the same alarm has the same id"),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detected_on", sa.Date, nullable=False),
        sa.Column("company_id", sa.BigInteger, comment="NULL for all companies together"),
        sa.Column("alarm_started_on", sa.Date),
        sa.Column("model_version", sa.String(64)),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("evidence", json_column_type(), nullable=False),
        sa.Column("outcome", sa.String(64), comment="what came of it; NULL while open"),
        sa.Column("outcome_at", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False, comment="strictly increasing: the sensors' cursor"),
        sa.PrimaryKeyConstraint("event_id", name="pk_drift_event"),
        sa.UniqueConstraint("created_at", name="uq_drift_event_created_at"),
    )
    op.create_table(
        "risk_alert",
        sa.Column("id", row_id_type(), nullable=False),
        sa.Column("assignment_id", sa.BigInteger, nullable=False),
        sa.Column("booking_id", sa.BigInteger, nullable=False),
        sa.Column("service_day", sa.Date, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("p_late", sa.Double, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_risk_alert"),
        sa.UniqueConstraint(
            "assignment_id", "level", "model_version", name="uq_risk_alert_assignment_id_level_model_version"
        ),
    )
    op.create_index("ix_risk_alert_service_day", "risk_alert", ["service_day"])


def _create_registry_tables() -> None:
    op.create_table(
        "model_version",
        sa.Column("version_id", sa.String(64), nullable=False, comment="first digits of the content hash"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False, comment="SHA-256 of file names and bytes"),
        sa.Column("path", sa.Text, nullable=False, comment="directory, relative to the models directory"),
        sa.Column("manifest", json_column_type(), nullable=False),
        sa.Column("training_fingerprint", sa.String(128), nullable=False, comment="data, code and settings"),
        sa.Column("metrics", json_column_type(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("version_id", name="pk_model_version"),
        sa.CheckConstraint("kind IN ('delay', 'policy')", name="kind"),
    )
    op.create_index("ix_model_version_kind_training_fingerprint", "model_version", ["kind", "training_fingerprint"])
    op.create_table(
        "model_alias",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("alias", sa.String(32), nullable=False),
        sa.Column("version_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False, comment="moves by one at each change: compare-and-swap"),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("kind", "alias", name="pk_model_alias"),
        sa.ForeignKeyConstraint(["version_id"], ["model_version.version_id"], name="fk_model_alias_version_id"),
    )
    op.create_table(
        "model_event",
        sa.Column("id", row_id_type(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("alias", sa.String(32)),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("from_version", sa.String(64)),
        sa.Column("to_version", sa.String(64)),
        sa.Column("seq", sa.Integer, comment="the champion's number after the action"),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", json_column_type(), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_event"),
    )
    op.create_index("ix_model_event_kind_id", "model_event", ["kind", "id"])
