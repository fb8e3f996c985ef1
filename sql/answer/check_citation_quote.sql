-- Is a quote really there, and on which page? Refuses one that is not the cited characters.
create or replace function ragpg_internal.check_citation_quote() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    whole text;
begin
    -- Who erases the document meanwhile waits, and then finds the answer; or was first.
    perform from ragpg.documents as document where document.id = new.document_id for key share;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = new.document_id and earlier.version = new.document_version
    for key share;
    whole := ragpg.document_text(new.document_id, new.document_version);
    if whole is null then
        raise exception 'document % has no version % (any more)',
            new.document_id, new.document_version
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
    if substr(whole, new.start_char + 1, new.end_char - new.start_char) <> new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    new.page := ragpg_internal.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$$;
comment on function ragpg_internal.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, or of a version that is not there any more (RG007), and notes its page.';
