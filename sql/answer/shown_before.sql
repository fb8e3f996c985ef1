-- Is a document that was shown to a model still there?
create or replace function ragpg_internal.shown_before(document_id bigint) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform from ragpg.documents as document where document.id = shown_before.document_id
    for key share;
    if found then
        return;
    end if;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = shown_before.document_id
    for key share;
    if not found then
        raise exception 'document % is not there any more', shown_before.document_id
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
end
$$;
comment on function ragpg_internal.shown_before(bigint) is
'Keeps a document, or its versions, from being erased until the transaction ends; raises RG007 when there is none any more.';
