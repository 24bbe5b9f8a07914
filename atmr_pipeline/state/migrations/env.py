"""Alembic's entry point: runs on the connection and in the transaction that :mod:`atmr_pipeline.state.store` opened."""

from alembic import context

from atmr_pipeline.state.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
