-- 0002: nothing that others may make runs with ragpg's rights, and no row of a tenant is another's.
-- No function has a schema on its search_path in which others may create, rows of somebody's table
-- are read without their casts, ragpg has an owner with no more rights than it needs, a role without
-- a binding sees nothing, and neither estimates nor errors of filters tell of others' rows.

-- By name, so that each row of a dump is restored on its own, whichever roles the server has.
alter table ragpg.tenant_roles drop constraint tenant_roles_pkey;
alter table ragpg.tenant_roles alter column role type text using pg_get_userbyid(role)::text;
alter table ragpg.tenant_roles alter column tenant drop not null;
alter table ragpg.tenant_roles
    add constraint tenant_roles_key unique nulls not distinct (role, tenant);
comment on table ragpg.tenant_roles is
'Which roles act for which tenant, whatever they set: ragpg.bind_role; and which for any: ragpg.trust_role. A role of neither kind sees no rows. Read by nobody but the owner.';
comment on column ragpg.tenant_roles.role is
'The role''s name; those that inherit from it are bound, too.';
comment on column ragpg.tenant_roles.tenant is 'The tenant it may act for; null for whichever it sets.';

-- What belongs to an answer or a question has its tenant, so that its policy need not look it up:
-- what takes longer than a comparison of texts is asked after one.
alter table ragpg.answers add constraint answers_id_tenant_key unique (id, tenant);
alter table ragpg.evaluation_questions
    add constraint evaluation_questions_id_tenant_key unique (id, tenant);

alter table ragpg.answer_feedback add column tenant text not null default '';
update ragpg.answer_feedback as of_tenant set tenant = parent.tenant
from ragpg.answers as parent
where parent.id = of_tenant.answer_id and parent.tenant <> '';
alter table ragpg.answer_feedback alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.answer_feedback.tenant is 'The answer''s, always: its foreign key says so.';
alter table ragpg.answer_feedback drop constraint answer_feedback_answer_id_fkey;
alter table ragpg.answer_feedback add constraint answer_feedback_answer_id_fkey
    foreign key (answer_id, tenant)
        references ragpg.answers (id, tenant) on update cascade on delete cascade;

alter table ragpg.citations add column tenant text not null default '';
update ragpg.citations as of_tenant set tenant = parent.tenant
from ragpg.answers as parent
where parent.id = of_tenant.answer_id and parent.tenant <> '';
alter table ragpg.citations alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.citations.tenant is 'The answer''s, always: its foreign key says so.';
alter table ragpg.citations drop constraint citations_answer_id_fkey;
alter table ragpg.citations add constraint citations_answer_id_fkey
    foreign key (answer_id, tenant)
        references ragpg.answers (id, tenant) on update cascade on delete cascade;

alter table ragpg.evaluation_labels add column tenant text not null default '';
update ragpg.evaluation_labels as of_tenant set tenant = parent.tenant
from ragpg.evaluation_questions as parent
where parent.id = of_tenant.evaluation_question_id and parent.tenant <> '';
alter table ragpg.evaluation_labels alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.evaluation_labels.tenant is 'The question''s, always: its foreign key says so.';
alter table ragpg.evaluation_labels drop constraint evaluation_labels_evaluation_question_id_fkey;
alter table ragpg.evaluation_labels add constraint evaluation_labels_evaluation_question_id_fkey
    foreign key (evaluation_question_id, tenant)
        references ragpg.evaluation_questions (id, tenant) on update cascade on delete cascade;

alter table ragpg.evaluation_runs add column tenant text not null default '';
update ragpg.evaluation_runs as of_tenant set tenant = parent.tenant
from ragpg.evaluation_sets as parent
where parent.id = of_tenant.evaluation_set_id and parent.tenant <> '';
alter table ragpg.evaluation_runs alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.evaluation_runs.tenant is 'The set''s, always: its foreign key says so.';
alter table ragpg.evaluation_runs drop constraint evaluation_runs_evaluation_set_id_fkey;
alter table ragpg.evaluation_runs add constraint evaluation_runs_evaluation_set_id_fkey
    foreign key (evaluation_set_id, tenant)
        references ragpg.evaluation_sets (id, tenant) on update cascade on delete cascade;
alter table ragpg.evaluation_runs add constraint evaluation_runs_id_tenant_key unique (id, tenant);

alter table ragpg.evaluation_results add column tenant text not null default '';
update ragpg.evaluation_results as of_tenant set tenant = parent.tenant
from ragpg.evaluation_runs as parent
where parent.id = of_tenant.evaluation_run_id and parent.tenant <> '';
alter table ragpg.evaluation_results alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.evaluation_results.tenant is 'The run''s, always: its foreign key says so.';
alter table ragpg.evaluation_results drop constraint evaluation_results_evaluation_run_id_fkey;
alter table ragpg.evaluation_results add constraint evaluation_results_evaluation_run_id_fkey
    foreign key (evaluation_run_id, tenant)
        references ragpg.evaluation_runs (id, tenant) on update cascade on delete cascade;
alter table ragpg.evaluation_results
    add constraint evaluation_results_evaluation_run_id_question_id_tenant_key
        unique (evaluation_run_id, evaluation_question_id, tenant);

alter table ragpg.evaluation_hits add column tenant text not null default '';
update ragpg.evaluation_hits as of_tenant set tenant = parent.tenant
from ragpg.evaluation_runs as parent
where parent.id = of_tenant.evaluation_run_id and parent.tenant <> '';
alter table ragpg.evaluation_hits alter column tenant set default ragpg_internal.written_tenant();
comment on column ragpg.evaluation_hits.tenant is 'The result''s, always: its foreign key says so.';
alter table ragpg.evaluation_hits drop constraint evaluation_hits_evaluation_results_fkey;
alter table ragpg.evaluation_hits add constraint evaluation_hits_evaluation_results_fkey
    foreign key (evaluation_run_id, evaluation_question_id, tenant)
        references ragpg.evaluation_results (evaluation_run_id, evaluation_question_id, tenant) on update cascade on delete cascade;

-- A row's tenant is looked up in what the session acts for, at no cost that the planner knows of, so
-- that nothing else is asked of other rows; and it is compared, for the indexes.
-- Whose rows may be looked at, for policies?
create or replace function ragpg_internal.acting_for() returns jsonb
language sql stable parallel safe
begin atomic
    select coalesce(jsonb_object_agg(acting.tenant, true), '{}')
    from ragpg.current_tenant() as acting (tenant)
    where acting.tenant is not null;
end;
comment on function ragpg_internal.acting_for() is
'Returns {"tenant": true} for the tenant the session acts for, {} for none. A policy that looks a row''s tenant up in it costs nothing in the planner''s eyes, so that it is asked before whatever else a statement asks: explain analyze would tell how many rows of others passed that.';

do $$
declare
    kept text;
    own constant text := '(select ragpg_internal.acting_for())[tenant] is not null'
        ' and tenant = (select ragpg.current_tenant())';
begin
    foreach kept in array array[
        'answer_feedback', 'answers', 'chunks', 'citations', 'document_versions', 'documents',
        'evaluation_drafts', 'evaluation_hits', 'evaluation_labels', 'evaluation_questions',
        'evaluation_results', 'evaluation_runs', 'evaluation_sets', 'finetune_jobs',
        'index_documents', 'index_statistics', 'lexeme_statistics', 'query_embeddings',
        'recall_measurements', 'searches'
    ]
    loop
        execute format('alter policy %I on ragpg.%I using (%s)', kept || '_tenant', kept, own);
        execute format(
            'comment on policy %I on ragpg.%I is %L', kept || '_tenant', kept,
            'Rows of the session''s tenant.'
        );
    end loop;
    execute format('alter policy evaluation_hits_tenant on ragpg.evaluation_hits with check (%s)', own);
    execute format(
        'alter policy evaluation_results_tenant on ragpg.evaluation_results with check ('
        '%s and exists ('
        ' select from ragpg.evaluation_questions as asked'
        ' where asked.id = evaluation_results.evaluation_question_id))',
        own
    );
end
$$;

