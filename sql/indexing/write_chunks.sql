-- The chunks of documents, where other servers hold them.
create or replace function ragpg_internal.write_chunks(
    index_id bigint,
    replaced_ids bigint[],
    document_ids bigint[],
    document_versions integer[],
    ordinals integer[],
    starts integer[],
    pages integer[],
    token_counts integer[],
    languages text[],
    contexts text[],
    contents text[],
    embeddings halfvec[],
    generated_chars integer[],
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    owned record;
    owners jsonb := '{}';
begin
    for owned in
        select known.*
        from ragpg_internal.document_owners(replaced_ids || document_ids, proof) as known
    loop
        execute format(
            'delete from ragpg.chunks as chunk'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using write_chunks.index_id, array(
            select id from unnest(owned.owned_ids) as id where id = any(replaced_ids)
        );
        owners := owners || (
            select jsonb_object_agg(id, owned.tenant) from unnest(owned.owned_ids) as id
        );
    end loop;
    -- No trigger makes the words of a distributed table's rows.
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page, token_count,
        lexeme_count, language, context, content, lexemes, embedding, generated_chars, tenant
    )
    select
        write_chunks.index_id, piece.document_id, piece.document_version, piece.ordinal,
        piece.start_char, piece.start_char + char_length(piece.content), piece.page,
        piece.token_count, words.lexeme_count, piece.language, piece.context, piece.content,
        words.lexemes, piece.embedding, piece.generated_chars,
        owners ->> piece.document_id::text
    from unnest(
        document_ids, document_versions, ordinals, starts, pages, token_counts, languages,
        contexts, contents, embeddings, write_chunks.generated_chars
    ) as piece (
        document_id, document_version, ordinal, start_char, page, token_count, language, context,
        content, embedding, generated_chars
    )
    cross join lateral ragpg_internal.chunk_words(piece.context, piece.content, piece.language)
        as words;
end
$$;
comment on function ragpg_internal.write_chunks(
    bigint, bigint[], bigint[], integer[], integer[], integer[], integer[], integer[], text[],
    text[], text[], halfvec[], integer[], uuid
) is
'Deletes the chunks of replaced_ids from a search index and stores these (arrays of equal length), each its document''s tenant''s, where ragpg.chunks is distributed. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller''s documents: RG007 for others.';
