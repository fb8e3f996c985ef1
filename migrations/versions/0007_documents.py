"""Documents by filter: listed by pages, deleted, their metadata changed."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