-- Names of ragpg's own for what is pgvector's, wherever that is. An index is used by pgvector's own
-- operators only: statements for one name its schema (ragpg_internal.vector_schema).
do $$
declare
    home constant text := (
        select quote_ident(installed.nspname)
        from pg_catalog.pg_extension as extension
        join pg_catalog.pg_namespace as installed on installed.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
    made record;
begin
    for made in
        select *
        from (
            values
                ('domain', 'vector', 'create domain ragpg_internal.vector as %1$s.vector'),
                ('domain', 'halfvec', 'create domain ragpg_internal.halfvec as %1$s.halfvec')
        ) as known (kind, name, statement)
    loop
        execute format(made.statement, home);
        execute format(
            'comment on %s ragpg_internal.%s is %L',
            made.kind, made.name, 'The type of pgvector, wherever that is installed.'
        );
    end loop;
    for made in
        select operator.oid, operator.oprname as name, operator.oprcode::oid as function_oid,
            operator.oprleft, operator.oprright
        from pg_catalog.pg_operator as operator
        where operator.oprnamespace = home::regnamespace
            and operator.oprleft in ((home || '.vector')::regtype, (home || '.halfvec')::regtype)
            and operator.oprright = operator.oprleft
            and operator.oprname in ('+', '-', '*', '||', '<=>', '<#>')
    loop
        execute format(
            'create operator ragpg_internal.%s (leftarg = %s, rightarg = %s, function = %s)',
            made.name, made.oprleft::regtype, made.oprright::regtype, made.function_oid::regproc
        );
        execute format(
            'comment on operator ragpg_internal.%s (%s, %s) is %L',
            made.name, made.oprleft::regtype, made.oprright::regtype,
            'The operator of pgvector, wherever that is installed.'
        );
    end loop;
    for made in
        select function.proname as name, function.prorettype, function.proargtypes,
            array_to_string(
                array(
                    select format('$%s', place)
                    from generate_series(1, function.pronargs) as place
                ),
                ', '
            ) as arguments
        from pg_catalog.pg_proc as function
        where function.pronamespace = home::regnamespace
            and function.prokind = 'f'
            and function.proname in ('l2_normalize', 'subvector', 'vector_dims', 'vector_norm')
            and function.proargtypes[0] in (
                (home || '.vector')::regtype, (home || '.halfvec')::regtype
            )
    loop
        execute format(
            'create function ragpg_internal.%1$I(%2$s) returns %3$s'
            ' language sql immutable strict parallel safe return %4$s.%1$I(%5$s)',
            made.name, pg_catalog.oidvectortypes(made.proargtypes), made.prorettype::regtype, home,
            made.arguments
        );
        execute format(
            'comment on function ragpg_internal.%I(%s) is %L',
            made.name, pg_catalog.oidvectortypes(made.proargtypes),
            'The function of pgvector, wherever that is installed.'
        );
    end loop;
    execute format(
        'create aggregate ragpg_internal.sum(%1$s.vector) ('
        'sfunc = %1$s.vector_add, stype = %1$s.vector, combinefunc = %1$s.vector_add,'
        ' parallel = safe)',
        home
    );
    execute format(
        'comment on aggregate ragpg_internal.sum(%s.vector) is %L',
        home, 'The aggregate of pgvector, wherever that is installed.'
    );
end
$$;

drop function ragpg_internal.index_row(jsonb, text, text, text, text, text, text);

-- Where is pgvector? For statements that use its indexes, whose operator must be its own.
create or replace function ragpg_internal.vector_schema() returns text
language sql stable parallel safe
-- No search_path, but names bound when it is made: this is inlined, into every search.
return (
    select quote_ident(installed.nspname)
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as installed on installed.oid = extension.extnamespace
    where extension.extname = 'vector'
);
comment on function ragpg_internal.vector_schema() is
'Returns the schema of the extension vector, quoted. No function of ragpg has it on its search_path, because others may create operators there: ragpg_internal has names of its own for pgvector''s types, operators and functions, and statements that use an index name this schema.';

-- How is a column of somebody's table read, running nothing that its owner has made?
create or replace function ragpg_internal.column_reading(
    table_name regclass, column_name text, prefix text, as_json boolean default false
) returns text
language sql stable
set search_path = ragpg, pg_temp
as $$
    with recursive wanted as (
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from pg_attribute as known
        join pg_type as typed on typed.oid = known.atttypid
        where known.attrelid = table_name and known.attname = column_name
            and known.attnum > 0 and not known.attisdropped
        union all
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from wanted
        join pg_type as typed on typed.oid = wanted.typbasetype
        where wanted.typtype = 'd'
    )
    select coalesce(
        (
            select format(
                'case when num_nulls(%1$s) = 0 then %2$s end',
                format('%s.%I', prefix, column_name),
                format(
                    case
                        when not as_json then $reading$format('%%s', %s.%I)$reading$
                        -- Types that came with Postgres; of others to_jsonb would look for a cast.
                        when wanted.oid < 16384 then 'to_jsonb(%s.%I)'
                        when wanted.typsubscript = 'array_subscript_handler'::regproc then
                            $reading$to_jsonb(array(
                                select case when num_nulls(one) = 0 then format('%%s', one) end
                                from unnest(%s.%I) as one
                            ))$reading$
                        else $reading$to_jsonb(format('%%s', %s.%I))$reading$
                    end,
                    prefix, column_name
                )
            )
            from wanted
            where wanted.typtype <> 'd'
        ),
        'null'
    )
$$;
comment on function ragpg_internal.column_reading(regclass, text, text, boolean) is
'Returns the SQL expression of a table''s column as text, or as jsonb: by the type''s output function, which a superuser made, never by a cast, which the owner of a type may make. A column that is gone is null.';

-- How is a row of somebody's table read as a document's parts?
create or replace function ragpg_internal.row_reading(
    table_name regclass,
    source_column text,
    content_column text,
    title_column text,
    metadata_columns text[],
    prefix text
) returns text
language sql stable
set search_path = ragpg, pg_temp
as $$
    select format(
        '%s, %s, %s, jsonb_build_object(%s)',
        ragpg_internal.column_reading(table_name, source_column, prefix),
        ragpg_internal.column_reading(table_name, content_column, prefix),
        ragpg_internal.column_reading(table_name, title_column, prefix),
        (
            select string_agg(
                format(
                    '%L::text, %s',
                    wanted.name,
                    ragpg_internal.column_reading(table_name, wanted.name, prefix, as_json => true)
                ),
                ', '
            )
            from unnest(metadata_columns) as wanted (name)
        )
    )
$$;
comment on function ragpg_internal.row_reading(regclass, text, text, text, text[], text) is
'Returns the SQL expressions of a row''s source, content, title and metadata, with a comma between, running nothing that the table''s owner has made. For ragpg.index_table.';

-- Of which columns would the planner's estimates tell what rows of others say?
create or replace function ragpg_internal.told_columns(kept regclass)
returns table (
    relation regclass, schema_name text, relation_name text, is_index boolean, place smallint,
    name text, target smallint
)
language sql stable
begin atomic
    -- Keys alone are counted through anyway, and joins need them. Estimates of texts are made by
    -- comparisons, which are leakproof; those of words and arrays ask nobody.
    select
        col.attrelid::regclass, owned.nspname::text, part.relname::text,
        part.relkind in ('i', 'I'), col.attnum, col.attname::text,
        -- Null for the default since Postgres 17, -1 before.
        coalesce(col.attstattarget, -1)::smallint
    from (
        select kept::oid as id, null::int2vector as columns
        union all
        select ind.indexrelid, ind.indkey
        from pg_index as ind
        where ind.indrelid = kept and ind.indexprs is not null
    ) as named
    join pg_class as part on part.oid = named.id
    join pg_namespace as owned on owned.oid = part.relnamespace
    join pg_attribute as col on col.attrelid = part.oid
    where col.attnum > 0
        and not col.attisdropped
        and case
            when named.columns is null
                then not (col.atttypid = 'bigint'::regtype and col.attname ~ '(^|_)id$')
            else named.columns[col.attnum - 1] = 0
        end;
end;
comment on function ragpg_internal.told_columns(regclass) is
'Returns the columns of a table, and the expressions of its indexes, of which no statistics are gathered while tenants are on: all but the keys, with their statistics target. explain shows estimates, and estimates come from statistics of all rows.';

-- Who could see too much, or sees nothing?
create or replace function ragpg_internal.safety_problems()
returns table (problem text, object text, detail text, what_to_do text)
language sql stable
begin atomic
    with kept as materialized (
        select held.relation, part.relrowsecurity
        from ragpg_internal.protected_tables() as held
        join pg_class as part on part.oid = held.relation
        where ragpg_internal.tenants_enabled()
    ),
    wrong as (
        select
            'functions run as a superuser' as problem, owner.rolname::text as object,
            format('%s functions run as their owner', count(*)) as detail,
            'select ragpg.secure()' as what_to_do
        from pg_proc as routine
        join pg_roles as owner on owner.oid = routine.proowner
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
            and owner.rolsuper
        group by owner.rolname
        union all
        select
            'table is not kept apart', kept.relation::text, 'every reader sees all its rows',
            'select ragpg.secure()'
        from kept
        where not kept.relrowsecurity
        union all
        select
            'function does not run as its owner', leg.called::text,
            'it searches without its index, and slowly', 'select ragpg.secure()'
        from ragpg_internal.tenant_legs() as leg
        join pg_proc as routine on routine.oid = leg.called
        where ragpg_internal.tenants_enabled() and not routine.prosecdef
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('of %s', string_agg(format('%s.%s', told.relation_name, told.name), ', ')),
            case
                when bool_or(told.target <> 0) then 'select ragpg.secure()'
                else 'as a superuser: delete from pg_statistic where starelid = '
                    || quote_literal(kept.relation) || '::regclass'
            end
        from kept
        cross join lateral ragpg_internal.told_columns(kept.relation) as told
        where told.target <> 0 or exists (
            select
            from pg_stats as known
            where known.schemaname = told.schema_name
                and known.tablename = told.relation_name
                and known.attname = told.name
        )
        group by kept.relation
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('extended statistics %I', extended.stxname),
            format('drop statistics %s.%I', extended.stxnamespace::regnamespace, extended.stxname)
        from kept
        join pg_statistic_ext as extended on extended.stxrelid = kept.relation
        union all
        select
            'bound role is missing', bound.role, format('it would act for %L', bound.tenant),
            format('create the role, or select ragpg.unbind_role(%L, %L)', bound.role, bound.tenant)
        from ragpg.tenant_roles as bound
        where not exists (select from pg_roles as known where known.rolname = bound.role)
        union all
        select
            'role acts for no tenant', known.rolname::text,
            'it may read ragpg and sees nothing',
            format(
                'select ragpg.bind_role(%1$L, ''...''), or ragpg.trust_role(%1$L) for one that chooses',
                known.rolname
            )
        from pg_roles as known
        join pg_class as documents on documents.oid = 'ragpg.documents'::regclass
        where ragpg_internal.tenants_enabled()
            and known.rolcanlogin
            and not known.rolbypassrls
            and not pg_has_role(known.oid, documents.relowner, 'usage')
            and has_table_privilege(known.oid, documents.oid, 'select')
            and not exists (
                select
                from ragpg.tenant_roles as bound
                join pg_roles as giving on giving.rolname = bound.role
                where pg_has_role(known.oid, giving.oid, 'usage')
            )
    )
    select wrong.problem, wrong.object, wrong.detail, wrong.what_to_do
    from wrong
    -- Who acts for one tenant learns nothing of the roles of others.
    where ragpg_internal.sees_all_tenants();
end;
comment on function ragpg_internal.safety_problems() is
'Returns a row per thing that lets somebody see more than docs/security.md promises, or less than the owner meant; to those who see all tenants. For ragpg.verify and ragpg.health_problems.';

-- What of ragpg is not yet ragpg_owner's, and how does it become so?
create or replace function ragpg_internal.ownership_changes() returns table (statement text)
language sql stable
begin atomic
    with owned as (
        select space.oid, space.nspname
        from pg_namespace as space
        where space.nspname in ('ragpg', 'ragpg_internal')
    ),
    thing as (
        select 1 as place, format('schema %I', owned.nspname) as name, space.nspowner as owner
        from owned
        join pg_namespace as space on space.oid = owned.oid
        union all
        select
            2,
            case relation.relkind
                when 'v' then 'view' when 'm' then 'materialized view' when 'c' then 'type' else 'table'
            end || format(' %I.%I', owned.nspname, relation.relname),
            relation.relowner
        from owned
        join pg_class as relation on relation.relnamespace = owned.oid
        where relation.relkind in ('r', 'p', 'v', 'm', 'c')
        union all
        select 3, format('domain %I.%I', owned.nspname, kind.typname), kind.typowner
        from owned
        join pg_type as kind on kind.typnamespace = owned.oid
        where kind.typtype = 'd'
        union all
        select 4, 'routine ' || routine.oid::regprocedure, routine.proowner
        from owned
        join pg_proc as routine on routine.pronamespace = owned.oid
        union all
        select 5, 'operator ' || operator.oid::regoperator, operator.oprowner
        from owned
        join pg_operator as operator on operator.oprnamespace = owned.oid
    )
    select told.statement
    from (
        select thing.place, format('alter %s owner to ragpg_owner', thing.name) as statement
        from thing
        where thing.owner is distinct from to_regrole('ragpg_owner')::oid
        union all
        -- What readers may see of tables to come, whoever makes them.
        select
            6,
            format(
                'alter default privileges for role %s in schema ragpg %s',
                maker.role, format(maker.change, acl.grantee::regrole)
            )
        from owned
        join pg_default_acl as given on given.defaclnamespace = owned.oid
        cross join aclexplode(given.defaclacl) as acl
        cross join lateral (
            values
                ('ragpg_owner', 'grant select on tables to %s'),
                (given.defaclrole::regrole::text, 'revoke select on tables from %s')
        ) as maker (role, change)
        where given.defaclobjtype = 'r'
            and acl.privilege_type = 'SELECT'
            and acl.grantee <> 0
            and acl.grantee <> given.defaclrole
            and given.defaclrole is distinct from to_regrole('ragpg_owner')::oid
        union all
        -- Before a table that is followed is emptied, its trigger reads it.
        select
            7,
            format(
                'grant select (%I) on %s to ragpg_owner', followed.source_column, followed.table_name
            )
        from ragpg.indexed_tables as followed
        join pg_class as relation on relation.oid = followed.table_name
        join pg_attribute as col
            on col.attrelid = relation.oid and col.attname = followed.source_column
            and not col.attisdropped
        where pg_has_role(relation.relowner, 'usage')
            and not has_column_privilege(
                to_regrole('ragpg_owner')::oid, relation.oid, col.attnum, 'select'
            )
    ) as told
    order by told.place, told.statement;
end;
comment on function ragpg_internal.ownership_changes() is
'Returns the statements that give to ragpg_owner what of ragpg is somebody else''s. For ragpg_internal.hand_over.';

-- Does a document's metadata pass a filter?
create or replace function ragpg_internal.passes(metadata jsonb, filter jsonpath) returns boolean
language sql stable parallel safe
-- Inlined into the statements that use it, so that `@@` finds its index. Times are compared by the
-- session's time zone where one has none: `@@` would raise an error that nothing silences.
return case
    when filter::text ~ '\.(datetime|date|time|time_tz|timestamp|timestamp_tz)\('
        then jsonb_path_match_tz(metadata, filter, '{}', true)
    else metadata @@ filter
end;
comment on function ragpg_internal.passes(jsonb, jsonpath) is
'Returns whether metadata pass a filter; null, as good as no, where the filter cannot be asked of them: a value of another type, a time that is none.';

-- A filter on one tenant's metadata alone, whatever plan it is asked by.
create or replace function ragpg_internal.tenant_filter(filter jsonpath, tenant text)
returns jsonpath
language sql immutable parallel safe
-- Each $ outside quotes gets the tenant's name behind it; a jsonpath writes itself with all keys
-- and strings in double quotes.
return (
    select string_agg(
        case token.part[1] when '$' then '$.' || to_json(tenant) else token.part[1] end,
        '' order by token.place
    )::jsonpath
    from regexp_matches(filter::text, '"(?:[^"\\]|\\.)*"|[^"$]+|\$', 'g')
        with ordinality as token (part, place)
);
comment on function ragpg_internal.tenant_filter(jsonpath, text) is
'Returns the filter that asks of {"tenant": metadata} what the given one asks of metadata. Other tenants'' rows have nothing under that name: no error, no match and no entry of the index documents_tenant_metadata_gin comes from them.';

-- How is a tenant compared: by its index, or by whatever else finds the rows?
create or replace function ragpg_internal.tenant_condition(
    index_id bigint, tenant text, column_name text, parameter text
) returns text
language sql stable
begin atomic
    -- Without statistics, and there are none of tenants, the planner takes each one for a two
    -- hundredth of all rows, and its index for the best. Of a large one it reads too much.
    select format(
        case when coalesce(max(counted.chunk_count), 0) > 20000 then '%s || '''' = %s' else '%s = %s' end,
        tenant_condition.column_name, tenant_condition.parameter
    )
    from ragpg.index_statistics as counted
    where counted.index_id = tenant_condition.index_id
        and counted.tenant = tenant_condition.tenant;
end;
comment on function ragpg_internal.tenant_condition(bigint, text, text, text) is
'Returns the SQL that compares a column with a tenant: in a way that its index serves while the tenant has up to 20,000 chunks in the search index, so few that reading them all is quick; else not.';

-- Was an answer good, and what should it have said?
create or replace function ragpg.feedback(
    answer_id bigint,
    rating text,
    corrected_text text default null,
    comment text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    new_id bigint;
    of_tenant text;
begin
    if rating is null or rating not in ('good', 'bad') then
        raise exception 'the rating is %, not good or bad', coalesce(quote_literal(rating), 'null')
            using errcode = 'RG005', hint = 'say good or bad; what it should have said is corrected_text';
    end if;
    select answer.tenant into of_tenant
    from ragpg.answers as answer
    where answer.id = feedback.answer_id;
    if not found then
        raise exception 'there is no answer %', coalesce(answer_id::text, 'null')
            using errcode = 'RG005', hint = 'table ragpg.answers has them, with their questions';
    end if;
    insert into ragpg.answer_feedback (answer_id, rating, corrected_text, comment, tenant)
    values (
        feedback.answer_id, feedback.rating, nullif(btrim(feedback.corrected_text), ''),
        coalesce(feedback.comment, ''), of_tenant
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.feedback(bigint, text, text, text) is
'Stores what a person thinks of an answer: good or bad, what it should have said, a comment; returns its id. The newest counts. Raises RG005.';

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
    of_tenant text;
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
    returning answer.id, answer.tenant into new_id, of_tenant;
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end, tenant
    )
    select
        new_id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end,
        of_tenant
    from jsonb_array_elements(save_answer.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    );
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there.';

-- This role acts for this tenant, whatever it sets.
create or replace function ragpg.bind_role(role_name text, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank'
            using errcode = 'RG005', hint = 'a role that may name any: ragpg.trust_role';
    end if;
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (bind_role.role_name, bind_role.tenant)
    on conflict on constraint tenant_roles_key do nothing;
end
$$;
revoke execute on function ragpg.bind_role(text, text) from public;
comment on function ragpg.bind_role(text, text) is
'Binds a role, and the roles that inherit from it, to a tenant: it then sees that one''s rows and no other''s, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Kept by the role''s name, so that a dump restores it; a role renamed is to be bound again. Raises RG005 for a blank tenant.';

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
    is_trusted boolean;
begin
    -- Not by current_user, which in a security definer function is another's.
    select
        array_agg(distinct bound.tenant) filter (where bound.tenant is not null),
        bool_or(bound.tenant is null)
    into allowed, is_trusted
    from ragpg.tenant_roles as bound
    join pg_roles as known on known.rolname = bound.role
    where pg_has_role(ragpg_internal.calling_role(), known.oid, 'usage');
    if is_trusted or wanted = any(allowed) or ragpg_internal.sees_all_tenants() then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant this session acts for, null for none: for a role bound by ragpg.bind_role the setting ragpg.tenant, if it is one of its tenants, or without a setting the only one it has; for one of ragpg.trust_role, and for whoever sees all, the setting. Null for every other role. Policies compare rows with it.';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    drop index if exists ragpg.documents_tenant_metadata_gin;
    create index if not exists documents_metadata_gin
        on ragpg.documents using gin (metadata jsonb_path_ops);
    comment on index ragpg.documents_metadata_gin is 'Serves the jsonpath filter of ragpg.search.';
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
set search_path = ragpg_internal, ragpg, pg_temp
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
    -- Metadata under their tenant's name: see ragpg_internal.tenant_filter.
    drop index if exists ragpg.documents_metadata_gin;
    create index if not exists documents_tenant_metadata_gin
        on ragpg.documents using gin ((jsonb_set('{}', array[tenant], metadata)) jsonb_path_ops);
    comment on index ragpg.documents_tenant_metadata_gin is
        'Serves the jsonpath filter of ragpg.search, for each tenant on its own.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
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

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format(
        'alter default privileges for role %s in schema ragpg grant select on tables to %I',
        (
            select space.nspowner::regrole
            from pg_namespace as space
            where space.nspname = 'ragpg'
        ),
        role_name
    );
    execute format('grant execute on function ragpg_internal.remember_query(bigint, text) to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    execute format(
        'grant execute on function ragpg_internal.keyword_candidates, ragpg_internal.matching_documents to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';

-- Everything of ragpg becomes a role's that has nothing else.
create or replace function ragpg_internal.hand_over() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    change text;
begin
    if to_regrole('ragpg_owner') is null then
        create role ragpg_owner;
        comment on role ragpg_owner is 'Owns ragpg in every database of this server; nobody logs in as it. Its members administer ragpg.';
        if current_setting('is_superuser') = 'off' then
            execute format('grant ragpg_owner to %I', current_user);
        end if;
    elsif exists (
        select
        from pg_roles as known
        where known.rolname = 'ragpg_owner'
            and (known.rolcanlogin or known.rolsuper or known.rolcreaterole or known.rolbypassrls)
    ) then
        raise exception 'the role ragpg_owner may log in, or more than own ragpg'
            using errcode = '42501',
                hint = 'alter role ragpg_owner nologin nosuperuser nocreaterole nobypassrls';
    end if;
    -- Schemas first: what is in them may only be given to who may create there.
    for change in select owned.statement from ragpg_internal.ownership_changes() as owned loop
        execute change;
    end loop;
    if not has_schema_privilege('ragpg_owner', ragpg_internal.vector_schema()::regnamespace, 'usage')
    then
        execute format('grant usage on schema %s to ragpg_owner', ragpg_internal.vector_schema());
    end if;
exception
    when insufficient_privilege then
        raise notice 'ragpg stays with the role %: %', current_user, sqlerrm
            using hint = 'a role that may create roles gives it to one of its own: select ragpg.secure()';
    when duplicate_object or unique_violation then
        -- Another database of this server was quicker.
        perform ragpg_internal.hand_over();
end
$$;
revoke execute on function ragpg_internal.hand_over() from public;
comment on function ragpg_internal.hand_over() is
'Gives the schemas ragpg and ragpg_internal, and all in them, to the role ragpg_owner, which it makes; leaves all as it is, with a notice, where the caller may not.';

-- Row-level security of one table on or off, and what the planner would tell of its rows.
create or replace function ragpg_internal.protect_table(
    kept regclass, protected boolean
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    told record;
begin
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    for told in select col.* from ragpg_internal.told_columns(kept) as col loop
        execute format(
            'alter %s %s alter column %s set statistics %s',
            case when told.is_index then 'index' else 'table' end, told.relation,
            case when told.is_index then told.place::text else quote_ident(told.name) end,
            case when protected then 0 else -1 end
        );
        if not protected then
            continue;
        elsif current_setting('server_version_num')::integer >= 180000 then
            execute
                'select pg_clear_attribute_stats($1, $2, $3, inherited)'
                ' from unnest(array[false, true]) as inherited'
            using told.schema_name, told.relation_name, told.name;
        elsif (select known.rolsuper from pg_roles as known where known.rolname = current_user) then
            delete from pg_statistic as known
            where known.starelid = told.relation and known.staattnum = told.place;
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.protect_table(regclass, boolean) from public;
comment on function ragpg_internal.protect_table(regclass, boolean) is
'Switches row-level security of one of ragpg''s tables on or off. On, no statistics are gathered of its columns but the keys (ragpg_internal.told_columns), and those there were are forgotten (Postgres 18 or newer, or a superuser).';

-- Whose chunks may a search read?
create or replace function ragpg_internal.searched_tenant() returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg_internal.sees_all_tenants() then
        raise exception 'role % %', ragpg_internal.calling_role(), coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
    return found_tenant;
end
$$;
comment on function ragpg_internal.searched_tenant() is
'Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.';

-- After an upgrade or a restore: whose ragpg is, and who sees what.
create or replace function ragpg.secure() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.secure'));
    perform ragpg_internal.hand_over();
    if ragpg_internal.tenants_enabled() then
        perform ragpg.enable_tenants();
    end if;
end
$$;
revoke execute on function ragpg.secure() from public;
comment on function ragpg.secure() is
'Gives everything of ragpg to the role ragpg_owner, which nobody logs in as, so that functions that run as their owner have no more rights than ragpg itself; where the caller may not make that role, all stays whose it is, with a notice. Where tenants are on, they are kept apart anew. ragpg init and ragpg migrate call it; call it after a restore.';

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
        raise exception 'role % may not act for tenant "%"', ragpg_internal.calling_role(), tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles (ragpg.bind_role), or lets them choose (ragpg.trust_role)';
    end if;
end
$$;
comment on function ragpg.set_tenant(text, boolean) is
'Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session''s outlasts a transaction of a pooler such as pgbouncer and would be the next client''s: there keep to the transaction''s. Raises RG013 when the role may not act for it.';

-- This role names its tenant itself, and may name any.
create or replace function ragpg.trust_role(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (trust_role.role_name, null)
    on conflict on constraint tenant_roles_key do nothing;
end
$$;
revoke execute on function ragpg.trust_role(text) from public;
comment on function ragpg.trust_role(text) is
'Lets a role, and the roles that inherit from it, act for whichever tenant it sets (ragpg.set_tenant): an application that serves them all, whose SQL is yours. It sees nothing until it sets one. ragpg.unbind_role(role, null) takes it back.';

-- This role no longer acts for this tenant.
create or replace function ragpg.unbind_role(role_name text, tenant text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = unbind_role.role_name
        and bound.tenant is not distinct from unbind_role.tenant;
    return found;
end
$$;
revoke execute on function ragpg.unbind_role(text, text) from public;
comment on function ragpg.unbind_role(text, text) is
'Takes back ragpg.bind_role, or, with the tenant null, ragpg.trust_role; returns whether there was anything to take back. A role with nothing left sees no rows. The role itself may be gone.';

-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    return query
    with block as materialized (
        select
            used.document_id, used.version, used.number,
            substr(
                ragpg.document_text(used.document_id, used.version),
                used.number * block_chars + 1, block_chars + used.longest
            ) as content
        from (
            select
                chunk.document_id, chunk.document_version as version,
                chunk.start_char / block_chars as number,
                max(chunk.end_char - chunk.start_char) as longest
            from ragpg.chunks as chunk
            join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
            where only_id is null or recipe.collection_id = only_id
            group by 1, 2, 3
        ) as used
    )
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    join block
        on block.document_id = chunk.document_id
        and block.version = chunk.document_version
        and block.number = chunk.start_char / block_chars
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg_internal.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    found jsonb;
    relevant_ids bigint[];
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
begin
    select known.* into strict run from ragpg.evaluation_runs as known where known.id = run_id;
    select question.question, one.name into strict asked, collection
    from ragpg.evaluation_questions as question
    join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
    join ragpg.collections as one on one.id = of_set.collection_id
    where question.id = question_id and of_set.id = run.evaluation_set_id;
    started := clock_timestamp();
    select coalesce(jsonb_agg(to_jsonb(hit) - 'content' - 'metadata' - 'context'), '[]') into found
    from ragpg.search(
        query => asked, k => run.k, collection => collection,
        query_embedding => evaluate_question.query_embedding, mode => run.mode,
        index_id => run.index_id
    ) as hit;
    latency := extract(epoch from clock_timestamp() - started) * 1000;

    with span as materialized (
        select label.*
        from ragpg.evaluation_label_spans as label
        where label.evaluation_question_id = question_id
    ),
    touched as materialized (
        select
            span.evaluation_label_id, chunk.id,
            chunk.start_char <= span.start_char and span.end_char <= chunk.end_char as is_whole
        from span
        -- Looked up document by document: a join may be planned that reads every chunk.
        cross join lateral (
            select one.id, one.start_char, one.end_char
            from ragpg.chunks as one
            where one.index_id = run.index_id
                and one.document_id = span.document_id
                and one.start_char < span.end_char
                and span.start_char < one.end_char
            offset 0
        ) as chunk
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (select count(*) from span),
        (select count(*) from span where span.state <> 'found'),
        (
            select count(*)
            from span
            where span.state = 'found'
                and not exists (
                    select
                    from touched
                    where touched.evaluation_label_id = span.evaluation_label_id
                        and touched.is_whole
                )
        ),
        (
            select coalesce(jsonb_object_agg(by_document.document_id, by_document.spans::text), '{}')
            from (
                select
                    span.document_id,
                    range_agg(int4range(span.start_char, span.end_char)) as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, labels, lost, split, spans;

    select min(hit.place) into first_place
    from jsonb_to_recordset(found) as hit (place integer, chunk_id bigint)
    where hit.chunk_id = any(relevant_ids);
    if first_place is null and cardinality(relevant_ids) > 0 then
        -- Ranked too low, or not even a candidate?
        select min(hit.place) into first_place
        from ragpg.search(
            query => asked, k => (run.recipe ->> 'candidates')::integer * 2,
            collection => collection, query_embedding => evaluate_question.query_embedding,
            mode => run.mode, index_id => run.index_id
        ) as hit
        where hit.chunk_id = any(relevant_ids);
    end if;
    insert into ragpg.evaluation_results (
        evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks,
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans,
        tenant
    )
    values (
        run_id, question_id, jsonb_array_length(found), cardinality(relevant_ids), first_place,
        latency, labels, lost, split, spans, run.tenant
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25, tenant
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25, run.tenant
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg_internal.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

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
        evaluation_question_id, source, quote, start_char, end_char, tenant
    )
    select asked.id, label.source, label.quote, label.start_char, label.end_char, asked.tenant
    from ragpg.evaluation_questions as asked
    cross join jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    )
    where asked.id = new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_question(text, text, text, jsonb, text, boolean, text[]) is
'Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.';

-- Which settings were best, and what do they cost?
create or replace function ragpg.rank_runs(run_ids bigint[])
returns table (
    run_id bigint, index_id bigint, embedding_model text, chunk_tokens integer,
    overlap_tokens integer, k integer, vector_weight real, candidates integer, ef_search integer,
    train_ndcg double precision, train_span_recall double precision,
    held_out_ndcg double precision, held_out_span_recall double precision,
    latency_p50_ms double precision, index_bytes bigint, best_trade boolean
)
language sql stable
begin atomic
    with measured as materialized (
        select
            measure.evaluation_run_id as run_id,
            avg(measure.ndcg) filter (where side.split = 'train') as train_ndcg,
            avg(measure.span_recall) filter (where side.split = 'train') as train_span_recall,
            avg(measure.ndcg) filter (where side.split = 'held-out') as held_out_ndcg,
            avg(measure.span_recall) filter (where side.split = 'held-out') as held_out_span_recall,
            percentile_cont(0.5) within group (order by measure.latency_ms) as latency
        from ragpg.evaluation_measures as measure
        cross join lateral ragpg_internal.evaluation_split(measure.evaluation_question_id)
            as side (split)
        where measure.evaluation_run_id = any(rank_runs.run_ids)
        group by measure.evaluation_run_id
    ),
    sized as materialized (
        select
            run.id, run.index_id, run.recipe, run.k, measured.train_ndcg,
            measured.train_span_recall, measured.held_out_ndcg, measured.held_out_span_recall,
            measured.latency,
            pg_total_relation_size(to_regclass('ragpg.chunks_' || run.index_id)) as bytes
        from measured
        join ragpg.evaluation_runs as run on run.id = measured.run_id
    )
    select
        one.id, one.index_id, one.recipe ->> 'embedding_model',
        (one.recipe ->> 'chunk_tokens')::integer, (one.recipe ->> 'overlap_tokens')::integer,
        one.k, (one.recipe ->> 'vector_weight')::real, (one.recipe ->> 'candidates')::integer,
        (one.recipe ->> 'ef_search')::integer, one.train_ndcg, one.train_span_recall,
        one.held_out_ndcg, one.held_out_span_recall, one.latency, one.bytes,
        not exists (
            select
            from sized as other
            where other.train_span_recall >= one.train_span_recall
                and other.train_ndcg >= one.train_ndcg
                and other.latency <= one.latency
                and other.bytes <= one.bytes
                and (
                    other.train_span_recall > one.train_span_recall
                    or other.train_ndcg > one.train_ndcg
                    or other.latency < one.latency
                    or other.bytes < one.bytes
                )
        )
    from sized as one
    order by one.train_span_recall desc nulls last, one.train_ndcg desc nulls last, one.id;
end;
comment on function ragpg.rank_runs(bigint[]) is
'Returns runs of one evaluation set with their settings, nDCG at k and the share of labelled characters among the hits, each on both halves of ragpg_internal.evaluation_split, the median milliseconds of a search and the bytes of chunks and their indexes, best on the training half first. best_trade: no other run is as good in all four and better in one (Pareto).';

-- A new run of an evaluation set.
create or replace function ragpg_internal.start_evaluation(
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
        and known.tenant = ragpg_internal.written_tenant()
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
    insert into ragpg.evaluation_runs (evaluation_set_id, index_id, k, mode, note, recipe, tenant)
    select
        asked.id, recipe.id, start_evaluation.k, start_evaluation.mode, start_evaluation.note,
        to_jsonb(recipe) || jsonb_build_object(
            'embedding_model', (
                select model.name
                from ragpg.embedding_models as model
                where model.id = recipe.embedding_model_id
            )
        ),
        asked.tenant
    from ragpg.evaluation_sets as asked
    where asked.id = set_id
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_evaluation(text, text, integer, text, bigint, text) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). ragpg_internal.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';

-- What does search confuse with the answer?
create or replace function ragpg_internal.hard_negatives(
    question text,
    relevant_chunk_ids bigint[],
    wanted integer default 3,
    collection text default null,
    query_embedding halfvec default null,
    index_id bigint default null,
    depth integer default 50,
    max_similarity double precision default 0.95,
    excluded_document_ids bigint[] default '{}'
) returns table (
    place integer, source text, text text, similarity double precision, document_id bigint,
    chunk_id bigint
)
language sql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    with recipe as materialized (
        select coalesce(hard_negatives.index_id, one.active_index_id) as id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(hard_negatives.collection)
    )
    select
        hit.place, hit.source,
        ragpg_internal.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from recipe
    cross join ragpg.search(
        query => hard_negatives.question, k => hard_negatives.depth,
        collection => hard_negatives.collection,
        query_embedding => hard_negatives.query_embedding, index_id => recipe.id
    ) as hit
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = hit.chunk_id
        limit 1
    ) as chunk
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from ragpg.chunks as answer
            where answer.index_id = recipe.id
                and answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
$$;
comment on function ragpg_internal.hard_negatives(text, bigint[], integer, text, halfvec, bigint, integer, double precision, bigint[]) is
'Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
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
    perform ragpg_internal.check_shared('collection ' || collection_name)
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
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
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

-- The HNSW index of a search index, after its first load.
create or replace function ragpg_internal.build_vector_index(index_id bigint, dimensions integer)
returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    statement text := format(
        'create index if not exists %1$I on ragpg.%2$I'
        ' using hnsw ((embedding::%3$s.halfvec(%4$s)) %3$s.halfvec_cosine_ops)',
        format('chunks_%s_embedding_hnsw', index_id), 'chunks_' || index_id,
        ragpg_internal.vector_schema(), dimensions
    );
begin
    execute statement;
exception
    -- Too little shared memory for a parallel build (containers often have 64 MB): build alone.
    when disk_full or out_of_memory then
        perform set_config('max_parallel_maintenance_workers', '0', true);
        execute statement;
end
$$;
revoke execute on function ragpg_internal.build_vector_index(bigint, integer) from public;
comment on function ragpg_internal.build_vector_index(bigint, integer) is
'Builds the HNSW index of a search index''s partition (cosine, halfvec) if it is not there; without parallel workers when shared memory is short.';

-- What does ranking need to know of a search index, or of one tenant's part of it?
create or replace function ragpg_internal.count_chunks(index_id bigint, tenant text) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
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
revoke execute on function ragpg_internal.count_chunks(bigint, text) from public;
comment on function ragpg_internal.count_chunks(bigint, text) is
'Counts the words and samples the embeddings that ranking uses, of one tenant''s chunks of a search index; of all of them when the tenant is empty. Part of ragpg.refresh_search_index.';

-- Which tenants' words are to be counted again?
create or replace function ragpg_internal.count_tenants(
    index_id bigint, force boolean
) returns integer
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    changed_tenant text;
    done integer := 0;
begin
    if not ragpg_internal.tenants_enabled() then
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
        perform ragpg_internal.count_chunks(count_tenants.index_id, changed_tenant);
        done := done + 1;
    end loop;
    return done;
end
$$;
revoke execute on function ragpg_internal.count_tenants(bigint, boolean) from public;
comment on function ragpg_internal.count_tenants(bigint, boolean) is
'Counts anew, while tenants are on, for each tenant of whose chunks enough changed (or, with force, any); forgets the counts of tenants that are gone. Returns how many were counted. Part of ragpg.refresh_search_index.';

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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg_internal.check_shared('collection ' || collection)
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
        ' check (%s.vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, ragpg_internal.vector_schema(), dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    if ragpg_internal.tenants_enabled() then
        perform ragpg_internal.protect_table(format('ragpg.%I', 'chunks_' || new_id)::regclass, true);
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

-- By which text-search configuration is this document's word search done?
create or replace function ragpg_internal.document_language(
    language text, metadata jsonb, content text
)
returns text
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    said text := lower(metadata ->> 'language');
begin
    if language <> 'auto' then
        return language;
    end if;
    select iso.name into said
    from (
        values
            ('ar', 'arabic'), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
            ('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('et', 'estonian'),
            ('fi', 'finnish'), ('fr', 'french'), ('de', 'german'), ('el', 'greek'),
            ('hi', 'hindi'), ('hu', 'hungarian'), ('id', 'indonesian'), ('ga', 'irish'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('ne', 'nepali'), ('nb', 'norwegian'),
            ('nn', 'norwegian'), ('no', 'norwegian'), ('pl', 'polish'), ('pt', 'portuguese'),
            ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('es', 'spanish'),
            ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
    ) as iso (code, name)
    where said in (iso.code, iso.name) or said like iso.code || '-%' or said like iso.code || '\_%';
    return coalesce(
        (
            select configuration.cfgname::text
            from unnest(array[said, ragpg.text_language(content)]) with ordinality
                as candidate (name, place)
            join pg_catalog.pg_ts_config as configuration on configuration.cfgname = candidate.name
            where pg_ts_config_is_visible(configuration.oid)
            order by candidate.place
            limit 1
        ),
        'simple'
    );
end
$$;
comment on function ragpg_internal.document_language(text, jsonb, text) is
'Returns the search index''s language, unless that is auto: then the one the metadata name under language (english, en or en-GB), else the one the text shows (ragpg.text_language), where Postgres has a configuration for it; else simple.';

-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    collection text,
    source text,
    content text,
    title text,
    metadata jsonb,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(source, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(content, '') !~ '\S' then
        perform ragpg.delete_document(collection, source);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => index_row.source,
        content => index_row.content,
        title => coalesce(index_row.title, ''),
        media_type => index_row.media_type,
        metadata => index_row.metadata
    );
end
$$;
comment on function ragpg_internal.index_row(text, text, text, text, jsonb, text) is
'Stores what a row says as a document of a collection; one without content is deleted. For ragpg.index_table.';

-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    arguments text := format(
        '%L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type
    );
    missing text;
    source text;
    content text;
    title text;
    metadata jsonb;
    rows_done bigint := 0;
    before text := current_setting('row_security');
begin
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    perform ragpg_internal.let_owner_read(table_name, source_column);
    perform set_config('row_security', 'off', true);  -- an error rather than a policy of its owner's
    for source, content, title, metadata in execute format(
        'select %s from %s as stored',
        ragpg_internal.row_reading(
            table_name, source_column, content_column, title_column, metadata_columns, 'stored'
        ),
        table_name
    ) loop
        perform ragpg_internal.index_row(collection, source, content, title, metadata, media_type);
        rows_done := rows_done + 1;
    end loop;
    perform set_config('row_security', before, true);
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner; the owner of schema ragpg must be able to read it.';

-- Trigger: what happened to a table that is indexed?
create or replace function ragpg_internal.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    source_was text;
    source text;
    content text;
    title text;
    metadata jsonb;
    sources text[];
    before text := current_setting('row_security');
begin
    -- The table may be anybody's: what its owner has made of types, casts and policies must not run
    -- with the rights of this function.
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        begin
            perform set_config('row_security', 'off', true);  -- an error rather than a policy
            execute format(
                'select array_agg(%s) from %s as stored',
                ragpg_internal.column_reading(tg_relid, tg_argv[1], 'stored'), tg_relid::regclass
            )
            into sources;
            perform set_config('row_security', before, true);
        exception
            when insufficient_privilege then
                raise exception 'collection % would keep the rows of %: %',
                    tg_argv[0], tg_relid::regclass, sqlerrm
                    using errcode = '42501', hint = format(
                        'delete from %s instead, or let %s read it, or first ragpg.stop_indexing_table',
                        tg_relid::regclass, current_user
                    );
        end;
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(tg_argv[0])
            and document.tenant = ragpg_internal.written_tenant()
            and document.source = any(sources);
        return null;
    end if;
    if tg_op <> 'INSERT' then
        execute 'select ' || ragpg_internal.column_reading(tg_relid, tg_argv[1], '($1)')
        into source_was
        using old;
    end if;
    if tg_op <> 'DELETE' then
        execute 'select ' || ragpg_internal.row_reading(
            tg_relid, tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4]::text[], '($1)'
        )
        into source, content, title, metadata
        using new;
    end if;
    if tg_op <> 'INSERT' and source_was is distinct from source then
        perform ragpg.delete_document(tg_argv[0], source_was);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(tg_argv[0], source, content, title, metadata, tg_argv[5]);
    end if;
    return null;
end
$$;
revoke execute on function ragpg_internal.index_table_row() from public;
comment on function ragpg_internal.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';

-- Before a followed table is emptied its trigger, which runs as ragpg's owner, reads the sources.
create or replace function ragpg_internal.let_owner_read(table_name regclass, source_column text)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    reader regrole := (select space.nspowner from pg_namespace as space where space.nspname = 'ragpg');
    place regnamespace := (
        select relation.relnamespace from pg_class as relation where relation.oid = table_name
    );
begin
    if not has_schema_privilege(reader, place, 'usage') then
        execute format('grant usage on schema %s to %s', place, reader);
    end if;
    if not has_column_privilege(reader, table_name, source_column, 'select') then
        execute format('grant select (%I) on %s to %s', source_column, table_name, reader);
    end if;
exception
    when insufficient_privilege then
        raise exception 'the role % cannot read %: %', reader, table_name, sqlerrm
            using errcode = '42501',
                hint = format(
                    'grant usage on schema %s to %s; grant select on %s to %s',
                    place, reader, table_name, reader
                );
end
$$;
comment on function ragpg_internal.let_owner_read(regclass, text) is
'Lets the owner of schema ragpg read the column of a table that ragpg.index_table follows. Raises 42501 with what to grant where the caller may not.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg_internal.put_embedded_documents(
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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
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
            0, 0, ragpg_internal.document_language(recipe.language, given.metadata, given.content),
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
comment on function ragpg_internal.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
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
        return ragpg_internal.count_tenants(refresh_search_index.index_id, force) > 0;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg_internal.build_vector_index(refresh_search_index.index_id, dimensions);
        if ragpg_internal.tenants_enabled() then  -- the expressions of new indexes, too
            perform ragpg_internal.protect_table(format('ragpg.%I', partition_name)::regclass, true);
        end if;
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    perform ragpg_internal.count_chunks(refresh_search_index.index_id, '');
    perform ragpg_internal.count_tenants(refresh_search_index.index_id, force);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';

-- The chunks of a document version, all at once.
create or replace function ragpg_internal.replace_chunks(
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
set search_path = ragpg_internal, ragpg, pg_temp
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
    select ragpg_internal.document_language(recipe.language, document_metadata, body)
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
comment on function ragpg_internal.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[], integer[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

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
    sources text[];
    before text := current_setting('row_security');
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
        perform set_config('row_security', 'off', true);  -- an error rather than a policy
        execute format(
            'select array_agg(%s) from %s as stored',
            ragpg_internal.column_reading(table_name, followed.source_column, 'stored'), table_name
        )
        into sources;
        perform set_config('row_security', before, true);
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(stop_indexing_table.collection)
            and document.tenant = ragpg_internal.written_tenant()
            and document.source = any(sources);
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';

-- Does anything need attention now?
create or replace view ragpg.health_problems with (security_invoker = true) as
select
    lag.collection,
    'documents fail' as problem,
    format('%s documents could not be indexed', lag.failing_documents) as detail,
    'ragpg.ingest_queue has the errors' as what_to_do
from ragpg.ingest_lag as lag
where lag.failing_documents > 0
union all
select
    lag.collection, 'indexing is behind',
    format('%s documents wait, the oldest for %s minutes', lag.waiting_documents,
        floor(lag.lag_seconds / 60)),
    'start a worker: ragpg worker'
from ragpg.ingest_lag as lag
where lag.lag_seconds > 900 and lag.waiting_documents > lag.failing_documents
union all
select
    health.collection, wrong.problem, format('search index %s: %s', health.index_id, wrong.detail),
    wrong.what_to_do
from ragpg.index_health as health
cross join lateral (
    values
        (
            not health.indexes_valid, 'index is invalid', 'searches do not use it',
            'reindex it: ragpg.verify() names it'
        ),
        (
            health.recall < 0.9, 'recall is low',
            format('recall %s, measured %s', round(health.recall::numeric, 3),
                health.recall_measured_at),
            'ragpg index tune --recall 0.98'
        ),
        (
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > case when health.chunks > 20000 then health.chunks / 50 else 0 end,
            'statistics are stale',
            format('counted with %s chunks, now %s', coalesce(health.counted_chunks, 0), health.chunks),
            format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
        ),
        (
            health.dead_chunks > greatest(health.chunks, 1000), 'many dead rows',
            format('%s dead, %s alive', health.dead_chunks, health.chunks),
            format('vacuum ragpg.chunks_%s; autovacuum does not keep up', health.index_id)
        )
) as wrong (is_wrong, problem, detail, what_to_do)
where health.state = 'ready' and wrong.is_wrong
union all
select null, found.problem, format('%s: %s', found.object, found.detail), found.what_to_do
from ragpg_internal.safety_problems() as found;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection; null for what concerns all.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows; functions run as a superuser, table is not kept apart, function does not run as its owner, statistics tell of all tenants, bound role is missing, role acts for no tenant.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';

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
set search_path = ragpg_internal, ragpg, pg_temp
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
            select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding
            from ragpg.chunks as chunk
            where chunk.index_id = active_id
            order by ragpg_internal.hash_text(chunk.content), chunk.id
        ) as drawn
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        order by hashint8extended(drawn.id, 0)
        limit near_duplicates.chunks
    loop
        execute format(
            'select array_agg(near.id) from ('
            '  select chunk.id, chunk.embedding <=> $1 as distance'
            '  from ragpg.chunks as chunk where chunk.index_id = %1$s'
            '  order by chunk.embedding::%2$s.halfvec(%3$s) operator(%2$s.<=>) $1 limit %4$s'
            ' ) as near where near.id <> $2 and near.distance <= 1 - $3::double precision',
            active_id, ragpg_internal.vector_schema(), dimensions, neighbours + 1
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
                min(chunk.id) over (
                    partition by ragpg_internal.hash_text(chunk.content)
                ) as first_id
            from ragpg.chunks as chunk
            where chunk.index_id = active_id and near_duplicates.chunks is null
        ) as same
        where same.id <> same.first_id
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case
                when a.content = b.content then 1
                else ragpg_internal.word_overlap(a.content, b.content)
            end
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

-- Where does a question lie among the embeddings?
-- Stable, though a new question is remembered: an index scan takes no volatile operand, and a
-- stable function may call a volatile one, whose writing does not change the result here. Not
-- parallel safe, because writing is not.
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    usable bigint[];
    encoder ragpg.encoders;
    known vector;
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    known := ragpg_internal.remembered_query(usable[1], query);
    if known is not null then
        return known;
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = usable[1];
    if encoder.cached_queries > 0
        -- On a standby every transaction is read-only.
        and current_setting('transaction_read_only') = 'off'
        -- In a stricter transaction, rows that others evict would make it fail.
        and current_setting('transaction_isolation') = 'read committed'
        and has_function_privilege('ragpg_internal.remember_query(bigint, text)', 'execute')
    then
        return ragpg_internal.remember_query(usable[1], query);
    end if;
    return ragpg_internal.encode(usable[1], ragpg_internal.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1. A question asked before is looked up in ragpg.query_embeddings, a new one is stored there where the transaction may write.';

-- Which embedding does a BERT model give a row of tokens?
create or replace function ragpg_internal.encode(encoder_id bigint, token_ids integer[])
returns vector
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    encoder ragpg.encoders;
    norm ragpg.encoder_layers;
    count_of_tokens integer := cardinality(token_ids);
    size integer;  -- width of a head
    states vector[];  -- of each token, with a 1 at the end that multiplies the bias
    asked vector[];  -- queries and keys of each token
    keys vector[];  -- keys of each head, token by token
    held vector[];  -- values: one vector over the tokens for each number of the width
    mixed vector[];
    ones vector;
    token_ones vector;
    tail vector;  -- puts LayerNorm's epsilon under the root
    one constant vector := '[1]';
begin
    if current_setting('server_version_num')::integer < 160000 then
        raise exception 'computing embeddings in the database needs Postgres 16 or newer'
            using errcode = 'RG009', hint = 'pass a query embedding';
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = encode.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    size := encoder.width / encoder.heads;
    ones := array_fill(1::real, array[encoder.width])::vector;
    token_ones := array_fill(1::real, array[count_of_tokens])::vector;
    tail := array[sqrt(encoder.layer_norm_epsilon * encoder.width)]::vector;
    -- LayerNorm: off with the mean, to length 1; the gain brings back the root of the width.
    select
        array_agg(
            l2_normalize(
                entered.state - array_fill(
                    (-(entered.state <#> ones) / encoder.width)::real, array[encoder.width]
                )::vector || tail
            ) * entered.output_gain + entered.output_shift
            order by entered.place
        )
    into states
    from (
        select
            listed.place,
            token.embedding::vector + position.embedding as state,
            layer.output_gain,
            layer.output_shift
        from unnest(token_ids) with ordinality as listed (token_id, place)
        join ragpg.encoder_embeddings as token
            on token.embedding_model_id = encoder_id and token.token_id = listed.token_id
        join ragpg.encoder_positions as position
            on position.embedding_model_id = encoder_id
            and position.token_position = listed.place::integer
        join ragpg.encoder_layers as layer
            on layer.embedding_model_id = encoder_id and layer.layer = 0
        offset 0
    ) as entered;
    if cardinality(states) is distinct from count_of_tokens then
        raise exception 'a token or its place is unknown to embedding model %', encoder_id
            using errcode = 'RG009';
    end if;
    for layer_number in 1..encoder.layers loop
        select stored.* into norm
        from ragpg.encoder_layers as stored
        where stored.embedding_model_id = encoder_id and stored.layer = layer_number;
        -- Attention: each head of each token mixes the values of all tokens, in shares of the
        -- exponentials of its query's products with their keys.
        asked := ragpg_internal.multiply_weights(encoder_id, layer_number, 1, states);
        held := ragpg_internal.multiply_values(encoder_id, layer_number, states);
        select array_agg(
            subvector(listed.state, encoder.width + head * size + 1, size)
            order by head, listed.place
        )
        into keys
        from unnest(asked) with ordinality as listed (state, place)
        cross join generate_series(0, encoder.heads - 1) as head;
        select array_agg(array(select unnest(by_token.by_head))::vector || one order by place)
        into mixed
        from (
            select
                share.place,
                array_agg(
                    array(
                        select (share.shares <#> value) / (share.shares <#> token_ones)
                        from unnest(share.head_values) as value
                    )
                    order by share.head
                ) as by_head
            from (
                select
                    query.place,
                    query.head,
                    query.head_values,
                    -- The exponential must fit a real: where the product could be large, the
                    -- largest is taken off first.
                    case when vector_norm(query.state) * query.longest < 60 then array(
                        select exp(query.state <#> key)
                        from unnest(query.head_keys) as key
                    )::vector else array(
                        select exp(greatest(product - max(product) over (), -80))
                        from (
                            select key_place, query.state <#> key as product
                            from unnest(query.head_keys) with ordinality as listed (key, key_place)
                        ) as scored
                        order by key_place
                    )::vector end as shares
                from (
                    select
                        listed.place,
                        of_head.*,
                        subvector(listed.state, of_head.head * size + 1, size) as state
                    from (
                        select
                            one_head.*,
                            (
                                select max(vector_norm(key)) from unnest(one_head.head_keys) as key
                            ) as longest
                        from (
                            select
                                head,
                                keys[head * count_of_tokens + 1:(head + 1) * count_of_tokens]
                                    as head_keys,
                                held[head * size + 1:(head + 1) * size] as head_values
                            from generate_series(0, encoder.heads - 1) as head
                            offset 0
                        ) as one_head
                        offset 0
                    ) as of_head
                    cross join unnest(asked) with ordinality as listed (state, place)
                    offset 0
                ) as query
                offset 0
            ) as share
            group by share.place
        ) as by_token;
        mixed := ragpg_internal.multiply_weights(encoder_id, layer_number, 3, mixed);
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.attention_gain + norm.attention_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
        -- Feed-forward: into the wide layer, GELU, and out of it.
        mixed := ragpg_internal.multiply_weights(
            encoder_id, layer_number, 5,
            ragpg_internal.multiply_wide(encoder_id, layer_number, states)
        );
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.output_gain + norm.output_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
    end loop;
    if encoder.pooling = 'cls' then
        return l2_normalize(subvector(states[1], 1, encoder.width));
    end if;
    return (
        select l2_normalize(subvector(sum(state), 1, encoder.width)) from unnest(states) as state
    );
end
$$;
comment on function ragpg_internal.encode(bigint, integer[]) is
'Returns the embedding, of length 1, that a loaded encoder gives tokens: BERT''s forward pass (Devlin et al. 2018) with the products of pgvector.';

-- Is this the model we know under that name? Registers a new one, refuses an impostor.
create or replace function ragpg_internal.ensure_embedding_model(
    provider text,
    name text,
    max_tokens integer,
    probe halfvec
) returns bigint
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    known ragpg.embedding_models;
begin
    insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe)
    values (provider, name, vector_dims(probe), max_tokens, probe)
    on conflict do nothing;
    select model.* into strict known
    from ragpg.embedding_models as model
    where model.provider = ensure_embedding_model.provider
        and model.name = ensure_embedding_model.name
        and model.dimensions = vector_dims(ensure_embedding_model.probe);
    if known.probe <=> probe > 0.01 then
        raise exception 'the model "%" gives another embedding than the one stored here under that name (cosine % of the probe text)',
            name, round((1 - (known.probe <=> probe))::numeric, 4)
            using errcode = 'RG008',
                hint = 'use the model the collection was built with, or build a new collection';
    end if;
    return known.id;
end
$$;
comment on function ragpg_internal.ensure_embedding_model(text, text, integer, halfvec) is
'Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).';

-- Which words and punctuation marks does a BERT model see in a text?
create or replace function ragpg_internal.normalize_text(
    query text, lower_case boolean, strip_accents boolean
) returns text
language plpgsql immutable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    cleaned text;
    -- The classes of characters as the library `tokenizers` has them (0.23, Unicode of its time),
    -- written out: the server's own depend on its version, its locale and how it was built.
    removed constant text :=
        '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd'
        '\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ue000-\uf8ff\ufeff'
        '\ufff9-\ufffb\ufffd\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001'
        '\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]';
    space constant text :=
        '[\u0009\u000a\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]';
    -- Chinese characters are words of their own.
    chinese constant text :=
        '([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f'
        '\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f])';
    accents constant text :=
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        '\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u0819\u081b-\u0823\u0825-\u0827'
        '\u0829-\u082d\u0859-\u085b\u08e3-\u0902\u093a\u093c\u0941-\u0948\u094d\u0951-\u0957'
        '\u0962\u0963\u0981\u09bc\u09c1-\u09c4\u09cd\u09e2\u09e3\u0a01\u0a02\u0a3c\u0a41\u0a42'
        '\u0a47\u0a48\u0a4b-\u0a4d\u0a51\u0a70\u0a71\u0a75\u0a81\u0a82\u0abc\u0ac1-\u0ac5'
        '\u0ac7\u0ac8\u0acd\u0ae2\u0ae3\u0b01\u0b3c\u0b3f\u0b41-\u0b44\u0b4d\u0b56\u0b62\u0b63'
        '\u0b82\u0bc0\u0bcd\u0c00\u0c3e-\u0c40\u0c46-\u0c48\u0c4a-\u0c4d\u0c55\u0c56\u0c62\u0c63'
        '\u0c81\u0cbc\u0cbf\u0cc6\u0ccc\u0ccd\u0ce2\u0ce3\u0d01\u0d41-\u0d44\u0d4d\u0d62\u0d63'
        '\u0dca\u0dd2-\u0dd4\u0dd6\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0eb9\u0ebb\u0ebc'
        '\u0ec8-\u0ecd\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f7e\u0f80-\u0f84\u0f86\u0f87'
        '\u0f8d-\u0f97\u0f99-\u0fbc\u0fc6\u102d-\u1030\u1032-\u1037\u1039\u103a\u103d\u103e'
        '\u1058\u1059\u105e-\u1060\u1071-\u1074\u1082\u1085\u1086\u108d\u109d\u135d-\u135f'
        '\u1712-\u1714\u1732-\u1734\u1752\u1753\u1772\u1773\u17b4\u17b5\u17b7-\u17bd\u17c6'
        '\u17c9-\u17d3\u17dd\u180b-\u180d\u18a9\u1920-\u1922\u1927\u1928\u1932\u1939-\u193b'
        '\u1a17\u1a18\u1a1b\u1a56\u1a58-\u1a5e\u1a60\u1a62\u1a65-\u1a6c\u1a73-\u1a7c\u1a7f'
        '\u1ab0-\u1abd\u1b00-\u1b03\u1b34\u1b36-\u1b3a\u1b3c\u1b42\u1b6b-\u1b73\u1b80\u1b81'
        '\u1ba2-\u1ba5\u1ba8\u1ba9\u1bab-\u1bad\u1be6\u1be8\u1be9\u1bed\u1bef-\u1bf1\u1c2c-\u1c33'
        '\u1c36\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce0\u1ce2-\u1ce8\u1ced\u1cf4\u1cf8\u1cf9\u1dc0-\u1df5'
        '\u1dfc-\u1dff\u20d0-\u20dc\u20e1\u20e5-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff'
        '\u302a-\u302d\u3099\u309a\ua66f\ua674-\ua67d\ua69e\ua69f\ua6f0\ua6f1\ua802\ua806\ua80b'
        '\ua825\ua826\ua8c4\ua8e0-\ua8f1\ua926-\ua92d\ua947-\ua951\ua980-\ua982\ua9b3'
        '\ua9b6-\ua9b9\ua9bc\ua9e5\uaa29-\uaa2e\uaa31\uaa32\uaa35\uaa36\uaa43\uaa4c\uaa7c\uaab0'
        '\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1\uaaec\uaaed\uaaf6\uabe5\uabe8\uabed\ufb1e'
        '\ufe00-\ufe0f\ufe20-\ufe2f\U000101fd\U000102e0\U00010376-\U0001037a\U00010a01-\U00010a03'
        '\U00010a05\U00010a06\U00010a0c-\U00010a0f\U00010a38-\U00010a3a\U00010a3f'
        '\U00010ae5\U00010ae6\U00011001\U00011038-\U00011046\U0001107f-\U00011081'
        '\U000110b3-\U000110b6\U000110b9\U000110ba\U00011100-\U00011102\U00011127-\U0001112b'
        '\U0001112d-\U00011134\U00011173\U00011180\U00011181\U000111b6-\U000111be'
        '\U000111ca-\U000111cc\U0001122f-\U00011231\U00011234\U00011236\U00011237\U000112df'
        '\U000112e3-\U000112ea\U00011300\U00011301\U0001133c\U00011340\U00011366-\U0001136c'
        '\U00011370-\U00011374\U000114b3-\U000114b8\U000114ba\U000114bf\U000114c0'
        '\U000114c2\U000114c3\U000115b2-\U000115b5\U000115bc\U000115bd\U000115bf\U000115c0'
        '\U000115dc\U000115dd\U00011633-\U0001163a\U0001163d\U0001163f\U00011640\U000116ab'
        '\U000116ad\U000116b0-\U000116b5\U000116b7\U0001171d-\U0001171f\U00011722-\U00011725'
        '\U00011727-\U0001172b\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016f8f-\U00016f92'
        '\U0001bc9d\U0001bc9e\U0001d167-\U0001d169\U0001d17b-\U0001d182\U0001d185-\U0001d18b'
        '\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244\U0001da00-\U0001da36\U0001da3b-\U0001da6c'
        '\U0001da75\U0001da84\U0001da9b-\U0001da9f\U0001daa1-\U0001daaf\U0001e8d0-\U0001e8d6'
        '\U000e0100-\U000e01ef]';
    punctuation constant text :=
        '([!-/:-@\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u037e\u0387\u055a-\u055f'
        '\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0609\u060a\u060c\u060d\u061b'
        '\u061e\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9\u0830-\u083e\u085e\u0964\u0965'
        '\u0970\u0af0\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f12\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4'
        '\u0fd9\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166d\u166e\u169b\u169c\u16eb-\u16ed'
        '\u1735\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u1944\u1945\u1a1e\u1a1f\u1aa0-\u1aa6'
        '\u1aa8-\u1aad\u1b5a-\u1b60\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f\u1cc0-\u1cc7\u1cd3'
        '\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e\u207d\u207e\u208d\u208e'
        '\u2308-\u230b\u2329\u232a\u2768-\u2775\u27c5\u27c6\u27e6-\u27ef\u2983-\u2998'
        '\u29d8-\u29db\u29fc\u29fd\u2cf9-\u2cfc\u2cfe\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e42'
        '\u3001-\u3003\u3008-\u3011\u3014-\u301f\u3030\u303d\u30a0\u30fb\ua4fe\ua4ff\ua60d-\ua60f'
        '\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f'
        '\ua9c1-\ua9cd\ua9de\ua9df\uaa5c-\uaa5f\uaade\uaadf\uaaf0\uaaf1\uabeb\ufd3e\ufd3f'
        '\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe61\ufe63\ufe68\ufe6a\ufe6b\uff01-\uff03'
        '\uff05-\uff0a\uff0c-\uff0f\uff1a\uff1b\uff1f\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d'
        '\uff5f-\uff65\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f'
        '\U0001093f\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f'
        '\U00010b99-\U00010b9c\U00011047-\U0001104d\U000110bb\U000110bc\U000110be-\U000110c1'
        '\U00011140-\U00011143\U00011174\U00011175\U000111c5-\U000111c9\U000111cd\U000111db'
        '\U000111dd-\U000111df\U00011238-\U0001123d\U000112a9\U000114c6\U000115c1-\U000115d7'
        '\U00011641-\U00011643\U0001173c-\U0001173e\U00012470-\U00012474\U00016a6e\U00016a6f'
        '\U00016af5\U00016b37-\U00016b3b\U00016b44\U0001bc9f\U0001da87-\U0001da8b])';
    upper_letters constant text :=
        'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁ'
        'ŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬ'
        'ǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘ'
        'ϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒ'
        'ҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺ'
        'ԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳ'
        'ᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤ'
        'ᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼ'
        'ṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼ'
        'ἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮ'
        'ⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲ'
        'ⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐ'
        'ꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋ'
        'Ꟍ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻'
        '𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜'
        '𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋'
        '𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡';
    lower_letters constant text :=
        'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀł'
        'ńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭ'
        'ǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙ'
        'ϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғ'
        'ҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժ'
        'իլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃ'
        'ꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფ'
        'ქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽ'
        'ṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴ'
        'ἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾ'
        'ⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳ'
        'ⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑ'
        'ꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤ'
        'ꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣'
        '𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜'
        '𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫'
        '𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃';
begin
    -- Printable ASCII, nearly every question: no class above matters.
    if query ~ '^[\x20-\x7e]*$' then
        return regexp_replace(
            case when lower_case then lower(query collate "C") else query end,
            '([!-/:-@\[-`{-~])', ' \1 ', 'g'
        );
    end if;
    cleaned := regexp_replace(query collate "C", removed, '', 'g');
    cleaned := regexp_replace(cleaned, space, ' ', 'g');
    cleaned := regexp_replace(cleaned, chinese, ' \1 ', 'g');
    if strip_accents then
        cleaned := regexp_replace(normalize(cleaned, nfd), accents, '', 'g');
    end if;
    if lower_case then
        cleaned := translate(replace(cleaned, 'İ', 'i̇'), upper_letters, lower_letters);
    end if;
    return regexp_replace(cleaned, punctuation, ' \1 ', 'g');
end
$$;
comment on function ragpg_internal.normalize_text(text, boolean, boolean) is
'Returns the text as BERT''s basic tokenizer leaves it: words, punctuation marks and Chinese characters with spaces between them, control characters removed, lower-cased and without accents where the model wants that. The same on every server: it uses no locale.';

-- What does a loaded model read when it is asked a question?
create or replace function ragpg_internal.query_tokens(encoder_id bigint, query text)
returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    encoder ragpg.encoders;
    spelled integer[];
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = query_tokens.encoder_id;
    spelled := ragpg_internal.tokenize(
        encoder_id, encoder.query_prefix || query, encoder.max_query_tokens - 1
    );
    if cardinality(spelled) > encoder.max_query_tokens - 2 then
        raise notice 'the query is cut to % tokens', encoder.max_query_tokens;
        spelled := spelled[:encoder.max_query_tokens - 2];
    end if;
    return encoder.first_token_id || spelled || encoder.last_token_id;
end
$$;
comment on function ragpg_internal.query_tokens(bigint, text) is
'Returns the tokens a loaded encoder reads for a question: its query prefix and the tokens that begin and end a text added, cut to its limit with a notice.';

-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg_internal.remember_query(encoder_id bigint, query text)
returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg_internal.remembered_query(encoder_id, query);
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
    computed := ragpg_internal.encode(encoder_id, ragpg_internal.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg_internal.hash_text(remember_query.query), computed, loaded_at,
        ragpg_internal.written_tenant()
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
revoke execute on function ragpg_internal.remember_query(bigint, text) from public;
comment on function ragpg_internal.remember_query(bigint, text) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';

-- Was this question embedded before?
create or replace function ragpg_internal.remembered_query(encoder_id bigint, query text)
returns vector
language sql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg_internal.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = (select ragpg_internal.written_tenant())
    limit 1
$$;
comment on function ragpg_internal.remembered_query(bigint, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';

-- Which tokens of a model spell a text?
create or replace function ragpg_internal.tokenize(
    encoder_id bigint, query text, wanted integer default null
) returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    encoder ragpg.encoders;
    special_pattern text;
    parts text[];
    found_special text[];
    found_ids integer[] := '{}';
    word record;
    pieces integer[];
    place integer;
    piece record;
    longest_word constant integer := 100;  -- longer ones are unknown, as BERT has it
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = tokenize.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    -- Special tokens such as [MASK] are taken out first, as they stand.
    parts := array[query];
    found_special := '{}';
    if query ~ '\[' and cardinality(encoder.special_tokens) > 0 then
        select string_agg(regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g'), '|')
        into special_pattern
        from unnest(encoder.special_tokens) as token;
        parts := regexp_split_to_array(query, special_pattern);
        found_special := array(
            select found.matched[1]
            from regexp_matches(query, '(' || special_pattern || ')', 'g') as found (matched)
        );
    end if;
    for part_number in 1..cardinality(parts) loop
        for word in
            select listed.spelling, whole.token_id
            from unnest(
                string_to_array(
                    ragpg_internal.normalize_text(
                        parts[part_number], encoder.lower_case, encoder.strip_accents
                    ),
                    ' '
                )
            ) with ordinality as listed (spelling, place)
            left join ragpg.encoder_vocabulary as whole
                on whole.embedding_model_id = encoder.embedding_model_id
                and whole.token = listed.spelling collate "C"
                and length(listed.spelling) <= longest_word
            where listed.spelling <> ''
            order by listed.place
        loop
            exit when cardinality(found_ids) >= wanted;
            if word.token_id is not null then
                found_ids := found_ids || word.token_id;
                continue;
            end if;
            -- WordPiece: the longest token the rest of the word begins with, again and again.
            pieces := '{}';
            place := 1;
            if length(word.spelling) > longest_word then
                pieces := array[encoder.unknown_token_id];
                place := length(word.spelling) + 1;
            end if;
            while place <= length(word.spelling) loop
                select known.token_id, asked.size
                into piece
                from generate_series(
                    1, least(encoder.longest_token, length(word.spelling) - place + 1)
                ) as asked (size)
                join ragpg.encoder_vocabulary as known
                    on known.embedding_model_id = encoder.embedding_model_id
                    and known.token = case when place > 1 then '##' else '' end
                        || substr(word.spelling, place, asked.size)
                order by asked.size desc
                limit 1;
                if not found then
                    pieces := array[encoder.unknown_token_id];
                    exit;
                end if;
                pieces := pieces || piece.token_id;
                place := place + piece.size;
            end loop;
            found_ids := found_ids || pieces;
        end loop;
        exit when cardinality(found_ids) >= wanted;
        if part_number <= cardinality(found_special) then
            found_ids := found_ids || (
                select known.token_id
                from ragpg.encoder_vocabulary as known
                where known.embedding_model_id = encoder.embedding_model_id
                    and known.token = found_special[part_number] collate "C"
            );
        end if;
    end loop;
    return case when wanted is null then found_ids else found_ids[:wanted] end;
end
$$;
comment on function ragpg_internal.tokenize(bigint, text, integer) is
'Returns the numbers of the tokens that spell a text, as the WordPiece tokenizer of a loaded encoder gives them, without those that begin and end a text; the first so many when a number is wanted.';

-- Is a filter a question that has an answer?
create or replace function ragpg_internal.check_filter(filter jsonpath) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    perform jsonb_path_match_tz('{}', filter);
exception
    when others then
        raise exception 'the filter % is not a predicate: %', filter, sqlerrm
            using errcode = 'RG004',
                hint = 'compare something, such as $.tier == "pro" && $.year >= 2024';
end
$$;
comment on function ragpg_internal.check_filter(jsonpath) is
'Raises RG004 unless the filter is a jsonpath predicate (something that is true or false of a document''s metadata).';

-- How far is the k-th nearest chunk, truly?
create or replace function ragpg_internal.exact_distances(
    index_id bigint, embeddings halfvec[], own_ids bigint[], k integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        select max(near.distance) into farthest
        from (
            select chunk.embedding <=> embeddings[place] as distance
            from ragpg.chunks as chunk
            where chunk.index_id = exact_distances.index_id
                and chunk.id is distinct from own_ids[place]
            order by 1
            limit exact_distances.k
        ) as near;
        distances := distances || farthest;
    end loop;
    return distances;
end
$$;
comment on function ragpg_internal.exact_distances(bigint, halfvec[], bigint[], integer) is
'Returns for each embedding the cosine distance of its k-th nearest chunk in a search index, by looking at every chunk but the one of own_ids.';

-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer, words text[]
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
        into query_embedding
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg_internal.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg_internal.lexeme_query(word.lexeme)
        )
    from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
    cross join lateral (
        select one.lexemes
        from ragpg.chunks as one
        where one.index_id = recipe.id and one.id = best.chunk_id
        limit 1
    ) as chunk
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec, text) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query''s words it holds. Three searches, so for looking, not for serving.';

-- What would a question's embedding be, judged by the best chunks its words find?
create or replace function ragpg_internal.feedback_embedding(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[]
) returns halfvec
language sql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    select l2_normalize(
        sum(
            chunk.embedding::vector
            * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
        )
    )::halfvec
    from unnest(chunk_ids[:3], scores[:3]) as best (chunk_id, score)
    cross join lateral (
        select one.embedding
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = best.chunk_id
        limit 1
    ) as chunk
$$;
comment on function ragpg_internal.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';

-- Which chunks are best by words?
create or replace function ragpg_internal.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
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
    only_tenant constant text := ragpg_internal.searched_tenant();
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    select
        array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
        sum(word.chunk_count), sum(word.weight)
    into words, weights, total_count, total_weight
    from ragpg_internal.query_words(keyword_candidates.index_id, keyword_candidates.query) as word;
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, setweight(stored.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
                ' and case when $4 is null or stored.tenant = $4 then'
                '  (select ragpg_internal.passes(document.metadata, $3)'
                '   from ragpg.documents as document where document.id = stored.document_id) end'
        end,
        case
            when only_tenant is not null then ' and ' || ragpg_internal.tenant_condition(
                keyword_candidates.index_id, only_tenant, 'stored.tenant', '$4'
            )
        end,
        wanted
    );
    most_added := case when total_count <= exact_limit then 1 else 0.75 end;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when document_ids is null and total_count > few then 0.45 * most_added * total_weight
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score;
end
$$;
grant execute on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
)
to public;
comment on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that a chunk may be missed whose few words occur very often in it.';

-- Keeps one search of the share that is logged.
create or replace function ragpg_internal.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg_internal.written_tenant()
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where recipe.id = log_search.index_id and one.search_log_share > 0
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg_internal.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision
) from public;
comment on function ragpg_internal.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';

-- The nearest chunks, for clients written for the convention of this name.
create or replace function ragpg.match_documents(
    query_embedding vector,
    match_count integer default 10,
    filter jsonb default '{}',
    collection text default null
) returns table (id bigint, content text, metadata jsonb, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    conditions jsonpath;
begin
    if jsonb_path_exists(filter, '$.* ? (@.type() == "object" || @.type() == "array")') then
        raise exception 'the filter % holds more than plain values', filter
            using errcode = 'RG005', hint = 'use ragpg.search, whose filter is a jsonpath predicate';
    end if;
    select string_agg(format('$.%s == %s', to_json(wanted.key), wanted.value), ' && ')::jsonpath
    into conditions
    from jsonb_each(filter) as wanted;
    return query
    select hit.chunk_id, hit.content, hit.metadata, hit.similarity
    from ragpg.search(
        query => '', k => match_count, collection => match_documents.collection,
        filter => conditions, query_embedding => match_documents.query_embedding::halfvec,
        mode => 'vector'
    ) as hit
    order by hit.place;
end
$$;
comment on function ragpg.match_documents(vector, integer, jsonb, text) is
'Returns the match_count chunks nearest to an embedding, best first, of documents whose metadata have each key''s value in the filter. The calling convention of many client libraries; ragpg.search does more. Raises RG005 when the filter is nested.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := ragpg_internal.searched_tenant();
begin
    -- Planned for this filter: how many documents pass decides whether their index is worth it.
    execute format(
        'select array_agg(document.id), sum(state.chunk_count)'
        ' from ragpg.documents as document'
        ' join ragpg.index_documents as state'
        '  on state.document_id = document.id and state.index_id = $1'
        ' where document.collection_id = ('
        '   select recipe.collection_id from ragpg.search_indexes as recipe where recipe.id = $1)'
        '  and %s',
        case
            when only_tenant is null then 'ragpg_internal.passes(document.metadata, $2)'
            -- Of other tenants' rows the filter finds nothing, in whichever order it is asked.
            else 'ragpg_internal.passes('
                'jsonb_set(''{}'', array[document.tenant], document.metadata), $2) and '
                || ragpg_internal.tenant_condition(
                    matching_documents.index_id, only_tenant, 'document.tenant', '$3'
                )
        end
    )
    into document_ids, chunks
    using matching_documents.index_id,
        case
            when only_tenant is null then matching_documents.filter
            else ragpg_internal.tenant_filter(matching_documents.filter, only_tenant)
        end,
        only_tenant;
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- Does the vector index still find what is nearest?
create or replace function ragpg.measure_recall(
    collection text default null,
    k integer default 10,
    queries integer default 100,
    ef_search integer default null,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(measure_recall.collection, measure_recall.index_id);
    drawn record;
    distances double precision[];
    recalls double precision[];
    started timestamptz := clock_timestamp();
    exact_time interval;
    measured ragpg.recall_measurements;
begin
    if least(k, queries) < 1 or k is null or queries is null then
        raise exception 'k is %, queries is %: there is nothing to measure', k, queries
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, measure_recall.queries) as sample;
    if cardinality(drawn.embeddings) = 0 then
        return null;
    end if;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    exact_time := clock_timestamp() - started;
    started := clock_timestamp();
    recalls := ragpg_internal.recalls_at(
        recipe.id, drawn.embeddings, drawn.own_ids, distances, k,
        coalesce(ef_search, recipe.ef_search)
    );
    insert into ragpg.recall_measurements as stored (
        index_id, k, ef_search, queries, query_source, recall, worst_recall, index_ms, exact_ms
    )
    select
        recipe.id, measure_recall.k,
        greatest(coalesce(measure_recall.ef_search, recipe.ef_search), measure_recall.k),
        cardinality(recalls), drawn.query_source, avg(one.recall), min(one.recall),
        extract(epoch from clock_timestamp() - started) * 1000 / cardinality(recalls),
        extract(epoch from exact_time) * 1000 / cardinality(recalls)
    from unnest(recalls) as one (recall)
    returning stored.* into measured;
    return measured;
end
$$;
comment on function ragpg.measure_recall(text, integer, integer, integer, bigint) is
'Compares the vector index of a collection (its active one, or index_id) with exact search, on logged questions or else its own chunks, stores what share of the k nearest it finds in ragpg.recall_measurements and returns that row; null when it holds no chunk. A neighbour as far as the k-th counts as found.';

-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg_internal.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- As ragpg_internal.vector_candidates scans. Named here so that what is set below ends with it.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from ('
            '   select chunk.id, chunk.embedding <=> $1 as distance from ragpg.chunks as chunk'
            '   where chunk.index_id = %2$s'
            '   order by chunk.embedding::%1$s.halfvec(%3$s) operator(%1$s.<=>) $1 limit %4$s'
            '  ) as near where near.id is distinct from $2 order by near.distance limit %5$s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            ragpg_internal.vector_schema(), recalls_at.index_id, vector_dims(embeddings[place]),
            k + (own_ids[place] is not null)::integer, k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$$;
comment on function ragpg_internal.recalls_at(bigint, halfvec[], bigint[], double precision[], integer, integer) is
'Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg_internal.exact_distances), the chunk of own_ids left out.';

-- With which questions is recall to be measured?
create or replace function ragpg_internal.sample_queries(
    index_id bigint, queries integer, out query_source text, out embeddings halfvec[],
    out own_ids bigint[]
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    query_source := 'searches';
    select array_agg(asked.query_embedding), array_agg(null::bigint) into embeddings, own_ids
    from (
        select logged.query_embedding
        from ragpg.searches as logged
        where logged.index_id = sample_queries.index_id and logged.query_embedding is not null
        order by logged.searched_at desc, logged.id desc
        limit queries
    ) as asked;
    if coalesce(cardinality(embeddings), 0) < least(queries, 20) then
        query_source := 'chunks';
        select coalesce(array_agg(drawn.embedding), '{}'), coalesce(array_agg(drawn.id), '{}')
        into embeddings, own_ids
        from (
            select chunk.embedding, chunk.id
            from ragpg.chunks as chunk
            where chunk.index_id = sample_queries.index_id
            -- Drawn by hash, not by random(): the same chunks give the same recall.
            order by hashint8extended(chunk.id, 1)
            limit queries
        ) as drawn;
    end if;
end
$$;
comment on function ragpg_internal.sample_queries(bigint, integer) is
'Returns embeddings of the newest logged searches of a search index, or, when fewer than 20 (or all that are wanted) are logged, of its own chunks, drawn by hash, with their ids.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
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
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    word_ids bigint[];  -- best first
    word_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision := 0;
    vector_deviation double precision := 1;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
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
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
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
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
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
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        -- Of a sample of the documents, how many pass? Where that is 3 % or more, to list all that
        -- do takes longer than to ask of each candidate as it is met.
        if statistics.chunk_count > 20000 then
            -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
            execute 'select count(*) filter (where drawn.passes) >= 0.03 * cardinality($1)'
                ' from (select (select ragpg_internal.passes(document.metadata, $2)'
                '   from ragpg.documents as document where document.id = known.id) as passes'
                '  from unnest($1) as known (id)) as drawn'
            into is_wide
            using statistics.document_sample, filter;
        end if;
        if not is_wide then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
        end if;
        if not is_wide and coalesce(matching_chunks, 0) = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, search.query, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
        word_weight := 1;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
        word_weight := 1 - vector_weight;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    if mode = 'hybrid' and vector_ids is not null then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select
            coalesce(avg(1 - (sample <=> query_embedding)), 0),
            coalesce(nullif(stddev_pop(1 - (sample <=> query_embedding)), 0), 1)
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   %s as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg_internal.bm25_expression(recipe.id, search.query),
            ragpg_internal.bm25_saturation(statistics.mean_length), recipe.id
        )
        into bm25_scores
        using vector_ids;
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, search.query, wanted, matching_documents, filter, least_bm25
            ) as found;
        end if;
    end if;

    return query
    with candidates as (
        select known.chunk_id, known.similarity, known.bm25
        from unnest(vector_ids, similarities, bm25_scores) as known (chunk_id, similarity, bm25)
        union all
        select said.chunk_id, 1 - (chunk.embedding <=> query_embedding), said.bm25
        from unnest(word_ids, word_scores) as said (chunk_id, bm25)
        cross join lateral (
            select one.embedding
            from ragpg.chunks as one
            where one.index_id = recipe.id and one.id = said.chunk_id
            limit 1
        ) as chunk
        where said.chunk_id <> all(coalesce(vector_ids, '{}'))
    ),
    best as (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from candidates as candidate
        ) as known
        order by known.score desc, known.chunk_id
        limit k
    )
    select
        (row_number() over (order by best.score desc, best.chunk_id))::integer, hit.source,
        hit.title, hit.content, best.score, best.similarity, best.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id,
        hit.document_version, best.chunk_id
    from best
    -- Looked up one by one, as above: without statistics of the parent of all partitions, and it
    -- has none, a join may be planned that reads every chunk.
    cross join lateral (
        select chunk.*, document.source, document.title, document.metadata
        from ragpg.chunks as chunk
        join ragpg.documents as document on document.id = chunk.document_id
        where chunk.index_id = recipe.id and chunk.id = best.chunk_id
        limit 1
    ) as hit
    order by 1;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- Which chunks answer one of several phrasings of a question best?
create or replace function ragpg.search_any(
    queries text[],
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embeddings halfvec[] default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if coalesce(cardinality(queries), 0) = 0 then
        raise exception 'there is no query' using errcode = 'RG005', hint = 'ask something';
    end if;
    if cardinality(query_embeddings) <> cardinality(queries) then
        raise exception '% queries came with % embeddings',
            cardinality(queries), cardinality(query_embeddings)
            using errcode = 'RG005', hint = 'pass one for each, or none';
    end if;
    return query
    with hits as materialized (
        select hit.*, asked.number
        from unnest(queries) with ordinality as asked (query, number)
        cross join lateral ragpg.search(
            asked.query, greatest(2 * k, 20), search_any.collection, search_any.filter,
            query_embeddings[asked.number], search_any.mode, search_any.index_id
        ) as hit
    ),
    fused as (
        -- Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): scores of different
        -- questions are on different scales.
        select
            hits.chunk_id, sum(1.0::double precision / (60 + hits.place)) as score,
            max(hits.similarity) as similarity, max(hits.bm25) as bm25, min(hits.number) as number
        from hits
        group by hits.chunk_id
    )
    select
        (row_number() over (order by fused.score desc, hit.chunk_id))::integer, hit.source,
        hit.title, hit.content, fused.score, fused.similarity, fused.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from fused
    join hits as hit on hit.chunk_id = fused.chunk_id and hit.number = fused.number
    order by 1
    limit k;
end
$$;
comment on function ragpg.search_any(text[], integer, text, jsonpath, halfvec[], text, bigint) is
'Returns the k best chunks for several phrasings of one question, by reciprocal rank fusion of ragpg.search of each; similarity and bm25 are the best of any phrasing. query_embeddings, if given, has one for each query. Raises RG001 to RG005, RG010.';

-- Which chunks answer this question best, without saying the same twice?
create or replace function ragpg.search_distinct(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    max_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    relevance double precision default 1
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    hits jsonb;
    contents text[];
    embeddings halfvec[];
    scores double precision[];  -- from 0, the last, to 1, the first
    nearest double precision[];  -- cosine to what is picked
    is_taken boolean[];  -- picked, or nearly the same as what is
    picks integer[];
    pick integer;
    -- Maximal marginal relevance chooses among more than it returns.
    wanted integer := case when relevance < 1 then greatest(3 * k, 30) else k + k / 2 + 1 end;
begin
    if num_nulls(max_similarity, min_overlap, relevance) > 0 or relevance not between 0 and 1 then
        raise exception 'max_similarity is %, min_overlap is %, relevance is %',
            max_similarity, min_overlap, relevance
            using errcode = 'RG005',
                hint = 'max_similarity is a cosine, min_overlap a share; relevance is from 0 (different) to 1 (best)';
    end if;
    loop
        select
            jsonb_agg(to_jsonb(hit) order by hit.place),
            array_agg(hit.content order by hit.place),
            array_agg(chunk.embedding order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, embeddings, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit
        cross join lateral (
            select one.embedding from ragpg.chunks as one where one.id = hit.chunk_id limit 1
        ) as chunk;
        picks := '{}';
        while cardinality(picks) < k loop
            select candidate.place into pick
            from unnest(scores, nearest, is_taken) with ordinality
                as candidate (score, nearest, is_taken, place)
            where not candidate.is_taken
            order by
                relevance * candidate.score - (1 - relevance) * candidate.nearest desc,
                candidate.place
            limit 1;
            exit when pick is null;
            picks := picks || pick;
            select
                array_agg(greatest(known.nearest, near.similarity) order by known.place),
                array_agg(
                    known.is_taken or known.place = pick
                    or near.similarity >= max_similarity
                    and ragpg_internal.word_overlap(known.content, contents[pick]) >= min_overlap
                    order by known.place
                )
            into nearest, is_taken
            from unnest(nearest, is_taken, embeddings, contents) with ordinality
                as known (nearest, is_taken, embedding, content, place)
            cross join lateral (
                select 1 - (known.embedding <=> embeddings[pick]) as similarity
            ) as near;
        end loop;
        -- Too few, and search has more to give: look further down.
        exit when cardinality(picks) = k or coalesce(cardinality(scores), 0) < wanted;
        wanted := 2 * wanted;
    end loop;
    return query
    select
        picked.place::integer, hit.source, hit.title, hit.content, hit.score, hit.similarity,
        hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context, hit.metadata,
        hit.document_id, hit.document_version, hit.chunk_id
    from unnest(picks) with ordinality as picked (hit, place)
    join jsonb_populate_recordset(null::ragpg.hit, hits) as hit on hit.place = picked.hit
    order by 1;
end
$$;
comment on function ragpg.search_distinct(text, integer, text, jsonpath, halfvec, text, bigint, double precision, double precision, double precision) is
'Returns what ragpg.search does, but of chunks that are nearly the same only the best, and k of them whenever there are k. Nearly the same: a cosine similarity of at least max_similarity, and at least min_overlap of the words in common (ragpg_internal.word_overlap; without it lists of different things look the same). relevance below 1 also trades score against being unlike the chunks before (maximal marginal relevance, Carbonell and Goldstein 1998: 0.7 is usual).';

-- Which chunks answer this question best, when what is new counts for more?
create or replace function ragpg.search_recent(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    dated jsonpath default '$.date',
    half_life interval default '180 days',
    weight double precision default 1
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if half_life is null or half_life <= '0' or weight is null or weight < 0 then
        raise exception 'half_life is %, weight is %', half_life, weight
            using errcode = 'RG005',
                hint = 'half_life is an interval such as 30 days, weight zero or more';
    end if;
    return query
    select
        (row_number() over (order by boosted.score desc, boosted.chunk_id))::integer,
        boosted.source, boosted.title, boosted.content, boosted.score, boosted.similarity,
        boosted.bm25, boosted.start_char, boosted.end_char, boosted.page, boosted.context,
        boosted.metadata, boosted.document_id, boosted.document_version, boosted.chunk_id
    from (
        select
            hit.source, hit.title, hit.content,
            hit.score + weight * (
                case
                    when said.date is null then 0
                    -- A date of the future is as new as today's.
                    else 0.5 ^ (
                        greatest(extract(epoch from now() - said.date), 0)::double precision
                        / extract(epoch from half_life)::double precision
                    )
                end
            ) as score,
            hit.similarity, hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            hit.metadata, hit.document_id, hit.document_version, hit.chunk_id
        from ragpg.search(
            query, greatest(3 * k, 50), collection, filter, query_embedding, mode, index_id
        ) as hit
        -- What is no date, or not there, adds nothing.
        cross join lateral (
            select (
                jsonb_path_query_first_tz(
                    to_jsonb(
                        -- datetime() reads offsets, but no Z.
                        regexp_replace(
                            jsonb_path_query_first(hit.metadata, dated) #>> '{}', 'Z$', '+00:00'
                        )
                    ),
                    '$.datetime()', silent => true
                ) #>> '{}'
            )::timestamptz as date
        ) as said
    ) as boosted
    order by 1
    limit k;
end
$$;
comment on function ragpg.search_recent(text, integer, text, jsonpath, halfvec, text, bigint, jsonpath, interval, double precision) is
'Returns what ragpg.search does, from three times as many hits (50 at least), with weight * 0.5 ^ (age / half_life) added to each score: a hit of today gains weight, one of half_life ago half of it. dated finds the ISO 8601 date in the document''s metadata; without one nothing is added. Hybrid scores are in standard deviations, so a weight of 1 moves a hit by one of them; in mode vector use about 0.05. Raises RG001 to RG005, RG010.';

-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    given ragpg.chunks;
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.* into given
    from ragpg.chunks as chunk
    where chunk.id = similar_chunks.to_chunk_id;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.id
    from ragpg_internal.vector_candidates(given.index_id, given.embedding, k + 1) as near
    cross join lateral (
        select one.*
        from ragpg.chunks as one
        where one.index_id = given.index_id and one.id = near.chunk_id
        limit 1
    ) as chunk
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';

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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg_internal.recalls_at(
                    recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle
                )
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
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: search_indexes.candidates in hybrid mode, k in vector mode.';

-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_sort = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s operator(%6$s.<=>) $1 as distance'
        '  from %2$s as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s operator(%6$s.<=>) $1 limit %5$s) as near';
    vector_schema constant text := ragpg_internal.vector_schema();
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
    end;
    scan text;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
    only_tenant constant text := ragpg_internal.searched_tenant();
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
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
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
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case when only_documents is null then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::%s.halfvec(%s)', vector_schema, vector_dims(query_embedding)),
                'ragpg.' || table_name, recipe.id, only_documents, wanted, vector_schema
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        execute format(
            template,
            'embedding',
            case
                -- Document by document: else a policy's index may be taken, which reads all of a
                -- tenant's chunks.
                when only_tenant is not null and document_ids is not null then format(
                    'unnest($2) as listed (id) cross join lateral ('
                    ' select one.* from ragpg.chunks as one'
                    ' where one.index_id = %s and one.document_id = listed.id offset 0)',
                    recipe.id
                )
                else 'ragpg.' || table_name
            end,
            recipe.id, only_documents, wanted, vector_schema
        )
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match; otherwise the HNSW index, and exact again should that come back with too few.';
