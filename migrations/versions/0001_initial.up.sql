-- 0001: the first schema. Text of functions and views as in sql/ when this step was released.
-- The extension's library is loaded by its first use, before functions that set its parameters.
create extension if not exists vector;
do $$ begin perform '[1]'::vector; end $$;

-- Is this the same text? SHA-256 of its UTF-8 bytes.
-- Declared immutable though convert_to() is stable: its result changes only with the definition
-- of an encoding conversion, and generated columns need it.
create or replace function ragpg.hash_text(content text) returns bytea
language sql immutable strict parallel safe
return sha256(convert_to(content, 'UTF8'));
comment on function ragpg.hash_text(text) is 'Returns the SHA-256 of a text''s UTF-8 bytes.';

-- Tables

comment on schema ragpg is
'Retrieval that lives in Postgres: documents, chunks, embeddings, ranking, answers and their citations.';

create table ragpg.collections (
    id bigint generated always as identity,
    name text not null,
    description text not null default '',
    active_index_id bigint,
    created_at timestamptz not null default now(),
    constraint collections_pkey primary key (id),
    constraint collections_name_key unique (name),
    constraint collections_name_is_short_and_trimmed
        check (name = btrim(name) and name <> '' and octet_length(name) <= 48)
);
comment on table ragpg.collections is 'A named set of documents that are searched together.';
comment on column ragpg.collections.id is 'Key.';
comment on column ragpg.collections.name is 'What callers say: unique, trimmed, at most 48 bytes.';
comment on column ragpg.collections.description is 'What the documents are, for people.';
comment on column ragpg.collections.active_index_id is
'The search index that answers searches; null until the first document is indexed. Switching recipes is one update of this column.';
comment on column ragpg.collections.created_at is 'When the collection was made.';

create table ragpg.documents (
    id bigint generated always as identity,
    collection_id bigint not null,
    source text not null,
    title text not null default '',
    media_type text not null default 'text/plain',
    content text not null,
    metadata jsonb not null default '{}',
    version integer not null default 1,
    content_hash bytea not null generated always as (ragpg.hash_text(content)) stored,
    source_hash bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint documents_pkey primary key (id),
    constraint documents_collection_id_source_key unique (collection_id, source),
    constraint documents_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint documents_source_is_not_blank check (source ~ '\S'),
    constraint documents_metadata_is_an_object check (jsonb_typeof(metadata) = 'object'),
    constraint documents_version_is_positive check (version > 0)
);
comment on table ragpg.documents is
'One source text each (a file, a page, a row): the newest version. Earlier versions are in document_versions.';
comment on column ragpg.documents.id is 'Key; never used again after a delete.';
comment on column ragpg.documents.collection_id is 'The collection the document belongs to.';
comment on column ragpg.documents.source is
'What identifies the document in its collection: a path, a URL or the writer''s own key.';
comment on column ragpg.documents.title is 'Title, put before every chunk for embedding and word search.';
comment on column ragpg.documents.media_type is 'What the source was, such as text/html.';
comment on column ragpg.documents.content is
'The clean text. Every chunk and citation is a span of characters of it.';
comment on column ragpg.documents.metadata is 'A JSON object that search filters look at.';
comment on column ragpg.documents.version is
'Counts the changes of title, content, media type and metadata, from 1; kept by a trigger.';
comment on column ragpg.documents.content_hash is 'SHA-256 of the content.';
comment on column ragpg.documents.source_hash is
'SHA-256 of the loader''s version and the bytes the text was read from, to skip unchanged files; null when written from SQL.';
comment on column ragpg.documents.created_at is 'When the document was first stored.';
comment on column ragpg.documents.updated_at is 'When this version was stored.';
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
create index document_versions_collection_id_source_btree
    on ragpg.document_versions (collection_id, source);
comment on index ragpg.document_versions_collection_id_source_btree is
'Serves the history of one source.';

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
comment on column ragpg.embedding_models.provider is 'Who computes it, such as sentence-transformers.';
comment on column ragpg.embedding_models.name is 'The model''s published name.';
comment on column ragpg.embedding_models.dimensions is 'Length of its vectors; 4,000 is the most HNSW takes.';
comment on column ragpg.embedding_models.max_tokens is 'The longest text it reads, in its own tokens, special ones included.';
comment on column ragpg.embedding_models.probe is
'Its embedding of a fixed text: another model behind the same name or dimension is noticed and refused.';
comment on column ragpg.embedding_models.created_at is 'When it was first used here.';

