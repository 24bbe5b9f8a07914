import itertools
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import command
from geocode_workers import claim_many

from atmr_pipeline.state.geocode_cache import (
    CachedAnswer,
    claim_question,
    read_answers,
    release_question,
    write_answer,
)
from atmr_pipeline.state.store import migration_config

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
FOUND = CachedAnswer("k1", "nominatim", 46.2, 6.14, "house", 0.98, None, "0123456789abcdef", NOW, LATER)
NOTHING = CachedAnswer("k2", "nominatim", None, None, "unresolved", 0.0, "not_found", None, NOW, LATER)
CLAIM = {"owner": "me", "at": NOW, "until": NOW + timedelta(seconds=60)}


def test_an_answer_is_kept_by_provider_until_it_expires(store):
    other = replace(FOUND, provider="geoadmin", lat=46.3)
    for answer in (FOUND, NOTHING, other):
        write_answer(store, answer, owner="me")
    keys = ["k1", "k2", "k3"]
    assert read_answers(store, keys, "nominatim", at=NOW) == {"k1": FOUND, "k2": NOTHING}
    assert read_answers(store, keys, "geoadmin", at=NOW) == {"k1": other}
    assert read_answers(store, keys, "nominatim", at=LATER) == {}


def test_a_newer_answer_replaces_the_older_among_many_keys(store):
    write_answer(store, FOUND, owner="me")
    better = replace(FOUND, lat=46.3, answered_at=NOW + timedelta(days=1))
    write_answer(store, better, owner="me")
    keys = [f"other{n}" for n in range(1_200)] + ["k1"]
    assert read_answers(store, keys, "nominatim", at=NOW) == {"k1": better}


def test_one_owner_asks_at_a_time(store):
    assert claim_question(store, "k1", "nominatim", **CLAIM) is True
    assert claim_question(store, "k1", "nominatim", **CLAIM) is True
    assert claim_question(store, "k1", "nominatim", **{**CLAIM, "owner": "other"}) is False
    assert claim_question(store, "k1", "geoadmin", **{**CLAIM, "owner": "other"}) is True
    release_question(store, "k1", "nominatim", owner="other")
    assert claim_question(store, "k1", "nominatim", **{**CLAIM, "owner": "other"}) is False
    release_question(store, "k1", "nominatim", owner="me")
    assert claim_question(store, "k1", "nominatim", **{**CLAIM, "owner": "other"}) is True


def test_a_claim_nobody_hears_of_again_passes_on(store):
    assert claim_question(store, "k1", "nominatim", **CLAIM) is True
    late = {"owner": "other", "at": NOW + timedelta(seconds=60), "until": NOW + timedelta(seconds=120)}
    assert claim_question(store, "k1", "nominatim", **late) is True
    assert claim_question(store, "k1", "nominatim", **CLAIM) is False


def test_a_claim_finds_the_answer_that_came_meanwhile(store):
    assert claim_question(store, "k1", "nominatim", **CLAIM) is True
    write_answer(store, FOUND, owner="me")
    for _ in range(2):
        assert claim_question(store, "k1", "nominatim", **{**CLAIM, "owner": "other"}) == FOUND
    expired = {"owner": "other", "at": LATER, "until": LATER + timedelta(seconds=60)}
    assert claim_question(store, "k1", "nominatim", **expired) is True


def test_of_four_processes_one_asks(store):
    keys = [f"k{n}" for n in range(10)]
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    url = store.url.render_as_string(hide_password=False)
    processes = [
        context.Process(target=claim_many, args=(url, store.schema, f"p{n}", keys, NOW, barrier, results))
        for n in range(4)
    ]
    for process in processes:
        process.start()
    won = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(timeout=120)
    assert sorted(itertools.chain(*won)) == sorted(keys)


def test_the_online_tables_come_and_go(store):
    with store.begin() as connection:
        command.downgrade(migration_config(connection), "0001")
        command.upgrade(migration_config(connection), "head")
    with store.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
    assert {"geocode_cache", "geocode_claim", "travel_cache", "service_slot", "service_breaker"} <= names
    write_answer(store, FOUND, owner="me")
    assert read_answers(store, ["k1"], "nominatim", at=NOW) == {"k1": FOUND}
