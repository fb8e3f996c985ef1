"""The name of the present chunker on new search indexes."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
