"""What is wrong, before search is blamed: texts in files or stored, and the database's health.

A satellite: uses reading and the database.
"""

from ragpg.inspection.health import Health
from ragpg.inspection.inspecting import Inspection, Inspector, Problem

__all__ = ["Health", "Inspection", "Inspector", "Problem"]
