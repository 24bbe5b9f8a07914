"""What the delays look like before any model: distribution, groups, seasons, relations, and what is not known."""

from atmr_pipeline.monitoring.exploration.explore import DelayExploration, explore_delays

__all__ = ["DelayExploration", "explore_delays"]
