"""Vector indexes of one bit of each number of an embedding."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
