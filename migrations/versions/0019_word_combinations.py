"""The word leg reads only chunks that can still be good enough; wide filters."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
