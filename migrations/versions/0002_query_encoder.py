"""The query encoder: questions are embedded in SQL."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
