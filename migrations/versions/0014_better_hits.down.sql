drop function ragpg.search_any;
drop function ragpg.surroundings;
