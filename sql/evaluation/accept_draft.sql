-- A person says yes: the draft becomes a question of its set.
create or replace function ragpg.accept_draft(
    draft_id bigint, tags text[] default '{drafted}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    draft record;
    new_id bigint;
begin
    delete from ragpg.evaluation_drafts as known
    using ragpg.evaluation_sets as of_set, ragpg.collections as one, ragpg.documents as document
    where known.id = draft_id
        and of_set.id = known.evaluation_set_id
        and one.id = of_set.collection_id
        and document.id = known.document_id
    returning
        known.*, of_set.name as set_name, one.name as collection, document.source,
        strpos(document.content, known.quote) > 0 as stands into draft;
    if draft.id is null then
        raise exception 'there is no draft %', draft_id
            using errcode = 'RG005', hint = 'ragpg.evaluation_drafts holds them';
    end if;
    if not draft.stands then
        raise exception '% no longer holds the quote of draft %', draft.source, draft_id
            using errcode = 'RG006', hint = 'reject the draft';
    end if;
    if exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = draft.evaluation_set_id
            and asked.question = draft.question
    ) then
        raise exception 'the set "%" holds this question already: %', draft.set_name, draft.question
            using errcode = 'RG005', hint = 'edit the draft or reject it';
    end if;
    new_id := ragpg.put_evaluation_question(
        collection => draft.collection, evaluation_set => draft.set_name,
        question => draft.question,
        labels => jsonb_build_array(jsonb_build_object(
            'source', draft.source, 'quote', draft.quote,
            'start_char', draft.start_char,
            'end_char', draft.start_char + char_length(draft.quote)
        )),
        expected_answer => draft.expected_answer, tags => accept_draft.tags
    );
    return new_id;
end
$$;
comment on function ragpg.accept_draft(bigint, text[]) is
'Makes a draft a question of its evaluation set, labelled with its quote, and returns the question''s id; the draft goes. Raises RG005 when there is no such draft, or the set holds that question already, RG006 when the document no longer holds the quote; the draft stays then.';
