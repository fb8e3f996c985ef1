"""Searches by vectors alone look at the chunks once."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
