-- A worker is done with a document: well, or with an error that is kept.
create or replace function ragpg_internal.release_document(
    index_id bigint, document_id bigint, document_version integer, error text default null
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if error is not null then
        -- 5 s, 10 s, 20 s ... up to an hour; a newer version does not wait.
        update ragpg.index_documents as state
        set attempts = state.attempts + 1,
            error = release_document.error,
            next_attempt_at = clock_timestamp()
                + least(5 * 2 ^ least(state.attempts, 20), 3600) * interval '1 second'
        from ragpg.documents as document
        where state.index_id = release_document.index_id
            and state.document_id = release_document.document_id
            and state.pending_since is not null
            and document.id = state.document_id
            and document.version = release_document.document_version;
    end if;
    perform pg_advisory_unlock(
        ragpg_internal.claim_key(release_document.index_id, release_document.document_id)
    );
end
$$;
comment on function ragpg_internal.release_document(bigint, bigint, integer, text) is
'Gives a claimed document back. With an error the document waits longer after each attempt (5 seconds doubled, at most an hour), and view ingest_queue shows it.';
