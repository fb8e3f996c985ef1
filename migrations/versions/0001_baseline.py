"""The schema: documents, chunks, search, answers, evaluation, fine-tuning, tenants."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
