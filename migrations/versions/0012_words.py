"""Word search by each document's language; letters in pairs where a script has no spaces."""

from __future__ import annotations

from ragpg.database import run_step

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
