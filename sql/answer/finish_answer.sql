-- An answer whose steps are kept is there, or as much of it as there will be.
create or replace function ragpg_internal.finish_answer(
    answer_id bigint,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    ended_by text,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    -- In the order of erase_document: documents first, then answers.
    perform ragpg_internal.shown_before((cited.body ->> 'document_id')::bigint)
    from jsonb_array_elements(finish_answer.citations) as cited (body);
    update ragpg.answers as answer
    set content = finish_answer.content,
        model = finish_answer.model,
        abstained = finish_answer.abstained,
        grounded = finish_answer.grounded,
        stop_reason = finish_answer.stop_reason,
        input_tokens = finish_answer.input_tokens,
        output_tokens = finish_answer.output_tokens,
        cache_read_tokens = finish_answer.cache_read_tokens,
        cache_creation_tokens = finish_answer.cache_creation_tokens,
        latency_ms = finish_answer.latency_ms,
        ended_by = finish_answer.ended_by
    where answer.id = finish_answer.answer_id;
    if not found then
        raise exception 'answer % is not there any more', finish_answer.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    perform ragpg_internal.put_citations(finish_answer.answer_id, finish_answer.citations);
    return finish_answer.answer_id;
end
$$;
comment on function ragpg_internal.finish_answer(bigint, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, text, jsonb) is
'Stores what an answer that start_answer began says and cites, what it took in all and what ended it. Raises RG006 when a quote is not what the document holds there, RG007 when the answer or what it cites was erased meanwhile.';
