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
