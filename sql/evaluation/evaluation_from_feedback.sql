-- What people said of answers, as questions to measure with.
create or replace function ragpg.evaluation_from_feedback(
    collection text default null, evaluation_set text default 'feedback'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id constant bigint := ragpg.collection_id(evaluation_from_feedback.collection);
    parent_name text := (select one.name from ragpg.collections as one where one.id = parent_id);
    put_count bigint;
begin
    select count(
        ragpg.put_evaluation_question(
            collection => parent_name,
            evaluation_set => evaluation_from_feedback.evaluation_set,
            question => told.question, labels => told.labels,
            expected_answer => told.expected_answer, is_answerable => told.is_answerable,
            tags => '{feedback}'
        )
    )
    into put_count
    from (
        select distinct on (answer.question)
            answer.question,
            -- A good answer that abstained was right to: there is none.
            not (answer.abstained and newest.corrected_text is null) as is_answerable,
            coalesce(newest.corrected_text, case when not answer.abstained then answer.content end)
                as expected_answer,
            case
                -- What a wrong answer cited says nothing of where the right one stands.
                when newest.rating = 'good' then
                    coalesce(
                        (
                            select jsonb_agg(distinct jsonb_build_object(
                                'source', coalesce(document.source, earlier.source),
                                'quote', cited.quote
                            ))
                            from ragpg.citations as cited
                            left join ragpg.documents as document
                                on document.id = cited.document_id
                            left join ragpg.document_versions as earlier
                                on earlier.document_id = cited.document_id
                                and earlier.version = cited.document_version
                            where cited.answer_id = answer.id
                                and coalesce(document.source, earlier.source) is not null
                        ),
                        '[]'
                    )
                else '[]'
            end as labels
        from (
            -- A follow-up says little without what it follows.
            select
                given.id, given.collection_id, given.content, given.abstained,
                coalesce(given.standalone, given.question) as question
            from ragpg.answers as given
        ) as answer
        cross join lateral (
            select said.id, said.rating, said.corrected_text
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest
        where answer.collection_id = parent_id
            and (newest.corrected_text is not null or newest.rating = 'good')
            -- A question that somebody wrote or changed in the set stays as it is.
            and not exists (
                select
                from ragpg.evaluation_questions as asked
                join ragpg.evaluation_sets as known on known.id = asked.evaluation_set_id
                where known.collection_id = parent_id
                    and known.name = evaluation_from_feedback.evaluation_set
                    and asked.question = answer.question
                    and asked.tags <> '{feedback}'
            )
        order by answer.question, newest.id desc
    ) as told;
    return put_count;
end
$$;
comment on function ragpg.evaluation_from_feedback(text, text) is
'Makes questions of an evaluation set, tagged feedback, from ragpg.feedback, and returns how many: of answers to the same question the last one that was called good or corrected, by the newest feedback to it. Of a follow-up in a conversation the question is the standalone one. A good answer is what to expect, its quotes are the labels; a good abstention makes the question unanswerable; a correction is what to expect, without labels. Bad answers without a correction, and questions the set holds under other tags, are left out. Raises RG001, RG002.';
