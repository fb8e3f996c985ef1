drop function ragpg.delete_vanished;
drop function ragpg.source_paths;
