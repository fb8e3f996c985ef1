-- What do the columns of a collection's view say? What those say that they come from.
create or replace function ragpg_internal.comment_chunks_view(collection_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    view_name constant text := format('ragpg.%I', 'chunks_of_' || collection_name);
    shown record;
begin
    execute format(
        'comment on view %s is %L', view_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
    for shown in
        select distinct on (one.attnum)
            one.attname, col_description(origin.attrelid, origin.attnum) as said
        from pg_attribute as one
        join pg_attribute as origin
            on origin.attname = one.attname
            and origin.attrelid in ('ragpg.chunks'::regclass, 'ragpg.documents'::regclass)
        where one.attrelid = view_name::regclass and one.attnum > 0
        order by one.attnum, origin.attrelid = 'ragpg.chunks'::regclass desc
    loop
        execute format('comment on column %s.%I is %L', view_name, shown.attname, shown.said);
    end loop;
end
$$;
revoke execute on function ragpg_internal.comment_chunks_view(text) from public;
comment on function ragpg_internal.comment_chunks_view(text) is
'Gives the view chunks_of_<collection> and its columns the comments of the tables they come from.';
