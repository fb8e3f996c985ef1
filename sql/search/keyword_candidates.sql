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
