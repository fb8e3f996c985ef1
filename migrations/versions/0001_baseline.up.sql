-- 0001: the schema. Tables by subject, then the functions and views of sql/ as they were when this
-- step was released, then triggers and the policies that keep tenants apart.
--
--   1  The two schemas
--   2  Documents
--   3  Models, and their weights where the database computes them
--   4  Search indexes and their chunks
--   5  Searches
--   6  Answers
--   7  Evaluation
--   8  Fine-tuning
--   9  Tenants
--  10  Functions: roles, tenants, verification
--  11  Functions: the embedding model in SQL
--  12  Functions and views: documents, versions, search indexes, the queue
--  13  Functions and views: search
--  14  Functions and views: answers
--  15  Functions and views: evaluation
--  16  Functions and views: fine-tuning
--  17  Functions and views: what is wrong with texts and with the database
--  18  Triggers
--  19  Policies

-- 1  The two schemas -------------------------------------------------------------------------------

-- The extension's library is loaded by its first use, before functions that set its parameters.
create extension if not exists vector;
do $$ begin perform '[1]'::vector; end $$;

comment on schema ragpg is
'Retrieval that lives in Postgres: documents, chunks, embeddings, ranking, answers and their citations.';
create schema ragpg_internal;
comment on schema ragpg_internal is
'What the functions, tables and policies of ragpg stand on. Nothing in here is a promise: call what is in ragpg.';

-- What columns and constraints of the tables call.

-- Is this the same text? SHA-256 of its UTF-8 bytes.
-- Declared immutable though convert_to() is stable: its result changes only with the definition
-- of an encoding conversion, and generated columns need it.
create or replace function ragpg_internal.hash_text(content text) returns bytea
language sql immutable strict parallel safe
return sha256(convert_to(content, 'UTF8'));
comment on function ragpg_internal.hash_text(text) is 'Returns the SHA-256 of a text''s UTF-8 bytes.';

-- Whose rows does this session read and write?
create or replace function ragpg.current_tenant() returns text
language plpgsql stable parallel safe
-- Security definer: who may act for whom (tenant_roles) is nobody's to read. Everybody may call it,
-- because policies do, in the name of whoever queries; it tells a session only its own tenant.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
begin
    -- By session_user and not by current_user, which in a security definer function is another's.
    select array_agg(distinct bound.tenant) into allowed
    from ragpg.tenant_roles as bound
    join pg_roles as known on known.oid = bound.role
    where pg_has_role(session_user, known.oid, 'usage')
        or pg_has_role(ragpg_internal.calling_role(), known.oid, 'usage');
    if allowed is null or wanted = any(allowed) or ragpg_internal.sees_all_tenants() then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant this session acts for, null for none: the setting ragpg.tenant; for a role bound by ragpg.bind_role only a tenant it is bound to, and the only one without a setting. Policies compare rows with it.';

-- Whose will be what is written now?
create or replace function ragpg_internal.written_tenant() returns text
language sql stable parallel safe
begin atomic
    select coalesce(ragpg.current_tenant(), '');
end;
comment on function ragpg_internal.written_tenant() is
'Returns the tenant of rows written now, the default of the columns tenant: empty when none is set.';

-- 2  Documents ------------------------------------------------------------------------------------

create table ragpg.collections (
    id bigint generated always as identity,
    name text not null,
    description text not null default '',
    active_index_id bigint,
    created_at timestamptz not null default now(),
    search_log_share real not null default 0,
    constraint collections_pkey primary key (id),
    constraint collections_name_key unique (name),
    constraint collections_name_is_short_and_trimmed
        check (name = btrim(name) and name <> '' and octet_length(name) <= 48),
    constraint collections_search_log_share_is_a_share check (search_log_share between 0 and 1)
);
comment on table ragpg.collections is 'A named set of documents that are searched together.';
comment on column ragpg.collections.id is 'Key.';
comment on column ragpg.collections.name is 'What callers say: unique, trimmed, at most 48 bytes.';
comment on column ragpg.collections.description is 'What the documents are, for people.';
comment on column ragpg.collections.active_index_id is
'The search index that answers searches; null until the first document is indexed. Switching recipes is one update of this column.';
comment on column ragpg.collections.created_at is 'When the collection was made.';
comment on column ragpg.collections.search_log_share is
'Share of the searches that ragpg.searches keeps, drawn at random: 0 (the default) none, 1 all.';

create table ragpg.documents (
    id bigint generated always as identity,
    collection_id bigint not null,
    source text not null,
    title text not null default '',
    media_type text not null default 'text/plain',
    content text not null,
    metadata jsonb not null default '{}',
    version integer not null default 1,
    content_hash bytea not null generated always as (ragpg_internal.hash_text(content)) stored,
    source_hash bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    page_starts integer[] not null default '{}',
    tenant text not null default ragpg_internal.written_tenant(),
    constraint documents_pkey primary key (id),
    constraint documents_collection_id_tenant_source_key unique (collection_id, tenant, source),
    constraint documents_id_tenant_key unique (id, tenant),
    constraint documents_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint documents_metadata_is_an_object check (jsonb_typeof(metadata) = 'object'),
    constraint documents_page_starts_has_no_null check (array_position(page_starts, null) is null),
    constraint documents_source_is_not_blank check (source ~ '\S'),
    constraint documents_version_is_positive check (version > 0)
);
comment on table ragpg.documents is
'One source text each (a file, a page, a row): the newest version. Earlier versions are in document_versions.';
comment on column ragpg.documents.id is 'Key; never used again after a delete.';
comment on column ragpg.documents.collection_id is 'The collection the document belongs to.';
comment on column ragpg.documents.source is
'What identifies the document in its collection: a path, a URL or the writer''s own key.';
comment on column ragpg.documents.title is
'Title, put before every chunk for word search, and before the first for embedding.';
comment on column ragpg.documents.media_type is 'What the source was, such as text/html.';
comment on column ragpg.documents.content is
'The clean text. Every chunk and citation is a span of characters of it.';
comment on column ragpg.documents.metadata is 'A JSON object that search filters look at.';
comment on column ragpg.documents.version is
'Counts the changes of source, title, content, media type, metadata and pages, from 1; kept by a trigger.';
comment on column ragpg.documents.content_hash is 'SHA-256 of the content.';
comment on column ragpg.documents.source_hash is
'SHA-256 of the loader''s version and the bytes the text was read from, to skip unchanged files; null when written from SQL.';
comment on column ragpg.documents.created_at is 'When the document was first stored.';
comment on column ragpg.documents.updated_at is 'When this version was stored.';
comment on column ragpg.documents.page_starts is
'The characters, from 0 and in order, at which pages, slides or sheets 1, 2, ... begin; empty when it has none.';
comment on column ragpg.documents.tenant is
'Whose it is; empty: nobody''s but the owner''s. Default: ragpg_internal.written_tenant().';
create index documents_metadata_gin on ragpg.documents using gin (metadata jsonb_path_ops);
comment on index ragpg.documents_metadata_gin is 'Serves the jsonpath filter of ragpg.search.';

create table ragpg.document_versions (
    document_id bigint not null,
    version integer not null,
    collection_id bigint not null,
    source text not null,
    title text not null,
    media_type text not null,
    content text not null,
    metadata jsonb not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    page_starts integer[] not null default '{}',
    tenant text not null default '',
    constraint document_versions_pkey primary key (document_id, version),
    constraint document_versions_valid_range_is_ordered check (valid_from <= valid_to)
);
comment on table ragpg.document_versions is
'Every earlier version of a document, also of deleted ones; written by a trigger, so that citations stay checkable.';
comment on column ragpg.document_versions.document_id is
'The document; no foreign key, because versions outlive a deleted document.';
comment on column ragpg.document_versions.version is 'Which version this was.';
comment on column ragpg.document_versions.collection_id is 'The collection it belonged to.';
comment on column ragpg.document_versions.source is 'Its source then.';
comment on column ragpg.document_versions.title is 'Its title then.';
comment on column ragpg.document_versions.media_type is 'Its media type then.';
comment on column ragpg.document_versions.content is 'Its text then.';
comment on column ragpg.document_versions.metadata is 'Its metadata then.';
comment on column ragpg.document_versions.valid_from is 'From when it was the current version.';
comment on column ragpg.document_versions.valid_to is 'Until when it was the current version.';
comment on column ragpg.document_versions.page_starts is 'Where its pages began then.';
comment on column ragpg.document_versions.tenant is 'The document''s.';
create index document_versions_collection_id_tenant_source_btree
    on ragpg.document_versions (collection_id, tenant, source);
comment on index ragpg.document_versions_collection_id_tenant_source_btree is
'Serves the history of one source.';

-- 3  Models, and their weights where the database computes them -----------------------------------

create table ragpg.embedding_models (
    id bigint generated always as identity,
    provider text not null,
    name text not null,
    dimensions integer not null,
    max_tokens integer not null,
    probe halfvec not null,
    created_at timestamptz not null default now(),
    constraint embedding_models_pkey primary key (id),
    constraint embedding_models_provider_name_dimensions_key unique (provider, name, dimensions),
    constraint embedding_models_dimensions_can_be_indexed check (dimensions between 1 and 4000),
    constraint embedding_models_max_tokens_is_positive check (max_tokens > 0),
    constraint embedding_models_probe_has_the_dimensions check (vector_dims(probe) = dimensions)
);
comment on table ragpg.embedding_models is 'The models whose embeddings are stored here.';
comment on column ragpg.embedding_models.id is 'Key.';
comment on column ragpg.embedding_models.provider is
'Who computes it, such as sentence-transformers.';
comment on column ragpg.embedding_models.name is 'The model''s published name.';
comment on column ragpg.embedding_models.dimensions is
'Length of its vectors; 4,000 is the most HNSW takes.';
comment on column ragpg.embedding_models.max_tokens is
'The longest text it reads, in its own tokens, special ones included.';
comment on column ragpg.embedding_models.probe is
'Its embedding of a fixed text: another model behind the same name or dimension is noticed and refused.';
comment on column ragpg.embedding_models.created_at is 'When it was first used here.';

create table ragpg.encoders (
    embedding_model_id bigint not null,
    layers integer not null,
    heads integer not null,
    width integer not null,
    pooling text not null,
    lower_case boolean not null,
    strip_accents boolean not null,
    unknown_token_id integer not null,
    first_token_id integer not null,
    last_token_id integer not null,
    special_tokens text[] not null,
    longest_token integer not null,
    query_prefix text not null,
    max_query_tokens integer not null default 64,
    layer_norm_epsilon double precision not null,
    verified_cosine double precision,
    verified boolean not null generated always as (coalesce(verified_cosine >= 0.9999, false)) stored,
    loaded_at timestamptz not null default now(),
    cached_queries integer not null default 10000,
    constraint encoders_pkey primary key (embedding_model_id),
    constraint encoders_embedding_model_id_fkey
        foreign key (embedding_model_id) references ragpg.embedding_models (id) on delete cascade,
    constraint encoders_cached_queries_is_not_negative check (cached_queries >= 0),
    constraint encoders_heads_divide_the_width
        check (heads > 0 and width > 0 and width % heads = 0),
    constraint encoders_layer_norm_epsilon_is_not_negative check (layer_norm_epsilon >= 0),
    constraint encoders_layers_is_positive check (layers > 0),
    constraint encoders_longest_token_is_positive check (longest_token > 0),
    constraint encoders_max_query_tokens_holds_a_token check (max_query_tokens > 2),
    constraint encoders_pooling_is_known check (pooling in ('mean', 'cls')),
    constraint encoders_verified_cosine_is_a_cosine
        check (verified_cosine between -1.001 and 1.001)
);
comment on table ragpg.encoders is
'The embedding models whose weights are in this database, so that ragpg.embed_query computes the embedding of a question here.';
comment on column ragpg.encoders.embedding_model_id is 'The model.';
comment on column ragpg.encoders.layers is 'Its transformer layers.';
comment on column ragpg.encoders.heads is 'Attention heads of a layer.';
comment on column ragpg.encoders.width is 'Length of the vector that stands for a token.';
comment on column ragpg.encoders.pooling is
'How the tokens'' vectors become one: their mean, or that of the first token (cls).';
comment on column ragpg.encoders.lower_case is 'Whether its tokenizer lower-cases.';
comment on column ragpg.encoders.strip_accents is 'Whether its tokenizer removes accents.';
comment on column ragpg.encoders.unknown_token_id is 'The token of a word it cannot spell, [UNK].';
comment on column ragpg.encoders.first_token_id is 'The token before every text, [CLS].';
comment on column ragpg.encoders.last_token_id is 'The token after every text, [SEP].';
comment on column ragpg.encoders.special_tokens is
'Tokens that are found in a text as they stand, before anything else, such as [MASK].';
comment on column ragpg.encoders.longest_token is
'Characters of its longest token, the ## of a continuation not counted.';
comment on column ragpg.encoders.query_prefix is
'What the model wants before a question, such as "query: ".';
comment on column ragpg.encoders.max_query_tokens is
'Questions are cut to as many tokens, special ones included: the time grows with them.';
comment on column ragpg.encoders.layer_norm_epsilon is 'Its smallest variance, added by LayerNorm.';
comment on column ragpg.encoders.verified_cosine is
'The smallest cosine to the model in Python on a fixed list of texts; null before that is measured.';
comment on column ragpg.encoders.verified is
'Whether it agrees with the model in Python: ragpg.embed_query uses no other.';
comment on column ragpg.encoders.loaded_at is 'When its weights were stored.';
comment on column ragpg.encoders.cached_queries is
'How many embeddings of questions ragpg.query_embeddings keeps for it, and up to 127 more; 0 keeps and uses none.';

create table ragpg.encoder_vocabulary (
    embedding_model_id bigint not null,
    token text collate "C" not null,
    token_id integer not null,
    constraint encoder_vocabulary_pkey primary key (embedding_model_id, token),
    constraint encoder_vocabulary_embedding_model_id_fkey
        foreign key (embedding_model_id)
            references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_vocabulary_token_id_is_not_negative check (token_id >= 0)
);
comment on table ragpg.encoder_vocabulary is 'The tokens of each encoder.';
comment on column ragpg.encoder_vocabulary.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_vocabulary.token is
'The token; one that continues a word begins with ##.';
comment on column ragpg.encoder_vocabulary.token_id is 'Its number.';

create table ragpg.encoder_embeddings (
    embedding_model_id bigint not null,
    token_id integer not null,
    embedding halfvec not null,
    constraint encoder_embeddings_pkey primary key (embedding_model_id, token_id),
    constraint encoder_embeddings_embedding_model_id_fkey
        foreign key (embedding_model_id)
            references ragpg.encoders (embedding_model_id) on delete cascade
);
comment on table ragpg.encoder_embeddings is 'The vector each token enters the first layer with.';
comment on column ragpg.encoder_embeddings.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_embeddings.token_id is 'The token.';
comment on column ragpg.encoder_embeddings.embedding is
'Its vector; in half precision, which LayerNorm forgives.';

create table ragpg.encoder_positions (
    embedding_model_id bigint not null,
    token_position integer not null,
    embedding vector not null,
    constraint encoder_positions_pkey primary key (embedding_model_id, token_position),
    constraint encoder_positions_embedding_model_id_fkey
        foreign key (embedding_model_id)
            references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_positions_token_position_is_positive check (token_position > 0)
);
comment on table ragpg.encoder_positions is
'What each place in the text adds to the vector of its token.';
comment on column ragpg.encoder_positions.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_positions.token_position is 'Which token of the text, from 1.';
comment on column ragpg.encoder_positions.embedding is
'The vector of the place, that of token type 0 added.';

create table ragpg.encoder_layers (
    embedding_model_id bigint not null,
    layer integer not null,
    attention_gain vector,
    attention_shift vector,
    output_gain vector not null,
    output_shift vector not null,
    constraint encoder_layers_pkey primary key (embedding_model_id, layer),
    constraint encoder_layers_embedding_model_id_fkey
        foreign key (embedding_model_id)
            references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_layers_attention_is_there_after_layer_0
        check (num_nulls(attention_gain, attention_shift) = case when layer = 0 then 2 else 0 end),
    constraint encoder_layers_layer_is_not_negative check (layer >= 0)
);
comment on table ragpg.encoder_layers is
'LayerNorm of each layer. Gains are times the square root of the width and end in 0, shifts end in 1: the 1 the next matrix multiplies its bias with.';
comment on column ragpg.encoder_layers.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_layers.layer is 'The layer, from 1; 0 is the embeddings.';
comment on column ragpg.encoder_layers.attention_gain is 'Gain after attention; null in layer 0.';
comment on column ragpg.encoder_layers.attention_shift is 'Shift after attention; null in layer 0.';
comment on column ragpg.encoder_layers.output_gain is 'Gain at the end of the layer.';
comment on column ragpg.encoder_layers.output_shift is 'Shift at the end of the layer.';

create table ragpg.encoder_weights (
    embedding_model_id bigint not null,
    layer integer not null,
    matrix integer not null,
    place integer not null,
    weights vector not null,
    constraint encoder_weights_pkey primary key (embedding_model_id, layer, matrix, place),
    constraint encoder_weights_embedding_model_id_fkey
        foreign key (embedding_model_id)
            references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_weights_matrix_is_known check (matrix between 1 and 5),
    constraint encoder_weights_place_is_positive check (place > 0)
) with (toast_tuple_target = 8160);
comment on table ragpg.encoder_weights is
'The matrices of each layer, a row of a matrix a row here, inside the page: read in order they need no copy.';
comment on column ragpg.encoder_weights.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_weights.layer is 'The layer, from 1.';
comment on column ragpg.encoder_weights.matrix is
'1: queries and keys of attention; 2: its values; 3: its output; 4: into the wide layer; 5: out of it.';
comment on column ragpg.encoder_weights.place is 'The row of the matrix, from 1.';
comment on column ragpg.encoder_weights.weights is
'The row with its bias last, the sign turned: pgvector''s <#> is the product with its sign turned. Queries are not turned, and divided by the root of a head''s width; matrix 4 is divided by the root of 2 and matrix 5 (bias aside) too, which takes the constants out of GELU.';

