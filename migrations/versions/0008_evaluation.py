"""Evaluation sets, runs and their measures."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
