"""The state database's schema, step by step (Alembic); run by `database.migrate`."""
