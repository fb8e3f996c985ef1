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
