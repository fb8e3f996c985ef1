-- Was an answer good, and what should it have said?
create or replace function ragpg.feedback(
    answer_id bigint,
    rating text,
    corrected_text text default null,
    comment text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    new_id bigint;
    of_tenant text;
begin
    if rating is null or rating not in ('good', 'bad') then
        raise exception 'the rating is %, not good or bad', coalesce(quote_literal(rating), 'null')
            using errcode = 'RG005', hint = 'say good or bad; what it should have said is corrected_text';
    end if;
    select answer.tenant into of_tenant
    from ragpg.answers as answer
    where answer.id = feedback.answer_id;
    if not found then
        raise exception 'there is no answer %', coalesce(answer_id::text, 'null')
            using errcode = 'RG005', hint = 'table ragpg.answers has them, with their questions';
    end if;
    insert into ragpg.answer_feedback (answer_id, rating, corrected_text, comment, tenant)
    values (
        feedback.answer_id, feedback.rating, nullif(btrim(feedback.corrected_text), ''),
        coalesce(feedback.comment, ''), of_tenant
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.feedback(bigint, text, text, text) is
'Stores what a person thinks of an answer: good or bad, what it should have said, a comment; returns its id. The newest counts. Raises RG005.';
