"""The rows that need transactions: caches, predictions, decisions, alerts, the model registry.

Analytical tables are Parquet files; these few are SQL because several processes write them. The schema here and the
one that the migrations build are compared by a test on both databases.
"""

import sqlalchemy as sa

from atmr_pipeline.state.types import UtcDateTime, json_column_type, row_id_type

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

geocode_cache = sa.Table(
    "geocode_cache",
    metadata,
    sa.Column("address_key", sa.String(64), primary_key=True, comment="keyed hash; the address itself is not stored"),
    sa.Column("provider", sa.String(64), primary_key=True, comment="who answered"),
    sa.Column("lat", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
    sa.Column("lon", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
    sa.Column("precision", sa.String(16), nullable=False),
    sa.Column("score", sa.Double, comment="match quality 0..1"),
    sa.Column("reason", sa.String(64), comment="reason code when unresolved"),
    sa.Column("entry_key", sa.String(64), comment="the provider's own entry, hashed; NULL when unresolved"),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, comment="ask again after this"),
)

geocode_claim = sa.Table(
    "geocode_claim",
    metadata,
    sa.Column("address_key", sa.String(64), primary_key=True, comment="keyed hash; the address itself is not stored"),
    sa.Column("provider", sa.String(64), primary_key=True, comment="who is being asked"),
    sa.Column("owner", sa.String(32), nullable=False, comment="the process that asks"),
    sa.Column("until", UtcDateTime, nullable=False, comment="another may ask after this"),
)

travel_cache = sa.Table(
    "travel_cache",
    metadata,
    sa.Column("provider", sa.String(64), primary_key=True, comment="who answered, with its profile"),
    sa.Column("origin", sa.String(32), primary_key=True, comment="snapped lat,lon"),
    sa.Column("destination", sa.String(32), primary_key=True, comment="snapped lat,lon"),
    sa.Column("minutes", sa.Double, comment="NULL where the provider knows no way"),
    sa.Column("km", sa.Double, comment="NULL where the provider knows no way"),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, comment="ask again after this"),
)

service_slot = sa.Table(
    "service_slot",
    metadata,
    sa.Column("service", sa.String(64), primary_key=True, comment="online service with a limit of requests"),
    sa.Column("next_at", UtcDateTime, nullable=False, comment="the next request of any process may leave then"),
)

service_breaker = sa.Table(
    "service_breaker",
    metadata,
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, comment="failures in a row"),
    sa.Column("open_until", UtcDateTime, comment="no request before this; NULL while closed"),
    sa.Column("reason", sa.String(64), comment="kind of the last failure"),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

workbook_file = sa.Table(
    "workbook_file",
    metadata,
    sa.Column("content_hash", sa.String(64), primary_key=True, comment="SHA-256 of the file"),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("rows_read", sa.Integer, nullable=False),
    sa.Column("rows_accepted", sa.Integer, nullable=False),
    sa.Column("rows_quarantined", sa.Integer, nullable=False),
    sa.Column("rows_duplicate", sa.Integer, nullable=False),
    sa.Column("rows_ignored", sa.Integer, nullable=False, comment="headers, totals and blank rows"),
    sa.Column("imported_at", UtcDateTime, nullable=False),
)

extraction_watermark = sa.Table(
    "extraction_watermark",
    metadata,
    sa.Column("source", sa.String(128), primary_key=True),
    sa.Column("watermark", UtcDateTime, nullable=False, comment="everything changed up to here has been read"),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

ml_prediction = sa.Table(
    "ml_prediction",
    metadata,
    sa.Column("id", row_id_type(), primary_key=True),
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
    sa.Column("role", sa.String(16), nullable=False, server_default="served", comment="served or shadow"),
    sa.Column("arm", sa.String(16), comment="champion or challenger while an A/B test is on, else NULL"),
    sa.UniqueConstraint("assignment_id", "model_version"),
    sa.Index(None, "service_day", "company_id"),
)

drift_event = sa.Table(
    "drift_event",
    metadata,
    sa.Column("event_id", sa.String(128), primary_key=True, comment="stable: the same alarm has the same id"),
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
    sa.Column("last_seen_on", sa.Date, comment="last service day of a look that still saw it; NULL unknown"),
    sa.UniqueConstraint("created_at"),
)

model_version = sa.Table(
    "model_version",
    metadata,
    sa.Column("version_id", sa.String(64), primary_key=True, comment="first digits of the content hash"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False, comment="SHA-256 of file names and bytes"),
    sa.Column("path", sa.Text, nullable=False, comment="directory, relative to the models directory"),
    sa.Column("manifest", json_column_type(), nullable=False),
    sa.Column("training_fingerprint", sa.String(128), nullable=False, comment="data, code and settings"),
    sa.Column("metrics", json_column_type(), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("kind IN ('delay', 'policy')", name="kind"),
    sa.Index(None, "kind", "training_fingerprint"),
)

model_alias = sa.Table(
    "model_alias",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("alias", sa.String(32), primary_key=True),
    sa.Column("version_id", sa.String(64), sa.ForeignKey("model_version.version_id"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False, comment="moves by one at each change: compare-and-swap"),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

model_event = sa.Table(
    "model_event",
    metadata,
    sa.Column("id", row_id_type(), primary_key=True),
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
    sa.Index(None, "kind", "id"),
)

risk_alert = sa.Table(
    "risk_alert",
    metadata,
    sa.Column("id", row_id_type(), primary_key=True),
    sa.Column("booking_id", sa.BigInteger, nullable=False),
    sa.Column("alert_number", sa.Integer, nullable=False, comment="of the booking, from 1: nobody sends it twice"),
    sa.Column("assignment_id", sa.BigInteger, nullable=False),
    sa.Column("driver_id", sa.BigInteger, comment="NULL where there is none, or it was not kept"),
    sa.Column("service_day", sa.Date, nullable=False),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("p_late", sa.Double, nullable=False),
    sa.Column("expected_delay_min", sa.Double, comment="NULL where it was not kept"),
    sa.Column("threshold", sa.Double, comment="P(late) from which alerts were sent; NULL where it was not kept"),
    sa.Column("threshold_source", sa.String(16), comment="model or company; NULL where it was not kept"),
    sa.Column("advice", json_column_type(), comment="codes with minutes, in order; NULL where it was not kept"),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("sent_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("booking_id", "alert_number"),
    sa.Index(None, "service_day"),
)

risk_alert_suppressed = sa.Table(
    "risk_alert_suppressed",
    metadata,
    sa.Column("assignment_id", sa.BigInteger, primary_key=True),
    sa.Column("reason", sa.String(16), primary_key=True, comment="why it was not sent"),
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
    sa.Index(None, "service_day"),
)

notification = sa.Table(
    "notification",
    metadata,
    sa.Column("id", row_id_type(), primary_key=True),
    sa.Column("subject_id", sa.String(128), nullable=False, comment="what it is about: told once a channel"),
    sa.Column("channel", sa.String(16), nullable=False, comment="log, webhook or smtp"),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("sent_at", UtcDateTime, comment="NULL until it was delivered"),
    sa.Column("error", sa.String(64), comment="kind of the last failure"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("subject_id", "channel"),
)

pipeline_state = sa.Table(
    "pipeline_state",
    metadata,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("value", json_column_type(), nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
