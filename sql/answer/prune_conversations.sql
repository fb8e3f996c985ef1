-- Forgets conversations that ended long ago.
create or replace function ragpg.prune_conversations(
    older_than interval, collection text default null
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.conversations as one
    where one.created_at < now() - older_than
        and (
            prune_conversations.collection is null
            or one.collection_id = ragpg.collection_id(prune_conversations.collection)
        )
        and not exists (
            select
            from ragpg.answers as answer
            where answer.conversation_id = one.id and answer.created_at >= now() - older_than
        );
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_conversations(interval, text) is
'Deletes conversations whose last turn is older than given, with their turns, in one collection or all, and returns how many. Versions of documents that only they cited can be pruned then (ragpg.prune_versions).';
