"""Feedback on answers, examples to learn from, advice."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
