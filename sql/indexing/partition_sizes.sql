-- How large is the partition of a search index, wherever it is?
create or replace function ragpg_internal.partition_sizes(
    relation regclass,
    vector_index regclass,
    out table_bytes bigint,
    out index_bytes bigint,
    out vector_index_bytes bigint,
    out dead_chunks bigint
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not ragpg_internal.is_distributed() then
        table_bytes := pg_table_size(relation);
        index_bytes := pg_indexes_size(relation);
        vector_index_bytes := pg_relation_size(vector_index);
        dead_chunks := pg_stat_get_dead_tuples(relation);
    elsif relation is not null then
        select
            sum(told.sizes[1]), sum(told.sizes[2]),
            case when vector_index is not null then sum(told.sizes[3]) end, sum(told.sizes[4])
        into table_bytes, index_bytes, vector_index_bytes, dead_chunks
        from (
            select
                -- Where a worker is not there, nothing is known.
                case when bool_and(shard.success) over ()
                    then string_to_array(shard.result, ' ')::bigint[] end as sizes
            from run_command_on_shards(
                relation,
                'select concat_ws('' '', pg_table_size(%1$L), pg_indexes_size(%1$L), ('
                'select coalesce(sum(pg_relation_size(part.indexrelid)), 0)'
                ' from pg_index as part join pg_class as built on built.oid = part.indexrelid'
                ' join pg_am as method on method.oid = built.relam'
                ' where part.indrelid = %1$L::regclass and method.amname = ''hnsw''),'
                ' pg_stat_get_dead_tuples(%1$L::regclass))'
            ) as shard
        ) as told;
    end if;
end
$$;
comment on function ragpg_internal.partition_sizes(regclass, regclass) is
'Returns the bytes of a partition of ragpg.chunks, of its indexes and of its vector index, and its dead rows; of all its shards where it is distributed.';
