"""Ask abstains by what the hits hold of a question."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
