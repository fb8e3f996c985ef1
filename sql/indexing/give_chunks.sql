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
