drop function ragpg.search_legs(text, integer, text, jsonpath, halfvec, text, bigint, integer);
