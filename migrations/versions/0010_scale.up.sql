-- 0010: loading, and more than one server; filters counted, not estimated.
-- pgvector's library is loaded by its first use, before functions that set its parameters.
select '[1]'::halfvec <=> '[1]'::halfvec;

drop function ragpg_internal.vector_candidates(
    bigint, halfvec, integer, bigint[], bigint, jsonpath, boolean
);
drop function ragpg_internal.normal_tail(double precision);

-- Of models trained so that the first numbers of an embedding are one, too.
alter table ragpg.search_indexes
    drop constraint search_indexes_quantize_is_known,
    add constraint search_indexes_quantize_is_known
        check (quantize ~ '^(none|bit|subvector:[1-9][0-9]{0,3})$');
comment on column ragpg.search_indexes.quantize is
'What the vector index holds of the embeddings: none (of it left out), bit (a bit of each number), or subvector:N (the first N numbers); those nearest by these, ef_search of them, are ordered by the embeddings.';

-- Are the chunks spread over several servers?
create or replace function ragpg_internal.is_distributed() returns boolean
language sql immutable parallel safe
-- Inlined and folded, so that one server pays nothing for asking.
return false;
comment on function ragpg_internal.is_distributed() is
'Returns whether ragpg.chunks is distributed by Citus: false until ragpg.distribute makes it say true.';

