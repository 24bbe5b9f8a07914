from datetime import date

import pytest
import sqlalchemy as sa

from atmr_pipeline.simulation.build import DemoManifest, build_demo
from atmr_pipeline.simulation.config import WorldConfig

SMALL = WorldConfig(months=2, workbook_months=2, seed=5, end=date(2026, 5, 1))


@pytest.fixture(scope="session")
def small_home(tmp_path_factory):
    """A two-month demo company; read only."""
    home = tmp_path_factory.mktemp("demo")
    build_demo(SMALL, home)
    return home


@pytest.fixture(scope="session")
def small_manifest(small_home):
    return DemoManifest.read(small_home)


@pytest.fixture(scope="session")
def read_table(small_home):
    """Rows of a table of the small demo company, as dicts of what SQLite stores."""
    engine = sa.create_engine(f"sqlite:///{small_home}/demo/operations.db")

    def read(table: str, where: str = "1 = 1"):
        with engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(f'SELECT * FROM "{table}" WHERE {where}'))]

    yield read
    engine.dispose()
