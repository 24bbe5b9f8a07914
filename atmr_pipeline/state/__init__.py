"""Rows that need transactions, on SQLite or PostgreSQL."""

from atmr_pipeline.state.store import StateStore

__all__ = ["StateStore"]
