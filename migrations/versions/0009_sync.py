"""Documents that vanished from a folder or a site are deleted by one call."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
