"""What the test of several geocoding processes runs in each."""

from atmr_pipeline.sources.geocoding.online import GeoAdminProvider, NominatimProvider, OnlineGeocoder
from atmr_pipeline.sources.services import JsonGateway, SharedLimiter
from atmr_pipeline.state.store import StateStore

AGENT = "atmr-test/1 (ops@example.org)"


def locate_at_once(url: str, schema: str, service_url: str, pairs: list[tuple[str, str]], barrier, results) -> None:
    store = StateStore(url, schema=schema)
    providers = []
    for provider, name in ((NominatimProvider, "nominatim"), (GeoAdminProvider, "geoadmin")):
        limiter = SharedLimiter(store, name, 0.02)
        providers.append(provider(JsonGateway(name, service_url, user_agent=AGENT, limiter=limiter)))
    geocoder = OnlineGeocoder(providers, store)
    barrier.wait()
    answers = geocoder.locate_many(pairs)
    results.put(({key: answer.precision.value for key, answer in answers.items()}, geocoder.report()))
    geocoder.close()
    store.close()
