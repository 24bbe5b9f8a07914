"""Compiled code on disk belongs to one state of the sources that it calls."""

import importlib

import pytest

from atmr_pipeline.dispatch.compiled import sources_digest
from atmr_pipeline.dispatch.kernel import drive_route, gap_of


def test_what_is_kept_is_keyed_by_the_sources_it_may_call():
    cache, codegen = gap_of._cache, gap_of.targetctx.codegen()
    assert sources_digest(gap_of.py_func.__module__) in cache._index_key((), codegen)
    assert type(drive_route._cache) is type(cache)


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Three modules of a stand-in project, each importing the next one in another way."""
    folder = tmp_path / "atmr_pipeline_stand_in"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "first.py").write_text("from atmr_pipeline_stand_in import (\n    second,\n)\n", encoding="utf-8")
    (folder / "second.py").write_text("from atmr_pipeline_stand_in.third import VALUE\n", encoding="utf-8")
    (folder / "third.py").write_text("VALUE = 1\n", encoding="utf-8")
    (folder / "other.py").write_text("VALUE = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return folder


def _digest():
    sources_digest.cache_clear()
    return sources_digest("atmr_pipeline_stand_in.first")


def test_a_change_far_down_the_imports_is_another_state(chain):
    before = _digest()
    (chain / "third.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert _digest() != before


def test_a_change_of_a_module_that_is_not_imported_is_not(chain):
    before = _digest()
    (chain / "other.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert _digest() == before
