"""Which leg found a hit, at which place."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0014"
down_revision = "0011"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
