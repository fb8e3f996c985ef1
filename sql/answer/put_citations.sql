-- What does an answer cite?
create or replace function ragpg_internal.put_citations(answer_id bigint, citations jsonb)
returns void
language sql volatile
begin atomic
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end, tenant
    )
    select
        answer.id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end,
        answer.tenant
    from ragpg.answers as answer
    cross join jsonb_array_elements(put_citations.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    )
    where answer.id = put_citations.answer_id;
end;
comment on function ragpg_internal.put_citations(bigint, jsonb) is
'Stores what an answer cites: a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end.';
