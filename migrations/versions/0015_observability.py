"""The SQL surface completed, and health made visible."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
