"""Embedding models in the database: their weights as tables, with which SQL embeds questions.

Uses models, the session and indexing; imported where somebody loads, lists or drops one.
"""

from ragpg.encoders.encoders import EncoderReport, Encoders, load_encoder, verify_encoder

__all__ = ["EncoderReport", "Encoders", "load_encoder", "verify_encoder"]
