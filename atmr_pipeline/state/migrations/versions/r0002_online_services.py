"""Online services: answers kept by provider, shared request slots and circuit breakers."""

import sqlalchemy as sa
from alembic import op

from atmr_pipeline.state.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing was ever written to the first geocode_cache: no online geocoder existed.
    op.drop_table("geocode_cache")
    op.create_table(
        "geocode_cache",
        sa.Column("address_key", sa.String(64), nullable=False, comment="keyed hash; the address itself is not stored"),
        sa.Column("provider", sa.String(64), nullable=False, comment="who answered"),
        sa.Column("lat", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
        sa.Column("lon", sa.Double, comment="degrees WGS84; NULL where the geocoder found nothing"),
        sa.Column("precision", sa.String(16), nullable=False),
        sa.Column("score", sa.Double, comment="match quality 0..1"),
        sa.Column("reason", sa.String(64), comment="reason code when unresolved"),
        sa.Column("entry_key", sa.String(64), comment="the provider's own entry, hashed; NULL when unresolved"),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False, comment="ask again after this"),
        sa.PrimaryKeyConstraint("address_key", "provider", name="pk_geocode_cache"),
    )
    op.create_table(
        "geocode_claim",
        sa.Column("address_key", sa.String(64), nullable=False, comment="keyed hash; the address itself is not stored"),
        sa.Column("provider", sa.String(64), nullable=False, comment="who is being asked"),
        sa.Column("owner", sa.String(32), nullable=False, comment="the process that asks"),
        sa.Column("until", UtcDateTime, nullable=False, comment="another may ask after this"),
        sa.PrimaryKeyConstraint("address_key", "provider", name="pk_geocode_claim"),
    )
    op.create_table(
        "travel_cache",
        sa.Column("provider", sa.String(64), nullable=False, comment="who answered, with its profile"),
        sa.Column("origin", sa.String(32), nullable=False, comment="snapped lat,lon"),
        sa.Column("destination", sa.String(32), nullable=False, comment="snapped lat,lon"),
        sa.Column("minutes", sa.Double, comment="NULL where the provider knows no way"),
        sa.Column("km", sa.Double, comment="NULL where the provider knows no way"),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False, comment="ask again after this"),
        sa.PrimaryKeyConstraint("provider", "origin", "destination", name="pk_travel_cache"),
    )
    op.create_table(
        "service_slot",
        sa.Column("service", sa.String(64), nullable=False, comment="online service with a limit of requests"),
        sa.Column("next_at", UtcDateTime, nullable=False, comment="the next request of any process may leave then"),
        sa.PrimaryKeyConstraint("service", name="pk_service_slot"),
    )
    op.create_table(
        "service_breaker",
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False, comment="failures in a row"),
        sa.Column("open_until", UtcDateTime, comment="no request before this; NULL while closed"),
        sa.Column("reason", sa.String(64), comment="kind of the last failure"),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("service", name="pk_service_breaker"),
    )


def downgrade() -> None:
    for table in ("service_breaker", "service_slot", "travel_cache", "geocode_claim", "geocode_cache"):
        op.drop_table(table)
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