create table ragpg.search_indexes (
    id bigint generated always as identity,
    collection_id bigint not null,
    embedding_model_id bigint not null,
    state text not null default 'building',
    chunker text not null default 'structure-1',
    chunk_tokens integer not null,
    overlap_tokens integer not null default 0,
    language text not null default 'english',
    vector_weight real not null default 0.7,
    candidates integer not null default 100,
    ef_search integer not null default 100,
    min_similarity real not null default 0.25,
    created_at timestamptz not null default now(),
    constraint search_indexes_pkey primary key (id),
    constraint search_indexes_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint search_indexes_embedding_model_id_fkey
        foreign key (embedding_model_id) references ragpg.embedding_models (id),
    constraint search_indexes_state_is_known check (state in ('building', 'ready', 'retired')),
    constraint search_indexes_chunk_tokens_is_positive check (chunk_tokens > 0),
    constraint search_indexes_overlap_is_less_than_a_chunk
        check (overlap_tokens >= 0 and overlap_tokens < chunk_tokens),
    constraint search_indexes_vector_weight_is_a_share check (vector_weight between 0 and 1),
    constraint search_indexes_candidates_is_positive check (candidates between 1 and 10000),
    constraint search_indexes_ef_search_is_in_range check (ef_search between 1 and 1000),
    constraint search_indexes_min_similarity_is_a_cosine check (min_similarity between -1 and 1),
    constraint search_indexes_language_is_installed check (language::regconfig is not null)
);
comment on table ragpg.search_indexes is
'A recipe (chunker, sizes, embedding model, language, weights) whose chunks are the partition chunks_<id>.';
comment on column ragpg.search_indexes.id is 'Key, and the partition key of chunks.';
comment on column ragpg.search_indexes.collection_id is 'The collection it indexes.';
comment on column ragpg.search_indexes.embedding_model_id is 'The model of its embeddings.';
comment on column ragpg.search_indexes.state is
'building (first load, vector index not there yet), ready, or retired (kept for rollback).';
comment on column ragpg.search_indexes.chunker is 'The chunker and its version.';
comment on column ragpg.search_indexes.chunk_tokens is
'Most tokens of a chunk with its context, in the embedding model''s own tokens.';
comment on column ragpg.search_indexes.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.search_indexes.language is 'Text-search configuration for words, such as english or simple.';
comment on column ragpg.search_indexes.vector_weight is
'Share of the vector leg in hybrid scores; the word leg has the rest.';
comment on column ragpg.search_indexes.candidates is 'How many candidates each leg brings to the fusion.';
comment on column ragpg.search_indexes.ef_search is 'HNSW: how many neighbours a scan keeps; more is slower and finds more.';
comment on column ragpg.search_indexes.min_similarity is
'ragpg ask answers "nothing fits" when no hit reaches this cosine similarity; 0.25 kept all of 400 fitting questions and refused half of 800 foreign ones with all-MiniLM-L6-v2.';
comment on column ragpg.search_indexes.created_at is 'When the recipe was made.';
create index search_indexes_collection_id_btree on ragpg.search_indexes (collection_id);
comment on index ragpg.search_indexes_collection_id_btree is 'Serves the list of a collection''s recipes.';
alter table ragpg.collections
    add constraint collections_active_index_id_fkey
    foreign key (active_index_id) references ragpg.search_indexes (id);

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
    content_hash bytea not null
        generated always as (ragpg.hash_text(context || E'\n' || content)) stored,
    lexemes tsvector not null,
    embedding halfvec not null,
    constraint chunks_pkey primary key (document_id, ordinal, index_id),
    constraint chunks_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint chunks_document_id_fkey
        foreign key (document_id) references ragpg.documents (id) on delete cascade,
    constraint chunks_span_is_as_long_as_the_content
        check (start_char >= 0 and end_char - start_char = char_length(content)),
    constraint chunks_content_is_not_empty check (content <> '')
) partition by list (index_id);
-- Inline, so that an exact scan reads one page and not two: out of line it was 2.1 to 2.3 times slower.
alter table ragpg.chunks alter column embedding set storage main;
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
comment on column ragpg.chunks.token_count is 'Tokens of content in the embedding model''s own tokens.';
comment on column ragpg.chunks.lexeme_count is 'Word occurrences in lexemes: the document length of BM25; set by a trigger.';
comment on column ragpg.chunks.language is 'Text-search configuration that made the lexemes.';
comment on column ragpg.chunks.context is
'What is put before the content for embedding and word search: title, heading path, a table''s header row. Not verbatim.';
comment on column ragpg.chunks.content is 'The verbatim span.';
comment on column ragpg.chunks.content_hash is
'SHA-256 of context and content: equal means the embedding can be reused.';
comment on column ragpg.chunks.lexemes is 'Words of context and content, for BM25; set by a trigger.';
comment on column ragpg.chunks.embedding is 'The embedding, of the search index''s dimensions (checked per partition).';
create index chunks_id_btree on ragpg.chunks (id);
comment on index ragpg.chunks_id_btree is 'Serves the scoring of candidates by chunk id.';
create index chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';

