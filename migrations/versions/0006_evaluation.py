"""Evaluation says what is so: labels of whole documents, trials, runs that there are not."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