create table ragpg.query_embeddings (
    id bigint generated always as identity,
    embedding_model_id bigint not null,
    query_hash bytea not null,
    embedding vector not null,
    weights_loaded_at timestamptz not null,
    stored_at timestamptz not null default clock_timestamp(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint query_embeddings_pkey primary key (id),
    constraint query_embeddings_embedding_model_id_fkey
        foreign key (embedding_model_id) references ragpg.embedding_models (id) on delete cascade,
    constraint query_embeddings_query_hash_is_a_sha256 check (length(query_hash) = 32)
);
comment on table ragpg.query_embeddings is
'A cache: the embeddings that encoders in this database gave questions, so that a question asked again costs no forward pass. The questions themselves are not stored. Emptied when an encoder changes; may be emptied at any time.';
comment on column ragpg.query_embeddings.id is 'Key; grows in the order of storing.';
comment on column ragpg.query_embeddings.embedding_model_id is
'The encoder''s model. It references the model, not the encoder: a search must not wait for a load, nor a load for a search.';
comment on column ragpg.query_embeddings.query_hash is
'SHA-256 of the question''s UTF-8 bytes. Not unique: two sessions that ask a new question at once both store it.';
comment on column ragpg.query_embeddings.embedding is 'What ragpg.embed_query returned.';
comment on column ragpg.query_embeddings.weights_loaded_at is
'The encoder''s loaded_at then; rows of other weights are not used.';
comment on column ragpg.query_embeddings.stored_at is 'When it was computed.';
comment on column ragpg.query_embeddings.tenant is 'Who asked it.';
create index query_embeddings_embedding_model_id_id_btree
    on ragpg.query_embeddings (embedding_model_id, id);
comment on index ragpg.query_embeddings_embedding_model_id_id_btree is
'ragpg_internal.remember_query: which questions are the oldest?';
create index query_embeddings_embedding_model_id_tenant_query_hash_btree
    on ragpg.query_embeddings (embedding_model_id, tenant, query_hash);
comment on index ragpg.query_embeddings_embedding_model_id_tenant_query_hash_btree is
'ragpg_internal.remembered_query: was this question embedded before?';

-- 4  Search indexes and their chunks --------------------------------------------------------------

create table ragpg.search_indexes (
    id bigint generated always as identity,
    collection_id bigint not null,
    embedding_model_id bigint not null,
    state text not null default 'building',
    chunker text not null default 'structure-2',
    chunk_tokens integer not null,
    overlap_tokens integer not null default 0,
    language text not null default 'english',
    vector_weight real not null default 0.55,
    candidates integer not null default 100,
    ef_search integer not null default 100,
    min_similarity real not null default 0.25,
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    relevance_offset double precision,
    relevance_slope double precision,
    context_model text,
    context_tokens integer not null default 0,
    words_held_slope double precision not null default 0,
    missing_names_slope double precision not null default 0,
    unmatched_negation_slope double precision not null default 0,
    min_relevance double precision,
    constraint search_indexes_pkey primary key (id),
    constraint search_indexes_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint search_indexes_embedding_model_id_fkey
        foreign key (embedding_model_id) references ragpg.embedding_models (id),
    constraint search_indexes_candidates_is_positive check (candidates between 1 and 10000),
    constraint search_indexes_chunk_tokens_is_positive check (chunk_tokens > 0),
    constraint search_indexes_context_has_room
        check (
            case
                when context_model is null then context_tokens = 0
                else context_tokens between 1 and chunk_tokens - 1
            end
        ),
    constraint search_indexes_ef_search_is_in_range check (ef_search between 1 and 1000),
    constraint search_indexes_language_is_installed
        check (language = 'auto' or language::regconfig is not null),
    constraint search_indexes_min_relevance_is_a_share check (min_relevance between 0 and 1),
    constraint search_indexes_min_similarity_is_a_cosine check (min_similarity between -1 and 1),
    constraint search_indexes_overlap_is_less_than_a_chunk
        check (overlap_tokens >= 0 and overlap_tokens < chunk_tokens),
    constraint search_indexes_relevance_is_whole
        check (num_nulls(relevance_offset, relevance_slope) in (0, 2)),
    constraint search_indexes_state_is_known check (state in ('building', 'ready')),
    constraint search_indexes_vector_weight_is_a_share check (vector_weight between 0 and 1)
);
comment on table ragpg.search_indexes is
'A recipe (chunker, sizes, embedding model, language, weights) whose chunks are the partition chunks_<id>.';
comment on column ragpg.search_indexes.id is 'Key, and the partition key of chunks.';
comment on column ragpg.search_indexes.collection_id is 'The collection it indexes.';
comment on column ragpg.search_indexes.embedding_model_id is 'The model of its embeddings.';
comment on column ragpg.search_indexes.state is
'building (first load, vector index not there yet) or ready.';
comment on column ragpg.search_indexes.chunker is
'The chunker and its version when the search index was made. Documents that change are cut by the present one; ragpg index build makes all of them anew.';
comment on column ragpg.search_indexes.chunk_tokens is
'Most tokens of a chunk with its context, in the embedding model''s own tokens.';
comment on column ragpg.search_indexes.overlap_tokens is
'Tokens a chunk shares with the one before it.';
comment on column ragpg.search_indexes.language is
'Text-search configuration of the word leg, or auto: that of each document (ragpg_internal.document_language).';
comment on column ragpg.search_indexes.vector_weight is
'Share of the vector leg in hybrid scores; the word leg has the rest. 0.55 was best of .4 to .7 on average over seven labelled sets, and within .005 nDCG of the better leg on each (docs/measured.md).';
comment on column ragpg.search_indexes.candidates is
'How many candidates each leg brings to the fusion.';
comment on column ragpg.search_indexes.ef_search is
'HNSW: how many neighbours a scan keeps; more is slower and finds more.';
comment on column ragpg.search_indexes.min_similarity is
'ragpg ask answers "nothing fits" when no hit reaches this cosine similarity; 0.25 kept all of 400 fitting questions and refused half of 800 foreign ones with all-MiniLM-L6-v2.';
comment on column ragpg.search_indexes.created_at is 'When the recipe was made.';
comment on column ragpg.search_indexes.activated_at is
'When it last began to answer searches; null when it never has.';
comment on column ragpg.search_indexes.relevance_offset is
'Of the curve that gives relevance (ragpg_internal.relevance), set by ragpg.calibrate; null before.';
comment on column ragpg.search_indexes.relevance_slope is 'Its slope by similarity.';
comment on column ragpg.search_indexes.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';
comment on column ragpg.search_indexes.context_tokens is
'Tokens of a chunk kept free for that sentence.';
comment on column ragpg.search_indexes.words_held_slope is
'Its slope by the share of the question''s words a sentence holds (ragpg_internal.answer_signals).';
comment on column ragpg.search_indexes.missing_names_slope is
'Its slope by ln(1 + the number of missing names).';
comment on column ragpg.search_indexes.unmatched_negation_slope is
'Its slope by whether the question negates and the hits do not.';
comment on column ragpg.search_indexes.min_relevance is
'Relevance of the hits below which ask abstains, set by ragpg.calibrate; null where similarity alone decides.';
create index search_indexes_collection_id_btree on ragpg.search_indexes (collection_id);
comment on index ragpg.search_indexes_collection_id_btree is
'Serves the list of a collection''s recipes.';

create table ragpg.chunks (
    index_id bigint not null,
    id bigint generated always as identity,
    document_id bigint not null,
    document_version integer not null,
    ordinal integer not null,
    start_char integer not null,
    end_char integer not null,
    page integer,
    token_count integer not null,
    lexeme_count integer not null,
    language text not null,
    context text not null default '',
    content text not null,
    content_hash bytea not null generated always as (ragpg_internal.hash_text(((context || '
'::text) || content))) stored,
    lexemes tsvector not null,
    embedding halfvec storage main not null,
    generated_chars integer not null default 0,
    tenant text not null default '',
    constraint chunks_pkey primary key (document_id, ordinal, index_id),
    constraint chunks_document_id_fkey
        foreign key (document_id, tenant)
            references ragpg.documents (id, tenant) on update cascade on delete cascade,
    constraint chunks_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint chunks_content_is_not_empty check (content <> ''),
    constraint chunks_span_is_as_long_as_the_content
        check (start_char >= 0 and end_char - start_char = char_length(content))
) partition by list (index_id);
comment on table ragpg.chunks is
'Verbatim spans of documents, one partition per search index: content is exactly the characters start_char to end_char of that document version.';
comment on column ragpg.chunks.index_id is 'The search index; the partition key.';
comment on column ragpg.chunks.id is 'Key across all partitions.';
comment on column ragpg.chunks.document_id is 'The document.';
comment on column ragpg.chunks.document_version is 'The version of it that was read.';
comment on column ragpg.chunks.ordinal is 'Place of the chunk in its document, from 0.';
comment on column ragpg.chunks.start_char is 'First character (Unicode code points, from 0).';
comment on column ragpg.chunks.end_char is 'One past the last character.';
comment on column ragpg.chunks.page is 'Page of the source, where it has pages.';
comment on column ragpg.chunks.token_count is
'Tokens of content in the embedding model''s own tokens; 0 where the embedding was given and nobody counted.';
comment on column ragpg.chunks.lexeme_count is
'Word occurrences in lexemes: the document length of BM25; set by a trigger.';
comment on column ragpg.chunks.language is 'Text-search configuration that made the lexemes.';
comment on column ragpg.chunks.context is
'What is put before the content for word search and, but for the title of all but the first chunk, for embedding; not verbatim: title, heading path; for later parts of a table its header rows and which rows they are.';
comment on column ragpg.chunks.content is 'The verbatim span.';
comment on column ragpg.chunks.content_hash is
'SHA-256 of context and content: equal means the embedding can be reused.';
comment on column ragpg.chunks.lexemes is
'Words of context and content, for BM25; set by a trigger.';
comment on column ragpg.chunks.embedding is
'The embedding, of the search index''s dimensions (checked per partition).';
comment on column ragpg.chunks.generated_chars is
'How many characters at the end of context a language model wrote; 0: all of it is the document''s own.';
comment on column ragpg.chunks.tenant is 'The document''s, always: its foreign key says so.';
create index chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
create index chunks_id_btree on ragpg.chunks (id);
comment on index ragpg.chunks_id_btree is 'Serves the scoring of candidates by chunk id.';

create table ragpg.index_documents (
    index_id bigint not null,
    document_id bigint not null,
    document_version integer,
    chunk_count integer not null default 0,
    indexed_at timestamptz,
    pending_since timestamptz,
    attempts integer not null default 0,
    error text,
    next_attempt_at timestamptz not null default '-infinity',
    tenant text not null default '',
    constraint index_documents_pkey primary key (document_id, index_id),
    constraint index_documents_document_id_fkey
        foreign key (document_id, tenant)
            references ragpg.documents (id, tenant) on update cascade on delete cascade,
    constraint index_documents_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint index_documents_attempts_is_not_negative check (attempts >= 0),
    constraint index_documents_is_indexed_or_pending
        check (document_version is not null
            and indexed_at is not null or pending_since is not null)
);
comment on table ragpg.index_documents is
'Which version of which document a search index holds, and which documents wait for it (view ingest_queue).';
comment on column ragpg.index_documents.index_id is 'The search index.';
comment on column ragpg.index_documents.document_id is 'The document.';
comment on column ragpg.index_documents.document_version is
'The version whose chunks are stored; null before the first.';
comment on column ragpg.index_documents.chunk_count is 'How many chunks it became.';
comment on column ragpg.index_documents.indexed_at is 'When; null before the first time.';
comment on column ragpg.index_documents.pending_since is
'Since when a newer version waits to be indexed; null when none does.';
comment on column ragpg.index_documents.attempts is
'How often indexing the waiting version failed.';
comment on column ragpg.index_documents.error is 'What the last attempt said.';
comment on column ragpg.index_documents.next_attempt_at is 'Workers leave it alone until then.';
comment on column ragpg.index_documents.tenant is
'The document''s, always: its foreign key says so.';
create index index_documents_index_id_btree on ragpg.index_documents (index_id);
comment on index ragpg.index_documents_index_id_btree is 'Serves counts per search index.';
create index index_documents_next_attempt_at_btree
    on ragpg.index_documents (next_attempt_at, document_id) where pending_since is not null;
comment on index ragpg.index_documents_next_attempt_at_btree is
'Serves workers that look for what waits.';

create table ragpg.index_statistics (
    index_id bigint not null,
    chunk_count bigint not null,
    mean_length real not null,
    embedding_sample halfvec[] not null,
    refreshed_at timestamptz not null default now(),
    languages text[] not null default '{}',
    document_sample bigint[] not null default '{}',
    tenant text not null default '',
    constraint index_statistics_pkey primary key (index_id, tenant),
    constraint index_statistics_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade
);
comment on table ragpg.index_statistics is
'What ranking needs to know of a whole search index; made by refresh_index.';
comment on column ragpg.index_statistics.index_id is 'The search index.';
comment on column ragpg.index_statistics.chunk_count is 'Chunks when it was counted: N of BM25.';
comment on column ragpg.index_statistics.mean_length is 'Mean lexeme_count: avgdl of BM25.';
comment on column ragpg.index_statistics.embedding_sample is
'Up to 256 embeddings drawn at random: mean and deviation of a query''s similarity over the index are estimated from them.';
comment on column ragpg.index_statistics.refreshed_at is 'When it was counted.';
comment on column ragpg.index_statistics.languages is
'Text-search configurations of its chunks; where the index has auto, questions are stemmed by each.';
comment on column ragpg.index_statistics.document_sample is
'Up to 400 documents drawn at random: tells ragpg.search whether a filter lets many or few through.';
comment on column ragpg.index_statistics.tenant is 'Whose chunks were counted; empty: all chunks.';

create table ragpg.lexeme_statistics (
    index_id bigint not null,
    lexeme text collate "C" not null,
    chunk_count integer not null,
    occurrence_count bigint not null,
    tenant text not null default '',
    constraint lexeme_statistics_pkey primary key (index_id, tenant, lexeme),
    constraint lexeme_statistics_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade
);
comment on table ragpg.lexeme_statistics is
'How common each word is in a search index, for BM25; made by refresh_index.';
comment on column ragpg.lexeme_statistics.index_id is 'The search index.';
comment on column ragpg.lexeme_statistics.lexeme is 'The word as text search normalises it.';
comment on column ragpg.lexeme_statistics.chunk_count is 'Chunks that hold it: df of BM25.';
comment on column ragpg.lexeme_statistics.occurrence_count is 'Times it occurs.';
comment on column ragpg.lexeme_statistics.tenant is 'Whose chunks were counted; empty: all chunks.';

create table ragpg.context_batches (
    id bigint generated always as identity,
    collection_id bigint not null,
    model text not null,
    request_count integer not null,
    provider_batch_id text,
    state text not null default 'submitting',
    error text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    constraint context_batches_pkey primary key (id),
    constraint context_batches_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade
);
comment on table ragpg.context_batches is
'Batches of requests for sentences of context, handed to the Message Batches API.';
comment on column ragpg.context_batches.id is 'Key.';
comment on column ragpg.context_batches.collection_id is 'The collection of the documents.';
comment on column ragpg.context_batches.model is 'The language model.';
comment on column ragpg.context_batches.request_count is 'How many sentences were asked for.';
comment on column ragpg.context_batches.provider_batch_id is
'The API''s name of the batch; null until it is known.';
comment on column ragpg.context_batches.state is
'submitting, then a word of the API: in_progress, canceling, ended.';
comment on column ragpg.context_batches.error is 'Why it did not bring all sentences.';
comment on column ragpg.context_batches.created_at is 'When the submission began.';
comment on column ragpg.context_batches.ended_at is 'When its results were stored.';
create index context_batches_collection_id_btree on ragpg.context_batches (collection_id);
comment on index ragpg.context_batches_collection_id_btree is
'Foreign key: the batches of a collection.';

create table ragpg.chunk_contexts (
    collection_id bigint not null,
    asked_hash bytea not null,
    document_hash bytea not null,
    model text not null,
    sentence text,
    problem text,
    batch_id bigint,
    input_tokens integer not null default 0,
    output_tokens integer not null default 0,
    cache_read_tokens integer not null default 0,
    cache_creation_tokens integer not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    constraint chunk_contexts_pkey primary key (collection_id, asked_hash),
    constraint chunk_contexts_batch_id_fkey
        foreign key (batch_id) references ragpg.context_batches (id) on delete cascade,
    constraint chunk_contexts_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint chunk_contexts_hashes_are_sha256
        check ( octet_length(asked_hash) = 32 and octet_length(document_hash) = 32 ),
    constraint chunk_contexts_say_why_there_is_none
        check (
            case
                when sentence is null then problem is null and batch_id is not null
                else (sentence = '') = (problem is not null)
            end
        )
);
comment on table ragpg.chunk_contexts is
'Sentences of context that a language model wrote, by what it was asked: none is paid for twice, whichever search index needs it.';
comment on column ragpg.chunk_contexts.collection_id is 'The collection of the document.';
comment on column ragpg.chunk_contexts.asked_hash is
'SHA-256 of what was asked: model, prompt, what was shown of the document, chunk.';
comment on column ragpg.chunk_contexts.document_hash is
'SHA-256 of the document''s whole text, as documents.content_hash: by it the sentence is erased with the document.';
comment on column ragpg.chunk_contexts.model is 'The language model.';
comment on column ragpg.chunk_contexts.sentence is
'What it wrote; empty: nothing of use, problem says why; null: an open batch shall bring it.';
comment on column ragpg.chunk_contexts.problem is
'Why there is no sentence: refused, empty, cut or too long.';
comment on column ragpg.chunk_contexts.batch_id is
'The batch it was asked in; null: asked at once.';
comment on column ragpg.chunk_contexts.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.chunk_contexts.output_tokens is 'Tokens written.';
comment on column ragpg.chunk_contexts.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.chunk_contexts.cache_creation_tokens is
'Tokens stored in the prompt cache.';
comment on column ragpg.chunk_contexts.created_at is 'When it was written, or its batch begun.';
create index chunk_contexts_batch_id_btree on ragpg.chunk_contexts (batch_id)
where batch_id is not null;
comment on index ragpg.chunk_contexts_batch_id_btree is 'The sentences of a batch.';
create index chunk_contexts_collection_id_document_hash_btree
on ragpg.chunk_contexts (collection_id, document_hash);
comment on index ragpg.chunk_contexts_collection_id_document_hash_btree is
'ragpg.erase_document: the sentences about a text.';

create table ragpg.model_prices (
    model text not null,
    input_price numeric not null,
    output_price numeric not null,
    cache_read_price numeric not null,
    cache_creation_price numeric not null,
    constraint model_prices_pkey primary key (model),
    constraint model_prices_are_not_negative
        check ( least(input_price, output_price, cache_read_price, cache_creation_price) >= 0 )
);
comment on table ragpg.model_prices is
'What language models cost, per million tokens, in a currency of yours: ragpg.answers_by_day counts with it. Empty until you fill it.';
comment on column ragpg.model_prices.model is 'The model as answers name it.';
comment on column ragpg.model_prices.input_price is 'A million tokens read, without cached ones.';
comment on column ragpg.model_prices.output_price is 'A million tokens written.';
comment on column ragpg.model_prices.cache_read_price is
'A million tokens read from the prompt cache.';
comment on column ragpg.model_prices.cache_creation_price is
'A million tokens stored in the prompt cache.';

-- 5  Searches -------------------------------------------------------------------------------------

create table ragpg.searches (
    id bigint generated always as identity,
    collection_id bigint not null,
    index_id bigint not null,
    query text not null,
    query_embedding halfvec,
    mode text not null,
    k integer not null,
    filtered boolean not null,
    hit_count integer not null,
    best_similarity real,
    latency_ms real not null,
    share real not null,
    searched_at timestamptz not null default clock_timestamp(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint searches_pkey primary key (id),
    constraint searches_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint searches_share_is_positive check (share > 0 and share <= 1)
);
comment on table ragpg.searches is
'Searches that were logged, as collections.search_log_share wants it. Keeps questions and their embeddings, never what documents say; ragpg.prune_searches forgets old ones.';
comment on column ragpg.searches.id is 'Key.';
comment on column ragpg.searches.collection_id is 'The collection that was searched.';
comment on column ragpg.searches.index_id is 'The search index that answered.';
comment on column ragpg.searches.query is 'The question.';
comment on column ragpg.searches.query_embedding is
'Its embedding; null in keyword mode. ragpg.measure_recall asks it again.';
comment on column ragpg.searches.mode is 'hybrid, vector or keyword.';
comment on column ragpg.searches.k is 'Hits asked for.';
comment on column ragpg.searches.filtered is 'Whether there was a filter.';
comment on column ragpg.searches.hit_count is 'Hits returned.';
comment on column ragpg.searches.best_similarity is
'Cosine of the nearest chunk; null where the vector leg did not run.';
comment on column ragpg.searches.latency_ms is 'Milliseconds inside ragpg.search.';
comment on column ragpg.searches.share is
'Share of the searches that was logged then: this row stands for 1 / share of them.';
comment on column ragpg.searches.searched_at is 'When.';
comment on column ragpg.searches.tenant is 'Who searched.';
create index searches_collection_id_searched_at_btree
    on ragpg.searches (collection_id, searched_at);
comment on index ragpg.searches_collection_id_searched_at_btree is
'Serves the newest of a collection, and forgetting old ones.';

create table ragpg.recall_measurements (
    id bigint generated always as identity,
    index_id bigint not null,
    k integer not null,
    ef_search integer not null,
    queries integer not null,
    query_source text not null,
    recall double precision not null,
    worst_recall double precision not null,
    index_ms double precision not null,
    exact_ms double precision not null,
    measured_at timestamptz not null default clock_timestamp(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint recall_measurements_pkey primary key (id),
    constraint recall_measurements_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint recall_measurements_query_source_is_known
        check (query_source in ('searches', 'chunks')),
    constraint recall_measurements_recall_is_a_share check (recall between 0 and 1)
);
comment on table ragpg.recall_measurements is
'What share of the truly nearest chunks the vector index found, each time ragpg.measure_recall looked.';
comment on column ragpg.recall_measurements.id is 'Key.';
comment on column ragpg.recall_measurements.index_id is 'The search index.';
comment on column ragpg.recall_measurements.k is 'Neighbours asked for.';
comment on column ragpg.recall_measurements.ef_search is 'hnsw.ef_search of the index''s scans.';
comment on column ragpg.recall_measurements.queries is 'How many questions were asked.';
comment on column ragpg.recall_measurements.query_source is
'searches: logged questions; chunks: embeddings of chunks, each without itself.';
comment on column ragpg.recall_measurements.recall is 'Mean share of the k nearest found.';
comment on column ragpg.recall_measurements.worst_recall is 'The least of them.';
comment on column ragpg.recall_measurements.index_ms is 'Mean milliseconds of a scan by the index.';
comment on column ragpg.recall_measurements.exact_ms is 'Mean milliseconds of an exact scan.';
comment on column ragpg.recall_measurements.measured_at is 'When.';
comment on column ragpg.recall_measurements.tenant is 'Who measured.';
create index recall_measurements_index_id_measured_at_btree
    on ragpg.recall_measurements (index_id, measured_at);
comment on index ragpg.recall_measurements_index_id_measured_at_btree is
'Serves the newest of a search index.';

-- 6  Answers --------------------------------------------------------------------------------------

create table ragpg.answers (
    id bigint generated always as identity,
    collection_id bigint not null,
    question text not null,
    content text not null,
    model text,
    abstained boolean not null,
    grounded boolean not null,
    stop_reason text,
    input_tokens integer not null,
    output_tokens integer not null,
    cache_read_tokens integer not null,
    cache_creation_tokens integer not null,
    latency_ms integer not null,
    created_at timestamptz not null default now(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint answers_pkey primary key (id),
    constraint answers_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade
);
comment on table ragpg.answers is 'What was asked, what was answered and what it cost.';
comment on column ragpg.answers.id is 'Key.';
comment on column ragpg.answers.collection_id is 'The collection that was searched.';
comment on column ragpg.answers.question is 'The question.';
comment on column ragpg.answers.content is 'The answer''s text.';
comment on column ragpg.answers.model is 'The language model; null when none was asked.';
comment on column ragpg.answers.abstained is
'Nothing fitted, the model declined, or it cited nothing.';
comment on column ragpg.answers.grounded is 'A model wrote it and what it claims is cited.';
comment on column ragpg.answers.stop_reason is 'Why the model stopped, in the API''s words.';
comment on column ragpg.answers.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.answers.output_tokens is 'Tokens written.';
comment on column ragpg.answers.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers.cache_creation_tokens is 'Tokens written to the prompt cache.';
comment on column ragpg.answers.latency_ms is
'Milliseconds from the question to the whole answer, search not included.';
comment on column ragpg.answers.created_at is 'When.';
comment on column ragpg.answers.tenant is 'Who asked.';
create index answers_collection_id_created_at_btree
    on ragpg.answers (collection_id, created_at);
comment on index ragpg.answers_collection_id_created_at_btree is
'Serves the log of a collection''s answers by time.';

create table ragpg.citations (
    id bigint generated always as identity,
    answer_id bigint not null,
    ordinal integer not null,
    document_id bigint not null,
    document_version integer not null,
    start_char integer not null,
    end_char integer not null,
    quote text not null,
    answer_start integer not null,
    answer_end integer not null,
    page integer,
    constraint citations_pkey primary key (id),
    constraint citations_answer_id_ordinal_key unique (answer_id, ordinal),
    constraint citations_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete cascade,
    constraint citations_answer_span_is_ordered
        check (0 <= answer_start and answer_start <= answer_end),
    constraint citations_span_is_as_long_as_the_quote
        check (start_char >= 0 and end_char - start_char = char_length(quote) and quote <> '')
);
comment on table ragpg.citations is
'Which characters of which document version an answer rests on. A trigger refuses a quote that is not there.';
comment on column ragpg.citations.id is 'Key.';
comment on column ragpg.citations.answer_id is 'The answer.';
comment on column ragpg.citations.ordinal is 'Place among the answer''s citations, from 0.';
comment on column ragpg.citations.document_id is
'The document; no foreign key, because a citation outlives a deleted document.';
comment on column ragpg.citations.document_version is 'The version that was read.';
comment on column ragpg.citations.start_char is 'First cited character.';
comment on column ragpg.citations.end_char is 'One past the last cited character.';
comment on column ragpg.citations.quote is 'Exactly those characters.';
comment on column ragpg.citations.answer_start is 'First character of the answer that rests on it.';
comment on column ragpg.citations.answer_end is 'One past the last.';
comment on column ragpg.citations.page is
'Page of the first cited character, where the document has pages.';
create index citations_document_id_btree on ragpg.citations (document_id);
comment on index ragpg.citations_document_id_btree is 'Serves "which answers cite this document".';

create table ragpg.answer_feedback (
    id bigint generated always as identity,
    answer_id bigint not null,
    rating text not null,
    corrected_text text,
    comment text not null default '',
    given_by text not null default CURRENT_USER,
    given_at timestamptz not null default now(),
    constraint answer_feedback_pkey primary key (id),
    constraint answer_feedback_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete cascade,
    constraint answer_feedback_corrected_text_is_not_blank check (corrected_text ~ '\S'),
    constraint answer_feedback_rating_is_known check (rating in ('good', 'bad'))
);
comment on table ragpg.answer_feedback is
'What people think of answers; the newest row of an answer counts. It goes with its answer, also when a cited document is erased.';
comment on column ragpg.answer_feedback.id is 'Key.';
comment on column ragpg.answer_feedback.answer_id is 'The answer.';
comment on column ragpg.answer_feedback.rating is 'good or bad.';
comment on column ragpg.answer_feedback.corrected_text is
'What it should have said; null when nothing was corrected.';
comment on column ragpg.answer_feedback.comment is 'A remark.';
comment on column ragpg.answer_feedback.given_by is 'The role that stored it.';
comment on column ragpg.answer_feedback.given_at is 'When.';
create index answer_feedback_answer_id_btree on ragpg.answer_feedback (answer_id);
comment on index ragpg.answer_feedback_answer_id_btree is
'Serves the newest feedback of an answer.';

-- 7  Evaluation -----------------------------------------------------------------------------------

create table ragpg.evaluation_sets (
    id bigint generated always as identity,
    collection_id bigint not null,
    name text not null,
    description text not null default '',
    created_at timestamptz not null default now(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint evaluation_sets_pkey primary key (id),
    constraint evaluation_sets_collection_id_tenant_name_key unique (collection_id, tenant, name),
    constraint evaluation_sets_id_tenant_key unique (id, tenant),
    constraint evaluation_sets_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint evaluation_sets_name_is_not_blank check (name ~ '\S')
);
comment on table ragpg.evaluation_sets is 'Named sets of questions a collection is measured with.';
comment on column ragpg.evaluation_sets.id is 'Key.';
comment on column ragpg.evaluation_sets.collection_id is 'The collection they are asked of.';
comment on column ragpg.evaluation_sets.name is 'Its name, one in its collection.';
comment on column ragpg.evaluation_sets.description is 'Where the questions come from, for people.';
comment on column ragpg.evaluation_sets.created_at is 'When it was made.';
comment on column ragpg.evaluation_sets.tenant is 'Whose questions they are.';

create table ragpg.evaluation_questions (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    question text not null,
    expected_answer text,
    is_answerable boolean not null default true,
    tags text[] not null default '{}',
    created_at timestamptz not null default now(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint evaluation_questions_pkey primary key (id),
    constraint evaluation_questions_evaluation_set_id_question_key
        unique (evaluation_set_id, tenant, question),
    constraint evaluation_questions_evaluation_set_id_fkey
        foreign key (evaluation_set_id, tenant)
            references ragpg.evaluation_sets (id, tenant) on update cascade on delete cascade,
    constraint evaluation_questions_question_is_not_blank check (question ~ '\S')
);
comment on table ragpg.evaluation_questions is 'The questions of an evaluation set.';
comment on column ragpg.evaluation_questions.id is 'Key.';
comment on column ragpg.evaluation_questions.evaluation_set_id is 'The set.';
comment on column ragpg.evaluation_questions.question is 'The question, as a user would ask it.';
comment on column ragpg.evaluation_questions.expected_answer is
'What a good answer says, if known.';
comment on column ragpg.evaluation_questions.is_answerable is
'Whether the collection holds the answer; false: abstaining is right.';
comment on column ragpg.evaluation_questions.tags is 'Kinds it belongs to, for measures per tag.';
comment on column ragpg.evaluation_questions.created_at is 'When it was added.';
comment on column ragpg.evaluation_questions.tenant is
'The set''s, always: its foreign key says so.';

create table ragpg.evaluation_labels (
    id bigint generated always as identity,
    evaluation_question_id bigint not null,
    source text not null,
    quote text,
    start_char integer,
    end_char integer,
    constraint evaluation_labels_pkey primary key (id),
    constraint evaluation_labels_evaluation_question_id_fkey
        foreign key (evaluation_question_id)
            references ragpg.evaluation_questions (id) on delete cascade,
    constraint evaluation_labels_quote_is_not_blank check (quote ~ '\S'),
    constraint evaluation_labels_source_is_not_blank check (source ~ '\S'),
    constraint evaluation_labels_span_is_ordered
        check (num_nulls(start_char, end_char) = 2 or 0 <= start_char and start_char < end_char)
);
comment on table ragpg.evaluation_labels is
'Where the answer to a question stands: a document, and in it a quote or a span of characters, or all of it. Never a chunk, so that labels survive another chunking.';
comment on column ragpg.evaluation_labels.id is 'Key.';
comment on column ragpg.evaluation_labels.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_labels.source is
'The document''s source, or the end of it after a slash when that is one document only.';
comment on column ragpg.evaluation_labels.quote is
'The text that answers, verbatim; found again when the document changes.';
comment on column ragpg.evaluation_labels.start_char is
'Its first character: which of several places the quote stands at, or the label itself without one.';
comment on column ragpg.evaluation_labels.end_char is 'One past its last character.';
create index evaluation_labels_evaluation_question_id_btree
    on ragpg.evaluation_labels (evaluation_question_id);
comment on index ragpg.evaluation_labels_evaluation_question_id_btree is
'Serves the labels of a question.';

create table ragpg.evaluation_drafts (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    document_id bigint not null,
    question text not null,
    expected_answer text not null,
    quote text not null,
    start_char integer not null,
    model text not null,
    drafted_at timestamptz not null default now(),
    rejected_at timestamptz,
    tenant text not null default ragpg_internal.written_tenant(),
    constraint evaluation_drafts_pkey primary key (id),
    constraint evaluation_drafts_evaluation_set_id_question_key
        unique (evaluation_set_id, tenant, question),
    constraint evaluation_drafts_document_id_fkey
        foreign key (document_id) references ragpg.documents (id) on delete cascade,
    constraint evaluation_drafts_evaluation_set_id_fkey
        foreign key (evaluation_set_id, tenant)
            references ragpg.evaluation_sets (id, tenant) on update cascade on delete cascade,
    constraint evaluation_drafts_question_is_not_blank check (question ~ '\S'),
    constraint evaluation_drafts_quote_is_not_blank check (quote ~ '\S'),
    constraint evaluation_drafts_start_char_is_not_negative check (start_char >= 0)
);
comment on table ragpg.evaluation_drafts is
'Questions a model drafted from chunks. No run asks them: ragpg.accept_draft makes one a question of its set.';
comment on column ragpg.evaluation_drafts.id is 'Key.';
comment on column ragpg.evaluation_drafts.evaluation_set_id is 'The set it is for.';
comment on column ragpg.evaluation_drafts.document_id is
'The document it was drafted from; with it the draft goes.';
comment on column ragpg.evaluation_drafts.question is 'The question.';
comment on column ragpg.evaluation_drafts.expected_answer is 'What a good answer says.';
comment on column ragpg.evaluation_drafts.quote is 'The text that answers it, verbatim.';
comment on column ragpg.evaluation_drafts.start_char is
'The first character of the quote when it was drafted.';
comment on column ragpg.evaluation_drafts.model is 'The model that wrote it.';
comment on column ragpg.evaluation_drafts.drafted_at is 'When.';
comment on column ragpg.evaluation_drafts.rejected_at is
'When a person said no; kept, so that its passage is not drafted from again.';
comment on column ragpg.evaluation_drafts.tenant is 'The set''s, always: its foreign key says so.';
create index evaluation_drafts_document_id_btree on ragpg.evaluation_drafts (document_id);
comment on index ragpg.evaluation_drafts_document_id_btree is 'Serves the deletion of a document.';

create table ragpg.evaluation_runs (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    index_id bigint not null,
    k integer not null,
    mode text not null,
    note text not null default '',
    recipe jsonb not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint evaluation_runs_pkey primary key (id),
    constraint evaluation_runs_evaluation_set_id_fkey
        foreign key (evaluation_set_id) references ragpg.evaluation_sets (id) on delete cascade,
    constraint evaluation_runs_k_is_positive check (k > 0)
);
comment on table ragpg.evaluation_runs is
'One asking of an evaluation set: of which search index, how, and when.';
comment on column ragpg.evaluation_runs.id is 'Key.';
comment on column ragpg.evaluation_runs.evaluation_set_id is 'The questions.';
comment on column ragpg.evaluation_runs.index_id is
'The search index; no foreign key, because a run outlives a dropped recipe.';
comment on column ragpg.evaluation_runs.k is 'Hits asked for.';
comment on column ragpg.evaluation_runs.mode is 'hybrid, vector or keyword.';
comment on column ragpg.evaluation_runs.note is 'What was tried, for people.';
comment on column ragpg.evaluation_runs.recipe is 'The search index as it was then.';
comment on column ragpg.evaluation_runs.started_at is 'When it began.';
comment on column ragpg.evaluation_runs.finished_at is 'When it ended; null when it did not.';
create index evaluation_runs_evaluation_set_id_btree on ragpg.evaluation_runs (evaluation_set_id);
comment on index ragpg.evaluation_runs_evaluation_set_id_btree is 'Serves the runs of a set.';

create table ragpg.evaluation_results (
    evaluation_run_id bigint not null,
    evaluation_question_id bigint not null,
    hit_count integer not null,
    relevant_chunks integer not null,
    first_relevant_place integer,
    latency_ms double precision not null,
    labels integer not null,
    lost_labels integer not null,
    split_labels integer not null,
    labelled_spans jsonb not null default '{}',
    answer_id bigint,
    grade text,
    grade_reason text,
    constraint evaluation_results_pkey primary key (evaluation_run_id, evaluation_question_id),
    constraint evaluation_results_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete set null,
    constraint evaluation_results_evaluation_question_id_fkey
        foreign key (evaluation_question_id)
            references ragpg.evaluation_questions (id) on delete cascade,
    constraint evaluation_results_evaluation_run_id_fkey
        foreign key (evaluation_run_id) references ragpg.evaluation_runs (id) on delete cascade,
    constraint evaluation_results_grade_is_known
        check (grade in ('right', 'right in fact', 'wrong'))
);
comment on table ragpg.evaluation_results is 'What one question gave in one run.';
comment on column ragpg.evaluation_results.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_results.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_results.hit_count is 'Hits that came back.';
comment on column ragpg.evaluation_results.relevant_chunks is
'Chunks of the search index that hold a character of a labelled text.';
comment on column ragpg.evaluation_results.first_relevant_place is
'Place of the first relevant chunk among k hits or, beyond them, among all candidates; null: not a candidate.';
comment on column ragpg.evaluation_results.latency_ms is
'Milliseconds of the search in the database, the embedding of the question included when it made it.';
comment on column ragpg.evaluation_results.labels is 'Labels of the question.';
comment on column ragpg.evaluation_results.lost_labels is
'Labels whose document or quote is not in the collection any more.';
comment on column ragpg.evaluation_results.split_labels is
'Labels that no single chunk holds whole.';
comment on column ragpg.evaluation_results.labelled_spans is
'The labelled characters then, as int4multirange by document id.';
comment on column ragpg.evaluation_results.answer_id is
'The answer it got; null when none was asked for, or it was erased.';
comment on column ragpg.evaluation_results.grade is
'right, right in fact (but wrong in form), or wrong, by a judge; null without one.';
comment on column ragpg.evaluation_results.grade_reason is 'What the judge said.';
create index evaluation_results_answer_id_btree on ragpg.evaluation_results (answer_id)
    where answer_id is not null;
comment on index ragpg.evaluation_results_answer_id_btree is 'Serves the deletion of answers.';
create index evaluation_results_evaluation_question_id_btree
    on ragpg.evaluation_results (evaluation_question_id);
comment on index ragpg.evaluation_results_evaluation_question_id_btree is
'Serves the deletion of questions, and one question over all runs.';

create table ragpg.evaluation_hits (
    evaluation_run_id bigint not null,
    evaluation_question_id bigint not null,
    place integer not null,
    is_relevant boolean not null,
    document_id bigint not null,
    document_version integer not null,
    source text not null,
    start_char integer not null,
    end_char integer not null,
    score double precision not null,
    similarity double precision,
    bm25 double precision,
    constraint evaluation_hits_pkey primary key (evaluation_run_id, evaluation_question_id, place),
    constraint evaluation_hits_evaluation_results_fkey
        foreign key (evaluation_run_id, evaluation_question_id)
            references ragpg.evaluation_results (evaluation_run_id, evaluation_question_id) on delete cascade
);
comment on table ragpg.evaluation_hits is 'The hits of each question of each run.';
comment on column ragpg.evaluation_hits.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_hits.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_hits.place is 'Place of the hit, from 1.';
comment on column ragpg.evaluation_hits.is_relevant is
'Whether it holds a character of a labelled text.';
comment on column ragpg.evaluation_hits.document_id is 'Its document.';
comment on column ragpg.evaluation_hits.document_version is 'Its version then.';
comment on column ragpg.evaluation_hits.source is 'The document''s source then.';
comment on column ragpg.evaluation_hits.start_char is 'First character of the chunk.';
comment on column ragpg.evaluation_hits.end_char is 'One past its last character.';
comment on column ragpg.evaluation_hits.score is 'What ordered the hits.';
comment on column ragpg.evaluation_hits.similarity is 'Cosine to the question.';
comment on column ragpg.evaluation_hits.bm25 is 'Score of its words.';

-- 8  Fine-tuning ----------------------------------------------------------------------------------

create table ragpg.finetune_jobs (
    id bigint generated always as identity,
    provider text not null,
    base_model text not null,
    training_hash bytea not null,
    validation_hash bytea,
    parameters jsonb not null default '{}',
    training_file_id text,
    validation_file_id text,
    job_id text,
    state text not null default 'uploading',
    finished_model text,
    error text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    tenant text not null default ragpg_internal.written_tenant(),
    constraint finetune_jobs_pkey primary key (id),
    constraint finetune_jobs_training_hash_is_a_sha256 check (octet_length(training_hash) = 32)
);
comment on table ragpg.finetune_jobs is
'Datasets handed to a provider for fine-tuning, and what became of them.';
comment on column ragpg.finetune_jobs.id is 'Key.';
comment on column ragpg.finetune_jobs.provider is 'Whose machines: openai or bedrock.';
comment on column ragpg.finetune_jobs.base_model is 'The model that is fine-tuned.';
comment on column ragpg.finetune_jobs.training_hash is
'SHA-256 of the training file: the same data is not submitted twice unasked.';
comment on column ragpg.finetune_jobs.validation_hash is
'SHA-256 of the validation file, if there is one.';
comment on column ragpg.finetune_jobs.parameters is 'What else the provider was told.';
comment on column ragpg.finetune_jobs.training_file_id is
'The provider''s name of the uploaded training file.';
comment on column ragpg.finetune_jobs.validation_file_id is 'The same of the validation file.';
comment on column ragpg.finetune_jobs.job_id is
'The provider''s name of the job; null until it is known.';
comment on column ragpg.finetune_jobs.state is
'uploading, then a word of OpenAI''s API: validating_files, queued, running, succeeded, failed, cancelled.';
comment on column ragpg.finetune_jobs.finished_model is 'The name of the model that came out.';
comment on column ragpg.finetune_jobs.error is 'Why it failed, in the provider''s words.';
comment on column ragpg.finetune_jobs.created_at is 'When the submission began.';
comment on column ragpg.finetune_jobs.updated_at is 'When the state was last heard of.';
comment on column ragpg.finetune_jobs.tenant is 'Whose examples they are.';

-- 9  Tenants --------------------------------------------------------------------------------------

create table ragpg.tenant_roles (
    role regrole not null,
    tenant text not null,
    constraint tenant_roles_pkey primary key (role, tenant),
    constraint tenant_roles_tenant_is_not_blank check (tenant ~ '\S')
);
comment on table ragpg.tenant_roles is
'Which roles act for which tenant whatever they set: ragpg.bind_role. Read by nobody but the owner.';
comment on column ragpg.tenant_roles.role is 'The role; those that inherit from it are bound, too.';
comment on column ragpg.tenant_roles.tenant is 'The tenant it may act for.';

alter table ragpg.collections add constraint collections_active_index_id_fkey
    foreign key (active_index_id) references ragpg.search_indexes (id);

-- Read by the owner alone, with or without tenants.
alter table ragpg.tenant_roles enable row level security;

-- What a search returns, its options and variants included.
create type ragpg.hit as (
    place integer,
    source text,
    title text,
    content text,
    score double precision,
    similarity double precision,
    bm25 double precision,
    start_char integer,
    end_char integer,
    page integer,
    context text,
    metadata jsonb,
    document_id bigint,
    document_version integer,
    chunk_id bigint
);
comment on type ragpg.hit is 'A row of ragpg.search and its variants: a chunk, and how well it fits.';
comment on column ragpg.hit.place is 'From 1, the best: order by it.';
comment on column ragpg.hit.source is 'What identifies the document in its collection.';
comment on column ragpg.hit.title is 'Title of the document.';
comment on column ragpg.hit.content is
'The chunk: exactly the characters start_char to end_char of that version of the document.';
comment on column ragpg.hit.score is
'What ordered the hits: in standard deviations (hybrid), a cosine (vector) or BM25 (keyword).';
comment on column ragpg.hit.similarity is
'Cosine of the chunk and the query; null where the vector leg did not run.';
comment on column ragpg.hit.bm25 is 'BM25 of the chunk; null where the word leg did not run.';
comment on column ragpg.hit.start_char is 'First character of the document, from 0.';
comment on column ragpg.hit.end_char is 'Character after the last.';
comment on column ragpg.hit.page is 'Page on which the chunk starts, from 1; null without pages.';
comment on column ragpg.hit.context is
'What stood before the chunk for embedding and words: title, headings, header rows.';
comment on column ragpg.hit.metadata is 'Metadata of the document.';
comment on column ragpg.hit.document_id is 'The document.';
comment on column ragpg.hit.document_version is 'Its version, for citations.';
comment on column ragpg.hit.chunk_id is 'The chunk, for ragpg.similar_chunks and ragpg.surroundings.';

-- 10  Functions: roles, tenants, verification -----------------------------------------------------

-- This role acts for this tenant, whatever it sets.
create or replace function ragpg.bind_role(role_name text, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.tenant_roles (role, tenant)
    values (quote_ident(role_name)::regrole, bind_role.tenant)
    on conflict on constraint tenant_roles_pkey do nothing;
end
$$;
revoke execute on function ragpg.bind_role(text, text) from public;
comment on function ragpg.bind_role(text, text) is
'Binds a role, and the roles that inherit from it, to a tenant: it then sees no other one''s rows, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Needed for every role whose SQL is not yours: a role that is not bound may name any tenant.';

-- Who calls, also from within a function that runs as its owner?
create or replace function ragpg_internal.calling_role() returns name
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end;
comment on function ragpg_internal.calling_role() is
'Returns the role of the session, or the one it took by set role; unlike current_user also within functions that run as their owner.';

-- May the caller change what all tenants use?
create or replace function ragpg_internal.check_shared(what text) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not ragpg_internal.sees_all_tenants() then
        raise exception '% belongs to all tenants', what
            using errcode = 'RG014', hint = 'only the owner of the schema may do this';
    end if;
end
$$;
comment on function ragpg_internal.check_shared(text) is
'Raises RG014 when tenants are on and the caller is none who sees all of them.';

-- Which collection is meant? The named one; with no name, the only one there is.
create or replace function ragpg.collection_id(collection text default null) returns bigint
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    found_id bigint;
    names text[];
begin
    if collection is not null then
        select one.id into found_id from ragpg.collections as one where one.name = collection;
        if found_id is not null then
            return found_id;
        end if;
    end if;
    select array_agg(one.name order by one.name) into names from ragpg.collections as one;
    if collection is not null or names is null then
        raise exception 'there is no collection %', coalesce('"' || collection || '"', 'yet')
            using errcode = 'RG001',
                hint = coalesce(
                    'there are: ' || array_to_string(names, ', '),
                    'add documents first: ragpg add PATH --collection NAME'
                );
    elsif cardinality(names) > 1 then
        raise exception 'which collection? there are %', array_to_string(names, ', ')
            using errcode = 'RG002', hint = 'name one: collection => ''...''';
    end if;
    return (select one.id from ragpg.collections as one);
end
$$;
comment on function ragpg.collection_id(text) is
'Returns the id of the named collection, or of the only one when no name is given. Raises RG001 (no such collection) or RG002 (which one?).';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    create index if not exists chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
    comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
    delete from ragpg.lexeme_statistics as known where known.tenant <> '';
    delete from ragpg.index_statistics as known where known.tenant <> '';
end
$$;
revoke execute on function ragpg.disable_tenants() from public;
comment on function ragpg.disable_tenants() is
'Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.';

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.answers', 'ragpg.searches',
            'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
    execute format('grant execute on function ragpg_internal.remember_query(bigint, text) to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    execute format(
        'grant execute on function ragpg_internal.keyword_candidates, ragpg_internal.matching_documents to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text, text, integer),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- Row-level security of one table on or off, and what the planner would tell of its texts.
create or replace function ragpg_internal.protect_table(
    kept regclass, protected boolean
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    told record;
begin
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    -- Comparisons of texts are leakproof, so the planner uses statistics of all rows for them, and
    -- EXPLAIN's estimates would spell out, guess by guess, what other tenants' rows say.
    for told in
        select col.attname, part.relname, tree.inherited
        from pg_attribute as col
        join pg_class as part on part.oid = col.attrelid
        cross join (values (false), (true)) as tree (inherited)
        where col.attrelid = kept
            and col.attnum > 0
            and not col.attisdropped
            and col.atttypid in ('text'::regtype, 'bytea'::regtype)
    loop
        execute format(
            'alter table %s alter column %I set statistics %s',
            kept, told.attname, case when protected then 0 else -1 end
        );
        if protected and current_setting('server_version_num')::integer >= 180000 then
            execute 'select pg_clear_attribute_stats(''ragpg'', $1, $2, $3)'
            using told.relname::text, told.attname::text, told.inherited;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.protect_table(regclass, boolean) from public;
comment on function ragpg_internal.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics of its texts are gathered, and those there were are forgotten (Postgres 18 or newer).';

-- Which tables does a tenant see a part of?
create or replace function ragpg_internal.protected_tables()
returns table (relation regclass, closed boolean)
language sql stable
begin atomic
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    order by 1;
end;
comment on function ragpg_internal.protected_tables() is
'Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.';

-- Whose chunks may a search read?
create or replace function ragpg_internal.searched_tenant() returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg_internal.sees_all_tenants() then
        raise exception 'role % %', ragpg_internal.calling_role(), coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''); connect(tenant=...) in Python';
    end if;
    return found_tenant;
end
$$;
comment on function ragpg_internal.searched_tenant() is
'Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.';

-- Does whoever calls see the rows of every tenant?
create or replace function ragpg_internal.sees_all_tenants() returns boolean
language sql stable parallel safe
begin atomic
    select
        not kept.relrowsecurity
        or pg_has_role(ragpg_internal.calling_role(), kept.relowner, 'usage')
        or (
            select known.rolbypassrls
            from pg_roles as known
            where known.rolname = ragpg_internal.calling_role()
        )
    from pg_class as kept
    where kept.oid = 'ragpg.documents'::regclass;
end;
comment on function ragpg_internal.sees_all_tenants() is
'Returns true where row-level security hides nothing: tenants are off, or the caller owns the tables, is a superuser or bypasses row-level security.';

-- From now on, act for this tenant.
create or replace function ragpg.set_tenant(tenant text, for_session boolean default false)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank' using errcode = 'RG005', hint = 'name one';
    end if;
    perform set_config('ragpg.tenant', set_tenant.tenant, not for_session);
    if ragpg.current_tenant() is distinct from set_tenant.tenant then
        raise exception 'role % may not act for tenant "%"', ragpg_internal.calling_role(), tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles: ragpg.bind_role';
    end if;
end
$$;
comment on function ragpg.set_tenant(text, boolean) is
'Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session''s outlasts a transaction of a pooler such as pgbouncer and would be the next client''s: there keep to the transaction''s. Raises RG013 when the role is bound to others.';

-- Which functions read indexes that a policy would hide from the planner?
create or replace function ragpg_internal.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select leg.oid::regprocedure
    from pg_proc as leg
    where leg.pronamespace = 'ragpg_internal'::regnamespace
        and leg.proname in ('keyword_candidates', 'matching_documents');
end;
comment on function ragpg_internal.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer: they use the indexes of words and of metadata, and compare the tenant themselves (ragpg_internal.searched_tenant).';

-- Are tenants kept apart?
create or replace function ragpg_internal.tenants_enabled() returns boolean
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
begin
    return (
        select kept.relrowsecurity
        from pg_class as kept
        where kept.oid = 'ragpg.documents'::regclass
    );
end
$$;
comment on function ragpg_internal.tenants_enabled() is
'Returns whether ragpg.enable_tenants() is in force: row-level security is on.';

-- This role no longer acts for this tenant.
create or replace function ragpg.unbind_role(role_name text, tenant text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = quote_ident(role_name)::regrole and bound.tenant = unbind_role.tenant;
    return found;
end
$$;
revoke execute on function ragpg.unbind_role(text, text) from public;
comment on function ragpg.unbind_role(text, text) is
'Takes back ragpg.bind_role; returns whether it was bound. A role with no binding left may name any tenant again: revoke its privileges instead if it shall see nothing.';

-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    return query
    with block as materialized (
        select
            used.document_id, used.version, used.number,
            substr(
                ragpg.document_text(used.document_id, used.version),
                used.number * block_chars + 1, block_chars + used.longest
            ) as content
        from (
            select
                chunk.document_id, chunk.document_version as version,
                chunk.start_char / block_chars as number,
                max(chunk.end_char - chunk.start_char) as longest
            from ragpg.chunks as chunk
            join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
            where only_id is null or recipe.collection_id = only_id
            group by 1, 2, 3
        ) as used
    )
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    join block
        on block.document_id = chunk.document_id
        and block.version = chunk.document_version
        and block.number = chunk.start_char / block_chars
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, a quote that is not its source, an invalid or missing index, stale statistics; with what to do. It reads every text.';

-- Which row of the statistics is the caller's?
create or replace function ragpg_internal.counted_tenant() returns text
language sql stable parallel safe
begin atomic
    select case when ragpg_internal.tenants_enabled() then coalesce(ragpg.current_tenant(), '') else '' end;
end;
comment on function ragpg_internal.counted_tenant() is
'Returns the tenant whose rows of index_statistics and lexeme_statistics count for the caller; empty for those of the whole search index.';

-- 11  Functions: the embedding model in SQL -------------------------------------------------------

-- Where does a question lie among the embeddings?
-- Stable, though a new question is remembered: an index scan takes no volatile operand, and a
-- stable function may call a volatile one, whose writing does not change the result here. Not
-- parallel safe, because writing is not.
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    usable bigint[];
    encoder ragpg.encoders;
    known vector;
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    known := ragpg_internal.remembered_query(usable[1], query);
    if known is not null then
        return known;
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = usable[1];
    if encoder.cached_queries > 0
        -- On a standby every transaction is read-only.
        and current_setting('transaction_read_only') = 'off'
        -- In a stricter transaction, rows that others evict would make it fail.
        and current_setting('transaction_isolation') = 'read committed'
        and has_function_privilege('ragpg_internal.remember_query(bigint, text)', 'execute')
    then
        return ragpg_internal.remember_query(usable[1], query);
    end if;
    return ragpg_internal.encode(usable[1], ragpg_internal.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1. A question asked before is looked up in ragpg.query_embeddings, a new one is stored there where the transaction may write.';

-- Which embedding does a BERT model give a row of tokens?
create or replace function ragpg_internal.encode(encoder_id bigint, token_ids integer[])
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    encoder ragpg.encoders;
    norm ragpg.encoder_layers;
    count_of_tokens integer := cardinality(token_ids);
    size integer;  -- width of a head
    states vector[];  -- of each token, with a 1 at the end that multiplies the bias
    asked vector[];  -- queries and keys of each token
    keys vector[];  -- keys of each head, token by token
    held vector[];  -- values: one vector over the tokens for each number of the width
    mixed vector[];
    ones vector;
    token_ones vector;
    tail vector;  -- puts LayerNorm's epsilon under the root
    one constant vector := '[1]';
begin
    if current_setting('server_version_num')::integer < 160000 then
        raise exception 'computing embeddings in the database needs Postgres 16 or newer'
            using errcode = 'RG009', hint = 'pass a query embedding';
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = encode.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    size := encoder.width / encoder.heads;
    ones := array_fill(1::real, array[encoder.width])::vector;
    token_ones := array_fill(1::real, array[count_of_tokens])::vector;
    tail := array[sqrt(encoder.layer_norm_epsilon * encoder.width)]::vector;
    -- LayerNorm: off with the mean, to length 1; the gain brings back the root of the width.
    select
        array_agg(
            l2_normalize(
                entered.state - array_fill(
                    (-(entered.state <#> ones) / encoder.width)::real, array[encoder.width]
                )::vector || tail
            ) * entered.output_gain + entered.output_shift
            order by entered.place
        )
    into states
    from (
        select
            listed.place,
            token.embedding::vector + position.embedding as state,
            layer.output_gain,
            layer.output_shift
        from unnest(token_ids) with ordinality as listed (token_id, place)
        join ragpg.encoder_embeddings as token
            on token.embedding_model_id = encoder_id and token.token_id = listed.token_id
        join ragpg.encoder_positions as position
            on position.embedding_model_id = encoder_id
            and position.token_position = listed.place::integer
        join ragpg.encoder_layers as layer
            on layer.embedding_model_id = encoder_id and layer.layer = 0
        offset 0
    ) as entered;
    if cardinality(states) is distinct from count_of_tokens then
        raise exception 'a token or its place is unknown to embedding model %', encoder_id
            using errcode = 'RG009';
    end if;
    for layer_number in 1..encoder.layers loop
        select stored.* into norm
        from ragpg.encoder_layers as stored
        where stored.embedding_model_id = encoder_id and stored.layer = layer_number;
        -- Attention: each head of each token mixes the values of all tokens, in shares of the
        -- exponentials of its query's products with their keys.
        asked := ragpg_internal.multiply_weights(encoder_id, layer_number, 1, states);
        held := ragpg_internal.multiply_values(encoder_id, layer_number, states);
        select array_agg(
            subvector(listed.state, encoder.width + head * size + 1, size)
            order by head, listed.place
        )
        into keys
        from unnest(asked) with ordinality as listed (state, place)
        cross join generate_series(0, encoder.heads - 1) as head;
        select array_agg(array(select unnest(by_token.by_head))::vector || one order by place)
        into mixed
        from (
            select
                share.place,
                array_agg(
                    array(
                        select (share.shares <#> value) / (share.shares <#> token_ones)
                        from unnest(share.head_values) as value
                    )
                    order by share.head
                ) as by_head
            from (
                select
                    query.place,
                    query.head,
                    query.head_values,
                    -- The exponential must fit a real: where the product could be large, the
                    -- largest is taken off first.
                    case when vector_norm(query.state) * query.longest < 60 then array(
                        select exp(query.state <#> key)
                        from unnest(query.head_keys) as key
                    )::vector else array(
                        select exp(greatest(product - max(product) over (), -80))
                        from (
                            select key_place, query.state <#> key as product
                            from unnest(query.head_keys) with ordinality as listed (key, key_place)
                        ) as scored
                        order by key_place
                    )::vector end as shares
                from (
                    select
                        listed.place,
                        of_head.*,
                        subvector(listed.state, of_head.head * size + 1, size) as state
                    from (
                        select
                            one_head.*,
                            (
                                select max(vector_norm(key)) from unnest(one_head.head_keys) as key
                            ) as longest
                        from (
                            select
                                head,
                                keys[head * count_of_tokens + 1:(head + 1) * count_of_tokens]
                                    as head_keys,
                                held[head * size + 1:(head + 1) * size] as head_values
                            from generate_series(0, encoder.heads - 1) as head
                            offset 0
                        ) as one_head
                        offset 0
                    ) as of_head
                    cross join unnest(asked) with ordinality as listed (state, place)
                    offset 0
                ) as query
                offset 0
            ) as share
            group by share.place
        ) as by_token;
        mixed := ragpg_internal.multiply_weights(encoder_id, layer_number, 3, mixed);
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.attention_gain + norm.attention_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
        -- Feed-forward: into the wide layer, GELU, and out of it.
        mixed := ragpg_internal.multiply_weights(
            encoder_id, layer_number, 5,
            ragpg_internal.multiply_wide(encoder_id, layer_number, states)
        );
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.output_gain + norm.output_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
    end loop;
    if encoder.pooling = 'cls' then
        return l2_normalize(subvector(states[1], 1, encoder.width));
    end if;
    return (
        select l2_normalize(subvector(sum(state), 1, encoder.width)) from unnest(states) as state
    );
end
$$;
comment on function ragpg_internal.encode(bigint, integer[]) is
'Returns the embedding, of length 1, that a loaded encoder gives tokens: BERT''s forward pass (Devlin et al. 2018) with the products of pgvector.';

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

-- Is this the model we know under that name? Registers a new one, refuses an impostor.
create or replace function ragpg_internal.ensure_embedding_model(
    provider text,
    name text,
    max_tokens integer,
    probe halfvec
) returns bigint
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    known ragpg.embedding_models;
begin
    insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe)
    values (provider, name, vector_dims(probe), max_tokens, probe)
    on conflict do nothing;
    select model.* into strict known
    from ragpg.embedding_models as model
    where model.provider = ensure_embedding_model.provider
        and model.name = ensure_embedding_model.name
        and model.dimensions = vector_dims(ensure_embedding_model.probe);
    if known.probe <=> probe > 0.01 then
        raise exception 'the model "%" gives another embedding than the one stored here under that name (cosine % of the probe text)',
            name, round((1 - (known.probe <=> probe))::numeric, 4)
            using errcode = 'RG008',
                hint = 'use the model the collection was built with, or build a new collection';
    end if;
    return known.id;
end
$$;
comment on function ragpg_internal.ensure_embedding_model(text, text, integer, halfvec) is
'Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).';

-- An encoder was loaded anew, changed or dropped: what became of its questions?
create or replace function ragpg_internal.forget_queries() returns trigger
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.query_embeddings as known
    where known.embedding_model_id = old.embedding_model_id;
    return null;
end
$$;
comment on function ragpg_internal.forget_queries() is
'Trigger: empties the cache of an encoder whose row changed or went, because its vectors may be others now.';

-- Which values do the tokens offer to attention?
create or replace function ragpg_internal.multiply_values(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    batch vector[];
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            array_agg(
                (array[
                    listed.weights <#> input_1,
                    listed.weights <#> input_2,
                    listed.weights <#> input_3,
                    listed.weights <#> input_4,
                    listed.weights <#> input_5,
                    listed.weights <#> input_6,
                    listed.weights <#> input_7,
                    listed.weights <#> input_8
                ])[:cardinality(inputs) - begun + 1]::vector
            )
        into batch
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = 2
            order by stored.place
            offset 0
        ) as listed;
        if begun = 1 then
            outputs := batch;
        else
            outputs := array(
                select listed.earlier || listed.added
                from unnest(outputs, batch) with ordinality as listed (earlier, added, place)
                order by listed.place
            );
        end if;
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_values(bigint, integer, vector[]) is
'Returns the values of attention, the other way round than ragpg_internal.multiply_weights: one vector over the tokens for each row of the matrix, ready for products with the shares of the tokens.';

-- What does a matrix of a model make of the vectors of the tokens?
create or replace function ragpg_internal.multiply_weights(
    encoder_id bigint, layer_number integer, matrix_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            (array_agg(listed.weights <#> input_1) filter (where input_1 is not null))::vector,
            (array_agg(listed.weights <#> input_2) filter (where input_2 is not null))::vector,
            (array_agg(listed.weights <#> input_3) filter (where input_3 is not null))::vector,
            (array_agg(listed.weights <#> input_4) filter (where input_4 is not null))::vector,
            (array_agg(listed.weights <#> input_5) filter (where input_5 is not null))::vector,
            (array_agg(listed.weights <#> input_6) filter (where input_6 is not null))::vector,
            (array_agg(listed.weights <#> input_7) filter (where input_7 is not null))::vector,
            (array_agg(listed.weights <#> input_8) filter (where input_8 is not null))::vector
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = matrix_number
            order by stored.place
            offset 0
        ) as listed;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_weights(bigint, integer, integer, vector[]) is
'Returns the product of a matrix of ragpg.encoder_weights with each vector.';

-- What does the wide layer of a model make of the vectors of the tokens?
create or replace function ragpg_internal.multiply_wide(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    one constant vector := '[1]';  -- multiplies the bias of the next matrix
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        -- GELU, exactly: x / 2 * (1 + erf(x / sqrt(2))); the constants are in the weights.
        select
            (
                array_agg(p.of_1 * (1 + erf(p.of_1))) filter (where input_1 is not null)
            )::vector || one,
            (
                array_agg(p.of_2 * (1 + erf(p.of_2))) filter (where input_2 is not null)
            )::vector || one,
            (
                array_agg(p.of_3 * (1 + erf(p.of_3))) filter (where input_3 is not null)
            )::vector || one,
            (
                array_agg(p.of_4 * (1 + erf(p.of_4))) filter (where input_4 is not null)
            )::vector || one,
            (
                array_agg(p.of_5 * (1 + erf(p.of_5))) filter (where input_5 is not null)
            )::vector || one,
            (
                array_agg(p.of_6 * (1 + erf(p.of_6))) filter (where input_6 is not null)
            )::vector || one,
            (
                array_agg(p.of_7 * (1 + erf(p.of_7))) filter (where input_7 is not null)
            )::vector || one,
            (
                array_agg(p.of_8 * (1 + erf(p.of_8))) filter (where input_8 is not null)
            )::vector || one
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select
                listed.weights <#> input_1 as of_1,
                listed.weights <#> input_2 as of_2,
                listed.weights <#> input_3 as of_3,
                listed.weights <#> input_4 as of_4,
                listed.weights <#> input_5 as of_5,
                listed.weights <#> input_6 as of_6,
                listed.weights <#> input_7 as of_7,
                listed.weights <#> input_8 as of_8
            from (
                select stored.weights
                from ragpg.encoder_weights as stored
                where stored.embedding_model_id = encoder_id
                    and stored.layer = layer_number
                    and stored.matrix = 4
                order by stored.place
                offset 0
            ) as listed
            offset 0
        ) as p;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_wide(bigint, integer, vector[]) is
'Returns what the first half of a layer''s feed-forward network makes of each vector, with GELU, and a 1 at the end for the next bias.';

-- Which words and punctuation marks does a BERT model see in a text?
create or replace function ragpg_internal.normalize_text(
    query text, lower_case boolean, strip_accents boolean
) returns text
language plpgsql immutable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    cleaned text;
    -- The classes of characters as the library `tokenizers` has them (0.23, Unicode of its time),
    -- written out: the server's own depend on its version, its locale and how it was built.
    removed constant text :=
        '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd'
        '\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ue000-\uf8ff\ufeff'
        '\ufff9-\ufffb\ufffd\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001'
        '\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]';
    space constant text :=
        '[\u0009\u000a\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]';
    -- Chinese characters are words of their own.
    chinese constant text :=
        '([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f'
        '\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f])';
    accents constant text :=
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        '\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u0819\u081b-\u0823\u0825-\u0827'
        '\u0829-\u082d\u0859-\u085b\u08e3-\u0902\u093a\u093c\u0941-\u0948\u094d\u0951-\u0957'
        '\u0962\u0963\u0981\u09bc\u09c1-\u09c4\u09cd\u09e2\u09e3\u0a01\u0a02\u0a3c\u0a41\u0a42'
        '\u0a47\u0a48\u0a4b-\u0a4d\u0a51\u0a70\u0a71\u0a75\u0a81\u0a82\u0abc\u0ac1-\u0ac5'
        '\u0ac7\u0ac8\u0acd\u0ae2\u0ae3\u0b01\u0b3c\u0b3f\u0b41-\u0b44\u0b4d\u0b56\u0b62\u0b63'
        '\u0b82\u0bc0\u0bcd\u0c00\u0c3e-\u0c40\u0c46-\u0c48\u0c4a-\u0c4d\u0c55\u0c56\u0c62\u0c63'
        '\u0c81\u0cbc\u0cbf\u0cc6\u0ccc\u0ccd\u0ce2\u0ce3\u0d01\u0d41-\u0d44\u0d4d\u0d62\u0d63'
        '\u0dca\u0dd2-\u0dd4\u0dd6\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0eb9\u0ebb\u0ebc'
        '\u0ec8-\u0ecd\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f7e\u0f80-\u0f84\u0f86\u0f87'
        '\u0f8d-\u0f97\u0f99-\u0fbc\u0fc6\u102d-\u1030\u1032-\u1037\u1039\u103a\u103d\u103e'
        '\u1058\u1059\u105e-\u1060\u1071-\u1074\u1082\u1085\u1086\u108d\u109d\u135d-\u135f'
        '\u1712-\u1714\u1732-\u1734\u1752\u1753\u1772\u1773\u17b4\u17b5\u17b7-\u17bd\u17c6'
        '\u17c9-\u17d3\u17dd\u180b-\u180d\u18a9\u1920-\u1922\u1927\u1928\u1932\u1939-\u193b'
        '\u1a17\u1a18\u1a1b\u1a56\u1a58-\u1a5e\u1a60\u1a62\u1a65-\u1a6c\u1a73-\u1a7c\u1a7f'
        '\u1ab0-\u1abd\u1b00-\u1b03\u1b34\u1b36-\u1b3a\u1b3c\u1b42\u1b6b-\u1b73\u1b80\u1b81'
        '\u1ba2-\u1ba5\u1ba8\u1ba9\u1bab-\u1bad\u1be6\u1be8\u1be9\u1bed\u1bef-\u1bf1\u1c2c-\u1c33'
        '\u1c36\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce0\u1ce2-\u1ce8\u1ced\u1cf4\u1cf8\u1cf9\u1dc0-\u1df5'
        '\u1dfc-\u1dff\u20d0-\u20dc\u20e1\u20e5-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff'
        '\u302a-\u302d\u3099\u309a\ua66f\ua674-\ua67d\ua69e\ua69f\ua6f0\ua6f1\ua802\ua806\ua80b'
        '\ua825\ua826\ua8c4\ua8e0-\ua8f1\ua926-\ua92d\ua947-\ua951\ua980-\ua982\ua9b3'
        '\ua9b6-\ua9b9\ua9bc\ua9e5\uaa29-\uaa2e\uaa31\uaa32\uaa35\uaa36\uaa43\uaa4c\uaa7c\uaab0'
        '\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1\uaaec\uaaed\uaaf6\uabe5\uabe8\uabed\ufb1e'
        '\ufe00-\ufe0f\ufe20-\ufe2f\U000101fd\U000102e0\U00010376-\U0001037a\U00010a01-\U00010a03'
        '\U00010a05\U00010a06\U00010a0c-\U00010a0f\U00010a38-\U00010a3a\U00010a3f'
        '\U00010ae5\U00010ae6\U00011001\U00011038-\U00011046\U0001107f-\U00011081'
        '\U000110b3-\U000110b6\U000110b9\U000110ba\U00011100-\U00011102\U00011127-\U0001112b'
        '\U0001112d-\U00011134\U00011173\U00011180\U00011181\U000111b6-\U000111be'
        '\U000111ca-\U000111cc\U0001122f-\U00011231\U00011234\U00011236\U00011237\U000112df'
        '\U000112e3-\U000112ea\U00011300\U00011301\U0001133c\U00011340\U00011366-\U0001136c'
        '\U00011370-\U00011374\U000114b3-\U000114b8\U000114ba\U000114bf\U000114c0'
        '\U000114c2\U000114c3\U000115b2-\U000115b5\U000115bc\U000115bd\U000115bf\U000115c0'
        '\U000115dc\U000115dd\U00011633-\U0001163a\U0001163d\U0001163f\U00011640\U000116ab'
        '\U000116ad\U000116b0-\U000116b5\U000116b7\U0001171d-\U0001171f\U00011722-\U00011725'
        '\U00011727-\U0001172b\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016f8f-\U00016f92'
        '\U0001bc9d\U0001bc9e\U0001d167-\U0001d169\U0001d17b-\U0001d182\U0001d185-\U0001d18b'
        '\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244\U0001da00-\U0001da36\U0001da3b-\U0001da6c'
        '\U0001da75\U0001da84\U0001da9b-\U0001da9f\U0001daa1-\U0001daaf\U0001e8d0-\U0001e8d6'
        '\U000e0100-\U000e01ef]';
    punctuation constant text :=
        '([!-/:-@\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u037e\u0387\u055a-\u055f'
        '\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0609\u060a\u060c\u060d\u061b'
        '\u061e\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9\u0830-\u083e\u085e\u0964\u0965'
        '\u0970\u0af0\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f12\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4'
        '\u0fd9\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166d\u166e\u169b\u169c\u16eb-\u16ed'
        '\u1735\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u1944\u1945\u1a1e\u1a1f\u1aa0-\u1aa6'
        '\u1aa8-\u1aad\u1b5a-\u1b60\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f\u1cc0-\u1cc7\u1cd3'
        '\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e\u207d\u207e\u208d\u208e'
        '\u2308-\u230b\u2329\u232a\u2768-\u2775\u27c5\u27c6\u27e6-\u27ef\u2983-\u2998'
        '\u29d8-\u29db\u29fc\u29fd\u2cf9-\u2cfc\u2cfe\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e42'
        '\u3001-\u3003\u3008-\u3011\u3014-\u301f\u3030\u303d\u30a0\u30fb\ua4fe\ua4ff\ua60d-\ua60f'
        '\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f'
        '\ua9c1-\ua9cd\ua9de\ua9df\uaa5c-\uaa5f\uaade\uaadf\uaaf0\uaaf1\uabeb\ufd3e\ufd3f'
        '\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe61\ufe63\ufe68\ufe6a\ufe6b\uff01-\uff03'
        '\uff05-\uff0a\uff0c-\uff0f\uff1a\uff1b\uff1f\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d'
        '\uff5f-\uff65\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f'
        '\U0001093f\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f'
        '\U00010b99-\U00010b9c\U00011047-\U0001104d\U000110bb\U000110bc\U000110be-\U000110c1'
        '\U00011140-\U00011143\U00011174\U00011175\U000111c5-\U000111c9\U000111cd\U000111db'
        '\U000111dd-\U000111df\U00011238-\U0001123d\U000112a9\U000114c6\U000115c1-\U000115d7'
        '\U00011641-\U00011643\U0001173c-\U0001173e\U00012470-\U00012474\U00016a6e\U00016a6f'
        '\U00016af5\U00016b37-\U00016b3b\U00016b44\U0001bc9f\U0001da87-\U0001da8b])';
    upper_letters constant text :=
        'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁ'
        'ŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬ'
        'ǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘ'
        'ϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒ'
        'ҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺ'
        'ԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳ'
        'ᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤ'
        'ᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼ'
        'ṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼ'
        'ἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮ'
        'ⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲ'
        'ⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐ'
        'ꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋ'
        'Ꟍ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻'
        '𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜'
        '𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋'
        '𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡';
    lower_letters constant text :=
        'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀł'
        'ńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭ'
        'ǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙ'
        'ϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғ'
        'ҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժ'
        'իլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃ'
        'ꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფ'
        'ქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽ'
        'ṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴ'
        'ἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾ'
        'ⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳ'
        'ⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑ'
        'ꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤ'
        'ꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣'
        '𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜'
        '𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫'
        '𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃';
begin
    -- Printable ASCII, nearly every question: no class above matters.
    if query ~ '^[\x20-\x7e]*$' then
        return regexp_replace(
            case when lower_case then lower(query collate "C") else query end,
            '([!-/:-@\[-`{-~])', ' \1 ', 'g'
        );
    end if;
    cleaned := regexp_replace(query collate "C", removed, '', 'g');
    cleaned := regexp_replace(cleaned, space, ' ', 'g');
    cleaned := regexp_replace(cleaned, chinese, ' \1 ', 'g');
    if strip_accents then
        cleaned := regexp_replace(normalize(cleaned, nfd), accents, '', 'g');
    end if;
    if lower_case then
        cleaned := translate(replace(cleaned, 'İ', 'i̇'), upper_letters, lower_letters);
    end if;
    return regexp_replace(cleaned, punctuation, ' \1 ', 'g');
end
$$;
comment on function ragpg_internal.normalize_text(text, boolean, boolean) is
'Returns the text as BERT''s basic tokenizer leaves it: words, punctuation marks and Chinese characters with spaces between them, control characters removed, lower-cased and without accents where the model wants that. The same on every server: it uses no locale.';

-- What does a loaded model read when it is asked a question?
create or replace function ragpg_internal.query_tokens(encoder_id bigint, query text)
returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    encoder ragpg.encoders;
    spelled integer[];
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = query_tokens.encoder_id;
    spelled := ragpg_internal.tokenize(
        encoder_id, encoder.query_prefix || query, encoder.max_query_tokens - 1
    );
    if cardinality(spelled) > encoder.max_query_tokens - 2 then
        raise notice 'the query is cut to % tokens', encoder.max_query_tokens;
        spelled := spelled[:encoder.max_query_tokens - 2];
    end if;
    return encoder.first_token_id || spelled || encoder.last_token_id;
end
$$;
comment on function ragpg_internal.query_tokens(bigint, text) is
'Returns the tokens a loaded encoder reads for a question: its query prefix and the tokens that begin and end a text added, cut to its limit with a notice.';

-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg_internal.remember_query(encoder_id bigint, query text)
returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg_internal.remembered_query(encoder_id, query);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg_internal.encode(encoder_id, ragpg_internal.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg_internal.hash_text(remember_query.query), computed, loaded_at,
        ragpg_internal.written_tenant()
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$$;
revoke execute on function ragpg_internal.remember_query(bigint, text) from public;
comment on function ragpg_internal.remember_query(bigint, text) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';

-- Was this question embedded before?
create or replace function ragpg_internal.remembered_query(encoder_id bigint, query text)
returns vector
language sql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg_internal.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = (select ragpg_internal.written_tenant())
    limit 1
$$;
comment on function ragpg_internal.remembered_query(bigint, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';

-- Which tokens of a model spell a text?
create or replace function ragpg_internal.tokenize(
    encoder_id bigint, query text, wanted integer default null
) returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    encoder ragpg.encoders;
    special_pattern text;
    parts text[];
    found_special text[];
    found_ids integer[] := '{}';
    word record;
    pieces integer[];
    place integer;
    piece record;
    longest_word constant integer := 100;  -- longer ones are unknown, as BERT has it
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = tokenize.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    -- Special tokens such as [MASK] are taken out first, as they stand.
    parts := array[query];
    found_special := '{}';
    if query ~ '\[' and cardinality(encoder.special_tokens) > 0 then
        select string_agg(regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g'), '|')
        into special_pattern
        from unnest(encoder.special_tokens) as token;
        parts := regexp_split_to_array(query, special_pattern);
        found_special := array(
            select found.matched[1]
            from regexp_matches(query, '(' || special_pattern || ')', 'g') as found (matched)
        );
    end if;
    for part_number in 1..cardinality(parts) loop
        for word in
            select listed.spelling, whole.token_id
            from unnest(
                string_to_array(
                    ragpg_internal.normalize_text(
                        parts[part_number], encoder.lower_case, encoder.strip_accents
                    ),
                    ' '
                )
            ) with ordinality as listed (spelling, place)
            left join ragpg.encoder_vocabulary as whole
                on whole.embedding_model_id = encoder.embedding_model_id
                and whole.token = listed.spelling collate "C"
                and length(listed.spelling) <= longest_word
            where listed.spelling <> ''
            order by listed.place
        loop
            exit when cardinality(found_ids) >= wanted;
            if word.token_id is not null then
                found_ids := found_ids || word.token_id;
                continue;
            end if;
            -- WordPiece: the longest token the rest of the word begins with, again and again.
            pieces := '{}';
            place := 1;
            if length(word.spelling) > longest_word then
                pieces := array[encoder.unknown_token_id];
                place := length(word.spelling) + 1;
            end if;
            while place <= length(word.spelling) loop
                select known.token_id, asked.size
                into piece
                from generate_series(
                    1, least(encoder.longest_token, length(word.spelling) - place + 1)
                ) as asked (size)
                join ragpg.encoder_vocabulary as known
                    on known.embedding_model_id = encoder.embedding_model_id
                    and known.token = case when place > 1 then '##' else '' end
                        || substr(word.spelling, place, asked.size)
                order by asked.size desc
                limit 1;
                if not found then
                    pieces := array[encoder.unknown_token_id];
                    exit;
                end if;
                pieces := pieces || piece.token_id;
                place := place + piece.size;
            end loop;
            found_ids := found_ids || pieces;
        end loop;
        exit when cardinality(found_ids) >= wanted;
        if part_number <= cardinality(found_special) then
            found_ids := found_ids || (
                select known.token_id
                from ragpg.encoder_vocabulary as known
                where known.embedding_model_id = encoder.embedding_model_id
                    and known.token = found_special[part_number] collate "C"
            );
        end if;
    end loop;
    return case when wanted is null then found_ids else found_ids[:wanted] end;
end
$$;
comment on function ragpg_internal.tokenize(bigint, text, integer) is
'Returns the numbers of the tokens that spell a text, as the WordPiece tokenizer of a loaded encoder gives them, without those that begin and end a text; the first so many when a number is wanted.';

-- 12  Functions and views: documents, versions, search indexes, the queue -------------------------

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    perform ragpg_internal.check_shared('collection ' || collection_name)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, dimensions, index_id
    );
    execute format(
        'comment on view ragpg.%I is %L',
        'chunks_of_' || collection_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean) from public;
comment on function ragpg.activate_search_index(bigint, boolean) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

-- The HNSW index of a search index, after its first load.
create or replace function ragpg_internal.build_vector_index(index_id bigint, dimensions integer)
returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    statement text := format(
        'create index if not exists %I on ragpg.%I using hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops)',
        format('chunks_%s_embedding_hnsw', index_id), 'chunks_' || index_id, dimensions
    );
begin
    execute statement;
exception
    -- Too little shared memory for a parallel build (containers often have 64 MB): build alone.
    when disk_full or out_of_memory then
        perform set_config('max_parallel_maintenance_workers', '0', true);
        execute statement;
end
$$;
revoke execute on function ragpg_internal.build_vector_index(bigint, integer) from public;
comment on function ragpg_internal.build_vector_index(bigint, integer) is
'Builds the HNSW index of a search index''s partition (cosine, halfvec) if it is not there; without parallel workers when shared memory is short.';

-- How large are the chunks?
create or replace view ragpg.chunk_sizes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    bin.place * bin.width + 1 as from_tokens,
    (bin.place + 1) * bin.width as to_tokens,
    count(*) as chunks,
    count(*)::double precision / sum(count(*)) over (partition by recipe.id) as share
from ragpg.chunks as chunk
join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
join ragpg.collections as one on one.id = recipe.collection_id
cross join lateral (
    select
        greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1) as width,
        greatest(chunk.token_count - 1, 0) / greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1)
            as place
) as bin
group by one.id, recipe.id, bin.place, bin.width;
comment on view ragpg.chunk_sizes is
'A row per search index and bin of chunk sizes: a histogram of tokens.';
comment on column ragpg.chunk_sizes.collection is 'Name of the collection.';
comment on column ragpg.chunk_sizes.index_id is 'The search index.';
comment on column ragpg.chunk_sizes.active is 'Whether it answers searches.';
comment on column ragpg.chunk_sizes.from_tokens is 'Fewest tokens of the bin; bins are a sixteenth of the most a chunk may have.';
comment on column ragpg.chunk_sizes.to_tokens is 'Most tokens of the bin.';
comment on column ragpg.chunk_sizes.chunks is 'Chunks in it.';
comment on column ragpg.chunk_sizes.share is 'Of the search index''s chunks.';

-- Which waiting documents does this worker take?
create or replace function ragpg_internal.claim_documents(
    wanted integer default 32,
    only_collection text default null,
    only_index_id bigint default null
) returns table (
    index_id bigint, document_id bigint, version integer, source text, title text,
    media_type text, content text, page_starts integer[]
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    waiting record;
    taken integer := 0;
    characters bigint := 0;
begin
    for waiting in
        select state.index_id, state.document_id
        from ragpg.index_documents as state
        join ragpg.search_indexes as recipe on recipe.id = state.index_id
        join ragpg.collections as one on one.id = recipe.collection_id
        where state.pending_since is not null
            and state.next_attempt_at <= now()
            and (only_collection is null or one.name = only_collection)
            and (only_index_id is null or state.index_id = only_index_id)
            -- Nobody pays for sentences of a recipe that never answered, unless told to fill it.
            and (
                recipe.context_model is null
                or recipe.activated_at is not null
                or state.index_id = only_index_id
            )
        order by state.next_attempt_at, state.document_id
    loop
        exit when taken >= wanted or characters > 2000000;
        -- The lock belongs to the session: it goes with a worker that is killed, and nobody who
        -- writes the document waits for it.
        continue when not pg_try_advisory_lock(
            ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
        );
        -- Read after the lock: another worker may have finished it in between.
        select
            state.index_id, document.id, document.version, document.source, document.title,
            document.media_type, document.content, document.page_starts
        into
            index_id, document_id, version, source, title, media_type, content, page_starts
        from ragpg.index_documents as state
        join ragpg.documents as document on document.id = state.document_id
        where state.index_id = waiting.index_id
            and state.document_id = waiting.document_id
            and state.pending_since is not null
            and state.next_attempt_at <= now();
        if not found then
            perform pg_advisory_unlock(
                ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
            );
            continue;
        end if;
        taken := taken + 1;
        characters := characters + char_length(content);
        return next;
    end loop;
end
$$;
comment on function ragpg_internal.claim_documents(integer, text, bigint) is
'Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg_internal.release_document or ends. Those of a contextual search index that was never activated only when it is named.';

-- The advisory lock that stands for one document in one search index.
create or replace function ragpg_internal.claim_key(
    index_id bigint, document_id bigint
) returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended(format('ragpg.index_documents %s %s', index_id, document_id), 0);
end;
comment on function ragpg_internal.claim_key(bigint, bigint) is
'Returns the key of the advisory lock a worker holds while it indexes a document.';

-- What is in each collection, and is it all indexed?
create or replace view ragpg.collection_status with (security_invoker = true) as
select
    one.name as collection,
    one.description,
    count(document.id) as documents,
    count(document.id) filter (where state.document_version is distinct from document.version)
        as pending_documents,
    coalesce(sum(state.chunk_count), 0) as chunks,
    coalesce(sum(char_length(document.content)), 0) as characters,
    max(document.updated_at) as last_changed_at,
    max(state.indexed_at) as last_indexed_at,
    model.name as embedding_model,
    recipe.id as active_index_id,
    recipe.chunk_tokens,
    recipe.language
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
left join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.documents as document on document.collection_id = one.id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = recipe.id
group by one.id, recipe.id, model.id;
comment on view ragpg.collection_status is
'A row per collection: how much is in it, how much of it waits to be indexed, by which recipe it is searched.';
comment on column ragpg.collection_status.collection is 'Name of the collection.';
comment on column ragpg.collection_status.description is 'What it holds, for people.';
comment on column ragpg.collection_status.documents is 'Documents stored.';
comment on column ragpg.collection_status.pending_documents is
'Documents whose newest version is not indexed yet: searches do not see it.';
comment on column ragpg.collection_status.chunks is 'Chunks of the active search index.';
comment on column ragpg.collection_status.characters is 'Characters of all documents.';
comment on column ragpg.collection_status.last_changed_at is 'When a document last changed.';
comment on column ragpg.collection_status.last_indexed_at is 'When a document was last indexed.';
comment on column ragpg.collection_status.embedding_model is 'Model of the active search index.';
comment on column ragpg.collection_status.active_index_id is 'The search index that answers.';
comment on column ragpg.collection_status.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.collection_status.language is 'Text-search configuration of the word leg.';

-- What did the sentences of context take and cost, and why has a chunk none?
create or replace view ragpg.context_costs with (security_invoker = true) as
select
    one.name as collection,
    written.model,
    written.batch_id is not null as in_batch,
    count(*) as asked,
    count(*) filter (where written.sentence <> '') as sentences,
    count(*) filter (where written.sentence is null) as open,
    count(*) filter (where written.problem = 'refused') as refused,
    count(*) filter (where written.problem = 'empty') as empty,
    count(*) filter (where written.problem = 'cut') as cut,
    count(*) filter (where written.problem = 'too long') as too_long,
    sum(written.input_tokens) as input_tokens,
    sum(written.output_tokens) as output_tokens,
    sum(written.cache_read_tokens) as cache_read_tokens,
    sum(written.cache_creation_tokens) as cache_creation_tokens,
    sum(
        (
            written.input_tokens * price.input_price
            + written.output_tokens * price.output_price
            + written.cache_read_tokens * price.cache_read_price
            -- A batch keeps its cache for an hour, at twice the price of what is read, and costs
            -- half: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
            + written.cache_creation_tokens
                * case
                    when written.batch_id is null then price.cache_creation_price
                    else 2 * price.input_price
                end
        ) / case when written.batch_id is null then 1 else 2 end
    ) / 1000000 as cost,
    min(written.created_at) as first_at,
    max(written.created_at) as last_at
from ragpg.chunk_contexts as written
join ragpg.collections as one on one.id = written.collection_id
left join ragpg.model_prices as price on price.model = written.model
group by one.name, written.model, written.batch_id is not null;
comment on view ragpg.context_costs is
'A row per collection, model and way of asking: sentences of context written, those that failed and why, tokens, and their cost by ragpg.model_prices. Erased and pruned ones are not counted.';
comment on column ragpg.context_costs.collection is 'Name of the collection.';
comment on column ragpg.context_costs.model is 'The language model.';
comment on column ragpg.context_costs.in_batch is 'Whether it was asked through the Message Batches API, at half the price.';
comment on column ragpg.context_costs.asked is 'Chunks it was asked about.';
comment on column ragpg.context_costs.sentences is 'Sentences it wrote.';
comment on column ragpg.context_costs.open is 'Those that a batch under way shall bring.';
comment on column ragpg.context_costs.refused is 'Chunks it declined to write about: they have no sentence.';
comment on column ragpg.context_costs.empty is 'Chunks it wrote nothing about.';
comment on column ragpg.context_costs.cut is 'Chunks whose sentence did not come to an end.';
comment on column ragpg.context_costs.too_long is 'Chunks about which it wrote more than a chunk can hold.';
comment on column ragpg.context_costs.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.context_costs.output_tokens is 'Tokens written.';
comment on column ragpg.context_costs.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.context_costs.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.context_costs.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';
comment on column ragpg.context_costs.first_at is 'When it was first asked.';
comment on column ragpg.context_costs.last_at is 'When it was last asked.';

-- How many chunks have a sentence of context that a model wrote?
create or replace view ragpg.contextual_indexes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.context_model,
    recipe.context_tokens,
    count(chunk.id) as chunks,
    count(chunk.id) filter (where chunk.generated_chars > 0) as chunks_with_sentence,
    round(avg(chunk.generated_chars) filter (where chunk.generated_chars > 0)) as mean_chars
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
left join ragpg.chunks as chunk on chunk.index_id = recipe.id
where recipe.context_model is not null
group by one.id, recipe.id;
comment on view ragpg.contextual_indexes is
'A row per search index whose chunks get a sentence of context by a language model. It counts chunks, so it takes a scan.';
comment on column ragpg.contextual_indexes.collection is 'Name of the collection.';
comment on column ragpg.contextual_indexes.index_id is 'The search index.';
comment on column ragpg.contextual_indexes.active is 'Whether it answers searches.';
comment on column ragpg.contextual_indexes.context_model is 'The language model.';
comment on column ragpg.contextual_indexes.context_tokens is 'Tokens of a chunk kept free for its sentence.';
comment on column ragpg.contextual_indexes.chunks is 'Its chunks.';
comment on column ragpg.contextual_indexes.chunks_with_sentence is 'Those with a sentence.';
comment on column ragpg.contextual_indexes.mean_chars is 'Mean characters of a sentence.';

-- What does ranking need to know of a search index, or of one tenant's part of it?
create or replace function ragpg_internal.count_chunks(index_id bigint, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    counted constant text := format(
        'chunk.index_id = %s%s',
        count_chunks.index_id,
        case when tenant = '' then '' else format(' and chunk.tenant = %L', tenant) end
    );
begin
    execute format(
        'insert into ragpg.index_statistics as known ('
        '  index_id, tenant, chunk_count, mean_length, embedding_sample, document_sample,'
        '  languages, refreshed_at)'
        ' select $1, $2, count(*), coalesce(avg(chunk.lexeme_count), 0),'
        '  (select coalesce(array_agg(drawn.embedding), ''{}'')'
        '   from (select chunk.embedding from ragpg.chunks as chunk where %1$s'
        -- Drawn by hash, not by random(): the same chunks give the same ranking.
        '    order by hashint8extended(chunk.id, 0) limit 256) as drawn),'
        '  array(select chunk.document_id from ragpg.chunks as chunk where %1$s'
        '   and chunk.ordinal = 0 order by hashint8extended(chunk.document_id, 0) limit 400),'
        '  coalesce(array_agg(distinct chunk.language), ''{}''), clock_timestamp()'
        ' from ragpg.chunks as chunk where %1$s'
        ' on conflict on constraint index_statistics_pkey do update'
        ' set chunk_count = excluded.chunk_count, mean_length = excluded.mean_length,'
        '  embedding_sample = excluded.embedding_sample,'
        '  document_sample = excluded.document_sample, languages = excluded.languages,'
        '  refreshed_at = excluded.refreshed_at',
        counted
    )
    using count_chunks.index_id, count_chunks.tenant;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat('select chunk.lexemes from ragpg.chunks as chunk where ' || counted) as word
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = count_chunks.index_id
            and known.tenant = count_chunks.tenant
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, tenant, lexeme, chunk_count, occurrence_count
    )
    select count_chunks.index_id, count_chunks.tenant, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
end
$$;
revoke execute on function ragpg_internal.count_chunks(bigint, text) from public;
comment on function ragpg_internal.count_chunks(bigint, text) is
'Counts the words and samples the embeddings that ranking uses, of one tenant''s chunks of a search index; of all of them when the tenant is empty. Part of ragpg.refresh_search_index.';

-- Which tenants' words are to be counted again?
create or replace function ragpg_internal.count_tenants(
    index_id bigint, force boolean
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    changed_tenant text;
    done integer := 0;
begin
    if not ragpg_internal.tenants_enabled() then
        return 0;
    end if;
    delete from ragpg.lexeme_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    delete from ragpg.index_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    -- The rule of refresh_search_index, for each of them: what did not change costs nothing.
    for changed_tenant in
        select held.tenant
        from (
            select
                state.tenant, known.refreshed_at, sum(state.chunk_count) as total,
                greatest(
                    coalesce(
                        sum(state.chunk_count) filter (where state.indexed_at > known.refreshed_at),
                        0
                    ),
                    abs(sum(state.chunk_count) - coalesce(known.chunk_count, 0))
                ) as changed
            from ragpg.index_documents as state
            left join ragpg.index_statistics as known
                on known.index_id = state.index_id and known.tenant = state.tenant
            where state.index_id = count_tenants.index_id and state.tenant <> ''
            group by state.tenant, known.refreshed_at, known.chunk_count
        ) as held
        where held.refreshed_at is null
            or held.changed > 0
            and (force or held.total <= 20000 or held.changed >= held.total / 50)
    loop
        perform ragpg_internal.count_chunks(count_tenants.index_id, changed_tenant);
        done := done + 1;
    end loop;
    return done;
end
$$;
revoke execute on function ragpg_internal.count_tenants(bigint, boolean) from public;
comment on function ragpg_internal.count_tenants(bigint, boolean) is
'Counts anew, while tenants are on, for each tenant of whose chunks enough changed (or, with force, any); forgets the counts of tenants that are gone. Returns how many were counted. Part of ragpg.refresh_search_index.';

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english',
    context_model text default null,
    context_tokens integer default 0
) returns bigint
language plpgsql volatile
-- Security definer: a partition is the one piece of DDL of daily work, and a role that may
-- write documents should not need to own the tables. Execute is revoked from public.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg_internal.check_shared('collection ' || collection)
    from ragpg.collections as one
    where one.id = parent_id and one.active_index_id is not null;
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    if ragpg_internal.tenants_enabled() then
        perform ragpg_internal.protect_table(format('ragpg.%I', 'chunks_' || new_id)::regclass, true);
    end if;
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    insert into ragpg.index_documents (index_id, document_id, pending_since, tenant)
    select new_id, document.id, now(), document.tenant
    from ragpg.documents as document
    where document.collection_id = parent_id;
    notify ragpg_documents;
    return new_id;
end
$$;
revoke execute on function
ragpg.create_search_index(text, bigint, integer, integer, text, text, integer)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money.';

-- Which chunks end within a sentence?
create or replace function ragpg_internal.cut_chunks(collection text default null)
returns table (chunk_id bigint, document_id bigint, content text)
language sql stable
begin atomic
    select ended.id, ended.document_id, ended.content
    from (
        select
            chunk.id, chunk.document_id, chunk.content, chunk.end_char,
            lead(chunk.start_char) over (
                partition by chunk.document_id order by chunk.ordinal
            ) as next_start
        from ragpg.chunks as chunk
        join ragpg.collections as one on one.active_index_id = chunk.index_id
        where one.id = ragpg.collection_id(cut_chunks.collection)
    ) as ended
    join ragpg.documents as document on document.id = ended.document_id
    where ended.next_start is not null
        and right(ended.content, 8) !~ '[.!?:;…؟।。！？；：|>}][\u0022\u0027)\]*_`”’»）」』]*$'
        -- Between lines is no sentence; the character after the chunk tells.
        and ended.next_start <= ended.end_char + 2
        and substr(document.content, ended.end_char + 1, 2) !~ '^\s*\n';
end;
comment on function ragpg_internal.cut_chunks(text) is
'Returns the chunks of a collection''s active search index that end within a sentence or a word: what they hold was longer than the window.';

-- Takes a document and its chunks away; its last version stays in document_versions.
create or replace function ragpg.delete_document(collection text, source text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(delete_document.collection)
        and document.tenant = ragpg_internal.written_tenant()
        and document.source = delete_document.source;
    return found;
end
$$;
comment on function ragpg.delete_document(text, text) is
'Deletes a document and its chunks and returns whether there was one. Its text stays in document_versions, for the citations that point at it.';

-- What is no longer there, below these paths? It goes, unless that is suspiciously much.
create or replace function ragpg.delete_vanished(
    collection text,
    paths text[],
    kept text[],
    unread text[] default '{}',
    max_share double precision default 0.2,
    few bigint default 0,
    dry_run boolean default false
) returns table (candidates bigint, vanished text[])
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(delete_vanished.collection);
    ids bigint[];
begin
    if max_share is null or max_share < 0 or max_share > 1 then
        raise exception 'max_share is a share between 0 and 1, not %', coalesce(max_share::text, 'null')
            using errcode = 'RG005';
    end if;
    with placed as materialized (
        select document.id, document.source, place.path
        from ragpg.documents as document
        cross join ragpg_internal.source_paths(document.source) as place(path)
        where document.collection_id = parent_id
            and document.tenant = ragpg_internal.written_tenant()
    ),
    candidate as materialized (
        select distinct placed.id, placed.source
        from placed
        where placed.path in (select rtrim(given.path, '/') from unnest(paths) as given(path))
    ),
    unsure as (
        select placed.id
        from placed
        where placed.path in (select rtrim(one.path, '/') from unnest(unread) as one(path))
    ),
    gone as (
        select candidate.id, candidate.source
        from candidate
        where not exists (
            select from unnest(kept) as one(source) where one.source = candidate.source
        )
            and not exists (select from unsure where unsure.id = candidate.id)
    )
    select
        (select count(*) from candidate),
        coalesce(array_agg(gone.source order by gone.source), '{}'),
        coalesce(array_agg(gone.id), '{}')
    into candidates, vanished, ids
    from gone;
    if cardinality(vanished) > greatest(max_share * candidates, few) then
        raise exception '% of % documents would be deleted, more than %',
            cardinality(vanished), candidates, round((max_share * 100)::numeric, 1)::float || ' %'
            using errcode = 'RG012',
                hint = 'look whether the folder is the right one and complete; to delete them all'
                    ' the same: ragpg add --sync --delete-many, max_deleted_share=1 in Python,'
                    ' max_share => 1 in SQL';
    end if;
    if not dry_run then
        delete from ragpg.documents as document where document.id = any(ids);
    end if;
    return next;
end
$$;
comment on function ragpg.delete_vanished(text, text[], text[], text[], double precision, bigint, boolean)
is
'Deletes the documents whose source is one of the paths or lies below one (after / or #) and is not among kept; returns how many lie there and the sources that went. What is one of the unread paths or below one stays: it could not be looked at. Raises RG012, deleting nothing, when more than max_share of them would go, and more than few. dry_run deletes nothing. Their last versions stay in document_versions.';

-- What did a document say, and when?
create or replace view ragpg.document_history with (security_invoker = true) as
select
    one.name as collection,
    version.source,
    version.version,
    version.title,
    version.valid_from,
    version.valid_to,
    char_length(version.content) as characters,
    (
        select count(*)
        from ragpg.citations as cited
        where cited.document_id = version.document_id
            and cited.document_version = version.version
    ) as citations,
    version.document_id
from (
    select
        document.collection_id, document.source, document.version, document.title,
        document.updated_at as valid_from, null::timestamptz as valid_to, document.content,
        document.id as document_id
    from ragpg.documents as document
    union all
    select
        earlier.collection_id, earlier.source, earlier.version, earlier.title,
        earlier.valid_from, earlier.valid_to, earlier.content, earlier.document_id
    from ragpg.document_versions as earlier
) as version
join ragpg.collections as one on one.id = version.collection_id;
comment on view ragpg.document_history is
'A row per version of every document, deleted ones too; ragpg.document_text(document_id, version) gives its text.';
comment on column ragpg.document_history.collection is 'Name of the collection.';
comment on column ragpg.document_history.source is 'The document''s source then.';
comment on column ragpg.document_history.version is 'Which version.';
comment on column ragpg.document_history.title is 'Its title then.';
comment on column ragpg.document_history.valid_from is 'Since when it was current.';
comment on column ragpg.document_history.valid_to is 'Until when; null when it is current.';
comment on column ragpg.document_history.characters is 'Length of its text.';
comment on column ragpg.document_history.citations is 'Citations that point at it.';
comment on column ragpg.document_history.document_id is 'The document.';

-- By which text-search configuration is this document's word search done?
create or replace function ragpg_internal.document_language(
    language text, metadata jsonb, content text
)
returns text
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    said text := lower(metadata ->> 'language');
begin
    if language <> 'auto' then
        return language;
    end if;
    select iso.name into said
    from (
        values
            ('ar', 'arabic'), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
            ('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('et', 'estonian'),
            ('fi', 'finnish'), ('fr', 'french'), ('de', 'german'), ('el', 'greek'),
            ('hi', 'hindi'), ('hu', 'hungarian'), ('id', 'indonesian'), ('ga', 'irish'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('ne', 'nepali'), ('nb', 'norwegian'),
            ('nn', 'norwegian'), ('no', 'norwegian'), ('pl', 'polish'), ('pt', 'portuguese'),
            ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('es', 'spanish'),
            ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
    ) as iso (code, name)
    where said in (iso.code, iso.name) or said like iso.code || '-%' or said like iso.code || '\_%';
    return coalesce(
        (
            select configuration.cfgname::text
            from unnest(array[said, ragpg.text_language(content)]) with ordinality
                as candidate (name, place)
            join pg_catalog.pg_ts_config as configuration on configuration.cfgname = candidate.name
            where pg_ts_config_is_visible(configuration.oid)
            order by candidate.place
            limit 1
        ),
        'simple'
    );
end
$$;
comment on function ragpg_internal.document_language(text, jsonb, text) is
'Returns the search index''s language, unless that is auto: then the one the metadata name under language (english, en or en-GB), else the one the text shows (ragpg.text_language), where Postgres has a configuration for it; else simple.';

-- Which documents are there, and is each one indexed as it is now?
create or replace view ragpg.document_status with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.title,
    document.media_type,
    document.metadata,
    document.version,
    char_length(document.content) as characters,
    state.chunk_count as chunks,
    document.version is not distinct from state.document_version as indexed,
    document.created_at,
    document.updated_at,
    state.indexed_at,
    document.source_hash,
    document.id as document_id
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = one.active_index_id;
comment on view ragpg.document_status is 'A row per document, with whether its newest version is indexed.';
comment on column ragpg.document_status.collection is 'Name of the collection.';
comment on column ragpg.document_status.source is 'The document''s source.';
comment on column ragpg.document_status.title is 'Its title.';
comment on column ragpg.document_status.media_type is 'What the source was.';
comment on column ragpg.document_status.metadata is 'Its metadata.';
comment on column ragpg.document_status.version is 'Its newest version.';
comment on column ragpg.document_status.characters is 'Length of its text.';
comment on column ragpg.document_status.chunks is 'Chunks in the active search index.';
comment on column ragpg.document_status.indexed is 'Whether the newest version is what searches see.';
comment on column ragpg.document_status.created_at is 'When it was first stored.';
comment on column ragpg.document_status.updated_at is 'When its newest version was stored.';
comment on column ragpg.document_status.indexed_at is 'When it was last indexed.';
comment on column ragpg.document_status.source_hash is 'Hash of the bytes it was read from.';
comment on column ragpg.document_status.document_id is 'Its id.';

-- What did version n of a document say?
create or replace function ragpg.document_text(document_id bigint, version integer default null)
returns text
language sql stable
begin atomic
    select coalesce(
        (
            select document.content
            from ragpg.documents as document
            where document.id = document_text.document_id
                and document.version = coalesce(document_text.version, document.version)
        ),
        (
            select earlier.content
            from ragpg.document_versions as earlier
            where earlier.document_id = document_text.document_id
                and earlier.version = document_text.version
        )
    );
end;
comment on function ragpg.document_text(bigint, integer) is
'Returns the text of a document, the newest or the given version; null when there is none.';

-- Takes a collection away with everything that belongs to it.
create or replace function ragpg.drop_collection(collection text) returns bigint
language plpgsql volatile
-- Security definer: the partitions are dropped, which takes their owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    gone_id bigint := ragpg.collection_id(drop_collection.collection);
    documents_gone bigint;
    recipe_id bigint;
begin
    perform ragpg_internal.check_shared('collection ' || drop_collection.collection);
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || drop_collection.collection);
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = gone_id
    loop
        execute format('drop table ragpg.%I', 'chunks_' || recipe_id);
    end loop;
    select count(*) into documents_gone
    from ragpg.documents as document
    where document.collection_id = gone_id;
    update ragpg.collections as one set active_index_id = null where one.id = gone_id;
    delete from ragpg.collections as one where one.id = gone_id;
    delete from ragpg.document_versions as earlier where earlier.collection_id = gone_id;
    return documents_gone;
end
$$;
revoke execute on function ragpg.drop_collection(text) from public;
comment on function ragpg.drop_collection(text) is
'Drops a collection with its documents, all their versions, chunks, search indexes and answers, and returns how many documents went.';

-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    perform ragpg_internal.check_shared('search index ' || drop_search_index.index_id);
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint) from public;
comment on function ragpg.drop_search_index(bigint) is
'Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.';

-- What did the embedding model read of this chunk?
create or replace function ragpg_internal.embedded_text(
    title text, context text, content text, ordinal integer
) returns text
language sql immutable
begin atomic
    -- Words are searched in the title with every chunk; embedded it is with the first one only.
    select case
        when embedded_text.ordinal = 0 then embedded_text.context
        when embedded_text.context = plain.title then ''
        when starts_with(embedded_text.context, plain.title || ' > ')
            then substr(embedded_text.context, char_length(plain.title) + 4)
        when starts_with(embedded_text.context, plain.title || E'\n')
            then substr(embedded_text.context, char_length(plain.title) + 2)
        else embedded_text.context
    end || E'\n' || embedded_text.content
    from (select btrim(regexp_replace(embedded_text.title, '\s+', ' ', 'g')) as title) as plain;
end;
comment on function ragpg_internal.embedded_text(text, text, text, integer) is
'Returns the text that is embedded for a chunk: its context, without the document''s title unless it is the first (ordinal 0), and its content.';

-- Makes sure that a collection exists.
create or replace function ragpg_internal.ensure_collection(name text, description text default '')
returns bigint
language sql volatile
begin atomic
    insert into ragpg.collections (name, description)
    values (ensure_collection.name, ensure_collection.description)
    on conflict do nothing;
    select one.id
    from ragpg.collections as one
    where one.name = ensure_collection.name;
end;
comment on function ragpg_internal.ensure_collection(text, text) is
'Returns the id of the collection of that name, making it when it is new.';

-- The search index to write to: the active one, made when the collection is new.
create or replace function ragpg_internal.ensure_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    found_id bigint;
    found_model bigint;
    names text[];
begin
    -- Two first writers at once: the second waits here and finds what the first made.
    perform pg_advisory_xact_lock(hashtext('ragpg_internal.ensure_search_index'), hashtext(collection));
    perform ragpg_internal.ensure_collection(collection);
    select recipe.id, recipe.embedding_model_id into found_id, found_model
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    where one.name = collection;
    if found_id is null then
        found_id := ragpg.create_search_index(
            collection, embedding_model_id, chunk_tokens, overlap_tokens, language
        );
        perform ragpg.activate_search_index(found_id);
    elsif found_model <> embedding_model_id then
        select array_agg(format('%s (%s dimensions)', model.name, model.dimensions) order by model.id = found_model)
        into names
        from ragpg.embedding_models as model
        where model.id in (found_model, embedding_model_id);
        raise exception 'the collection "%" was embedded with %, not with %', collection, names[2], names[1]
            using errcode = 'RG008',
                hint = 'set that model again, or use another collection for the new one';
    end if;
    return found_id;
end
$$;
comment on function ragpg_internal.ensure_search_index(text, bigint, integer, integer, text) is
'Returns the id of the collection''s active search index; makes collection, index and partition when they are new; raises RG008 when it was built with another embedding model.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- A batch is over: what did it not write?
create or replace function ragpg_internal.finish_context_batch(
    batch_id bigint, error text default null
)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    left_over bigint;
begin
    delete from ragpg.chunk_contexts as written
    where written.batch_id = finish_context_batch.batch_id and written.sentence is null;
    get diagnostics left_over = row_count;
    update ragpg.context_batches as batch
    set state = 'ended', error = finish_context_batch.error, ended_at = clock_timestamp()
    where batch.id = finish_context_batch.batch_id;
    return left_over;
end
$$;
comment on function ragpg_internal.finish_context_batch(bigint, text) is
'Ends a batch whose results are stored: what it left unwritten may be asked again. Returns how many sentences that are; error says why.';

-- How large is each search index, and are its statistics fresh?
create or replace view ragpg.index_health with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.state,
    model.name as embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count as counted_chunks,
    statistics.refreshed_at,
    pg_table_size(partition.relation) as table_bytes,
    pg_indexes_size(partition.relation) as index_bytes,
    coalesce(
        (
            select bool_and(part.indisvalid)
            from pg_index as part
            where part.indrelid = partition.relation
        ),
        false
    ) as indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at,
    recipe.ef_search,
    pg_relation_size(partition.vector_index) as vector_index_bytes,
    pg_relation_size(partition.vector_index)::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    pg_stat_get_dead_tuples(partition.relation) as dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at,
    recipe.context_model
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics
    on statistics.index_id = recipe.id
    and statistics.tenant = (select ragpg_internal.counted_tenant())
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0) as chunks,
        count(state.document_version) as documents,
        count(state.pending_since) as pending_documents,
        count(state.error) as failed_documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation,
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id || '_embedding_hnsw')) as vector_index
) as partition
left join lateral (
    select known.recall, known.measured_at
    from ragpg.recall_measurements as known
    where known.index_id = recipe.id
    order by known.measured_at desc
    limit 1
) as measured on true;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building (first load, vector index not there yet) or ready.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents it holds.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';
comment on column ragpg.index_health.pending_documents is
'Documents whose newest version it does not hold yet.';
comment on column ragpg.index_health.failed_documents is
'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.index_health.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.index_health.language is 'Text-search configuration of the word leg.';
comment on column ragpg.index_health.created_at is 'When the recipe was made.';
comment on column ragpg.index_health.activated_at is 'When it last began to answer searches.';
comment on column ragpg.index_health.ef_search is 'Least hnsw.ef_search of its scans: ragpg.tune_ef_search.';
comment on column ragpg.index_health.vector_index_bytes is 'Bytes of the vector index; null: there is none yet.';
comment on column ragpg.index_health.share_of_buffers is
'Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.';
comment on column ragpg.index_health.dead_chunks is 'Dead rows that the next vacuum takes away, estimated.';
comment on column ragpg.index_health.recall is 'Recall when it was last measured: ragpg.measure_recall.';
comment on column ragpg.index_health.recall_measured_at is 'When that was.';
comment on column ragpg.index_health.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';

-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    stored jsonb,
    collection text,
    source_column text,
    content_column text,
    title_column text,
    metadata_columns text,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(stored ->> source_column, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(stored ->> content_column, '') !~ '\S' then
        perform ragpg.delete_document(collection, stored ->> source_column);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => stored ->> source_column,
        content => stored ->> content_column,
        title => coalesce(stored ->> nullif(title_column, ''), ''),
        media_type => index_row.media_type,
        metadata => (
            select coalesce(jsonb_object_agg(wanted.name, stored -> wanted.name), '{}')
            from unnest(metadata_columns::text[]) as wanted (name)
        )
    );
end
$$;
comment on function ragpg_internal.index_row(jsonb, text, text, text, text, text, text) is
'Stores a row, as jsonb, as a document of a collection; one without content is deleted. For ragpg.index_table.';

-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    arguments text := format(
        '%L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type
    );
    missing text;
    rows_done bigint;
begin
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    execute format(
        'select count(*) from (select ragpg_internal.index_row(to_jsonb(stored), %s) from %s as stored'
        ' offset 0) as done',
        arguments, table_name
    )
    into rows_done;
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner; the owner of schema ragpg must be able to read it.';

-- Trigger: what happened to a table that is indexed?
create or replace function ragpg_internal.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.tenant = ragpg_internal.written_tenant()'
            ' and document.source = stored.%I::text',
            tg_relid::regclass, tg_argv[1]
        )
        using tg_argv[0];
        return null;
    end if;
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE'
        and to_jsonb(old) ->> tg_argv[1] is distinct from to_jsonb(new) ->> tg_argv[1]
    then
        perform ragpg.delete_document(tg_argv[0], to_jsonb(old) ->> tg_argv[1]);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(
            to_jsonb(new), tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4], tg_argv[5]
        );
    end if;
    return null;
end
$$;
revoke execute on function ragpg_internal.index_table_row() from public;
comment on function ragpg_internal.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';

-- Which tables of one's own are collections?
create or replace view ragpg.indexed_tables with (security_invoker = true) as
select
    trigger.tgrelid::regclass as table_name,
    convert_from(argument.list[1], 'utf8') as collection,
    convert_from(argument.list[2], 'utf8') as source_column,
    convert_from(argument.list[3], 'utf8') as content_column,
    nullif(convert_from(argument.list[4], 'utf8'), '') as title_column,
    convert_from(argument.list[5], 'utf8')::text[] as metadata_columns,
    convert_from(argument.list[6], 'utf8') as media_type
from pg_trigger as trigger
cross join lateral (
    -- pg_trigger keeps arguments as bytes with a zero after each.
    select array_agg(decode(part, 'hex') order by place) as list
    from regexp_split_to_table(
        regexp_replace(encode(trigger.tgargs, 'hex'), '(..)', '\1 ', 'g'), '00 '
    ) with ordinality as cut (part, place)
) as argument
where trigger.tgfoid = 'ragpg_internal.index_table_row'::regproc
    and trigger.tgtype & 1 = 1;
comment on view ragpg.indexed_tables is
'A row per table that ragpg.index_table keeps in step with a collection.';
comment on column ragpg.indexed_tables.table_name is 'The table.';
comment on column ragpg.indexed_tables.collection is 'Name of the collection.';
comment on column ragpg.indexed_tables.source_column is 'The column that gives a document''s source.';
comment on column ragpg.indexed_tables.content_column is 'The column that gives its text.';
comment on column ragpg.indexed_tables.title_column is 'The column that gives its title, if any.';
comment on column ragpg.indexed_tables.metadata_columns is 'The columns that become its metadata.';
comment on column ragpg.indexed_tables.media_type is 'How the text is read, such as text/markdown.';

-- What is stored but not yet searchable, and why?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    coalesce(state.pending_since, document.updated_at) as waiting_since,
    document.id as document_id,
    recipe.id as index_id,
    recipe.id is not distinct from one.active_index_id as active,
    coalesce(state.attempts, 0) as attempts,
    state.error,
    state.next_attempt_at
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.search_indexes as recipe on recipe.collection_id = one.id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = recipe.id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'A row per document and search index that does not hold its newest version: written by SQL and not picked up by a worker yet, left by an ingest that was stopped, or failing (error).';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version this search index holds; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';
comment on column ragpg.ingest_queue.index_id is 'The search index; null when the collection has none yet.';
comment on column ragpg.ingest_queue.active is 'Whether searches use that index.';
comment on column ragpg.ingest_queue.attempts is 'How often indexing this version failed.';
comment on column ragpg.ingest_queue.error is 'What the last attempt said.';
comment on column ragpg.ingest_queue.next_attempt_at is 'When workers try next.';

-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg_internal.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata, old.page_starts)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata, new.page_starts)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        page_starts, valid_from, valid_to, tenant
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.page_starts, old.updated_at, greatest(old.updated_at, now()),
        old.tenant
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$$;
comment on function ragpg_internal.keep_document_version() is
'Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.';

-- On which page is a character of version n of a document?
create or replace function ragpg_internal.page_at(
    document_id bigint, version integer, start_char integer
)
returns integer
language sql stable
begin atomic
    select width_bucket(page_at.start_char, nullif(stored.page_starts, '{}'))
    from (
        select document.version, document.page_starts
        from ragpg.documents as document
        where document.id = page_at.document_id
        union all
        select earlier.version, earlier.page_starts
        from ragpg.document_versions as earlier
        where earlier.document_id = page_at.document_id
    ) as stored
    where stored.version = page_at.version;
end;
comment on function ragpg_internal.page_at(bigint, integer, integer) is
'Returns the page (slide, sheet), from 1, that holds a character, counted from 0, of that version of a document; null when it has no pages.';

-- Forgets old versions, except those an answer cites.
create or replace function ragpg.prune_versions(older_than interval, collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.document_versions as earlier
    where earlier.valid_to < now() - older_than
        and (
            prune_versions.collection is null
            or earlier.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.citations as cited
            where cited.document_id = earlier.document_id
                and cited.document_version = earlier.version
        );
    get diagnostics gone = row_count;
    -- Sentences about texts that nothing holds any more; fresh ones may belong to a document that
    -- is being stored, open ones to a batch.
    delete from ragpg.chunk_contexts as written
    where written.created_at < now() - interval '1 day'
        and written.sentence is not null
        and (
            prune_versions.collection is null
            or written.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.documents as document
            where document.collection_id = written.collection_id
                and document.content_hash = written.document_hash
        )
        and not exists (
            select
            from ragpg.document_versions as earlier
            where earlier.collection_id = written.collection_id
                and ragpg_internal.hash_text(earlier.content) = written.document_hash
        );
    return gone;
end
$$;
comment on function ragpg.prune_versions(interval, text) is
'Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay. Sentences a model wrote about texts that are gone go, too.';

-- Stores a document: new, changed or as it was.
create or replace function ragpg.put_document(
    collection text,
    source text,
    content text,
    title text default '',
    media_type text default 'text/plain',
    metadata jsonb default '{}',
    source_hash bytea default null,
    page_starts integer[] default '{}'
) returns table (document_id bigint, version integer, outcome text)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg_internal.ensure_collection(put_document.collection);
    old_version integer;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash, page_starts,
        tenant
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash,
        put_document.page_starts, owner_name
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash,
            page_starts = put_document.page_starts
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea, integer[]) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. A worker (ragpg worker) makes its chunks; until then it is in the view ingest_queue. page_starts are the characters, from 0, at which its pages begin.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg_internal.put_embedded_documents(
    index_id bigint,
    sources text[],
    contents text[],
    titles text[],
    media_types text[],
    metadata jsonb[],
    source_hashes bytea[],
    embeddings halfvec[]
) returns table (source text, outcome text)
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after all this and finds the versions indexed.
    return query
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.embedding
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes, embeddings
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, embedding, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash, tenant
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash, owner_name
        from given
        on conflict on constraint documents_collection_id_tenant_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    emptied as (
        delete from ragpg.chunks as chunk
        using stored
        where chunk.index_id = recipe.id
            and chunk.document_id = stored.id
            and stored.version > 1
            and chunk.ordinal > 0
    ),
    written as (
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, ragpg_internal.document_language(recipe.language, given.metadata, given.content),
            given.title, given.content, '', given.embedding, owner_name
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            embedding = excluded.embedding,
            generated_chars = 0
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at, tenant
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp(), owner_name
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select stored.source, case stored.version when 1 then 'added' else 'updated' end
    from stored;
end
$$;
comment on function ragpg_internal.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg_internal.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.index_documents as state (index_id, document_id, pending_since, tenant)
    select recipe.id, written.id, now(), written.tenant
    from written
    join ragpg.search_indexes as recipe on recipe.collection_id = written.collection_id
    left join ragpg.index_documents as known
        on known.index_id = recipe.id and known.document_id = written.id
    where known.document_version is distinct from written.version
    on conflict on constraint index_documents_pkey do update
    set pending_since = coalesce(state.pending_since, excluded.pending_since),
        attempts = 0,
        error = null,
        next_attempt_at = default;
    notify ragpg_documents;
    return null;
end
$$;
comment on function ragpg_internal.queue_documents() is
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told.';

-- Which search index is meant?
create or replace function ragpg_internal.recipe_of(collection text, index_id bigint)
returns ragpg.search_indexes
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = coalesce(
        recipe_of.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            -- Not asked when the id is given.
            where recipe_of.index_id is null and one.id = ragpg.collection_id(recipe_of.collection)
        )
    );
    if recipe.id is null then
        raise exception 'there is no search index %',
            coalesce(recipe_of.index_id::text, 'of ' || collection, '')
            using errcode = 'RG010', hint = 'view index_health lists them';
    end if;
    return recipe;
end
$$;
comment on function ragpg_internal.recipe_of(text, bigint) is
'Returns the search index of that id, else the active one of the collection. Raises RG010 when there is none.';

-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    partition_name text := 'chunks_' || refresh_search_index.index_id;
    recipe ragpg.search_indexes;
    dimensions integer;
    counted_at timestamptz;
    counted bigint;
    total bigint;
    changed bigint;
begin
    -- One at a time per search index; a second caller waits and then finds little to do.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(refresh_search_index.index_id::text)
    );
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = refresh_search_index.index_id;
    select model.dimensions into dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    select known.refreshed_at, known.chunk_count into counted_at, counted
    from ragpg.index_statistics as known
    where known.index_id = refresh_search_index.index_id and known.tenant = '';
    select
        coalesce(sum(state.chunk_count), 0),
        coalesce(sum(state.chunk_count) filter (where state.indexed_at > counted_at), 0)
    into total, changed
    from ragpg.index_documents as state
    where state.index_id = refresh_search_index.index_id;
    changed := greatest(changed, abs(total - coalesce(counted, 0)));
    -- Small indexes are counted every time; large ones when 2 % changed: df and N move BM25
    -- and the standard scores by less than that.
    if counted_at is not null and recipe.state = 'ready' and not force
        and (changed = 0 or (total > 20000 and changed < total / 50))
    then
        return ragpg_internal.count_tenants(refresh_search_index.index_id, force) > 0;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg_internal.build_vector_index(refresh_search_index.index_id, dimensions);
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    perform ragpg_internal.count_chunks(refresh_search_index.index_id, '');
    perform ragpg_internal.count_tenants(refresh_search_index.index_id, force);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';

-- A worker is done with a document: well, or with an error that is kept.
create or replace function ragpg_internal.release_document(
    index_id bigint, document_id bigint, document_version integer, error text default null
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if error is not null then
        -- 5 s, 10 s, 20 s ... up to an hour; a newer version does not wait.
        update ragpg.index_documents as state
        set attempts = state.attempts + 1,
            error = release_document.error,
            next_attempt_at = clock_timestamp()
                + least(5 * 2 ^ least(state.attempts, 20), 3600) * interval '1 second'
        from ragpg.documents as document
        where state.index_id = release_document.index_id
            and state.document_id = release_document.document_id
            and state.pending_since is not null
            and document.id = state.document_id
            and document.version = release_document.document_version;
    end if;
    perform pg_advisory_unlock(
        ragpg_internal.claim_key(release_document.index_id, release_document.document_id)
    );
end
$$;
comment on function ragpg_internal.release_document(bigint, bigint, integer, text) is
'Gives a claimed document back. With an error the document waits longer after each attempt (5 seconds doubled, at most an hour), and view ingest_queue shows it.';

-- The chunks of a document version, all at once.
create or replace function ragpg_internal.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[],
    generated_chars integer[] default null
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    owner_name text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata, document.tenant
    into body, page_starts, document_metadata, owner_name
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg_internal.document_language(recipe.language, document_metadata, body)
    into strict words_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);

    delete from ragpg.chunks as chunk
    where chunk.index_id = replace_chunks.index_id
        and chunk.document_id = replace_chunks.document_id;
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page,
        token_count, lexeme_count, language, context, content, lexemes, embedding, generated_chars,
        tenant
    )
    with blocks as materialized (
        select number, substr(body, number * block + 1, block + longest) as content
        from (select distinct start / block as number from unnest(starts) as start) as used
    )
    select
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        piece.place - 1, piece.start_char, piece.end_char,
        width_bucket(piece.start_char, page_starts), piece.token_count, 0,
        words_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding, coalesce(piece.generated_chars, 0), owner_name
    from unnest(
        starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
    ) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since, tenant
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null, owner_name
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$$;
comment on function ragpg_internal.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

-- The recipe before this one was better: back to it.
create or replace function ragpg.rollback_search_index(collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    earlier_id bigint;
begin
    select recipe.id into earlier_id
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where one.id = ragpg.collection_id(rollback_search_index.collection)
        and recipe.id <> one.active_index_id
        and recipe.activated_at is not null
    order by recipe.activated_at desc
    limit 1;
    if earlier_id is null then
        raise exception 'no other search index of this collection has been active'
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg.activate_search_index(earlier_id);
    return earlier_id;
end
$$;
comment on function ragpg.rollback_search_index(text) is
'Activates the search index that answered before the active one and returns its id. Raises RG010 when there is none.';

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg_internal.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := ragpg.text_lexemes(new.context || E'\n' || new.content, new.language);
    new.lexeme_count := coalesce(
        (
            select sum(cardinality(word.positions))
            from unnest(new.lexemes) as word
        ),
        0
    );
    return new;
end
$$;
comment on function ragpg_internal.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';

-- Which file and which folders does a source lie in? The file of a part comes before its #.
create or replace function ragpg_internal.source_paths(source text) returns setof text
language sql immutable parallel safe
begin atomic
    select source
    union all
    select left(source, regexp_instr(source, '[/#]', 1, nth) - 1)
    from generate_series(1, regexp_count(source, '[/#]')) as nth;
end;
comment on function ragpg_internal.source_paths(text) is
'Returns the source itself and everything before a / or # in it: of /srv/a.jsonl#7 also /srv/a.jsonl, /srv and the root (an empty text).';

-- Which sentences shall a batch write that no other writes yet?
create or replace function ragpg_internal.start_context_batch(
    collection text,
    model text,
    asked_hashes bytea[],
    document_hashes bytea[]
) returns table (batch_id bigint, asked_hash bytea)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(start_context_batch.collection);
    new_id bigint;
begin
    insert into ragpg.context_batches as batch (collection_id, model, request_count)
    values (parent_id, start_context_batch.model, 0)
    returning batch.id into new_id;
    -- Two at once: the second waits for the first's rows and leaves them to it.
    return query
    insert into ragpg.chunk_contexts as written (
        collection_id, asked_hash, document_hash, model, batch_id
    )
    select parent_id, wanted.asked_hash, wanted.document_hash, start_context_batch.model, new_id
    from unnest(asked_hashes, document_hashes) as wanted (asked_hash, document_hash)
    order by wanted.asked_hash
    on conflict do nothing
    returning new_id, written.asked_hash;
    update ragpg.context_batches as batch
    set request_count = (
        select count(*) from ragpg.chunk_contexts as written where written.batch_id = new_id
    )
    where batch.id = new_id;
    delete from ragpg.context_batches as batch
    where batch.id = new_id and batch.request_count = 0;
end
$$;
comment on function ragpg_internal.start_context_batch(text, text, bytea[], bytea[]) is
'Makes a row of ragpg.context_batches and reserves for it those of the asked sentences (arrays of equal length) that are neither written nor in another open batch; returns them with the batch''s id, no row when none is left. To be committed before the batch is submitted.';

-- A table of one's own is no collection any more.
create or replace function ragpg.stop_indexing_table(
    table_name regclass, collection text, delete_documents boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    followed ragpg.indexed_tables;
    gone bigint := 0;
begin
    select known.* into followed
    from ragpg.indexed_tables as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.tenant = ragpg_internal.written_tenant()'
            ' and document.source = stored.%I::text',
            table_name, followed.source_column
        )
        using collection;
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';

-- Which language is this text in?
create or replace function ragpg.text_language(content text) returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Without fenced code, tags and addresses, which are English everywhere.
    sample text := lower(left(
        regexp_replace(
            regexp_replace(E'\n' || left(content, 12000), '\n {0,3}?```.*?\n {0,3}?```', '', 'g'),
            '<[^<>]*>|https?://[^ \n<>)]*|\{[^ \n{}]*\}|`[^`\n]*`|\]\([^ \n)]*', ' ', 'g'
        ),
        2000
    ));
    script_name text;
    latin integer := char_length(sample)
        - char_length(regexp_replace(sample, '[a-z\u00df-\u024f\u1e00-\u1eff]+', '', 'g'));
    kana integer := regexp_count(sample, '[\u3040-\u30ff]');
    han integer := regexp_count(sample, '[\u3400-\u4dbf\u4e00-\u9fff]');
    found_language text;
begin
    -- A Chinese or Japanese character is about a third of a word; others are letters.
    select candidate.name into script_name
    from (
        values
            ('latin', latin),
            ('chinese', 3 * (han + kana)),
            ('korean', 2 * regexp_count(sample, '[\uac00-\ud7af]')),
            ('thai', regexp_count(sample, '[\u0e00-\u0e7f]')),
            ('arabic', regexp_count(sample, '[\u0600-\u06ff\u0750-\u077f]')),
            ('hebrew', regexp_count(sample, '[\u0590-\u05ff]')),
            ('hindi', regexp_count(sample, '[\u0900-\u097f]')),
            ('greek', regexp_count(sample, '[\u0370-\u03ff\u1f00-\u1fff]')),
            ('armenian', regexp_count(sample, '[\u0530-\u058f]')),
            ('tamil', regexp_count(sample, '[\u0b80-\u0bff]')),
            ('cyrillic', regexp_count(sample, '[\u0400-\u04ff]'))
    ) as candidate (name, weight)
    where candidate.weight >= 20
    order by candidate.weight desc, candidate.name
    limit 1;
    if script_name = 'chinese' and kana > 0.1 * (han + kana) then
        return 'japanese';
    elsif script_name = 'cyrillic' and regexp_count(sample, '[\u0454\u0456\u0457\u0491]') > 0.03 * char_length(sample) then
        return 'ukrainian';
    elsif script_name = 'latin' and regexp_count(sample, '[\u1ea0-\u1ef9]') > 0.03 * latin then
        return 'vietnamese';
    elsif script_name = 'latin' and regexp_count(sample, '[\u0103\u021b\u0163]') > 0.015 * latin then
        return 'romanian';
    elsif script_name not in ('latin', 'cyrillic') or script_name is null then
        return script_name;
    end if;
    -- The share of words that are stop words, by the dictionaries Postgres brings.
    with word as materialized (
        select token, count(*) as times
        from ts_parse('default', sample)
        where tokid in (1, 2) and char_length(token) > 1
        group by token
    ),
    looked_up as materialized (
        select language.name, word.times, ts_lexize(language.dictionary, word.token) = '{}' as is_stop
        from word
        cross join (
            values
                ('cyrillic', 'russian', 'pg_catalog.russian_stem'::regdictionary),
                ('latin', 'danish', 'pg_catalog.danish_stem'),
                ('latin', 'dutch', 'pg_catalog.dutch_stem'),
                ('latin', 'english', 'pg_catalog.english_stem'),
                ('latin', 'finnish', 'pg_catalog.finnish_stem'),
                ('latin', 'french', 'pg_catalog.french_stem'),
                ('latin', 'german', 'pg_catalog.german_stem'),
                ('latin', 'hungarian', 'pg_catalog.hungarian_stem'),
                ('latin', 'italian', 'pg_catalog.italian_stem'),
                ('latin', 'norwegian', 'pg_catalog.norwegian_stem'),
                ('latin', 'portuguese', 'pg_catalog.portuguese_stem'),
                ('latin', 'spanish', 'pg_catalog.spanish_stem'),
                ('latin', 'swedish', 'pg_catalog.swedish_stem'),
                ('latin', 'turkish', 'pg_catalog.turkish_stem')
        ) as language (script, name, dictionary)
        where language.script = script_name
    ),
    share as (
        select
            looked_up.name,
            sum(looked_up.times) filter (where looked_up.is_stop) / sum(looked_up.times) as share,
            count(*) filter (where looked_up.is_stop) as words
        from looked_up
        group by looked_up.name
    )
    select ranked.name into found_language
    from (
        select share.name, share.share, lead(share.share) over (order by share.share desc) as next
        from share
        where share.words >= 3  -- different ones: a table's "no" is no language
        order by share.share desc
        limit 1
    ) as ranked
    where ranked.share >= 0.1 and ranked.share >= 1.1 * coalesce(ranked.next, 0);
    return found_language;
end
$$;
comment on function ragpg.text_language(text) is
'Returns the language of a text by the name of its text-search configuration where Postgres has one, such as english; null when it cannot tell. Script decides where it can (chinese, japanese, korean, thai, hebrew, tamil, ukrainian, vietnamese and romanian by letters of theirs); else the share of stop words. Reads the first 2,000 characters that are not code, tags or addresses. Languages Postgres has no stop words for, such as Polish, come out as null or as a relative.';

-- The words of a text as the word leg counts them.
create or replace function ragpg.text_lexemes(content text, language text) returns tsvector
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Scripts without spaces between words, and Hangul, whose words carry their particles.
    run constant text := '[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f'
        '\u1050-\u108f\u1780-\u17d3\u17dd\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa'
        '\u30fc-\u30ff\u31f0-\u31ff\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff'
        '\uff66-\uff9f\U00020000-\U0003ffff]+';
    -- A letter with the marks that belong to it.
    letter constant text := '.[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd'
        '\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074'
        '\u1082-\u108d\u108f\u17b4-\u17d3\u17dd\u3099\u309a\uff9e\uff9f]*';
    pairs tsvector;
begin
    if content !~ run then
        return to_tsvector(language::regconfig, content);
    end if;
    select string_agg(format('''%s'':%s', counted.pair, least(counted.place, 16383)), ' ')::tsvector
    into pairs
    from (
        select
            unit.letter || coalesce(unit.next, '') as pair,
            row_number() over (order by unit.run, unit.place) as place
        from (
            select
                part.place as run, one.place, one.found[1] as letter,
                lead(one.found[1]) over same_run as next,
                count(*) over (partition by part.place) as letters
            from regexp_matches(content, run, 'g') with ordinality as part (found, place)
            cross join lateral regexp_matches(part.found[1], letter, 'g') with ordinality
                as one (found, place)
            window same_run as (partition by part.place order by one.place)
        ) as unit
        where unit.next is not null or unit.letters = 1
    ) as counted;
    return pairs || to_tsvector(language::regconfig, regexp_replace(content, run, ' ', 'g'));
end
$$;
comment on function ragpg.text_lexemes(text, text) is
'Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is.';

-- Can what was just written be found?
create or replace function ragpg.wait_until_indexed(
    collection text, source text default null, timeout interval default '30 seconds'
) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(wait_until_indexed.collection);
    until timestamptz := clock_timestamp() + timeout;
    is_own boolean;
    is_waiting boolean;
begin
    loop
        select
            coalesce(bool_or(document.updated_at = now()), false),
            count(*) > 0
        into is_own, is_waiting
        from ragpg.documents as document
        join ragpg.collections as one on one.id = document.collection_id
        left join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = one.active_index_id
        where one.id = parent_id
            and (wait_until_indexed.source is null or document.source = wait_until_indexed.source)
            and state.document_version is distinct from document.version;
        if not is_waiting then
            return true;
        elsif is_own then
            raise exception 'this transaction wrote the document: no worker sees it before commit'
                using errcode = 'RG005', hint = 'commit, then wait';
        elsif clock_timestamp() >= until then
            return false;
        end if;
        perform pg_sleep(0.05);
    end loop;
end
$$;
comment on function ragpg.wait_until_indexed(text, text, interval) is
'Returns true as soon as searches see the newest version of the document, or of all documents of the collection when no source is given; false after the timeout. A worker must be running; to be called after the commit of what was written.';

-- Which chunks could still be good enough? Those that hold enough of the words.
create or replace function ragpg_internal.word_combinations(
    words tsquery[], weights double precision[], threshold double precision
) returns tsquery
language sql immutable
begin atomic
    -- After MaxScore (Turtle and Flood 1995) and WAND (Broder et al. 2003): with the words in some
    -- order, a chunk of at least the threshold has a first word from which on the weights suffice,
    -- and after it another one that is needed for the rest, unless the first is enough alone.
    with said as (
        select
            word.query, word.weight, word.place,
            sum(word.weight) over (order by word.place desc) as weight_from_here
        from unnest(words, weights) with ordinality as word (query, weight, place)
    )
    select string_agg(combined.query, ' | ' order by combined.place)::tsquery
    from (
        select
            first.place,
            case
                when first.weight >= threshold then first.query::text
                else first.query::text || ' & (' || (
                    select string_agg(second.query::text, ' | ' order by second.place)
                    from said as second
                    where second.place > first.place
                        and second.weight_from_here >= threshold - first.weight
                ) || ')'
            end as query
        from said as first
        where first.weight_from_here >= threshold
    ) as combined;
end;
comment on function ragpg_internal.word_combinations(tsquery[], double precision[], double precision) is
'Returns a tsquery that matches every chunk whose words weigh at least the threshold together, and few others: a word that is enough alone, or with one of those after it without which the rest is too light. Null when all words together are too light.';

-- What did a source say at that time?
create or replace function ragpg.document_as_of(
    collection text, source text, as_of timestamptz default now()
) returns text
language sql stable
begin atomic
    select ragpg.document_text(history.document_id, history.version)
    from ragpg.document_history as history
    where history.collection = document_as_of.collection
        and history.source = document_as_of.source
        and history.valid_from <= document_as_of.as_of
        and (history.valid_to is null or document_as_of.as_of < history.valid_to)
    order by history.valid_from desc, history.version desc
    limit 1;
end;
comment on function ragpg.document_as_of(text, text, timestamptz) is
'Returns the text a source had at a time; null when there was none, or when that version was pruned.';

-- 13  Functions and views: search -----------------------------------------------------------------

-- Is a filter a question that has an answer?
create or replace function ragpg_internal.check_filter(filter jsonpath) returns void
language plpgsql immutable
set search_path = ragpg, pg_temp
as $$
begin
    perform jsonb_path_match('{}', filter);
exception
    when others then
        raise exception 'the filter % is not a predicate: %', filter, sqlerrm
            using errcode = 'RG004',
                hint = 'compare something, such as $.tier == "pro" && $.year >= 2024';
end
$$;
comment on function ragpg_internal.check_filter(jsonpath) is
'Raises RG004 unless the filter is a jsonpath predicate (something that is true or false of a document''s metadata).';

-- How far is the k-th nearest chunk, truly?
create or replace function ragpg_internal.exact_distances(
    index_id bigint, embeddings halfvec[], own_ids bigint[], k integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        select max(near.distance) into farthest
        from (
            select chunk.embedding <=> embeddings[place] as distance
            from ragpg.chunks as chunk
            where chunk.index_id = exact_distances.index_id
                and chunk.id is distinct from own_ids[place]
            order by 1
            limit exact_distances.k
        ) as near;
        distances := distances || farthest;
    end loop;
    return distances;
end
$$;
comment on function ragpg_internal.exact_distances(bigint, halfvec[], bigint[], integer) is
'Returns for each embedding the cosine distance of its k-th nearest chunk in a search index, by looking at every chunk but the one of own_ids.';

-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer, words text[]
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
        into query_embedding
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg_internal.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg_internal.lexeme_query(word.lexeme)
        )
    from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
    cross join lateral (
        select one.lexemes
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = best.chunk_id
        limit 1
    ) as chunk
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec, text) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query''s words it holds. Three searches, so for looking, not for serving.';

-- What would a question's embedding be, judged by the best chunks its words find?
create or replace function ragpg_internal.feedback_embedding(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[]
) returns halfvec
language sql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
    select l2_normalize(
        sum(
            chunk.embedding::vector
            * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
        )
    )::halfvec
    from unnest(chunk_ids[:3], scores[:3]) as best (chunk_id, score)
    cross join lateral (
        select one.embedding
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = best.chunk_id
        limit 1
    ) as chunk
$$;
comment on function ragpg_internal.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';

-- Where are the question's words in this text?
create or replace function ragpg.highlight(
    content text,
    query text,
    language text default 'english',
    start_mark text default '**',
    end_mark text default '**'
) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    words tsquery;
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    marked text := content;
begin
    select string_agg(ragpg_internal.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, regexp_replace(query, run, ' ', 'g'))) as word;
    if words is not null then
        marked := ts_headline(
            language::regconfig, content, words,
            format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
        );
    end if;
    select string_agg(distinct substr(part.found[1], start, length), '|') into rows_of_letters
    from regexp_matches(query, run, 'g') as part (found)
    cross join lateral generate_series(1, char_length(part.found[1]) - 1) as start
    cross join lateral generate_series(
        2, least(8, char_length(part.found[1]) - start + 1)
    ) as length;
    return case
        when rows_of_letters is null then marked
        else regexp_replace(
            marked, rows_of_letters,
            replace(start_mark, '\', '\\') || '\&' || replace(end_mark, '\', '\\'), 'g'
        )
    end;
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form) between the marks. language is a text-search configuration, such as that of the chunk.';

-- Which chunks are best by words?
create or replace function ragpg_internal.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    words tsquery[];  -- the rarest first
    weights double precision[];
    total_count bigint;  -- chunks that hold one of the words, at most
    total_weight double precision;
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    select
        array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
        sum(word.chunk_count), sum(word.weight)
    into words, weights, total_count, total_weight
    from ragpg_internal.query_words(keyword_candidates.index_id, keyword_candidates.query) as word;
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, setweight(stored.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                ' and (select document.metadata @@ $3 from ragpg.documents as document'
                '  where document.id = stored.document_id)'
        end,
        case when only_tenant is not null then ' and stored.tenant = $4' end,
        wanted
    );
    most_added := case when total_count <= exact_limit then 1 else 0.75 end;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when document_ids is null and total_count > few then 0.45 * most_added * total_weight
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score;
end
$$;
grant execute on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
)
to public;
comment on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that a chunk may be missed whose few words occur very often in it.';

-- One word as a text-search query; quoted, so that no character of it is an operator.
create or replace function ragpg_internal.lexeme_query(lexeme text) returns tsquery
language sql immutable strict parallel safe
return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
comment on function ragpg_internal.lexeme_query(text) is
'Returns the tsquery that matches exactly this lexeme. Queries are joined from these: text of users never reaches to_tsquery.';

-- Keeps one search of the share that is logged.
create or replace function ragpg_internal.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg_internal.written_tenant()
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where recipe.id = log_search.index_id and one.search_log_share > 0
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg_internal.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision
) from public;
comment on function ragpg_internal.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';

-- The nearest chunks, for clients written for the convention of this name.
create or replace function ragpg.match_documents(
    query_embedding vector,
    match_count integer default 10,
    filter jsonb default '{}',
    collection text default null
) returns table (id bigint, content text, metadata jsonb, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    conditions jsonpath;
begin
    if jsonb_path_exists(filter, '$.* ? (@.type() == "object" || @.type() == "array")') then
        raise exception 'the filter % holds more than plain values', filter
            using errcode = 'RG005', hint = 'use ragpg.search, whose filter is a jsonpath predicate';
    end if;
    select string_agg(format('$.%s == %s', to_json(wanted.key), wanted.value), ' && ')::jsonpath
    into conditions
    from jsonb_each(filter) as wanted;
    return query
    select hit.chunk_id, hit.content, hit.metadata, hit.similarity
    from ragpg.search(
        query => '', k => match_count, collection => match_documents.collection,
        filter => conditions, query_embedding => match_documents.query_embedding::halfvec,
        mode => 'vector'
    ) as hit
    order by hit.place;
end
$$;
comment on function ragpg.match_documents(vector, integer, jsonb, text) is
'Returns the match_count chunks nearest to an embedding, best first, of documents whose metadata have each key''s value in the filter. The calling convention of many client libraries; ragpg.search does more. Raises RG005 when the filter is nested.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Planned for this filter: how many documents pass decides whether their index is worth it.
set plan_cache_mode = force_custom_plan
as $$
declare
    only_tenant text := ragpg_internal.searched_tenant();
    parent_id bigint := (
        select recipe.collection_id
        from ragpg.search_indexes as recipe
        where recipe.id = matching_documents.index_id
    );
begin
    select array_agg(document.id), sum(state.chunk_count)
    into document_ids, chunks
    from ragpg.documents as document
    join ragpg.index_documents as state
        on state.document_id = document.id and state.index_id = matching_documents.index_id
    where document.collection_id = parent_id
        and document.metadata @@ matching_documents.filter
        and (only_tenant is null or document.tenant = only_tenant);
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- Does the vector index still find what is nearest?
create or replace function ragpg.measure_recall(
    collection text default null,
    k integer default 10,
    queries integer default 100,
    ef_search integer default null,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(measure_recall.collection, measure_recall.index_id);
    drawn record;
    distances double precision[];
    recalls double precision[];
    started timestamptz := clock_timestamp();
    exact_time interval;
    measured ragpg.recall_measurements;
begin
    if least(k, queries) < 1 or k is null or queries is null then
        raise exception 'k is %, queries is %: there is nothing to measure', k, queries
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, measure_recall.queries) as sample;
    if cardinality(drawn.embeddings) = 0 then
        return null;
    end if;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    exact_time := clock_timestamp() - started;
    started := clock_timestamp();
    recalls := ragpg_internal.recalls_at(
        recipe.id, drawn.embeddings, drawn.own_ids, distances, k,
        coalesce(ef_search, recipe.ef_search)
    );
    insert into ragpg.recall_measurements as stored (
        index_id, k, ef_search, queries, query_source, recall, worst_recall, index_ms, exact_ms
    )
    select
        recipe.id, measure_recall.k,
        greatest(coalesce(measure_recall.ef_search, recipe.ef_search), measure_recall.k),
        cardinality(recalls), drawn.query_source, avg(one.recall), min(one.recall),
        extract(epoch from clock_timestamp() - started) * 1000 / cardinality(recalls),
        extract(epoch from exact_time) * 1000 / cardinality(recalls)
    from unnest(recalls) as one (recall)
    returning stored.* into measured;
    return measured;
end
$$;
comment on function ragpg.measure_recall(text, integer, integer, integer, bigint) is
'Compares the vector index of a collection (its active one, or index_id) with exact search, on logged questions or else its own chunks, stores what share of the k nearest it finds in ragpg.recall_measurements and returns that row; null when it holds no chunk. A neighbour as far as the k-th counts as found.';

-- Forgets old rows of the log of searches.
create or replace function ragpg.prune_searches(older_than interval) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.searches as logged where logged.searched_at < now() - older_than;
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_searches(interval) is
'Deletes logged searches older than given and returns how many.';

-- Which words does a question have in the languages of a search index?
create or replace function ragpg_internal.query_lexemes(languages text[], query text)
returns table (lexeme text, positions smallint[])
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) = 1 then
        return query
        select word.lexeme, word.positions
        from unnest(ragpg.text_lexemes(query_lexemes.query, languages[1])) as word;
        return;
    end if;
    -- The question is taken for the language of which it has most stop words; they are left out
    -- under every language, or English "the" would be a rare word of German texts.
    select dropped.positions into stop_positions
    from unnest(languages) as spoken (language)
    cross join lateral (
        select array_agg(token.place) as positions, count(*) as stop_words
        from (
            select distinct unnest(word.positions) as place
            from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
        ) as token
        where not exists (
            select
            from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
            where token.place = any(kept.positions)
        )
    ) as dropped
    order by dropped.stop_words desc, spoken.language
    limit 1;
    return query
    select distinct on (word.lexeme) word.lexeme, word.positions
    from unnest(languages) as spoken (language)
    cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
    where not word.positions <@ coalesce(stop_positions, '{}')
    order by word.lexeme, cardinality(word.positions) desc;
end
$$;
comment on function ragpg_internal.query_lexemes(text[], text) is
'Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in.';

-- What is each word of a question worth?
create or replace function ragpg_internal.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg_internal.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word.
            found.times
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation
        from (
            select
                said.lexeme,
                cardinality(said.positions) as times,
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total
                on total.index_id = recipe.id
                and total.tenant = (select coalesce(ragpg_internal.searched_tenant(), ''))
            cross join lateral ragpg_internal.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            -- Looked up once for each word: a join may be planned, while there are no statistics of
            -- this table, that reads all words of the index.
            left join lateral (
                select counted.lexeme, counted.chunk_count, counted.occurrence_count
                from ragpg.lexeme_statistics as counted
                where counted.index_id = recipe.id
                    and counted.tenant = total.tenant
                    and counted.lexeme = said.lexeme collate "C"
                limit 1
            ) as known on true
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
    ) as asked
    order by 1;
end;
comment on function ragpg_internal.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

-- Does the vector index find as much as before?
create or replace view ragpg.recall_history with (security_invoker = true) as
select
    one.name as collection,
    measured.index_id,
    recipe.id = one.active_index_id as active,
    measured.measured_at,
    measured.k,
    measured.ef_search,
    measured.queries,
    measured.query_source,
    measured.recall,
    measured.worst_recall,
    measured.index_ms,
    measured.exact_ms
from ragpg.recall_measurements as measured
join ragpg.search_indexes as recipe on recipe.id = measured.index_id
join ragpg.collections as one on one.id = recipe.collection_id;
comment on view ragpg.recall_history is
'A row per measurement of ragpg.measure_recall, with its collection.';
comment on column ragpg.recall_history.collection is 'Name of the collection.';
comment on column ragpg.recall_history.index_id is 'The search index.';
comment on column ragpg.recall_history.active is 'Whether it answers searches.';
comment on column ragpg.recall_history.measured_at is 'When.';
comment on column ragpg.recall_history.k is 'Neighbours asked for.';
comment on column ragpg.recall_history.ef_search is 'hnsw.ef_search of the scans.';
comment on column ragpg.recall_history.queries is 'How many questions.';
comment on column ragpg.recall_history.query_source is 'searches (logged questions) or chunks.';
comment on column ragpg.recall_history.recall is 'Mean share of the k nearest found.';
comment on column ragpg.recall_history.worst_recall is 'The least of them.';
comment on column ragpg.recall_history.index_ms is 'Mean milliseconds by the index.';
comment on column ragpg.recall_history.exact_ms is 'Mean milliseconds of an exact scan.';

-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg_internal.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- As ragpg_internal.vector_candidates scans. Named here so that what is set below ends with it.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from ('
            '   select chunk.id, chunk.embedding <=> $1 as distance from ragpg.chunks as chunk'
            '   where chunk.index_id = %s order by chunk.embedding::halfvec(%s) <=> $1 limit %s'
            '  ) as near where near.id is distinct from $2 order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            recalls_at.index_id, vector_dims(embeddings[place]),
            k + (own_ids[place] is not null)::integer, k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$$;
comment on function ragpg_internal.recalls_at(bigint, halfvec[], bigint[], double precision[], integer, integer) is
'Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg_internal.exact_distances), the chunk of own_ids left out.';

-- With which questions is recall to be measured?
create or replace function ragpg_internal.sample_queries(
    index_id bigint, queries integer, out query_source text, out embeddings halfvec[],
    out own_ids bigint[]
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
begin
    query_source := 'searches';
    select array_agg(asked.query_embedding), array_agg(null::bigint) into embeddings, own_ids
    from (
        select logged.query_embedding
        from ragpg.searches as logged
        where logged.index_id = sample_queries.index_id and logged.query_embedding is not null
        order by logged.searched_at desc, logged.id desc
        limit queries
    ) as asked;
    if coalesce(cardinality(embeddings), 0) < least(queries, 20) then
        query_source := 'chunks';
        select coalesce(array_agg(drawn.embedding), '{}'), coalesce(array_agg(drawn.id), '{}')
        into embeddings, own_ids
        from (
            select chunk.embedding, chunk.id
            from ragpg.chunks as chunk
            where chunk.index_id = sample_queries.index_id
            -- Drawn by hash, not by random(): the same chunks give the same recall.
            order by hashint8extended(chunk.id, 1)
            limit queries
        ) as drawn;
    end if;
end
$$;
comment on function ragpg_internal.sample_queries(bigint, integer) is
'Returns embeddings of the newest logged searches of a search index, or, when fewer than 20 (or all that are wanted) are logged, of its own chunks, drawn by hash, with their ids.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    is_wide boolean := false;  -- the filter lets many documents through: asked of each candidate
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    word_ids bigint[];  -- best first
    word_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision := 0;
    vector_deviation double precision := 1;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege(
                'ragpg_internal.log_search(bigint, text, halfvec, text, integer, boolean, integer,'
                ' double precision, double precision)', 'execute'
            )
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        -- Of a sample of the documents, how many pass? Where that is 3 % or more, to list all that
        -- do takes longer than to ask of each candidate as it is met.
        if statistics.chunk_count > 20000 then
            select count(*) >= 0.03 * cardinality(statistics.document_sample) into is_wide
            from unnest(statistics.document_sample) as drawn (id)
            join ragpg.documents as document on document.id = drawn.id
            where document.metadata @@ filter;
        end if;
        if not is_wide then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
        end if;
        if not is_wide and coalesce(matching_chunks, 0) = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, search.query, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
        word_weight := 1;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
        word_weight := 1 - vector_weight;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    if mode = 'hybrid' and vector_ids is not null then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select
            coalesce(avg(1 - (sample <=> query_embedding)), 0),
            coalesce(nullif(stddev_pop(1 - (sample <=> query_embedding)), 0), 1)
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   %s as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg_internal.bm25_expression(recipe.id, search.query),
            ragpg_internal.bm25_saturation(statistics.mean_length), recipe.id
        )
        into bm25_scores
        using vector_ids;
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, search.query, wanted, matching_documents, filter, least_bm25
            ) as found;
        end if;
    end if;

    return query
    with candidates as (
        select known.chunk_id, known.similarity, known.bm25
        from unnest(vector_ids, similarities, bm25_scores) as known (chunk_id, similarity, bm25)
        union all
        select said.chunk_id, 1 - (chunk.embedding <=> query_embedding), said.bm25
        from unnest(word_ids, word_scores) as said (chunk_id, bm25)
        cross join lateral (
            select one.embedding
            from ragpg.chunks as one
            where one.index_id = recipe.id and one.id = said.chunk_id
            limit 1
        ) as chunk
        where said.chunk_id <> all(coalesce(vector_ids, '{}'))
    ),
    best as (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from candidates as candidate
        ) as known
        order by known.score desc, known.chunk_id
        limit k
    )
    select
        (row_number() over (order by best.score desc, best.chunk_id))::integer, hit.source,
        hit.title, hit.content, best.score, best.similarity, best.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id,
        hit.document_version, best.chunk_id
    from best
    -- Looked up one by one, as above: without statistics of the parent of all partitions, and it
    -- has none, a join may be planned that reads every chunk.
    cross join lateral (
        select chunk.*, document.source, document.title, document.metadata
        from ragpg.chunks as chunk
        join ragpg.documents as document on document.id = chunk.document_id
        where chunk.index_id = recipe.id and chunk.id = best.chunk_id
        limit 1
    ) as hit
    order by 1;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- Which chunks answer one of several phrasings of a question best?
create or replace function ragpg.search_any(
    queries text[],
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embeddings halfvec[] default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
begin
    if coalesce(cardinality(queries), 0) = 0 then
        raise exception 'there is no query' using errcode = 'RG005', hint = 'ask something';
    end if;
    if cardinality(query_embeddings) <> cardinality(queries) then
        raise exception '% queries came with % embeddings',
            cardinality(queries), cardinality(query_embeddings)
            using errcode = 'RG005', hint = 'pass one for each, or none';
    end if;
    return query
    with hits as materialized (
        select hit.*, asked.number
        from unnest(queries) with ordinality as asked (query, number)
        cross join lateral ragpg.search(
            asked.query, greatest(2 * k, 20), search_any.collection, search_any.filter,
            query_embeddings[asked.number], search_any.mode, search_any.index_id
        ) as hit
    ),
    fused as (
        -- Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): scores of different
        -- questions are on different scales.
        select
            hits.chunk_id, sum(1.0::double precision / (60 + hits.place)) as score,
            max(hits.similarity) as similarity, max(hits.bm25) as bm25, min(hits.number) as number
        from hits
        group by hits.chunk_id
    )
    select
        (row_number() over (order by fused.score desc, hit.chunk_id))::integer, hit.source,
        hit.title, hit.content, fused.score, fused.similarity, fused.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from fused
    join hits as hit on hit.chunk_id = fused.chunk_id and hit.number = fused.number
    order by 1
    limit k;
end
$$;
comment on function ragpg.search_any(text[], integer, text, jsonpath, halfvec[], text, bigint) is
'Returns the k best chunks for several phrasings of one question, by reciprocal rank fusion of ragpg.search of each; similarity and bm25 are the best of any phrasing. query_embeddings, if given, has one for each query. Raises RG001 to RG005, RG010.';

-- Which chunks answer this question best, without saying the same twice?
create or replace function ragpg.search_distinct(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    max_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    relevance double precision default 1
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    hits jsonb;
    contents text[];
    embeddings halfvec[];
    scores double precision[];  -- from 0, the last, to 1, the first
    nearest double precision[];  -- cosine to what is picked
    is_taken boolean[];  -- picked, or nearly the same as what is
    picks integer[];
    pick integer;
    -- Maximal marginal relevance chooses among more than it returns.
    wanted integer := case when relevance < 1 then greatest(3 * k, 30) else k + k / 2 + 1 end;
begin
    if num_nulls(max_similarity, min_overlap, relevance) > 0 or relevance not between 0 and 1 then
        raise exception 'max_similarity is %, min_overlap is %, relevance is %',
            max_similarity, min_overlap, relevance
            using errcode = 'RG005',
                hint = 'max_similarity is a cosine, min_overlap a share; relevance is from 0 (different) to 1 (best)';
    end if;
    loop
        select
            jsonb_agg(to_jsonb(hit) order by hit.place),
            array_agg(hit.content order by hit.place),
            array_agg(chunk.embedding order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, embeddings, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit
        cross join lateral (
            select one.embedding from ragpg.chunks as one where one.id = hit.chunk_id limit 1
        ) as chunk;
        picks := '{}';
        while cardinality(picks) < k loop
            select candidate.place into pick
            from unnest(scores, nearest, is_taken) with ordinality
                as candidate (score, nearest, is_taken, place)
            where not candidate.is_taken
            order by
                relevance * candidate.score - (1 - relevance) * candidate.nearest desc,
                candidate.place
            limit 1;
            exit when pick is null;
            picks := picks || pick;
            select
                array_agg(greatest(known.nearest, near.similarity) order by known.place),
                array_agg(
                    known.is_taken or known.place = pick
                    or near.similarity >= max_similarity
                    and ragpg_internal.word_overlap(known.content, contents[pick]) >= min_overlap
                    order by known.place
                )
            into nearest, is_taken
            from unnest(nearest, is_taken, embeddings, contents) with ordinality
                as known (nearest, is_taken, embedding, content, place)
            cross join lateral (
                select 1 - (known.embedding <=> embeddings[pick]) as similarity
            ) as near;
        end loop;
        -- Too few, and search has more to give: look further down.
        exit when cardinality(picks) = k or coalesce(cardinality(scores), 0) < wanted;
        wanted := 2 * wanted;
    end loop;
    return query
    select
        picked.place::integer, hit.source, hit.title, hit.content, hit.score, hit.similarity,
        hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context, hit.metadata,
        hit.document_id, hit.document_version, hit.chunk_id
    from unnest(picks) with ordinality as picked (hit, place)
    join jsonb_populate_recordset(null::ragpg.hit, hits) as hit on hit.place = picked.hit
    order by 1;
end
$$;
comment on function ragpg.search_distinct(text, integer, text, jsonpath, halfvec, text, bigint, double precision, double precision, double precision) is
'Returns what ragpg.search does, but of chunks that are nearly the same only the best, and k of them whenever there are k. Nearly the same: a cosine similarity of at least max_similarity, and at least min_overlap of the words in common (ragpg_internal.word_overlap; without it lists of different things look the same). relevance below 1 also trades score against being unlike the chunks before (maximal marginal relevance, Carbonell and Goldstein 1998: 0.7 is usual).';

-- Which chunks answer this question best, when what is new counts for more?
create or replace function ragpg.search_recent(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    dated jsonpath default '$.date',
    half_life interval default '180 days',
    weight double precision default 1
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
begin
    if half_life is null or half_life <= '0' or weight is null or weight < 0 then
        raise exception 'half_life is %, weight is %', half_life, weight
            using errcode = 'RG005',
                hint = 'half_life is an interval such as 30 days, weight zero or more';
    end if;
    return query
    select
        (row_number() over (order by boosted.score desc, boosted.chunk_id))::integer,
        boosted.source, boosted.title, boosted.content, boosted.score, boosted.similarity,
        boosted.bm25, boosted.start_char, boosted.end_char, boosted.page, boosted.context,
        boosted.metadata, boosted.document_id, boosted.document_version, boosted.chunk_id
    from (
        select
            hit.source, hit.title, hit.content,
            hit.score + weight * (
                case
                    when said.date is null then 0
                    -- A date of the future is as new as today's.
                    else 0.5 ^ (
                        greatest(extract(epoch from now() - said.date), 0)::double precision
                        / extract(epoch from half_life)::double precision
                    )
                end
            ) as score,
            hit.similarity, hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            hit.metadata, hit.document_id, hit.document_version, hit.chunk_id
        from ragpg.search(
            query, greatest(3 * k, 50), collection, filter, query_embedding, mode, index_id
        ) as hit
        -- What is no date, or not there, adds nothing.
        cross join lateral (
            select (
                jsonb_path_query_first_tz(
                    to_jsonb(
                        -- datetime() reads offsets, but no Z.
                        regexp_replace(
                            jsonb_path_query_first(hit.metadata, dated) #>> '{}', 'Z$', '+00:00'
                        )
                    ),
                    '$.datetime()', silent => true
                ) #>> '{}'
            )::timestamptz as date
        ) as said
    ) as boosted
    order by 1
    limit k;
end
$$;
comment on function ragpg.search_recent(text, integer, text, jsonpath, halfvec, text, bigint, jsonpath, interval, double precision) is
'Returns what ragpg.search does, from three times as many hits (50 at least), with weight * 0.5 ^ (age / half_life) added to each score: a hit of today gains weight, one of half_life ago half of it. dated finds the ISO 8601 date in the document''s metadata; without one nothing is added. Hybrid scores are in standard deviations, so a weight of 1 moves a hit by one of them; in mode vector use about 0.05. Raises RG001 to RG005, RG010.';

-- How much is searched, how fast, and how often in vain?
create or replace view ragpg.searches_by_day with (security_invoker = true) as
select
    one.name as collection,
    logged.searched_at::date as day,
    logged.mode,
    count(*) as logged_searches,
    sum(1 / logged.share)::bigint as searches,
    percentile_cont(0.5) within group (order by logged.latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by logged.latency_ms) as latency_p95_ms,
    percentile_cont(0.99) within group (order by logged.latency_ms) as latency_p99_ms,
    avg((logged.hit_count = 0)::integer)::double precision as zero_hit_share,
    avg((logged.best_similarity < recipe.min_similarity)::integer)::double precision
        as low_similarity_share
from ragpg.searches as logged
join ragpg.collections as one on one.id = logged.collection_id
left join ragpg.search_indexes as recipe on recipe.id = logged.index_id
group by one.id, logged.searched_at::date, logged.mode;
comment on view ragpg.searches_by_day is
'A row per collection, day and mode of the logged searches (collections.search_log_share): volume, latency, and how many found nothing.';
comment on column ragpg.searches_by_day.collection is 'Name of the collection.';
comment on column ragpg.searches_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.searches_by_day.mode is 'hybrid, vector or keyword.';
comment on column ragpg.searches_by_day.logged_searches is 'Rows of ragpg.searches.';
comment on column ragpg.searches_by_day.searches is 'How many searches those stand for, by the share that was logged.';
comment on column ragpg.searches_by_day.latency_p50_ms is 'Median milliseconds in the database.';
comment on column ragpg.searches_by_day.latency_p95_ms is 'Their 95th percentile.';
comment on column ragpg.searches_by_day.latency_p99_ms is 'Their 99th percentile.';
comment on column ragpg.searches_by_day.zero_hit_share is 'Share without any hit.';
comment on column ragpg.searches_by_day.low_similarity_share is 'Share whose nearest chunk is less similar than the search index''s min_similarity.';

-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    given ragpg.chunks;
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.* into given
    from ragpg.chunks as chunk
    where chunk.id = similar_chunks.to_chunk_id;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.id
    from ragpg_internal.vector_candidates(given.index_id, given.embedding, k + 1) as near
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = given.index_id and one.id = near.chunk_id
        limit 1
    ) as chunk
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';

-- What stands around a chunk?
create or replace function ragpg.surroundings(
    chunk_id bigint,
    neighbours integer default 1
) returns table (start_char integer, end_char integer, content text)
language sql stable
begin atomic
    select
        span.start_char, span.end_char,
        substr(kept.content, span.start_char + 1, span.end_char - span.start_char)
    from (
        select
            hit.document_id, hit.document_version,
            min(near.start_char) as start_char, max(near.end_char) as end_char
        from ragpg.chunks as hit
        join ragpg.chunks as near
            on near.index_id = hit.index_id
            and near.document_id = hit.document_id
            and near.document_version = hit.document_version
            and near.ordinal between hit.ordinal - surroundings.neighbours
                and hit.ordinal + surroundings.neighbours
        where hit.id = surroundings.chunk_id
        group by hit.document_id, hit.document_version
    ) as span
    cross join lateral (
        select document.content
        from ragpg.documents as document
        where document.id = span.document_id and document.version = span.document_version
        union all
        select earlier.content
        from ragpg.document_versions as earlier
        where earlier.document_id = span.document_id and earlier.version = span.document_version
        limit 1
    ) as kept;
end;
comment on function ragpg.surroundings(bigint, integer) is
'Returns the span and text from as many chunks before a chunk to as many after it, of the same document version: to search by small chunks and read larger ones. No row for a chunk that is gone.';

-- How little work suffices for this recall?
create or replace function ragpg.tune_ef_search(
    collection text default null,
    recall double precision default 0.98,
    k integer default 10,
    queries integer default 100,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
-- Security definer: the search index is changed, which writers may do by functions only.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg_internal.recalls_at(
                    recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle
                )
            ) as one (recall)
        ) then
            high := middle;
        else
            low := middle + 1;
        end if;
    end loop;
    update ragpg.search_indexes as known set ef_search = low where known.id = recipe.id;
    return ragpg.measure_recall(k => k, queries => queries, index_id => recipe.id);
end
$$;
revoke execute on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint)
from public;
comment on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint) is
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: search_indexes.candidates in hybrid mode, k in vector mode.';

-- What is asked that the documents do not answer?
create or replace view ragpg.unanswered_searches with (security_invoker = true) as
select
    one.name as collection,
    logged.query,
    count(*) as logged_searches,
    min(logged.hit_count) as fewest_hits,
    max(logged.best_similarity) as best_similarity,
    max(logged.searched_at) as last_searched_at
from ragpg.searches as logged
join ragpg.collections as one on one.id = logged.collection_id
left join ragpg.search_indexes as recipe on recipe.id = logged.index_id
where logged.hit_count = 0 or logged.best_similarity < recipe.min_similarity
group by one.id, logged.query;
comment on view ragpg.unanswered_searches is
'A row per logged question that found nothing, or nothing similar enough: what to write a document on.';
comment on column ragpg.unanswered_searches.collection is 'Name of the collection.';
comment on column ragpg.unanswered_searches.query is 'The question.';
comment on column ragpg.unanswered_searches.logged_searches is 'How often it was logged.';
comment on column ragpg.unanswered_searches.fewest_hits is 'Fewest hits of those searches; 0 with a filter that nothing matches, too.';
comment on column ragpg.unanswered_searches.best_similarity is 'Cosine of the nearest chunk; null where the vector leg did not run.';
comment on column ragpg.unanswered_searches.last_searched_at is 'When it was last asked.';

-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s <=> $1 as distance'
        '  from ragpg.%2$I as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s <=> $1 limit %5$s) as near';
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select document.metadata @@ $3 from ragpg.documents as document'
            '  where document.id = chunk.document_id)'
    end;
    scan text;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words.
        only_documents := coalesce(only_documents, '') || ' and chunk.tenant = $4';
        if document_ids is null then
            matching_chunks := coalesce(
                (
                    select counted.chunk_count
                    from ragpg.index_statistics as counted
                    where counted.index_id = recipe.id and counted.tenant = only_tenant
                ),
                0
            );
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if matching_chunks is null or matching_chunks > exact_limit then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case when only_documents is null then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::halfvec(%s)', vector_dims(query_embedding)),
                table_name, recipe.id, only_documents, wanted
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        execute format(template, 'embedding', table_name, recipe.id, only_documents, wanted)
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match; otherwise the HNSW index, and exact again should that come back with too few.';

-- How many of their words do two texts share?
create or replace function ragpg_internal.word_overlap(first_text text, second_text text)
returns double precision
language sql immutable strict parallel safe
begin atomic
    select count(*) filter (where counted.sides = 2)::double precision / greatest(count(*), 1)
    from (
        select count(*) as sides
        from (
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', first_text))) as word
            union all
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', second_text)))
        ) as both_sides
        group by both_sides.word
    ) as counted;
end;
comment on function ragpg_internal.word_overlap(text, text) is
'Returns the share of the different words of two texts that stand in both (Jaccard), from 0 to 1.';

-- BM25 of one chunk, written out for the words of one question.
create or replace function ragpg_internal.bm25_expression(index_id bigint, query text) returns text
language sql stable
begin atomic
    -- With f a word's frequency in the chunk and s = k1 (1 - b + b length / mean length), BM25 is
    -- the sum of weight f / (f + s) = weight - s weight / (f + s). f comes from ts_rank of the one
    -- word: that is (1/1 + 1/4 + ... + 1/f^2) / 1.64493, whose distance from 1 is
    -- 0.60793 / (f + 1/2) but for a part that rounding takes away (exact up to the 256 positions
    -- a tsvector keeps).
    select case
        when count(*) = 0 then '0::double precision'
        else format(
            '(%s - chunk.saturation * (%s))',
            sum(word.weight),
            string_agg(
                format(
                    '%s / (chunk.saturation + round(0.6079271018540267'
                    ' / (1 - ts_rank(''{1,1,1,1}'', chunk.lexemes, %L)::double precision) - 0.5))',
                    word.weight, word.word
                ),
                ' + '
            )
        )
    end
    from ragpg_internal.query_words(bm25_expression.index_id, bm25_expression.query) as word;
end;
comment on function ragpg_internal.bm25_expression(bigint, text) is
'Returns the SQL expression that is BM25 (k1 1.2, b 0.75; Robertson and Zaragoza 2009) of a row named chunk with the columns lexemes and saturation = k1 (1 - b + b length / mean length), for the words of this query.';

-- How much does a chunk's length dampen a word's frequency in BM25?
create or replace function ragpg_internal.bm25_saturation(mean_length real) returns text
language sql immutable parallel safe
return format(
    '1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision)', greatest(mean_length, 1)
);
comment on function ragpg_internal.bm25_saturation(real) is
'Returns the SQL expression of k1 (1 - b + b length / mean length), with k1 1.2 and b 0.75, of a row named stored with the column lexeme_count.';

-- 14  Functions and views: answers ----------------------------------------------------------------

-- What do the best hits hold of what a question asks for?
create or replace function ragpg_internal.answer_signals(
    index_id bigint,
    query text,
    passages text[],
    titles text[],
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    spoken text := (
        select ragpg_internal.document_language(recipe.language, '{}', passages[1])
        from ragpg.search_indexes as recipe
        where recipe.id = answer_signals.index_id
    );
    negation constant text := '\m(not|no|never|none|nor|neither|without|cannot)\M|n[''’]t\M';
    words tsquery[];
    weights double precision[];
    sentence text;
    held text[];  -- the words of that sentence, of those beside it and of the title
begin
    select array_agg(word.word), array_agg(word.weight)
    into words, weights
    from ragpg_internal.query_words(answer_signals.index_id, answer_signals.query) as word;
    -- The sentence that holds most of the question's words, itself and with its neighbours.
    select best.content, tsvector_to_array(best.lexemes_around), best.share
    into sentence, held, words_held
    from (
        select
            around.*,
            (
                select sum(word.weight) filter (where around.lexemes @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share,
            (
                select sum(word.weight) filter (where around.lexemes_around @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share_around
        from (
            select
                one.*,
                one.lexemes
                || coalesce(lag(one.lexemes) over beside, '')
                || coalesce(lead(one.lexemes) over beside, '')
                || ragpg.text_lexemes(coalesce(one.title, ''), spoken) as lexemes_around
            from (
                select
                    hit.place, hit.title, part.number, part.content,
                    ragpg.text_lexemes(part.content, spoken) as lexemes
                from unnest(passages[:3], titles[:3]) with ordinality as hit (content, title, place)
                cross join lateral regexp_split_to_table(
                    hit.content, '(?<=[.?!])\s+|(?<=[。！？])|\n\s*\n'
                ) with ordinality as part (content, number)
            ) as one
            window beside as (partition by one.place order by one.number)
        ) as around
    ) as best
    order by
        coalesce(best.share, 0) + coalesce(best.share_around, 0) desc, best.place, best.number
    limit 1;
    words_held := coalesce(words_held, 0);
    missing_names := array(
        select said.word
        from (
            select one.match[1] as word, min(one.place) as place
            from regexp_matches(
                answer_signals.query, '[[:alnum:]](?:[[:alnum:]''’.-]*[[:alnum:]])?', 'g'
            ) with ordinality as one (match, place)
            group by one.match[1]
        ) as said
        where (said.word ~ '\d' or said.place > 1 and left(said.word, 1) <> lower(left(said.word, 1)))
            and not tsvector_to_array(ragpg.text_lexemes(said.word, spoken)) <@ coalesce(held, '{}')
        order by said.place
    );
    unmatched_negation := answer_signals.query ~* negation
        and not coalesce(sentence, '') ~* negation;
end
$$;
comment on function ragpg_internal.answer_signals(bigint, text, text[], text[]) is
'Returns what the first three hits, best first, hold of a question. words_held: the share of its words, by BM25 weight, in the sentence that holds most of them. missing_names: its names and numbers (words with a capital that are not the first, words with a digit) that are neither in that sentence nor beside it nor in the title. unmatched_negation: it says not, no, never, none, nor, neither, without or cannot, and that sentence does not. An embedding hardly tells these; to ragpg_internal.relevance they tell apart questions that look like others but have no answer.';

-- What was asked, how much of it was answered from sources, and what did it cost?
create or replace view ragpg.answers_by_day with (security_invoker = true) as
select
    one.name as collection,
    answer.created_at::date as day,
    answer.model,
    count(*) as answers,
    count(*) filter (where answer.grounded) as grounded,
    count(*) filter (where answer.abstained) as abstained,
    sum(answer.input_tokens) as input_tokens,
    sum(answer.output_tokens) as output_tokens,
    sum(answer.cache_read_tokens) as cache_read_tokens,
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms,
    sum(answer.cache_creation_tokens) as cache_creation_tokens,
    (count(*) filter (where answer.grounded))::double precision / count(*) as grounded_share,
    (
        sum(answer.input_tokens * price.input_price)
        + sum(answer.output_tokens * price.output_price)
        + sum(answer.cache_read_tokens * price.cache_read_price)
        + sum(answer.cache_creation_tokens * price.cache_creation_price)
    ) / 1000000 as cost
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
group by one.name, answer.created_at::date, answer.model;
comment on view ragpg.answers_by_day is
'A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.';
comment on column ragpg.answers_by_day.collection is 'Name of the collection.';
comment on column ragpg.answers_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.answers_by_day.model is 'The language model; null when none was asked.';
comment on column ragpg.answers_by_day.answers is 'How many.';
comment on column ragpg.answers_by_day.grounded is 'How many rest on citations.';
comment on column ragpg.answers_by_day.abstained is 'How many said that nothing fits.';
comment on column ragpg.answers_by_day.input_tokens is 'Tokens read.';
comment on column ragpg.answers_by_day.output_tokens is 'Tokens written.';
comment on column ragpg.answers_by_day.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers_by_day.median_latency_ms is 'Median milliseconds.';
comment on column ragpg.answers_by_day.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.answers_by_day.grounded_share is 'grounded by answers.';
comment on column ragpg.answers_by_day.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';

-- Is a quote really there, and on which page? Refuses one that is not the cited characters.
create or replace function ragpg_internal.check_citation_quote() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    found_text text := substr(
        ragpg.document_text(new.document_id, new.document_version),
        new.start_char + 1,
        new.end_char - new.start_char
    );
begin
    if found_text is distinct from new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    new.page := ragpg_internal.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$$;
comment on function ragpg_internal.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, and notes its page.';

-- Was an answer good, and what should it have said?
create or replace function ragpg.feedback(
    answer_id bigint,
    rating text,
    corrected_text text default null,
    comment text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    new_id bigint;
begin
    if rating is null or rating not in ('good', 'bad') then
        raise exception 'the rating is %, not good or bad', coalesce(quote_literal(rating), 'null')
            using errcode = 'RG005', hint = 'say good or bad; what it should have said is corrected_text';
    end if;
    if not exists (select from ragpg.answers as answer where answer.id = feedback.answer_id) then
        raise exception 'there is no answer %', coalesce(answer_id::text, 'null')
            using errcode = 'RG005', hint = 'table ragpg.answers has them, with their questions';
    end if;
    insert into ragpg.answer_feedback (answer_id, rating, corrected_text, comment)
    values (
        feedback.answer_id, feedback.rating, nullif(btrim(feedback.corrected_text), ''),
        coalesce(feedback.comment, '')
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.feedback(bigint, text, text, text) is
'Stores what a person thinks of an answer: good or bad, what it should have said, a comment; returns its id. The newest counts. Raises RG005.';

-- Is what was found enough to answer from?
create or replace function ragpg.judge_hits(
    query text,
    chunk_ids bigint[],
    similarities double precision[],
    out is_enough boolean,
    out relevance double precision,
    out similarity double precision,
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    passages text[];
    titles text[];
begin
    select max(known.similarity) into judge_hits.similarity
    from unnest(similarities) as known (similarity);
    select array_agg(chunk.content order by hit.place), array_agg(document.title order by hit.place)
    into passages, titles
    from unnest(chunk_ids[:3]) with ordinality as hit (chunk_id, place)
    cross join lateral (
        select one.content, one.document_id
        from ragpg.chunks as one
        where one.id = hit.chunk_id
        limit 1
    ) as chunk
    join ragpg.documents as document on document.id = chunk.document_id;
    select known.* into recipe
    from ragpg.search_indexes as known
    join ragpg.chunks as chunk on chunk.index_id = known.id
    where chunk.id = chunk_ids[1];
    if recipe.id is null then
        is_enough := false;
        return;
    end if;
    -- Without a similarity the hits were found by words alone, for which nothing is calibrated.
    is_enough := coalesce(judge_hits.similarity::real >= recipe.min_similarity, true);
    select signal.* into judge_hits.words_held, judge_hits.missing_names,
        judge_hits.unmatched_negation
    from ragpg_internal.answer_signals(recipe.id, judge_hits.query, passages, titles) as signal;
    judge_hits.relevance := ragpg_internal.relevance(
        recipe.id, judge_hits.similarity, judge_hits.words_held,
        cardinality(judge_hits.missing_names), judge_hits.unmatched_negation
    );
    is_enough := is_enough and coalesce(judge_hits.relevance >= recipe.min_relevance, true);
end
$$;
comment on function ragpg.judge_hits(text, bigint[], double precision[]) is
'Returns whether the hits of a search, best first, are enough to answer a question from: their best similarity reaches the search index''s min_similarity and, once ragpg.calibrate chose one, their relevance its min_relevance. With what it judges by: ragpg_internal.relevance (null until calibrated) and ragpg_internal.answer_signals. What ask abstains by.';

-- How likely is there an answer, by these weights?
create or replace function ragpg_internal.logistic(
    weights double precision[],
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql immutable parallel safe
return 1 / (1 + exp(-greatest(-500, least(500,
    weights[1]
    + weights[2] * similarity
    + weights[3] * words_held
    + weights[4] * ln(1 + missing_names)
    + weights[5] * unmatched_negation::integer
))));
comment on function ragpg_internal.logistic(
    double precision[], double precision, double precision, integer, boolean
) is
'Returns from 0 to 1 how likely there is an answer: the logistic curve of the weighted sum (weights: offset, similarity, words held, ln(1 + missing names), unmatched negation).';

-- From 0 to 1: how likely is there an answer?
create or replace function ragpg_internal.relevance(
    index_id bigint,
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql stable
begin atomic
    select ragpg_internal.logistic(
        array[
            recipe.relevance_offset, recipe.relevance_slope, recipe.words_held_slope,
            recipe.missing_names_slope, recipe.unmatched_negation_slope
        ],
        relevance.similarity, relevance.words_held, relevance.missing_names,
        relevance.unmatched_negation
    )
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg_internal.relevance(bigint, double precision, double precision, integer, boolean) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it and whose first hits show these ragpg_internal.answer_signals; null until ragpg.calibrate was called.';

-- Keeps an answer and what it cites.
create or replace function ragpg.save_answer(
    collection text,
    question text,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    new_id bigint;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id into new_id;
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end
    )
    select
        new_id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end
    from jsonb_array_elements(save_answer.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    );
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there.';

-- Which answers rest on text that has changed since?
create or replace view ragpg.stale_citations with (security_invoker = true) as
select
    one.name as collection,
    answer.id as answer_id,
    answer.question,
    cited.ordinal,
    coalesce(document.source, earlier.source) as source,
    cited.document_version as cited_version,
    document.version as current_version,
    case
        when document.id is null then 'deleted'
        when position(cited.quote in document.content) > 0 then 'kept'
        else 'gone'
    end as quote_is,
    cited.quote,
    answer.created_at as answered_at,
    document.updated_at as changed_at
from ragpg.citations as cited
join ragpg.answers as answer on answer.id = cited.answer_id
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.documents as document on document.id = cited.document_id
left join ragpg.document_versions as earlier
    on earlier.document_id = cited.document_id and earlier.version = cited.document_version
where document.version is distinct from cited.document_version;
comment on view ragpg.stale_citations is
'A row per citation of a document version that is no longer the current one.';
comment on column ragpg.stale_citations.collection is 'The collection that was asked.';
comment on column ragpg.stale_citations.answer_id is 'The answer.';
comment on column ragpg.stale_citations.question is 'What was asked.';
comment on column ragpg.stale_citations.ordinal is 'Place among the answer''s citations, from 0.';
comment on column ragpg.stale_citations.source is 'The document''s source.';
comment on column ragpg.stale_citations.cited_version is 'The version that was read.';
comment on column ragpg.stale_citations.current_version is 'The version now; null: the document was deleted.';
comment on column ragpg.stale_citations.quote_is is 'kept (the new version still says it), gone, or deleted with the document.';
comment on column ragpg.stale_citations.quote is 'The cited characters.';
comment on column ragpg.stale_citations.answered_at is 'When the answer was given.';
comment on column ragpg.stale_citations.changed_at is 'When the document last changed.';

-- 15  Functions and views: evaluation -------------------------------------------------------------

-- A person says yes: the draft becomes a question of its set.
create or replace function ragpg.accept_draft(
    draft_id bigint, tags text[] default '{drafted}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    draft record;
    new_id bigint;
begin
    delete from ragpg.evaluation_drafts as known
    using ragpg.evaluation_sets as of_set, ragpg.collections as one, ragpg.documents as document
    where known.id = draft_id
        and of_set.id = known.evaluation_set_id
        and one.id = of_set.collection_id
        and document.id = known.document_id
    returning
        known.*, of_set.name as set_name, one.name as collection, document.source,
        strpos(document.content, known.quote) > 0 as stands into draft;
    if draft.id is null then
        raise exception 'there is no draft %', draft_id
            using errcode = 'RG005', hint = 'ragpg.evaluation_drafts holds them';
    end if;
    if not draft.stands then
        raise exception '% no longer holds the quote of draft %', draft.source, draft_id
            using errcode = 'RG006', hint = 'reject the draft';
    end if;
    if exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = draft.evaluation_set_id
            and asked.question = draft.question
    ) then
        raise exception 'the set "%" holds this question already: %', draft.set_name, draft.question
            using errcode = 'RG005', hint = 'edit the draft or reject it';
    end if;
    new_id := ragpg.put_evaluation_question(
        collection => draft.collection, evaluation_set => draft.set_name,
        question => draft.question,
        labels => jsonb_build_array(jsonb_build_object(
            'source', draft.source, 'quote', draft.quote,
            'start_char', draft.start_char,
            'end_char', draft.start_char + char_length(draft.quote)
        )),
        expected_answer => draft.expected_answer, tags => accept_draft.tags
    );
    return new_id;
end
$$;
comment on function ragpg.accept_draft(bigint, text[]) is
'Makes a draft a question of its evaluation set, labelled with its quote, and returns the question''s id; the draft goes. Raises RG005 when there is no such draft, or the set holds that question already, RG006 when the document no longer holds the quote; the draft stays then.';

-- When is there an answer?
create or replace function ragpg.calibrate(
    run_id bigint, keep double precision default 0.95, store boolean default true
) returns table (
    min_similarity double precision, min_relevance double precision,
    relevance_weights double precision[], answerable bigint, kept double precision,
    kept_low double precision, kept_high double precision, unanswerable bigint,
    refused double precision, refused_low double precision, refused_high double precision,
    kept_by_similarity double precision, refused_by_similarity double precision
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    run ragpg.evaluation_runs;
    best double precision[];
    held double precision[];
    missing integer[];
    unmatched boolean[];
    truth boolean[];
    part integer[];
    chosen record;  -- on all questions
    other record;  -- on four fifths of them
    -- Of each question, by what was chosen on the other four fifths: is it answered?
    answered boolean[] := '{}';
    answered_by_similarity boolean[] := '{}';
    counts record;
begin
    if not (calibrate.keep between 0 and 1) then
        raise exception 'keep is %, a share from 0 to 1 is needed', calibrate.keep
            using errcode = 'RG005';
    end if;
    select known.* into run from ragpg.evaluation_runs as known where known.id = run_id;
    if run.id is null or run.finished_at is null then
        raise exception 'there is no finished evaluation run %', run_id
            using errcode = 'RG011', hint = 'ragpg eval list shows them';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = run.index_id
    ) then
        raise exception 'search index % of evaluation run % was dropped', run.index_id, run_id
            using errcode = 'RG010', hint = 'run the evaluation again: ragpg eval run';
    end if;
    select
        array_agg(asked.similarity order by asked.id),
        array_agg(signal.words_held order by asked.id),
        array_agg(cardinality(signal.missing_names) order by asked.id),
        array_agg(signal.unmatched_negation order by asked.id),
        array_agg(asked.is_answerable order by asked.id)
    into best, held, missing, unmatched, truth
    from (
        select
            question.id, question.question, question.is_answerable,
            coalesce(max(hit.similarity), 0) as similarity,
            array_agg(
                substring(
                    ragpg.document_text(hit.document_id, hit.document_version)
                    from hit.start_char + 1 for hit.end_char - hit.start_char
                ) order by hit.place
            ) filter (where hit.place <= 3) as passages,
            array_agg(document.title order by hit.place) filter (where hit.place <= 3) as titles
        from ragpg.evaluation_results as result
        join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
        left join ragpg.evaluation_hits as hit
            on hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
        left join ragpg.documents as document on document.id = hit.document_id
        where result.evaluation_run_id = run.id
        group by question.id
    ) as asked
    cross join lateral ragpg_internal.answer_signals(
        run.index_id, asked.question, asked.passages, asked.titles
    ) as signal;
    select fitted.* into chosen
    from ragpg_internal.choose_abstention(
        best, held, missing, unmatched, truth, calibrate.keep
    ) as fitted;
    -- A fifth of either kind in each part.
    part := array(
        select row_number() over (partition by given.yes order by given.place) % 5
        from unnest(truth) with ordinality as given (yes, place)
        order by given.place
    );
    if least(
        cardinality(array_positions(truth, true)), cardinality(array_positions(truth, false))
    ) < 2 then
        raise exception 'one of the % questions is %answerable: what is chosen cannot be tested',
            cardinality(truth),
            case when cardinality(array_positions(truth, true)) = 1 then '' else 'un' end
            using errcode = 'RG011', hint = 'an evaluation set needs some of both kinds';
    end if;
    for fifth in 0..4 loop
        select fitted.* into other
        from (
            select
                array_agg(one.similarity) as best, array_agg(one.held) as held,
                array_agg(one.missing) as missing, array_agg(one.unmatched) as unmatched,
                array_agg(one.yes) as truth
            from unnest(best, held, missing, unmatched, truth, part)
                as one (similarity, held, missing, unmatched, yes, part)
            where one.part <> fifth
        ) as four
        cross join lateral ragpg_internal.choose_abstention(
            four.best, four.held, four.missing, four.unmatched, four.truth, calibrate.keep
        ) as fitted;
        for place in 1..cardinality(truth) loop
            if part[place] = fifth then
                answered[place] := best[place] >= other.min_similarity
                    and ragpg_internal.logistic(
                        other.relevance_weights, best[place], held[place], missing[place],
                        unmatched[place]
                    ) >= other.min_relevance;
                answered_by_similarity[place] := best[place] >= other.similarity_alone;
            end if;
        end loop;
    end loop;
    select
        count(*) filter (where given.yes) as answerable,
        count(*) filter (where not given.yes) as unanswerable,
        count(*) filter (where given.yes and given.answered) as kept,
        count(*) filter (where not given.yes and not given.answered) as refused,
        count(*) filter (where given.yes and given.by_similarity) as kept_by_similarity,
        count(*) filter (where not given.yes and not given.by_similarity) as refused_by_similarity
    into counts
    from unnest(truth, answered, answered_by_similarity) as given (yes, answered, by_similarity);
    answerable := counts.answerable;
    unanswerable := counts.unanswerable;
    kept_by_similarity := counts.kept_by_similarity::double precision / answerable;
    refused_by_similarity := counts.refused_by_similarity::double precision / unanswerable;
    kept := counts.kept::double precision / answerable;
    refused := counts.refused::double precision / unanswerable;
    relevance_weights := chosen.relevance_weights;
    if kept + refused > kept_by_similarity + refused_by_similarity then
        min_similarity := chosen.min_similarity;
        min_relevance := chosen.min_relevance;
    else
        -- Too few questions, or none of the kind the signals tell: similarity alone is as good.
        min_similarity := chosen.similarity_alone;
        min_relevance := null;
        kept := kept_by_similarity;
        refused := refused_by_similarity;
    end if;
    select bounds.low, bounds.high into kept_low, kept_high
    from ragpg_internal.wilson_interval(round(kept * answerable)::bigint, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg_internal.wilson_interval(
        round(refused * unanswerable)::bigint, unanswerable
    ) as bounds;
    if store then
        update ragpg.search_indexes as recipe
        set min_similarity = calibrate.min_similarity,
            min_relevance = calibrate.min_relevance,
            relevance_offset = calibrate.relevance_weights[1],
            relevance_slope = calibrate.relevance_weights[2],
            words_held_slope = calibrate.relevance_weights[3],
            missing_names_slope = calibrate.relevance_weights[4],
            unmatched_negation_slope = calibrate.relevance_weights[5]
        where recipe.id = run.index_id;
    end if;
    return next;
end
$$;
comment on function ragpg.calibrate(bigint, double precision, boolean) is
'Chooses, from a run over answerable and unanswerable questions, when ask abstains: below a similarity of the best hit or a ragpg_internal.relevance, so that the given share of answerable questions is kept. Stores both and the weights of relevance with the run''s search index unless told not to. Kept and refused are shares of questions nothing was chosen on (each fifth by the other four), with 95 % intervals, beside what a threshold on similarity alone does to the same questions; where that is as good, which the same shares decide, min_relevance is null. Raises RG005, RG010, RG011.';

-- Below what does one abstain, to keep a share of the answerable questions?
create or replace function ragpg_internal.choose_abstention(
    similarities double precision[],
    words_held double precision[],
    missing_names integer[],
    unmatched_negations boolean[],
    answerable boolean[],
    keep double precision,
    out relevance_weights double precision[],
    out min_similarity double precision,
    out min_relevance double precision,
    out similarity_alone double precision
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
begin
    relevance_weights := ragpg_internal.fit_relevance(
        similarities, words_held, missing_names, unmatched_negations, answerable
    );
    similarity_alone := ragpg_internal.similarity_to_keep(similarities, answerable, keep);
    -- Half of what may be lost goes to a floor under similarity: questions that look like others
    -- but have no answer teach little about those that are of something else altogether.
    min_similarity := ragpg_internal.similarity_to_keep(similarities, answerable, (1 + keep) / 2);
    select ragpg_internal.similarity_to_keep(
        array_agg(
            case
                when given.similarity < choose_abstention.min_similarity then -1
                else ragpg_internal.logistic(
                    relevance_weights, given.similarity, given.held, given.missing, given.unmatched
                )
            end order by given.place
        ),
        answerable, keep
    )
    into min_relevance
    from unnest(similarities, words_held, missing_names, unmatched_negations) with ordinality
        as given (similarity, held, missing, unmatched, place);
end
$$;
comment on function ragpg_internal.choose_abstention(
    double precision[], double precision[], integer[], boolean[], boolean[], double precision
) is
'Returns the weights of ragpg_internal.logistic and the thresholds on similarity and relevance that together keep the share keep of the answerable questions, half of the loss each; and the threshold that keeps it on similarity alone. Raises RG011 when all questions are of one kind.';

-- Is this run better than that one, or is it chance?
create or replace function ragpg.compare_runs(
    first_run bigint, second_run bigint, samples integer default 2000, split text default null
) returns table (
    measure text, questions bigint, first_mean double precision, second_mean double precision,
    difference double precision, low double precision, high double precision,
    better bigint, worse bigint
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    perform setseed(0.5);  -- the same runs give the same interval
    return query
    with pair as materialized (
        select
            row_number() over (order by a.evaluation_question_id) as number,
            value.measure, value.was, value.became
        from ragpg.evaluation_measures as a
        join ragpg.evaluation_measures as b
            on b.evaluation_run_id = second_run
            and b.evaluation_question_id = a.evaluation_question_id
        cross join lateral (
            values
                ('success', a.success, b.success),
                ('recall', a.recall, b.recall),
                ('mrr', a.reciprocal_rank, b.reciprocal_rank),
                ('ndcg', a.ndcg, b.ndcg),
                ('span_recall', a.span_recall, b.span_recall),
                ('span_iou', a.span_iou, b.span_iou)
        ) as value (measure, was, became)
        where a.evaluation_run_id = first_run
            and a.relevant_chunks > 0
            and b.relevant_chunks > 0
            and (
                compare_runs.split is null
                or ragpg_internal.evaluation_split(a.evaluation_question_id) = compare_runs.split
            )
    ),
    numbered as materialized (
        select
            pair.measure, coalesce(pair.became, 0) - coalesce(pair.was, 0) as difference,
            row_number() over (partition by pair.measure order by pair.number) as number
        from pair
    ),
    drawn as materialized (
        select sample, 1 + floor(random() * total.questions)::bigint as number
        from (select count(distinct numbered.number) as questions from numbered) as total
        cross join generate_series(1, samples) as sample
        cross join lateral generate_series(1, total.questions)
    ),
    resampled as (
        select numbered.measure, avg(numbered.difference) as difference
        from drawn
        join numbered on numbered.number = drawn.number
        group by numbered.measure, drawn.sample
    ),
    bounded as (
        select
            resampled.measure,
            percentile_cont(0.025) within group (order by resampled.difference) as low,
            percentile_cont(0.975) within group (order by resampled.difference) as high
        from resampled
        group by resampled.measure
    )
    select
        pair.measure,
        count(*),
        avg(coalesce(pair.was, 0)),
        avg(coalesce(pair.became, 0)),
        avg(coalesce(pair.became, 0) - coalesce(pair.was, 0)),
        bounded.low,
        bounded.high,
        count(*) filter (where coalesce(pair.became, 0) > coalesce(pair.was, 0)),
        count(*) filter (where coalesce(pair.became, 0) < coalesce(pair.was, 0))
    from pair
    join bounded on bounded.measure = pair.measure
    group by pair.measure, bounded.low, bounded.high
    order by array_position(
        array['success', 'recall', 'mrr', 'ndcg', 'span_recall', 'span_iou'], pair.measure
    );
end
$$;
comment on function ragpg.compare_runs(bigint, bigint, integer, text) is
'Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise. split keeps one half of them: train or held-out (ragpg_internal.evaluation_split).';

-- How good is retrieval? Asks a whole evaluation set, in SQL alone.
create or replace function ragpg.evaluate(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    run_id bigint := ragpg_internal.start_evaluation(
        collection, evaluation_set, k, mode, index_id, note
    );
    question_id bigint;
begin
    for question_id in
        select question.id
        from ragpg.evaluation_questions as question
        join ragpg.evaluation_runs as run on run.evaluation_set_id = question.evaluation_set_id
        where run.id = run_id
        order by question.id
    loop
        perform ragpg_internal.evaluate_question(run_id, question_id);
    end loop;
    update ragpg.evaluation_runs as run
    set finished_at = clock_timestamp()
    where run.id = run_id;
    return run_id;
end
$$;
comment on function ragpg.evaluate(text, text, integer, text, bigint, text) is
'Asks every question of an evaluation set and returns the id of the run; view evaluation_leaderboard has its measures. The database embeds the questions if it holds the model (ragpg model load); else words stand in for it.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg_internal.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    found jsonb;
    relevant_ids bigint[];
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
begin
    select known.* into strict run from ragpg.evaluation_runs as known where known.id = run_id;
    select question.question, one.name into strict asked, collection
    from ragpg.evaluation_questions as question
    join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
    join ragpg.collections as one on one.id = of_set.collection_id
    where question.id = question_id and of_set.id = run.evaluation_set_id;
    started := clock_timestamp();
    select coalesce(jsonb_agg(to_jsonb(hit) - 'content' - 'metadata' - 'context'), '[]') into found
    from ragpg.search(
        query => asked, k => run.k, collection => collection,
        query_embedding => evaluate_question.query_embedding, mode => run.mode,
        index_id => run.index_id
    ) as hit;
    latency := extract(epoch from clock_timestamp() - started) * 1000;

    with span as materialized (
        select label.*
        from ragpg.evaluation_label_spans as label
        where label.evaluation_question_id = question_id
    ),
    touched as materialized (
        select
            span.evaluation_label_id, chunk.id,
            chunk.start_char <= span.start_char and span.end_char <= chunk.end_char as is_whole
        from span
        -- Looked up document by document: a join may be planned that reads every chunk.
        cross join lateral (
            select one.id, one.start_char, one.end_char
            from ragpg.chunks as one
            where one.index_id = run.index_id
                and one.document_id = span.document_id
                and one.start_char < span.end_char
                and span.start_char < one.end_char
            offset 0
        ) as chunk
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (select count(*) from span),
        (select count(*) from span where span.state <> 'found'),
        (
            select count(*)
            from span
            where span.state = 'found'
                and not exists (
                    select
                    from touched
                    where touched.evaluation_label_id = span.evaluation_label_id
                        and touched.is_whole
                )
        ),
        (
            select coalesce(jsonb_object_agg(by_document.document_id, by_document.spans::text), '{}')
            from (
                select
                    span.document_id,
                    range_agg(int4range(span.start_char, span.end_char)) as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, labels, lost, split, spans;

    select min(hit.place) into first_place
    from jsonb_to_recordset(found) as hit (place integer, chunk_id bigint)
    where hit.chunk_id = any(relevant_ids);
    if first_place is null and cardinality(relevant_ids) > 0 then
        -- Ranked too low, or not even a candidate?
        select min(hit.place) into first_place
        from ragpg.search(
            query => asked, k => (run.recipe ->> 'candidates')::integer * 2,
            collection => collection, query_embedding => evaluate_question.query_embedding,
            mode => run.mode, index_id => run.index_id
        ) as hit
        where hit.chunk_id = any(relevant_ids);
    end if;
    insert into ragpg.evaluation_results (
        evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks,
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans
    )
    values (
        run_id, question_id, jsonb_array_length(found), cardinality(relevant_ids), first_place,
        latency, labels, lost, split, spans
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg_internal.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

-- Were the answers of a run right, cited, and withheld where there was nothing to say?
create or replace view ragpg.evaluation_answers with (security_invoker = true) as
select
    result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.is_answerable,
    question.expected_answer,
    answer.id as answer_id,
    answer.content as answer,
    answer.abstained,
    answer.abstained = not question.is_answerable as abstained_rightly,
    answer.grounded,
    cited.citations,
    cited.valid as valid_citations,
    cited.labelled as labelled_citations,
    result.grade,
    result.grade_reason,
    answer.latency_ms,
    answer.input_tokens,
    answer.output_tokens
from ragpg.evaluation_results as result
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
join ragpg.answers as answer on answer.id = result.answer_id
cross join lateral (
    select
        count(*) as citations,
        count(*) filter (
            where citation.quote = substr(
                ragpg.document_text(citation.document_id, citation.document_version),
                citation.start_char + 1,
                citation.end_char - citation.start_char
            )
        ) as valid,
        count(*) filter (
            where coalesce(
                (result.labelled_spans ->> citation.document_id::text)::int4multirange
                && int4range(citation.start_char, citation.end_char),
                false
            )
        ) as labelled
    from ragpg.citations as citation
    where citation.answer_id = answer.id
) as cited;
comment on view ragpg.evaluation_answers is
'A row per question of a run that was answered too (ragpg eval run --answers): abstained rightly or not, claims cited or not, quotes that stand where they are said to, citations that touch a labelled text, and the grade a judge gave.';
comment on column ragpg.evaluation_answers.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_answers.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_answers.question is 'Its text.';
comment on column ragpg.evaluation_answers.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_answers.expected_answer is 'What a good answer says, if known.';
comment on column ragpg.evaluation_answers.answer_id is 'The stored answer.';
comment on column ragpg.evaluation_answers.answer is 'Its text.';
comment on column ragpg.evaluation_answers.abstained is 'Whether it says that there is no answer.';
comment on column ragpg.evaluation_answers.abstained_rightly is 'Whether that is as the question wants it.';
comment on column ragpg.evaluation_answers.grounded is 'Whether every claim is cited.';
comment on column ragpg.evaluation_answers.citations is 'How many it cites.';
comment on column ragpg.evaluation_answers.valid_citations is 'Those whose quote stands at the cited characters of that version.';
comment on column ragpg.evaluation_answers.labelled_citations is 'Those that touch a labelled text.';
comment on column ragpg.evaluation_answers.grade is 'right, right in fact, or wrong; null without a judge.';
comment on column ragpg.evaluation_answers.grade_reason is 'What the judge said.';
comment on column ragpg.evaluation_answers.latency_ms is 'Milliseconds the answer took.';
comment on column ragpg.evaluation_answers.input_tokens is 'Tokens the model read.';
comment on column ragpg.evaluation_answers.output_tokens is 'Tokens it wrote.';

-- What people said of answers, as questions to measure with.
create or replace function ragpg.evaluation_from_feedback(
    collection text default null, evaluation_set text default 'feedback'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id constant bigint := ragpg.collection_id(evaluation_from_feedback.collection);
    parent_name text := (select one.name from ragpg.collections as one where one.id = parent_id);
    put_count bigint;
begin
    select count(
        ragpg.put_evaluation_question(
            collection => parent_name,
            evaluation_set => evaluation_from_feedback.evaluation_set,
            question => told.question, labels => told.labels,
            expected_answer => told.expected_answer, is_answerable => told.is_answerable,
            tags => '{feedback}'
        )
    )
    into put_count
    from (
        select distinct on (answer.question)
            answer.question,
            -- A good answer that abstained was right to: there is none.
            not (answer.abstained and newest.corrected_text is null) as is_answerable,
            coalesce(newest.corrected_text, case when not answer.abstained then answer.content end)
                as expected_answer,
            case
                -- What a wrong answer cited says nothing of where the right one stands.
                when newest.rating = 'good' then
                    coalesce(
                        (
                            select jsonb_agg(distinct jsonb_build_object(
                                'source', coalesce(document.source, earlier.source),
                                'quote', cited.quote
                            ))
                            from ragpg.citations as cited
                            left join ragpg.documents as document
                                on document.id = cited.document_id
                            left join ragpg.document_versions as earlier
                                on earlier.document_id = cited.document_id
                                and earlier.version = cited.document_version
                            where cited.answer_id = answer.id
                                and coalesce(document.source, earlier.source) is not null
                        ),
                        '[]'
                    )
                else '[]'
            end as labels
        from ragpg.answers as answer
        cross join lateral (
            select said.id, said.rating, said.corrected_text
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest
        where answer.collection_id = parent_id
            and (newest.corrected_text is not null or newest.rating = 'good')
            -- A question that somebody wrote or changed in the set stays as it is.
            and not exists (
                select
                from ragpg.evaluation_questions as asked
                join ragpg.evaluation_sets as known on known.id = asked.evaluation_set_id
                where known.collection_id = parent_id
                    and known.name = evaluation_from_feedback.evaluation_set
                    and asked.question = answer.question
                    and asked.tags <> '{feedback}'
            )
        order by answer.question, newest.id desc
    ) as told;
    return put_count;
end
$$;
comment on function ragpg.evaluation_from_feedback(text, text) is
'Makes questions of an evaluation set, tagged feedback, from ragpg.feedback, and returns how many: of answers to the same question the last one that was called good or corrected, by the newest feedback to it. A good answer is what to expect, its quotes are the labels; a good abstention makes the question unanswerable; a correction is what to expect, without labels. Bad answers without a correction, and questions the set holds under other tags, are left out. Raises RG001, RG002.';

-- Where does each label stand in the documents as they are now?
create or replace view ragpg.evaluation_label_spans with (security_invoker = true) as
select
    label.id as evaluation_label_id,
    question.id as evaluation_question_id,
    question.evaluation_set_id,
    question.question,
    label.source,
    label.quote,
    case
        when document.id is null then 'document is gone'
        when label.quote is not null and place.start_char is null then 'quote is gone'
        when label.quote is null and label.end_char > char_length(document.content)
            then 'document is shorter'
        else 'found'
    end as state,
    document.id as document_id,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char
        else coalesce(label.start_char, 0)
    end as start_char,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char + char_length(label.quote)
        else coalesce(label.end_char, char_length(document.content))
    end as end_char
from ragpg.evaluation_labels as label
join ragpg.evaluation_questions as question on question.id = label.evaluation_question_id
join ragpg.evaluation_sets as asked on asked.id = question.evaluation_set_id
left join lateral (
    -- The source itself, or else the one document whose path ends with it: asked for only then,
    -- because that reads every source.
    select known.id, known.content
    from ragpg.documents as known
    where known.collection_id = asked.collection_id and known.source = label.source
    union all
    select known.id, known.content
    from ragpg.documents as known
    where (
        select exact.id
        from ragpg.documents as exact
        where exact.collection_id = asked.collection_id and exact.source = label.source
        limit 1
    ) is null
        and known.collection_id = asked.collection_id
        and known.source like '%/' || label.source
        and not exists (
            select
            from ragpg.documents as other
            where other.collection_id = asked.collection_id
                and other.source like '%/' || label.source
                and other.id <> known.id
        )
) as document on true
left join lateral (
    select case
        -- At its old place still, or else where it first occurs.
        when substr(document.content, label.start_char + 1, char_length(label.quote)) = label.quote
            then label.start_char
        else nullif(strpos(document.content, label.quote), 0) - 1
    end as start_char
) as place on true;
comment on view ragpg.evaluation_label_spans is
'A row per label with the characters it stands at today; state says when its document or quote is gone.';
comment on column ragpg.evaluation_label_spans.evaluation_label_id is 'The label.';
comment on column ragpg.evaluation_label_spans.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_label_spans.evaluation_set_id is 'The evaluation set.';
comment on column ragpg.evaluation_label_spans.question is 'The question''s text.';
comment on column ragpg.evaluation_label_spans.source is 'The document, as the label names it.';
comment on column ragpg.evaluation_label_spans.quote is 'The labelled text, if it is a quote.';
comment on column ragpg.evaluation_label_spans.state is
'found, document is gone, quote is gone, or document is shorter.';
comment on column ragpg.evaluation_label_spans.document_id is 'The document; null when it is gone.';
comment on column ragpg.evaluation_label_spans.start_char is 'First labelled character.';
comment on column ragpg.evaluation_label_spans.end_char is 'One past the last.';

-- Is a question there to choose settings by, or to judge the choice?
create or replace function ragpg_internal.evaluation_split(question_id bigint) returns text
language sql stable
begin atomic
    select case
        when get_byte(
            ragpg_internal.hash_text(coalesce(min(label.source), question.question)), 0
        ) < 128
            then 'train'
        else 'held-out'
    end
    from ragpg.evaluation_questions as question
    left join ragpg.evaluation_labels as label on label.evaluation_question_id = question.id
    where question.id = evaluation_split.question_id
    group by question.id;
end;
comment on function ragpg_internal.evaluation_split(bigint) is
'Returns train or held-out, about half of the questions each; questions about one source are on one side, so that what is chosen on the first is not known to suit the second.';

-- How likely is an answer, given what is known of the hits?
create or replace function ragpg_internal.fit_relevance(
    similarities double precision[],
    words_held double precision[],
    missing_names integer[],
    unmatched_negations boolean[],
    answerable boolean[]
) returns double precision[]
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    total bigint := cardinality(answerable);
    positives bigint := (select count(*) from unnest(answerable) as given (yes) where given.yes);
    means double precision[];
    deviations double precision[];
    -- Of the intercept and of the signals less their mean, in deviations.
    weights double precision[] := '{0,0,0,0,0}';
    gradient double precision;
    curvature double precision;
    moved double precision;
    largest_move double precision;
begin
    if positives = 0 or positives = total then
        raise exception 'all % questions are %answerable: relevance cannot be told apart', total,
            case when positives = 0 then 'un' else '' end
            using errcode = 'RG011', hint = 'an evaluation set needs questions of both kinds';
    end if;
    select
        array[avg(similarity), avg(held), avg(-ln(1 + missing)), avg(-unmatched::integer)],
        array[
            stddev_pop(similarity), stddev_pop(held), stddev_pop(-ln(1 + missing)),
            stddev_pop(-unmatched::integer)
        ]
    into means, deviations
    from unnest(similarities, words_held, missing_names, unmatched_negations)
        as given (similarity, held, missing, unmatched);
    deviations := array(
        select case when one.deviation > 1e-6 then one.deviation else 1 end  -- or all are the same
        from unnest(deviations) with ordinality as one (deviation, place)
        order by one.place
    );
    -- Logistic regression with a ridge of 1 by Newton's method in one weight at a time, none below
    -- 0: more similarity, more words, fewer missing never speak against an answer. Targets as Platt
    -- (1999) smooths them.
    for sweep in 1..200 loop
        largest_move := 0;
        for chosen in 1..5 loop
            select
                sum((point.probability - point.target) * point.x[chosen]),
                sum(point.probability * (1 - point.probability) * point.x[chosen] ^ 2)
            into gradient, curvature
            from (
                select
                    one.x,
                    1 / (1 + exp(-(
                        weights[1] + weights[2] * one.x[2] + weights[3] * one.x[3]
                        + weights[4] * one.x[4] + weights[5] * one.x[5]
                    ))) as probability,
                    case
                        when given.yes then (positives + 1.0) / (positives + 2.0)
                        else 1.0 / (total - positives + 2.0)
                    end::double precision as target
                from unnest(
                    similarities, words_held, missing_names, unmatched_negations, answerable
                ) as given (similarity, held, missing, unmatched, yes)
                cross join lateral (
                    select array[
                        1,
                        (given.similarity - means[1]) / deviations[1],
                        (given.held - means[2]) / deviations[2],
                        (-ln(1 + given.missing) - means[3]) / deviations[3],
                        (-given.unmatched::integer - means[4]) / deviations[4]
                    ] as x
                ) as one
            ) as point;
            if chosen > 1 then
                gradient := gradient + weights[chosen];
                curvature := curvature + 1;
            end if;
            moved := -gradient / greatest(curvature, 1e-9);
            if chosen > 1 then
                moved := greatest(moved, -weights[chosen]);
            end if;
            weights[chosen] := weights[chosen] + moved;
            largest_move := greatest(largest_move, abs(moved));
        end loop;
        exit when largest_move < 1e-7;
    end loop;
    weights := array[
        weights[1], weights[2] / deviations[1], weights[3] / deviations[2],
        -weights[4] / deviations[3], -weights[5] / deviations[4]
    ];
    weights[1] := weights[1] - weights[2] * means[1] - weights[3] * means[2]
        + weights[4] * means[3] + weights[5] * means[4];
    return weights;
end
$$;
comment on function ragpg_internal.fit_relevance(
    double precision[], double precision[], integer[], boolean[], boolean[]
) is
'Returns the weights of ragpg_internal.logistic that tell from the best hit''s similarity and ragpg_internal.answer_signals how likely there is an answer. Those of similarity and words held are never negative, those of missing names and of an unmatched negation never positive. Raises RG011 when all questions are of one kind.';

-- What did the model make of a question's hits, and was it right?
create or replace function ragpg_internal.note_answer(
    run_id bigint, question_id bigint, answer_id bigint, grade text default null,
    grade_reason text default null
) returns void
language sql volatile
begin atomic
    update ragpg.evaluation_results as result
    set answer_id = note_answer.answer_id,
        grade = note_answer.grade,
        grade_reason = note_answer.grade_reason
    where result.evaluation_run_id = note_answer.run_id
        and result.evaluation_question_id = note_answer.question_id;
end;
comment on function ragpg_internal.note_answer(bigint, bigint, bigint, text, text) is
'Notes which stored answer a question of a run got, and its grade if a judge gave one: right, right in fact (but wrong in form), or wrong.';

-- A question somebody or a model proposes, for a person to accept.
create or replace function ragpg.put_evaluation_draft(
    collection text,
    evaluation_set text,
    question text,
    expected_answer text,
    document_id bigint,
    quote text,
    start_char integer,
    model text
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(put_evaluation_draft.collection);
    set_id bigint;
    new_id bigint;
begin
    perform
    from ragpg.documents as document
    where document.id = put_evaluation_draft.document_id
        and document.collection_id = parent_id
        and put_evaluation_draft.quote = substr(
            document.content, put_evaluation_draft.start_char + 1,
            char_length(put_evaluation_draft.quote)
        );
    if not found then
        raise exception 'document % does not hold this quote at character %',
            put_evaluation_draft.document_id, put_evaluation_draft.start_char
            using errcode = 'RG006', hint = 'draft from the document as it is now';
    end if;
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (parent_id, evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_drafts as known (
        evaluation_set_id, document_id, question, expected_answer, quote, start_char, model
    )
    select
        set_id, put_evaluation_draft.document_id, put_evaluation_draft.question,
        put_evaluation_draft.expected_answer, put_evaluation_draft.quote,
        put_evaluation_draft.start_char, put_evaluation_draft.model
    where not exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = set_id
            and asked.question = put_evaluation_draft.question
    )
    on conflict on constraint evaluation_drafts_evaluation_set_id_question_key do nothing
    returning known.id into new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_draft(text, text, text, text, bigint, text, integer, text) is
'Stores a drafted question of an evaluation set, which is made when it is new, and returns its id; null when the set has that question or draft already. No run asks it before ragpg.accept_draft. Raises RG006 when the document does not hold the quote at that character.';

-- A question for measuring, with where its answer stands.
create or replace function ragpg.put_evaluation_question(
    collection text,
    evaluation_set text,
    question text,
    labels jsonb default '[]',
    expected_answer text default null,
    is_answerable boolean default true,
    tags text[] default '{}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    set_id bigint;
    new_id bigint;
begin
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (ragpg.collection_id(put_evaluation_question.collection), evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_questions as known (
        evaluation_set_id, question, expected_answer, is_answerable, tags
    )
    values (
        set_id, put_evaluation_question.question, put_evaluation_question.expected_answer,
        put_evaluation_question.is_answerable, put_evaluation_question.tags
    )
    on conflict on constraint evaluation_questions_evaluation_set_id_question_key do update
    set expected_answer = excluded.expected_answer,
        is_answerable = excluded.is_answerable,
        tags = excluded.tags
    returning known.id into new_id;
    delete from ragpg.evaluation_labels as label where label.evaluation_question_id = new_id;
    insert into ragpg.evaluation_labels (
        evaluation_question_id, source, quote, start_char, end_char
    )
    select new_id, label.source, label.quote, label.start_char, label.end_char
    from jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    );
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_question(text, text, text, jsonb, text, boolean, text[]) is
'Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.';

-- How many characters do these spans hold?
create or replace function ragpg_internal.range_length(spans int4multirange) returns bigint
language sql immutable parallel safe
begin atomic
    select coalesce(sum(upper(part) - lower(part)), 0)
    from unnest(spans) as part;
end;
comment on function ragpg_internal.range_length(int4multirange) is
'Returns the number of characters in a set of spans.';

-- Which passages to draft questions from?
create or replace function ragpg.sample_chunks(
    collection text, evaluation_set text, k integer default 20, min_chars integer default 100
) returns table (
    document_id bigint, source text, title text, context text, content text, start_char integer
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent ragpg.collections;
    set_id bigint;
begin
    select one.* into parent
    from ragpg.collections as one
    where one.id = ragpg.collection_id(sample_chunks.collection);
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent.id and known.name = sample_chunks.evaluation_set;
    return query
    with taken as materialized (
        select draft.document_id, draft.start_char,
            draft.start_char + char_length(draft.quote) as end_char
        from ragpg.evaluation_drafts as draft
        where draft.evaluation_set_id = set_id
        union all
        select label.document_id, label.start_char, label.end_char
        from ragpg.evaluation_label_spans as label
        where label.evaluation_set_id = set_id and label.state = 'found'
    ),
    drawn as (
        -- A chunk of each document first, then a second of each.
        select
            chunk.id, random() as luck,
            row_number() over (partition by chunk.document_id order by random()) as turn
        from ragpg.chunks as chunk
        where chunk.index_id = parent.active_index_id
            and chunk.end_char - chunk.start_char >= min_chars
            and not exists (
                select
                from taken
                where taken.document_id = chunk.document_id
                    and taken.start_char < chunk.end_char
                    and chunk.start_char < taken.end_char
            )
        order by turn, luck
        limit sample_chunks.k
    )
    select
        document.id, document.source, document.title, chunk.context, chunk.content,
        chunk.start_char
    from drawn
    join ragpg.chunks as chunk on chunk.index_id = parent.active_index_id and chunk.id = drawn.id
    join ragpg.documents as document
        on document.id = chunk.document_id and document.version = chunk.document_version
    order by drawn.turn, drawn.luck;
end
$$;
comment on function ragpg.sample_chunks(text, text, integer, integer) is
'Draws up to k chunks of at least min_chars characters at random from the active search index, spread over the documents, without those that a label or draft of the evaluation set touches already; fewer when there are no more.';

-- The largest threshold that still keeps a share of the answerable questions.
create or replace function ragpg_internal.similarity_to_keep(
    similarities double precision[], answerable boolean[], keep double precision
) returns double precision
language sql immutable parallel safe
begin atomic
    select greatest(
        coalesce(
            (array_agg(given.similarity order by given.similarity))[
                least(floor(count(*) * (1 - keep) + 1e-9) + 1, count(*))::integer
            ],
            0
        ),
        0
    )
    from unnest(similarities, answerable) as given (similarity, is_answerable)
    where given.is_answerable;
end;
comment on function ragpg_internal.similarity_to_keep(double precision[], boolean[], double precision) is
'Returns the largest similarity (or relevance) that at least the share keep of the answerable questions reach, and at least 0.';

-- A new run of an evaluation set.
create or replace function ragpg_internal.start_evaluation(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(start_evaluation.collection);
    set_id bigint;
    names text;
    recipe ragpg.search_indexes;
    new_id bigint;
begin
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent_id
        and known.tenant = ragpg_internal.written_tenant()
        and known.name = start_evaluation.evaluation_set;
    if set_id is null then
        select string_agg(known.name, ', ' order by known.name) into names
        from ragpg.evaluation_sets as known
        where known.collection_id = parent_id;
        raise exception 'there is no evaluation set "%"', start_evaluation.evaluation_set
            using errcode = 'RG011',
                hint = coalesce('there are: ' || names, 'load one: ragpg eval load FILE');
    end if;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.collection_id = parent_id
        and known.id = coalesce(
            start_evaluation.index_id,
            (select one.active_index_id from ragpg.collections as one where one.id = parent_id)
        );
    if recipe.id is null then
        raise exception 'this collection has no search index %', coalesce(index_id::text, 'yet')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    insert into ragpg.evaluation_runs (evaluation_set_id, index_id, k, mode, note, recipe)
    select set_id, recipe.id, k, mode, note, to_jsonb(recipe) || jsonb_build_object(
        'embedding_model', (
            select model.name
            from ragpg.embedding_models as model
            where model.id = recipe.embedding_model_id
        )
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_evaluation(text, text, integer, text, bigint, text) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). ragpg_internal.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';

-- Between which bounds does a share lie?
create or replace function ragpg_internal.wilson_interval(
    successes bigint, total bigint, out low double precision, out high double precision
)
language sql immutable parallel safe
begin atomic
    select
        greatest(0, (share + 1.9207 / total - 1.96 * spread) / (1 + 3.8416 / total)),
        least(1, (share + 1.9207 / total + 1.96 * spread) / (1 + 3.8416 / total))
    from (
        select
            successes::double precision / total as share,
            sqrt(
                successes::double precision / total * (1 - successes::double precision / total)
                / total + 0.9604 / total::double precision ^ 2
            ) as spread
        where total > 0
    ) as observed;
end;
comment on function ragpg_internal.wilson_interval(bigint, bigint) is
'Returns the 95 % interval of a share of which successes of total were observed (Wilson 1927); null for none.';

-- How well was each question of each run answered?
create or replace view ragpg.evaluation_measures with (security_invoker = true) as
select
    result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.tags,
    question.is_answerable,
    run.k,
    result.hit_count,
    result.relevant_chunks,
    result.latency_ms,
    result.first_relevant_place,
    measured.found / nullif(result.relevant_chunks, 0)::double precision as recall,
    measured.found / run.k::double precision as precision,
    coalesce(1.0::double precision / measured.first_place, 0) as reciprocal_rank,
    measured.precisions / nullif(result.relevant_chunks, 0) as average_precision,
    measured.gain / nullif(
        (
            -- 1 / log2(place + 1) of the best possible order
            select sum(ln(2::double precision) / ln(place + 1::double precision))
            from generate_series(1, least(run.k, result.relevant_chunks)) as place
        ),
        0
    ) as ndcg,
    (measured.found > 0)::integer::double precision as success,
    span.shared / nullif(span.labelled, 0)::double precision as span_recall,
    span.shared / nullif(span.retrieved, 0)::double precision as span_precision,
    span.shared / nullif(span.labelled + span.retrieved - span.shared, 0)::double precision
        as span_iou
from ragpg.evaluation_results as result
join ragpg.evaluation_runs as run on run.id = result.evaluation_run_id
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
cross join lateral (
    select
        count(*) filter (where ranked.is_relevant) as found,
        min(ranked.place) filter (where ranked.is_relevant) as first_place,
        coalesce(
            sum(ranked.relevant_so_far / ranked.place::double precision)
                filter (where ranked.is_relevant),
            0
        ) as precisions,
        coalesce(
            sum(ln(2::double precision) / ln(ranked.place + 1::double precision))
                filter (where ranked.is_relevant),
            0
        ) as gain
    from (
        select
            hit.place, hit.is_relevant,
            count(*) filter (where hit.is_relevant) over (order by hit.place) as relevant_so_far
        from ragpg.evaluation_hits as hit
        where hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
    ) as ranked
) as measured
cross join lateral (
    select
        coalesce(sum(ragpg_internal.range_length(by_document.labelled)), 0) as labelled,
        coalesce(sum(ragpg_internal.range_length(by_document.retrieved)), 0) as retrieved,
        coalesce(sum(ragpg_internal.range_length(by_document.labelled * by_document.retrieved)), 0)
            as shared
    from (
        select
            document_id,
            coalesce((result.labelled_spans ->> document_id::text)::int4multirange, '{}')
                as labelled,
            coalesce(
                (
                    select range_agg(int4range(hit.start_char, hit.end_char))
                    from ragpg.evaluation_hits as hit
                    where hit.evaluation_run_id = result.evaluation_run_id
                        and hit.evaluation_question_id = result.evaluation_question_id
                        and hit.document_id = known.document_id
                ),
                '{}'
            ) as retrieved
        from (
            select hit.document_id
            from ragpg.evaluation_hits as hit
            where hit.evaluation_run_id = result.evaluation_run_id
                and hit.evaluation_question_id = result.evaluation_question_id
            union
            select key::bigint
            from jsonb_object_keys(result.labelled_spans) as key
        ) as known (document_id)
    ) as by_document
) as span;
comment on view ragpg.evaluation_measures is
'A row per question and run. Relevant is a chunk that holds a character of a labelled text; recall, precision, reciprocal rank, average precision and nDCG are at the run''s k, with binary gains, as trec_eval computes them; span measures count characters and so compare recipes of different chunk sizes (Smith and Troynikov 2024). Null where nothing is labelled.';
comment on column ragpg.evaluation_measures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_measures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_measures.question is 'Its text.';
comment on column ragpg.evaluation_measures.tags is 'Its tags.';
comment on column ragpg.evaluation_measures.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_measures.k is 'Hits asked for.';
comment on column ragpg.evaluation_measures.hit_count is 'Hits that came back.';
comment on column ragpg.evaluation_measures.relevant_chunks is 'Relevant chunks there are.';
comment on column ragpg.evaluation_measures.latency_ms is 'Milliseconds of the search.';
comment on column ragpg.evaluation_measures.first_relevant_place is
'Place of the first relevant chunk, beyond k too; null when it was no candidate.';
comment on column ragpg.evaluation_measures.recall is 'Share of the relevant chunks among the hits.';
comment on column ragpg.evaluation_measures.precision is 'Relevant hits by k.';
comment on column ragpg.evaluation_measures.reciprocal_rank is '1 by the place of the first relevant hit, or 0.';
comment on column ragpg.evaluation_measures.average_precision is
'Mean of the precisions at each relevant hit, over all relevant chunks.';
comment on column ragpg.evaluation_measures.ndcg is
'Discounted cumulative gain by the best possible one (Järvelin and Kekäläinen 2002).';
comment on column ragpg.evaluation_measures.success is '1 when any hit is relevant, else 0.';
comment on column ragpg.evaluation_measures.span_recall is 'Share of the labelled characters that the hits hold.';
comment on column ragpg.evaluation_measures.span_precision is 'Share of the hits'' characters that are labelled.';
comment on column ragpg.evaluation_measures.span_iou is 'Characters in both by characters in either.';

-- On which kinds of questions is a run weak?
create or replace view ragpg.evaluation_tags with (security_invoker = true) as
select
    measure.evaluation_run_id,
    tag,
    count(*) as questions,
    avg(measure.success) as success,
    avg(measure.recall) as recall,
    avg(measure.reciprocal_rank) as mrr,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall
from ragpg.evaluation_measures as measure
cross join lateral unnest(measure.tags) as tag
where measure.relevant_chunks > 0
group by measure.evaluation_run_id, tag;
comment on view ragpg.evaluation_tags is
'A row per run and tag: means of evaluation_measures over its questions with labelled texts in the collection.';
comment on column ragpg.evaluation_tags.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_tags.tag is 'The tag.';
comment on column ragpg.evaluation_tags.questions is 'Questions with it and a relevant chunk.';
comment on column ragpg.evaluation_tags.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_tags.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_tags.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_tags.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_tags.span_recall is 'Mean share of labelled characters found.';

-- Which settings were best, and what do they cost?
create or replace function ragpg.rank_runs(run_ids bigint[])
returns table (
    run_id bigint, index_id bigint, embedding_model text, chunk_tokens integer,
    overlap_tokens integer, k integer, vector_weight real, candidates integer, ef_search integer,
    train_ndcg double precision, train_span_recall double precision,
    held_out_ndcg double precision, held_out_span_recall double precision,
    latency_p50_ms double precision, index_bytes bigint, best_trade boolean
)
language sql stable
begin atomic
    with measured as materialized (
        select
            measure.evaluation_run_id as run_id,
            avg(measure.ndcg) filter (where side.split = 'train') as train_ndcg,
            avg(measure.span_recall) filter (where side.split = 'train') as train_span_recall,
            avg(measure.ndcg) filter (where side.split = 'held-out') as held_out_ndcg,
            avg(measure.span_recall) filter (where side.split = 'held-out') as held_out_span_recall,
            percentile_cont(0.5) within group (order by measure.latency_ms) as latency
        from ragpg.evaluation_measures as measure
        cross join lateral ragpg_internal.evaluation_split(measure.evaluation_question_id)
            as side (split)
        where measure.evaluation_run_id = any(rank_runs.run_ids)
        group by measure.evaluation_run_id
    ),
    sized as materialized (
        select
            run.*, measured.train_ndcg, measured.train_span_recall, measured.held_out_ndcg,
            measured.held_out_span_recall, measured.latency,
            pg_total_relation_size(to_regclass('ragpg.chunks_' || run.index_id)) as bytes
        from measured
        join ragpg.evaluation_runs as run on run.id = measured.run_id
    )
    select
        one.id, one.index_id, one.recipe ->> 'embedding_model',
        (one.recipe ->> 'chunk_tokens')::integer, (one.recipe ->> 'overlap_tokens')::integer,
        one.k, (one.recipe ->> 'vector_weight')::real, (one.recipe ->> 'candidates')::integer,
        (one.recipe ->> 'ef_search')::integer, one.train_ndcg, one.train_span_recall,
        one.held_out_ndcg, one.held_out_span_recall, one.latency, one.bytes,
        not exists (
            select
            from sized as other
            where other.train_span_recall >= one.train_span_recall
                and other.train_ndcg >= one.train_ndcg
                and other.latency <= one.latency
                and other.bytes <= one.bytes
                and (
                    other.train_span_recall > one.train_span_recall
                    or other.train_ndcg > one.train_ndcg
                    or other.latency < one.latency
                    or other.bytes < one.bytes
                )
        )
    from sized as one
    order by one.train_span_recall desc nulls last, one.train_ndcg desc nulls last, one.id;
end;
comment on function ragpg.rank_runs(bigint[]) is
'Returns runs of one evaluation set with their settings, nDCG at k and the share of labelled characters among the hits, each on both halves of ragpg_internal.evaluation_split, the median milliseconds of a search and the bytes of chunks and their indexes, best on the training half first. best_trade: no other run is as good in all four and better in one (Pareto).';

-- Why did it miss?
create or replace view ragpg.evaluation_failures with (security_invoker = true) as
select
    failed.evaluation_run_id,
    failed.evaluation_question_id,
    failed.question,
    failed.kind,
    case failed.kind
        when 'not in the corpus' then 'add the missing document, or correct the label'
        when 'cut across chunks' then 'larger chunks, or overlap: ragpg index build'
        when 'not among the candidates'
            then 'other words or another embedding model; more candidates'
        when 'ranked low' then 'the weight of the legs, or a reranker'
        when 'should have abstained' then 'a higher min_similarity: ragpg eval calibrate'
        when 'answer wrong or uncited' then 'the prompt or another model; look at the hits it read'
        else 'a behaviour, not a knowledge gap: examples in the prompt, or fine-tuning'
    end as what_to_try,
    failed.first_relevant_place,
    failed.span_recall
from (
    select
        measure.*,
        case
            when not measure.is_answerable then
                case when not answered.abstained then 'should have abstained' end
            when result.labels > 0 and (measure.success = 0 or measure.span_recall < 1) then
                case
                    when answered.grade = 'right' then null  -- what was found was enough
                    when result.lost_labels = result.labels then 'not in the corpus'
                    when result.split_labels = result.labels - result.lost_labels
                        then 'cut across chunks'
                    when measure.first_relevant_place is null then 'not among the candidates'
                    when measure.first_relevant_place > measure.k then 'ranked low'
                end
            when answered.grade = 'right in fact' then 'answer right in fact, wrong in form'
            when answered.abstained or not answered.grounded or answered.grade = 'wrong'
                then 'answer wrong or uncited'
        end as kind
    from ragpg.evaluation_measures as measure
    join ragpg.evaluation_results as result
        on result.evaluation_run_id = measure.evaluation_run_id
        and result.evaluation_question_id = measure.evaluation_question_id
    left join ragpg.evaluation_answers as answered
        on answered.evaluation_run_id = measure.evaluation_run_id
        and answered.evaluation_question_id = measure.evaluation_question_id
) as failed
where failed.kind is not null;
comment on view ragpg.evaluation_failures is
'A row per question of a run that went wrong, with the reason. The hits do not hold the answer whole: its document or quote is not in the corpus; no chunk holds it whole; no chunk of it is a candidate; or one is, but ranked below k. With answers also those whose hits sufficed: the answer is wrong or uncited (knowledge was there), or right in fact but wrong in form (a behaviour gap, which retrieval does not close), and those that should have abstained.';
comment on column ragpg.evaluation_failures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_failures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_failures.question is 'Its text.';
comment on column ragpg.evaluation_failures.kind is
'not in the corpus, cut across chunks, not among the candidates, ranked low, should have abstained, answer wrong or uncited, or answer right in fact, wrong in form.';
comment on column ragpg.evaluation_failures.what_to_try is 'What may help.';
comment on column ragpg.evaluation_failures.first_relevant_place is 'Where the first relevant chunk was, if a candidate.';
comment on column ragpg.evaluation_failures.span_recall is 'Share of the labelled characters found.';

-- Which run was best?
create or replace view ragpg.evaluation_leaderboard with (security_invoker = true) as
select
    one.name as collection,
    of_set.name as evaluation_set,
    run.id as run_id,
    run.note,
    run.mode,
    run.k,
    run.index_id,
    run.index_id = one.active_index_id as active,
    run.recipe ->> 'embedding_model' as embedding_model,
    (run.recipe ->> 'chunk_tokens')::integer as chunk_tokens,
    count(*) as questions,
    count(*) filter (where measure.relevant_chunks > 0) as labelled_questions,
    avg(measure.success) filter (where measure.relevant_chunks > 0) as success,
    avg(measure.recall) as recall,
    avg(measure.precision) filter (where measure.relevant_chunks > 0) as precision,
    avg(measure.reciprocal_rank) filter (where measure.relevant_chunks > 0) as mrr,
    avg(measure.average_precision) as map,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall,
    avg(measure.span_precision) filter (where measure.relevant_chunks > 0) as span_precision,
    avg(measure.span_iou) filter (where measure.relevant_chunks > 0) as span_iou,
    avg((measure.hit_count = 0)::integer) as zero_hit_rate,
    count(answered.answer_id) as answers,
    avg(answered.abstained_rightly::integer)::double precision as abstention_accuracy,
    avg(answered.grounded::integer) filter (where not answered.abstained)::double precision
        as grounded_share,
    sum(answered.valid_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_validity,
    sum(answered.labelled_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_precision,
    avg((answered.grade = 'right')::integer)::double precision as correct_share,
    percentile_cont(0.5) within group (order by measure.latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by measure.latency_ms) as latency_p95_ms,
    run.started_at,
    run.finished_at
from ragpg.evaluation_runs as run
join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
join ragpg.evaluation_measures as measure on measure.evaluation_run_id = run.id
left join ragpg.evaluation_answers as answered
    on answered.evaluation_run_id = measure.evaluation_run_id
    and answered.evaluation_question_id = measure.evaluation_question_id
group by one.id, of_set.id, run.id;
comment on view ragpg.evaluation_leaderboard is
'A row per run: means of evaluation_measures over the questions with labelled texts in the collection.';
comment on column ragpg.evaluation_leaderboard.collection is 'The collection.';
comment on column ragpg.evaluation_leaderboard.evaluation_set is 'The questions.';
comment on column ragpg.evaluation_leaderboard.run_id is 'The run.';
comment on column ragpg.evaluation_leaderboard.note is 'What was tried.';
comment on column ragpg.evaluation_leaderboard.mode is 'hybrid, vector or keyword.';
comment on column ragpg.evaluation_leaderboard.k is 'Hits asked for.';
comment on column ragpg.evaluation_leaderboard.index_id is 'The search index.';
comment on column ragpg.evaluation_leaderboard.active is 'Whether that answers searches now.';
comment on column ragpg.evaluation_leaderboard.embedding_model is 'Its embedding model then.';
comment on column ragpg.evaluation_leaderboard.chunk_tokens is 'Its chunk size then.';
comment on column ragpg.evaluation_leaderboard.questions is 'Questions asked.';
comment on column ragpg.evaluation_leaderboard.labelled_questions is
'Those with a relevant chunk, which the means are over.';
comment on column ragpg.evaluation_leaderboard.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_leaderboard.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_leaderboard.precision is 'Mean precision at k.';
comment on column ragpg.evaluation_leaderboard.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_leaderboard.map is 'Mean average precision.';
comment on column ragpg.evaluation_leaderboard.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_leaderboard.span_recall is 'Mean share of labelled characters found.';
comment on column ragpg.evaluation_leaderboard.span_precision is 'Mean share of found characters that are labelled.';
comment on column ragpg.evaluation_leaderboard.span_iou is 'Mean of characters in both by characters in either.';
comment on column ragpg.evaluation_leaderboard.zero_hit_rate is 'Share of questions without any hit.';
comment on column ragpg.evaluation_leaderboard.answers is 'Questions that were answered too.';
comment on column ragpg.evaluation_leaderboard.abstention_accuracy is
'Share of answers that abstain where the question has no answer, and only there.';
comment on column ragpg.evaluation_leaderboard.grounded_share is
'Share of answers, of those not abstained, whose every claim is cited.';
comment on column ragpg.evaluation_leaderboard.citation_validity is
'Share of citations whose quote stands at the cited characters.';
comment on column ragpg.evaluation_leaderboard.citation_precision is
'Share of citations that touch a labelled text.';
comment on column ragpg.evaluation_leaderboard.correct_share is 'Share of graded answers that are right.';
comment on column ragpg.evaluation_leaderboard.latency_p50_ms is 'Median of the searches, milliseconds.';
comment on column ragpg.evaluation_leaderboard.latency_p95_ms is 'Their 95th percentile.';
comment on column ragpg.evaluation_leaderboard.started_at is 'When it began.';
comment on column ragpg.evaluation_leaderboard.finished_at is 'When it ended; null: it did not.';

-- 16  Functions and views: fine-tuning ------------------------------------------------------------

-- Retrieval or fine-tuning?
create or replace function ragpg.advise(collection text default null)
returns table (step text, finding text, points_to text, next_command text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(advise.collection);
    asked_as text := (
        select '-c ' || one.name from ragpg.collections as one where one.id = parent_id
    );
    measure_command text := format(
        'ragpg eval load FILE %1$s && ragpg eval run %1$s --answers', asked_as
    );
    documents bigint;
    changed bigint;
    answered bigint;
    cited bigint;
    run_id bigint;
    judged bigint;
    knowledge bigint;
    reading bigint;
    behaviour bigint;
    commonest text;
    remedy text;
    corrected bigint;
    examples bigint;
    -- Fewer teach a form unreliably; OpenAI's guide sees clear improvements from 50 to 100.
    enough constant integer := 50;
begin
    select count(*), count(*) filter (where document.updated_at > document.created_at
        and document.updated_at > now() - interval '30 days')
    into documents, changed
    from ragpg.documents as document
    where document.collection_id = parent_id;
    step := 'does the knowledge change?';
    finding := format('%s of %s documents changed in the last 30 days', changed, documents);
    points_to := case when changed > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg history SOURCE %s', asked_as);
    return next;

    select
        count(*),
        count(*) filter (where exists (
            select from ragpg.citations as quoted where quoted.answer_id = answer.id
        ))
    into answered, cited
    from ragpg.answers as answer
    where answer.collection_id = parent_id;
    step := 'must answers be traceable?';
    finding := format('%s of %s stored answers cite their source', cited, answered);
    points_to := case when cited > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg ask QUESTION %s', asked_as);
    return next;

    select max(run.id) into run_id
    from ragpg.evaluation_runs as run
    join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
    where of_set.collection_id = parent_id and run.finished_at is not null;
    select count(*) filter (where result.answer_id is not null) into judged
    from ragpg.evaluation_results as result
    where result.evaluation_run_id = run_id;
    select
        count(*) filter (where missed.kind in (
            'not in the corpus', 'cut across chunks', 'not among the candidates', 'ranked low',
            'should have abstained'
        )),
        count(*) filter (where missed.kind = 'answer wrong or uncited'),
        count(*) filter (where missed.kind = 'answer right in fact, wrong in form'),
        mode() within group (order by missed.kind),
        (array_agg(missed.what_to_try order by missed.times desc, missed.kind))[1]
    into knowledge, reading, behaviour, commonest, remedy
    from (
        select failed.kind, failed.what_to_try, count(*) over (partition by failed.kind) as times
        from ragpg.evaluation_failures as failed
        where failed.evaluation_run_id = run_id
    ) as missed;
    step := 'what goes wrong?';
    finding := case
        when run_id is null then 'no evaluation run yet'
        else format(
            'run %s: %s questions lack knowledge, %s were read wrongly, %s are right in fact and'
            ' wrong in form (%s answers judged)',
            run_id, knowledge, reading, behaviour, judged
        )
    end;
    points_to := case
        when run_id is null then 'measure'
        when knowledge > 0 and knowledge >= behaviour then 'retrieval'
        when behaviour > 0 then 'fine-tuning'
        when reading > 0 then 'prompt'
        else 'neither'
    end;
    next_command := case
        when run_id is null then measure_command
        else format('ragpg eval diagnose %s', run_id)
    end;
    return next;

    select count(*), count(*) filter (where example.origin = 'corrected answer')
    into examples, corrected
    from ragpg.finetuning_examples as example
    join ragpg.collections as one on one.name = example.collection
    where one.id = parent_id;
    step := 'are there examples to learn from?';
    finding := format('%s vouched for, %s of them corrected by a person', examples, corrected);
    points_to := case when examples >= enough then 'either' else 'retrieval' end;
    next_command := 'ragpg feedback ANSWER_ID good';
    return next;

    step := 'verdict';
    if run_id is null then
        finding := 'nothing is measured: evaluate before deciding';
        points_to := 'measure';
        next_command := measure_command;
    elsif knowledge > 0 and knowledge >= behaviour then
        finding := format(
            'a knowledge gap, mostly "%s": %s. Fine-tuning would not close it', commonest, remedy
        );
        points_to := 'retrieval';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif behaviour > 0 and behaviour >= reading and examples >= enough then
        finding := 'a behaviour gap with enough examples: fine-tune the form, leave facts to retrieval';
        points_to := 'fine-tuning';
        next_command := format('ragpg finetune export FILE %s', asked_as);
    elsif behaviour > 0 and behaviour >= reading then
        finding := format(
            'a behaviour gap, but %s examples (%s at least): say it in the prompt, collect corrections',
            examples, enough
        );
        points_to := 'prompt';
        next_command := 'ragpg feedback ANSWER_ID bad --corrected TEXT';
    elsif reading > 0 then
        finding := 'the facts were found and read wrongly: the prompt or another model comes first';
        points_to := 'prompt';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif judged = 0 then
        finding := 'retrieval finds what is labelled; whether answers are right is not measured';
        points_to := 'measure';
        next_command := format('ragpg eval run %s --answers', asked_as);
    else
        finding := 'nothing goes wrong in this evaluation set: ask harder questions';
        points_to := 'neither';
        next_command := format('ragpg eval draft %s', asked_as);
    end if;
    return next;
end
$$;
comment on function ragpg.advise(text) is
'Walks from what the database knows to retrieval, fine-tuning, the prompt or neither: how often documents change, whether answers are cited, what the newest evaluation run got wrong (facts missing, read wrongly, or right in fact and wrong in form), and how many examples a person vouched for. A row a step with what it points to and the next command, last the verdict. No model is asked.';

-- Which question and answer pairs has a person vouched for?
create or replace view ragpg.finetuning_examples with (security_invoker = true) as
select
    one.name as collection,
    case when newest.corrected_text is null then 'accepted answer' else 'corrected answer' end
        as origin,
    answer.question,
    coalesce(newest.corrected_text, answer.content) as answer,
    coalesce(
        (
            select coalesce(document.source, earlier.source)
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = answer.id
            order by cited.ordinal
            limit 1
        ),
        answer.question
    ) as split_by
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
cross join lateral (
    select said.rating, said.corrected_text
    from ragpg.answer_feedback as said
    where said.answer_id = answer.id
    order by said.id desc
    limit 1
) as newest
where newest.corrected_text is not null or newest.rating = 'good'
union all
select
    one.name,
    'evaluation set ' || of_set.name,
    question.question,
    question.expected_answer,
    coalesce(
        (
            select min(label.source)
            from ragpg.evaluation_labels as label
            where label.evaluation_question_id = question.id
        ),
        question.question
    )
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
where question.expected_answer ~ '\S';
comment on view ragpg.finetuning_examples is
'A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.';
comment on column ragpg.finetuning_examples.collection is 'Name of the collection.';
comment on column ragpg.finetuning_examples.origin is 'accepted answer, corrected answer, or the evaluation set.';
comment on column ragpg.finetuning_examples.question is 'The question.';
comment on column ragpg.finetuning_examples.answer is 'The answer to learn.';
comment on column ragpg.finetuning_examples.split_by is
'Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.';

-- What does search confuse with the answer?
create or replace function ragpg_internal.hard_negatives(
    question text,
    relevant_chunk_ids bigint[],
    wanted integer default 3,
    collection text default null,
    query_embedding halfvec default null,
    index_id bigint default null,
    depth integer default 50,
    max_similarity double precision default 0.95,
    excluded_document_ids bigint[] default '{}'
) returns table (
    place integer, source text, text text, similarity double precision, document_id bigint,
    chunk_id bigint
)
language sql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
    with recipe as materialized (
        select coalesce(hard_negatives.index_id, one.active_index_id) as id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(hard_negatives.collection)
    )
    select
        hit.place, hit.source,
        ragpg_internal.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from recipe
    cross join ragpg.search(
        query => hard_negatives.question, k => hard_negatives.depth,
        collection => hard_negatives.collection,
        query_embedding => hard_negatives.query_embedding, index_id => recipe.id
    ) as hit
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = hit.chunk_id
        limit 1
    ) as chunk
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from ragpg.chunks as answer
            where answer.index_id = recipe.id
                and answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
$$;
comment on function ragpg_internal.hard_negatives(text, bigint[], integer, text, halfvec, bigint, integer, double precision, bigint[]) is
'Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.';

-- May this data be submitted, or was it already?
create or replace function ragpg_internal.start_finetuning(
    provider text,
    base_model text,
    training_hash bytea,
    validation_hash bytea default null,
    parameters jsonb default '{}',
    again boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    known ragpg.finetune_jobs;
    new_id bigint;
begin
    -- Two at once: the second waits, and finds what the first made.
    perform pg_advisory_xact_lock(
        hashtext('ragpg_internal.start_finetuning'), hashtext(encode(training_hash, 'hex') || base_model)
    );
    select job.* into known
    from ragpg.finetune_jobs as job
    where job.provider = start_finetuning.provider
        and job.base_model = start_finetuning.base_model
        and job.training_hash = start_finetuning.training_hash
        and job.validation_hash is not distinct from start_finetuning.validation_hash
    order by job.id desc
    limit 1;
    if known.id is not null and known.job_id is null then
        return known.id;  -- interrupted before the provider knew it, or before we knew that it did
    end if;
    if known.id is not null and not again and known.state not in ('failed', 'cancelled') then
        raise exception 'this data was submitted already: job % of %, %',
            known.id, known.created_at::date, known.state
            using errcode = 'RG005', hint = format('ragpg finetune status %s, or submit --again', known.id);
    end if;
    insert into ragpg.finetune_jobs (
        provider, base_model, training_hash, validation_hash, parameters
    )
    values (
        start_finetuning.provider, start_finetuning.base_model, start_finetuning.training_hash,
        start_finetuning.validation_hash, start_finetuning.parameters
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_finetuning(text, text, bytea, bytea, jsonb, boolean) is
'Returns the id of the row of ragpg.finetune_jobs for this data and base model: a new one, or one whose submission was interrupted. Raises RG005 when the same data was submitted before, unless again, or that job failed or was cancelled.';

-- Which text answers which question, and may the embedding model learn it?
create or replace function ragpg.training_pairs(
    collection text default null, index_id bigint default null
) returns table (
    question text, origin text, split text, source text, text text, start_char integer,
    end_char integer, document_id bigint, chunk_id bigint, relevant_chunk_ids bigint[]
)
language sql stable
begin atomic
    with recipe as materialized (
        select known.id, known.collection_id
        from ragpg.collections as one
        join ragpg.search_indexes as known
            on known.collection_id = one.id
            and known.id = coalesce(training_pairs.index_id, one.active_index_id)
        where one.id = ragpg.collection_id(training_pairs.collection)
    ),
    labelled as materialized (
        select
            lower(btrim(span.question)) as asked, span.question,
            'evaluation set ' || of_set.name as origin, span.document_id, span.start_char,
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
        where span.state = 'found'
    ),
    cited as materialized (
        select
            lower(btrim(answer.question)) as asked, answer.question,
            case newest.rating when 'good' then 'accepted answer' else 'citation' end as origin,
            document.id as document_id, place.start_char,
            place.start_char + char_length(quoted.quote) as end_char
        from recipe
        join ragpg.answers as answer on answer.collection_id = recipe.collection_id
        join ragpg.citations as quoted on quoted.answer_id = answer.id
        join ragpg.documents as document on document.id = quoted.document_id
        left join lateral (
            select said.rating
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest on true
        cross join lateral (
            -- At its old place still, or else where it first occurs in the document of today.
            select case
                when substr(document.content, quoted.start_char + 1, char_length(quoted.quote))
                    = quoted.quote then quoted.start_char
                else nullif(strpos(document.content, quoted.quote), 0) - 1
            end as start_char
        ) as place
        -- Without a model the best hits are quoted: that would teach the model what it knows.
        where answer.model is not null
            and newest.rating is distinct from 'bad'
            and place.start_char is not null
    ),
    known as materialized (
        select asked, question, origin, document_id, start_char, end_char from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared
        from known
        cross join recipe
        join ragpg.chunks as chunk
            on chunk.index_id = recipe.id
            and chunk.document_id = known.document_id
            and chunk.start_char < known.end_char
            and known.start_char < chunk.end_char
    ),
    relevant as materialized (
        select touched.asked, array_agg(distinct touched.chunk_id) as chunk_ids
        from touched
        group by touched.asked
    ),
    positive as (
        select distinct on (best.asked, best.chunk_id) best.*
        from (
            select distinct on (asked, origin, document_id, start_char, end_char) touched.*
            from touched
            order by
                asked, origin, document_id, start_char, end_char, shared desc, ordinal
        ) as best
        -- An evaluation set before an accepted answer, that before a mere citation.
        order by
            best.asked, best.chunk_id, best.origin = 'citation', best.origin = 'accepted answer',
            best.origin, best.start_char
    )
    select
        positive.question,
        positive.origin,
        case
            when exists (
                select
                from labelled as held
                where held.split = 'held-out'
                    and (held.asked = positive.asked or held.document_id = positive.document_id)
            ) then 'held-out'
            else 'train'
        end,
        document.source,
        ragpg_internal.embedded_text(document.title, chunk.context, chunk.content, chunk.ordinal),
        positive.start_char,
        positive.end_char,
        positive.document_id,
        positive.chunk_id,
        relevant.chunk_ids
    from positive
    cross join recipe
    join ragpg.chunks as chunk
        on chunk.index_id = recipe.id
        and chunk.document_id = positive.document_id
        and chunk.ordinal = positive.ordinal
    join ragpg.documents as document on document.id = positive.document_id
    join relevant on relevant.asked = positive.asked
    order by ragpg_internal.hash_text(positive.asked), document.source, positive.ordinal;
end;
comment on function ragpg.training_pairs(text, bigint) is
'Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.';

-- 17  Functions and views: what is wrong with texts and with the database -------------------------

-- How far is indexing behind?
create or replace view ragpg.ingest_lag with (security_invoker = true) as
select
    one.name as collection,
    waiting.documents as waiting_documents,
    waiting.failing as failing_documents,
    waiting.since as oldest_waiting_since,
    coalesce(extract(epoch from now() - waiting.since), 0)::double precision as lag_seconds,
    done.last_hour as indexed_last_hour,
    done.last_indexed_at
from ragpg.collections as one
cross join lateral (
    select
        count(*) as documents,
        count(queue.error) as failing,
        min(queue.waiting_since) as since
    from ragpg.ingest_queue as queue
    where queue.collection = one.name and (queue.active or queue.index_id is null)
) as waiting
cross join lateral (
    select
        count(*) filter (where state.indexed_at > now() - interval '1 hour') as last_hour,
        max(state.indexed_at) as last_indexed_at
    from ragpg.index_documents as state
    where state.index_id = one.active_index_id
) as done;
comment on view ragpg.ingest_lag is
'A row per collection: documents that searches do not see yet, and since when.';
comment on column ragpg.ingest_lag.collection is 'Name of the collection.';
comment on column ragpg.ingest_lag.waiting_documents is 'Documents whose newest version waits.';
comment on column ragpg.ingest_lag.failing_documents is 'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.ingest_lag.oldest_waiting_since is 'Since when the oldest waits; null: none does.';
comment on column ragpg.ingest_lag.lag_seconds is 'How long that is, seconds; 0: none waits.';
comment on column ragpg.ingest_lag.indexed_last_hour is 'Documents indexed within the hour.';
comment on column ragpg.ingest_lag.last_indexed_at is 'When the last one was.';

-- What counts as a problem, from which measure on, and what is to be done about it?
create or replace function ragpg_internal.inspection_rules()
returns table (
    problem text, unit text, pattern text, minimum double precision, what_to_do text
)
language sql immutable parallel safe
begin atomic
    values
        ('empty document', 'characters', null, 1,
            'delete it, or find out why it was stored without text'),
        ('tiny document', 'characters', null, 40,
            'join it with what it belongs to: alone it is found, but answers nothing'),
        ('mojibake', 'times',
            '[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|\u00c2\u00a0|[\u00ce\u00cf][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|\u00e2[\u0080-\u009f\u201a\u20ac\u2020\u2021\u02c6\u201e\u2026\u2030][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|(?:[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0]){2,}|\u00f0\u0178|(?:[\u00c4-\u00cd\u00d0-\u00df][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]){3,}',
            1, 'UTF-8 was read as Windows-1252: read it again as UTF-8, or repair it (ftfy)'),
        ('replacement characters', 'times', '\ufffd+', 1,
            'characters were lost: read the original again with its right encoding'),
        ('control characters', 'times', '[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f]+', 1,
            'remove them, or export the text anew: they cut words apart'),
        ('invisible characters', 'times', '[\u00ad\u200b\u2060\ufeff]+', 5,
            'remove soft hyphens and zero-width spaces: they cut words apart'),
        ('encoded data', 'times', '[A-Za-z0-9+/]{200,}', 1,
            'leave base64 and dumps out: they fill chunks and mean nothing'),
        ('over-long line', 'lines', null, 5000,
            'break it into paragraphs: a chunker sees no structure in it'),
        ('few letters', 'characters that are no letters',
            '[\u0001-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3007-\u3020\u3030-\u303f\ue000-\uf8ff\ufe10-\ufe6f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001faff]+',
            0.3, 'search cannot find what numbers and symbols mean: say it in words beside them'),
        ('other language', 'letters', null, 200,
            'put it into a collection of its language, or use the language simple: its words are stemmed by the wrong rules'),
        ('duplicate document', '', null, 1,
            'keep one: copies crowd other documents out of the hits'),
        ('near-duplicate document', '', null, 0.8,
            'keep the newest, or search with ragpg.search_distinct'),
        ('repeated line', 'documents', null, 0.3,
            'take it out when reading: it makes all chunks alike'),
        ('cut chunk', 'chunks', null, 1,
            'a sentence is longer than the window: break it, or build an index with larger chunks'),
        ('not indexed', '', null, 1,
            'run ragpg worker; ragpg.ingest_queue has the error if there is one');
end;
comment on function ragpg_internal.inspection_rules() is
'Returns what inspection looks for: what it counts, the pattern of characters where it is one (few letters: of what is no letter), the least count, length or share that is reported (empty, tiny, few letters: less than that), and what to do.';

-- Is it the source code of a program?
create or replace function ragpg_internal.is_code(media_type text) returns boolean
language sql immutable strict parallel safe
return media_type ~ '^text/(x-(?!rst)|javascript$)';
comment on function ragpg_internal.is_code(text) is
'Returns whether documents of a media type are source code, which is no text of a language.';

-- Which documents are nearly the same?
create or replace function ragpg.near_duplicate_documents(
    collection text default null,
    min_similarity double precision default 0.8
) returns table (
    first_document_id bigint, second_document_id bigint, first_source text, second_source text,
    similarity double precision, is_copy boolean
)
language sql stable
-- What is joined has no statistics, and nested loops over it took minutes.
set enable_nestloop = off
begin atomic
    with stored as materialized (
        select
            document.id, document.source, document.content,
            min(document.id) over (partition by document.content_hash) as first_id
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(near_duplicate_documents.collection)
            and document.content ~ '\S'
    ),
    units as materialized (
        select
            stored.id, hashtextextended(cut.unit, 0) as unit,
            max(char_length(cut.unit)) as characters
        from stored
        cross join lateral (
            -- A sentence is the same at the end of a line, with its full stop, as before another.
            select btrim(part, E' \t.!?') as unit
            from regexp_split_to_table(stored.content, E'\n|[.!?] +|[。！？]') as part
        ) as cut
        where stored.id = stored.first_id and cut.unit <> ''
        group by stored.id, 2
    ),
    sizes as materialized (
        select units.id, sum(units.characters) as characters
        from units
        group by units.id
    ),
    placed as materialized (
        select
            units.id, units.unit, units.characters,
            count(*) over (partition by units.unit) as documents,
            first_value(units.id) over (partition by units.unit order by units.id) as first_id
        from units
    ),
    -- Documents that share a unit; of a unit of many, each with the first one only, so that a
    -- footer does not make every pair.
    pairs as materialized (
        select linked.a_id, linked.b_id
        from (
            select a.id as a_id, b.id as b_id
            from placed as a
            join placed as b on b.unit = a.unit and b.id > a.id
            where a.documents <= 20 and b.documents <= 20
            union
            select placed.first_id, placed.id
            from placed
            where placed.documents > 20 and placed.id <> placed.first_id
        ) as linked
        join sizes as a_size on a_size.id = linked.a_id
        join sizes as b_size on b_size.id = linked.b_id
        -- Two texts as similar as that are at least so similar in length.
        where least(a_size.characters, b_size.characters)
            >= near_duplicate_documents.min_similarity
            * greatest(a_size.characters, b_size.characters)
    ),
    -- On its own, so that units are not joined with all that have the same first.
    of_first as materialized (
        select pairs.a_id, pairs.b_id, units.unit, units.characters
        from pairs
        join units on units.id = pairs.a_id
    ),
    shared as materialized (
        select
            of_first.a_id, of_first.b_id,
            sum(of_first.characters)::double precision as characters
        from of_first
        join units on units.id = of_first.b_id and units.unit = of_first.unit
        group by of_first.a_id, of_first.b_id
    ),
    measured as (
        select
            shared.a_id, shared.b_id,
            shared.characters / (a_size.characters + b_size.characters - shared.characters)
                as similarity
        from shared
        join sizes as a_size on a_size.id = shared.a_id
        join sizes as b_size on b_size.id = shared.b_id
    )
    select found.a_id, found.b_id, a.source, b.source, found.similarity, found.is_copy
    from (
        select measured.a_id, measured.b_id, measured.similarity, false as is_copy
        from measured
        where measured.similarity >= near_duplicate_documents.min_similarity
        union all
        select stored.first_id, stored.id, 1, true
        from stored
        where stored.first_id <> stored.id
    ) as found
    join stored as a on a.id = found.a_id
    join stored as b on b.id = found.b_id
    order by found.similarity desc, found.a_id, found.b_id;
end;
comment on function ragpg.near_duplicate_documents(text, double precision) is
'Returns pairs of documents of a collection that are nearly the same: the characters of the lines and sentences they share, of all those of both (weighted Jaccard). A copy to the character (is_copy) is paired with the first one only; so are documents whose every shared line stands in more than 20 documents.';

-- Which chunks say nearly the same?
create or replace function ragpg.near_duplicates(
    collection text default null,
    min_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    neighbours integer default 5,
    chunks integer default null
) returns table (
    first_chunk_id bigint, second_chunk_id bigint, first_source text, second_source text,
    similarity double precision, overlap double precision, content text
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
-- A tenant's chunks may be few among the nearest.
set hnsw.iterative_scan = strict_order
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
begin
    select recipe.id, model.dimensions into active_id, dimensions
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    perform set_config('hnsw.ef_search', least(greatest(40, neighbours + 1), 1000)::text, true);
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in
        select drawn.id, drawn.embedding
        from (
            select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding
            from ragpg.chunks as chunk
            where chunk.index_id = active_id
            order by ragpg_internal.hash_text(chunk.content), chunk.id
        ) as drawn
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        order by hashint8extended(drawn.id, 0)
        limit near_duplicates.chunks
    loop
        execute format(
            'select array_agg(near.id) from ('
            '  select chunk.id, chunk.embedding <=> $1 as distance'
            '  from ragpg.chunks as chunk where chunk.index_id = %s'
            '  order by chunk.embedding::halfvec(%s) <=> $1 limit %s'
            ' ) as near where near.id <> $2 and near.distance <= 1 - $3::double precision',
            active_id, dimensions, neighbours + 1
        )
        into near_ids
        using looked_at.embedding, looked_at.id, min_similarity;
        if near_ids is not null then
            pairs := pairs || (
                select array_agg(side.id order by near.id, side.place)
                from unnest(near_ids) as near (id)
                cross join lateral unnest(
                    case
                        when near_duplicates.chunks is null and near.id < looked_at.id
                            then array[near.id, looked_at.id]
                        else array[looked_at.id, near.id]
                    end
                ) with ordinality as side (id, place)
            );
        end if;
    end loop;
    return query
    with pair as (
        select distinct pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
    ),
    copy as (
        select same.first_id as a_id, same.id as b_id
        from (
            select
                chunk.id,
                min(chunk.id) over (
                    partition by ragpg_internal.hash_text(chunk.content)
                ) as first_id
            from ragpg.chunks as chunk
            where chunk.index_id = active_id and near_duplicates.chunks is null
        ) as same
        where same.id <> same.first_id
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case
                when a.content = b.content then 1
                else ragpg_internal.word_overlap(a.content, b.content)
            end
                as overlap,
            a.content
        from (select * from pair union select * from copy) as pair
        join ragpg.chunks as a on a.index_id = active_id and a.id = pair.a_id
        join ragpg.chunks as b on b.index_id = active_id and b.id = pair.b_id
    )
    select
        measured.a_id, measured.b_id, a.source, b.source, measured.similarity, measured.overlap,
        measured.content
    from measured
    join ragpg.documents as a on a.id = measured.a_document
    join ragpg.documents as b on b.id = measured.b_document
    where measured.overlap >= min_overlap
    order by measured.similarity desc, measured.a_id, measured.b_id;
end
$$;
comment on function ragpg.near_duplicates(text, double precision, double precision, integer, integer) is
'Returns pairs of chunks of a collection''s active search index that say nearly the same: cosine similarity of at least min_similarity, found through the vector index among each chunk''s nearest neighbours, and at least min_overlap of their words in common (Jaccard). Of chunks with the same text each is paired with the first. About a millisecond a chunk: chunks bounds how many are looked at, drawn by hash and each the first of its pairs.';

-- Which lines stand in document after document, such as a footer?
create or replace function ragpg.repeated_lines(
    collection text default null,
    min_share double precision default 0.3,
    min_documents integer default 5
) returns table (line text, documents bigint, share double precision)
language sql stable
begin atomic
    with stored as materialized (
        select document.id, document.content
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(repeated_lines.collection)
    ),
    lines as (
        select stored.id, btrim(cut.line, E' \t') as line
        from stored
        cross join lateral string_to_table(stored.content, E'\n') as cut (line)
        where char_length(cut.line) >= 15
    )
    select
        min(lines.line) as line,
        count(distinct lines.id) as documents,
        count(distinct lines.id)::double precision / (select count(*) from stored) as share
    from lines
    -- A heading gives structure, a table's rule and a fence are syntax: three letters in a row
    -- make a text.
    where lines.line !~ '^#{1,6} ' and lines.line ~ '[^\u0001-\u0040\u005b-\u0060\u007b-\u00a9]{3}'
    -- Page numbers and dates differ from page to page.
    group by regexp_replace(lines.line, '[0-9]+', '0', 'g')
    having count(distinct lines.id) >= repeated_lines.min_documents
        and count(distinct lines.id) >= repeated_lines.min_share * (select count(*) from stored)
    order by 2 desc, 1;
end;
comment on function ragpg.repeated_lines(text, double precision, integer) is
'Returns the lines, of 15 characters or more, that stand in at least min_share and min_documents of a collection''s documents, most frequent first; numbers are taken as equal, headings left out.';

-- Which of ragpg's statements take the most time?
create or replace function ragpg.slow_queries(most integer default 20)
returns table (
    query text, calls bigint, mean_ms double precision, total_ms double precision,
    row_count bigint, cached_share double precision
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    home text := (
        select space.nspname
        from pg_extension as installed
        join pg_namespace as space on space.oid = installed.extnamespace
        where installed.extname = 'pg_stat_statements'
    );
begin
    if home is null then
        raise notice 'pg_stat_statements is not installed'
            using hint = 'add it to shared_preload_libraries, then: create extension pg_stat_statements';
        return;
    end if;
    return query execute format(
        'select query, calls, mean_exec_time, total_exec_time, rows,'
        '  shared_blks_hit::double precision / nullif(shared_blks_hit + shared_blks_read, 0)'
        ' from %I.pg_stat_statements'
        ' where dbid = (select oid from pg_database where datname = current_database())'
        '  and query ilike ''%%ragpg.%%'''
        ' order by total_exec_time desc limit $1',
        home
    )
    using most;
exception
    when object_not_in_prerequisite_state then
        raise notice 'pg_stat_statements is installed but not loaded'
            using hint = 'add it to shared_preload_libraries and restart';
end
$$;
comment on function ragpg.slow_queries(integer) is
'Returns the statements on ragpg that took most time in all, from pg_stat_statements; no row, and a notice, where that is not there. Other roles'' statements are shown to members of pg_read_all_stats.';

-- How much of this text is tables, how much code?
create or replace function ragpg_internal.text_parts(content text, media_type text)
returns table (table_characters bigint, code_characters bigint)
language sql immutable parallel safe
begin atomic
    select
        (
            select coalesce(sum(char_length(line)), 0)
            from string_to_table(text_parts.content, E'\n') as line
            where line like '|%'
        ),
        case
            when ragpg_internal.is_code(text_parts.media_type) then char_length(text_parts.content)
            else char_length(text_parts.content) - char_length(
                regexp_replace(E'\n' || text_parts.content, '\n {0,3}?```.*?\n {0,3}?```', '', 'g')
            ) + 1
        end;
end;
comment on function ragpg_internal.text_parts(text, text) is
'Returns how many characters of a document are in rows of Markdown tables and in fenced code (all of them when it is source code).';

-- What looks wrong with this text?
create or replace function ragpg.text_problems(content text)
returns table (kind text, count bigint, example text)
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    -- Without blanks, whatever the database's locale, and the lines of Markdown tables.
    dense text := translate(text_problems.content, E' \t\n\r\f\u00a0\u3000|-', '');
    letters text;
    rule record;
begin
    for rule in select * from ragpg_internal.inspection_rules()
    loop
        kind := rule.problem;
        example := '';
        case
            when kind = 'empty document' then
                count := (char_length(dense) < rule.minimum)::integer;
            when kind = 'tiny document' then
                count := char_length(dense);
                example := btrim(text_problems.content, E' \n');
                if count >= rule.minimum then
                    count := 0;
                end if;
            when kind = 'over-long line' then
                select count(*), left((array_agg(cut.line order by cut.place))[1], 60)
                into count, example
                from string_to_table(text_problems.content, E'\n')
                    with ordinality as cut (line, place)
                where char_length(cut.line) > rule.minimum;
            when kind = 'few letters' then
                letters := regexp_replace(dense, rule.pattern, '', 'g');
                count := char_length(dense) - char_length(letters);
                example := left(dense, 60);
                if char_length(dense) < 200
                    or char_length(letters) >= rule.minimum * char_length(dense)
                then
                    count := 0;
                end if;
            when rule.pattern is not null then
                count := regexp_count(text_problems.content, rule.pattern);
                if count < rule.minimum then
                    count := 0;
                end if;
                if count > 0 then
                    -- The first, with what stands around it.
                    example := substr(
                        text_problems.content,
                        greatest(1, regexp_instr(text_problems.content, rule.pattern) - 20), 60
                    );
                end if;
            else
                count := 0;
        end case;
        if count > 0 then
            example := replace(example, E'\n', ' ');
            return next;
        end if;
    end loop;
end
$$;
comment on function ragpg.text_problems(text) is
'Returns what looks wrong with a text: the kind (ragpg_internal.inspection_rules tells all), how often (tiny document: its characters; few letters: those that are none), and the first of it with what stands around it. Blanks, pipes and hyphens do not count as characters.';

-- What kind of texts does each collection hold, and how did they become chunks?
create or replace view ragpg.corpus_overview with (security_invoker = true) as
select
    one.name as collection,
    held.documents,
    held.characters,
    held.median_characters,
    held.table_share,
    held.code_share,
    spoken.languages,
    cut.chunks,
    cut.tokens_p05,
    cut.tokens_p50,
    cut.tokens_p95,
    recipe.chunk_tokens as window_tokens,
    cut.chunks - cut.texts as duplicate_chunks,
    (
        select count(distinct near.first_chunk_id)::double precision
        from ragpg.near_duplicates(one.name, chunks => 200) as near
    ) / nullif(least(200, cut.texts), 0) as near_duplicate_share
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        count(*) as documents,
        coalesce(sum(char_length(document.content)), 0) as characters,
        percentile_cont(0.5) within group (order by char_length(document.content))
            as median_characters,
        sum(part.table_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as table_share,
        sum(part.code_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as code_share
    from ragpg.documents as document
    cross join lateral ragpg_internal.text_parts(document.content, document.media_type) as part
    where document.collection_id = one.id
) as held
cross join lateral (
    select jsonb_object_agg(counted.language, counted.documents) as languages
    from (
        select
            coalesce(
                case when not ragpg_internal.is_code(drawn.media_type)
                    then ragpg.text_language(drawn.content) end,
                'unknown'
            ) as language,
            count(*) as documents
        from (
            select document.content, document.media_type
            from ragpg.documents as document
            where document.collection_id = one.id
            order by hashint8extended(document.id, 0)
            limit 500
        ) as drawn
        group by 1
    ) as counted
) as spoken
cross join lateral (
    select
        count(*) as chunks,
        count(distinct ragpg_internal.hash_text(chunk.content)) as texts,
        percentile_disc(0.05) within group (order by chunk.token_count) as tokens_p05,
        percentile_disc(0.5) within group (order by chunk.token_count) as tokens_p50,
        percentile_disc(0.95) within group (order by chunk.token_count) as tokens_p95
    from ragpg.chunks as chunk
    where chunk.index_id = one.active_index_id
) as cut;
comment on view ragpg.corpus_overview is
'A row per collection: sizes, shares of tables and code, languages, chunk sizes, duplicates. It reads every text: name the collection in where.';
comment on column ragpg.corpus_overview.collection is 'Name of the collection.';
comment on column ragpg.corpus_overview.documents is 'Documents stored.';
comment on column ragpg.corpus_overview.characters is 'Characters of all of them.';
comment on column ragpg.corpus_overview.median_characters is 'Characters of the middle one.';
comment on column ragpg.corpus_overview.table_share is 'Share of the characters that is in rows of tables.';
comment on column ragpg.corpus_overview.code_share is 'Share of the characters that is in fenced code or source code.';
comment on column ragpg.corpus_overview.languages is
'Documents by language (ragpg.text_language), of at most 500 drawn by hash.';
comment on column ragpg.corpus_overview.chunks is 'Chunks of the active search index.';
comment on column ragpg.corpus_overview.tokens_p05 is 'Tokens that 5 % of the chunks do not exceed.';
comment on column ragpg.corpus_overview.tokens_p50 is 'Tokens of the middle chunk.';
comment on column ragpg.corpus_overview.tokens_p95 is 'Tokens that 5 % of the chunks exceed.';
comment on column ragpg.corpus_overview.window_tokens is 'Most tokens of a chunk with its context.';
comment on column ragpg.corpus_overview.duplicate_chunks is
'Chunks whose text another chunk has, to the character; the first of each text not counted.';
comment on column ragpg.corpus_overview.near_duplicate_share is
'Share of the chunks, of 200 drawn by hash, that ragpg.near_duplicates pairs with another one.';

-- What is wrong with what is stored, and what is to be done about it?
create or replace view ragpg.corpus_problems with (security_invoker = true) as
select
    one.name as collection,
    rule.problem,
    found.source,
    found.document_id,
    found.detail,
    rule.what_to_do
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        wrong.kind as problem, document.source, document.id as document_id,
        format('%s %s: %s', wrong.count, rule.unit, wrong.example) as detail
    from ragpg.documents as document
    cross join lateral ragpg.text_problems(document.content) as wrong
    join ragpg_internal.inspection_rules() as rule on rule.problem = wrong.kind
    where document.collection_id = one.id
    union all
    select
        'other language', document.source, document.id,
        format('%s, not %s', spoken.language, meant.language)
    from ragpg.documents as document
    join ragpg_internal.inspection_rules() as rule on rule.problem = 'other language'
    cross join lateral ragpg.text_language(document.content) as spoken (language)
    -- Before there is a search index, the setting says what they are meant for.
    cross join lateral (
        select coalesce(recipe.language, current_setting('ragpg.language', true)) as language
    ) as meant
    where document.collection_id = one.id
        and char_length(document.content) >= rule.minimum
        and not ragpg_internal.is_code(document.media_type)
        and meant.language not in ('simple', 'auto')
        and spoken.language <> meant.language
    union all
    select
        case when same.is_copy then 'duplicate document' else 'near-duplicate document' end,
        same.second_source, same.second_document_id,
        format('%s %% as %s', floor(100 * same.similarity), same.first_source)
    from ragpg_internal.inspection_rules() as rule
    cross join lateral ragpg.near_duplicate_documents(one.name, rule.minimum) as same
    where rule.problem = 'near-duplicate document'
    union all
    select 'repeated line', null, null, format('%s documents: %s', again.documents, left(again.line, 80))
    from ragpg_internal.inspection_rules() as rule
    cross join lateral ragpg.repeated_lines(one.name, rule.minimum) as again
    where rule.problem = 'repeated line'
    union all
    select
        'cut chunk', document.source, document.id,
        format('%s chunks: %s', count(*), right(min(cut.content), 60))
    from ragpg_internal.cut_chunks(one.name) as cut
    join ragpg.documents as document on document.id = cut.document_id
    group by document.id
    union all
    select
        'not indexed', waiting.source, waiting.document_id,
        format('since %s: %s', waiting.waiting_since, coalesce(waiting.error, 'no worker took it'))
    from ragpg.ingest_queue as waiting
    where waiting.collection = one.name and (waiting.active or waiting.index_id is null)
) as found
join ragpg_internal.inspection_rules() as rule on rule.problem = found.problem;
comment on view ragpg.corpus_problems is
'A row per problem of a stored document, and per line repeated through a collection: what would make search find garbage. It reads every text: name the collection in where.';
comment on column ragpg.corpus_problems.collection is 'Name of the collection.';
comment on column ragpg.corpus_problems.problem is 'The kind, as ragpg_internal.inspection_rules() lists them.';
comment on column ragpg.corpus_problems.source is 'The document''s source; null for a line of many documents.';
comment on column ragpg.corpus_problems.document_id is 'Its id.';
comment on column ragpg.corpus_problems.detail is 'How often, and an example; or the other document.';
comment on column ragpg.corpus_problems.what_to_do is 'What helps.';

-- Does anything need attention now?
create or replace view ragpg.health_problems with (security_invoker = true) as
select
    lag.collection,
    'documents fail' as problem,
    format('%s documents could not be indexed', lag.failing_documents) as detail,
    'ragpg.ingest_queue has the errors' as what_to_do
from ragpg.ingest_lag as lag
where lag.failing_documents > 0
union all
select
    lag.collection, 'indexing is behind',
    format('%s documents wait, the oldest for %s minutes', lag.waiting_documents,
        floor(lag.lag_seconds / 60)),
    'start a worker: ragpg worker'
from ragpg.ingest_lag as lag
where lag.lag_seconds > 900 and lag.waiting_documents > lag.failing_documents
union all
select
    health.collection, wrong.problem, format('search index %s: %s', health.index_id, wrong.detail),
    wrong.what_to_do
from ragpg.index_health as health
cross join lateral (
    values
        (
            not health.indexes_valid, 'index is invalid', 'searches do not use it',
            'reindex it: ragpg.verify() names it'
        ),
        (
            health.recall < 0.9, 'recall is low',
            format('recall %s, measured %s', round(health.recall::numeric, 3),
                health.recall_measured_at),
            'ragpg index tune --recall 0.98'
        ),
        (
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > case when health.chunks > 20000 then health.chunks / 50 else 0 end,
            'statistics are stale',
            format('counted with %s chunks, now %s', coalesce(health.counted_chunks, 0), health.chunks),
            format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
        ),
        (
            health.dead_chunks > greatest(health.chunks, 1000), 'many dead rows',
            format('%s dead, %s alive', health.dead_chunks, health.chunks),
            format('vacuum ragpg.chunks_%s; autovacuum does not keep up', health.index_id)
        )
) as wrong (is_wrong, problem, detail, what_to_do)
where health.state = 'ready' and wrong.is_wrong;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';

-- 18  Triggers ------------------------------------------------------------------------------------

create trigger chunks_set_lexemes before insert or update of context, content, language on ragpg.chunks
    for each row execute function ragpg_internal.set_chunk_lexemes();
comment on trigger chunks_set_lexemes on ragpg.chunks is 'Sets lexemes and lexeme_count.';

create trigger citations_check_quote before insert or update on ragpg.citations
    for each row execute function ragpg_internal.check_citation_quote();
comment on trigger citations_check_quote on ragpg.citations is
'Refuses a quote that is not in the cited document version.';

create trigger documents_keep_version before update or delete on ragpg.documents
    for each row execute function ragpg_internal.keep_document_version();
comment on trigger documents_keep_version on ragpg.documents is
'Keeps the old row in document_versions and counts the version.';

create trigger documents_queue_inserted after insert on ragpg.documents
    referencing new table as written
    for each statement execute function ragpg_internal.queue_documents();
comment on trigger documents_queue_inserted on ragpg.documents is
'Queues new documents for each search index.';

create trigger documents_queue_updated after update on ragpg.documents
    referencing new table as written
    for each statement execute function ragpg_internal.queue_documents();
comment on trigger documents_queue_updated on ragpg.documents is
'Queues changed documents for each search index.';

create trigger encoders_forget_queries
    after update or delete on ragpg.encoders
    for each row execute function ragpg_internal.forget_queries();
comment on trigger encoders_forget_queries on ragpg.encoders is
'Empties the cache of query embeddings when an encoder changes or goes.';

-- 19  Policies: in force once ragpg.enable_tenants() was called -----------------------------------

create policy answer_feedback_tenant on ragpg.answer_feedback
    using (
        exists (select from ragpg.answers as parent where parent.id = answer_feedback.answer_id)
    );
comment on policy answer_feedback_tenant on ragpg.answer_feedback is
'Rows of the session''s tenant: those whose parent in answers it sees.';
create policy answers_tenant on ragpg.answers
    using (tenant = (select ragpg.current_tenant()));
comment on policy answers_tenant on ragpg.answers is 'Rows of the session''s tenant.';
create policy chunk_contexts_nobody on ragpg.chunk_contexts
    using (false);
create policy chunks_tenant on ragpg.chunks
    using (tenant = (select ragpg.current_tenant()));
comment on policy chunks_tenant on ragpg.chunks is 'Rows of the session''s tenant.';
create policy citations_tenant on ragpg.citations
    using (
        exists (select from ragpg.answers as parent where parent.id = citations.answer_id)
    );
comment on policy citations_tenant on ragpg.citations is
'Rows of the session''s tenant: those whose parent in answers it sees.';
create policy collections_add on ragpg.collections
    for insert with check (true);
comment on policy collections_add on ragpg.collections is
'A tenant may add one; changing it is the owner''s.';
create policy collections_read on ragpg.collections
    for select using (true);
comment on policy collections_read on ragpg.collections is 'Shared by all tenants.';
create policy context_batches_nobody on ragpg.context_batches
    using (false);
create policy document_versions_tenant on ragpg.document_versions
    using (tenant = (select ragpg.current_tenant()))
    with check (
        tenant = (select ragpg.current_tenant())
        and exists (select from ragpg.documents as own where own.id = document_versions.document_id)
    );
comment on policy document_versions_tenant on ragpg.document_versions is
'Rows of the session''s tenant.';
create policy documents_tenant on ragpg.documents
    using (tenant = (select ragpg.current_tenant()));
comment on policy documents_tenant on ragpg.documents is 'Rows of the session''s tenant.';
create policy embedding_models_add on ragpg.embedding_models
    for insert with check (true);
comment on policy embedding_models_add on ragpg.embedding_models is
'A tenant may add one; changing it is the owner''s.';
create policy embedding_models_read on ragpg.embedding_models
    for select using (true);
comment on policy embedding_models_read on ragpg.embedding_models is 'Shared by all tenants.';
create policy evaluation_drafts_tenant on ragpg.evaluation_drafts
    using (tenant = (select ragpg.current_tenant()))
    with check (
        tenant = (select ragpg.current_tenant())
        and exists (select from ragpg.documents as about where about.id = evaluation_drafts.document_id)
    );
comment on policy evaluation_drafts_tenant on ragpg.evaluation_drafts is
'Rows of the session''s tenant.';
create policy evaluation_hits_tenant on ragpg.evaluation_hits
    using (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_hits.evaluation_run_id)
    ) with check (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_hits.evaluation_run_id)
        and exists (
            select
            from ragpg.evaluation_questions as asked
            where asked.id = evaluation_hits.evaluation_question_id
        )
    );
comment on policy evaluation_hits_tenant on ragpg.evaluation_hits is
'Rows of the session''s tenant: those whose parent in evaluation_runs it sees.';
create policy evaluation_labels_tenant on ragpg.evaluation_labels
    using (
        exists (select from ragpg.evaluation_questions as parent where parent.id = evaluation_labels.evaluation_question_id)
    );
comment on policy evaluation_labels_tenant on ragpg.evaluation_labels is
'Rows of the session''s tenant: those whose parent in evaluation_questions it sees.';
create policy evaluation_questions_tenant on ragpg.evaluation_questions
    using (tenant = (select ragpg.current_tenant()));
comment on policy evaluation_questions_tenant on ragpg.evaluation_questions is
'Rows of the session''s tenant.';
create policy evaluation_results_tenant on ragpg.evaluation_results
    using (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_results.evaluation_run_id)
    ) with check (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_results.evaluation_run_id)
        and exists (
            select
            from ragpg.evaluation_questions as asked
            where asked.id = evaluation_results.evaluation_question_id
        )
    );
comment on policy evaluation_results_tenant on ragpg.evaluation_results is
'Rows of the session''s tenant: those whose parent in evaluation_runs it sees.';
create policy evaluation_runs_tenant on ragpg.evaluation_runs
    using (
        exists (select from ragpg.evaluation_sets as parent where parent.id = evaluation_runs.evaluation_set_id)
    );
comment on policy evaluation_runs_tenant on ragpg.evaluation_runs is
'Rows of the session''s tenant: those whose parent in evaluation_sets it sees.';
create policy evaluation_sets_tenant on ragpg.evaluation_sets
    using (tenant = (select ragpg.current_tenant()));
comment on policy evaluation_sets_tenant on ragpg.evaluation_sets is
'Rows of the session''s tenant.';
create policy finetune_jobs_tenant on ragpg.finetune_jobs
    using (tenant = (select ragpg.current_tenant()));
comment on policy finetune_jobs_tenant on ragpg.finetune_jobs is 'Rows of the session''s tenant.';
create policy index_documents_tenant on ragpg.index_documents
    using (tenant = (select ragpg.current_tenant()));
comment on policy index_documents_tenant on ragpg.index_documents is
'Rows of the session''s tenant.';
create policy index_statistics_tenant on ragpg.index_statistics
    using (tenant = (select ragpg.current_tenant()));
comment on policy index_statistics_tenant on ragpg.index_statistics is
'Rows of the session''s tenant.';
create policy lexeme_statistics_tenant on ragpg.lexeme_statistics
    using (tenant = (select ragpg.current_tenant()));
comment on policy lexeme_statistics_tenant on ragpg.lexeme_statistics is
'Rows of the session''s tenant.';
create policy model_prices_read on ragpg.model_prices
    for select using (true);
comment on policy model_prices_read on ragpg.model_prices is 'Shared by all tenants.';
create policy query_embeddings_tenant on ragpg.query_embeddings
    using (tenant = (select ragpg.current_tenant()));
comment on policy query_embeddings_tenant on ragpg.query_embeddings is
'Rows of the session''s tenant.';
create policy recall_measurements_tenant on ragpg.recall_measurements
    using (tenant = (select ragpg.current_tenant()));
comment on policy recall_measurements_tenant on ragpg.recall_measurements is
'Rows of the session''s tenant.';
create policy searches_tenant on ragpg.searches
    using (tenant = (select ragpg.current_tenant()));
comment on policy searches_tenant on ragpg.searches is 'Rows of the session''s tenant.';
