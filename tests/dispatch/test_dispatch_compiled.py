"""Compiled code on disk belongs to one state of the sources."""

from atmr_pipeline.dispatch import compiled as module
from atmr_pipeline.dispatch.kernel import drive_route, gap_of


def test_what_is_kept_is_keyed_by_all_sources_of_the_package():
    cache, codegen = gap_of._cache, gap_of.targetctx.codegen()
    before = cache._index_key((), codegen)
    assert module.SOURCES_DIGEST in before
    assert type(drive_route._cache) is type(cache)


def test_other_sources_do_not_find_it(monkeypatch):
    cache, codegen = gap_of._cache, gap_of.targetctx.codegen()
    before = cache._index_key((), codegen)
    monkeypatch.setattr(module, "SOURCES_DIGEST", "0" * 64)
    assert cache._index_key((), codegen) != before
