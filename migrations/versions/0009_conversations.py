"""Conversations, and the steps of answers that looked more than once."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
