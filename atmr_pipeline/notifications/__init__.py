"""Who is told what, and how: drift, degradation, models promoted and refused, fallbacks, failed runs."""
