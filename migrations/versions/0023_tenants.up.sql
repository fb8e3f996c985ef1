-- Tenants: whose a row is, and row-level security that ragpg.enable_tenants() switches on.

-- Loads pgvector, without which its settings may be named by a superuser only.
do $$ begin perform '[1]'::vector; end $$;

create table ragpg.tenant_roles (
    role regrole not null,
    tenant text not null,
    constraint tenant_roles_pkey primary key (role, tenant),
    constraint tenant_roles_tenant_is_not_blank check (tenant ~ '\S')
);
-- Always, and without a policy: only the owner and ragpg.current_tenant() read it.
alter table ragpg.tenant_roles enable row level security;
comment on table ragpg.tenant_roles is
'Which roles act for which tenant whatever they set: ragpg.bind_role. Read by nobody but the owner.';
comment on column ragpg.tenant_roles.role is 'The role; those that inherit from it are bound, too.';
comment on column ragpg.tenant_roles.tenant is 'The tenant it may act for.';

alter table ragpg.documents add column tenant text not null default '';
comment on column ragpg.documents.tenant is 'Whose it is; empty: nobody''s but the owner''s. Default: ragpg.written_tenant().';
alter table ragpg.document_versions add column tenant text not null default '';
comment on column ragpg.document_versions.tenant is 'The document''s.';
alter table ragpg.chunks add column tenant text not null default '';
comment on column ragpg.chunks.tenant is 'The document''s, always: its foreign key says so.';
alter table ragpg.index_documents add column tenant text not null default '';
comment on column ragpg.index_documents.tenant is 'The document''s, always: its foreign key says so.';
alter table ragpg.index_statistics add column tenant text not null default '';
comment on column ragpg.index_statistics.tenant is 'Whose chunks were counted; empty: all chunks.';
alter table ragpg.lexeme_statistics add column tenant text not null default '';
comment on column ragpg.lexeme_statistics.tenant is 'Whose chunks were counted; empty: all chunks.';
alter table ragpg.answers add column tenant text not null default '';
comment on column ragpg.answers.tenant is 'Who asked.';
alter table ragpg.searches add column tenant text not null default '';
comment on column ragpg.searches.tenant is 'Who searched.';
alter table ragpg.evaluation_sets add column tenant text not null default '';
comment on column ragpg.evaluation_sets.tenant is 'Whose questions they are.';
alter table ragpg.finetune_jobs add column tenant text not null default '';
comment on column ragpg.finetune_jobs.tenant is 'Whose examples they are.';
alter table ragpg.recall_measurements add column tenant text not null default '';
comment on column ragpg.recall_measurements.tenant is 'Who measured.';
alter table ragpg.query_embeddings add column tenant text not null default '';
comment on column ragpg.query_embeddings.tenant is 'Who asked it.';
alter table ragpg.evaluation_questions add column tenant text not null default '';
comment on column ragpg.evaluation_questions.tenant is 'The set''s, always: its foreign key says so.';
alter table ragpg.evaluation_drafts add column tenant text not null default '';
comment on column ragpg.evaluation_drafts.tenant is 'The set''s, always: its foreign key says so.';

alter table ragpg.documents
    drop constraint documents_collection_id_source_key,
    add constraint documents_collection_id_tenant_source_key unique (collection_id, tenant, source),
    add constraint documents_id_tenant_key unique (id, tenant);
alter table ragpg.chunks
    drop constraint chunks_document_id_fkey,
    add constraint chunks_document_id_fkey foreign key (document_id, tenant)
        references ragpg.documents (id, tenant) on update cascade on delete cascade;
alter table ragpg.index_documents
    drop constraint index_documents_document_id_fkey,
    add constraint index_documents_document_id_fkey foreign key (document_id, tenant)
        references ragpg.documents (id, tenant) on update cascade on delete cascade;
alter table ragpg.index_statistics
    drop constraint index_statistics_pkey,
    add constraint index_statistics_pkey primary key (index_id, tenant);
alter table ragpg.lexeme_statistics
    drop constraint lexeme_statistics_pkey,
    add constraint lexeme_statistics_pkey primary key (index_id, tenant, lexeme);
alter table ragpg.evaluation_sets
    drop constraint evaluation_sets_collection_id_name_key,
    add constraint evaluation_sets_collection_id_tenant_name_key unique (collection_id, tenant, name),
    add constraint evaluation_sets_id_tenant_key unique (id, tenant);
-- Comparisons of texts are leakproof, so an index may be searched by one before the policy is asked,
-- and explain analyze tells how many rows the policy then took away. Where the tenant is in the
-- index, the policy is part of that search, and other tenants' rows are not come by.
alter table ragpg.evaluation_questions
    drop constraint evaluation_questions_evaluation_set_id_question_key,
    add constraint evaluation_questions_evaluation_set_id_question_key unique (evaluation_set_id, tenant, question),
    drop constraint evaluation_questions_evaluation_set_id_fkey,
    add constraint evaluation_questions_evaluation_set_id_fkey foreign key (evaluation_set_id, tenant)
        references ragpg.evaluation_sets (id, tenant) on update cascade on delete cascade;
alter table ragpg.evaluation_drafts
    drop constraint evaluation_drafts_evaluation_set_id_question_key,
    add constraint evaluation_drafts_evaluation_set_id_question_key unique (evaluation_set_id, tenant, question),
    drop constraint evaluation_drafts_evaluation_set_id_fkey,
    add constraint evaluation_drafts_evaluation_set_id_fkey foreign key (evaluation_set_id, tenant)
        references ragpg.evaluation_sets (id, tenant) on update cascade on delete cascade;
drop index ragpg.document_versions_collection_id_source_btree;
create index document_versions_collection_id_tenant_source_btree
    on ragpg.document_versions (collection_id, tenant, source);
comment on index ragpg.document_versions_collection_id_tenant_source_btree is
'Serves the history of one source.';
drop index ragpg.query_embeddings_embedding_model_id_query_hash_btree;
create index query_embeddings_embedding_model_id_tenant_query_hash_btree
    on ragpg.query_embeddings (embedding_model_id, tenant, query_hash);
comment on index ragpg.query_embeddings_embedding_model_id_tenant_query_hash_btree is
'ragpg.remembered_query: was this question embedded before?';

-- Are tenants kept apart?
create or replace function ragpg.tenants_enabled() returns boolean
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
begin
    return (
        select kept.relrowsecurity
        from pg_class as kept
        where kept.oid = 'ragpg.documents'::regclass
    );
end
$$;
comment on function ragpg.tenants_enabled() is
'Returns whether ragpg.enable_tenants() is in force: row-level security is on.';

-- Who calls, also from within a function that runs as its owner?
create or replace function ragpg.calling_role() returns name
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end;
comment on function ragpg.calling_role() is
'Returns the role of the session, or the one it took by set role; unlike current_user also within functions that run as their owner.';

-- Does whoever calls see the rows of every tenant?
create or replace function ragpg.sees_all_tenants() returns boolean
language sql stable parallel safe
begin atomic
    select
        not kept.relrowsecurity
        or pg_has_role(ragpg.calling_role(), kept.relowner, 'usage')
        or (
            select known.rolbypassrls
            from pg_roles as known
            where known.rolname = ragpg.calling_role()
        )
    from pg_class as kept
    where kept.oid = 'ragpg.documents'::regclass;
