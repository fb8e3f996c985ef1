"""What people think of answers, stored."""

from __future__ import annotations

from ragpg.answer import queries
from ragpg.session import Session


def feedback(
    session: Session,
    answer_id: int,
    rating: str,
    *,
    corrected_text: str | None = None,
    comment: str = "",
) -> int:
    """Stores what a person thinks of an answer, good or bad; returns the feedback's id."""
    found = session.database.value(
        queries.FEEDBACK,
        answer_id=answer_id,
        rating=rating,
        corrected_text=corrected_text,
        comment=comment,
    )
    return int(found)
