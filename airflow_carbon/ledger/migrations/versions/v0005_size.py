"""The size of machine that a run had, so that runs can be told apart by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("carbon_run", sa.Column("machine_size", sa.String(250)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("carbon_run", "machine_size")
