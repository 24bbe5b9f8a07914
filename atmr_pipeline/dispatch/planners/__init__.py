"""Ways to plan a day, from the nearest driver to local search, behind one function."""

from atmr_pipeline.dispatch.planners.api import METHODS, Plan, plan

__all__ = ["METHODS", "Plan", "plan"]