end;
comment on function ragpg.sees_all_tenants() is
'Returns true where row-level security hides nothing: tenants are off, or the caller owns the tables, is a superuser or bypasses row-level security.';

-- Whose rows does this session read and write?
create or replace function ragpg.current_tenant() returns text
language plpgsql stable parallel safe
-- Security definer: who may act for whom (tenant_roles) is nobody's to read. Everybody may call it,
-- because policies do, in the name of whoever queries; it tells a session only its own tenant.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
begin
    -- By session_user and not by current_user, which in a security definer function is another's.
    select array_agg(distinct bound.tenant) into allowed
    from ragpg.tenant_roles as bound
    join pg_roles as known on known.oid = bound.role
    where pg_has_role(session_user, known.oid, 'usage')
        or pg_has_role(ragpg.calling_role(), known.oid, 'usage');
    if allowed is null or wanted = any(allowed) or ragpg.sees_all_tenants() then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant this session acts for, null for none: the setting ragpg.tenant; for a role bound by ragpg.bind_role only a tenant it is bound to, and the only one without a setting. Policies compare rows with it.';

-- Whose chunks may a search read?
create or replace function ragpg.searched_tenant() returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg.sees_all_tenants() then
        raise exception 'role % %', ragpg.calling_role(), coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''); connect(tenant=...) in Python';
    end if;
    return found_tenant;
end
$$;
comment on function ragpg.searched_tenant() is
'Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.';

-- Which row of the statistics is the caller's?
create or replace function ragpg.counted_tenant() returns text
language sql stable parallel safe
begin atomic
    select case when ragpg.tenants_enabled() then coalesce(ragpg.current_tenant(), '') else '' end;
end;
comment on function ragpg.counted_tenant() is
'Returns the tenant whose rows of index_statistics and lexeme_statistics count for the caller; empty for those of the whole search index.';

-- Whose will be what is written now?
create or replace function ragpg.written_tenant() returns text
language sql stable parallel safe
begin atomic
    select coalesce(ragpg.current_tenant(), '');
end;
comment on function ragpg.written_tenant() is
'Returns the tenant of rows written now, the default of the columns tenant: empty when none is set.';

-- May the caller change what all tenants use?
create or replace function ragpg.check_shared(what text) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not ragpg.sees_all_tenants() then
        raise exception '% belongs to all tenants', what
            using errcode = 'RG014', hint = 'only the owner of the schema may do this';
    end if;
end
$$;
comment on function ragpg.check_shared(text) is
'Raises RG014 when tenants are on and the caller is none who sees all of them.';

-- Row-level security of one table on or off, and what the planner would tell of its texts.
create or replace function ragpg.protect_table(kept regclass, protected boolean) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    told record;
begin
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    -- Comparisons of texts are leakproof, so the planner uses statistics of all rows for them, and
    -- EXPLAIN's estimates would spell out, guess by guess, what other tenants' rows say.
    for told in
        select col.attname, part.relname, tree.inherited
        from pg_attribute as col
        join pg_class as part on part.oid = col.attrelid
        cross join (values (false), (true)) as tree (inherited)
        where col.attrelid = kept
            and col.attnum > 0
            and not col.attisdropped
            and col.atttypid in ('text'::regtype, 'bytea'::regtype)
    loop
        execute format(
            'alter table %s alter column %I set statistics %s',
            kept, told.attname, case when protected then 0 else -1 end
        );
        if protected and current_setting('server_version_num')::integer >= 180000 then
            execute 'select pg_clear_attribute_stats(''ragpg'', $1, $2, $3)'
            using told.relname::text, told.attname::text, told.inherited;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg.protect_table(regclass, boolean) from public;
comment on function ragpg.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics of its texts are gathered, and those there were are forgotten (Postgres 18 or newer).';

-- What does ranking need to know of a search index, or of one tenant's part of it?
create or replace function ragpg.count_chunks(index_id bigint, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    counted constant text := format(
        'chunk.index_id = %s%s',
        count_chunks.index_id,
        case when tenant = '' then '' else format(' and chunk.tenant = %L', tenant) end
    );
begin
    execute format(
        'insert into ragpg.index_statistics as known ('
        '  index_id, tenant, chunk_count, mean_length, embedding_sample, document_sample,'
        '  languages, refreshed_at)'
        ' select $1, $2, count(*), coalesce(avg(chunk.lexeme_count), 0),'
        '  (select coalesce(array_agg(drawn.embedding), ''{}'')'
        '   from (select chunk.embedding from ragpg.chunks as chunk where %1$s'
        -- Drawn by hash, not by random(): the same chunks give the same ranking.
        '    order by hashint8extended(chunk.id, 0) limit 256) as drawn),'
        '  array(select chunk.document_id from ragpg.chunks as chunk where %1$s'
        '   and chunk.ordinal = 0 order by hashint8extended(chunk.document_id, 0) limit 400),'
        '  coalesce(array_agg(distinct chunk.language), ''{}''), clock_timestamp()'
        ' from ragpg.chunks as chunk where %1$s'
        ' on conflict on constraint index_statistics_pkey do update'
        ' set chunk_count = excluded.chunk_count, mean_length = excluded.mean_length,'
        '  embedding_sample = excluded.embedding_sample,'
        '  document_sample = excluded.document_sample, languages = excluded.languages,'
        '  refreshed_at = excluded.refreshed_at',
        counted
    )
    using count_chunks.index_id, count_chunks.tenant;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat('select chunk.lexemes from ragpg.chunks as chunk where ' || counted) as word
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = count_chunks.index_id
            and known.tenant = count_chunks.tenant
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, tenant, lexeme, chunk_count, occurrence_count
    )
    select count_chunks.index_id, count_chunks.tenant, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
end
$$;
revoke execute on function ragpg.count_chunks(bigint, text) from public;
comment on function ragpg.count_chunks(bigint, text) is
'Counts the words and samples the embeddings that ranking uses, of one tenant''s chunks of a search index; of all of them when the tenant is empty. Part of ragpg.refresh_search_index.';

-- Which tenants' words are to be counted again?
create or replace function ragpg.count_tenants(index_id bigint, force boolean) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    changed_tenant text;
    done integer := 0;
begin
    if not ragpg.tenants_enabled() then
        return 0;
    end if;
    delete from ragpg.lexeme_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    delete from ragpg.index_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    -- The rule of refresh_search_index, for each of them: what did not change costs nothing.
    for changed_tenant in
        select held.tenant
        from (
            select
                state.tenant, known.refreshed_at, sum(state.chunk_count) as total,
                greatest(
                    coalesce(
                        sum(state.chunk_count) filter (where state.indexed_at > known.refreshed_at),
                        0
                    ),
                    abs(sum(state.chunk_count) - coalesce(known.chunk_count, 0))
                ) as changed
            from ragpg.index_documents as state
            left join ragpg.index_statistics as known
                on known.index_id = state.index_id and known.tenant = state.tenant
            where state.index_id = count_tenants.index_id and state.tenant <> ''
            group by state.tenant, known.refreshed_at, known.chunk_count
        ) as held
        where held.refreshed_at is null
            or held.changed > 0
            and (force or held.total <= 20000 or held.changed >= held.total / 50)
    loop
        perform ragpg.count_chunks(count_tenants.index_id, changed_tenant);
        done := done + 1;
    end loop;
    return done;
