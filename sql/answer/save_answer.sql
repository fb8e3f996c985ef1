-- Keeps an answer and what it cites.
create or replace function ragpg.save_answer(
    collection text,
    question text,
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
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    new_id bigint;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id into new_id;
    perform ragpg_internal.put_citations(new_id, save_answer.citations);
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there, RG007 when that version was erased meanwhile.';
