"""Who answers for travel times and addresses in this home: what the settings switch on, and nothing else."""

from typing import TYPE_CHECKING

from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.sources.geocoding.online import OnlineGeocoder
    from atmr_pipeline.sources.services import JsonGateway
    from atmr_pipeline.sources.travel import HaversineTravel

SPEED_PROFILE = "travel_speed_profile"


def travel_provider(workspace: Workspace) -> TravelProvider:
    """OSRM where a server is set, and great circle x detour for what it cannot answer; else that alone."""
    settings = workspace.settings
    plain = plain_travel(workspace)
    if settings.osrm_url is None:
        return plain
    from atmr_pipeline.sources.travel import FallbackTravel, OsrmTravel

    return FallbackTravel(OsrmTravel(gateway(workspace, "osrm", settings.osrm_url), cache=workspace.state), plain)


def plain_travel(workspace: Workspace) -> "HaversineTravel":
    """Great circle x detour at the company's own speeds, where they were fitted and beat the constant speed."""
    from atmr_pipeline.sources.travel import HaversineTravel, SpeedProfile

    if workspace.tables.has(SPEED_PROFILE):
        fitted = workspace.tables.read_value(SPEED_PROFILE)
        if fitted["used"]:
            return HaversineTravel.from_profile(SpeedProfile.from_dict(fitted["profile"]))
    return HaversineTravel(detour=workspace.settings.travel_detour)


def gateway(workspace: Workspace, service: str, url: str, *, interval_s: float | None = None) -> "JsonGateway":
    """A client of one online service; its limit and its breaker are shared by every process of this home."""
    from atmr_pipeline.sources.services import JsonGateway, SharedBreaker, SharedLimiter

    limiter = None if interval_s is None else SharedLimiter(workspace.state, service, interval_s)
    return JsonGateway(
        service,
        url,
        user_agent=workspace.settings.user_agent,
        limiter=limiter,
        breaker=SharedBreaker(workspace.state, service),
    )


def online_geocoder(workspace: Workspace) -> "OnlineGeocoder | None":
    """The online geocoders that are switched on; None where none is, which is the default."""
    settings = workspace.settings
    if not settings.geocoder_names:
        return None
    from atmr_pipeline.sources.geocoding.online import online_geocoders

    return online_geocoders(
        settings.geocoder_names,
        workspace.state,
        user_agent=settings.user_agent,
        nominatim_url=settings.nominatim_url,
        geoadmin_url=settings.geoadmin_url,
    )
