"""A fictional weather service on this machine."""

from collections.abc import Iterator

import pytest
from open_meteo_server import OpenMeteo, Server

from atmr_pipeline.sources.weather import OpenMeteoClient


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def service(server: Server) -> OpenMeteo:
    return server.service


@pytest.fixture
def client(server: Server) -> Iterator[OpenMeteoClient]:
    with server.client() as client:
        yield client
