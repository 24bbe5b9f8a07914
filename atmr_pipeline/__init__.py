"""atmr_pipeline: from a dispatcher's records to models that are promoted on evidence only."""

__version__ = "0.1.0"