create table ragpg.index_documents (
    index_id bigint not null,
    document_id bigint not null,
    document_version integer not null,
    chunk_count integer not null,
    indexed_at timestamptz not null default now(),
    constraint index_documents_pkey primary key (document_id, index_id),
    constraint index_documents_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade,
    constraint index_documents_document_id_fkey
        foreign key (document_id) references ragpg.documents (id) on delete cascade
);
comment on table ragpg.index_documents is
'Which version of which document a search index holds. A document whose version is another one is pending (view ingest_queue).';
comment on column ragpg.index_documents.index_id is 'The search index.';
comment on column ragpg.index_documents.document_id is 'The document.';
comment on column ragpg.index_documents.document_version is 'The version whose chunks are stored.';
comment on column ragpg.index_documents.chunk_count is 'How many chunks it became.';
comment on column ragpg.index_documents.indexed_at is 'When.';
create index index_documents_index_id_btree on ragpg.index_documents (index_id);
comment on index ragpg.index_documents_index_id_btree is 'Serves counts per search index.';

create table ragpg.index_statistics (
    index_id bigint not null,
    chunk_count bigint not null,
    mean_length real not null,
    embedding_sample halfvec[] not null,
    refreshed_at timestamptz not null default now(),
    constraint index_statistics_pkey primary key (index_id),
    constraint index_statistics_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade
);
comment on table ragpg.index_statistics is 'What ranking needs to know of a whole search index; made by refresh_index.';
comment on column ragpg.index_statistics.index_id is 'The search index.';
comment on column ragpg.index_statistics.chunk_count is 'Chunks when it was counted: N of BM25.';
comment on column ragpg.index_statistics.mean_length is 'Mean lexeme_count: avgdl of BM25.';
comment on column ragpg.index_statistics.embedding_sample is
'Up to 256 embeddings drawn at random: mean and deviation of a query''s similarity over the index are estimated from them.';
comment on column ragpg.index_statistics.refreshed_at is 'When it was counted.';

create table ragpg.lexeme_statistics (
    index_id bigint not null,
    lexeme text collate "C" not null,
    chunk_count integer not null,
    occurrence_count bigint not null,
    constraint lexeme_statistics_pkey primary key (index_id, lexeme),
    constraint lexeme_statistics_index_id_fkey
        foreign key (index_id) references ragpg.search_indexes (id) on delete cascade
);
comment on table ragpg.lexeme_statistics is 'How common each word is in a search index, for BM25; made by refresh_index.';
comment on column ragpg.lexeme_statistics.index_id is 'The search index.';
comment on column ragpg.lexeme_statistics.lexeme is 'The word as text search normalises it.';
comment on column ragpg.lexeme_statistics.chunk_count is 'Chunks that hold it: df of BM25.';
comment on column ragpg.lexeme_statistics.occurrence_count is 'Times it occurs.';

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
comment on column ragpg.answers.abstained is 'Nothing fitted, the model declined, or it cited nothing.';
comment on column ragpg.answers.grounded is 'A model wrote it and what it claims is cited.';
comment on column ragpg.answers.stop_reason is 'Why the model stopped, in the API''s words.';
comment on column ragpg.answers.input_tokens is 'Tokens read, without cached ones.';
comment on column ragpg.answers.output_tokens is 'Tokens written.';
comment on column ragpg.answers.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers.cache_creation_tokens is 'Tokens written to the prompt cache.';
comment on column ragpg.answers.latency_ms is 'Milliseconds from the question to the whole answer, search not included.';
comment on column ragpg.answers.created_at is 'When.';
create index answers_collection_id_created_at_btree
    on ragpg.answers (collection_id, created_at);
