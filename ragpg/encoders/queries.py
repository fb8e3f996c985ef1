"""Every statement about models in the database that this package sends, by name."""

from __future__ import annotations

from typing import LiteralString

DELETE_ENCODER: LiteralString = "delete from ragpg.encoders where embedding_model_id = %(key)s"

INSERT_ENCODER: LiteralString = """
insert into ragpg.encoders (
    embedding_model_id, layers, heads, width, pooling, lower_case, strip_accents,
    unknown_token_id, first_token_id, last_token_id, special_tokens, longest_token,
    query_prefix, max_query_tokens, layer_norm_epsilon
)
values (
    %(key)s, %(layers)s, %(heads)s, %(width)s, %(pooling)s, %(lower_case)s, %(strip_accents)s,
    %(unknown_token_id)s, %(first_token_id)s, %(last_token_id)s, %(special_tokens)s,
    %(longest_token)s, %(query_prefix)s, %(max_query_tokens)s, %(layer_norm_epsilon)s
)
"""

COPY_ENCODER_VOCABULARY: LiteralString = """
copy ragpg.encoder_vocabulary (embedding_model_id, token, token_id) from stdin with (format binary)
"""

COPY_ENCODER_EMBEDDINGS: LiteralString = """
copy ragpg.encoder_embeddings (embedding_model_id, token_id, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_POSITIONS: LiteralString = """
copy ragpg.encoder_positions (embedding_model_id, token_position, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_LAYERS: LiteralString = """
copy ragpg.encoder_layers (
    embedding_model_id, layer, attention_gain, attention_shift, output_gain, output_shift
)
from stdin with (format binary)
"""

COPY_ENCODER_WEIGHTS: LiteralString = """
copy ragpg.encoder_weights (embedding_model_id, layer, matrix, place, weights)
from stdin with (format binary)
"""

ENCODE_QUERY: LiteralString = """
select ragpg_internal.encode(%(key)s, ragpg_internal.query_tokens(%(key)s, %(text)s))::real[]
"""

STORE_ENCODER_COSINE: LiteralString = """
update ragpg.encoders set verified_cosine = %(cosine)s where embedding_model_id = %(key)s
"""

ANALYZE_ENCODERS: LiteralString = "analyze ragpg.encoder_weights"

ENCODERS: LiteralString = """
select
    embedding_model, provider, dimensions, layers, pooling, max_query_tokens, verified,
    verified_cosine, loaded_at, embedding_model_id
from ragpg.encoder_status
order by embedding_model
"""
