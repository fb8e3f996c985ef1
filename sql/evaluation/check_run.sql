-- Is there such a run, and is it finished?
create or replace function ragpg_internal.check_run(run_id bigint) returns bigint
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    known text;
begin
    if exists (
        select
        from ragpg.evaluation_runs as run
        where run.id = check_run.run_id and run.finished_at is not null
    ) then
        return run_id;
    end if;
    select string_agg(newest.id::text, ', ' order by newest.id) into known
    from (
        select run.id
        from ragpg.evaluation_runs as run
        where run.finished_at is not null
        order by run.id desc
        limit 10
    ) as newest;
    raise exception 'there is no finished evaluation run %', coalesce(run_id::text, '(null)')
        using errcode = 'RG011',
            hint = coalesce('the newest are: ' || known, 'there is none yet: ragpg eval run');
end
$$;
comment on function ragpg_internal.check_run(bigint) is
'Returns the id of a finished evaluation run; raises RG011, with those there are, for any other.';
