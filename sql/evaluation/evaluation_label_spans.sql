-- Where does each label stand in the documents as they are now?
create or replace view ragpg.evaluation_label_spans with (security_invoker = true) as
select
    label.id as evaluation_label_id,
    question.id as evaluation_question_id,
    question.evaluation_set_id,
    question.question,
    label.source,
    label.quote,
    case
        when document.id is null then 'document is gone'
        when label.quote is not null and place.start_char is null then 'quote is gone'
        when label.quote is null and label.end_char > char_length(document.content)
            then 'document is shorter'
        else 'found'
    end as state,
    document.id as document_id,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char
        else coalesce(label.start_char, 0)
    end as start_char,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char + char_length(label.quote)
        else coalesce(label.end_char, char_length(document.content))
    end as end_char
from ragpg.evaluation_labels as label
join ragpg.evaluation_questions as question on question.id = label.evaluation_question_id
join ragpg.evaluation_sets as asked on asked.id = question.evaluation_set_id
left join lateral (
    -- The source itself, or else the one document whose path ends with it: asked for only then,
    -- because that reads every source.
    select known.id, known.content
    from ragpg.documents as known
    where known.collection_id = asked.collection_id and known.source = label.source
    union all
    select known.id, known.content
    from ragpg.documents as known
    where (
        select exact.id
        from ragpg.documents as exact
        where exact.collection_id = asked.collection_id and exact.source = label.source
        limit 1
    ) is null
        and known.collection_id = asked.collection_id
        and known.source like '%/' || label.source
        and not exists (
            select
            from ragpg.documents as other
            where other.collection_id = asked.collection_id
                and other.source like '%/' || label.source
                and other.id <> known.id
        )
) as document on true
left join lateral (
    select case
        -- At its old place still, or else where it first occurs.
        when substr(document.content, label.start_char + 1, char_length(label.quote)) = label.quote
            then label.start_char
        else nullif(strpos(document.content, label.quote), 0) - 1
    end as start_char
) as place on true;
comment on view ragpg.evaluation_label_spans is
'A row per label with the characters it stands at today; state says when its document or quote is gone.';
comment on column ragpg.evaluation_label_spans.evaluation_label_id is 'The label.';
comment on column ragpg.evaluation_label_spans.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_label_spans.evaluation_set_id is 'The evaluation set.';
comment on column ragpg.evaluation_label_spans.question is 'The question''s text.';
comment on column ragpg.evaluation_label_spans.source is 'The document, as the label names it.';
comment on column ragpg.evaluation_label_spans.quote is 'The labelled text, if it is a quote.';
comment on column ragpg.evaluation_label_spans.state is
'found, document is gone, quote is gone, or document is shorter.';
comment on column ragpg.evaluation_label_spans.document_id is 'The document; null when it is gone.';
comment on column ragpg.evaluation_label_spans.start_char is 'First labelled character.';
comment on column ragpg.evaluation_label_spans.end_char is 'One past the last.';
