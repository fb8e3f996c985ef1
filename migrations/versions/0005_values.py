"""Filters find documents by rows of their metadata's values, ranges too."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
