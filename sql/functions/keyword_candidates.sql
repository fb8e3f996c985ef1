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
    only_tenant constant text := ragpg.searched_tenant();
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
        '   and ($2 is null or stored.document_id = any($2))'
        '   and ($3 is null or stored.tenant = $3) offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select greatest(known.mean_length, 1)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
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
            document_ids, only_tenant;
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
grant execute on function ragpg.keyword_candidates(bigint, text, integer, bigint[]) to public;
comment on function ragpg.keyword_candidates(bigint, text, integer, bigint[]) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any. Security definer while tenants are on (ragpg.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that the commonest words only add to the score.';
