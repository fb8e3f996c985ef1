"""Hits to Claude, its answer to citations of exact characters, both stored.

Uses search and the session's client of the language model; how citations are kept is SQL's.
"""

from ragpg.answer.answering import SYSTEM_PROMPT, answer_question
from ragpg.answer.answers import Answer, Citation
from ragpg.answer.asking import ask, save_answer

__all__ = ["SYSTEM_PROMPT", "Answer", "Citation", "answer_question", "ask", "save_answer"]
