"""A worker takes embeddings over within a tenant alone."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