end
$$;
revoke execute on function ragpg.count_tenants(bigint, boolean) from public;
comment on function ragpg.count_tenants(bigint, boolean) is
'Counts anew, while tenants are on, for each tenant of whose chunks enough changed (or, with force, any); forgets the counts of tenants that are gone. Returns how many were counted. Part of ragpg.refresh_search_index.';

-- This role acts for this tenant, whatever it sets.
create or replace function ragpg.bind_role(role_name text, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.tenant_roles (role, tenant)
    values (quote_ident(role_name)::regrole, bind_role.tenant)
    on conflict on constraint tenant_roles_pkey do nothing;
end
$$;
revoke execute on function ragpg.bind_role(text, text) from public;
comment on function ragpg.bind_role(text, text) is
'Binds a role, and the roles that inherit from it, to a tenant: it then sees no other one''s rows, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Needed for every role whose SQL is not yours: a role that is not bound may name any tenant.';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    for kept in select held.relation from ragpg.protected_tables() as held loop
        perform ragpg.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    create index if not exists chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
    comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
    delete from ragpg.lexeme_statistics as known where known.tenant <> '';
    delete from ragpg.index_statistics as known where known.tenant <> '';
end
$$;
revoke execute on function ragpg.disable_tenants() from public;
comment on function ragpg.disable_tenants() is
'Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.';

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.answers', 'ragpg.searches',
            'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg.protected_tables() as held loop
        perform ragpg.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Which documents does a filter let through?
create or replace function ragpg.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    only_tenant text := ragpg.searched_tenant();
    parent_id bigint := (
        select recipe.collection_id
        from ragpg.search_indexes as recipe
        where recipe.id = matching_documents.index_id
    );
begin
    select array_agg(document.id), sum(state.chunk_count)
    into document_ids, chunks
    from ragpg.documents as document
    join ragpg.index_documents as state
        on state.document_id = document.id and state.index_id = matching_documents.index_id
    where document.collection_id = parent_id
        and document.metadata @@ matching_documents.filter
        and (only_tenant is null or document.tenant = only_tenant);
end
$$;
grant execute on function ragpg.matching_documents(bigint, jsonpath) to public;
comment on function ragpg.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- Which tables does a tenant see a part of?
create or replace function ragpg.protected_tables()
returns table (relation regclass, closed boolean)
language sql stable
begin atomic
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    order by 1;
end;
comment on function ragpg.protected_tables() is
'Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.';

-- From now on, act for this tenant.
create or replace function ragpg.set_tenant(tenant text, for_session boolean default false)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank' using errcode = 'RG005', hint = 'name one';
    end if;
    perform set_config('ragpg.tenant', set_tenant.tenant, not for_session);
    if ragpg.current_tenant() is distinct from set_tenant.tenant then
        raise exception 'role % may not act for tenant "%"', ragpg.calling_role(), tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles: ragpg.bind_role';
    end if;
end
$$;
comment on function ragpg.set_tenant(text, boolean) is
'Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session''s outlasts a transaction of a pooler such as pgbouncer and would be the next client''s: there keep to the transaction''s. Raises RG013 when the role is bound to others.';

-- Which functions read indexes that a policy would hide from the planner?
create or replace function ragpg.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select leg.oid::regprocedure
    from pg_proc as leg
    where leg.pronamespace = 'ragpg'::regnamespace
        and leg.proname in ('keyword_candidates', 'matching_documents');
end;
comment on function ragpg.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer: they use the indexes of words and of metadata, and compare the tenant themselves (ragpg.searched_tenant).';

-- This role no longer acts for this tenant.
create or replace function ragpg.unbind_role(role_name text, tenant text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = quote_ident(role_name)::regrole and bound.tenant = unbind_role.tenant;
    return found;
end
$$;
revoke execute on function ragpg.unbind_role(text, text) from public;
comment on function ragpg.unbind_role(text, text) is
'Takes back ragpg.bind_role; returns whether it was bound. A role with no binding left may name any tenant again: revoke its privileges instead if it shall see nothing.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    perform ragpg.check_shared('collection ' || collection_name)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, dimensions, index_id
    );
    execute format(
        'comment on view ragpg.%I is %L',
        'chunks_of_' || collection_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean) from public;
comment on function ragpg.activate_search_index(bigint, boolean) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english',
    context_model text default null,
    context_tokens integer default 0
) returns bigint
language plpgsql volatile
-- Security definer: a partition is the one piece of DDL of daily work, and a role that may
-- write documents should not need to own the tables. Execute is revoked from public.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg.check_shared('collection ' || collection)
    from ragpg.collections as one
    where one.id = parent_id and one.active_index_id is not null;
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    if ragpg.tenants_enabled() then
        perform ragpg.protect_table(format('ragpg.%I', 'chunks_' || new_id)::regclass, true);
    end if;
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    insert into ragpg.index_documents (index_id, document_id, pending_since, tenant)
    select new_id, document.id, now(), document.tenant
    from ragpg.documents as document
    where document.collection_id = parent_id;
    notify ragpg_documents;
    return new_id;
end
$$;
revoke execute on function
ragpg.create_search_index(text, bigint, integer, integer, text, text, integer)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money.';

