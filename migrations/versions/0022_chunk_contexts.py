"""Sentences of context per chunk."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
