"""Answers that look more than once, and conversations: every step a row, every cost capped.

Uses the answer package for what a question alone needs; imported at its first use.
"""

from ragpg.conversation.asking import ask
from ragpg.conversation.conversations import Conversation, Turn, prune
from ragpg.conversation.limits import ENDINGS, Limits
from ragpg.conversation.steps import Step

__all__ = ["ENDINGS", "Conversation", "Limits", "Step", "Turn", "ask", "prune"]
