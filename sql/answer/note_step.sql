-- What was looked up for an answer just now?
create or replace function ragpg_internal.note_step(
    answer_id bigint,
    place integer,
    tool text,
    query text,
    filter text,
    k integer,
    start_char integer,
    end_char integer,
    hits jsonb,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    milliseconds integer,
    failed text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    of_tenant text;
begin
    -- Who erases a document meanwhile waits, and then finds the answer; or was first.
    perform ragpg_internal.shown_before((shown.hit ->> 'document_id')::bigint)
    from jsonb_array_elements(note_step.hits) as shown (hit);
    update ragpg.answers as answer
    set input_tokens = answer.input_tokens + note_step.input_tokens,
        output_tokens = answer.output_tokens + note_step.output_tokens,
        cache_read_tokens = answer.cache_read_tokens + note_step.cache_read_tokens,
        cache_creation_tokens = answer.cache_creation_tokens + note_step.cache_creation_tokens,
        latency_ms = answer.latency_ms + note_step.milliseconds,
        standalone = case
            when note_step.tool = 'standalone' then note_step.query
            else answer.standalone
        end
    where answer.id = note_step.answer_id
    returning answer.tenant into of_tenant;
    if not found then
        raise exception 'answer % is not there any more', note_step.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    insert into ragpg.answer_steps (
        answer_id, place, tool, query, filter, k, start_char, end_char, hits, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, milliseconds, failed, tenant
    )
    values (
        note_step.answer_id, note_step.place, note_step.tool, note_step.query,
        note_step.filter, note_step.k, note_step.start_char, note_step.end_char, note_step.hits,
        note_step.input_tokens, note_step.output_tokens, note_step.cache_read_tokens,
        note_step.cache_creation_tokens, note_step.milliseconds, note_step.failed, of_tenant
    );
end
$$;
comment on function ragpg_internal.note_step(bigint, integer, text, text, text, integer, integer, integer, jsonb, integer, integer, integer, integer, integer, text) is
'Stores a step of an answer that is being written, and what it took. Raises RG007 when the answer, or a document it was shown, was erased meanwhile.';
