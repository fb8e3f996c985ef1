"""Loading, and more than one server."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
