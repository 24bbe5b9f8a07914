from collections.abc import Callable, Iterator

import pytest
from travel_osrm_server import OsrmServer, running_osrm

from atmr_pipeline.sources.services import JsonGateway
from atmr_pipeline.state.store import StateStore


@pytest.fixture
def osrm() -> Iterator[OsrmServer]:
    with running_osrm() as server:
        yield server


@pytest.fixture
def gateway(osrm: OsrmServer) -> Iterator[Callable[..., JsonGateway]]:
    """Gateways to the server that never sleep between attempts."""
    opened: list[JsonGateway] = []

    def open_gateway(**options) -> JsonGateway:
        defaults = {"user_agent": "atmr-pipeline tests", "sleep": lambda seconds: None}
        opened.append(JsonGateway("osrm", osrm.url, **(defaults | options)))
        return opened[-1]

    yield open_gateway
    for one in opened:
        one.close()


@pytest.fixture
def sqlite_store(tmp_path) -> Iterator[StateStore]:
    """A migrated SQLite store, where the database makes no difference."""
    store = StateStore(f"sqlite:///{tmp_path / 'travel.db'}")
    store.migrate()
    yield store
    store.close()