comment on index ragpg.answers_collection_id_created_at_btree is 'Serves the log of a collection''s answers by time.';

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
    constraint citations_pkey primary key (id),
    constraint citations_answer_id_ordinal_key unique (answer_id, ordinal),
    constraint citations_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete cascade,
    constraint citations_span_is_as_long_as_the_quote
        check (start_char >= 0 and end_char - start_char = char_length(quote) and quote <> ''),
    constraint citations_answer_span_is_ordered check (0 <= answer_start and answer_start <= answer_end)
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
create index citations_document_id_btree on ragpg.citations (document_id);
comment on index ragpg.citations_document_id_btree is 'Serves "which answers cite this document".';

-- One word as a text-search query; quoted, so that no character of it is an operator.
create or replace function ragpg.lexeme_query(lexeme text) returns tsquery
language sql immutable strict parallel safe
return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
comment on function ragpg.lexeme_query(text) is
'Returns the tsquery that matches exactly this lexeme. Queries are joined from these: text of users never reaches to_tsquery.';

-- What is each word of a question worth?
create or replace function ragpg.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg.lexeme_query(asked.lexeme) as word,
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
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total on total.index_id = recipe.id
            cross join unnest(to_tsvector(recipe.language::regconfig, query_words.query)) as said
            left join ragpg.lexeme_statistics as known
                on known.index_id = recipe.id and known.lexeme = said.lexeme collate "C"
            where recipe.id = query_words.index_id
        ) as found
    ) as asked
    order by 1;
end;
comment on function ragpg.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

-- BM25 of one chunk, written out for the words of one question.
create or replace function ragpg.bm25_expression(index_id bigint, query text) returns text
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
    from ragpg.query_words(bm25_expression.index_id, bm25_expression.query) as word;
end;
comment on function ragpg.bm25_expression(bigint, text) is
'Returns the SQL expression that is BM25 (k1 1.2, b 0.75; Robertson and Zaragoza 2009) of a row named chunk with the columns lexemes and saturation = k1 (1 - b + b length / mean length), for the words of this query.';

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

-- Makes sure that a collection exists.
create or replace function ragpg.ensure_collection(name text, description text default '')
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
comment on function ragpg.ensure_collection(text, text) is
'Returns the id of the collection of that name, making it when it is new.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name;
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
revoke execute on function ragpg.activate_search_index(bigint) from public;
comment on function ragpg.activate_search_index(bigint) is
'Makes a search index the one that answers for its collection, and the view chunks_of_<collection> show its chunks.';

-- The HNSW index of a search index, after its first load.
create or replace function ragpg.build_vector_index(index_id bigint, dimensions integer)
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
revoke execute on function ragpg.build_vector_index(bigint, integer) from public;
comment on function ragpg.build_vector_index(bigint, integer) is
'Builds the HNSW index of a search index''s partition (cosine, halfvec) if it is not there; without parallel workers when shared memory is short.';

-- Is a quote really there? Refuses a citation whose quote is not the cited characters.
create or replace function ragpg.check_citation_quote() returns trigger
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
    return new;
end
$$;
comment on function ragpg.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version.';

-- Is a filter a question that has an answer?
create or replace function ragpg.check_filter(filter jsonpath) returns void
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
comment on function ragpg.check_filter(jsonpath) is
'Raises RG004 unless the filter is a jsonpath predicate (something that is true or false of a document''s metadata).';

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

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english'
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
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language
    )
    values (parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language)
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
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    return new_id;
end
$$;
revoke execute on function ragpg.create_search_index(text, bigint, integer, integer, text)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text) is
'Returns the id of a new, empty search index of a collection. It answers searches once activate_search_index names it.';

