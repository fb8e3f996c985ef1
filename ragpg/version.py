"""The version of ragpg."""

__version__ = "0.1.0"
