"""Evaluation sets from what people said of answers."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