-- Takes a document and its chunks away; its last version stays in document_versions.
create or replace function ragpg.delete_document(collection text, source text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(delete_document.collection)
        and document.tenant = ragpg.written_tenant()
        and document.source = delete_document.source;
    return found;
end
$$;
comment on function ragpg.delete_document(text, text) is
'Deletes a document and its chunks and returns whether there was one. Its text stays in document_versions, for the citations that point at it.';

-- What is no longer there, below these paths? It goes, unless that is suspiciously much.
create or replace function ragpg.delete_vanished(
    collection text,
    paths text[],
    kept text[],
    unread text[] default '{}',
    max_share double precision default 0.2,
    few bigint default 0,
    dry_run boolean default false
) returns table (candidates bigint, vanished text[])
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(delete_vanished.collection);
    ids bigint[];
begin
    if max_share is null or max_share < 0 or max_share > 1 then
        raise exception 'max_share is a share between 0 and 1, not %', coalesce(max_share::text, 'null')
            using errcode = 'RG005';
    end if;
    with placed as materialized (
        select document.id, document.source, place.path
        from ragpg.documents as document
        cross join ragpg.source_paths(document.source) as place(path)
        where document.collection_id = parent_id and document.tenant = ragpg.written_tenant()
    ),
    candidate as materialized (
        select distinct placed.id, placed.source
        from placed
        where placed.path in (select rtrim(given.path, '/') from unnest(paths) as given(path))
    ),
    unsure as (
        select placed.id
        from placed
        where placed.path in (select rtrim(one.path, '/') from unnest(unread) as one(path))
    ),
    gone as (
        select candidate.id, candidate.source
        from candidate
        where not exists (
            select from unnest(kept) as one(source) where one.source = candidate.source
        )
            and not exists (select from unsure where unsure.id = candidate.id)
    )
    select
        (select count(*) from candidate),
        coalesce(array_agg(gone.source order by gone.source), '{}'),
        coalesce(array_agg(gone.id), '{}')
    into candidates, vanished, ids
    from gone;
    if cardinality(vanished) > greatest(max_share * candidates, few) then
        raise exception '% of % documents would be deleted, more than %',
            cardinality(vanished), candidates, round((max_share * 100)::numeric, 1)::float || ' %'
            using errcode = 'RG012',
                hint = 'look whether the folder is the right one and complete; to delete them all'
                    ' the same: ragpg add --sync --delete-many, max_deleted_share=1 in Python,'
                    ' max_share => 1 in SQL';
    end if;
    if not dry_run then
        delete from ragpg.documents as document where document.id = any(ids);
    end if;
    return next;
end
$$;
comment on function ragpg.delete_vanished(text, text[], text[], text[], double precision, bigint, boolean)
is
'Deletes the documents whose source is one of the paths or lies below one (after / or #) and is not among kept; returns how many lie there and the sources that went. What is one of the unread paths or below one stays: it could not be looked at. Raises RG012, deleting nothing, when more than max_share of them would go, and more than few. dry_run deletes nothing. Their last versions stay in document_versions.';

-- Takes a collection away with everything that belongs to it.
create or replace function ragpg.drop_collection(collection text) returns bigint
language plpgsql volatile
-- Security definer: the partitions are dropped, which takes their owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    gone_id bigint := ragpg.collection_id(drop_collection.collection);
    documents_gone bigint;
    recipe_id bigint;
begin
    perform ragpg.check_shared('collection ' || drop_collection.collection);
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || drop_collection.collection);
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = gone_id
    loop
        execute format('drop table ragpg.%I', 'chunks_' || recipe_id);
    end loop;
    select count(*) into documents_gone
    from ragpg.documents as document
    where document.collection_id = gone_id;
    update ragpg.collections as one set active_index_id = null where one.id = gone_id;
    delete from ragpg.collections as one where one.id = gone_id;
    delete from ragpg.document_versions as earlier where earlier.collection_id = gone_id;
    return documents_gone;
end
$$;
revoke execute on function ragpg.drop_collection(text) from public;
comment on function ragpg.drop_collection(text) is
'Drops a collection with its documents, all their versions, chunks, search indexes and answers, and returns how many documents went.';

-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    perform ragpg.check_shared('search index ' || drop_search_index.index_id);
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint) from public;
comment on function ragpg.drop_search_index(bigint) is
'Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
    owner_name constant text := ragpg.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
    execute format('grant execute on function ragpg.remember_query(bigint, text) to %I', role_name);
    execute format('grant execute on function ragpg.log_search to %I', role_name);
    execute format(
        'grant execute on function ragpg.keyword_candidates, ragpg.matching_documents to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';

-- Trigger: what happened to a table that is indexed?
create or replace function ragpg.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.tenant = ragpg.written_tenant()'
            ' and document.source = stored.%I::text',
            tg_relid::regclass, tg_argv[1]
        )
        using tg_argv[0];
        return null;
    end if;
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE'
        and to_jsonb(old) ->> tg_argv[1] is distinct from to_jsonb(new) ->> tg_argv[1]
    then
        perform ragpg.delete_document(tg_argv[0], to_jsonb(old) ->> tg_argv[1]);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg.index_row(
            to_jsonb(new), tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4], tg_argv[5]
        );
    end if;
    return null;
end
$$;
revoke execute on function ragpg.index_table_row() from public;
comment on function ragpg.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';

-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata, old.page_starts)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata, new.page_starts)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        page_starts, valid_from, valid_to, tenant
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.page_starts, old.updated_at, greatest(old.updated_at, now()),
        old.tenant
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$$;
comment on function ragpg.keep_document_version() is
'Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.';