-- Takes a document and its chunks away; its last version stays in document_versions.
create or replace function ragpg.delete_document(collection text, source text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(delete_document.collection)
        and document.source = delete_document.source;
    return found;
end
$$;
comment on function ragpg.delete_document(text, text) is
'Deletes a document and its chunks and returns whether there was one. Its text stays in document_versions, for the citations that point at it.';

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

-- Is this the model we know under that name? Registers a new one, refuses an impostor.
create or replace function ragpg.ensure_embedding_model(
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
comment on function ragpg.ensure_embedding_model(text, text, integer, halfvec) is
'Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).';

-- The search index to write to: the active one, made when the collection is new.
create or replace function ragpg.ensure_search_index(
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
    perform pg_advisory_xact_lock(hashtext('ragpg.ensure_search_index'), hashtext(collection));
    perform ragpg.ensure_collection(collection);
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
comment on function ragpg.ensure_search_index(text, bigint, integer, integer, text) is
'Returns the id of the collection''s active search index; makes collection, index and partition when they are new; raises RG008 when it was built with another embedding model.';

-- What would a question's embedding be, judged by the best chunks its words find?
create or replace function ragpg.feedback_embedding(
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
    join ragpg.chunks as chunk
        on chunk.index_id = feedback_embedding.index_id and chunk.id = best.chunk_id
$$;
comment on function ragpg.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too. For dashboards. To be called by the owner of the schema.';

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
        ' ragpg.answers, ragpg.citations to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete and store answers, without owning or changing any table. For applications. To be called by the owner of the schema.';

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
begin
    select string_agg(ragpg.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, query)) as word;
    if words is null then
        return content;
    end if;
    return ts_headline(
        language::regconfig, content, words,
        format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
    );
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form) between the marks.';

-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        valid_from, valid_to
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.updated_at, greatest(old.updated_at, now())
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$$;
comment on function ragpg.keep_document_version() is
'Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.';

-- Which chunks are best by words?
create or replace function ragpg.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    words tsquery[];
    counts bigint[];  -- counts[i]: chunks that hold one of the i rarest words, at most
    weights_left double precision[];  -- weights_left[i]: what the later words add, at most
    depth integer;  -- words whose chunks are scored, from the rarest
    done integer;
    statement text;
    ids bigint[];
    scores double precision[];
    -- Rows scored at most before the commonest words alone stop bringing in candidates, and rows
    -- scored in the first round. Up to the first, the result is exact.
    most constant integer := 20000;
    first_round constant integer := 3000;
begin
    select
        array_agg(listed.word order by listed.place),
        array_agg(listed.running order by listed.place),
        array_agg(listed.weight_left order by listed.place)
    into words, counts, weights_left
    from (
        select
            word.word, word.place,
            sum(word.chunk_count) over (order by word.place) as running,
            sum(word.weight) over () - sum(word.weight) over (order by word.place) as weight_left
        from ragpg.query_words(keyword_candidates.index_id, keyword_candidates.query) as word
    ) as listed;
    if words is null then
        return;
    end if;
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, stored.lexemes || '''' as lexemes,'
        '   1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision) as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1'
        '   and ($2 is null or stored.document_id = any($2)) offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select greatest(known.mean_length, 1)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
        ),
        keyword_candidates.index_id,
        wanted
    );
    -- MaxScore (Turtle and Flood 1995): score the chunks of the rarest words first. A chunk that
    -- holds none of them can reach no more than the weights left; when that is less than the
    -- last score wanted, the rest need not be looked at.
    depth := case
        when document_ids is not null then cardinality(words)
        else greatest(
            1, (select count(*) from unnest(counts) as running where running <= first_round)
        )
    end;
    loop
        execute statement
        into ids, scores
        using
            (select string_agg(word::text, ' | ')::tsquery from unnest(words[:depth]) as word),
            document_ids;
        exit when depth = cardinality(words);
        done := depth;
        if coalesce(cardinality(ids), 0) < wanted then
            depth := cardinality(words);
            continue;
        end if;
        select min(deeper) into depth
        from generate_series(depth, cardinality(words)) as deeper
        where counts[deeper + 1] > most or scores[wanted] >= weights_left[deeper];
        exit when depth = done;
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score);
end
$$;
comment on function ragpg.keyword_candidates(bigint, text, integer, bigint[]) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that the commonest words only add to the score.';

-- Stores a document: new, changed or as it was.
create or replace function ragpg.put_document(
    collection text,
    source text,
    content text,
    title text default '',
    media_type text default 'text/plain',
    metadata jsonb default '{}',
    source_hash bytea default null
) returns table (document_id bigint, version integer, outcome text)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.ensure_collection(put_document.collection);
    old_version integer;
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. Its chunks are made by the indexer; until then it is in the view ingest_queue.';

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
    where known.index_id = refresh_search_index.index_id;
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
        return false;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg.build_vector_index(refresh_search_index.index_id, dimensions);
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    insert into ragpg.index_statistics as known (
        index_id, chunk_count, mean_length, embedding_sample, refreshed_at
    )
    select
        refresh_search_index.index_id,
        count(*),
        coalesce(avg(chunk.lexeme_count), 0),
        (
            select coalesce(array_agg(drawn.embedding), '{}')
            from (
                select sample.embedding
                from ragpg.chunks as sample
                where sample.index_id = refresh_search_index.index_id
                -- Drawn by hash, not by random(): the same chunks give the same ranking.
                order by hashint8extended(sample.id, 0)
                limit 256
            ) as drawn
        ),
        clock_timestamp()
    from ragpg.chunks as chunk
    where chunk.index_id = refresh_search_index.index_id
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        refreshed_at = excluded.refreshed_at;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat(
            format(
                'select lexemes from ragpg.chunks where index_id = %s',
                refresh_search_index.index_id
            )
        ) as word
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = refresh_search_index.index_id
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, lexeme, chunk_count, occurrence_count
    )
    select refresh_search_index.index_id, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';

-- The chunks of a document version, all at once.
create or replace function ragpg.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[],
    pages integer[] default null
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    recipe_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content into body
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select recipe.language into strict recipe_language
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
        token_count, lexeme_count, language, context, content, lexemes, embedding
    )
    with blocks as materialized (
        select number, substr(body, number * block + 1, block + longest) as content
        from (select distinct start / block as number from unnest(starts) as start) as used
    )
    select
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        piece.place - 1, piece.start_char, piece.end_char, piece.page, piece.token_count, 0,
        recipe_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding
    from unnest(starts, ends, contexts, token_counts, embeddings, pages) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, page, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp()
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at;
    return cardinality(starts);
end
$$;
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here; returns how many. Raises RG007 when the document has another version by now.';

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

-- Which chunks answer this question best?
create or replace function ragpg.search(
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
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    word_ids bigint[];
    word_scores double precision[];
    vector_ids bigint[];
    vector_weight double precision;
    vector_mean double precision := 0;
    vector_deviation double precision;
    word_mean double precision := 0;
    word_deviation double precision;
    similarity_expression text := 'null::double precision';
    bm25_expression text;
    score_expression text;
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005', hint = 'pass query_embedding => ..., or use mode hybrid';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(search.collection);
    if recipe.id is null then
        return;  -- a collection without a document yet
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
    where known.index_id = recipe.id;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        select array_agg(document.id), sum(state.chunk_count)
        into matching_documents, matching_chunks
        from ragpg.documents as document
        join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = recipe.id
        where document.collection_id = recipe.collection_id and document.metadata @@ filter;
        if coalesce(matching_chunks, 0) = 0 then
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(recipe.id, search.query, wanted, matching_documents) as found;
        bm25_expression := ragpg.bm25_expression(recipe.id, search.query);
    end if;
    vector_weight := recipe.vector_weight;
    if query_embedding is null and mode = 'hybrid' then
        query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
        vector_weight := 0.5;  -- measured: near one half is best when words made the vector
    end if;
    if mode <> 'keyword' and query_embedding is not null then
        select array_agg(found.chunk_id) into vector_ids
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks
        ) as found;
        similarity_expression := '1 - (stored.embedding <=> $2)';
    end if;

    if mode = 'hybrid' then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select avg(1 - (sample <=> query_embedding)), stddev_pop(1 - (sample <=> query_embedding))
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select sum(word.mean_score), sqrt(sum(word.mean_square - word.mean_score ^ 2))
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        score_expression := format(
            '%s * (chunk.similarity - %s) / %s + %s * (chunk.bm25 - %s) / %s',
            vector_weight, coalesce(vector_mean, 0), coalesce(nullif(vector_deviation, 0), 1),
            1 - vector_weight, coalesce(word_mean, 0), coalesce(nullif(word_deviation, 0), 1)
        );
    else
        score_expression := case mode when 'vector' then 'chunk.similarity' else 'chunk.bm25' end;
    end if;

    return query execute format(
        'select'
        '  (row_number() over (order by best.score desc, best.id))::integer, document.source,'
        '  document.title, best.content, best.score, best.similarity, best.bm25,'
        '  best.start_char, best.end_char, best.page, best.context, document.metadata,'
        '  document.id, best.document_version, best.id'
        ' from ('
        '  select chunk.*, %1$s as score'
        '  from (select chunk.*, %2$s as bm25'
        '   from (select stored.*, %3$s as similarity,'
        '     1.2 * (0.25 + 0.75 * stored.lexeme_count / %4$s::double precision) as saturation'
        '    from ragpg.chunks as stored'
        '    where stored.index_id = %5$s and stored.id = any($1) offset 0) as chunk'
        '   offset 0) as chunk'
        '  order by score desc, chunk.id limit %6$s'
        ' ) as best'
        ' join ragpg.documents as document on document.id = best.document_id'
        ' order by 1',
        score_expression,
        coalesce(bm25_expression, 'null::double precision'),
        similarity_expression, greatest(statistics.mean_length, 1), recipe.id, k
    )
    using word_ids || vector_ids, query_embedding;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the best chunks by words stand in for it; then a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. Raises RG001 to RG005.';

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := to_tsvector(new.language::regconfig, new.context || E'\n' || new.content);
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
comment on function ragpg.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';

-- Which chunks are nearest in meaning?
create or replace function ragpg.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id order by near.distance, near.id),'
        ' array_agg(near.distance order by near.distance, near.id)'
        ' from (select chunk.id, chunk.%1$s <=> $1 as distance'
        '  from ragpg.chunks as chunk'
        '  where chunk.index_id = %2$s%3$s'
        '  order by chunk.%1$s <=> $1 limit %4$s) as near';
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        else ''
    end;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if document_ids is null or matching_chunks > exact_limit then
        perform set_config(
            'hnsw.ef_search', least(greatest(recipe.ef_search, wanted), 1000)::text, true
        );
        -- The index's own expression, one table, ascending: anything else loses the index.
        execute format(
            template,
            format('embedding::halfvec(%s)', vector_dims(query_embedding)),
            recipe.id, only_documents, wanted
        )
        into ids, distances
        using query_embedding, document_ids;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        execute format(template, 'embedding', recipe.id, only_documents, wanted)
        into ids, distances
        using query_embedding, document_ids;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
end
$$;
comment on function ragpg.vector_candidates(bigint, halfvec, integer, bigint[], bigint) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks. Exact when few match; otherwise the HNSW index, and exact again should that come back with too few.';

-- Triggers
create trigger documents_keep_version before update or delete on ragpg.documents
    for each row execute function ragpg.keep_document_version();
comment on trigger documents_keep_version on ragpg.documents is
'Keeps the old row in document_versions and counts the version.';
create trigger chunks_set_lexemes before insert or update of context, content, language on ragpg.chunks
    for each row execute function ragpg.set_chunk_lexemes();
comment on trigger chunks_set_lexemes on ragpg.chunks is 'Sets lexemes and lexeme_count.';
create trigger citations_check_quote before insert or update on ragpg.citations
    for each row execute function ragpg.check_citation_quote();
comment on trigger citations_check_quote on ragpg.citations is
'Refuses a quote that is not in the cited document version.';

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
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
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
    ) as indexes_valid
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics on statistics.index_id = recipe.id
cross join lateral (
    select coalesce(sum(state.chunk_count), 0) as chunks, count(*) as documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation
) as partition;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building, ready or retired.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents now.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';

-- What is stored but not yet searchable?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    document.updated_at as waiting_since,
    document.id as document_id
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = one.active_index_id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'Documents whose newest version is not indexed: written by SQL, or by an ingest that was stopped.';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version searches see; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';
