"""Who answers for travel times and addresses in this home: what the settings switch on, and nothing else."""

from typing import TYPE_CHECKING

from atmr_pipeline.domain.travel import TravelProvider
from atmr_pipeline.resources.workspace import Workspace

if TYPE_CHECKING:
    from atmr_pipeline.sources.geocoding.online import OnlineGeocoder
    from atmr_pipeline.sources.travel import HaversineTravel

SPEED_PROFILE = "travel_speed_profile"


def travel_provider(workspace: Workspace) -> TravelProvider:
    """OSRM where a server is set, and great circle x detour for what it cannot answer; else that alone."""
    settings = workspace.settings
    plain = plain_travel(workspace)
    if settings.osrm_url is None:
        return plain
    from atmr_pipeline.sources.services import JsonGateway, SharedBreaker
    from atmr_pipeline.sources.travel import FallbackTravel, OsrmTravel

    # A server of one's own is asked as fast as it answers; all processes of this home share its breaker.
    breaker = SharedBreaker(workspace.state, "osrm")
    gateway = JsonGateway("osrm", settings.osrm_url, user_agent=settings.user_agent, breaker=breaker)
    return FallbackTravel(OsrmTravel(gateway, cache=workspace.state), plain)


def plain_travel(workspace: Workspace) -> "HaversineTravel":
    """Great circle x detour at the company's own speeds, where they were fitted and beat the constant speed."""
    from atmr_pipeline.sources.travel import HaversineTravel, SpeedProfile

    if workspace.tables.has(SPEED_PROFILE):
        fitted = workspace.tables.read_value(SPEED_PROFILE)
        if fitted["used"]:
            return HaversineTravel.from_profile(SpeedProfile.from_dict(fitted["profile"]))
    return HaversineTravel(detour=workspace.settings.travel_detour)


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
