"""How calls sounded."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("call_records", sa.Column("score", sa.Float))
    op.add_column("call_records", sa.Column("bad_sound", sa.Integer))
    op.add_column("call_records", sa.Column("sound", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    raise NotImplementedError("state is never taken back to an older schema: an older version begins with an empty file")
