"""Bindings, the emergency callback map, call records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bindings",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("uri", sa.Text, primary_key=True),
        sa.Column("received_ip", sa.Text, nullable=False),
        sa.Column("received_port", sa.Integer, nullable=False),
        sa.Column("received_transport", sa.Text, nullable=False),
        sa.Column("local_ip", sa.Text, nullable=False),
        sa.Column("local_port", sa.Integer, nullable=False),
        sa.Column("local_transport", sa.Text, nullable=False),
        sa.Column("q", sa.Float),
        sa.Column("remaining_s", sa.Float, nullable=False),
        sa.Column("age_s", sa.Float, nullable=False),
        sa.Column("stored_boot", sa.Text, nullable=False),
        sa.Column("stored_at_s", sa.Float, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("cseq", sa.Integer, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("reg_id", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "callback_map",
        sa.Column("elin", sa.Text, primary_key=True),
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("remaining_s", sa.Float),
        sa.Column("stored_boot", sa.Text, nullable=False),
        sa.Column("stored_at_s", sa.Float, nullable=False),
        sa.Column("started_unix_s", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_records",
        sa.Column("serial", sa.Integer, primary_key=True),
        sa.Column("session", sa.Text, nullable=False, unique=True),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("caller_name", sa.Text, nullable=False),
        sa.Column("caller_device", sa.Text, nullable=False),
        sa.Column("called", sa.Text, nullable=False),
        sa.Column("answered_device", sa.Text, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("started_unix_s", sa.Float, nullable=False),
        sa.Column("answered_unix_s", sa.Float),
        sa.Column("ended_unix_s", sa.Float, nullable=False),
        sa.Column("talk_s", sa.Float, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("call_records_started", "call_records", ["started_unix_s"])


def downgrade() -> None:
    raise NotImplementedError("state is never taken back to an older schema: an older version begins with an empty file")
