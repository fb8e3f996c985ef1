-- Makes known to the coordinator where it is itself and where its workers are; again does nothing.
-- Each node has the extension already, in the database that its image made.
select citus_set_coordinator_host('citus');
select citus_add_node('citus-worker-1', 5432);
select citus_add_node('citus-worker-2', 5432);
