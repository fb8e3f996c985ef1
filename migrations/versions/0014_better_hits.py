"""Several phrasings of a question; what stands around a chunk."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
