-- The role of the dashboards: it may read and search. Run once by the owner of the schema, after
-- `ragpg init`: psql -v password=... -f dashboards/reader.sql
select not exists (select from pg_roles where rolname = 'ragpg_dashboards') as is_new \gset
\if :is_new
create role ragpg_dashboards login;
\endif
alter role ragpg_dashboards password :'password';
select ragpg.grant_reader('ragpg_dashboards');
