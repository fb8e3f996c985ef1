-- Which passages to draft questions from?
create or replace function ragpg.sample_chunks(
    collection text, evaluation_set text, k integer default 20, min_chars integer default 100
) returns table (
    document_id bigint, source text, title text, context text, content text, start_char integer
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent ragpg.collections;
    set_id bigint;
begin
    select one.* into parent
    from ragpg.collections as one
    where one.id = ragpg.collection_id(sample_chunks.collection);
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent.id and known.name = sample_chunks.evaluation_set;
    return query
    with taken as materialized (
        select draft.document_id, draft.start_char,
            draft.start_char + char_length(draft.quote) as end_char
        from ragpg.evaluation_drafts as draft
        where draft.evaluation_set_id = set_id
        union all
        select label.document_id, label.start_char, label.end_char
        from ragpg.evaluation_label_spans as label
        where label.evaluation_set_id = set_id and label.state = 'found'
    ),
    drawn as (
        -- A chunk of each document first, then a second of each.
        select
            chunk.id, random() as luck,
            row_number() over (partition by chunk.document_id order by random()) as turn
        from ragpg.chunks as chunk
        where chunk.index_id = parent.active_index_id
            and chunk.end_char - chunk.start_char >= min_chars
            and not exists (
                select
                from taken
                where taken.document_id = chunk.document_id
                    and taken.start_char < chunk.end_char
                    and chunk.start_char < taken.end_char
            )
        order by turn, luck
        limit sample_chunks.k
    )
    select
        document.id, document.source, document.title, chunk.context, chunk.content,
        chunk.start_char
    from drawn
    join ragpg.chunks as chunk on chunk.index_id = parent.active_index_id and chunk.id = drawn.id
    join ragpg.documents as document
        on document.id = chunk.document_id and document.version = chunk.document_version
    order by drawn.turn, drawn.luck;
end
$$;
comment on function ragpg.sample_chunks(text, text, integer, integer) is
'Draws up to k chunks of at least min_chars characters at random from the active search index, spread over the documents, without those that a label or draft of the evaluation set touches already; fewer when there are no more.';
