"""The operations database's tables, as the dispatching application has them, portable between SQLite and PostgreSQL.

Only the demo company writes them; the pipeline reads a real database and never creates it.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

METADATA = MetaData()


def _key() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)


def _instant(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


def _plain(types: dict[str, TypeEngine[Any]]) -> list[Column[object]]:
    return [Column(name, kind) for name, kind in types.items()]


def _link(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, ForeignKey(f"{target}.id"), nullable=nullable, index=True)


USER = Table("user", METADATA, _key(), *_plain({"first_name": String(80), "last_name": String(80)}))

COMPANY = Table(
    "company",
    METADATA,
    _key(),
    *_plain(
        {
            "name": String(120),
            "latitude": Float(53),
            "longitude": Float(53),
            "dispatch_enabled": Boolean(),
            "dispatch_mode": String(40),
            "autonomous_config": JSON(),
        }
    ),
)

DRIVER = Table(
    "driver",
    METADATA,
    _key(),
    _link("user_id", "user"),
    _link("company_id", "company"),
    Column("is_active", Boolean, nullable=False),
    Column("is_available", Boolean, nullable=False),
    Column("driver_type", String(40), nullable=False),
    *_plain({"latitude": Float(53), "longitude": Float(53)}),
    _instant("last_position_update"),
    *_plain({"contract_type": String(40), "weekly_hours": Integer()}),
)

DRIVER_SHIFT = Table(
    "driver_shift",
    METADATA,
    _key(),
    _link("company_id", "company"),
    _link("driver_id", "driver"),
    Column("start_local", DateTime(), nullable=False),
    Column("end_local", DateTime(), nullable=False),
    *_plain({"timezone": String(40), "type": String(40), "status": String(40)}),
)

DRIVER_UNAVAILABILITY = Table(
    "driver_unavailability",
    METADATA,
    _key(),
    _link("driver_id", "driver"),
    Column("start_local", DateTime(), nullable=False),
    Column("end_local", DateTime(), nullable=False),
    Column("reason", String(80)),
)

BOOKING = Table(
    "booking",
    METADATA,
    _key(),
    _link("company_id", "company"),
    Column("client_id", Integer),
    _link("driver_id", "driver", nullable=True),
    *_plain({"customer_name": String(160), "pickup_location": Text(), "dropoff_location": Text()}),
    Column("booking_type", String(40)),
    Column("scheduled_time", DateTime(timezone=False), index=True),
    Column("status", String(40), nullable=False),
    Column("is_round_trip", Boolean, nullable=False),
    Column("is_return", Boolean, nullable=False),
    _link("parent_booking_id", "booking", nullable=True),
    Column("is_urgent", Boolean, nullable=False),
    *_plain(
        {
            "time_confirmed": Boolean(),
            "medical_facility": String(160),
            "hospital_service": String(120),
            "wheelchair_client_has": Boolean(),
            "wheelchair_need": Boolean(),
            "notes_medical": Text(),
            "duration_seconds": Integer(),
            "distance_meters": Integer(),
            "pickup_lat": Float(53),
            "pickup_lon": Float(53),
            "dropoff_lat": Float(53),
            "dropoff_lon": Float(53),
            "amount": Float(53),
        }
    ),
    _instant("boarded_at"),
    _instant("completed_at"),
    _instant("created_at"),
    _instant("updated_at"),
)

DISPATCH_RUN = Table(
    "dispatch_run",
    METADATA,
    _key(),
    _link("company_id", "company"),
    Column("day", Date, nullable=False),
    Column("status", String(40), nullable=False),
    _instant("started_at"),
    _instant("completed_at"),
    *_plain({"config": JSON(), "metrics": JSON()}),
    UniqueConstraint("company_id", "day"),
)

ASSIGNMENT = Table(
    "assignment",
    METADATA,
    _key(),
    _link("dispatch_run_id", "dispatch_run", nullable=True),
    _link("booking_id", "booking"),
    _link("driver_id", "driver", nullable=True),
    Column("status", String(40), nullable=False),
    *(
        _instant(name)
        for name in (
            "planned_pickup_at",
            "planned_dropoff_at",
            "actual_pickup_at",
            "actual_dropoff_at",
            "eta_pickup_at",
            "eta_dropoff_at",
        )
    ),
    *_plain({"delay_seconds": Integer(), "decision_explanation": JSON()}),
    _instant("created_at"),
    _instant("updated_at"),
)