-- Which words does a chunk hold, and how many?
create or replace function ragpg_internal.chunk_words(
    context text, content text, language text, out lexemes tsvector, out lexeme_count integer
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    lexemes := ragpg.text_lexemes(context || E'\n' || content, language);
    lexeme_count := (
        select coalesce(sum(cardinality(word.positions)), 0)
        from unnest(ts_filter(lexemes, '{d}')) as word
    );
end
$$;
comment on function ragpg_internal.chunk_words(text, text, text) is
'Returns the lexemes of a chunk''s context and content, and how many words they count: for ragpg_internal.set_chunk_lexemes, and for those who write chunks of a distributed table, which has no triggers.';

-- Which functions are told for whom they are called, and compare the tenant themselves?
create or replace function ragpg_internal.proof_takers()
returns table (called regprocedure, runs_as_owner boolean, writes boolean)
language sql stable
begin atomic
    select
        leg.oid::regprocedure,
        leg.proname in ('keyword_candidates', 'matching_documents')
        or ragpg_internal.is_distributed(),
        leg.proname in ('write_chunks', 'carry_chunks')
    from pg_proc as leg
    where leg.pronamespace = 'ragpg_internal'::regnamespace
        and leg.proname in (
            'keyword_candidates', 'matching_documents', 'vector_candidates', 'word_scores',
            'known_chunks', 'document_chunks', 'chunk_overview', 'known_embeddings',
            'write_chunks', 'carry_chunks'
        );
end;
comment on function ragpg_internal.proof_takers() is
'Returns the functions that read or write chunks and are handed ragpg_internal.proof(): which of them run as their owner while tenants are on (ragpg_internal.tenant_legs), and which write.';

-- Which chunks may be looked up for whoever handed over this proof, where no policy tells?
create or replace function ragpg_internal.own_condition(proof uuid) returns text
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    proven record;
begin
    if not ragpg_internal.chunks_are_closed() then
        return '';
    end if;
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    -- As a literal: so Citus asks the one shard that has it.
    return case
        when proven.sees_all then '' else format(' and chunk.tenant = %L', proven.tenant)
    end;
end
$$;
comment on function ragpg_internal.own_condition(uuid) is
'Returns the SQL that compares a row named chunk with the tenant that ragpg_internal.proof() proves, to be appended to a condition: nothing for who sees all, and on one server, where a policy does it. Raises RG013 for a proof of nothing while tenants are on.';

-- Which of these texts are embedded already?
create or replace function ragpg_internal.known_embeddings(
    index_ids bigint[], hashes bytea[], tenant text default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns table (content_hash bytea, embedding halfvec)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owner_name text := known_embeddings.tenant;
    own_condition constant text := ragpg_internal.own_condition(proof);
begin
    if own_condition <> '' then
        owner_name := coalesce(
            owner_name, (select known.tenant from ragpg_internal.proven_tenant(proof) as known)
        );
    else
        owner_name := coalesce(owner_name, ragpg_internal.written_tenant());
    end if;
    if ragpg_internal.is_distributed() then
        return query execute format(
            'select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding'
            ' from ragpg.chunks as chunk'
            ' where chunk.index_id = any($1) and chunk.content_hash = any($2)'
            ' and chunk.tenant = %L%s',
            owner_name, own_condition
        )
        using index_ids, hashes;
        return;
    end if;
    return query
    select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.index_id = any(index_ids)
        and chunk.content_hash = any(hashes)
        and chunk.tenant = owner_name;
end
$$;
comment on function ragpg_internal.known_embeddings(bigint[], bytea[], text, uuid) is
'Returns the embeddings of those texts, by their hashes, that a chunk of the tenant (by default the caller''s) in one of the search indexes has. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller''s tenant.';

-- A distributed database was restored where its chunks are in one place: what is missing then?
create or replace function ragpg_internal.reunite_chunks() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    is_spread boolean := false;
    part regclass;
begin
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    if to_regclass('pg_catalog.pg_dist_partition') is not null then
        select exists (
            select
            from pg_dist_partition as known
            where known.logicalrelid = 'ragpg.chunks'::regclass
        )
        into is_spread;
    end if;
    if is_spread then
        return;
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return false;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    alter table ragpg.chunks
        add constraint chunks_document_id_fkey
            foreign key (document_id, tenant)
                references ragpg.documents (id, tenant) on update cascade on delete cascade,
        add constraint chunks_index_id_fkey
            foreign key (index_id) references ragpg.search_indexes (id) on delete cascade;
    create trigger chunks_set_lexemes before insert or update of context, content, language
        on ragpg.chunks
        for each row execute function ragpg_internal.set_chunk_lexemes();
    comment on trigger chunks_set_lexemes on ragpg.chunks is 'Sets lexemes and lexeme_count.';
    create policy chunks_tenant on ragpg.chunks
        using (
            (select ragpg_internal.acting_for())[tenant] is not null
            and tenant = (select ragpg.current_tenant())
        );
    comment on policy chunks_tenant on ragpg.chunks is 'Rows of the session''s tenant.';
    -- By tenant it has a key of more columns; and who might read nothing of it may again.
    if exists (
        select
        from pg_constraint as known
        where known.conname = 'chunks_pkey'
            and known.conrelid = 'ragpg.chunks'::regclass
            and cardinality(known.conkey) > 3
    ) then
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id);
    end if;
    for part in
        select 'ragpg.chunks'::regclass
        union all
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    loop
        perform ragpg_internal.close_table(part, false);
    end loop;
    perform ragpg_internal.hand_legs() where ragpg_internal.tenants_enabled();
end
$$;
revoke execute on function ragpg_internal.reunite_chunks() from public;
comment on function ragpg_internal.reunite_chunks() is
'Gives ragpg.chunks back what ragpg.distribute took from it, where a dump of a distributed database was restored on one server. For ragpg.secure.';

-- How large is the partition of a search index, wherever it is?
create or replace function ragpg_internal.partition_sizes(
    relation regclass,
    vector_index regclass,
    out table_bytes bigint,
    out index_bytes bigint,
    out vector_index_bytes bigint,
    out dead_chunks bigint
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not ragpg_internal.is_distributed() then
        table_bytes := pg_table_size(relation);
        index_bytes := pg_indexes_size(relation);
        vector_index_bytes := pg_relation_size(vector_index);
        dead_chunks := pg_stat_get_dead_tuples(relation);
    elsif relation is not null then
        select
            sum(told.sizes[1]), sum(told.sizes[2]),
            case when vector_index is not null then sum(told.sizes[3]) end, sum(told.sizes[4])
        into table_bytes, index_bytes, vector_index_bytes, dead_chunks
        from (
            select
                -- Where a worker is not there, nothing is known.
                case when bool_and(shard.success) over ()
                    then string_to_array(shard.result, ' ')::bigint[] end as sizes
            from run_command_on_shards(
                relation,
                'select concat_ws('' '', pg_table_size(%1$L), pg_indexes_size(%1$L), ('
                'select coalesce(sum(pg_relation_size(part.indexrelid)), 0)'
                ' from pg_index as part join pg_class as built on built.oid = part.indexrelid'
                ' join pg_am as method on method.oid = built.relam'
                ' where part.indrelid = %1$L::regclass and method.amname = ''hnsw''),'
                ' pg_stat_get_dead_tuples(%1$L::regclass))'
            ) as shard
        ) as told;
    end if;
end
$$;
comment on function ragpg_internal.partition_sizes(regclass, regclass) is
'Returns the bytes of a partition of ragpg.chunks, of its indexes and of its vector index, and its dead rows; of all its shards where it is distributed.';

-- What of these chunks is asked for by their ids?
create or replace function ragpg_internal.known_chunks(
    chunk_ids bigint[],
    only_index_id bigint default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunk_id bigint, index_id bigint, document_id bigint, document_version integer,
    ordinal integer, start_char integer, end_char integer, page integer, language text,
    context text, content text, content_hash bytea, lexemes tsvector, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select chunk.id, chunk.index_id, chunk.document_id, chunk.document_version,'
        ' chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page, chunk.language,'
        ' chunk.context, chunk.content, chunk.content_hash, chunk.lexemes, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.id = any($1)'
        || coalesce(' and chunk.index_id = ' || only_index_id, '')
        || ragpg_internal.own_condition(proof)
    using chunk_ids;
end
$$;
comment on function ragpg_internal.known_chunks(bigint[], bigint, uuid) is
'Returns what is asked of chunks by their ids, in no order; nothing of those that are gone. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller''s.';

-- What are the chunks of these documents?
create or replace function ragpg_internal.document_chunks(
    index_id bigint,
    document_ids bigint[],
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunk_id bigint, document_id bigint, document_version integer, ordinal integer,
    start_char integer, end_char integer, context text, content text, embedding halfvec
)
-- Not to be inlined: a join with what is not there where the chunks are would be planned.
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select chunk.id, chunk.document_id, chunk.document_version, chunk.ordinal,'
        ' chunk.start_char, chunk.end_char, chunk.context, chunk.content, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || case when document_ids is not null then ' and chunk.document_id = any($2)' else '' end
        || ragpg_internal.own_condition(proof)
    using document_chunks.index_id, document_ids;
end
$$;
comment on function ragpg_internal.document_chunks(bigint, bigint[], uuid) is
'Returns the chunks that documents have in a search index, in no order; null for all documents. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller''s.';

-- How large are the chunks of a search index, and how many say the same?
create or replace function ragpg_internal.chunk_overview(
    index_id bigint,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunks bigint, texts bigint, tokens_p05 integer, tokens_p50 integer, tokens_p95 integer
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select'
        ' count(*),'
        ' count(distinct ragpg_internal.hash_text(chunk.content)),'
        ' percentile_disc(0.05) within group (order by chunk.token_count),'
        ' percentile_disc(0.5) within group (order by chunk.token_count),'
        ' percentile_disc(0.95) within group (order by chunk.token_count)'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || ragpg_internal.own_condition(proof)
    using chunk_overview.index_id;
end
$$;
comment on function ragpg_internal.chunk_overview(bigint, uuid) is
'Returns how many chunks a search index has, how many different texts, and the tokens that 5, 50 and 95 % of them do not exceed; for the view corpus_overview. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then of the caller''s alone.';

-- How shall the shards scan their vector indexes?
create or replace function ragpg_internal.set_on_shards(ef_search integer, iterative_scan text)
returns void
-- Volatile, so that it may set: what set_config() sets stays on the coordinator, and so does what
-- a function's own settings say; the shards would go on with an ef_search of 40.
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    propagated constant text := current_setting('citus.propagate_set_commands');
begin
    perform set_config('citus.propagate_set_commands', 'local', true);
    execute format('set local hnsw.ef_search = %s', ef_search);
    execute format('set local hnsw.iterative_scan = %I', iterative_scan);
    perform set_config('citus.propagate_set_commands', propagated, true);
end
$$;
comment on function ragpg_internal.set_on_shards(integer, text) is
'Sets hnsw.ef_search and hnsw.iterative_scan on the servers that hold shards of ragpg.chunks, until the transaction ends.';

-- The chunks of deleted documents, where no foreign key deletes them.
create or replace function ragpg_internal.delete_chunks() returns trigger
language plpgsql security definer
set search_path = ragpg, pg_temp
as $$
declare
    document_ids constant bigint[] := array(select dropped.id from old_rows as dropped);
begin
    delete from ragpg.chunks as chunk where chunk.document_id = any(document_ids);
    return null;
end
$$;
revoke execute on function ragpg_internal.delete_chunks() from public;
comment on function ragpg_internal.delete_chunks() is
'Trigger of documents while ragpg.chunks is distributed: a distributed table has no foreign key to one that is not. Security definer, as a foreign key''s action is.';

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
    ) / 1000000 as cost,
    count(*) filter (where answer.ended_by in ('failed', 'unfinished')) as unfinished
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
group by one.name, answer.created_at::date, answer.model;
comment on view ragpg.answers_by_day is
'A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.';
comment on column ragpg.answers_by_day.collection is 'Name of the collection.';
comment on column ragpg.answers_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.answers_by_day.model is 'The language model; null when none was asked.';
comment on column ragpg.answers_by_day.answers is 'How many, those that were not finished among them.';
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
comment on column ragpg.answers_by_day.unfinished is
'How many failed, or are still being written, or were when their writer was killed.';

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
    index_id bigint;  -- of the first
begin
    select max(known.similarity) into judge_hits.similarity
    from unnest(similarities) as known (similarity);
    select
        array_agg(chunk.content order by hit.place), array_agg(document.title order by hit.place),
        (array_agg(chunk.index_id order by hit.place) filter (where hit.place = 1))[1]
    into passages, titles, index_id
    from unnest(chunk_ids[:3]) with ordinality as hit (chunk_id, place)
    join ragpg_internal.known_chunks(chunk_ids[:3]) as chunk on chunk.chunk_id = hit.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = index_id;
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

-- More than one server: the chunks go to the workers of Citus.
create or replace function ragpg.distribute(shard_count integer default null) returns integer
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    workers integer;
    part regclass;
    moved regclass[];
    routine record;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
    refused text;
    by_tenant constant boolean := ragpg_internal.tenants_enabled();
    owner_name constant regrole := (
        select known.relowner::regrole
        from pg_class as known
        where known.oid = 'ragpg.chunks'::regclass
    );
begin
    if not pg_has_role(current_user, owner_name, 'usage') then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    if not exists (
        select
        from pg_extension as citus
        where citus.extname = 'citus' and split_part(citus.extversion, '.', 1)::integer >= 13
    ) then
        raise exception 'the extension citus, 13 or newer, is not in this database'
            using errcode = 'RG005',
                hint = 'on the coordinator and on each worker: shared_preload_libraries = ''citus'', then create extension citus; docs/scale.md';
    end if;
    -- One connection to each worker: what follows in the transaction must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
    lock table ragpg.chunks in access exclusive mode;
    perform from pg_dist_partition as known where known.logicalrelid = 'ragpg.chunks'::regclass;
    if found then
        raise exception 'the chunks are distributed already'
            using errcode = 'RG005',
                hint = format(
                    'a new worker: there set citus.enable_ddl_propagation = off; alter role %s login;'
                    ' then select citus_rebalance_start(), docs/scale.md',
                    owner_name
                );
    end if;
    select count(*) into workers
    from pg_dist_node as node
    where node.isactive and node.noderole = 'primary' and node.shouldhaveshards;
    if workers = 0 then
        raise exception 'no worker is known that takes shards'
            using errcode = 'RG005',
                hint = 'select citus_add_node(''its address'', 5432) for each; docs/scale.md';
    end if;
    if shard_count < workers then
        raise exception 'shard_count is %, there are % workers', shard_count, workers
            using errcode = 'RG005', hint = 'each worker needs a shard, better four';
    end if;
    -- What a distributed table cannot have: a foreign key to one that is not, and triggers. Who
    -- writes chunks makes their words (ragpg_internal.chunk_words).
    alter table ragpg.chunks drop constraint if exists chunks_document_id_fkey;
    alter table ragpg.chunks drop constraint if exists chunks_index_id_fkey;
    drop trigger if exists chunks_set_lexemes on ragpg.chunks;
    drop policy if exists chunks_tenant on ragpg.chunks;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    create trigger documents_delete_chunks
        after delete on ragpg.documents
        referencing old table as old_rows
        for each statement execute function ragpg_internal.delete_chunks();
    moved := array(
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    );
    if by_tenant then
        -- All of a tenant's are in one shard, which alone is asked for it.
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id, tenant);
    end if;
    -- A search asks every shard: few are quicker, and four a worker leave room for more workers.
    perform create_distributed_table(
        'ragpg.chunks'::regclass, case when by_tenant then 'tenant' else 'document_id' end,
        colocate_with => 'none',
        shard_count => coalesce(distribute.shard_count, 4 * workers)
    );
    foreach part in array moved loop
        perform truncate_local_data_after_distributing_table(part);
    end loop;
    -- Functions that run as the owner reach the workers as the owner.
    select string_agg(format('%s:%s: %s', told.nodename, told.nodeport, told.result), '; ')
    into refused
    from run_command_on_workers(format(
        'do $do$ begin if not (select rolcanlogin from pg_roles where oid = %L::regrole) then'
        -- On the coordinator nobody logs in as it.
        ' perform set_config(''citus.enable_ddl_propagation'', ''off'', true);'
        ' alter role %s login; end if; end $do$',
        owner_name, owner_name
    )) as told
    where not told.success;
    if refused is not null then
        raise exception 'the role % cannot log in on the workers: %', owner_name, refused
            using errcode = 'RG005',
                hint = format('as a superuser, on each worker: set citus.enable_ddl_propagation = off; alter role %s login', owner_name);
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return true;
    -- What is_distributed() said is in plans of other sessions: each function is compiled anew.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    for routine in
        select known.oid::regprocedure as name, known.procost
        from pg_proc as known
        where known.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and known.proowner = owner_name
            and known.prokind = 'f'
    loop
        execute format('alter function %s cost %s', routine.name, routine.procost);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
    if by_tenant then
        for part in select held.relation from ragpg_internal.protected_tables() as held loop
            perform ragpg_internal.protect_table(part, true);
        end loop;
        perform ragpg_internal.hand_legs();
    end if;
    return coalesce(distribute.shard_count, 4 * workers);
end
$$;
revoke execute on function ragpg.distribute(integer) from public;
comment on function ragpg.distribute(integer) is
'Spreads the chunks of this database, those there are and those to come, over the workers of Citus by their document, or by tenant where tenants are kept apart, and returns over how many shards (shard_count; 4 for each worker). Everything else stays on the coordinator, where all is called as before. The owner of the tables runs it, once; searching and writing wait meanwhile. It is not taken back. Raises RG005 where Citus is missing or has no worker and where the chunks are distributed already.';

-- Do the functions that read chunks do so as their owner, for whom no policy is asked?
create or replace function ragpg_internal.chunks_are_closed() returns boolean
language sql stable
begin atomic
    -- As it is now, in whichever plan: ragpg_internal.is_distributed() is folded into plans, and a
    -- session may have made them before.
    select bool_or(reader.prosecdef)
    from pg_proc as reader
    where reader.proname = 'known_chunks'
        and reader.pronamespace = 'ragpg_internal'::regnamespace;
end;
comment on function ragpg_internal.chunks_are_closed() is
'Returns whether ragpg.chunks is its owner''s alone, because tenants are kept apart and it is distributed: then those of ragpg_internal.proof_takers run as the owner.';

-- A distributed table is its owner's alone, or again everybody's who may read documents.
create or replace function ragpg_internal.close_table(kept regclass, closed boolean) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    allowed record;
begin
    -- Nobody has a policy there, so that where a right is left nothing is shown.
    execute format(
        'alter table %s %s row level security',
        kept, case when closed then 'enable' else 'disable' end
    );
    if closed then
        for allowed in
            select distinct
                case given.grantee
                    when 0 then 'public' else given.grantee::regrole::text
                end as to_whom
            from (
                select acl.grantee
                from pg_class as one
                cross join aclexplode(one.relacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
                union all
                select acl.grantee
                from pg_class as one
                join pg_attribute as col on col.attrelid = one.oid
                cross join aclexplode(col.attacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
            ) as given
        loop
            execute format('revoke all on %s from %s', kept, allowed.to_whom);
        end loop;
        return;
    end if;
    for allowed in
        select
            case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom,
            bool_or(acl.privilege_type = 'DELETE') as writes
        from pg_class as documents
        cross join aclexplode(documents.relacl) as acl
        where documents.oid = 'ragpg.documents'::regclass
            and acl.privilege_type in ('SELECT', 'DELETE')
            and acl.grantee <> documents.relowner
        group by acl.grantee
    loop
        execute format('grant select on %s to %s', kept, allowed.to_whom);
        -- As ragpg.grant_writer gives it.
        if allowed.writes and kept = 'ragpg.chunks'::regclass then
            execute format(
                'grant update, delete, insert (%s) on %s to %s',
                (
                    select string_agg(quote_ident(col.attname), ', ' order by col.attnum)
                    from pg_attribute as col
                    where col.attrelid = kept
                        and col.attnum > 0
                        and not col.attisdropped
                        and col.attidentity = ''
                        and col.attgenerated = ''
                ),
                kept, allowed.to_whom
            );
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.close_table(regclass, boolean) from public;
comment on function ragpg_internal.close_table(regclass, boolean) is
'Takes every right on ragpg.chunks, distributed, or on a partition of it from all but its owner, or gives them back to who has them on ragpg.documents. Part of ragpg_internal.protect_table.';

-- Who may call what reads and writes for tenants, and as whom does it run?
create or replace function ragpg_internal.hand_legs() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    leg record;
    granted record;
    quiet regprocedure;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
begin
    -- Workers have these functions, too, and there they stay without rights.
    perform set_config('citus.enable_ddl_propagation', 'off', true)
    where ragpg_internal.is_distributed();
    for leg in select own.* from ragpg_internal.proof_takers() as own loop
        if not leg.runs_as_owner then
            execute format('alter function %s security invoker', leg.called);
            execute format('grant execute on function %s to public', leg.called);
            continue;
        end if;
        execute format('alter function %s security definer', leg.called);
        execute format('revoke execute on function %s from public', leg.called);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as documents
            cross join aclexplode(documents.relacl) as acl
            where documents.oid = 'ragpg.documents'::regclass
                and acl.privilege_type = case when leg.writes then 'DELETE' else 'SELECT' end
        loop
            execute format('grant execute on function %s to %s', leg.called, granted.to_whom);
        end loop;
    end loop;
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    -- What Citus sends to shards, and it tells whoever asks, names tenants where all are counted.
    for quiet in
        select routine.oid
        from pg_proc as routine
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
    loop
        execute format('alter function %s set citus.log_remote_commands = off', quiet);
        execute format('alter function %s set client_min_messages = notice', quiet);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
end
$$;
revoke execute on function ragpg_internal.hand_legs() from public;
comment on function ragpg_internal.hand_legs() is
'Makes the functions of ragpg_internal.proof_takers security definer, for those who may read (or write) documents, or what they were; where ragpg.chunks is distributed, functions that run as their owner do not tell what Citus sends. Part of ragpg.enable_tenants.';

-- Does a tenant's every chunk lie in one shard?
create or replace function ragpg_internal.is_spread_by_tenant() returns boolean
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    -- Where there is no Citus, nothing after this is looked at.
    return ragpg_internal.is_distributed() and exists (
        select
        from pg_dist_partition as known
        where known.logicalrelid = 'ragpg.chunks'::regclass
            and column_to_column_name(known.logicalrelid, known.partkey) = 'tenant'
    );
end
$$;
comment on function ragpg_internal.is_spread_by_tenant() is
'Returns whether ragpg.distribute spread ragpg.chunks by tenant: it does where tenants are kept apart already.';

-- The chunks of documents whose metadata alone are new, where other servers hold them.
create or replace function ragpg_internal.carry_chunks(
    index_id bigint,
    document_ids bigint[],
    document_version integer,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owned record;
begin
    for owned in
        select known.* from ragpg_internal.document_owners(document_ids, proof) as known
    loop
        execute format(
            'update ragpg.chunks as chunk set document_version = $3'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using carry_chunks.index_id, owned.owned_ids, carry_chunks.document_version;
    end loop;
end
$$;
comment on function ragpg_internal.carry_chunks(bigint, bigint[], integer, uuid) is
'Makes a search index''s chunks of documents those of a version, where ragpg.chunks is distributed. Part of ragpg_internal.queue_documents. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller''s documents: RG007 for others.';

-- Whose are these documents, and may they be written for whoever handed over this proof?
create or replace function ragpg_internal.document_owners(document_ids bigint[], proof uuid)
returns table (tenant text, owned_ids bigint[])
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    proven record;
    missing bigint;
begin
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    select given.id into missing
    from unnest(document_ids) as given (id)
    where not exists (
        select
        from ragpg.documents as document
        where document.id = given.id and (proven.sees_all or document.tenant = proven.tenant)
    )
    limit 1;
    if found then
        -- The same for one of another tenant as for one that never was.
        raise exception 'there is no document %', missing
            using errcode = 'RG007', hint = 'read the documents again and repeat';
    end if;
    return query
    select document.tenant, array_agg(document.id)
    from ragpg.documents as document
    where document.id = any(document_ids)
    group by document.tenant;
end
$$;
comment on function ragpg_internal.document_owners(bigint[], uuid) is
'Returns the tenants of documents, with the documents of each, for functions that write chunks as their owner. Raises RG007 where one is not there, or not the caller''s.';

-- Documents became another tenant's, and so do their chunks, where no foreign key sees to it.
create or replace function ragpg_internal.give_chunks(document_ids bigint[], new_tenant text)
returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    if ragpg_internal.is_spread_by_tenant() then
        raise exception 'the chunks are distributed by tenant: documents stay whose they are'
            using errcode = 'RG005',
                hint = 'add the documents once more for the other tenant, and delete these';
    end if;
    update ragpg.chunks as chunk
    set tenant = new_tenant
    where chunk.document_id = any(document_ids);
end
$$;
comment on function ragpg_internal.give_chunks(bigint[], text) is
'Makes the chunks of documents a tenant''s, where ragpg.chunks is distributed. Raises RG005 where it is by tenant. Part of ragpg_internal.queue_documents; who may not write ragpg.chunks may not do it.';

-- The chunks of documents, where other servers hold them.
create or replace function ragpg_internal.write_chunks(
    index_id bigint,
    replaced_ids bigint[],
    document_ids bigint[],
    document_versions integer[],
    ordinals integer[],
    starts integer[],
    pages integer[],
    token_counts integer[],
    languages text[],
    contexts text[],
    contents text[],
    embeddings halfvec[],
    generated_chars integer[],
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owned record;
    owners jsonb := '{}';
begin
    for owned in
        select known.*
        from ragpg_internal.document_owners(replaced_ids || document_ids, proof) as known
    loop
        execute format(
            'delete from ragpg.chunks as chunk'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using write_chunks.index_id, array(
            select id from unnest(owned.owned_ids) as id where id = any(replaced_ids)
        );
        owners := owners || (
            select jsonb_object_agg(id, owned.tenant) from unnest(owned.owned_ids) as id
        );
    end loop;
    -- No trigger makes the words of a distributed table's rows.
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page, token_count,
        lexeme_count, language, context, content, lexemes, embedding, generated_chars, tenant
    )
    select
        write_chunks.index_id, piece.document_id, piece.document_version, piece.ordinal,
        piece.start_char, piece.start_char + char_length(piece.content), piece.page,
        piece.token_count, words.lexeme_count, piece.language, piece.context, piece.content,
        words.lexemes, piece.embedding, piece.generated_chars,
        owners ->> piece.document_id::text
    from unnest(
        document_ids, document_versions, ordinals, starts, pages, token_counts, languages,
        contexts, contents, embeddings, write_chunks.generated_chars
    ) as piece (
        document_id, document_version, ordinal, start_char, page, token_count, language, context,
        content, embedding, generated_chars
    )
    cross join lateral ragpg_internal.chunk_words(piece.context, piece.content, piece.language)
        as words;
end
$$;
comment on function ragpg_internal.write_chunks(
    bigint, bigint[], bigint[], integer[], integer[], integer[], integer[], integer[], text[],
    text[], text[], halfvec[], integer[], uuid
) is
'Deletes the chunks of replaced_ids from a search index and stores these (arrays of equal length), each its document''s tenant''s, where ragpg.chunks is distributed. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller''s documents: RG007 for others.';

-- What stands in the hits, where the chunks are on other servers?
create or replace function ragpg_internal.distant_hits(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[],
    similarities double precision[],
    bm25_scores double precision[]
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query
    select
        (row_number() over (order by best.place))::integer, document.source, document.title,
        hit.content, best.score, best.similarity, best.bm25, hit.start_char, hit.end_char,
        hit.page, hit.context, document.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from unnest(chunk_ids, scores, similarities, bm25_scores) with ordinality
        as best (chunk_id, score, similarity, bm25, place)
    join ragpg_internal.known_chunks(chunk_ids, distant_hits.index_id) as hit
        on hit.chunk_id = best.chunk_id
    join ragpg.documents as document on document.id = hit.document_id
    order by 1;
end
$$;
comment on function ragpg_internal.distant_hits(bigint, bigint[], double precision[], double precision[], double precision[]) is
'Returns the rows of ragpg.search for these chunks, best first, and their scores, where ragpg.chunks is distributed.';

-- What do the question's words say of chunks that are known?
create or replace function ragpg_internal.word_scores(
    index_id bigint,
    chunk_ids bigint[],
    words tsquery[],
    weights double precision[],
    mean_length real,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    scores double precision[];
begin
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    execute format(
        'select array_agg(coalesce(%s, 0) order by known.place)'
        ' from unnest($1) with ordinality as known (id, place)'
        ' left join (select chunk.id, setweight(chunk.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as chunk where chunk.index_id = %s and chunk.id = any($1)%s'
        '  offset 0) as chunk on chunk.id = known.id',
        ragpg_internal.bm25_expression(words, weights),
        replace(ragpg_internal.bm25_saturation(mean_length), 'stored.', 'chunk.'),
        word_scores.index_id, ragpg_internal.own_condition(proof)
    )
    into scores
    using chunk_ids;
    return scores;
end
$$;
comment on function ragpg_internal.word_scores(bigint, bigint[], tsquery[], double precision[], real, uuid) is
'Returns the BM25 of each of these chunks of a search index for the words of a question and their weights (ragpg_internal.query_words), in their order; 0 of those without. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller''s.';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    role_before constant text := current_setting('role');
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if ragpg_internal.is_distributed() then
        -- One connection to each worker, and one role: each statement must see the ones before it.
        perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
        perform set_config(
            'role',
            (
                select known.relowner::regrole::text
                from pg_class as known
                where known.oid = 'ragpg.chunks'::regclass
            ),
            true
        );
    end if;
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
    perform set_config('role', role_before, true) where ragpg_internal.is_distributed();
end
$$;
revoke execute on function ragpg.disable_tenants() from public;
comment on function ragpg.disable_tenants() is
'Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.';

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    role_before constant text := current_setting('role');
    kept regclass;
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
    if ragpg_internal.is_distributed() then
        -- One connection to each worker, and one role: each statement must see the ones before it.
        perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
        perform set_config(
            'role',
            (
                select known.relowner::regrole::text
                from pg_class as known
                where known.oid = 'ragpg.chunks'::regclass
            ),
            true
        );
    end if;
    -- Its policy shows it to nobody: who sees all tenants proves it by this row.
    insert into ragpg.tenant_roles (role, tenant) values ('', null)
    on conflict on constraint tenant_roles_key do nothing;
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.conversations', 'ragpg.answers',
            'ragpg.searches', 'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
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
    perform ragpg_internal.hand_legs();
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
    perform set_config('role', role_before, true) where ragpg_internal.is_distributed();
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. Where the chunks are distributed no policy can be asked: there ragpg.chunks is the owner''s alone, and is read and written by functions that run as the owner and compare the tenant. ragpg.disable_tenants takes it back.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    leg record;
begin
    -- One connection to each worker: what follows must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true)
    where ragpg_internal.is_distributed();
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format(
        'alter default privileges for role %s in schema ragpg grant select on tables to %I',
        (
            select space.nspowner::regrole
            from pg_namespace as space
            where space.nspname = 'ragpg'
        ),
        role_name
    );
    execute format('grant execute on function ragpg_internal.remember_query to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    for leg in
        select own.called from ragpg_internal.proof_takers() as own where not own.writes
    loop
        execute format('grant execute on function %s to %I', leg.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        -- There chunks are read by these functions alone.
        for leg in
            select held.relation
            from ragpg_internal.protected_tables() as held
            where held.relation = 'ragpg.chunks'::regclass or exists (
                select
                from pg_inherits as part
                where part.inhrelid = held.relation
                    and part.inhparent = 'ragpg.chunks'::regclass
            )
        loop
            execute format('revoke all on %s from %I', leg.relation, role_name);
        end loop;
    end if;
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
declare
    written record;
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches,'
        ' ragpg.conversations, ragpg.answer_steps to %I',
        role_name
    );
    -- Into every column but keys that Postgres gives: one taken would not be given to others.
    for written in
        select
            kept.oid::regclass as relation,
            string_agg(quote_ident(col.attname), ', ' order by col.attnum) as columns
        from pg_class as kept
        join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
        cross join aclexplode(kept.relacl) as given
        where kept.relnamespace = 'ragpg'::regnamespace
            and given.grantee = quote_ident(role_name)::regrole
            and given.privilege_type = 'DELETE'
            and not col.attisdropped
            and col.attidentity = ''
            and col.attgenerated = ''
            and (kept.relname <> 'collections' or col.attname in ('name', 'description'))
        group by kept.oid
    loop
        execute format('revoke insert on %s from %I', written.relation, role_name);
        execute format(
            'grant insert (%s) on %s to %I', written.columns, written.relation, role_name
        );
    end loop;
    for written in
        select own.called from ragpg_internal.proof_takers() as own where own.writes
    loop
        execute format('grant execute on function %s to %I', written.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        execute format('revoke all on ragpg.chunks from %I', role_name);
    end if;
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index, ragpg.activate_search_index, ragpg.refresh_search_index,'
        ' ragpg.drop_search_index, ragpg.drop_collection, ragpg.tune_ef_search,'
        ' ragpg.quantize_search_index to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- Row-level security of one table on or off, and what the planner would tell of its rows.
create or replace function ragpg_internal.protect_table(
    kept regclass, protected boolean
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    told record;
begin
    if ragpg_internal.is_distributed() and (
        kept = 'ragpg.chunks'::regclass
        or exists (
            select
            from pg_inherits as part
            where part.inhrelid = kept and part.inhparent = 'ragpg.chunks'::regclass
        )
    ) then
        perform ragpg_internal.close_table(kept, protected);
        return;
    end if;
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    for told in select col.* from ragpg_internal.told_columns(kept) as col loop
        execute format(
            'alter %s %s alter column %s set statistics %s',
            case when told.is_index then 'index' else 'table' end, told.relation,
            case when told.is_index then told.place::text else quote_ident(told.name) end,
            case when protected then 0 else -1 end
        );
        if not protected then
            continue;
        elsif current_setting('server_version_num')::integer >= 180000 then
            execute
                'select pg_clear_attribute_stats($1, $2, $3, inherited)'
                ' from unnest(array[false, true]) as inherited'
            using told.schema_name, told.relation_name, told.name;
        elsif (select known.rolsuper from pg_roles as known where known.rolname = current_user) then
            delete from pg_statistic as known
            where known.starelid = told.relation and known.staattnum = told.place;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.protect_table(regclass, boolean) from public;
comment on function ragpg_internal.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics are gathered of its columns but the keys (ragpg_internal.told_columns), and those there were are forgotten (Postgres 18 or newer, or a superuser).';

-- Which tables does a tenant see a part of?
create or replace function ragpg_internal.protected_tables()
returns table (relation regclass, closed boolean)
language sql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
        and kept.relname <> 'tenant_roles'  -- always, and each role its own
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    union all
    -- Shards cannot ask who is whose tenant: distributed, it has no policy.
    select 'ragpg.chunks'::regclass, true
    where ragpg_internal.is_distributed()
    order by 1;
$$;
comment on function ragpg_internal.protected_tables() is
'Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.';

-- Who could see too much, or sees nothing?
create or replace function ragpg_internal.safety_problems()
returns table (problem text, object text, detail text, what_to_do text)
language sql stable
begin atomic
    with kept as materialized (
        select
            held.relation, part.relrowsecurity,
            part.relispartition or part.relkind = 'p' as is_spread
        from ragpg_internal.protected_tables() as held
        join pg_class as part on part.oid = held.relation
        where ragpg_internal.tenants_enabled()
    ),
    wrong as (
        select
            'functions run as a superuser' as problem, owner.rolname::text as object,
            format('%s functions run as their owner', count(*)) as detail,
            'select ragpg.secure()' as what_to_do
        from pg_proc as routine
        join pg_roles as owner on owner.oid = routine.proowner
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
            and owner.rolsuper
        group by owner.rolname
        union all
        select
            'others may create in ragpg', acl.grantee::regrole::text,
            format('in the schema %I, on which functions that run as their owner rely', space.nspname),
            format('revoke create on schema %I from %s', space.nspname, acl.grantee::regrole)
        from pg_namespace as space
        cross join aclexplode(space.nspacl) as acl
        where space.nspname in ('ragpg', 'ragpg_internal')
            and acl.privilege_type = 'CREATE'
            and acl.grantee <> space.nspowner
        union all
        select
            'object of another role in ragpg', made.name, format('%s made it', made.owner::regrole),
            'see what it does; drop it, or give it to the owner of ragpg'
        from pg_namespace as space
        cross join lateral (
            select routine.oid::regprocedure::text as name, routine.proowner as owner
            from pg_proc as routine
            where routine.pronamespace = space.oid
            union all
            select relation.oid::regclass::text, relation.relowner
            from pg_class as relation
            where relation.relnamespace = space.oid and relation.relkind in ('r', 'p', 'v', 'm')
            union all
            select operator.oid::regoperator::text, operator.oprowner
            from pg_operator as operator
            where operator.oprnamespace = space.oid
        ) as made
        where space.nspname in ('ragpg', 'ragpg_internal') and made.owner <> space.nspowner
        union all
        select
            'table is not kept apart', kept.relation::text, 'every reader sees all its rows',
            'select ragpg.secure()'
        from kept
        where not kept.relrowsecurity
        union all
        select
            'function does not run as its owner', leg.called::text,
            'it searches slowly, without its index, or not at all', 'select ragpg.secure()'
        from ragpg_internal.tenant_legs() as leg
        join pg_proc as routine on routine.oid = leg.called
        where ragpg_internal.tenants_enabled() and not routine.prosecdef
        union all
        select
            'table of all tenants may be read', kept.relation::text,
            format('by %s', string_agg(acl.grantee::regrole::text, ', ')), 'select ragpg.secure()'
        from kept
        join pg_class as part on part.oid = kept.relation
        cross join aclexplode(part.relacl) as acl
        where ragpg_internal.is_distributed()
            and kept.is_spread
            and acl.grantee <> part.relowner
        group by kept.relation
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('of %s', string_agg(format('%s.%s', told.relation_name, told.name), ', ')),
            case
                when bool_or(told.target <> 0) then 'select ragpg.secure()'
                else 'as a superuser: delete from pg_statistic where starelid = '
                    || quote_literal(kept.relation) || '::regclass'
            end
        from kept
        cross join lateral ragpg_internal.told_columns(kept.relation) as told
        where (
            told.target <> 0 or exists (
                select
                from pg_stats as known
                where known.schemaname = told.schema_name
                    and known.tablename = told.relation_name
                    and known.attname = told.name
            )
        )
            -- Who may not read the chunks, and distributed nobody may, is told no estimates.
            and not (kept.is_spread and ragpg_internal.is_distributed())
        group by kept.relation
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('extended statistics %I', extended.stxname),
            format('drop statistics %s.%I', extended.stxnamespace::regnamespace, extended.stxname)
        from kept
        join pg_statistic_ext as extended on extended.stxrelid = kept.relation
        union all
        select
            'bound role is missing', bound.role, format('it would act for %L', bound.tenant),
            format('create the role, or select ragpg.unbind_role(%L, %L)', bound.role, bound.tenant)
        from ragpg.tenant_roles as bound
        where bound.role <> '' and not exists (select from pg_roles as known where known.rolname = bound.role)
        union all
        select
            'role acts for no tenant', known.rolname::text,
            'it may read ragpg and sees nothing',
            format(
                'select ragpg.bind_role(%1$L, ''...''), or ragpg.trust_role(%1$L) for one that chooses',
                known.rolname
            )
        from pg_roles as known
        join pg_class as documents on documents.oid = 'ragpg.documents'::regclass
        where ragpg_internal.tenants_enabled()
            and known.rolcanlogin
            and not known.rolbypassrls
            and not pg_has_role(known.oid, documents.relowner, 'usage')
            and has_table_privilege(known.oid, documents.oid, 'select')
            and not exists (
                select
                from ragpg.tenant_roles as bound
                join pg_roles as giving on giving.rolname = bound.role
                where pg_has_role(known.oid, giving.oid, 'usage')
            )
    )
    select wrong.problem, wrong.object, wrong.detail, wrong.what_to_do
    from wrong
    -- Who acts for one tenant learns nothing of the roles of others.
    where ragpg_internal.sees_all_tenants();
end;
comment on function ragpg_internal.safety_problems() is
'Returns a row per thing that lets somebody see more than docs/security.md promises, or less than the owner meant; to those who see all tenants. For ragpg.verify and ragpg.health_problems.';

-- After an upgrade or a restore: whose ragpg is, and who sees what.
create or replace function ragpg.secure() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.secure'));
    perform ragpg_internal.hand_over();
    perform ragpg_internal.reunite_chunks();
    if ragpg_internal.tenants_enabled() then
        perform ragpg.enable_tenants();
    end if;
end
$$;
revoke execute on function ragpg.secure() from public;
comment on function ragpg.secure() is
'Gives everything of ragpg to the role ragpg_owner, which nobody logs in as, so that functions that run as their owner have no more rights than ragpg itself; where the caller may not make that role, all stays whose it is, with a notice. Where tenants are on, they are kept apart anew. ragpg init and ragpg migrate call it; call it after a restore.';

-- Which functions read for a tenant what it may not reach itself, or not as quickly?
create or replace function ragpg_internal.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select taker.called from ragpg_internal.proof_takers() as taker where taker.runs_as_owner;
end;
comment on function ragpg_internal.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer, which compare the tenant themselves (ragpg_internal.proven_tenant): two use the indexes of words and of metadata, which a policy would hide from the planner; where ragpg.chunks is distributed, which closes it to everybody but its owner, all of ragpg_internal.proof_takers.';

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
    some_ids bigint[];
    held record;  -- their chunks
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    for some_ids in
        select array_agg(listed.id)
        from (
            select
                document.id,
                sum(coalesce(held.chunks, 0)) over (order by document.id) / 5000 as batch
            from ragpg.documents as document
            left join (
                select state.document_id, sum(state.chunk_count)::bigint as chunks
                from ragpg.index_documents as state
                group by state.document_id
            ) as held on held.document_id = document.id
            where only_id is null or document.collection_id = only_id
        ) as listed
        group by listed.batch::bigint
    loop
        select
            array_agg(chunk.id) as ids, array_agg(chunk.index_id) as index_ids,
            array_agg(chunk.document_id) as document_ids,
            array_agg(chunk.document_version) as versions,
            array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends,
            array_agg(chunk.content) as contents
        into held
        from ragpg.chunks as chunk
        where chunk.document_id = any(some_ids);
        return query
        with chunk as materialized (
            select one.*, one.start_char / block_chars as block_number
            from unnest(
                held.ids, held.index_ids, held.document_ids, held.versions, held.starts, held.ends,
                held.contents
            ) as one (id, index_id, document_id, version, start_char, end_char, content)
        ),
        block as materialized (
            select
                used.document_id, used.version, used.number,
                substr(
                    ragpg.document_text(used.document_id, used.version),
                    used.number * block_chars + 1, block_chars + used.longest
                ) as content
            from (
                select
                    chunk.document_id, chunk.version, chunk.block_number as number,
                    max(chunk.end_char - chunk.start_char) as longest
                from chunk
                group by 1, 2, 3
            ) as used
        )
        select
            'chunk is not its span',
            format('chunk %s of search index %s', chunk.id, chunk.index_id),
            format('document %s version %s, characters %s to %s', chunk.document_id,
                chunk.version, chunk.start_char, chunk.end_char),
            'build the search index anew: ragpg index build'
        from chunk
        join block
            on block.document_id = chunk.document_id
            and block.version = chunk.version
            and block.number = chunk.block_number
        where substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;
    end loop;

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
        'values of metadata missing or too many', format('document %s', document.id),
        'filters miss it, or ask it without need',
        format('select ragpg_internal.put_document_values(array[%s])', document.id)
    from ragpg.documents as document
    where (only_id is null or document.collection_id = only_id)
        and exists (
            select
            from (
                select held.kind, held.key, held.number, held.word
                from ragpg_internal.metadata_values(document.metadata) as held
            ) as held
            full join (
                select known.kind, known.key, known.number, known.word
                from ragpg.document_values as known
                where known.document_id = document.id
                    and known.collection_id = document.collection_id
                    and known.tenant = document.tenant
            ) as known
                on known.kind = held.kind
                and known.key = held.key
                and coalesce(known.number, 0) = coalesce(held.number, 0)
                and coalesce(known.word, '') = coalesce(held.word, '')
            where known.kind is null or held.kind is null
        );

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

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, values of metadata missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg_internal.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    labelled_documents bigint[];
    found jsonb;
    relevant_ids bigint[];
    relevant integer;
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
    held record;  -- the chunks of the labelled documents
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

    labelled_documents := array(
        select one.document_id
        from ragpg.evaluation_label_spans as one
        where one.evaluation_question_id = question_id and one.document_id is not null
    );
    -- By key, and apart from the labels: a join may be planned that reads every chunk.
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends
    into held
    from ragpg_internal.document_chunks(run.index_id, labelled_documents) as chunk;
    with span as materialized (
        select label.*
        from (
            select
                one.*, known.is_of_document,
                bool_and(known.is_of_document) over (partition by one.document_id) as is_alone
            from ragpg.evaluation_label_spans as one
            join ragpg.evaluation_labels as given on given.id = one.evaluation_label_id
            cross join lateral (
                select given.quote is null and num_nulls(given.start_char, given.end_char) = 2
            ) as known (is_of_document)
            where one.evaluation_question_id = question_id
        ) as label
        -- Of a document labelled as a whole any chunk will do; a text labelled in it is stricter.
        where label.state <> 'found' or label.is_of_document = label.is_alone
    ),
    touched as materialized (
        select
            span.evaluation_label_id, span.document_id, span.is_of_document, chunk.id,
            span.is_of_document
            or (chunk.start_char <= span.start_char and span.end_char <= chunk.end_char)
                as is_whole
        from span
        join unnest(held.ids, held.document_ids, held.starts, held.ends)
            as chunk (id, document_id, start_char, end_char)
            on chunk.document_id = span.document_id
            and chunk.start_char < span.end_char
            and span.start_char < chunk.end_char
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (
            select count(distinct case when touched.is_of_document then -touched.document_id
                else touched.id end)
            from touched
        ),
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
                    case
                        when not bool_or(span.is_of_document)
                            then range_agg(int4range(span.start_char, span.end_char))
                    end as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, relevant, labels, lost, split, spans;

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
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans,
        tenant
    )
    values (
        run_id, question_id, jsonb_array_length(found), relevant, first_place,
        latency, labels, lost, split, spans, run.tenant
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25, tenant
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25, run.tenant
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg_internal.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

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
            run.id, run.index_id, run.recipe, run.k, measured.train_ndcg,
            measured.train_span_recall, measured.held_out_ndcg, measured.held_out_span_recall,
            measured.latency,
            sizes.table_bytes + sizes.index_bytes as bytes
        from measured
        join ragpg.evaluation_runs as run on run.id = measured.run_id
        cross join lateral ragpg_internal.partition_sizes(
            to_regclass('ragpg.chunks_' || run.index_id), null
        ) as sizes
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
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe_id constant bigint := coalesce(
        hard_negatives.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            where one.id = ragpg.collection_id(hard_negatives.collection)
        )
    );
    hits ragpg.hit[];
    asked_ids bigint[];
    held record;  -- the chunks of hits and of answers
begin
    hits := array(
        select hit
        from ragpg.search(
            query => hard_negatives.question, k => hard_negatives.depth,
            collection => hard_negatives.collection,
            query_embedding => hard_negatives.query_embedding, index_id => recipe_id
        ) as hit
    );
    asked_ids := relevant_chunk_ids || array(select hit.chunk_id from unnest(hits) as hit);
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.ordinal) as ordinals,
        array_agg(chunk.content_hash) as hashes, array_agg(chunk.embedding) as embeddings
    into held
    from ragpg_internal.known_chunks(asked_ids, recipe_id) as chunk;
    return query
    with chunk as materialized (
        select one.*
        from unnest(held.ids, held.ordinals, held.hashes, held.embeddings)
            as one (id, ordinal, content_hash, embedding)
    )
    select
        hit.place, hit.source,
        ragpg_internal.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from unnest(hits) as hit
    join chunk on chunk.id = hit.chunk_id
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from chunk as answer
            where answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
end
$$;
comment on function ragpg_internal.hard_negatives(text, bigint[], integer, text, halfvec, bigint, integer, double precision, bigint[]) is
'Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.';

-- Which text answers which question, and may the embedding model learn it?
create or replace function ragpg.training_pairs(
    collection text default null, index_id bigint default null
) returns table (
    question text, origin text, split text, source text, text text, start_char integer,
    end_char integer, document_id bigint, chunk_id bigint, relevant_chunk_ids bigint[]
)
language plpgsql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    return query
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
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split,
            given.quote is null and num_nulls(given.start_char, given.end_char) = 2
                as is_of_document
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
        join ragpg.evaluation_labels as given on given.id = span.evaluation_label_id
        where span.state = 'found'
    ),
    cited as materialized (
        select
            lower(btrim(coalesce(answer.standalone, answer.question))) as asked,
            coalesce(answer.standalone, answer.question) as question,
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
        select asked, question, origin, document_id, start_char, end_char, is_of_document
        from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char, false from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared,
            -- Which of its chunks answers, a label of a whole document does not say.
            known.is_of_document and count(*) over (
                partition by known.asked, known.origin, known.document_id, known.start_char,
                    known.end_char
            ) > 1 as is_open
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
            where not touched.is_open
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
end
$$;
comment on function ragpg.training_pairs(text, bigint) is
'Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad; a document of several chunks that is labelled as a whole gives none (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.';

-- The HNSW index of a search index, after its first load.
create or replace function ragpg_internal.build_vector_index(index_id bigint, dimensions integer)
returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    -- ragpg_internal.nearest_query asks for these expressions.
    statement text := format(
        'create index if not exists %1$I on ragpg.%2$I using hnsw '
        || case quantize
            when 'none' then '((embedding::%3$s.halfvec(%4$s)) %3$s.halfvec_cosine_ops)'
            when 'bit' then '((%3$s.binary_quantize(embedding)::bit(%4$s)) %3$s.bit_hamming_ops)'
            else
                '((%3$s.subvector(embedding, 1, %5$s)::%3$s.halfvec(%5$s)) %3$s.halfvec_cosine_ops)'
        end,
        format('chunks_%s_embedding_hnsw', index_id), 'chunks_' || index_id,
        ragpg_internal.vector_schema(), dimensions, split_part(quantize, ':', 2)
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
'Builds the HNSW index of a search index''s partition (cosine of halfvec, or what a quantised one holds) if it is not there; without parallel workers when shared memory is short.';

-- How many chunks have a sentence of context that a model wrote?
create or replace view ragpg.contextual_indexes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.context_model,
    recipe.context_tokens,
    coalesce(held.chunks, 0) as chunks,
    coalesce(held.chunks_with_sentence, 0) as chunks_with_sentence,
    held.mean_chars
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
left join (
    select
        chunk.index_id,
        count(*) as chunks,
        count(*) filter (where chunk.generated_chars > 0) as chunks_with_sentence,
        round(avg(chunk.generated_chars) filter (where chunk.generated_chars > 0)) as mean_chars
    from ragpg.chunks as chunk
    where chunk.index_id in (
        select known.id from ragpg.search_indexes as known where known.context_model is not null
    )
    group by chunk.index_id
) as held on held.index_id = recipe.id
where recipe.context_model is not null;
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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    counted constant text := format(
        'chunk.index_id = %s%s',
        count_chunks.index_id,
        case when tenant = '' then '' else format(' and chunk.tenant = %L', tenant) end
    );
    held record;
    embeddings halfvec[];
    documents bigint[];
    words text[];
    chunk_counts integer[];
    occurrence_counts bigint[];
begin
    -- Each by itself, a shape in which shards can be asked.
    execute
        'select count(*) as chunks, coalesce(avg(chunk.lexeme_count), 0) as mean_length,'
        ' coalesce(array_agg(distinct chunk.language), ''{}'') as languages'
        ' from ragpg.chunks as chunk where ' || counted
    into held;
    -- Drawn by hash, not by random(): the same chunks give the same ranking.
    execute
        'select coalesce(array_agg(drawn.embedding), ''{}'')'
        ' from (select chunk.embedding from ragpg.chunks as chunk where ' || counted
        || ' order by hashint8extended(chunk.id, 0) limit 256) as drawn'
    into embeddings;
    execute
        'select coalesce(array_agg(drawn.document_id), ''{}'')'
        ' from (select chunk.document_id from ragpg.chunks as chunk where ' || counted
        || ' and chunk.ordinal = 0 order by hashint8extended(chunk.document_id, 0) limit 400)'
        ' as drawn'
    into documents;
    insert into ragpg.index_statistics as known (
        index_id, tenant, chunk_count, mean_length, embedding_sample, document_sample,
        languages, refreshed_at
    )
    values (
        count_chunks.index_id, count_chunks.tenant, held.chunks, held.mean_length, embeddings,
        documents, held.languages, clock_timestamp()
    )
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        document_sample = excluded.document_sample,
        languages = excluded.languages,
        refreshed_at = excluded.refreshed_at;
    if ragpg_internal.is_distributed() then
        -- Each shard counts its own; ts_stat would fetch the words of all.
        execute
            'select array_agg(word.lexeme), array_agg(word.ndoc), array_agg(word.nentry)'
            ' from (select said.lexeme, count(*)::integer as ndoc,'
            '  sum(coalesce(cardinality(said.positions), 1))::bigint as nentry'
            '  from ragpg.chunks as chunk cross join lateral unnest(chunk.lexemes) as said'
            '  where ' || counted || ' group by said.lexeme) as word'
        into words, chunk_counts, occurrence_counts;
    end if;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat(
            'select chunk.lexemes from ragpg.chunks as chunk where ' || counted
        ) as word
        where not ragpg_internal.is_distributed()
        union all
        select word.lexeme collate "C", word.ndoc, word.nentry
        from unnest(words, chunk_counts, occurrence_counts) as word (lexeme, ndoc, nentry)
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

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english',
    context_model text default null,
    context_tokens integer default 0,
    proof uuid default ragpg_internal.proof()
) returns bigint
language plpgsql volatile
-- Security definer: a partition is the one piece of DDL of daily work, and a role that may
-- write documents should not need to own the tables. Execute is revoked from public.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
    quantize text;
    whose regrole;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg_internal.check_shared('collection ' || collection, proof)
    from ragpg.collections as one
    where one.id = parent_id and one.active_index_id is not null;
    -- What goes with a session, or with whoever made it, would take the search index with it, and a
    -- dump could not be restored.
    select config.cfgowner into whose
    from pg_ts_config as config
    join pg_roles as maker on maker.oid = config.cfgowner
    where create_search_index.language <> 'auto'
        and config.oid = create_search_index.language::regconfig
        and (
            config.cfgnamespace::regnamespace::text like 'pg_temp%'
            or not (
                maker.rolsuper or pg_has_role(maker.oid, quote_ident(current_user)::regrole, 'usage')
            )
        );
    if whose is not null then
        raise exception 'the text-search configuration "%" is temporary, or the role %''s own',
            create_search_index.language, whose
            using errcode = 'RG005',
                hint = 'one of Postgres''s (\dF in psql), or one that a superuser or the owner of ragpg made for good';
    end if;
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    -- As in the active one; of more than halfvec's HNSW takes, bits.
    select known.quantize into quantize
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = parent_id
        and (
            known.quantize = 'bit'
            or known.embedding_model_id = create_search_index.embedding_model_id
        );
    quantize := coalesce(quantize, case when dimensions > 4000 then 'bit' else 'none' end);
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens, quantize, ef_search
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens, quantize,
        case quantize when 'none' then 100 else 400 end  -- as ragpg.quantize_search_index says
    )
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (%s.vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, ragpg_internal.vector_schema(), dimensions
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
ragpg.create_search_index(text, bigint, integer, integer, text, text, integer, uuid)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer, uuid) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money. Its vector index holds of the embeddings what the active one''s does, or a bit of each number where they have more than 4,000 dimensions (ragpg.quantize_search_index).';

-- Which chunks end within a sentence?
create or replace function ragpg_internal.cut_chunks(collection text default null)
returns table (chunk_id bigint, document_id bigint, content text)
language plpgsql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    active_id constant bigint := (
        select one.active_index_id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(cut_chunks.collection)
    );
begin
    return query
    select ended.chunk_id, ended.document_id, ended.content
    from (
        select
            chunk.chunk_id, chunk.document_id, chunk.content, chunk.end_char,
            lead(chunk.start_char) over (
                partition by chunk.document_id order by chunk.ordinal
            ) as next_start
        from ragpg_internal.document_chunks(active_id, null) as chunk
    ) as ended
    join ragpg.documents as document on document.id = ended.document_id
    where ended.next_start is not null
        and right(ended.content, 8) !~ '[.!?:;…؟।。！？；：|>}][\u0022\u0027)\]*_`”’»）」』]*$'
        -- Between lines is no sentence; the character after the chunk tells.
        and ended.next_start <= ended.end_char + 2
        and substr(document.content, ended.end_char + 1, 2) !~ '^\s*\n';
end
$$;
comment on function ragpg_internal.cut_chunks(text) is
'Returns the chunks of a collection''s active search index that end within a sentence or a word: what they hold was longer than the window.';

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
    (sizes.measured).table_bytes,
    (sizes.measured).index_bytes,
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
    (sizes.measured).vector_index_bytes,
    (sizes.measured).vector_index_bytes::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    (sizes.measured).dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at,
    recipe.context_model,
    recipe.quantize
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
-- Measured only by who asks for it.
cross join lateral (
    select ragpg_internal.partition_sizes(partition.relation, partition.vector_index) as measured
) as sizes
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
comment on column ragpg.index_health.quantize is
'What the vector index holds of the embeddings: none (of it left out), bit (a bit of each number), or subvector:N, the first N.';

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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
    kept record;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after this and finds the versions indexed.
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.place
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, place
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
    select
        array_agg(given.place) as places, array_agg(stored.id) as ids,
        array_agg(stored.version) as versions,
        array_agg(stored.id) filter (where stored.version > 1) as changed_ids
    into kept
    from stored
    join given on given.source = stored.source;
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            recipe.id, array_agg(stored.id), array_agg(stored.id), array_agg(stored.version),
            array_agg(0), array_agg(0), array_agg(null::integer), array_agg(0),
            array_agg(spoken.language), array_agg(given.title), array_agg(given.content),
            array_agg(given.embedding), array_agg(0)
        )
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = recipe.id
            and chunk.document_id = any(kept.changed_ids)
            and chunk.ordinal > 0;
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, spoken.language, given.title, given.content, '', given.embedding, owner_name
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken
        on conflict (document_id, ordinal, index_id) do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            lexeme_count = excluded.lexeme_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            lexemes = excluded.lexemes,
            embedding = excluded.embedding,
            generated_chars = 0;
    end if;
    return query
    select
        sources[stored.place], case stored.version when 1 then 'added' else 'updated' end
    from unnest(kept.places, kept.versions) as stored (place, version);
end
$$;
comment on function ragpg_internal.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

-- How much of each embedding does the vector index hold?
create or replace function ragpg.quantize_search_index(
    index_id bigint, quantize text default 'auto', proof uuid default ragpg_internal.proof()
) returns text
language plpgsql volatile
-- Security definer: an index is built and another dropped, which takes their owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes := ragpg_internal.recipe_of(null, quantize_search_index.index_id);
    index_name constant text := format('chunks_%s_embedding_hnsw', recipe.id);
    lock_timeout constant text := current_setting('lock_timeout');
    dimensions integer;
    chunks bigint;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id, proof);
    -- Not while refresh_search_index builds what this drops.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(recipe.id::text)
    );
    recipe := ragpg_internal.recipe_of(null, recipe.id);  -- as who was waited for left it
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    if quantize = 'auto' then
        -- What it lacks is taken to be as many chunks as in the active one.
        select max(held.chunks) into chunks
        from (
            select sum(state.chunk_count) as chunks
            from ragpg.collections as one
            join ragpg.index_documents as state
                on state.index_id in (recipe.id, one.active_index_id)
            where one.id = recipe.collection_id
            group by state.index_id
        ) as held;
        quantize := case
            when dimensions > 4000
                -- An embedding in the graph, and its neighbours (docs/scale.md).
                or chunks * (2 * dimensions + 300)
                > pg_size_bytes(current_setting('effective_cache_size'))
                then 'bit'
            else 'none'
        end;
    end if;
    if quantize ~ '^subvector:[1-9][0-9]{0,3}$' then
        if split_part(quantize, ':', 2)::integer >= least(dimensions, 4001) then
            raise exception 'the embeddings have % dimensions, "%" is not a part of them%', dimensions,
                quantize, case when dimensions > 4000 then ' that a vector index takes' else '' end
                using errcode = 'RG005',
                    hint = format('subvector:%s or less', least(dimensions - 1, 4000));
        end if;
    elsif quantize is null or quantize not in ('none', 'bit') then
        raise exception 'there is no quantisation "%"', quantize
            using errcode = 'RG005', hint = 'none, bit, subvector:256 or auto';
    elsif quantize = 'none' and dimensions > 4000 then
        raise exception 'the embeddings have % dimensions, a vector index of them takes 4,000 at most',
            dimensions
            using errcode = 'RG005', hint = 'bit: it holds a bit of each number; or subvector:1024, its first numbers';
    end if;
    if quantize = recipe.quantize then
        return quantize;
    end if;
    update ragpg.search_indexes as known
    set quantize = quantize_search_index.quantize,
        ef_search = case quantize_search_index.quantize when 'none' then 100 else 400 end
    where known.id = recipe.id;
    if recipe.state = 'ready' then
        -- Searches go on by the one there is until the other one is built.
        execute format('alter index ragpg.%I rename to %I', index_name, index_name || '_before');
        perform ragpg_internal.build_vector_index(recipe.id, dimensions);
        -- Who still reads is waited for, a moment at a time: searches wait behind who waits.
        for tried in 1..1500 loop
            begin
                perform set_config('lock_timeout', '200ms', true);
                execute format('drop index ragpg.%I', index_name || '_before');
                exit;
            exception
                when lock_not_available then
                    if tried = 1500 then
                        raise;
                    end if;
                    perform pg_sleep(0.2);
            end;
        end loop;
        perform set_config('lock_timeout', lock_timeout, true);
        if ragpg_internal.tenants_enabled() then  -- the new index's expression, too
            perform ragpg_internal.protect_table(
                format('ragpg.%I', 'chunks_' || recipe.id)::regclass, true
            );
        end if;
    end if;
    return quantize;
end
$$;
revoke execute on function ragpg.quantize_search_index(bigint, text, uuid) from public;
comment on function ragpg.quantize_search_index(bigint, text, uuid) is
'Sets what the vector index of a search index holds of its embeddings, and returns it: none (of it left out), bit (a bit of each number), subvector:N (the first N numbers, for models trained so that these are an embedding, too: Matryoshka), or auto: bit where more than 4,000 dimensions leave no choice, or where a whole one would be larger than effective_cache_size. A search index that answers gets its vector index built anew; searches go on meanwhile, writing waits. The ef_search nearest by what it holds are ordered by the embeddings. How much it finds: ragpg.measure_recall; ragpg.tune_ef_search sets how many are ordered anew (400 at first). Raises RG005, RG010.';

-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg_internal.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    moved record;
begin
    if tg_op = 'UPDATE' then
        -- What is cut and embedded is as it was: the chunks are the new version's, too.
        for moved in
            with carried as (
                update ragpg.index_documents as state
                set document_version = later.version
                from written as later
                join replaced as earlier on earlier.id = later.id
                where state.document_id = later.id
                    and state.document_version = earlier.version
                    and state.pending_since is null
                    and later.version <> earlier.version
                    and (later.content, later.title, later.media_type, later.page_starts)
                        is not distinct from
                        (earlier.content, earlier.title, earlier.media_type, earlier.page_starts)
                    and (later.tenant, later.collection_id, later.metadata -> 'language')
                        is not distinct from
                        (earlier.tenant, earlier.collection_id, earlier.metadata -> 'language')
                returning state.index_id, state.document_id, state.document_version
            )
            select
                carried.index_id, carried.document_version,
                array_agg(carried.document_id) as document_ids
            from carried
            group by carried.index_id, carried.document_version
        loop
            if ragpg_internal.is_distributed() then
                perform ragpg_internal.carry_chunks(
                    moved.index_id, moved.document_ids, moved.document_version
                );
                continue;
            end if;
            update ragpg.chunks as chunk
            set document_version = moved.document_version
            where chunk.index_id = moved.index_id
                and chunk.document_id = any(moved.document_ids);
        end loop;
        if ragpg_internal.is_distributed() then
            -- On one server the foreign key does.
            for moved in
                select later.tenant, array_agg(later.id) as document_ids
                from written as later
                join replaced as earlier on earlier.id = later.id
                where earlier.tenant <> later.tenant
                group by later.tenant
            loop
                perform ragpg_internal.give_chunks(moved.document_ids, moved.tenant);
            end loop;
        end if;
    end if;
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
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told. A new version whose metadata alone are new has the chunks of the one before, at once.';

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
set search_path = ragpg_internal, ragpg, pg_temp
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
    for share;  -- a newer version waits, so that it is not taken off the queue unread
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
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            replace_chunks.index_id, array[replace_chunks.document_id],
            array_agg(replace_chunks.document_id), array_agg(replace_chunks.document_version),
            array_agg(piece.ordinal), array_agg(piece.start_char),
            array_agg(width_bucket(piece.start_char, page_starts)), array_agg(piece.token_count),
            array_agg(words_language), array_agg(piece.context), array_agg(piece.content),
            array_agg(piece.embedding), array_agg(piece.generated_chars)
        )
        from (
            with blocks as materialized (
                select number, substr(body, number * block + 1, block + longest) as content
                from (select distinct start / block as number from unnest(starts) as start) as used
            )
            select
                (piece.place - 1)::integer as ordinal, piece.start_char, piece.token_count,
                piece.context, piece.embedding,
                coalesce(piece.generated_chars, 0) as generated_chars,
                substr(
                    blocks.content,
                    piece.start_char - blocks.number * block + 1,
                    piece.end_char - piece.start_char
                ) as content
            from unnest(
                starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
            ) with ordinality as piece (
                start_char, end_char, context, token_count, embedding, generated_chars, place
            )
            join blocks on blocks.number = piece.start_char / block
        ) as piece;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = replace_chunks.index_id
            and chunk.document_id = replace_chunks.document_id;
        insert into ragpg.chunks (
            index_id, document_id, document_version, ordinal, start_char, end_char, page,
            token_count, lexeme_count, language, context, content, lexemes, embedding,
            generated_chars, tenant
        )
        with blocks as materialized (
            select number, substr(body, number * block + 1, block + longest) as content
            from (select distinct start / block as number from unnest(starts) as start) as used
        )
        select
            replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
            piece.place - 1, piece.start_char, piece.end_char,
            width_bucket(piece.start_char, page_starts), piece.token_count,
            0, words_language, piece.context,
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
    end if;
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

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg_internal.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    select words.lexemes, words.lexeme_count
    into new.lexemes, new.lexeme_count
    from ragpg_internal.chunk_words(new.context, new.content, new.language) as words;
    return new;
end
$$;
comment on function ragpg_internal.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';

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
    said tsvector;
    parts tsvector;
    silent tsvector;
begin
    content := ragpg_internal.normal_form(content);
    if content ~ run then
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
        content := regexp_replace(content, run, ' ', 'g');
    end if;
    said := to_tsvector(language::regconfig, content);
    parts := ragpg_internal.word_parts(content, language);
    if language <> 'simple' and content ~ '\S\s+\S' then
        -- Two words in a row that the configuration leaves out, after the common grams of Lucene:
        -- a question may have no others.
        with left_out as (
            select word.lexeme, word.place
            from (
                select each.lexeme, unnest(each.positions) as place
                from unnest(to_tsvector('simple', content)) as each
            ) as word
            where word.place not in (
                select unnest(kept.positions) from unnest(said) as kept
            )
        )
        select string_agg(format('''%s %s'':%sB', one.lexeme, other.lexeme, one.place), ' ')::tsvector
        into silent
        from left_out as one
        join left_out as other on other.place = one.place + 1
        where one.lexeme || other.lexeme !~ '[''\\]';
    end if;
    said := coalesce(pairs || said, said);
    return said
        || ts_delete(
            parts,
            tsvector_to_array(said) || array(
                select part.lexeme from unnest(parts) as part where char_length(part.lexeme) = 1
            )
        )
        || coalesce(silent, '');
end
$$;
comment on function ragpg.text_lexemes(text, text) is
'Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is. Labelled C, what else finds it: parts and wholes of compounds, words without accents, numbers without grouping signs. Labelled B, every two words in a row that the configuration leaves out. Labelled ones do not count to the length.';

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
cross join lateral ragpg_internal.chunk_overview(one.active_index_id) as cut;
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
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
-- A tenant's chunks may be few among the nearest.
set hnsw.iterative_scan = relaxed_order
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    quantize text;
    scanned integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
    first_ids bigint[];
    copy_ids bigint[];
    held record;  -- the chunks of the pairs
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
    all_chunks text;
begin
    select
        recipe.id, model.dimensions, recipe.quantize,
        least(
            greatest(
                case recipe.quantize when 'bit' then recipe.ef_search else 40 end, neighbours + 1
            ),
            1000
        )
    into active_id, dimensions, quantize, scanned
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    all_chunks := case
        when is_closed
            then 'select chunk_id as id, content, embedding'
                ' from ragpg_internal.document_chunks($1, null)'
        else 'select id, content, embedding from ragpg.chunks where index_id = $1'
    end;
    perform set_config('hnsw.ef_search', scanned::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(scanned, 'relaxed_order');
    end if;
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in execute
        'select drawn.id, drawn.embedding'
        ' from ('
        '  select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding'
        '  from (' || all_chunks || ') as chunk'
        '  order by ragpg_internal.hash_text(chunk.content), chunk.id'
        ' ) as drawn'
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        ' order by hashint8extended(drawn.id, 0)'
        ' limit $2'
        using active_id, near_duplicates.chunks
    loop
        if is_closed then
            select array_agg(near.chunk_id) into near_ids
            from ragpg_internal.vector_candidates(
                active_id, looked_at.embedding, neighbours + 1
            ) as near
            where near.chunk_id <> looked_at.id and near.similarity >= min_similarity;
        else
            execute format(
                'select array_agg(near.id) from (%s) as near'
                ' where near.id <> $2 and near.distance <= 1 - $3::double precision',
                ragpg_internal.nearest_query(
                    'chunks', active_id, dimensions, quantize, '', neighbours + 1, scanned
                )
            )
            into near_ids
            using looked_at.embedding, looked_at.id, min_similarity;
        end if;
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
    if near_duplicates.chunks is null then
        execute
            'select array_agg(same.first_id), array_agg(same.id)'
            ' from ('
            '  select'
            '   chunk.id,'
            '   min(chunk.id) over ('
            '    partition by ragpg_internal.hash_text(chunk.content)'
            '   ) as first_id'
            '  from (' || all_chunks || ') as chunk'
            ' ) as same'
            ' where same.id <> same.first_id'
        into first_ids, copy_ids
        using active_id;
    end if;
    near_ids := array(
        select distinct one.id from unnest(pairs || first_ids || copy_ids) as one (id)
    );
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.embedding) as embeddings, array_agg(chunk.content) as contents
    into held
    from ragpg_internal.known_chunks(near_ids, active_id) as chunk;
    return query
    with pair as (
        select pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
        union
        select same.first_id, same.id from unnest(first_ids, copy_ids) as same (first_id, id)
    ),
    chunk as materialized (
        select one.*
        from unnest(held.ids, held.document_ids, held.embeddings, held.contents)
            as one (id, document_id, embedding, content)
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
        from pair
        join chunk as a on a.id = pair.a_id
        join chunk as b on b.id = pair.b_id
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

-- How far is the k-th nearest chunk, truly?
create or replace function ragpg_internal.exact_distances(
    index_id bigint, embeddings halfvec[], own_ids bigint[], k integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        execute format(
            'select max(near.distance) from ('
            '  select chunk.embedding operator(%s.<=>) $1 as distance from ragpg.chunks as chunk'
            '  where chunk.index_id = %s and chunk.id is distinct from $2 order by 1 limit %s'
            ' ) as near',
            ragpg_internal.vector_schema(), exact_distances.index_id, k
        )
        into farthest
        using embeddings[place], own_ids[place];
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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
    best_hits ragpg.hit[];
    best_ids bigint[];
    held record;
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
    best_hits := array(
        select best
        from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
        where recipe.id is not null
    );
    best_ids := array(select hit.chunk_id from unnest(best_hits) as hit);
    select array_agg(one.chunk_id) as ids, array_agg(one.lexemes) as lexemes into held
    from ragpg_internal.known_chunks(best_ids, recipe.id) as one;
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg_internal.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg_internal.lexeme_query(word.lexeme)
        )
    from unnest(best_hits) as best
    join unnest(held.ids, held.lexemes) as chunk (id, lexemes) on chunk.id = best.chunk_id
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
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    held record;
begin
    if ragpg_internal.is_distributed() then
        select array_agg(one.chunk_id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg_internal.known_chunks(chunk_ids[:3], feedback_embedding.index_id) as one;
    else
        select array_agg(one.id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = any(chunk_ids[:3]);
    end if;
    return (
        select l2_normalize(
            sum(
                chunk.embedding::vector
                * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
                order by best.place
            )
        )::halfvec
        from unnest(chunk_ids[:3], scores[:3]) with ordinality as best (chunk_id, score, place)
        join unnest(held.ids, held.embeddings) as chunk (id, embedding)
            on chunk.id = best.chunk_id
    );
end
$$;
comment on function ragpg_internal.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';

-- Which values does a condition of a filter ask for?
create or replace function ragpg_internal.filter_condition(
    condition text,
    out kind "char",
    out key text,
    out sign text,
    out number numeric,
    out word text,
    out is_exact boolean
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    path constant text := '\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+';
    literal constant text := '(?:"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9e]*|true|false|null)';
    -- Without a format, or with one of those by which Python's filters read what has Z.
    moment constant text :=
        '(?:\.datetime\((?:"yyyy-mm-dd\\"T\\"hh24:mi:ss(?:\.us)?\\"Z\\"")?\))?';
    signs constant text := ' (?:==|<=?|>=?|starts with) ';
    is_turned constant boolean := condition not like '$%';
    pattern text;
    part text;
    said text[];
begin
    -- Part by part: one expression that captures all five took 270 us.
    foreach pattern in array case
        when is_turned then array[literal, moment, signs, path, moment]
        else array[path, moment, signs, literal, moment] end
    loop
        part := regexp_substr(condition, '^' || pattern);
        if part is null then
            return;
        end if;
        said := said || part;
        condition := substr(condition, length(part) + 1);
    end loop;
    if is_turned then
        said := array[said[4], said[5], translate(said[3], '<>', '><'), said[1], said[2]];
    end if;
    if condition <> '' or (said[2] = '') <> (said[5] = '') then
        return;
    end if;
    key := (
        select string_agg(
            ragpg_internal.key_step(step.found[1]::jsonb #>> '{}'), '.' order by step.place
        )
        from regexp_matches(said[1], '"(?:[^"\\]|\\.)*"', 'g')
            with ordinality as step (found, place)
    );
    sign := btrim(said[3]);
    is_exact := true;
    if said[5] <> '' then
        kind := 't';
        number := ragpg_internal.instant(said[4]::jsonb #>> '{}');
        -- A zone that was not said may be any: Postgres takes up to a week.
        is_exact := false;
    elsif said[4] like '"%' then
        kind := 's';
        word := said[4]::jsonb #>> '{}';
        if length(word) >= 100 then
            word := left(word, 100);
            sign := case sign when '<' then '<=' when '>' then '>=' else sign end;
            is_exact := false;
        end if;
    elsif said[4] ~ '^[-0-9]' then
        kind := 'n';
        number := said[4]::numeric;
    else
        kind := 'l';
        word := said[4];
    end if;
    if length(key) > 100
        or coalesce(number = 'NaN' or length(said[4]) > 100 and kind = 'n', word is null)
        -- jsonpath orders texts by their UTF-16, which is their UTF-8's order up to there.
        or kind = 's' and sign <> '==' and word ~ '[\ue000-\U0010ffff]'
        or kind = 'l' and sign <> '=='
        or kind <> 's' and sign = 'starts with'
    then
        kind := null;
    end if;
end
$$;
comment on function ragpg_internal.filter_condition(text) is
'Returns what a comparison of a jsonpath predicate asks for, in the words of ragpg.document_values: kind, key, sign (==, <, <=, >, >=, starts with), number or word, and whether the values for which that is true are exactly those that the comparison lets through, or may be more. No kind where the values cannot tell.';

-- Which chunks are best by words?
create or replace function ragpg_internal.keyword_candidates(
    index_id bigint,
    words tsquery[],
    weights double precision[],
    word_chunks bigint,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0,
    word_counts integer[] default null,
    proof uuid default ragpg_internal.proof()
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    most_possible double precision := (select sum(weight) from unnest(weights) as weight);
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := (
        select known.tenant from ragpg_internal.proven_tenant(proof) as known
    );
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    -- Of what stands under an offset Citus would fetch all rows; a function called once does.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, copied.lexemes, %s as saturation'
        '  from ragpg.chunks as stored'
        '  cross join lateral %s as copied (lexemes)'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s%s) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(words, weights),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        case when ragpg_internal.is_distributed() then 'setweight(stored.lexemes, ''D'')'
            else '(select setweight(stored.lexemes, ''D''))' end,
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
                ' and case when $4 is null or stored.tenant = $4 then'
                '  (select ragpg_internal.passes(document.metadata, $3)'
                '   from ragpg.documents as document where document.id = stored.document_id) end'
        end,
        case
            when only_tenant is not null then ' and ' || ragpg_internal.tenant_condition(
                keyword_candidates.index_id, only_tenant, 'stored.tenant', '$4'
            )
        end,
        case when not ragpg_internal.is_distributed() then ' offset 0' end,
        wanted
    );
    most_added := case when word_chunks <= exact_limit then 1 else 0.75 end;
    most_possible := most_added * most_possible;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when word_counts is not null then 0.3 * most_possible
            when document_ids is null and word_chunks > few then 0.45 * most_possible
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold,
            word_counts
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold
            or word_counts is not null;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_possible then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score or word_counts is not null;
end
$$;
grant execute on function ragpg_internal.keyword_candidates(
    bigint, tsquery[], double precision[], bigint, integer, bigint[], jsonpath, double precision,
    integer[], uuid
)
to public;
comment on function ragpg_internal.keyword_candidates(
    bigint, tsquery[], double precision[], bigint, integer, bigint[], jsonpath, double precision,
    integer[], uuid
) is
'Returns the best chunks of a search index by BM25, any of the words counting (ragpg_internal.query_words: the rarest first, their weights, and how many chunks hold one, at most), best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. With word_counts, the chunks that hold each word, in one scan that reads of the commonest words only beside rarer ones (ragpg_internal.word_combinations), and what it met below that score, too. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the words; beyond that a chunk may be missed whose few words occur very often in it.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    most integer default null,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
    tenants text[] := array[only_tenant];
    only_collection bigint;
    untold bigint[];
    is_exact boolean;
    counted integer[];  -- places of the documents whose chunks are counted
begin
    select recipe.collection_id into only_collection
    from ragpg.search_indexes as recipe
    where recipe.id = matching_documents.index_id;
    if only_tenant is null then
        -- One look at an index for each.
        tenants := array(
            with recursive met as (
                (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection
                    order by document.tenant
                    limit 1
                )
                union all
                select (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection and document.tenant > met.tenant
                    order by document.tenant
                    limit 1
                )
                from met
                where met.tenant is not null
            )
            select met.tenant from met where met.tenant is not null
        );
    end if;
    select listed.document_ids, listed.is_exact into document_ids, is_exact
    from ragpg_internal.listed_documents(
        only_collection, tenants, filter::text, coalesce(most, 1000000)
    ) as listed;
    if document_ids is not null then
        select array_agg(known.document_id) into untold
        from ragpg.document_values as known
        where known.collection_id = only_collection
            and known.key = ''
            and known.kind = 'x'
            and known.tenant = any(tenants)
            and known.word is not null;
        if untold is not null then
            document_ids := array(
                select distinct id from unnest(document_ids || untold) as id
            );
        end if;
        if untold is not null or not is_exact then
            document_ids := ragpg_internal.passing(document_ids, filter);
        end if;
    elsif most is null then
        -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
        execute format(
            'select array_agg(document.id) from ragpg.documents as document'
            ' where document.collection_id = $1 and case when %s'
            '  then ragpg_internal.passes(document.metadata, $2) end',
            case when only_tenant is null then 'true' else 'document.tenant = $3' end
        )
        into document_ids
        using only_collection, filter, only_tenant;
    else
        return;
    end if;
    -- Counted, or where they are many, estimated from some of them, old and new.
    counted := array(
        select *
        from generate_series(
            1, cardinality(document_ids),
            greatest(ceil(cardinality(document_ids) / 20.0), 1)::integer
        )
    );
    select
        (sum(state.chunk_count) * cardinality(document_ids) / cardinality(counted))::bigint
    into chunks
    from unnest(counted) as listed (place)
    cross join lateral (
        select one.chunk_count
        from ragpg.index_documents as one
        where one.document_id = document_ids[listed.place]
            and one.index_id = matching_documents.index_id
        limit 1
    ) as state;
    chunks := greatest(chunks, case when cardinality(document_ids) > 20 then 1 else 0 end);
end
$$;
grant execute on function
ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid)
to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have: counted up to 20 documents, else estimated from 10 to 20 of them; nothing where at most so many were to be listed by ragpg.document_values, and these cannot tell or are more. Without that limit each document is asked where they cannot. Security definer while tenants are on (ragpg_internal.tenant_legs), so that indexes are used; then only of the caller''s tenant.';

-- How is the vector index of a search index asked?
create or replace function ragpg_internal.nearest_query(
    table_name text,
    index_id bigint,
    dimensions integer,
    quantize text,
    conditions text,
    wanted integer,
    scanned integer
) returns text
language sql stable
set search_path = ragpg_internal, ragpg, pg_temp
begin atomic
    -- The index's own expression, one table, ascending: anything else loses the index.
    select format(
        case quantize
            when 'none' then
                -- A scan that goes on until it has enough gives them in steps.
                'select * from ('
                '  select chunk.id, chunk.document_id,'
                '   chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 as distance'
                '  from ragpg.%2$s as chunk where chunk.index_id = %3$s%4$s'
                '  order by chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 limit %6$s'
                ' ) as chunk order by distance'
            else
                'select chunk.id, chunk.document_id,'
                ' chunk.embedding operator(%1$s.<=>) $1 as distance from ('
                '  select chunk.id, chunk.document_id, chunk.embedding from ragpg.%2$s as chunk'
                '  where chunk.index_id = %3$s%4$s'
                '  order by '
                || case quantize
                    when 'bit' then
                        '%1$s.binary_quantize(chunk.embedding)::bit(%5$s)'
                        ' operator(%1$s.<~>) %1$s.binary_quantize($1)::bit(%5$s)'
                    else
                        '%1$s.subvector(chunk.embedding, 1, %8$s)::%1$s.halfvec(%8$s)'
                        ' operator(%1$s.<=>) %1$s.subvector($1, 1, %8$s)::%1$s.halfvec(%8$s)'
                end
                || ' limit %7$s'
                ' ) as chunk order by distance limit %6$s'
        end,
        ragpg_internal.vector_schema(), table_name, index_id, conditions, dimensions, wanted,
        greatest(scanned, wanted), split_part(quantize, ':', 2)
    );
end;
comment on function ragpg_internal.nearest_query(text, bigint, integer, text, text, integer, integer) is
'Returns the statement that asks the vector index of a search index for the wanted chunks nearest to $1 (id, document_id, distance; best first) of a table, its partition or chunks, under conditions: of a quantised one (search_indexes.quantize) those nearest by their bits or first numbers, scanned of them, ordered by the embeddings themselves.';

-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg_internal.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- As ragpg_internal.vector_candidates scans. Named here so that what is set below ends with it.
set hnsw.ef_search = 100
set hnsw.iterative_scan = relaxed_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(least(greatest(ef_search, k), 1000), 'relaxed_order');
    end if;
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from (%s) as near where near.id is distinct from $2'
            '  order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            ragpg_internal.nearest_query(
                'chunks', recalls_at.index_id, vector_dims(embeddings[place]), quantize, '',
                k + (own_ids[place] is not null)::integer, ef_search
            ),
            k
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
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    all_chunks bigint;
    mean_length real;
    some_documents bigint[];  -- drawn at random
    dimensions integer;
    wanted integer;
    -- That the filter lets through; null where they are many: each candidate is asked.
    matching_documents bigint[];
    matching_chunks bigint;
    matching_share double precision := 0;
    few_chunks constant integer := 200;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_counts integer[];  -- of chunks
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
    met_ids bigint[];  -- the same chunks, as they came
    met_embeddings halfvec[];  -- of these
    best_ids bigint[];  -- best first
    best_scores double precision[];
    best_similarities double precision[];
    best_bm25_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision;
    vector_deviation double precision;
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
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
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
    -- Not the whole row: its sample of embeddings is large.
    select
        known.chunk_count, known.mean_length,
        case when filter is not null then known.document_sample end
    into all_chunks, mean_length, some_documents
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    if not ragpg_internal.is_distributed() then  -- Citus plans by the values
        perform set_config('plan_cache_mode', 'force_generic_plan', true);
    end if;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if all_chunks > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, 4000) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                if all_chunks < 200000 then
                    some_documents := some_documents[:50];
                end if;
                matching_share := coalesce(
                    cardinality(ragpg_internal.passing(some_documents, filter)), 0
                )::double precision / nullif(cardinality(some_documents), 0);
                matching_chunks := all_chunks * matching_share;
            end if;
        end if;
        if matching_documents is null and (
            matching_share < 0.3 and matching_share * coalesce(all_chunks, 0) <= 40000
            or ragpg_internal.is_distributed()  -- the shards have no documents to ask
        ) then
            select found.document_ids, coalesce(found.chunks, matching_chunks)
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(
                -- So many are listed in 10 ms.
                recipe.id, filter,
                case
                    when matching_share >= 0.03 and not ragpg_internal.is_distributed() then 50000
                end
            ) as found;
        end if;
        if matching_chunks = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select
            array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
            array_agg(word.chunk_count order by word.place), sum(word.chunk_count),
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_counts, word_chunks, word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        if cardinality(words) = 64 then
            raise notice 'of the question''s words the 64 that weigh most are looked for';
        end if;
    end if;
    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
            as spread;
    end if;
    -- Where the search index names no weight it follows the question: the less its nearest chunk
    -- stands out, the less the model knows of it. Of few chunks, that pass a filter or are all
    -- there are, it tells less: none of n is more than (n - 1) / sqrt(n) deviations above the mean.
    vector_weight := coalesce(
        vector_weight,
        case
            when filter is not null or coalesce(all_chunks, 0) < few_chunks then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
    if mode = 'hybrid' and vector_ids is not null then
        bm25_scores := ragpg_internal.word_scores(
            recipe.id, vector_ids, words, word_weights, mean_length
        );
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
            -- Where very many chunks hold the words, those that only the commonest speak for are
            -- left to the vector leg: none of the best 30 by words were lost (docs/measured.md).
            if word_chunks <= 30000 or matching_documents is not null then
                word_counts := null;
            end if;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25, word_counts
            ) as found;
        end if;
    end if;

    if query_embedding is not null and word_ids is not null then
        met_ids := array(
            select met.id
            from unnest(word_ids) as met (id)
            where met.id <> all(coalesce(vector_ids, '{}'))
        );
        if ragpg_internal.is_distributed() then
            -- The operator is asked for here, and not where the chunks are.
            select array_agg(chunk.embedding), array_agg(chunk.chunk_id)
            into met_embeddings, met_ids
            from ragpg_internal.known_chunks(met_ids, recipe.id) as chunk;
        else
            select array_agg(chunk.embedding), array_agg(chunk.id) into met_embeddings, met_ids
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = any(met_ids);
        end if;
    end if;
    select
        array_agg(best.chunk_id), array_agg(best.score), array_agg(best.similarity),
        array_agg(best.bm25)
    into best_ids, best_scores, best_similarities, best_bm25_scores
    from (
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
            from (
                select known.*
                from unnest(vector_ids, similarities, bm25_scores)
                    as known (chunk_id, similarity, bm25)
                union all
                select
                    said.chunk_id,
                    case
                        when query_embedding is not null
                            then coalesce(nullif(1 - (met.embedding <=> query_embedding), 'NaN'), 0)
                    end,
                    said.bm25
                from unnest(word_ids, word_scores) as said (chunk_id, bm25)
                left join unnest(met_ids, met_embeddings) as met (chunk_id, embedding)
                    on met.chunk_id = said.chunk_id
                where said.chunk_id <> all(coalesce(vector_ids, '{}'))
            ) as candidate
        ) as known
        -- Alike to the words, which none of them holds, or to a weight of nothing: the nearest.
        order by known.score desc nulls last, known.similarity desc nulls last, known.chunk_id
        limit k
    ) as best;
    if ragpg_internal.is_distributed() then
        return query
        select hit.*
        from ragpg_internal.distant_hits(
            recipe.id, best_ids, best_scores, best_similarities, best_bm25_scores
        ) as hit;
    else
        return query
        -- Each looked up by its key: without statistics of the parent of all partitions, and it has
        -- none, a join may be planned that reads every chunk.
        select
            best.place::integer, document.source, document.title, hit.content, best.score,
            best.similarity, best.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            document.metadata, hit.document_id, hit.document_version, hit.id
        from unnest(best_ids, best_scores, best_similarities, best_bm25_scores) with ordinality
            as best (chunk_id, score, similarity, bm25, place)
        cross join lateral (
            select
                chunk.id, chunk.content, chunk.start_char, chunk.end_char, chunk.page,
                chunk.context, chunk.document_id, chunk.document_version
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = best.chunk_id
            limit 1
        ) as hit
        cross join lateral (
            select one.source, one.title, one.metadata
            from ragpg.documents as one
            where one.id = hit.document_id
            limit 1
        ) as document
        order by 1;
    end if;
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
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says, or else by how far the nearest chunk stands out (ragpg_internal.question_weight). Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    hits jsonb;
    ids bigint[];
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
            array_agg(hit.chunk_id order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, ids, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit;
        select array_agg(chunk.embedding order by array_position(ids, chunk.chunk_id))
        into embeddings
        from ragpg_internal.known_chunks(ids) as chunk;
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

-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    given record;
    near_ids bigint[];
    similarities double precision[];
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.chunk_id as id, chunk.index_id, chunk.embedding into given
    from ragpg_internal.known_chunks(array[similar_chunks.to_chunk_id]) as chunk;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    select array_agg(near.chunk_id), array_agg(near.similarity) into near_ids, similarities
    from ragpg_internal.vector_candidates(given.index_id, given.embedding, k + 1) as near;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.chunk_id
    from unnest(near_ids, similarities) as near (chunk_id, similarity)
    join ragpg_internal.known_chunks(near_ids, given.index_id) as chunk
        on chunk.chunk_id = near.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';

-- How similar is a question to what there is, on the whole?
create or replace function ragpg_internal.similarity_spread(
    index_id bigint,
    tenant text,
    query_embedding halfvec,
    out mean double precision,
    out deviation double precision
)
language sql stable
begin atomic
    select
        coalesce(avg(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0),
        coalesce(
            nullif(stddev_pop(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0), 1
        )
    from ragpg.index_statistics as known
    cross join unnest(known.embedding_sample) as sample
    where known.index_id = similarity_spread.index_id
        and known.tenant = similarity_spread.tenant
        -- Of a vector of zeros it is NaN.
        and sample operator(ragpg_internal.<=>) query_embedding <> 'NaN';
end;
comment on function ragpg_internal.similarity_spread(bigint, text, halfvec) is
'Returns mean and standard deviation of the cosine similarities of a question to a sample of a search index''s embeddings, or of a tenant''s in it (ragpg.index_statistics): 0 and 1 of an empty one.';

-- What stands around a chunk?
create or replace function ragpg.surroundings(
    chunk_id bigint,
    neighbours integer default 1
) returns table (start_char integer, end_char integer, content text)
language plpgsql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
declare
    hit record;
    span int4range;
begin
    select one.index_id, one.document_id, one.document_version, one.ordinal into hit
    from ragpg_internal.known_chunks(array[surroundings.chunk_id]) as one;
    select int4range(min(near.start_char), max(near.end_char)) into span
    from ragpg_internal.document_chunks(hit.index_id, array[hit.document_id]) as near
    where near.document_version = hit.document_version
        and near.ordinal between hit.ordinal - surroundings.neighbours
            and hit.ordinal + surroundings.neighbours;
    return query
    select
        lower(span), upper(span), substr(kept.content, lower(span) + 1, upper(span) - lower(span))
    from (
        select document.content
        from ragpg.documents as document
        where document.id = hit.document_id and document.version = hit.document_version
        union all
        select earlier.content
        from ragpg.document_versions as earlier
        where earlier.document_id = hit.document_id and earlier.version = hit.document_version
        limit 1
    ) as kept;
end
$$;
comment on function ragpg.surroundings(bigint, integer) is
'Returns the span and text from as many chunks before a chunk to as many after it, of the same document version: to search by small chunks and read larger ones. No row for a chunk that is gone.';

-- How is a tenant compared: by its index, or by whatever else finds the rows?
create or replace function ragpg_internal.tenant_condition(
    index_id bigint, tenant text, column_name text, parameter text
) returns text
language sql stable
begin atomic
    -- Without statistics, and there are none of tenants, the planner takes each one for a two
    -- hundredth of all rows, and its index for the best. Of a large one it reads too much.
    select format(
        case
            -- Citus asks the shards that may have it, and these know how many rows that is.
            when ragpg_internal.is_distributed() then '%s = %s'
            when coalesce(max(counted.chunk_count), 0) > 20000 then '%s || '''' = %s'
            else '%s = %s'
        end,
        tenant_condition.column_name, tenant_condition.parameter
    )
    from ragpg.index_statistics as counted
    where counted.index_id = tenant_condition.index_id
        and counted.tenant = tenant_condition.tenant;
end;
comment on function ragpg_internal.tenant_condition(bigint, text, text, text) is
'Returns the SQL that compares a column with a tenant: in a way that its index serves while the tenant has up to 20,000 chunks in the search index, so few that reading them all is quick, and where Citus chooses shards by it; else not.';

-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_sort = on
set enable_indexscan = on
set enable_seqscan = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_own text := '';
    held bigint;  -- chunks, of the tenant or in all
    nearest bigint := wanted;  -- so many are asked of the index
    scanned integer;
    scan text;
    ids bigint[];
    met_documents bigint[];
    distances double precision[];
    exactly boolean := false;
    has_times constant boolean := ragpg_internal.has_times(filter);
    only_tenant text;
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
begin
    if is_closed then
        select known.tenant into only_tenant from ragpg_internal.proven_tenant(proof) as known;
    else
        only_tenant := ragpg_internal.searched_tenant();
    end if;
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null or filter is not null then
        held := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = coalesce(only_tenant, '')
            ),
            0
        );
    end if;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $2';
        exactly := held <= 20000;
        if filter is null then
            matching_chunks := nullif(held, 0);  -- not counted yet
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if filter is not null then
        -- Of so many of the nearest a filter that has nothing to do with the question lets enough
        -- through, and by chance fewer only once in a hundred times.
        -- (What was not counted yet is more than was.)
        nearest := ceil(
            2.5 * wanted * greatest(held, matching_chunks, 1) / greatest(matching_chunks, 1)
        );
    end if;
    scan := case when only_own = '' and filter is null then 'off' else 'relaxed_order' end;
    -- Eight chunks that match are looked at in the time in which the index finds one.
    while not exactly and (filter is null or 8 * nearest <= matching_chunks) loop
        scanned := greatest(recipe.ef_search, nearest, case when filter is not null then 200 end);
        perform set_config('hnsw.ef_search', least(scanned, 1000)::text, true);
        perform set_config('hnsw.iterative_scan', scan, true);
        if ragpg_internal.is_distributed() then
            perform ragpg_internal.set_on_shards(least(scanned, 1000), scan);
        end if;
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        execute
            'select array_agg(near.id), array_agg(near.document_id), array_agg(near.distance) from ('
            || ragpg_internal.nearest_query(
                table_name, recipe.id, vector_dims(query_embedding), recipe.quantize, only_own,
                nearest::integer, scanned
            )
            || ') as near'
        into ids, met_documents, distances
        using query_embedding, only_tenant;
        if filter is not null then
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select met.id, met.distance
                from unnest(ids, met_documents, distances) as met (id, document_id, distance)
                where (
                    select ragpg_internal.passes(document.metadata, filter, has_times)
                    from ragpg.documents as document
                    where document.id = met.document_id
                )
                order by met.distance
                limit wanted
            ) as near;
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        exit when cardinality(ids) >= wanted
            or filter is null and scan = 'relaxed_order';
        scan := 'relaxed_order';
        -- The question is unlike what matches: so far are fewer of it than chance would have.
        nearest := case when filter is null then wanted else 6 * nearest end;
    end loop;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null and filter is not null then
            select found.document_ids into document_ids
            from ragpg_internal.matching_documents(
                recipe.id, filter,
                proof => case
                    when is_closed then vector_candidates.proof
                    else ragpg_internal.proof()
                end
            ) as found;
        end if;
        if filter is null then
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%5$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk where chunk.index_id = %2$s%3$s'
                '  order by chunk.embedding operator(%5$s.<=>) $1 limit %4$s) as near',
                table_name, recipe.id, only_own, wanted, ragpg_internal.vector_schema()
            )
            into ids, distances
            using query_embedding, only_tenant;
        elsif only_tenant is null or ragpg_internal.is_distributed() then
            -- Page by page of the table, in order: half the time of document by document. (Of the
            -- parent with index_id: Postgres 18 would look up each document twice.)
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%3$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk'
                '  where chunk.document_id = any(%4$s)%2$s%5$s order by 2 limit $3) as near',
                table_name,
                case when table_name = 'chunks' then ' and chunk.index_id = ' || recipe.id else '' end,
                ragpg_internal.vector_schema(),
                -- Shards are asked by values; here these would be looked at one by one to plan.
                case when ragpg_internal.is_distributed() then '$2'
                    else '(select $2)::bigint[]' end,
                case
                    when only_tenant is not null then format(' and chunk.tenant = %L', only_tenant)
                end
            )
            into ids, distances
            using query_embedding, document_ids, wanted;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks. Planned once in a session.
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select one.id, one.embedding <=> query_embedding as distance
                from unnest(document_ids) as listed (id)
                cross join lateral (
                    select chunk.id, chunk.embedding
                    from ragpg.chunks as chunk
                    where chunk.index_id = vector_candidates.index_id
                        and chunk.document_id = listed.id
                        and (only_tenant is null or chunk.tenant = only_tenant)
                    offset 0
                ) as one
                order by 2
                limit wanted
            ) as near;
        end if;
    end if;
    return query
    -- To a vector of zeros nothing is near or far: the cosine is NaN.
    select found.id, coalesce(nullif(1 - found.distance, 'NaN'), 0)
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, uuid) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; with a filter only of documents that pass it, which hold some matching_chunks chunks and are document_ids if these are known. Of the HNSW index''s nearest those that pass are taken, of as many as a filter that has nothing to do with the question needs, then of six times as many; exact where these would take longer than to look at all that match. A tenant of up to 20,000 chunks is searched exactly. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller''s tenant.';
