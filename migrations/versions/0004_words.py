"""Words are found however they are written: forms, compounds, codes, numbers, accents."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
