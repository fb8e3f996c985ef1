"""Half of an evaluation set to choose by, half to judge by."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
