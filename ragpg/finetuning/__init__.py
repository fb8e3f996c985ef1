"""Behaviour into the weights: datasets, jobs at providers, a better embedding model.

A satellite: uses evaluation, search and the database; nothing of the core imports it.
"""

from ragpg.finetuning.datasets import Export, Validation, validate
from ragpg.finetuning.finetuning import Finetuning

__all__ = ["Export", "Finetuning", "Validation", "validate"]
