"""Voicemail, the outbox, and what a call record says of flows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name, default in (("dialled", ""), ("user", ""), ("path", "[]")):
        op.add_column("call_records", sa.Column(name, sa.Text, nullable=False, server_default=default))
    op.create_table(
        "voicemail",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("caller_name", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("started_unix_s", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("heard_unix_s", sa.Float),
        sa.Column("file", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("voicemail_mailbox", "voicemail", ["mailbox"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dedupe", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_unix_s", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_boot", sa.Text, nullable=False),
        sa.Column("next_at_s", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_state", "outbox", ["state"])


def downgrade() -> None:
    raise NotImplementedError("state is never taken back to an older schema: an older version begins with an empty file")
