"""How good retrieval is: questions with labels, runs over them, comparison, tuning, the report.

A satellite: uses the core, and nothing of the core imports it. Measures are views in SQL.
"""

from ragpg.evaluation.evaluating import Calibration, Difference, compare_runs, run_set
from ragpg.evaluation.evaluation import Evaluation
from ragpg.evaluation.tuning import FEWEST_QUESTIONS, Trial, Tuning

__all__ = [
    "FEWEST_QUESTIONS",
    "Calibration",
    "Difference",
    "Evaluation",
    "Trial",
    "Tuning",
    "compare_runs",
    "run_set",
]
