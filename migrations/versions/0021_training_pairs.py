"""What an embedding model is trained on."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0021"
down_revision = "0019"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
