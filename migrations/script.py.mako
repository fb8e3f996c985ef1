"""${message}"""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
