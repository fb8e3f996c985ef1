-- Which search indexes have a static encoder, how good is it, and has the text moved on since?
create or replace view ragpg.static_encoder_status with (security_invoker = true) as
select
    one.name as collection,
    fitted.index_id,
    recipe.id = one.active_index_id as active,
    fitted.enabled,
    fitted.agrees,
    fitted.mean_cosine,
    fitted.mean_overlap,
    fitted.held_out_count,
    fitted.span_count,
    fitted.fitted_at,
    fitted.chunk_count as fitted_chunks,
    held.chunks,
    changed.share as changed_share,
    changed.share > 0.2 as drifted
from ragpg.static_encoders as fitted
join ragpg.search_indexes as recipe on recipe.id = fitted.index_id
join ragpg.collections as one on one.id = recipe.collection_id
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0)::bigint as chunks,
        coalesce(
            sum(state.chunk_count) filter (where state.indexed_at > fitted.fitted_at), 0
        ) as newer
    from ragpg.index_documents as state
    where state.index_id = fitted.index_id
) as held
cross join lateral (
    select greatest(held.newer, abs(held.chunks - fitted.chunk_count))::double precision
        / greatest(held.chunks, fitted.chunk_count, 1) as share
) as changed;
comment on view ragpg.static_encoder_status is
'A row per static encoder: how well it agrees with its model, and whether the search index changed so much since that it should be fitted again (ragpg model fit-static).';
comment on column ragpg.static_encoder_status.collection is 'Name of the collection.';
comment on column ragpg.static_encoder_status.index_id is 'The search index.';
comment on column ragpg.static_encoder_status.active is 'Whether the search index answers searches.';
comment on column ragpg.static_encoder_status.enabled is 'Whether searches use it instead of the model.';
comment on column ragpg.static_encoder_status.agrees is 'Whether it may be enabled.';
comment on column ragpg.static_encoder_status.mean_cosine is 'Its mean cosine to the model on held-out spans.';
comment on column ragpg.static_encoder_status.mean_overlap is 'Mean share of the model''s ten nearest chunks among its own, on held-out spans.';
comment on column ragpg.static_encoder_status.held_out_count is 'How many spans that were.';
comment on column ragpg.static_encoder_status.span_count is 'Spans it was fitted to.';
comment on column ragpg.static_encoder_status.fitted_at is 'When it was fitted.';
comment on column ragpg.static_encoder_status.fitted_chunks is 'Chunks then.';
comment on column ragpg.static_encoder_status.chunks is 'Chunks now.';
comment on column ragpg.static_encoder_status.changed_share is 'Share of the chunks written or gone since, from 0 to 1.';
comment on column ragpg.static_encoder_status.drifted is 'Whether that is more than a fifth: fit it again.';
