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
