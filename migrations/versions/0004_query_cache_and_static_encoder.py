"""A cache of query embeddings, and the static encoder."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