-- Which chunks are best by words?
create or replace function ragpg.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    words tsquery[];  -- the rarest first
    weights double precision[];
    total_count bigint;  -- chunks that hold one of the words, at most
    total_weight double precision;
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := ragpg.searched_tenant();
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    select
        array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
        sum(word.chunk_count), sum(word.weight)
    into words, weights, total_count, total_weight
    from ragpg.query_words(keyword_candidates.index_id, keyword_candidates.query) as word;
    if words is null then
        return;
    end if;
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, stored.lexemes || '''' as lexemes,'
        '   1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision) as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select greatest(known.mean_length, 1)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                ' and (select document.metadata @@ $3 from ragpg.documents as document'
                '  where document.id = stored.document_id)'
        end,
        case when only_tenant is not null then ' and stored.tenant = $4' end,
        wanted
    );
    most_added := case when total_count <= exact_limit then 1 else 0.75 end;
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := case
        when document_ids is null and total_count > few then 0.45 * most_added * total_weight
        else 0
    end;
    loop
        sought := ragpg.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold = 0 or scores[wanted] >= threshold;
        threshold := case
            when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
            when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            else 0
        end;
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score);
end
$$;
grant execute on function ragpg.keyword_candidates(bigint, text, integer, bigint[], jsonpath)
to public;
comment on function ragpg.keyword_candidates(bigint, text, integer, bigint[], jsonpath) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through. Security definer while tenants are on (ragpg.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that a chunk may be missed whose few words occur very often in it.';

-- Keeps one search of the share that is logged.
create or replace function ragpg.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg.written_tenant()
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where recipe.id = log_search.index_id and one.search_log_share > 0
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision
) from public;
comment on function ragpg.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';

-- Which chunks say nearly the same?
create or replace function ragpg.near_duplicates(
    collection text default null,
    min_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    neighbours integer default 5,
    chunks integer default null
) returns table (
    first_chunk_id bigint, second_chunk_id bigint, first_source text, second_source text,
    similarity double precision, overlap double precision, content text
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
-- A tenant's chunks may be few among the nearest.
set hnsw.iterative_scan = strict_order
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
begin
    select recipe.id, model.dimensions into active_id, dimensions
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    perform set_config('hnsw.ef_search', least(greatest(40, neighbours + 1), 1000)::text, true);
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in
        select drawn.id, drawn.embedding
        from (
            select distinct on (ragpg.hash_text(chunk.content)) chunk.id, chunk.embedding
            from ragpg.chunks as chunk
            where chunk.index_id = active_id
            order by ragpg.hash_text(chunk.content), chunk.id
        ) as drawn
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        order by hashint8extended(drawn.id, 0)
        limit near_duplicates.chunks
    loop
        execute format(
            'select array_agg(near.id) from ('
            '  select chunk.id, chunk.embedding <=> $1 as distance'
            '  from ragpg.chunks as chunk where chunk.index_id = %s'
            '  order by chunk.embedding::halfvec(%s) <=> $1 limit %s'
            ' ) as near where near.id <> $2 and near.distance <= 1 - $3::double precision',
            active_id, dimensions, neighbours + 1
        )
        into near_ids
        using looked_at.embedding, looked_at.id, min_similarity;
        if near_ids is not null then
            pairs := pairs || (
                select array_agg(side.id order by near.id, side.place)
                from unnest(near_ids) as near (id)
                cross join lateral unnest(
                    case
                        when near_duplicates.chunks is null and near.id < looked_at.id
                            then array[near.id, looked_at.id]
                        else array[looked_at.id, near.id]
                    end
                ) with ordinality as side (id, place)
            );
        end if;
    end loop;
    return query
    with pair as (
        select distinct pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
    ),
    copy as (
        select same.first_id as a_id, same.id as b_id
        from (
            select
                chunk.id,
                min(chunk.id) over (partition by ragpg.hash_text(chunk.content)) as first_id
            from ragpg.chunks as chunk
            where chunk.index_id = active_id and near_duplicates.chunks is null
        ) as same
        where same.id <> same.first_id
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case when a.content = b.content then 1 else ragpg.word_overlap(a.content, b.content) end
                as overlap,
            a.content
        from (select * from pair union select * from copy) as pair
        join ragpg.chunks as a on a.index_id = active_id and a.id = pair.a_id
        join ragpg.chunks as b on b.index_id = active_id and b.id = pair.b_id
    )
    select
        measured.a_id, measured.b_id, a.source, b.source, measured.similarity, measured.overlap,
        measured.content
    from measured
    join ragpg.documents as a on a.id = measured.a_document
    join ragpg.documents as b on b.id = measured.b_document
    where measured.overlap >= min_overlap
    order by measured.similarity desc, measured.a_id, measured.b_id;
end
$$;
comment on function ragpg.near_duplicates(text, double precision, double precision, integer, integer) is
'Returns pairs of chunks of a collection''s active search index that say nearly the same: cosine similarity of at least min_similarity, found through the vector index among each chunk''s nearest neighbours, and at least min_overlap of their words in common (Jaccard). Of chunks with the same text each is paired with the first. About a millisecond a chunk: chunks bounds how many are looked at, drawn by hash and each the first of its pairs.';

-- Stores a document: new, changed or as it was.
create or replace function ragpg.put_document(
    collection text,
    source text,
    content text,
    title text default '',
    media_type text default 'text/plain',
    metadata jsonb default '{}',
    source_hash bytea default null,
    page_starts integer[] default '{}'
) returns table (document_id bigint, version integer, outcome text)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.ensure_collection(put_document.collection);
    old_version integer;
    owner_name constant text := ragpg.written_tenant();
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash, page_starts,
        tenant
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash,
        put_document.page_starts, owner_name
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash,
            page_starts = put_document.page_starts
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea, integer[]) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. A worker (ragpg worker) makes its chunks; until then it is in the view ingest_queue. page_starts are the characters, from 0, at which its pages begin.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg.put_embedded_documents(
    index_id bigint,
    sources text[],
    contents text[],
    titles text[],
    media_types text[],
    metadata jsonb[],
    source_hashes bytea[],
    embeddings halfvec[]
) returns table (source text, outcome text)
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg.written_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after all this and finds the versions indexed.
    return query
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.embedding
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes, embeddings
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, embedding, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash, tenant
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash, owner_name
        from given
        on conflict on constraint documents_collection_id_tenant_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    emptied as (
        delete from ragpg.chunks as chunk
        using stored
        where chunk.index_id = recipe.id
            and chunk.document_id = stored.id
            and stored.version > 1
            and chunk.ordinal > 0
    ),
    written as (
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, ragpg.document_language(recipe.language, given.metadata, given.content),
            given.title, given.content, '', given.embedding, owner_name
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            embedding = excluded.embedding,
            generated_chars = 0
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at, tenant
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp(), owner_name
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select stored.source, case stored.version when 1 then 'added' else 'updated' end
    from stored;
end
$$;
comment on function ragpg.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

-- A question somebody or a model proposes, for a person to accept.
create or replace function ragpg.put_evaluation_draft(
    collection text,
    evaluation_set text,
    question text,
    expected_answer text,
    document_id bigint,
    quote text,
    start_char integer,
    model text
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(put_evaluation_draft.collection);
    set_id bigint;
    new_id bigint;
begin
    perform
    from ragpg.documents as document
    where document.id = put_evaluation_draft.document_id
        and document.collection_id = parent_id
        and put_evaluation_draft.quote = substr(
            document.content, put_evaluation_draft.start_char + 1,
            char_length(put_evaluation_draft.quote)
        );
    if not found then
        raise exception 'document % does not hold this quote at character %',
            put_evaluation_draft.document_id, put_evaluation_draft.start_char
            using errcode = 'RG006', hint = 'draft from the document as it is now';
    end if;
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (parent_id, evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_drafts as known (
        evaluation_set_id, document_id, question, expected_answer, quote, start_char, model
    )
    select
        set_id, put_evaluation_draft.document_id, put_evaluation_draft.question,
        put_evaluation_draft.expected_answer, put_evaluation_draft.quote,
        put_evaluation_draft.start_char, put_evaluation_draft.model
    where not exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = set_id
            and asked.question = put_evaluation_draft.question
    )
    on conflict on constraint evaluation_drafts_evaluation_set_id_question_key do nothing
    returning known.id into new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_draft(text, text, text, text, bigint, text, integer, text) is
'Stores a drafted question of an evaluation set, which is made when it is new, and returns its id; null when the set has that question or draft already. No run asks it before ragpg.accept_draft. Raises RG006 when the document does not hold the quote at that character.';

-- A question for measuring, with where its answer stands.
create or replace function ragpg.put_evaluation_question(
    collection text,
    evaluation_set text,
    question text,
    labels jsonb default '[]',
    expected_answer text default null,
    is_answerable boolean default true,
    tags text[] default '{}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    set_id bigint;
    new_id bigint;
begin
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (ragpg.collection_id(put_evaluation_question.collection), evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_questions as known (
        evaluation_set_id, question, expected_answer, is_answerable, tags
    )
    values (
        set_id, put_evaluation_question.question, put_evaluation_question.expected_answer,
        put_evaluation_question.is_answerable, put_evaluation_question.tags
    )
    on conflict on constraint evaluation_questions_evaluation_set_id_question_key do update
    set expected_answer = excluded.expected_answer,
        is_answerable = excluded.is_answerable,
        tags = excluded.tags
    returning known.id into new_id;
    delete from ragpg.evaluation_labels as label where label.evaluation_question_id = new_id;
    insert into ragpg.evaluation_labels (
        evaluation_question_id, source, quote, start_char, end_char
    )
    select new_id, label.source, label.quote, label.start_char, label.end_char
    from jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    );
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_question(text, text, text, jsonb, text, boolean, text[]) is
'Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.';

-- What is each word of a question worth?
create or replace function ragpg.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word.
            found.times
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation
        from (
            select
                said.lexeme,
                cardinality(said.positions) as times,
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total
                on total.index_id = recipe.id
                and total.tenant = (select coalesce(ragpg.searched_tenant(), ''))
            cross join lateral ragpg.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            left join ragpg.lexeme_statistics as known
                on known.index_id = recipe.id
                and known.tenant = total.tenant
                and known.lexeme = said.lexeme collate "C"
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
    ) as asked
    order by 1;
end;
comment on function ragpg.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.index_documents as state (index_id, document_id, pending_since, tenant)
    select recipe.id, written.id, now(), written.tenant
    from written
    join ragpg.search_indexes as recipe on recipe.collection_id = written.collection_id
    left join ragpg.index_documents as known
        on known.index_id = recipe.id and known.document_id = written.id
    where known.document_version is distinct from written.version
    on conflict on constraint index_documents_pkey do update
    set pending_since = coalesce(state.pending_since, excluded.pending_since),
        attempts = 0,
        error = null,
        next_attempt_at = default;
    notify ragpg_documents;
    return null;
end
$$;
comment on function ragpg.queue_documents() is
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told.';

-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    partition_name text := 'chunks_' || refresh_search_index.index_id;
    recipe ragpg.search_indexes;
    dimensions integer;
    counted_at timestamptz;
    counted bigint;
    total bigint;
    changed bigint;
begin
    -- One at a time per search index; a second caller waits and then finds little to do.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(refresh_search_index.index_id::text)
    );
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = refresh_search_index.index_id;
    select model.dimensions into dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    select known.refreshed_at, known.chunk_count into counted_at, counted
    from ragpg.index_statistics as known
    where known.index_id = refresh_search_index.index_id and known.tenant = '';
    select
        coalesce(sum(state.chunk_count), 0),
        coalesce(sum(state.chunk_count) filter (where state.indexed_at > counted_at), 0)
    into total, changed
    from ragpg.index_documents as state
    where state.index_id = refresh_search_index.index_id;
    changed := greatest(changed, abs(total - coalesce(counted, 0)));
    -- Small indexes are counted every time; large ones when 2 % changed: df and N move BM25
    -- and the standard scores by less than that.
    if counted_at is not null and recipe.state = 'ready' and not force
        and (changed = 0 or (total > 20000 and changed < total / 50))
    then
        return ragpg.count_tenants(refresh_search_index.index_id, force) > 0;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg.build_vector_index(refresh_search_index.index_id, dimensions);
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    perform ragpg.count_chunks(refresh_search_index.index_id, '');
    perform ragpg.count_tenants(refresh_search_index.index_id, force);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';

-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg.remember_query(encoder_id bigint, query text)
returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg.remembered_query(encoder_id, query);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg.encode(encoder_id, ragpg.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg.hash_text(remember_query.query), computed, loaded_at,
        ragpg.written_tenant()
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$$;
revoke execute on function ragpg.remember_query(bigint, text) from public;
comment on function ragpg.remember_query(bigint, text) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';

-- Was this question embedded before?
create or replace function ragpg.remembered_query(encoder_id bigint, query text)
returns vector
language sql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = (select ragpg.written_tenant())
    limit 1
$$;
comment on function ragpg.remembered_query(bigint, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';

-- The chunks of a document version, all at once.
create or replace function ragpg.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[],
    generated_chars integer[] default null
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    owner_name text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata, document.tenant
    into body, page_starts, document_metadata, owner_name
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg.document_language(recipe.language, document_metadata, body)
    into strict words_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);

    delete from ragpg.chunks as chunk
    where chunk.index_id = replace_chunks.index_id
        and chunk.document_id = replace_chunks.document_id;
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page,
        token_count, lexeme_count, language, context, content, lexemes, embedding, generated_chars,
        tenant
    )
    with blocks as materialized (
        select number, substr(body, number * block + 1, block + longest) as content
        from (select distinct start / block as number from unnest(starts) as start) as used
    )
    select
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        piece.place - 1, piece.start_char, piece.end_char,
        width_bucket(piece.start_char, page_starts), piece.token_count, 0,
        words_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding, coalesce(piece.generated_chars, 0), owner_name
    from unnest(
        starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
    ) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since, tenant
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null, owner_name
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$$;
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    is_wide boolean := false;  -- the filter lets many documents through: asked of each candidate
    word_ids bigint[];
    word_scores double precision[];
    vector_ids bigint[];
    vector_weight double precision;
    vector_mean double precision := 0;
    vector_deviation double precision;
    word_mean double precision := 0;
    word_deviation double precision;
    similarity_expression text := 'null::double precision';
    bm25_expression text;
    score_expression text;
    best_similarity double precision;
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege(
                'ragpg.log_search(bigint, text, halfvec, text, integer, boolean, integer,'
                ' double precision, double precision)', 'execute'
            )
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        if exists (
            select
            from ragpg.static_encoders as fitted
            where fitted.index_id = recipe.id and fitted.enabled
        ) then
            query_embedding := ragpg.embed_query_static(search.query, recipe.id);
        else
            query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
        end if;
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        -- Of a sample of the documents, how many pass? Where that is 3 % or more, to list all that
        -- do takes longer than to ask of each candidate as it is met.
        if statistics.chunk_count > 20000 then
            select count(*) >= 0.03 * cardinality(statistics.document_sample) into is_wide
            from unnest(statistics.document_sample) as drawn (id)
            join ragpg.documents as document on document.id = drawn.id
            where document.metadata @@ filter;
        end if;
        if not is_wide then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg.matching_documents(recipe.id, filter) as found;
        end if;
        if not is_wide and coalesce(matching_chunks, 0) = 0 then
            if logged then
                perform ragpg.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(
            recipe.id, search.query, wanted, matching_documents, filter
        ) as found;
        bm25_expression := ragpg.bm25_expression(recipe.id, search.query);
    end if;
    vector_weight := recipe.vector_weight;
    if query_embedding is null and mode = 'hybrid' then
        query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
        vector_weight := 0.5;  -- measured: near one half is best when words made the vector
        raise notice 'the database holds no model to embed the query with: searched by words'
            using hint = 'load the model with ragpg model load, or pass query_embedding';
    end if;
    if mode <> 'keyword' and query_embedding is not null then
        select array_agg(found.chunk_id), max(found.similarity) into vector_ids, best_similarity
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
        similarity_expression := '1 - (stored.embedding <=> $2)';
    end if;

    if mode = 'hybrid' then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select avg(1 - (sample <=> query_embedding)), stddev_pop(1 - (sample <=> query_embedding))
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select sum(word.mean_score), sqrt(sum(word.mean_square - word.mean_score ^ 2))
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        score_expression := format(
            '%s * (chunk.similarity - %s) / %s + %s * (chunk.bm25 - %s) / %s',
            vector_weight, coalesce(vector_mean, 0), coalesce(nullif(vector_deviation, 0), 1),
            1 - vector_weight, coalesce(word_mean, 0), coalesce(nullif(word_deviation, 0), 1)
        );
    else
        score_expression := case mode when 'vector' then 'chunk.similarity' else 'chunk.bm25' end;
    end if;

    return query execute format(
        'select'
        '  (row_number() over (order by best.score desc, best.id))::integer, document.source,'
        '  document.title, best.content, best.score, best.similarity, best.bm25,'
        '  best.start_char, best.end_char, best.page, best.context, document.metadata,'
        '  document.id, best.document_version, best.id'
        ' from ('
        '  select chunk.*, %1$s as score'
        '  from (select chunk.*, %2$s as bm25'
        '   from (select stored.*, %3$s as similarity,'
        '     1.2 * (0.25 + 0.75 * stored.lexeme_count / %4$s::double precision) as saturation'
        '    from ragpg.chunks as stored'
        '    where stored.index_id = %5$s and stored.id = any($1) offset 0) as chunk'
        '   offset 0) as chunk'
        '  order by score desc, chunk.id limit %6$s'
        ' ) as best'
        ' join ragpg.documents as document on document.id = best.document_id'
        ' order by 1',
        score_expression,
        coalesce(bm25_expression, 'null::double precision'),
        similarity_expression, greatest(statistics.mean_length, 1), recipe.id, k
    )
    using word_ids || vector_ids, query_embedding;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, best_similarity,
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status), or a static encoder is enabled (view static_encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- A new run of an evaluation set.
create or replace function ragpg.start_evaluation(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(start_evaluation.collection);
    set_id bigint;
    names text;
    recipe ragpg.search_indexes;
    new_id bigint;
begin
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent_id
        and known.tenant = ragpg.written_tenant()
        and known.name = start_evaluation.evaluation_set;
    if set_id is null then
        select string_agg(known.name, ', ' order by known.name) into names
        from ragpg.evaluation_sets as known
        where known.collection_id = parent_id;
        raise exception 'there is no evaluation set "%"', start_evaluation.evaluation_set
            using errcode = 'RG011',
                hint = coalesce('there are: ' || names, 'load one: ragpg eval load FILE');
    end if;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.collection_id = parent_id
        and known.id = coalesce(
            start_evaluation.index_id,
            (select one.active_index_id from ragpg.collections as one where one.id = parent_id)
        );
    if recipe.id is null then
        raise exception 'this collection has no search index %', coalesce(index_id::text, 'yet')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    insert into ragpg.evaluation_runs (evaluation_set_id, index_id, k, mode, note, recipe)
    select set_id, recipe.id, k, mode, note, to_jsonb(recipe) || jsonb_build_object(
        'embedding_model', (
            select model.name
            from ragpg.embedding_models as model
            where model.id = recipe.embedding_model_id
        )
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.start_evaluation(text, text, integer, text, bigint, text) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). ragpg.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';

-- A table of one's own is no collection any more.
create or replace function ragpg.stop_indexing_table(
    table_name regclass, collection text, delete_documents boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    followed ragpg.indexed_tables;
    gone bigint := 0;
begin
    select known.* into followed
    from ragpg.indexed_tables as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        execute format(
            'delete from ragpg.documents as document'
            ' using %s as stored'
            ' where document.collection_id = ragpg.collection_id($1)'
            ' and document.tenant = ragpg.written_tenant()'
            ' and document.source = stored.%I::text',
            table_name, followed.source_column
        )
        using collection;
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';

-- How little work suffices for this recall?
create or replace function ragpg.tune_ef_search(
    collection text default null,
    recall double precision default 0.98,
    k integer default 10,
    queries integer default 100,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
-- Security definer: the search index is changed, which writers may do by functions only.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg.check_shared('search index ' || recipe.id);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg.recalls_at(recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle)
            ) as one (recall)
        ) then
            high := middle;
        else
            low := middle + 1;
        end if;
    end loop;
    update ragpg.search_indexes as known set ef_search = low where known.id = recipe.id;
    return ragpg.measure_recall(k => k, queries => queries, index_id => recipe.id);
end
$$;
revoke execute on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint)
from public;
comment on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint) is
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: 100 in hybrid mode, k in vector mode.';

-- Which chunks are nearest in meaning?
create or replace function ragpg.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id order by near.distance, near.id),'
        ' array_agg(near.distance order by near.distance, near.id)'
        ' from (select chunk.id, chunk.%1$s <=> $1 as distance'
        '  from ragpg.chunks as chunk'
        '  where chunk.index_id = %2$s%3$s'
        '  order by chunk.%1$s <=> $1 limit %4$s) as near';
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select document.metadata @@ $3 from ragpg.documents as document'
            '  where document.id = chunk.document_id)'
    end;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
    only_tenant constant text := ragpg.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words.
        only_documents := coalesce(only_documents, '') || ' and chunk.tenant = $4';
        if document_ids is null then
            matching_chunks := coalesce(
                (
                    select counted.chunk_count
                    from ragpg.index_statistics as counted
                    where counted.index_id = recipe.id and counted.tenant = only_tenant
                ),
                0
            );
        end if;
    end if;
    if matching_chunks is null or matching_chunks > exact_limit then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        -- The index's own expression, one table, ascending: anything else loses the index.
        execute format(
            template,
            format('embedding::halfvec(%s)', vector_dims(query_embedding)),
            recipe.id, only_documents, wanted
        )
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        execute format(template, 'embedding', recipe.id, only_documents, wanted)
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
end
$$;
comment on function ragpg.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match; otherwise the HNSW index, and exact again should that come back with too few.';

-- How large is each search index, and are its statistics fresh?
create or replace view ragpg.index_health with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.state,
    model.name as embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count as counted_chunks,
    statistics.refreshed_at,
    pg_table_size(partition.relation) as table_bytes,
    pg_indexes_size(partition.relation) as index_bytes,
    coalesce(
        (
            select bool_and(part.indisvalid)
            from pg_index as part
            where part.indrelid = partition.relation
        ),
        false
    ) as indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at,
    recipe.ef_search,
    pg_relation_size(partition.vector_index) as vector_index_bytes,
    pg_relation_size(partition.vector_index)::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    pg_stat_get_dead_tuples(partition.relation) as dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at,
    recipe.context_model
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics
    on statistics.index_id = recipe.id and statistics.tenant = (select ragpg.counted_tenant())
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0) as chunks,
        count(state.document_version) as documents,
        count(state.pending_since) as pending_documents,
        count(state.error) as failed_documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation,
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id || '_embedding_hnsw')) as vector_index
) as partition
left join lateral (
    select known.recall, known.measured_at
    from ragpg.recall_measurements as known
    where known.index_id = recipe.id
    order by known.measured_at desc
    limit 1
) as measured on true;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building (first load, vector index not there yet) or ready.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents it holds.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';
comment on column ragpg.index_health.pending_documents is
'Documents whose newest version it does not hold yet.';
comment on column ragpg.index_health.failed_documents is
'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.index_health.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.index_health.language is 'Text-search configuration of the word leg.';
comment on column ragpg.index_health.created_at is 'When the recipe was made.';
comment on column ragpg.index_health.activated_at is 'When it last began to answer searches.';
comment on column ragpg.index_health.ef_search is 'Least hnsw.ef_search of its scans: ragpg.tune_ef_search.';
comment on column ragpg.index_health.vector_index_bytes is 'Bytes of the vector index; null: there is none yet.';
comment on column ragpg.index_health.share_of_buffers is
'Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.';
comment on column ragpg.index_health.dead_chunks is 'Dead rows that the next vacuum takes away, estimated.';
comment on column ragpg.index_health.recall is 'Recall when it was last measured: ragpg.measure_recall.';
comment on column ragpg.index_health.recall_measured_at is 'When that was.';
comment on column ragpg.index_health.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';

alter table ragpg.documents alter column tenant set default ragpg.written_tenant();
alter table ragpg.answers alter column tenant set default ragpg.written_tenant();
alter table ragpg.searches alter column tenant set default ragpg.written_tenant();
alter table ragpg.evaluation_sets alter column tenant set default ragpg.written_tenant();
alter table ragpg.finetune_jobs alter column tenant set default ragpg.written_tenant();
alter table ragpg.recall_measurements alter column tenant set default ragpg.written_tenant();
alter table ragpg.query_embeddings alter column tenant set default ragpg.written_tenant();
alter table ragpg.evaluation_questions alter column tenant set default ragpg.written_tenant();
alter table ragpg.evaluation_drafts alter column tenant set default ragpg.written_tenant();

-- Policies, without effect until row-level security is on. The subquery is asked once a statement.

create policy documents_tenant on ragpg.documents
    using (tenant = (select ragpg.current_tenant()));
comment on policy documents_tenant on ragpg.documents is 'Rows of the session''s tenant.';
create policy document_versions_tenant on ragpg.document_versions
    using (tenant = (select ragpg.current_tenant()))
    with check (
        tenant = (select ragpg.current_tenant())
        and exists (select from ragpg.documents as own where own.id = document_versions.document_id)
    );
comment on policy document_versions_tenant on ragpg.document_versions is 'Rows of the session''s tenant.';
create policy chunks_tenant on ragpg.chunks
    using (tenant = (select ragpg.current_tenant()));
comment on policy chunks_tenant on ragpg.chunks is 'Rows of the session''s tenant.';
create policy index_documents_tenant on ragpg.index_documents
    using (tenant = (select ragpg.current_tenant()));
comment on policy index_documents_tenant on ragpg.index_documents is 'Rows of the session''s tenant.';
create policy index_statistics_tenant on ragpg.index_statistics
    using (tenant = (select ragpg.current_tenant()));
comment on policy index_statistics_tenant on ragpg.index_statistics is 'Rows of the session''s tenant.';
create policy lexeme_statistics_tenant on ragpg.lexeme_statistics
    using (tenant = (select ragpg.current_tenant()));
comment on policy lexeme_statistics_tenant on ragpg.lexeme_statistics is 'Rows of the session''s tenant.';
create policy answers_tenant on ragpg.answers
    using (tenant = (select ragpg.current_tenant()));
comment on policy answers_tenant on ragpg.answers is 'Rows of the session''s tenant.';
create policy searches_tenant on ragpg.searches
    using (tenant = (select ragpg.current_tenant()));
comment on policy searches_tenant on ragpg.searches is 'Rows of the session''s tenant.';
create policy evaluation_sets_tenant on ragpg.evaluation_sets
    using (tenant = (select ragpg.current_tenant()));
comment on policy evaluation_sets_tenant on ragpg.evaluation_sets is 'Rows of the session''s tenant.';
create policy finetune_jobs_tenant on ragpg.finetune_jobs
    using (tenant = (select ragpg.current_tenant()));
comment on policy finetune_jobs_tenant on ragpg.finetune_jobs is 'Rows of the session''s tenant.';
create policy recall_measurements_tenant on ragpg.recall_measurements
    using (tenant = (select ragpg.current_tenant()));
comment on policy recall_measurements_tenant on ragpg.recall_measurements is 'Rows of the session''s tenant.';
create policy query_embeddings_tenant on ragpg.query_embeddings
    using (tenant = (select ragpg.current_tenant()));
comment on policy query_embeddings_tenant on ragpg.query_embeddings is 'Rows of the session''s tenant.';
create policy citations_tenant on ragpg.citations
    using (
        exists (select from ragpg.answers as parent where parent.id = citations.answer_id)
    );
comment on policy citations_tenant on ragpg.citations is 'Rows of the session''s tenant: those whose parent in answers it sees.';
create policy answer_feedback_tenant on ragpg.answer_feedback
    using (
        exists (select from ragpg.answers as parent where parent.id = answer_feedback.answer_id)
    );
comment on policy answer_feedback_tenant on ragpg.answer_feedback is 'Rows of the session''s tenant: those whose parent in answers it sees.';
create policy evaluation_questions_tenant on ragpg.evaluation_questions
    using (tenant = (select ragpg.current_tenant()));
comment on policy evaluation_questions_tenant on ragpg.evaluation_questions is 'Rows of the session''s tenant.';
create policy evaluation_drafts_tenant on ragpg.evaluation_drafts
    using (tenant = (select ragpg.current_tenant()))
    with check (
        tenant = (select ragpg.current_tenant())
        and exists (select from ragpg.documents as about where about.id = evaluation_drafts.document_id)
    );
comment on policy evaluation_drafts_tenant on ragpg.evaluation_drafts is 'Rows of the session''s tenant.';
create policy evaluation_runs_tenant on ragpg.evaluation_runs
    using (
        exists (select from ragpg.evaluation_sets as parent where parent.id = evaluation_runs.evaluation_set_id)
    );
comment on policy evaluation_runs_tenant on ragpg.evaluation_runs is 'Rows of the session''s tenant: those whose parent in evaluation_sets it sees.';
create policy evaluation_labels_tenant on ragpg.evaluation_labels
    using (
        exists (select from ragpg.evaluation_questions as parent where parent.id = evaluation_labels.evaluation_question_id)
    );
comment on policy evaluation_labels_tenant on ragpg.evaluation_labels is 'Rows of the session''s tenant: those whose parent in evaluation_questions it sees.';
create policy evaluation_results_tenant on ragpg.evaluation_results
    using (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_results.evaluation_run_id)
    ) with check (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_results.evaluation_run_id)
        and exists (
            select
            from ragpg.evaluation_questions as asked
            where asked.id = evaluation_results.evaluation_question_id
        )
    );
comment on policy evaluation_results_tenant on ragpg.evaluation_results is 'Rows of the session''s tenant: those whose parent in evaluation_runs it sees.';
create policy evaluation_hits_tenant on ragpg.evaluation_hits
    using (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_hits.evaluation_run_id)
    ) with check (
        exists (select from ragpg.evaluation_runs as parent where parent.id = evaluation_hits.evaluation_run_id)
        and exists (
            select
            from ragpg.evaluation_questions as asked
            where asked.id = evaluation_hits.evaluation_question_id
        )
    );
comment on policy evaluation_hits_tenant on ragpg.evaluation_hits is 'Rows of the session''s tenant: those whose parent in evaluation_runs it sees.';
create policy static_encoders_nobody on ragpg.static_encoders
    using (false);
comment on policy static_encoders_nobody on ragpg.static_encoders is 'Fitted to the texts of all tenants, so for none of them.';
create policy static_token_embeddings_nobody on ragpg.static_token_embeddings
    using (false);
create policy context_batches_nobody on ragpg.context_batches
    using (false);
create policy chunk_contexts_nobody on ragpg.chunk_contexts
    using (false);
comment on policy static_token_embeddings_nobody on ragpg.static_token_embeddings is 'Fitted to the texts of all tenants, so for none of them.';
create policy collections_read on ragpg.collections
    for select using (true);
comment on policy collections_read on ragpg.collections is 'Shared by all tenants.';
create policy collections_add on ragpg.collections
    for insert with check (true);
comment on policy collections_add on ragpg.collections is 'A tenant may add one; changing it is the owner''s.';
create policy embedding_models_read on ragpg.embedding_models
    for select using (true);
comment on policy embedding_models_read on ragpg.embedding_models is 'Shared by all tenants.';
create policy embedding_models_add on ragpg.embedding_models
    for insert with check (true);
comment on policy embedding_models_add on ragpg.embedding_models is 'A tenant may add one; changing it is the owner''s.';
create policy model_prices_read on ragpg.model_prices
    for select using (true);
comment on policy model_prices_read on ragpg.model_prices is 'Shared by all tenants.';
