"""Fine-tuning jobs."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
