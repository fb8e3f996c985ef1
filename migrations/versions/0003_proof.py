"""Functions that run as their owner are told for whom by proof; no table is read for its owner."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
