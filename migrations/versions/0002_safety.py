"""Nothing that others may make runs with ragpg's rights, and no row of a tenant is another's."""

from __future__ import annotations

from ragpg.database.migrations import run_step

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_step(__file__, "up")


def downgrade() -> None:
    run_step(__file__, "down")
