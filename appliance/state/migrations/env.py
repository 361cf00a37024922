"""Alembic's entry: runs the revisions on the connection `database.migrate` hands over, all in its one transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
