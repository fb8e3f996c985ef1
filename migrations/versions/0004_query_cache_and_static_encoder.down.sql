-- Undoes 0004: no cache of query embeddings, no static encoder.
drop trigger encoders_forget_queries on ragpg.encoders;

-- Where does a question lie among the embeddings?
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    usable bigint[];
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
    return ragpg.encode(usable[1], ragpg.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format('alter default privileges in schema ragpg grant select on tables to %I', role_name);
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too. For dashboards. To be called by the owner of the schema.';

drop function ragpg.forget_queries;
drop function ragpg.remember_query;
drop function ragpg.remembered_query;
drop table ragpg.query_embeddings;
alter table ragpg.encoders drop column cached_queries;
