"""Point-in-time features and daily history: SQL run by an in-memory DuckDB, the same for training and serving."""
