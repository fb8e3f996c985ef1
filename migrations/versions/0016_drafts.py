"""Questions a model drafts, for a person to accept; measures by tag."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
