"""A search plans less, and its word leg reads only what can still be among the hits."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
