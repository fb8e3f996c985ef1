-- Which embedding models can the database compute itself?
create or replace view ragpg.encoder_status with (security_invoker = true) as
select
    model.name as embedding_model,
    model.provider,
    model.dimensions,
    encoder.layers,
    encoder.pooling,
    encoder.max_query_tokens,
    encoder.verified,
    encoder.verified_cosine,
    encoder.loaded_at,
    model.id as embedding_model_id
from ragpg.encoders as encoder
join ragpg.embedding_models as model on model.id = encoder.embedding_model_id;
comment on view ragpg.encoder_status is
'A row per embedding model whose weights are in the database; searches use the verified ones for questions that come without an embedding.';
comment on column ragpg.encoder_status.embedding_model is 'The model''s name.';
comment on column ragpg.encoder_status.provider is 'Who computes it in Python.';
comment on column ragpg.encoder_status.dimensions is 'Length of its embeddings.';
comment on column ragpg.encoder_status.layers is 'Its transformer layers.';
comment on column ragpg.encoder_status.pooling is 'mean or cls.';
comment on column ragpg.encoder_status.max_query_tokens is 'Longer questions are cut.';
comment on column ragpg.encoder_status.verified is 'Whether it agrees with the model in Python and is used.';
comment on column ragpg.encoder_status.verified_cosine is 'The smallest cosine to the model in Python.';
comment on column ragpg.encoder_status.loaded_at is 'When its weights were stored.';
comment on column ragpg.encoder_status.embedding_model_id is 'Its key.';
