"""The online geocoders that settings name."""

from collections.abc import Sequence

from atmr_pipeline.domain.errors import SettingsError
from atmr_pipeline.sources.geocoding.online import geoadmin, nominatim
from atmr_pipeline.sources.geocoding.online.geocoder import OnlineGeocoder, Provider
from atmr_pipeline.sources.services import JsonGateway, SharedBreaker, SharedLimiter
from atmr_pipeline.state.store import StateStore

PROVIDERS = (nominatim.NAME, geoadmin.NAME)


def online_geocoders(
    names: Sequence[str],
    store: StateStore,
    *,
    user_agent: str,
    nominatim_url: str | None = None,
    geoadmin_url: str | None = None,
) -> OnlineGeocoder:
    """Build providers whose limits, breakers and answers all processes on one state database share.

    Parameters
    ----------
    names : sequence of str
        Of :data:`PROVIDERS`, in order of preference.
    store : StateStore
        Migrated.
    user_agent : str
        Application and contact.
    nominatim_url, geoadmin_url : str, optional
        A server of one's own, asked as fast as it answers; by default the public one, at the pace of its policy.

    Raises
    ------
    SettingsError
        If a name is unknown or given twice, there is none, or a URL or the User-Agent cannot be used.
    """
    if not names or len(set(names)) < len(names) or not set(names) <= set(PROVIDERS):
        raise SettingsError(f"online geocoders are {' and '.join(PROVIDERS)}: name at least one, each once")

    def gateway(name: str, own_url: str | None, public_url: str, interval_s: float) -> JsonGateway:
        limiter = None if own_url else SharedLimiter(store, name, interval_s)
        breaker = SharedBreaker(store, name)
        return JsonGateway(name, own_url or public_url, user_agent=user_agent, limiter=limiter, breaker=breaker)

    providers: list[Provider] = []
    for name in names:
        if name == nominatim.NAME:
            reached = gateway(name, nominatim_url, nominatim.PUBLIC_URL, nominatim.INTERVAL_S)
            providers.append(nominatim.NominatimProvider(reached))
        else:
            reached = gateway(name, geoadmin_url, geoadmin.PUBLIC_URL, geoadmin.INTERVAL_S)
            providers.append(geoadmin.GeoAdminProvider(reached))
    return OnlineGeocoder(providers, store)
