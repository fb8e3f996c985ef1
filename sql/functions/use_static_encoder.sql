-- Shall searches without an embedding be quick, or exact?
create or replace function ragpg.use_static_encoder(index_id bigint, enabled boolean default true)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    fitted ragpg.static_encoders;
begin
    select known.* into fitted
    from ragpg.static_encoders as known
    where known.index_id = use_static_encoder.index_id
    for update;
    if not found then
        raise exception 'search index % has no static encoder', index_id
            using errcode = 'RG009', hint = 'fit one: ragpg model fit-static';
    end if;
    if use_static_encoder.enabled and not fitted.agrees then
        raise exception 'the static encoder of search index % agrees too little with its model: mean cosine %, overlap of the ten nearest %',
            index_id, round(fitted.mean_cosine::numeric, 3), round(fitted.mean_overlap::numeric, 3)
            using errcode = 'RG009', hint = 'keep the model, or fit it again with more text';
    end if;
    update ragpg.static_encoders as known
    set enabled = use_static_encoder.enabled
    where known.index_id = use_static_encoder.index_id;
end
$$;
comment on function ragpg.use_static_encoder(bigint, boolean) is
'Makes ragpg.search embed questions by a search index''s static encoder (or, with false, by its model again). Raises RG009 when there is none or it agrees too little with the model.';
