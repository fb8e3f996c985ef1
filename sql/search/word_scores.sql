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
